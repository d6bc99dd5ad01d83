-- What a person's inbox has beside mail: messages that come back later, drafts, and choices.

alter table email add column snoozed_until bigint;  -- in the mailbox of that role: when it comes back

create table draft (
  account_id uuid not null,
  id uuid not null,
  body text not null,                 -- JSON: a message as the API takes it, as far as it is written
  version bigint not null,            -- the account's modification sequence when it was last changed
  created_at bigint not null,
  updated_at bigint not null,
  primary key (account_id, id)
);
create index draft_updated on draft (account_id, updated_at, id);

create table preference (
  account_id uuid primary key,
  body text not null,                 -- JSON
  updated_at bigint not null
);
