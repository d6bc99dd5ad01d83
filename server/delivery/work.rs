//! One delivery: what is to be done, and what comes of it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::bounce::Told;
use super::health::not_tried;
use super::pump::{Batch, next_attempt};
use super::relay::{Handed, Reply, Terms, one_line};
use super::route::{Route, route};
use super::{Inner, millis};
use crate::mail::address::Address;
use crate::mail::clock;
use crate::mail::notify::Notify;
use crate::mail::return_path::ReturnPath;
use crate::mail::status::Status;
use crate::promise::escalate::Timer;
use crate::promise::settle::ask_of;
use crate::store::blob::{Digest, Stored};
use crate::store::delivery::{Attempt, Filed, Finish, Leased, Outcome};
use crate::store::promise::Whole;
use crate::store::submission::SubmissionRow;
use crate::store::suppression::{self, Suppressed};
use crate::store::{Error, Result};
use crate::submission::{Refusal, again};

/// Attempts that ended without an outcome (a crash, a panic) after which a delivery is given up.
const CRASHES: i64 = 10;
/// The gaps between attempts to record an outcome.
const RECORD: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Why a message could not be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) class: &'static str,
    pub(super) code: &'static str,
    pub(super) status: Status,
    pub(super) reply: Reply,
    /// Whether the destination was asked.
    pub(super) tried: bool,
}

impl Failure {
    fn here(class: &'static str, code: &'static str, status: Status, text: &str) -> Self {
        let reply = Reply { status: Some(status), ..Reply::local(text) };
        Self { class, code, status, reply, tried: false }
    }
}

impl Inner {
    /// Works on one delivery. What fails for a reason of our own is left to its lease: it ends, and the attempt
    /// counts.
    pub(super) async fn work(self: Arc<Self>, batch: Arc<Batch>, leased: Leased) {
        if self.stopping.is_cancelled() {
            let now = self.now();
            let _ = self.context.store.give_back(leased, now).await;
            return;
        }
        let (id, account) = (leased.id, leased.account_id);
        let done = match leased.kind.as_str() {
            "mail" => self.mail(&batch, leased).await,
            "notice" => self.notice(&batch, leased).await,
            "webhook" => self.call(&batch, leased).await,
            "push" => self.push(&batch, leased).await,
            "digest" => self.digest(&batch, leased).await,
            "vacation" => self.vacation(leased).await,
            "timer" => self.timer(leased).await,
            "wake" => self.record(|now| self.context.store.wake(leased.clone(), now)).await,
            kind => {
                let code = format!("unknown kind {}", one_line(kind));
                self.record(|now| {
                    let outcome = Outcome::Failed { class: "permanent", code: code.clone() };
                    self.context.store.finish(leased.clone(), outcome, None, now)
                })
                .await
            }
        };
        match done {
            Ok(()) => {}
            Err(Error::Conflict) => {
                tracing::info!(delivery = %id, %account, "somebody else has this delivery now");
            }
            Err(error) => {
                tracing::error!(%error, delivery = %id, %account, "a delivery could not be worked on");
            }
        }
    }

    async fn mail(self: &Arc<Self>, batch: &Batch, leased: Leased) -> Result<()> {
        let Some(submission) = batch.submission(&leased) else {
            tracing::error!(delivery = %leased.id, account = %leased.account_id, "its submission is missing");
            let outcome = Outcome::Failed { class: "permanent", code: "no_submission".into() };
            return self
                .record(|now| self.context.store.finish(leased.clone(), outcome.clone(), None, now))
                .await;
        };
        if self.crashed(&leased).await? {
            let text = "working on this message failed again and again";
            let failure = Failure::here("permanent", "poison", Status::new(5, 3, 0), text);
            return self.fail(&leased, &submission, failure).await;
        }
        if submission.expires_at.is_some_and(|at| at <= self.now()) {
            let text = "it was not delivered by the time its sender had set";
            let failure = Failure::here("expired", "expired", Status::new(5, 4, 7), text);
            return self.fail(&leased, &submission, failure).await;
        }
        let Ok(to) = leased.recipient.parse::<Address>() else {
            let failure = Failure::here(
                "rejected_locally",
                "bad_address",
                Status::new(5, 1, 3),
                "this is not an address that mail can be sent to",
            );
            return self.fail(&leased, &submission, failure).await;
        };
        match route(&self.context.store, &to, self.hops.reach(&leased.destination)).await? {
            Route::Local(account) => self.deliver(&leased, &submission, account).await,
            Route::Unknown => {
                let text = "nobody here has this address";
                let failure = Failure::here("permanent", "unknown_recipient", Status::new(5, 1, 1), text);
                self.fail(&leased, &submission, failure).await
            }
            Route::NoRelay => {
                let reply = Reply {
                    status: Some(Status::new(4, 4, 4)),
                    ..Reply::local("the address is outside, and this server has no relay (relay.url)")
                };
                self.put_off(&leased, &submission, reply).await
            }
            Route::Relay => {
                if let Some(suppressed) = batch.suppressed(&to) {
                    let text = format!(
                        "nothing is sent to this address since {}: {}",
                        clock::at(suppressed.created_at).format("%Y-%m-%d"),
                        suppressed.detail.as_deref().unwrap_or(&suppressed.reason),
                    );
                    let failure = Failure::here("suppressed", "suppressed", Status::new(5, 7, 1), &text);
                    return self.fail(&leased, &submission, failure).await;
                }
                let handed = if leased.subject_id.is_some() {
                    self.hand_question(batch, &leased, &submission, &to).await?
                } else {
                    let from = match submission.mail_from.parse::<Address>() {
                        Ok(from) => Some(self.return_path(&leased, from).await?),
                        Err(_) => None,
                    };
                    let stored = self.stored(&submission.digest()?).await?;
                    self.hand(batch, &leased, from.as_ref(), &to, &stored).await
                };
                match handed {
                    Handed::Taken(reply) => {
                        // Who promised to tell of success does; for anybody else we say what we know.
                        let told = if !reply.tells && submission.wanted().of(&to).notify.success {
                            self.report(&leased, &submission, &Told::Relayed(reply.clone())).await?
                        } else {
                            None
                        };
                        let attempt = attempt(&reply);
                        if told.is_some() {
                            return self.finish_mail(&leased, Outcome::Relayed, Some(attempt), told).await;
                        }
                        self.record(|now| self.context.store.relayed(&leased, &submission, &attempt, now))
                            .await
                    }
                    Handed::Deferred(reply) => self.put_off(&leased, &submission, reply).await,
                    Handed::Refused(reply) => {
                        let status = reply.status.unwrap_or(Status::new(5, 0, 0));
                        self.suppress(&to, status, &reply).await;
                        let failure =
                            Failure { class: "permanent", code: "refused", status, reply, tried: true };
                        self.fail(&leased, &submission, failure).await
                    }
                    Handed::Unfit(reply) => {
                        let status = reply.status.unwrap_or(Status::new(5, 6, 0));
                        let code = if status == Status::new(5, 3, 4) {
                            "too_large"
                        } else {
                            "not_supported_by_relay"
                        };
                        let class = "rejected_locally";
                        let failure = Failure { class, code, status, reply, tried: true };
                        self.fail(&leased, &submission, failure).await
                    }
                    Handed::Withheld => self.withheld(leased).await,
                }
            }
        }
    }

    /// The return address of one delivery, in the sender's own domain, which is one of ours; so that what comes back
    /// is known to be about it (variable envelope return path).
    pub(super) async fn return_path(&self, leased: &Leased, from: Address) -> Result<Address> {
        let key = self.context.store.return_key().await?;
        let path = ReturnPath { account_id: leased.account_id, delivery_id: leased.id };
        Ok(path.address(key, from.domain()).unwrap_or(from))
    }

    /// Sends nothing more to an address that does not exist.
    async fn suppress(&self, to: &Address, status: Status, reply: &Reply) {
        let (now, spell) = (self.now(), millis(self.context.settings.suppress_for));
        if spell == 0 || !suppression::is_hard(status) {
            return;
        }
        let said = format!("{} {}", reply.code.unwrap_or_default(), reply.text);
        let suppressed = Suppressed::bounced(to, &said, now, now.saturating_add(spell));
        if let Err(error) = self.context.store.suppress(suppressed).await {
            tracing::warn!(%error, "an address that does not exist could not be remembered");
        }
    }

    /// Hands a message to the next hop, as long as the lease is ours, and learns from what comes of it.
    pub(super) async fn hand(
        &self,
        batch: &Batch,
        leased: &Leased,
        from: Option<&Address>,
        to: &Address,
        stored: &Stored,
    ) -> Handed {
        let destination = leased.destination.as_str();
        if let Some(blocked) = self.blocked(destination, self.now()) {
            let reply = Reply::local(&not_tried(&blocked));
            return Handed::Deferred(Reply { status: Some(Status::new(4, 4, 1)), ..reply });
        }
        if self.hops.captures(destination) {
            return match self.capture(leased, from, to).await {
                Ok(handed) => handed,
                Err(error) => {
                    tracing::error!(%error, delivery = %leased.id, "a message could not be captured");
                    Handed::Deferred(Reply::local("it could not be captured"))
                }
            };
        }
        let terms = self.terms(batch, leased, from, to);
        let handed = self.hops.hand(destination, from, to, stored, &terms, self.ours(batch, leased)).await;
        self.learn(destination, &handed).await;
        handed
    }

    /// Who signs: the domain that the message comes from, which is also that of its return address; and what its
    /// sender wants to be told.
    fn terms(&self, batch: &Batch, leased: &Leased, from: Option<&Address>, to: &Address) -> Terms {
        let wanted = batch.submission(leased).map(|submission| submission.wanted()).unwrap_or_default();
        let domain = from.map_or(&*self.context.domain, Address::domain);
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Terms {
            keys: keys.get(domain).cloned().unwrap_or_default(),
            at: leased.created_at / 1000,
            wanted: wanted.of(to),
            full: wanted.full,
            envelope_id: wanted.envelope_id,
        }
    }

    /// Whether the lease is still ours, asked before every effect outside: whoever was frozen finds out here.
    pub(super) async fn ours(&self, batch: &Batch, leased: &Leased) -> bool {
        if self.stopping.is_cancelled() {
            return false;
        }
        let now = self.now();
        // What is worked on cannot be taken back, as far as it is mail.
        if leased.kind == "mail" && batch.lease.is_fresh(now, self.settings.lease / 8) {
            return true;
        }
        if batch.lease.until.load(Ordering::SeqCst).saturating_sub(millis(self.settings.lease) / 4) <= now {
            let until = self.lease_ends(now);
            if self.context.store.renew(batch.lease.id, until).await.is_err() {
                return false;
            }
            batch.lease.until.store(until, Ordering::SeqCst);
        }
        self.context.store.still_leased(leased).await.unwrap_or(false)
    }

    /// Nothing was handed over: the lease is lost, or the worker stops.
    pub(super) async fn withheld(&self, leased: Leased) -> Result<()> {
        let now = self.now();
        self.context.store.give_back(leased, now).await
    }

    /// Whether the work on this delivery has ended without an outcome too often.
    pub(super) async fn crashed(&self, leased: &Leased) -> Result<bool> {
        if leased.attempts <= CRASHES {
            return Ok(false);
        }
        let known = self.context.store.attempts(leased.account_id, &[leased.id]).await?;
        let last = known.iter().map(|attempt| attempt.n).max().unwrap_or_default();
        Ok(leased.attempts - 1 - last >= CRASHES)
    }

    /// The bytes of a message that must be there.
    pub(super) async fn stored(&self, digest: &Digest) -> Result<Stored> {
        let stored = self.context.store.blob(digest).await?;
        stored.ok_or_else(|| Error::Unusable("the bytes of a message are missing".into()))
    }

    /// Tries again later, or gives up when that would be too late.
    async fn put_off(
        self: &Arc<Self>,
        leased: &Leased,
        submission: &SubmissionRow,
        reply: Reply,
    ) -> Result<()> {
        let now = self.now();
        let since =
            leased.created_at.max(submission.send_at.unwrap_or(0)).max(submission.undo_until.unwrap_or(0));
        let last = since.saturating_add(millis(self.settings.retry.give_up_after));
        if now >= last {
            let status = Status::new(5, 4, 7);
            let failure = Failure { class: "expired", code: "gave_up", status, reply, tried: true };
            return self.fail(leased, submission, failure).await;
        }
        let last = submission.expires_at.map_or(last, |at| at.min(last));
        let due = next_attempt(self, leased.attempts, now, last);
        let notice = self.delay_notice(leased, submission, &reply, since, last).await;
        let attempt = attempt(&reply);
        let store = &self.context.store;
        self.record(|now| store.defer_and_tell(leased.clone(), attempt.clone(), due, notice.clone(), now))
            .await
    }

    /// The mail that tells the sender of the delay, once, where it is time.
    async fn delay_notice(
        self: &Arc<Self>,
        leased: &Leased,
        submission: &SubmissionRow,
        reply: &Reply,
        since: i64,
        until: i64,
    ) -> Option<Filed> {
        let after = millis(self.settings.delay_notice_after);
        if after == 0 || leased.noticed_at.is_some() || self.now() < since.saturating_add(after) {
            return None;
        }
        if !wants(leased, submission).delay {
            return None;
        }
        let status = reply.status.filter(|status| status.class == 4).unwrap_or(Status::new(4, 0, 0));
        let delay = Told::Delayed { status, reply: reply.clone(), until };
        match self.report(leased, submission, &delay).await {
            Ok(notice) => notice,
            Err(error) => {
                tracing::error!(%error, delivery = %leased.id, "its sender cannot be told of the delay");
                None
            }
        }
    }

    /// Gives up, and tells the sender in the same unit.
    async fn fail(
        self: &Arc<Self>,
        leased: &Leased,
        submission: &SubmissionRow,
        failure: Failure,
    ) -> Result<()> {
        let told = Told::Failed(failure.clone());
        let bounce = match self.report(leased, submission, &told).await {
            // Whoever asked for no report sees it in the delivery's state.
            Ok(bounce) => bounce.filter(|_| wants(leased, submission).failure),
            // A bounce that cannot be written must not keep the delivery open for ever.
            Err(error) if failure.code == "poison" => {
                tracing::error!(%error, delivery = %leased.id, "its sender cannot be told");
                None
            }
            Err(error) => return Err(error),
        };
        let outcome = Outcome::Failed { class: failure.class, code: failure.code.to_owned() };
        self.finish_mail(leased, outcome, Some(attempt(&failure.reply)), bounce).await
    }

    /// Ends a delivery of kind `mail`.
    pub(super) async fn finish_mail(
        &self,
        leased: &Leased,
        outcome: Outcome,
        attempt: Option<Attempt>,
        filed: Option<Filed>,
    ) -> Result<()> {
        let finish = Finish { leased: leased.clone(), outcome, attempt, filed, person: None };
        self.record(|now| self.context.store.finish_mail(finish.clone(), now)).await
    }

    /// Records an outcome, again and again while the store is in trouble: until then the effect might be repeated.
    pub(super) async fn record<F: Future<Output = Result<()>>>(
        &self,
        write: impl Fn(i64) -> F,
    ) -> Result<()> {
        let mut wait = RECORD.0;
        loop {
            match write(self.now()).await {
                Err(
                    error @ (Error::Busy | Error::Away | Error::Full | Error::Database(_) | Error::Io(_)),
                ) => {
                    if self.stopping.is_cancelled() && wait >= RECORD.1 {
                        return Err(error);
                    }
                    tracing::warn!(%error, "an outcome could not be recorded; trying again in {wait:?}");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RECORD.1);
                }
                result => return result,
            }
        }
    }

    /// The time of something about a promise has come.
    async fn timer(&self, leased: Leased) -> Result<()> {
        let key = leased.id;
        match Timer::read(&leased.recipient) {
            Timer::Deadline => self.record(|now| self.context.store.expire(leased.clone(), now)).await,
            Timer::Answer(answer) => {
                self.record(|now| self.context.store.count_answer(leased.clone(), answer, now)).await
            }
            timer @ (Timer::Remind | Timer::Escalate(_)) => {
                if let Some(question) = self.open_question(&leased).await? {
                    let done = match (timer, ask_of(&question.row)) {
                        (Timer::Escalate(step), Ok(ask)) => match ask.escalate.get(step) {
                            Some(step) => {
                                again::escalate(&self.context, &question, &step.to, key.as_bytes()).await
                            }
                            None => Ok(()),
                        },
                        _ => again::remind(&self.context, &question, key.as_bytes()).await,
                    };
                    match done {
                        Err(Refusal::Store(error)) => return Err(error),
                        // What cannot be sent today cannot be sent at the next attempt either.
                        Err(refusal) => {
                            tracing::warn!(%refusal, promise = %question.row.id, "nobody is reminded or asked");
                        }
                        Ok(()) => {}
                    }
                }
                self.record(|now| self.context.store.finish(leased.clone(), Outcome::Delivered, None, now))
                    .await
            }
        }
    }

    /// The question of a timer, while it is open.
    async fn open_question(&self, timer: &Leased) -> Result<Option<Whole>> {
        let store = &self.context.store;
        let Some(promise) = timer.subject_id else { return Ok(None) };
        match store.promise(timer.account_id, promise).await? {
            Some(row) if row.state == "pending" => store.whole(row).await.map(Some),
            _ => Ok(None),
        }
    }
}

/// What a message's sender wants to be told about a recipient.
fn wants(leased: &Leased, submission: &SubmissionRow) -> Notify {
    let to = leased.recipient.parse::<Address>();
    to.map(|to| submission.wanted().of(&to).notify).unwrap_or_default()
}

/// What an attempt's row keeps of a reply.
pub(super) fn attempt(reply: &Reply) -> Attempt {
    Attempt {
        remote: reply.remote.clone(),
        code: reply.code.map(i64::from),
        enhanced_code: reply.status.map(|status| status.to_string()),
        diagnostic: (!reply.text.is_empty()).then(|| reply.text.clone()),
    }
}
