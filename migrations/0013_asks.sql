-- Questions in full: everybody who is asked and how far each is, how a question has changed, what was to be corrected.

-- Everybody whom a promise asks, in the account of who asked, whether they have an account here or not.
create table respondent (
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
create index respondent_id on respondent (account_id, promise_id, id);

insert into respondent (account_id, promise_id, key, id, person_id, address, outside, state, created_at)
  select d.account_id, d.subject_id, lower(d.recipient), d.id, coalesce(a.account_id, d.id), d.recipient, d.lane = 1,
    case when a.answered_at is not null then 'answered' when a.declined_at is not null then 'declined'
      when d.outcome in ('failed', 'canceled') then 'undeliverable' else 'waiting' end, d.created_at
  from delivery d
  left join asked a on a.asker_id = d.account_id and a.promise_id = d.subject_id and lower(a.address) = lower(d.recipient)
  where d.kind = 'mail' and d.subject_id is not null
  on conflict (account_id, promise_id, key) do nothing;

alter table promise add column settled_via text;      -- expiry: by its deadline
alter table promise add column reminded_at bigint;
alter table promise add column callback_url text;

alter table asked add column revision bigint not null default 1;

alter table answer add column held_until bigint;      -- can be taken back until then, and does not count before

-- What a question was before it was corrected.
create table question (
  account_id uuid not null,           -- who asked
  promise_id uuid not null,
  revision bigint not null,
  email_id uuid not null,
  submission_id uuid not null,
  ask text not null,
  replaced_at bigint not null,
  primary key (account_id, promise_id, revision)
);

-- What those who were asked want corrected before they answer.
create table correction (
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

-- Secret links in mail, each bound to one recipient, one question and one version of it.
create table answer_link (
  digest bytea primary key,           -- SHA-256 of the link's secret
  account_id uuid not null,           -- who asked
  promise_id uuid not null,
  person_id uuid not null,
  address text not null,
  revision bigint not null,
  created_at bigint not null
);
create index answer_link_promise on answer_link (account_id, promise_id);
create index answer_link_person on answer_link (person_id, address);

-- A secret reply address that was given to somebody outside who is asked.
alter table reply_address add column promise_id uuid;
alter table reply_address add column person_id uuid;

create index delivery_timer on delivery (account_id, subject_id) where kind = 'timer' and settled_at is null;
