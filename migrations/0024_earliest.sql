-- When somebody here, who is told by e-mail in hours of their own, is told of a message at the earliest.

alter table delivery add column earliest_seen_at bigint; -- of kind mail; none: at once, or nobody is told
