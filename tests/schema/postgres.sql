account.id uuid not null
account.kind text not null
account.name text not null
account.password text
account.admin boolean not null
account.modseq bigint not null
account.created_at bigint not null
account.disabled_at bigint
address.address text not null
address.account_id uuid not null
address.shown text not null
address.main boolean not null
address.created_at bigint not null
answer.account_id uuid not null
answer.promise_id uuid not null
answer.id uuid not null
answer.by_account uuid not null
answer.by_address text not null
answer.via text not null
answer.value text
answer.comment text
answer.decline text
answer.verified text not null
answer.revision bigint not null
answer.at bigint not null
answer.held_until bigint
answer_link.digest bytea not null
answer_link.account_id uuid not null
answer_link.promise_id uuid not null
answer_link.person_id uuid not null
answer_link.address text not null
answer_link.revision bigint not null
answer_link.created_at bigint not null
asked.account_id uuid not null
asked.promise_id uuid not null
asked.asker_id uuid not null
asked.email_id uuid not null
asked.address text not null
asked.deadline bigint
asked.answered_at bigint
asked.declined_at bigint
asked.settled_at bigint
asked.created_at bigint not null
asked.revision bigint not null default 1
attempt.account_id uuid not null
attempt.delivery_id uuid not null
attempt.n bigint not null
attempt.at bigint not null
attempt.remote text
attempt.code bigint
attempt.enhanced_code text
attempt.diagnostic text
attempt.next_at bigint
audit.id uuid not null
audit.at bigint not null
audit.account_id uuid
audit.actor text
audit.action text not null
audit.target text not null
audit.peer text
blob.digest bytea not null
blob.size bigint not null
blob.content bytea
blob.summary text
blob.created_at bigint not null
blob.place text
blob.authentication text
correction.account_id uuid not null
correction.promise_id uuid not null
correction.id uuid not null
correction.by_person uuid not null
correction.by_address text not null
correction.what text not null
correction.revision bigint not null
correction.at bigint not null
delivery.account_id uuid not null
delivery.id uuid not null
delivery.kind text not null
delivery.lane bigint not null
delivery.destination text not null
delivery.recipient text not null
delivery.submission_id uuid
delivery.email_id uuid
delivery.subject_id uuid
delivery.digest bytea
delivery.attempts bigint not null
delivery.due_at bigint not null
delivery.held_at bigint
delivery.lease uuid
delivery.leased_until bigint
delivery.settled_at bigint
delivery.outcome text
delivery.reason_class text
delivery.reason_code text
delivery.created_at bigint not null
delivery.noticed_at bigint
delivery.earliest_seen_at bigint
destination.name text not null
destination.failures bigint not null
destination.since bigint not null
destination.blocked_until bigint not null
destination.reason text not null
domain.name text not null
domain.created_at bigint not null
draft.account_id uuid not null
draft.id uuid not null
draft.body text not null
draft.version bigint not null
draft.created_at bigint not null
draft.updated_at bigint not null
email.account_id uuid not null
email.id uuid not null
email.thread_id uuid not null
email.mailbox_id uuid not null
email.source_id bytea not null
email.outgoing boolean not null
email.digest bytea not null
email.size bigint not null
email.message_id text not null
email.subject text not null
email.from_name text
email.from_address text
email.recipients text not null
email.preview text not null
email.sent_at bigint
email.received_at bigint not null
email.has_attachment boolean not null
email.seen boolean not null
email.flagged boolean not null
email.modseq bigint not null
email.submission_id uuid
email.promise_id uuid
email.asker_id uuid
email.metadata text
email.snoozed_until bigint
email_keyword.account_id uuid not null
email_keyword.email_id uuid not null
email_keyword.keyword text not null
event.account_id uuid not null
event.seq bigint not null
event.type text not null
event.data text not null
event.at bigint not null
forwarding.account_id uuid not null
forwarding.id uuid not null
forwarding.address text not null
forwarding.content text not null
forwarding.confirm_digest bytea
forwarding.confirm_expires_at bigint
forwarding.verified_at bigint
forwarding.created_at bigint not null
forwarding.hours text
forwarding.paused_at bigint
forwarding.digested_at bigint
idempotency.account_id uuid not null
idempotency.key text not null
idempotency.fingerprint bytea not null
idempotency.status bigint not null
idempotency.location text
idempotency.body text not null
idempotency.created_at bigint not null
mailbox.account_id uuid not null
mailbox.id uuid not null
mailbox.name text not null
mailbox.role text
mailbox.position bigint not null
mailbox.created_at bigint not null
mute.account_id uuid not null
mute.id uuid not null
mute.kind text not null
mute.value text not null
mute.created_at bigint not null
pause.one boolean not null
pause.since bigint not null
pause.reason text not null
preference.account_id uuid not null
preference.body text not null
preference.updated_at bigint not null
promise.account_id uuid not null
promise.id uuid not null
promise.kind text not null
promise.state text not null
promise.email_id uuid not null
promise.submission_id uuid not null
promise.ask text
promise.revision bigint not null
promise.unanswered bigint not null
promise.deadline bigint
promise.value text
promise.reason_code text
promise.reason_detail text
promise.context text
promise.created_at bigint not null
promise.settled_at bigint
promise.settled_via text
promise.reminded_at bigint
promise.callback_url text
push.account_id uuid not null
push.id uuid not null
push.endpoint text not null
push.p256dh bytea not null
push.auth bytea not null
push.kinds text not null
push.credential_id uuid not null
push.cursor bigint not null
push.failing_since bigint
push.created_at bigint not null
question.account_id uuid not null
question.promise_id uuid not null
question.revision bigint not null
question.email_id uuid not null
question.submission_id uuid not null
question.ask text not null
question.replaced_at bigint not null
reply_address.digest bytea not null
reply_address.account_id uuid not null
reply_address.email_id uuid not null
reply_address.thread_id uuid not null
reply_address.notified text not null
reply_address.created_at bigint not null
reply_address.revoked_at bigint
reply_address.promise_id uuid
reply_address.person_id uuid
respondent.account_id uuid not null
respondent.promise_id uuid not null
respondent.key text not null
respondent.id uuid not null
respondent.person_id uuid not null
respondent.address text not null
respondent.outside boolean not null
respondent.state text not null
respondent.delegated_by uuid
respondent.created_at bigint not null
search.place bigint not null
search.account_id uuid not null
search.email_id uuid not null
search.doc tsvector
search_tail.account_id uuid not null
search_tail.email_id uuid not null
secret.name text not null
secret.value bytea not null
secret.created_at bigint not null
session.account_id uuid not null
session.id uuid not null
session.digest bytea not null
session.user_agent text not null
session.created_at bigint not null
session.seen_at bigint not null
session.expires_at bigint not null
session.revoked_at bigint
setup.digest bytea not null
setup.created_at bigint not null
setup.expires_at bigint not null
setup.used_at bigint
sts_policy.domain text not null
sts_policy.id text not null
sts_policy.policy text not null
sts_policy.expires_at bigint not null
submission.account_id uuid not null
submission.id uuid not null
submission.email_id uuid not null
submission.digest bytea not null
submission.mail_from text not null
submission.head text not null
submission.bcc text not null
submission.thread_key text not null
submission.send_at bigint
submission.undo_until bigint
submission.expires_at bigint
submission.canceled_at bigint
submission.unsettled bigint not null
submission.failed bigint not null
submission.delivery_promise_id uuid not null
submission.answer_promise_id uuid
submission.created_at bigint not null
submission.wanted text
suppression.id uuid not null
suppression.address text not null
suppression.reason text not null
suppression.source text not null
suppression.detail text
suppression.created_at bigint not null
suppression.expires_at bigint
throttle.subject text not null
throttle.failures bigint not null
throttle.blocked_until bigint not null
throttle.updated_at bigint not null
token.account_id uuid not null
token.id uuid not null
token.name text not null
token.digest bytea not null
token.scopes text not null
token.created_at bigint not null
token.expires_at bigint
token.revoked_at bigint
unverified_reply.account_id uuid not null
unverified_reply.email_id uuid not null
unverified_reply.reply_to bytea not null
unverified_reply.notified text not null
unverified_reply.confirm_digest bytea
unverified_reply.confirm_expires_at bigint
unverified_reply.confirmed_at bigint
upload.account_id uuid not null
upload.id uuid not null
upload.digest bytea not null
upload.size bigint not null
upload.content_type text not null
upload.created_at bigint not null
vacation.account_id uuid not null
vacation.subject text
vacation.body text not null
vacation.from_at bigint
vacation.until_at bigint
vacation.updated_at bigint not null
vacation_reply.account_id uuid not null
vacation_reply.sender text not null
vacation_reply.delivery_id uuid not null
vacation_reply.at bigint not null
webhook.account_id uuid not null
webhook.id uuid not null
webhook.url text not null
webhook.types text not null
webhook.headers text not null
webhook.cursor bigint not null
webhook.told bigint
webhook.failing_since bigint
webhook.disabled_at bigint
webhook.disabled_reason text
webhook.created_at bigint not null
webhook_key.account_id uuid not null
webhook_key.webhook_id uuid not null
webhook_key.id uuid not null
webhook_key.secret bytea not null
webhook_key.seed bytea not null
webhook_key.created_at bigint not null
webhook_key.expires_at bigint
writer.id uuid not null
writer.seq bigint not null
writer.at bigint not null

account CHECK ((kind = ANY (ARRAY['person'::text, 'service'::text])))
account PRIMARY KEY (id)
address FOREIGN KEY (account_id) REFERENCES account(id)
address PRIMARY KEY (address)
answer PRIMARY KEY (account_id, promise_id, id)
answer UNIQUE (account_id, promise_id, by_account, revision)
answer_link PRIMARY KEY (digest)
asked PRIMARY KEY (account_id, promise_id)
attempt PRIMARY KEY (account_id, delivery_id, n)
audit PRIMARY KEY (id)
blob PRIMARY KEY (digest)
correction PRIMARY KEY (account_id, promise_id, id)
delivery PRIMARY KEY (account_id, id)
destination PRIMARY KEY (name)
domain PRIMARY KEY (name)
draft PRIMARY KEY (account_id, id)
email PRIMARY KEY (account_id, id)
email UNIQUE (account_id, source_id, outgoing)
email_keyword PRIMARY KEY (account_id, email_id, keyword)
event PRIMARY KEY (account_id, seq)
forwarding PRIMARY KEY (account_id, id)
forwarding UNIQUE (account_id, address)
forwarding UNIQUE (confirm_digest)
idempotency PRIMARY KEY (account_id, key)
mailbox PRIMARY KEY (account_id, id)
mailbox UNIQUE (account_id, name)
mailbox UNIQUE (account_id, role)
mute PRIMARY KEY (account_id, id)
mute UNIQUE (account_id, kind, value)
pause CHECK (one)
pause PRIMARY KEY (one)
preference PRIMARY KEY (account_id)
promise PRIMARY KEY (account_id, id)
push PRIMARY KEY (account_id, id)
push UNIQUE (account_id, endpoint)
question PRIMARY KEY (account_id, promise_id, revision)
reply_address PRIMARY KEY (digest)
respondent PRIMARY KEY (account_id, promise_id, key)
search PRIMARY KEY (account_id, email_id)
search_tail PRIMARY KEY (account_id, email_id)
secret PRIMARY KEY (name)
session FOREIGN KEY (account_id) REFERENCES account(id)
session PRIMARY KEY (account_id, id)
session UNIQUE (digest)
setup PRIMARY KEY (digest)
sts_policy PRIMARY KEY (domain)
submission PRIMARY KEY (account_id, id)
suppression PRIMARY KEY (id)
suppression UNIQUE (address)
throttle PRIMARY KEY (subject)
token FOREIGN KEY (account_id) REFERENCES account(id)
token PRIMARY KEY (account_id, id)
token UNIQUE (digest)
unverified_reply PRIMARY KEY (account_id, email_id)
unverified_reply UNIQUE (confirm_digest)
upload PRIMARY KEY (account_id, id)
vacation PRIMARY KEY (account_id)
vacation_reply PRIMARY KEY (account_id, sender)
webhook PRIMARY KEY (account_id, id)
webhook_key PRIMARY KEY (account_id, webhook_id, id)
writer PRIMARY KEY (id)

CREATE INDEX address_account ON public.address USING btree (account_id, main)
CREATE INDEX answer_link_person ON public.answer_link USING btree (person_id, address)
CREATE INDEX answer_link_promise ON public.answer_link USING btree (account_id, promise_id)
CREATE INDEX asked_asker ON public.asked USING btree (asker_id, promise_id)
CREATE INDEX asked_open ON public.asked USING btree (account_id, promise_id) WHERE ((answered_at IS NULL) AND (declined_at IS NULL) AND (settled_at IS NULL))
CREATE INDEX attempt_at ON public.attempt USING btree (at)
CREATE INDEX audit_at ON public.audit USING btree (at, id)
CREATE INDEX delivery_called ON public.delivery USING btree (settled_at) WHERE ((kind = 'webhook'::text) AND (settled_at IS NOT NULL))
CREATE INDEX delivery_digest ON public.delivery USING btree (digest) WHERE (digest IS NOT NULL)
CREATE INDEX delivery_due ON public.delivery USING btree (lane, destination, due_at, id) WHERE ((settled_at IS NULL) AND (held_at IS NULL))
CREATE INDEX delivery_lease ON public.delivery USING btree (lease) WHERE (lease IS NOT NULL)
CREATE INDEX delivery_open ON public.delivery USING btree (account_id, id) WHERE (settled_at IS NULL)
CREATE INDEX delivery_push ON public.delivery USING btree (account_id, subject_id, email_id) WHERE (kind = 'push'::text)
CREATE INDEX delivery_pushed ON public.delivery USING btree (settled_at) WHERE ((kind = 'push'::text) AND (settled_at IS NOT NULL))
CREATE INDEX delivery_submission ON public.delivery USING btree (account_id, submission_id, id)
CREATE INDEX delivery_timer ON public.delivery USING btree (account_id, subject_id) WHERE ((kind = 'timer'::text) AND (settled_at IS NULL))
CREATE INDEX delivery_webhook ON public.delivery USING btree (account_id, subject_id, id) WHERE (kind = 'webhook'::text)
CREATE INDEX delivery_when ON public.delivery USING btree (lane, due_at, destination) WHERE ((settled_at IS NULL) AND (held_at IS NULL) AND (due_at >= 0))
CREATE INDEX draft_updated ON public.draft USING btree (account_id, updated_at, id)
CREATE INDEX email_digest ON public.email USING btree (digest)
CREATE INDEX email_flagged ON public.email USING btree (account_id, received_at, id) WHERE flagged
CREATE INDEX email_keyword_keyword ON public.email_keyword USING btree (account_id, keyword, email_id)
CREATE INDEX email_mailbox ON public.email USING btree (account_id, mailbox_id, received_at, id)
CREATE INDEX email_message_id ON public.email USING btree (account_id, message_id)
CREATE INDEX email_received ON public.email USING btree (account_id, received_at, id)
CREATE INDEX email_thread ON public.email USING btree (account_id, thread_id, received_at, id)
CREATE INDEX email_unseen ON public.email USING btree (account_id, mailbox_id, received_at, id) WHERE (NOT seen)
CREATE INDEX event_at ON public.event USING btree (at)
CREATE INDEX idempotency_created ON public.idempotency USING btree (created_at)
CREATE INDEX promise_pending ON public.promise USING btree (account_id, id) WHERE (state = 'pending'::text)
CREATE INDEX push_endpoint ON public.push USING btree (endpoint)
CREATE INDEX reply_address_account ON public.reply_address USING btree (account_id, email_id)
CREATE INDEX respondent_id ON public.respondent USING btree (account_id, promise_id, id)
CREATE INDEX search_doc ON public.search USING gin (doc)
CREATE INDEX search_place ON public.search USING btree (account_id, place)
CREATE INDEX sts_policy_expires ON public.sts_policy USING btree (expires_at)
CREATE INDEX submission_digest ON public.submission USING btree (digest)
CREATE INDEX suppression_expires ON public.suppression USING btree (expires_at) WHERE (expires_at IS NOT NULL)
CREATE INDEX upload_digest ON public.upload USING btree (digest)
CREATE INDEX vacation_reply_at ON public.vacation_reply USING btree (at)
CREATE UNIQUE INDEX account_pkey ON public.account USING btree (id)
CREATE UNIQUE INDEX address_pkey ON public.address USING btree (address)
CREATE UNIQUE INDEX answer_account_id_promise_id_by_account_revision_key ON public.answer USING btree (account_id, promise_id, by_account, revision)
CREATE UNIQUE INDEX answer_link_pkey ON public.answer_link USING btree (digest)
CREATE UNIQUE INDEX answer_pkey ON public.answer USING btree (account_id, promise_id, id)
CREATE UNIQUE INDEX asked_pkey ON public.asked USING btree (account_id, promise_id)
CREATE UNIQUE INDEX attempt_pkey ON public.attempt USING btree (account_id, delivery_id, n)
CREATE UNIQUE INDEX audit_pkey ON public.audit USING btree (id)
CREATE UNIQUE INDEX blob_pkey ON public.blob USING btree (digest)
CREATE UNIQUE INDEX correction_pkey ON public.correction USING btree (account_id, promise_id, id)
CREATE UNIQUE INDEX delivery_pkey ON public.delivery USING btree (account_id, id)
CREATE UNIQUE INDEX destination_pkey ON public.destination USING btree (name)
CREATE UNIQUE INDEX domain_pkey ON public.domain USING btree (name)
CREATE UNIQUE INDEX draft_pkey ON public.draft USING btree (account_id, id)
CREATE UNIQUE INDEX email_account_id_source_id_outgoing_key ON public.email USING btree (account_id, source_id, outgoing)
CREATE UNIQUE INDEX email_keyword_pkey ON public.email_keyword USING btree (account_id, email_id, keyword)
CREATE UNIQUE INDEX email_pkey ON public.email USING btree (account_id, id)
CREATE UNIQUE INDEX event_pkey ON public.event USING btree (account_id, seq)
CREATE UNIQUE INDEX forwarding_account_id_address_key ON public.forwarding USING btree (account_id, address)
CREATE UNIQUE INDEX forwarding_confirm_digest_key ON public.forwarding USING btree (confirm_digest)
CREATE UNIQUE INDEX forwarding_pkey ON public.forwarding USING btree (account_id, id)
CREATE UNIQUE INDEX idempotency_pkey ON public.idempotency USING btree (account_id, key)
CREATE UNIQUE INDEX mailbox_account_id_name_key ON public.mailbox USING btree (account_id, name)
CREATE UNIQUE INDEX mailbox_account_id_role_key ON public.mailbox USING btree (account_id, role)
CREATE UNIQUE INDEX mailbox_pkey ON public.mailbox USING btree (account_id, id)
CREATE UNIQUE INDEX mute_account_id_kind_value_key ON public.mute USING btree (account_id, kind, value)
CREATE UNIQUE INDEX mute_pkey ON public.mute USING btree (account_id, id)
CREATE UNIQUE INDEX pause_pkey ON public.pause USING btree (one)
CREATE UNIQUE INDEX preference_pkey ON public.preference USING btree (account_id)
CREATE UNIQUE INDEX promise_pkey ON public.promise USING btree (account_id, id)
CREATE UNIQUE INDEX push_account_id_endpoint_key ON public.push USING btree (account_id, endpoint)
CREATE UNIQUE INDEX push_pkey ON public.push USING btree (account_id, id)
CREATE UNIQUE INDEX question_pkey ON public.question USING btree (account_id, promise_id, revision)
CREATE UNIQUE INDEX reply_address_pkey ON public.reply_address USING btree (digest)
CREATE UNIQUE INDEX respondent_pkey ON public.respondent USING btree (account_id, promise_id, key)
CREATE UNIQUE INDEX search_pkey ON public.search USING btree (account_id, email_id)
CREATE UNIQUE INDEX search_tail_pkey ON public.search_tail USING btree (account_id, email_id)
CREATE UNIQUE INDEX secret_pkey ON public.secret USING btree (name)
CREATE UNIQUE INDEX session_digest_key ON public.session USING btree (digest)
CREATE UNIQUE INDEX session_pkey ON public.session USING btree (account_id, id)
CREATE UNIQUE INDEX setup_pkey ON public.setup USING btree (digest)
CREATE UNIQUE INDEX sts_policy_pkey ON public.sts_policy USING btree (domain)
CREATE UNIQUE INDEX submission_pkey ON public.submission USING btree (account_id, id)
CREATE UNIQUE INDEX suppression_address_key ON public.suppression USING btree (address)
CREATE UNIQUE INDEX suppression_pkey ON public.suppression USING btree (id)
CREATE UNIQUE INDEX throttle_pkey ON public.throttle USING btree (subject)
CREATE UNIQUE INDEX token_digest_key ON public.token USING btree (digest)
CREATE UNIQUE INDEX token_pkey ON public.token USING btree (account_id, id)
CREATE UNIQUE INDEX unverified_reply_confirm_digest_key ON public.unverified_reply USING btree (confirm_digest)
CREATE UNIQUE INDEX unverified_reply_pkey ON public.unverified_reply USING btree (account_id, email_id)
CREATE UNIQUE INDEX upload_pkey ON public.upload USING btree (account_id, id)
CREATE UNIQUE INDEX vacation_pkey ON public.vacation USING btree (account_id)
CREATE UNIQUE INDEX vacation_reply_pkey ON public.vacation_reply USING btree (account_id, sender)
CREATE UNIQUE INDEX webhook_key_pkey ON public.webhook_key USING btree (account_id, webhook_id, id)
CREATE UNIQUE INDEX webhook_pkey ON public.webhook USING btree (account_id, id)
CREATE UNIQUE INDEX writer_pkey ON public.writer USING btree (id)

CREATE TRIGGER email_search_added AFTER INSERT ON public.email FOR EACH ROW EXECUTE FUNCTION email_search_added()
CREATE TRIGGER email_search_removed AFTER DELETE ON public.email FOR EACH ROW EXECUTE FUNCTION email_search_removed()

CREATE OR REPLACE FUNCTION public.email_search_added()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  insert into search_tail (account_id, email_id) values (new.account_id, new.id);
  return null;
end $function$

CREATE OR REPLACE FUNCTION public.email_search_removed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  delete from search_tail where account_id = old.account_id and email_id = old.id;
  delete from search where account_id = old.account_id and email_id = old.id;
  return null;
end $function$