-- Claiming by name: what is held back stands in no queue, and what falls due is found without walking past the rest.

drop index delivery_due;
create index delivery_due on delivery (lane, destination, due_at, id) where settled_at is null and held_at is null;
create index delivery_when on delivery (lane, due_at, destination) where settled_at is null and held_at is null;

-- Destinations and next hops that could not be reached: nothing is tried there before blocked_until.
create table destination (
  name text primary key,
  failures bigint not null,           -- one after the other
  since bigint not null,              -- of the first of them
  blocked_until bigint not null,
  reason text not null                -- of the last
);
