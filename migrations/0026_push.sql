-- Web push (RFC 8030): browsers that are told of messages and questions.

create table push (
  account_id uuid not null,
  id uuid not null,
  endpoint text not null,
  p256dh bytea not null,              -- the browser's public key (RFC 8291)
  auth bytea not null,                -- its authentication secret
  kinds text not null,                -- separated by spaces: question, message
  credential_id uuid not null,        -- the session or token it was made with: it ends with that
  cursor bigint not null,             -- how far the account's log was looked through for it
  failing_since bigint,
  created_at bigint not null,
  primary key (account_id, id),
  unique (account_id, endpoint)
);

create index push_endpoint on push (endpoint);
create index delivery_push on delivery (account_id, subject_id, email_id) where kind = 'push';
create index delivery_pushed on delivery (settled_at) where kind = 'push' and settled_at is not null;
