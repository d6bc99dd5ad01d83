-- Accounts and how they sign in. Times are milliseconds since 1970, UTC; digests are SHA-256.

create table domain (
  name text primary key,
  created_at bigint not null
);

create table account (
  id uuid primary key,
  kind text not null check (kind in ('person', 'service')),
  name text not null,
  password text,                      -- argon2id in PHC form; null: no sign-in by password
  admin boolean not null,
  modseq bigint not null,             -- the last number given out in this account's log
  created_at bigint not null,
  disabled_at bigint
);

create table address (
  address text primary key,           -- lower-cased
  account_id uuid not null references account (id),
  shown text not null,                -- as it was written
  main boolean not null,
  created_at bigint not null
);
create index address_account on address (account_id, main);

create table token (
  account_id uuid not null references account (id),
  id uuid not null,
  name text not null,
  digest bytea not null unique,
  scopes text not null,               -- separated by spaces
  created_at bigint not null,
  expires_at bigint,
  revoked_at bigint,
  primary key (account_id, id)
);

create table session (
  account_id uuid not null references account (id),
  id uuid not null,
  digest bytea not null unique,
  user_agent text not null,
  created_at bigint not null,
  seen_at bigint not null,
  expires_at bigint not null,
  revoked_at bigint,
  primary key (account_id, id)
);

-- The one-time link that creates the first administrator.
create table setup (
  digest bytea primary key,
  created_at bigint not null,
  expires_at bigint not null,
  used_at bigint
);

-- Failed sign-ins by address and by peer, so that guessing is slowed on every node alike.
create table throttle (
  subject text primary key,
  failures bigint not null,
  blocked_until bigint not null,
  updated_at bigint not null
);
