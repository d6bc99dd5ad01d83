-- Mail as accounts hold it. Every key begins with account_id: ownership, locality and the shard key in one.

create table mailbox (
  account_id uuid not null,
  id uuid not null,
  name text not null,
  role text,
  position bigint not null,
  created_at bigint not null,
  primary key (account_id, id),
  unique (account_id, name),
  unique (account_id, role)
);

-- Message bytes, once by content, however many accounts hold them.
create table blob (
  digest bytea primary key,
  size bigint not null,
  content bytea,                      -- null: the bytes are a file of the blob directory
  summary text,                       -- of a message in a file: what was parsed, as JSON
  created_at bigint not null
);

create table upload (
  account_id uuid not null,
  id uuid not null,
  digest bytea not null,
  size bigint not null,
  content_type text not null,
  created_at bigint not null,
  primary key (account_id, id)
);

create table email (
  account_id uuid not null,
  id uuid not null,
  thread_id uuid not null,
  mailbox_id uuid not null,
  source_id bytea not null,           -- the submission, or SHA-256 of MAIL FROM and DATA of what came from outside
  outgoing boolean not null,
  digest bytea not null,
  size bigint not null,
  message_id text not null,           -- RFC 5322, without <>
  subject text not null,
  from_name text,
  from_address text,
  recipients text not null,           -- JSON: the first of to and cc
  preview text not null,
  sent_at bigint,                     -- its Date field
  received_at bigint not null,
  has_attachment boolean not null,
  seen boolean not null,
  flagged boolean not null,
  modseq bigint not null,
  submission_id uuid,                 -- of what this account sent
  promise_id uuid,                    -- the question it carries
  asker_id uuid,                      -- the account which that promise belongs to
  metadata text,
  primary key (account_id, id),
  -- At most one copy in a mailbox, whatever is retried.
  unique (account_id, source_id, outgoing)
);
create index email_mailbox on email (account_id, mailbox_id, received_at, id);
create index email_unseen on email (account_id, mailbox_id, received_at, id) where not seen;
create index email_flagged on email (account_id, received_at, id) where flagged;
create index email_received on email (account_id, received_at, id);
create index email_thread on email (account_id, thread_id, received_at, id);
create index email_message_id on email (account_id, message_id);

create table email_keyword (
  account_id uuid not null,
  email_id uuid not null,
  keyword text not null,
  primary key (account_id, email_id, keyword)
);
create index email_keyword_keyword on email_keyword (account_id, keyword, email_id);

-- An account's log: what the events API, its streams and later webhooks and JMAP read.
create table event (
  account_id uuid not null,
  seq bigint not null,
  type text not null,
  data text not null,
  at bigint not null,
  primary key (account_id, seq)
);

create table idempotency (
  account_id uuid not null,
  key text not null,
  fingerprint bytea not null,
  status bigint not null,
  location text,
  body text not null,
  created_at bigint not null,
  primary key (account_id, key)
);
