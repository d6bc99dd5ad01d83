-- Who did what to accounts, credentials and the server; each row is written in the unit that does it.

create table audit (
  id uuid primary key,
  at bigint not null,
  account_id uuid,                    -- whose doing it was; null: the command line, or nobody who is known
  actor text,                         -- the address of that account then
  action text not null,               -- such as token.created
  target text not null,               -- to what it was done
  peer text                           -- the address of the network it came from
);
create index audit_at on audit (at, id);
