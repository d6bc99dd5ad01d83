-- Full-text search. Words are made in one place for both databases (mail/words.rs); the vectors come ready-made,
-- with weight A for the subject, B for the sender, C for the recipients, D for the text. The lexeme `@ACCOUNT` keeps
-- the accounts of one index apart.

create table search (
  place bigint not null,              -- received_at, then chance
  account_id uuid not null,
  email_id uuid not null,
  doc tsvector,
  primary key (account_id, email_id)
);
create index search_place on search (account_id, place);
create index search_doc on search using gin (doc);

-- What is not in the index yet.
create table search_tail (
  account_id uuid not null,
  email_id uuid not null,
  primary key (account_id, email_id)
);

create function email_search_added() returns trigger language plpgsql as $$
begin
  insert into search_tail (account_id, email_id) values (new.account_id, new.id);
  return null;
end $$;
create trigger email_search_added after insert on email for each row execute function email_search_added();

-- The row of the tail first: whoever is indexing the email holds it, and is waited for.
create function email_search_removed() returns trigger language plpgsql as $$
begin
  delete from search_tail where account_id = old.account_id and email_id = old.id;
  delete from search where account_id = old.account_id and email_id = old.id;
  return null;
end $$;
create trigger email_search_removed after delete on email for each row execute function email_search_removed();

insert into search_tail (account_id, email_id) select account_id, id from email;
