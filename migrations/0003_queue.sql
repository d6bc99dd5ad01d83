-- What is owed: submissions, the one queue, and promises.

create table submission (
  account_id uuid not null,
  id uuid not null,
  email_id uuid not null,
  digest bytea not null,
  mail_from text not null,
  head text not null,                 -- JSON: what a recipient's mailbox row needs, so that a destroyed sent copy harms nobody
  bcc text not null,                  -- JSON; never part of the message
  thread_key text not null,
  send_at bigint,
  undo_until bigint,
  expires_at bigint,
  canceled_at bigint,
  unsettled bigint not null,          -- deliveries whose end is not known yet
  failed bigint not null,
  delivery_promise_id uuid not null,
  answer_promise_id uuid,
  created_at bigint not null,
  primary key (account_id, id)
);

-- One effect owed. Its state is read off these columns, there is no second copy of it.
create table delivery (
  account_id uuid not null,
  id uuid not null,
  kind text not null,                 -- mail, notice, timer, …
  lane bigint not null,               -- 0: work done here; 1: work that waits for others
  destination text not null,          -- claiming takes turns between these
  recipient text not null,
  submission_id uuid,                 -- of kind mail
  email_id uuid,                      -- of kind notice: what arrived
  subject_id uuid,                    -- of kind mail: the answer promise its recipient is asked by; notice: the forwarding; timer: the promise
  digest bytea,                       -- of kind notice: as it was rendered at its first claim
  attempts bigint not null,           -- counted before the work
  due_at bigint not null,             -- when it is looked at next; while leased, when the lease ends
  held_at bigint,
  lease uuid,
  leased_until bigint,
  settled_at bigint,
  outcome text,                       -- delivered, relayed, failed, canceled
  reason_class text,
  reason_code text,
  created_at bigint not null,
  primary key (account_id, id)
);
create index delivery_due on delivery (lane, destination, due_at, id) where settled_at is null;
create index delivery_submission on delivery (account_id, submission_id, id);
create index delivery_open on delivery (account_id, id) where settled_at is null;
create index delivery_lease on delivery (lease) where lease is not null;

create table attempt (
  account_id uuid not null,
  delivery_id uuid not null,
  n bigint not null,
  at bigint not null,
  remote text,
  code bigint,
  enhanced_code text,
  diagnostic text,
  next_at bigint,
  primary key (account_id, delivery_id, n)
);

create table promise (
  account_id uuid not null,           -- who asked
  id uuid not null,
  kind text not null,
  state text not null,
  email_id uuid not null,
  submission_id uuid not null,
  ask text,                           -- JSON, of kind answer
  revision bigint not null,
  unanswered bigint not null,         -- of kind answer: people who may still answer
  deadline bigint,
  value text,
  reason_code text,
  reason_detail text,
  context text,
  created_at bigint not null,
  settled_at bigint,
  primary key (account_id, id)
);
create index promise_pending on promise (account_id, id) where state = 'pending';

-- Who may answer, in the account of the one who was asked.
create table asked (
  account_id uuid not null,
  promise_id uuid not null,
  asker_id uuid not null,
  email_id uuid not null,
  address text not null,
  deadline bigint,
  answered_at bigint,
  declined_at bigint,
  settled_at bigint,                  -- when the promise was, by whomever
  created_at bigint not null,
  primary key (account_id, promise_id)
);
create index asked_asker on asked (asker_id, promise_id);
create index asked_open on asked (account_id, promise_id) where answered_at is null and declined_at is null and settled_at is null;

create table answer (
  account_id uuid not null,           -- who asked
  promise_id uuid not null,
  id uuid not null,
  by_account uuid not null,
  by_address text not null,
  via text not null,
  value text,
  comment text,
  decline text,
  verified text not null,
  revision bigint not null,
  at bigint not null,
  primary key (account_id, promise_id, id),
  unique (account_id, promise_id, by_account, revision)
);
