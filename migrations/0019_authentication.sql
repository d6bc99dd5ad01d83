-- What SPF, DKIM and DMARC said of a message when it came in. Its bytes begin with the trace of that arrival, so it is theirs.
alter table blob add column authentication text; -- JSON; null where nothing was checked

-- Mail to a secret reply address that is not known to be its owner's, who is asked.
create table unverified_reply (
  account_id uuid not null,
  email_id uuid not null,             -- the mail as it was filed
  reply_to bytea not null,            -- the secret address, as in reply_address
  notified text not null,             -- the outside address that was given it
  confirm_digest bytea unique,        -- of the token in the mail that asks
  confirm_expires_at bigint,
  confirmed_at bigint,
  primary key (account_id, email_id)
);
