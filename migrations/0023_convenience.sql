-- What is told when: reports that a sender asks for, and forwarding at the recipient's convenience.

alter table submission add column wanted text;      -- JSON: what its sender wants to be told (RFC 3461)

alter table forwarding add column hours text;       -- JSON: quiet hours, times of the digest, time zone
alter table forwarding add column paused_at bigint; -- when its owner unsubscribed
alter table forwarding add column digested_at bigint; -- up to when messages are in a digest

create table mute (
  account_id uuid not null,
  id uuid not null,
  kind text not null,                 -- sender, thread
  value text not null,                -- an address, lower-cased; a thread's id
  created_at bigint not null,
  primary key (account_id, id),
  unique (account_id, kind, value)
);

create table vacation (
  account_id uuid primary key,
  subject text,
  body text not null,
  from_at bigint,
  until_at bigint,
  updated_at bigint not null
);

create table vacation_reply (
  account_id uuid not null,
  sender text not null,               -- lower-cased
  delivery_id uuid not null,          -- that brings it
  at bigint not null,
  primary key (account_id, sender)
);
create index vacation_reply_at on vacation_reply (at);
