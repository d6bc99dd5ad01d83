-- Webhooks: programs that are told of an account's events (Standard Webhooks 1.0).

create table webhook (
  account_id uuid not null,
  id uuid not null,
  url text not null,
  types text not null,                -- separated by spaces; empty: every type
  headers text not null,              -- JSON; never shown
  cursor bigint not null,             -- how far the account's log was looked through for it
  told bigint,                        -- the last event that was owed to it
  failing_since bigint,
  disabled_at bigint,
  disabled_reason text,               -- gone, failing, user
  created_at bigint not null,
  primary key (account_id, id)
);

-- What signs calls. Every one that has not expired does, so that a receiver can change over.
create table webhook_key (
  account_id uuid not null,
  webhook_id uuid not null,           -- all zeros: the calls to the callback addresses of the account's questions
  id uuid not null,
  secret bytea not null,              -- of HMAC-SHA256 (v1)
  seed bytea not null,                -- of Ed25519 (v1a)
  created_at bigint not null,
  expires_at bigint,
  primary key (account_id, webhook_id, id)
);

create index delivery_webhook on delivery (account_id, subject_id, id) where kind = 'webhook';
create index delivery_called on delivery (settled_at) where kind = 'webhook' and settled_at is not null;
