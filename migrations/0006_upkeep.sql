-- What collecting and pruning need. Every file of the blob directory has a name of its own, so that removing one can
-- never hit the file of a row that was written meanwhile.

alter table blob add column place text; -- of bytes in a file: where, below the blob directory or bucket
create index email_digest on email (digest);
create index submission_digest on submission (digest);
create index upload_digest on upload (digest);
create index delivery_digest on delivery (digest) where digest is not null;

create index event_at on event (at);
create index idempotency_created on idempotency (created_at);
create index attempt_at on attempt (at);
