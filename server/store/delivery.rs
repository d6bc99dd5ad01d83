//! The one queue: every effect owed is a row here until it is settled.
//!
//! Whoever works on a delivery holds a lease on it; every later write names that lease, so that a worker which was
//! slow, frozen or cut off cannot undo what its successor did.

use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::blob::Blob;
use super::db::{Statement, Tx, Value, insert, sql};
use super::email::NewEmail;
use super::event::Event;
use super::promise::{settle_delivery_promise, told};
use super::settle::{hold, take_out};
use super::tracking::{earliest, seen_from};
use super::unverified::Unverified;
use super::{Error, Result, Store, Topic};

/// Work that is done here, and work that waits for others; neither takes the other's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Mailboxes here, timers.
    Here = 0,
    /// Relays.
    Outside = 1,
    /// Webhooks and other calls to programs outside.
    Calls = 2,
}

/// An effect owed.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct NewDelivery {
    pub account_id: Uuid,
    pub id: Uuid,
    /// `mail`, `notice`, `digest`, `vacation`, `webhook`, `push`, `timer` or `wake`.
    pub kind: &'static str,
    pub lane: Lane,
    /// Claiming takes turns between these.
    pub destination: String,
    pub recipient: String,
    pub submission_id: Option<Uuid>,
    pub email_id: Option<Uuid>,
    pub subject_id: Option<Uuid>,
    /// Of a notice that is rendered already.
    pub digest: Option<[u8; 32]>,
    pub due_at: i64,
    pub created_at: i64,
}

impl NewDelivery {
    /// The rows.
    pub fn insert(deliveries: &[NewDelivery]) -> Vec<Statement> {
        let row = |d: &NewDelivery| -> Vec<Value> {
            vec![
                d.account_id.into(),
                d.id.into(),
                d.kind.into(),
                (d.lane as i64).into(),
                (&d.destination).into(),
                (&d.recipient).into(),
                d.submission_id.into(),
                d.email_id.into(),
                d.subject_id.into(),
                d.digest.into(),
                0_i64.into(),
                d.due_at.into(),
                d.created_at.into(),
            ]
        };
        // A digest's id follows from its time: whatever else is told of then goes with the one that is there.
        let (digests, others): (Vec<_>, Vec<_>) = deliveries.iter().partition(|d| d.kind == "digest");
        let mut rows = insert(
            "insert into delivery (account_id, id, kind, lane, destination, recipient, submission_id, email_id, \
             subject_id, digest, attempts, due_at, created_at) values",
            others.into_iter().map(row).collect(),
        );
        rows.extend(digests.into_iter().map(|d| {
            sql("insert into delivery (account_id, id, kind, lane, destination, recipient, submission_id, email_id, \
                 subject_id, digest, attempts, due_at, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
                 $11, $12, $13) on conflict (account_id, id) do nothing")
            .bind(d.account_id)
            .bind(d.id)
            .bind(d.kind)
            .bind(d.lane as i64)
            .bind(&d.destination)
            .bind(&d.recipient)
            .bind(d.submission_id)
            .bind(d.email_id)
            .bind(d.subject_id)
            .bind(d.digest)
            .bind(0_i64)
            .bind(d.due_at)
            .bind(d.created_at)
        }));
        rows
    }
}

/// A delivery that is worked on.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct Leased {
    pub account_id: Uuid,
    pub id: Uuid,
    pub kind: String,
    pub destination: String,
    pub recipient: String,
    pub submission_id: Option<Uuid>,
    pub email_id: Option<Uuid>,
    pub subject_id: Option<Uuid>,
    pub digest: Option<Vec<u8>>,
    /// With the one that begins now.
    pub attempts: i64,
    pub created_at: i64,
    /// When its sender was told that it takes long.
    pub noticed_at: Option<i64>,
    pub lease: Uuid,
    pub leased_until: i64,
}

/// How a delivery ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in a mailbox here.
    Delivered,
    /// The next hop has taken it.
    Relayed,
    /// It will not be tried again.
    Failed {
        /// `permanent`, `expired`, `suppressed` or `rejected_locally`.
        class: &'static str,
        /// Open, such as `unknown_recipient`.
        code: String,
    },
    /// Somebody took it back.
    Canceled,
}

impl Outcome {
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Relayed => "relayed",
            Outcome::Failed { .. } => "failed",
            Outcome::Canceled => "canceled",
        }
    }

    fn reason(&self) -> Option<(&'static str, &str)> {
        match self {
            Outcome::Failed { class, code } => Some((class, code)),
            _ => None,
        }
    }
}

/// What the destination said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct Attempt {
    pub remote: Option<String>,
    pub code: Option<i64>,
    pub enhanced_code: Option<String>,
    pub diagnostic: Option<String>,
}

/// An email filed in the unit that settles a delivery or deposits a message.
#[derive(Debug, Clone)]
pub struct Filed {
    /// The email.
    pub email: NewEmail,
    /// Its bytes, where they are not stored yet.
    pub blob: Option<Blob>,
    /// The account is asked by the question it carries; the address that was.
    pub asked: Option<Asked>,
    /// Notices that go out because of it.
    pub notices: Vec<NewDelivery>,
    /// It came to a secret address, and is not known to be its owner's.
    pub unverified: Option<Unverified>,
}

/// One who is asked, by the email that is filed.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct Asked {
    pub promise_id: Uuid,
    pub asker_id: Uuid,
    /// The delivery that brings the question.
    pub respondent: Uuid,
}

impl Filed {
    /// The event that tells of it, with what is written between the account's new number and the event.
    pub(crate) fn told(&self, now: i64) -> (Event, Vec<Statement>) {
        let mut with: Vec<Statement> = self.blob.iter().map(|blob| blob.insert(now)).collect();
        with.push(self.email.insert());
        with.extend(self.asked.iter().map(|asked| {
            // Nothing for a reminder, and nothing for a version that was replaced while it was on its way.
            sql("insert into asked (account_id, promise_id, asker_id, email_id, address, deadline, settled_at, created_at, \
                 revision) select $1, p.id, p.account_id, $2, r.address, p.deadline, p.settled_at, $3, p.revision \
                 from promise p join respondent r on r.account_id = p.account_id and r.promise_id = p.id \
                 and r.id = $4 and r.state <> 'withdrawn' where p.account_id = $5 and p.id = $6 \
                 on conflict (account_id, promise_id) do update set email_id = excluded.email_id, \
                 address = excluded.address, deadline = excluded.deadline, settled_at = excluded.settled_at, \
                 answered_at = null, declined_at = null, revision = excluded.revision \
                 where asked.revision < excluded.revision")
            .bind(self.email.account_id)
            .bind(self.email.id)
            .bind(now)
            .bind(asked.respondent)
            .bind(asked.asker_id)
            .bind(asked.promise_id)
        }));
        with.extend(self.unverified.iter().map(|unverified| unverified.insert(&self.email)));
        with.extend(NewDelivery::insert(&self.notices));
        (self.email.event(), with)
    }
}

/// A delivery's end, with everything that happens in the same unit.
#[derive(Debug, Clone)]
pub struct Finish {
    /// Which.
    pub leased: Leased,
    /// How.
    pub outcome: Outcome,
    /// What the destination said, if one was asked.
    pub attempt: Option<Attempt>,
    /// The copy for the recipient's mailbox, or the bounce for the sender's.
    pub filed: Option<Filed>,
    /// The account that the recipient turned out to be.
    pub person: Option<Uuid>,
}

impl Leased {
    pub(crate) fn settled(&self, outcome: &'static str, reason: Option<(&str, &str)>, now: i64) -> Statement {
        sql("update delivery set settled_at = $1, outcome = $2, reason_class = $3, reason_code = $4, lease = null, \
             leased_until = null where account_id = $5 and id = $6 and lease = $7 and settled_at is null")
        .bind(now)
        .bind(outcome)
        .bind(reason.map(|(class, _)| class))
        .bind(reason.map(|(_, code)| code))
        .bind(self.account_id)
        .bind(self.id)
        .bind(self.lease)
        .expect(1)
    }

    pub(super) fn tried(&self, attempt: &Attempt, next_at: Option<i64>, now: i64) -> Statement {
        sql("insert into attempt (account_id, delivery_id, n, at, remote, code, enhanced_code, diagnostic, next_at) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(self.account_id)
        .bind(self.id)
        .bind(self.attempts)
        .bind(now)
        .bind(attempt.remote.clone())
        .bind(attempt.code)
        .bind(attempt.enhanced_code.clone())
        .bind(attempt.diagnostic.clone())
        .bind(next_at)
    }

    fn due(&self, at: i64, attempts: i64) -> Statement {
        sql("update delivery set due_at = $1, attempts = $2, lease = null, leased_until = null \
             where account_id = $3 and id = $4 and lease = $5 and settled_at is null")
        .bind(at)
        .bind(attempts)
        .bind(self.account_id)
        .bind(self.id)
        .bind(self.lease)
        .expect(1)
    }
}

pub(super) fn updated(account: Uuid, email: Uuid, delivery: Uuid) -> (Event, Vec<Statement>) {
    let data = json!({ "message_id": email, "delivery_id": delivery });
    (Event::new(account, "delivery.updated", data), Vec::new())
}

impl Store {
    /// Ends a delivery of kind `mail`: the recipient's copy or the sender's bounce, the promises that depend on
    /// it, and everybody's events, in one unit.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the lease was lost, or the recipient has this copy already.
    pub async fn finish_mail(&self, finish: Finish, now: i64) -> Result<()> {
        self.finish_and_tell(finish, None, now).await
    }

    /// The same, with the mail that tells the sender that it was delivered.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the lease was lost, or somebody has such a copy already.
    pub async fn finish_and_tell(&self, finish: Finish, told: Option<Filed>, now: i64) -> Result<()> {
        let mut accounts = vec![finish.leased.account_id];
        accounts.extend(finish.filed.iter().map(|filed| filed.email.account_id));
        self.write_for(accounts, async move |tx| {
            let leased = &finish.leased;
            let mut first = vec![leased.settled(finish.outcome.as_str(), finish.outcome.reason(), now)];
            first.extend(finish.attempt.iter().map(|attempt| leased.tried(attempt, None, now)));
            if let Some(asked) = finish.filed.as_ref().and_then(|filed| filed.asked.as_ref()) {
                // Held before the accounts, as settling does: else a question settled meanwhile stays open for them.
                first.push(hold(asked.asker_id, asked.promise_id));
            }
            let notices = finish.filed.as_ref().map(|filed| filed.notices.as_slice()).unwrap_or_default();
            if let (Some(at), Some(_)) = (earliest(notices), finish.person) {
                first.push(seen_from(leased.account_id, leased.id, at));
            }
            if let (Some(person), Some(promise)) = (finish.person, leased.subject_id) {
                let known = sql("update respondent set person_id = $1 where account_id = $2 and promise_id = $3 and id = $4");
                first.push(known.bind(person).bind(leased.account_id).bind(promise).bind(leased.id));
            }
            let ended = ended(leased.account_id, leased.submission_id, leased.id, leased.subject_id);
            let mut events = settle_mail(tx, first, ended, &finish.outcome, now).await?;
            for filed in finish.filed.iter().chain(&told) {
                events.push(filed.told(now));
                if !filed.notices.is_empty() {
                    tx.ring(Topic::Queue);
                }
            }
            tx.tell(events, now).await
        })
        .await
    }

    /// Ends a delivery that no submission stands behind (a notice).
    ///
    /// # Errors
    /// [`Error::Conflict`]: the lease was lost.
    pub async fn finish(
        &self,
        leased: Leased,
        outcome: Outcome,
        attempt: Option<Attempt>,
        now: i64,
    ) -> Result<()> {
        let mut statements = vec![leased.settled(outcome.as_str(), outcome.reason(), now)];
        statements.extend(attempt.iter().map(|attempt| leased.tried(attempt, None, now)));
        self.put([leased.account_id], statements, vec![]).await
    }

    /// Has a delivery looked at again at `due_at`, as if it had not been tried.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the lease was lost.
    pub async fn postpone(&self, leased: Leased, due_at: i64) -> Result<()> {
        self.write_for([leased.account_id], async move |tx| {
            tx.batch([leased.due(due_at, leased.attempts - 1)]).await.map(drop)
        })
        .await
    }

    /// Keeps what was tried and has the delivery looked at again at `due_at`.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the lease was lost.
    pub async fn defer(&self, leased: Leased, attempt: Attempt, due_at: i64, now: i64) -> Result<()> {
        self.defer_and_tell(leased, attempt, due_at, None, now).await
    }

    /// The same, with the mail that tells the sender of the delay.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the lease was lost.
    pub async fn defer_and_tell(
        &self,
        leased: Leased,
        attempt: Attempt,
        due_at: i64,
        notice: Option<Filed>,
        now: i64,
    ) -> Result<()> {
        self.write_for([leased.account_id], async move |tx| {
            let mut batch = Vec::new();
            if notice.is_some() {
                let noticed = sql("update delivery set noticed_at = $1 where account_id = $2 and id = $3");
                batch.push(noticed.bind(now).bind(leased.account_id).bind(leased.id));
            }
            batch.extend([leased.due(due_at, leased.attempts), leased.tried(&attempt, Some(due_at), now)]);
            tx.batch(batch).await?;
            let Some(submission) = leased.submission_id else { return Ok(()) };
            let email = sql("select email_id from submission where account_id = $1 and id = $2");
            let (email,): (Uuid,) = tx.one(email.bind(leased.account_id).bind(submission)).await?;
            let mut events = vec![updated(leased.account_id, email, leased.id)];
            if let Some(filed) = &notice {
                events.push(filed.told(now));
                tx.ring(Topic::Queue);
            }
            tx.tell(events, now).await
        })
        .await
    }

    /// Gives a delivery back unworked, as it was before it was claimed.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the lease was lost.
    pub async fn give_back(&self, leased: Leased, now: i64) -> Result<()> {
        self.put([leased.account_id], vec![leased.due(now, leased.attempts - 1)], vec![]).await
    }

    /// Keeps what a notice was rendered to, so that every retry sends the same bytes; what else is written with it
    /// comes as `with`.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the lease was lost.
    pub async fn rendered(&self, leased: Leased, blob: Blob, with: Vec<Statement>, now: i64) -> Result<()> {
        self.write_for([leased.account_id], async move |tx| {
            let keep =
                sql("update delivery set digest = $1 where account_id = $2 and id = $3 and lease = $4 \
                            and settled_at is null");
            let keep =
                keep.bind(blob.digest).bind(leased.account_id).bind(leased.id).bind(leased.lease).expect(1);
            // Collected first: a borrowed iterator held over an await keeps callers' futures from being `Send`.
            let mut batch = vec![blob.insert(now), keep];
            batch.extend(with.iter().cloned());
            tx.batch(batch).await.map(drop)
        })
        .await
    }

    /// Files mail from outside: one copy for each account, all or none.
    ///
    /// # Errors
    /// [`Error::Conflict`]: an account has it already; the caller files the others.
    pub async fn deposit(&self, filed: Vec<Filed>, now: i64) -> Result<()> {
        let accounts: Vec<Uuid> = filed.iter().map(|filed| filed.email.account_id).collect();
        self.write_for(accounts, async move |tx| {
            tx.ring(Topic::Queue);
            tx.tell(filed.iter().map(|filed| filed.told(now)).collect(), now).await
        })
        .await
    }

    /// Which of these accounts hold an email of this source.
    ///
    /// # Errors
    /// The database's.
    pub async fn holders(&self, accounts: &[Uuid], source_id: &[u8]) -> Result<Vec<Uuid>> {
        let by = sql("select account_id from email where not outgoing and source_id = ").push_bind(source_id);
        let rows: Vec<(Uuid,)> = self.all(by.push(" and account_id in ").push_list(accounts)).await?;
        Ok(rows.into_iter().map(|(account,)| account).collect())
    }
}

/// A delivery of kind `mail` whose row has just been settled.
pub(super) struct Ended {
    account_id: Uuid,
    submission_id: Uuid,
    id: Uuid,
    asked_by: Option<Uuid>,
}

pub(super) fn ended(account_id: Uuid, submission: Option<Uuid>, id: Uuid, asked_by: Option<Uuid>) -> Ended {
    Ended { account_id, submission_id: submission.unwrap_or_default(), id, asked_by }
}

/// Runs what settles a delivery, counts it off its submission, and settles the promises that waited for it, in one
/// call where nobody was asked; the events to tell.
pub(super) async fn settle_mail(
    tx: &mut Tx,
    mut batch: Vec<Statement>,
    ended: Ended,
    outcome: &Outcome,
    now: i64,
) -> Result<Vec<(Event, Vec<Statement>)>> {
    let lost = matches!(outcome, Outcome::Failed { .. } | Outcome::Canceled);
    let count = sql("update submission set unsettled = unsettled - 1, failed = failed + $1 \
                     where account_id = $2 and id = $3 returning email_id");
    let count = count.bind(i64::from(lost)).bind(ended.account_id).bind(ended.submission_id);
    batch.extend([count, settle_delivery_promise(ended.account_id, ended.submission_id, now)]);
    let mut done = tx.batch(batch).await?;
    let settled: Vec<(Uuid, Uuid)> = done.pop().map_or_else(|| Ok(Vec::new()), |done| done.rows())?;
    let counted: Vec<(Uuid,)> = done.pop().map_or_else(|| Ok(Vec::new()), |done| done.rows())?;
    let Some((email,)) = counted.first() else { return Err(Error::NotFound) };
    let mut events = vec![updated(ended.account_id, *email, ended.id)];
    for (promise, email) in settled {
        tx.ring(Topic::Promise(promise));
        events.push((told(ended.account_id, promise, email), Vec::new()));
    }
    if let (true, Some(asked_by)) = (lost, ended.asked_by) {
        events.extend(take_out(tx, ended.account_id, asked_by, ended.id, now).await?);
    }
    Ok(events)
}
