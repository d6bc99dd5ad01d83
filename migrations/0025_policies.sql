-- MTA-STS policies of other domains (RFC 8461), kept as long as they say: a restart does not forget that a domain asks
-- for encryption.

create table sts_policy (
  domain text primary key,
  id text not null,                   -- of the record that it was fetched for
  policy text not null,               -- as it was fetched
  expires_at bigint not null
);
create index sts_policy_expires on sts_policy (expires_at);
