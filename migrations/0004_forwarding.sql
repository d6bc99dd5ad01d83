-- Outside addresses that are told of what arrives, and the secret addresses their replies come back to.

create table forwarding (
  account_id uuid not null,
  id uuid not null,
  address text not null,
  content text not null,              -- full, notice
  confirm_digest bytea unique,        -- of the token in the verification mail
  confirm_expires_at bigint,
  verified_at bigint,
  created_at bigint not null,
  primary key (account_id, id),
  unique (account_id, address)
);

create table reply_address (
  digest bytea primary key,           -- SHA-256 of the secret in the local part
  account_id uuid not null,
  email_id uuid not null,
  thread_id uuid not null,
  notified text not null,             -- the outside address that was given it
  created_at bigint not null,
  revoked_at bigint
);
create index reply_address_account on reply_address (account_id, email_id);
