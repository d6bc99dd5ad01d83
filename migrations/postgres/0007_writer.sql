-- One row per connection that writes: the number of its last commit, written in that commit. After a connection was
-- lost in the middle of one, this says whether it was kept.

create table writer (
  id uuid primary key,
  seq bigint not null,
  at bigint not null
) with (fillfactor = 50);
