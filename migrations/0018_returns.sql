-- What comes back: delays told of, addresses that take nothing, and the keys of the addresses that bounces return to.

alter table delivery add column noticed_at bigint; -- when its sender was told that it takes long

create table suppression (
  id uuid primary key,                -- follows from the address
  address text not null unique,       -- lower-cased
  reason text not null,               -- such as unknown_recipient, or an operator's words
  source text not null,               -- bounce, manual
  detail text,                        -- what was said there
  created_at bigint not null,
  expires_at bigint
);
create index suppression_expires on suppression (expires_at) where expires_at is not null;

create table secret (
  name text primary key,
  value bytea not null,
  created_at bigint not null
);
