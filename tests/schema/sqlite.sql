CREATE TRIGGER email_search_added after insert on email begin
  insert into search_tail (account_id, email_id) values (new.account_id, new.id);
end;
CREATE TRIGGER email_search_removed after delete on email begin
  delete from search_tail where account_id = old.account_id and email_id = old.id;
  delete from search_text where rowid = (select place from search where account_id = old.account_id and email_id = old.id);
  delete from search where account_id = old.account_id and email_id = old.id;
end;
CREATE TABLE account (
  id uuid primary key,
  kind text not null check (kind in ('person', 'service')),
  name text not null,
  password text,                      -- argon2id in PHC form; null: no sign-in by password
  admin boolean not null,
  modseq bigint not null,             -- the last number given out in this account's log
  created_at bigint not null,
  disabled_at bigint
);
CREATE TABLE address (
  address text primary key,           -- lower-cased
  account_id uuid not null references account (id),
  shown text not null,                -- as it was written
  main boolean not null,
  created_at bigint not null
);
CREATE TABLE answer (
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
  at bigint not null, held_until bigint,
  primary key (account_id, promise_id, id),
  unique (account_id, promise_id, by_account, revision)
);
CREATE TABLE answer_link (
  digest bytea primary key,           -- SHA-256 of the link's secret
  account_id uuid not null,           -- who asked
  promise_id uuid not null,
  person_id uuid not null,
  address text not null,
  revision bigint not null,
  created_at bigint not null
);
CREATE TABLE asked (
  account_id uuid not null,
  promise_id uuid not null,
  asker_id uuid not null,
  email_id uuid not null,
  address text not null,
  deadline bigint,
  answered_at bigint,
  declined_at bigint,
  settled_at bigint,                  -- when the promise was, by whomever
  created_at bigint not null, revision bigint not null default 1,
  primary key (account_id, promise_id)
);
CREATE TABLE attempt (
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
CREATE TABLE audit (
  id uuid primary key,
  at bigint not null,
  account_id uuid,                    -- whose doing it was; null: the command line, or nobody who is known
  actor text,                         -- the address of that account then
  action text not null,               -- such as token.created
  target text not null,               -- to what it was done
  peer text                           -- the address of the network it came from
);
CREATE TABLE blob (
  digest bytea primary key,
  size bigint not null,
  content bytea,                      -- null: the bytes are a file of the blob directory
  summary text,                       -- of a message in a file: what was parsed, as JSON
  created_at bigint not null
, place text, authentication text);
CREATE TABLE correction (
  account_id uuid not null,           -- who asked
  promise_id uuid not null,
  id uuid not null,
  by_person uuid not null,
  by_address text not null,
  what text not null,
  revision bigint not null,
  at bigint not null,
  primary key (account_id, promise_id, id)
);
CREATE TABLE delivery (
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
  created_at bigint not null, noticed_at bigint, earliest_seen_at bigint,
  primary key (account_id, id)
);
CREATE TABLE destination (
  name text primary key,
  failures bigint not null,           -- one after the other
  since bigint not null,              -- of the first of them
  blocked_until bigint not null,
  reason text not null                -- of the last
);
CREATE TABLE domain (
  name text primary key,
  created_at bigint not null
);
CREATE TABLE draft (
  account_id uuid not null,
  id uuid not null,
  body text not null,                 -- JSON: a message as the API takes it, as far as it is written
  version bigint not null,            -- the account's modification sequence when it was last changed
  created_at bigint not null,
  updated_at bigint not null,
  primary key (account_id, id)
);
CREATE TABLE email (
  account_id uuid not null,
  id uuid not null,
  thread_id uuid not null,
  mailbox_id uuid not null,
  source_id bytea not null,           -- the submission, or SHA-256 of MAIL FROM and DATA of what came from outside
  outgoing boolean not null,
  digest bytea not null,
  size bigint not null,
  message_id text not null,           -- RFC 5322, without <>
  subject text not null,
  from_name text,
  from_address text,
  recipients text not null,           -- JSON: the first of to and cc
  preview text not null,
  sent_at bigint,                     -- its Date field
  received_at bigint not null,
  has_attachment boolean not null,
  seen boolean not null,
  flagged boolean not null,
  modseq bigint not null,
  submission_id uuid,                 -- of what this account sent
  promise_id uuid,                    -- the question it carries
  asker_id uuid,                      -- the account which that promise belongs to
  metadata text, snoozed_until bigint,
  primary key (account_id, id),
  -- At most one copy in a mailbox, whatever is retried.
  unique (account_id, source_id, outgoing)
);
CREATE TABLE email_keyword (
  account_id uuid not null,
  email_id uuid not null,
  keyword text not null,
  primary key (account_id, email_id, keyword)
);
CREATE TABLE event (
  account_id uuid not null,
  seq bigint not null,
  type text not null,
  data text not null,
  at bigint not null,
  primary key (account_id, seq)
);
CREATE TABLE forwarding (
  account_id uuid not null,
  id uuid not null,
  address text not null,
  content text not null,              -- full, notice
  confirm_digest bytea unique,        -- of the token in the verification mail
  confirm_expires_at bigint,
  verified_at bigint,
  created_at bigint not null, hours text, paused_at bigint, digested_at bigint,
  primary key (account_id, id),
  unique (account_id, address)
);
CREATE TABLE idempotency (
  account_id uuid not null,
  key text not null,
  fingerprint bytea not null,
  status bigint not null,
  location text,
  body text not null,
  created_at bigint not null,
  primary key (account_id, key)
);
CREATE TABLE mailbox (
  account_id uuid not null,
  id uuid not null,
  name text not null,
  role text,
  position bigint not null,
  created_at bigint not null,
  primary key (account_id, id),
  unique (account_id, name),
  unique (account_id, role)
);
CREATE TABLE mute (
  account_id uuid not null,
  id uuid not null,
  kind text not null,                 -- sender, thread
  value text not null,                -- an address, lower-cased; a thread's id
  created_at bigint not null,
  primary key (account_id, id),
  unique (account_id, kind, value)
);
CREATE TABLE pause (
  one boolean not null primary key check (one),
  since bigint not null,
  reason text not null                -- restored: from a backup, until an administrator confirms; asked: by an administrator
);
CREATE TABLE preference (
  account_id uuid primary key,
  body text not null,                 -- JSON
  updated_at bigint not null
);
CREATE TABLE promise (
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
  settled_at bigint, settled_via text, reminded_at bigint, callback_url text,
  primary key (account_id, id)
);
CREATE TABLE push (
  account_id uuid not null,
  id uuid not null,
  endpoint text not null,
  p256dh bytea not null,              -- the browser's public key (RFC 8291)
  auth bytea not null,                -- its authentication secret
  kinds text not null,                -- separated by spaces: question, message
  credential_id uuid not null,        -- the session or token it was made with: it ends with that
  cursor bigint not null,             -- how far the account's log was looked through for it
  failing_since bigint,
  created_at bigint not null,
  primary key (account_id, id),
  unique (account_id, endpoint)
);
CREATE TABLE question (
  account_id uuid not null,           -- who asked
  promise_id uuid not null,
  revision bigint not null,
  email_id uuid not null,
  submission_id uuid not null,
  ask text not null,
  replaced_at bigint not null,
  primary key (account_id, promise_id, revision)
);
CREATE TABLE reply_address (
  digest bytea primary key,           -- SHA-256 of the secret in the local part
  account_id uuid not null,
  email_id uuid not null,
  thread_id uuid not null,
  notified text not null,             -- the outside address that was given it
  created_at bigint not null,
  revoked_at bigint
, promise_id uuid, person_id uuid);
CREATE TABLE respondent (
  account_id uuid not null,           -- who asked
  promise_id uuid not null,
  key text not null,                  -- the address, lower-cased
  id uuid not null,                   -- the delivery that brings them the question
  person_id uuid not null,            -- the account the question was delivered to; before that, and outside, the id
  address text not null,
  outside boolean not null,
  state text not null,                -- waiting, answered, declined, undeliverable, delegated, withdrawn
  delegated_by uuid,                  -- the person who passed it on to them
  created_at bigint not null,
  primary key (account_id, promise_id, key)
);
CREATE TABLE search (
  place integer primary key,          -- received_at, then chance: newest first is the index's own order
  account_id uuid not null,
  email_id uuid not null,
  unique (account_id, email_id)
);
CREATE TABLE search_tail (
  account_id uuid not null,
  email_id uuid not null,
  primary key (account_id, email_id)
) without rowid;
CREATE VIRTUAL TABLE search_text using fts5 (
  account, subject, sender, recipients, body,
  content = '', contentless_delete = 1, prefix = '2 3', tokenize = "ascii tokenchars '_'"
);
CREATE TABLE 'search_text_config'(k PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE 'search_text_data'(id INTEGER PRIMARY KEY, block BLOB);
CREATE TABLE 'search_text_docsize'(id INTEGER PRIMARY KEY, sz BLOB, origin INTEGER);
CREATE TABLE 'search_text_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
CREATE TABLE secret (
  name text primary key,
  value bytea not null,
  created_at bigint not null
);
CREATE TABLE session (
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
CREATE TABLE setup (
  digest bytea primary key,
  created_at bigint not null,
  expires_at bigint not null,
  used_at bigint
);
CREATE TABLE sts_policy (
  domain text primary key,
  id text not null,                   -- of the record that it was fetched for
  policy text not null,               -- as it was fetched
  expires_at bigint not null
);
CREATE TABLE submission (
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
  created_at bigint not null, wanted text,
  primary key (account_id, id)
);
CREATE TABLE suppression (
  id uuid primary key,                -- follows from the address
  address text not null unique,       -- lower-cased
  reason text not null,               -- such as unknown_recipient, or an operator's words
  source text not null,               -- bounce, manual
  detail text,                        -- what was said there
  created_at bigint not null,
  expires_at bigint
);
CREATE TABLE throttle (
  subject text primary key,
  failures bigint not null,
  blocked_until bigint not null,
  updated_at bigint not null
);
CREATE TABLE token (
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
CREATE TABLE unverified_reply (
  account_id uuid not null,
  email_id uuid not null,             -- the mail as it was filed
  reply_to bytea not null,            -- the secret address, as in reply_address
  notified text not null,             -- the outside address that was given it
  confirm_digest bytea unique,        -- of the token in the mail that asks
  confirm_expires_at bigint,
  confirmed_at bigint,
  primary key (account_id, email_id)
);
CREATE TABLE upload (
  account_id uuid not null,
  id uuid not null,
  digest bytea not null,
  size bigint not null,
  content_type text not null,
  created_at bigint not null,
  primary key (account_id, id)
);
CREATE TABLE vacation (
  account_id uuid primary key,
  subject text,
  body text not null,
  from_at bigint,
  until_at bigint,
  updated_at bigint not null
);
CREATE TABLE vacation_reply (
  account_id uuid not null,
  sender text not null,               -- lower-cased
  delivery_id uuid not null,          -- that brings it
  at bigint not null,
  primary key (account_id, sender)
);
CREATE TABLE webhook (
  account_id uuid not null,
  id uuid not null,
  url text not null,
  types text not null,                -- separated by spaces; empty: every type
  headers text not null,              -- JSON; never shown
  cursor bigint not null,             -- how far the account's log was looked through for it
  told bigint,                        -- the last event that was owed to it
  failing_since bigint,
  disabled_at bigint,
  disabled_reason text,               -- gone, failing, user
  created_at bigint not null,
  primary key (account_id, id)
);
CREATE TABLE webhook_key (
  account_id uuid not null,
  webhook_id uuid not null,           -- all zeros: the calls to the callback addresses of the account's questions
  id uuid not null,
  secret bytea not null,              -- of HMAC-SHA256 (v1)
  seed bytea not null,                -- of Ed25519 (v1a)
  created_at bigint not null,
  expires_at bigint,
  primary key (account_id, webhook_id, id)
);
CREATE INDEX address_account on address (account_id, main);
CREATE INDEX answer_link_person on answer_link (person_id, address);
CREATE INDEX answer_link_promise on answer_link (account_id, promise_id);
CREATE INDEX asked_asker on asked (asker_id, promise_id);
CREATE INDEX asked_open on asked (account_id, promise_id) where answered_at is null and declined_at is null and settled_at is null;
CREATE INDEX attempt_at on attempt (at);
CREATE INDEX audit_at on audit (at, id);
CREATE INDEX delivery_called on delivery (settled_at) where kind = 'webhook' and settled_at is not null;
CREATE INDEX delivery_digest on delivery (digest) where digest is not null;
CREATE INDEX delivery_due on delivery (lane, destination, due_at, id) where settled_at is null and held_at is null;
CREATE INDEX delivery_lease on delivery (lease) where lease is not null;
CREATE INDEX delivery_open on delivery (account_id, id) where settled_at is null;
CREATE INDEX delivery_push on delivery (account_id, subject_id, email_id) where kind = 'push';
CREATE INDEX delivery_pushed on delivery (settled_at) where kind = 'push' and settled_at is not null;
CREATE INDEX delivery_submission on delivery (account_id, submission_id, id);
CREATE INDEX delivery_timer on delivery (account_id, subject_id) where kind = 'timer' and settled_at is null;
CREATE INDEX delivery_webhook on delivery (account_id, subject_id, id) where kind = 'webhook';
CREATE INDEX delivery_when on delivery (lane, due_at, destination)
  where settled_at is null and held_at is null and due_at >= 0;
CREATE INDEX draft_updated on draft (account_id, updated_at, id);
CREATE INDEX email_digest on email (digest);
CREATE INDEX email_flagged on email (account_id, received_at, id) where flagged;
CREATE INDEX email_keyword_keyword on email_keyword (account_id, keyword, email_id);
CREATE INDEX email_mailbox on email (account_id, mailbox_id, received_at, id);
CREATE INDEX email_message_id on email (account_id, message_id);
CREATE INDEX email_received on email (account_id, received_at, id);
CREATE INDEX email_thread on email (account_id, thread_id, received_at, id);
CREATE INDEX email_unseen on email (account_id, mailbox_id, received_at, id) where not seen;
CREATE INDEX event_at on event (at);
CREATE INDEX idempotency_created on idempotency (created_at);
CREATE INDEX promise_pending on promise (account_id, id) where state = 'pending';
CREATE INDEX push_endpoint on push (endpoint);
CREATE INDEX reply_address_account on reply_address (account_id, email_id);
CREATE INDEX respondent_id on respondent (account_id, promise_id, id);
CREATE INDEX sts_policy_expires on sts_policy (expires_at);
CREATE INDEX submission_digest on submission (digest);
CREATE INDEX suppression_expires on suppression (expires_at) where expires_at is not null;
CREATE INDEX upload_digest on upload (digest);
CREATE INDEX vacation_reply_at on vacation_reply (at);
