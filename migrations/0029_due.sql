-- What falls due is found by its time, which a query says with "due_at >= 0". One that goes from destination to destination
-- does not say so, and PostgreSQL, where its statistics are from when little was open, cannot take this index for it: it
-- read the whole queue for each destination.

drop index delivery_when;
create index delivery_when on delivery (lane, due_at, destination)
  where settled_at is null and held_at is null and due_at >= 0;
