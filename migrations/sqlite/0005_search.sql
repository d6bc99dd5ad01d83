-- Full-text search. Words are made in one place for both databases (mail/words.rs); FTS5 only takes them apart at
-- spaces. `_` stands for a word that is left out.

create table search (
  place integer primary key,          -- received_at, then chance: newest first is the index's own order
  account_id uuid not null,
  email_id uuid not null,
  unique (account_id, email_id)
);

create virtual table search_text using fts5 (
  account, subject, sender, recipients, body,
  content = '', contentless_delete = 1, prefix = '2 3', tokenize = "ascii tokenchars '_'"
);

-- What is not in the index yet.
create table search_tail (
  account_id uuid not null,
  email_id uuid not null,
  primary key (account_id, email_id)
) without rowid;

create trigger email_search_added after insert on email begin
  insert into search_tail (account_id, email_id) values (new.account_id, new.id);
end;

create trigger email_search_removed after delete on email begin
  delete from search_tail where account_id = old.account_id and email_id = old.id;
  delete from search_text where rowid = (select place from search where account_id = old.account_id and email_id = old.id);
  delete from search where account_id = old.account_id and email_id = old.id;
end;

insert into search_tail (account_id, email_id) select account_id, id from email;
