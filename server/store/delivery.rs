//! The one queue: every effect owed is a row here until it is settled.
//!
//! Whoever works on a delivery holds a lease on it; every later write names that lease, so that a worker which was
//! slow, frozen or cut off cannot undo what its successor did.

use std::fmt;

use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::blob::Blob;
use super::db::{Statement, Tx, Value, insert, split, sql};
use super::email::NewEmail;
use super::event::Event;
use super::promise::{settle_delivery_promise, take_out, told};
use super::{Error, Result, Store, Topic};

/// Work that is done here, and work that waits for others; neither takes the other's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Mailboxes here, timers.
    Here = 0,
    /// Relays.
    Outside = 1,
}

/// An effect owed.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct NewDelivery {
    pub account_id: Uuid,
    pub id: Uuid,
    /// `mail`, `notice` or `timer`.
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
        insert(
            "insert into delivery (account_id, id, kind, lane, destination, recipient, submission_id, email_id, \
             subject_id, digest, attempts, due_at, created_at) values",
            deliveries.iter().map(row).collect(),
        )
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
    pub lease: Uuid,
    pub leased_until: i64,
}

/// What to claim.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    /// Milliseconds.
    pub now: i64,
    /// The lease's id: everything claimed at once has one.
    pub lease: Uuid,
    /// When it ends, in milliseconds.
    pub until: i64,
    /// Which kind of work.
    pub lane: Lane,
    /// At most, in all.
    pub limit: i64,
    /// At most, for one destination.
    pub per_destination: i64,
    /// Destinations that have all they may have.
    pub busy: &'a [String],
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
    fn as_str(&self) -> &'static str {
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
}

/// One who is asked, by the email that is filed.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct Asked {
    pub promise_id: Uuid,
    pub asker_id: Uuid,
    pub address: String,
}

impl Filed {
    /// The event that tells of it, with what is written between the account's new number and the event.
    pub(crate) fn told(&self, now: i64) -> (Event, Vec<Statement>) {
        let mut with: Vec<Statement> = self.blob.iter().map(|blob| blob.insert(now)).collect();
        with.push(self.email.insert());
        with.extend(self.asked.iter().map(|asked| {
            sql("insert into asked (account_id, promise_id, asker_id, email_id, address, deadline, settled_at, created_at) \
                 select $1, p.id, p.account_id, $2, $3, p.deadline, p.settled_at, $4 from promise p \
                 where p.account_id = $5 and p.id = $6 on conflict (account_id, promise_id) do nothing")
            .bind(self.email.account_id)
            .bind(self.email.id)
            .bind(&asked.address)
            .bind(now)
            .bind(asked.asker_id)
            .bind(asked.promise_id)
        }));
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

    fn tried(&self, attempt: &Attempt, next_at: Option<i64>, now: i64) -> Statement {
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

pub(crate) fn updated(account: Uuid, email: Uuid, delivery: Uuid) -> (Event, Vec<Statement>) {
    let data = json!({ "message_id": email, "delivery_id": delivery });
    (Event::new(account, "delivery.updated", data), Vec::new())
}

/// A delivery as the API shows it.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct DeliveryRow {
    pub account_id: Uuid,
    pub id: Uuid,
    pub kind: String,
    pub destination: String,
    pub recipient: String,
    pub submission_id: Option<Uuid>,
    /// The sender's copy of the message.
    pub email_id: Option<Uuid>,
    pub attempts: i64,
    pub due_at: i64,
    pub held_at: Option<i64>,
    pub leased_until: Option<i64>,
    pub settled_at: Option<i64>,
    pub outcome: Option<String>,
    pub reason_class: Option<String>,
    pub reason_code: Option<String>,
    pub created_at: i64,
    pub send_at: Option<i64>,
    pub undo_until: Option<i64>,
    pub last_at: Option<i64>,
    pub last_remote: Option<String>,
    pub last_code: Option<i64>,
    pub last_enhanced_code: Option<String>,
    pub last_diagnostic: Option<String>,
}

/// Where a delivery is, read off its columns (RFC 3464's words).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the words of the API")]
pub enum State {
    Scheduled,
    Held,
    Queued,
    Sending,
    Delayed,
    Delivered,
    Relayed,
    Failed,
    Canceled,
}

impl State {
    /// Every state.
    pub const ALL: [State; 9] = [
        State::Scheduled,
        State::Held,
        State::Queued,
        State::Sending,
        State::Delayed,
        State::Delivered,
        State::Relayed,
        State::Failed,
        State::Canceled,
    ];

    /// As the API says it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Scheduled => "scheduled",
            State::Held => "held",
            State::Queued => "queued",
            State::Sending => "sending",
            State::Delayed => "delayed",
            State::Delivered => "delivered",
            State::Relayed => "relayed",
            State::Failed => "failed",
            State::Canceled => "canceled",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl DeliveryRow {
    /// Where it is now.
    pub fn state(&self, now: i64) -> State {
        match self.outcome.as_deref() {
            Some("delivered") => State::Delivered,
            Some("relayed") => State::Relayed,
            Some("canceled") => State::Canceled,
            Some(_) => State::Failed,
            None if self.leased_until.is_some_and(|until| until > now) => State::Sending,
            None if self.attempts > 0 => State::Delayed,
            None if self.held_at.is_some() || self.undo_until.is_some_and(|until| until > now) => State::Held,
            None if self.send_at.is_some_and(|at| at > now) => State::Scheduled,
            None => State::Queued,
        }
    }
}

/// One try, for a timeline.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct AttemptRow {
    pub delivery_id: Uuid,
    pub n: i64,
    pub at: i64,
    pub remote: Option<String>,
    pub code: Option<i64>,
    pub enhanced_code: Option<String>,
    pub diagnostic: Option<String>,
    pub next_at: Option<i64>,
}

/// How far the recipients of one submission are.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct Progress {
    pub submission_id: Uuid,
    pub outcome: Option<String>,
    pub sending: bool,
    pub tried: bool,
    pub count: i64,
}

const COLUMNS: &str = "select d.account_id, d.id, d.kind, d.destination, d.recipient, d.submission_id, \
                       coalesce(s.email_id, d.email_id) as email_id, d.attempts, d.due_at, d.held_at, d.leased_until, \
                       d.settled_at, d.outcome, d.reason_class, d.reason_code, d.created_at, s.send_at, s.undo_until, \
                       t.at as last_at, t.remote as last_remote, t.code as last_code, \
                       t.enhanced_code as last_enhanced_code, t.diagnostic as last_diagnostic from delivery d \
                       left join submission s on s.account_id = d.account_id and s.id = d.submission_id \
                       left join attempt t on t.account_id = d.account_id and t.delivery_id = d.id and t.n = \
                       (select max(x.n) from attempt x where x.account_id = d.account_id and x.delivery_id = d.id) \
                       where ";

// Both walk from one destination with open work to the next by the index, take the oldest due of each, and lease
// the oldest of those: what a destination holds back never stands before another's.
const CLAIM_SQLITE: &str = "with recursive place (destination) as (\
     select min(d.destination) from delivery d where d.settled_at is null and d.lane = $1 \
     union all \
     select (select min(d.destination) from delivery d where d.settled_at is null and d.lane = $1 \
             and d.destination > place.destination) from place where place.destination is not null) \
     update delivery set lease = $2, leased_until = $3, due_at = $3, attempts = attempts + 1 \
     where (account_id, id) in (\
       select d.account_id, d.id from place, json_each((\
         select json_group_array(hex(n.account_id) || hex(n.id)) from (\
           select o.account_id, o.id from delivery o where o.settled_at is null and o.lane = $1 \
           and o.destination = place.destination and o.due_at <= $4 and o.held_at is null \
           order by o.due_at, o.id limit $5) n)) picked \
       join delivery d on d.account_id = unhex(substr(picked.value, 1, 32)) and d.id = unhex(substr(picked.value, 33)) \
       where place.destination is not null and place.destination not in (select busy.value from json_each($6) busy) \
       order by d.due_at, d.id limit $7) \
     returning account_id, id, kind, destination, recipient, submission_id, email_id, subject_id, digest, attempts, \
     created_at, lease, leased_until";
const CLAIM_POSTGRES: &str = "with recursive place (destination) as (\
     select min(d.destination) from delivery d where d.settled_at is null and d.lane = $1 \
     union all \
     select (select min(d.destination) from delivery d where d.settled_at is null and d.lane = $1 \
             and d.destination > place.destination) from place where place.destination is not null), \
     oldest as materialized (\
       select n.account_id, n.id, n.due_at from place cross join lateral (\
         select o.account_id, o.id, o.due_at from delivery o where o.settled_at is null and o.lane = $1 \
         and o.destination = place.destination and o.due_at <= $4 and o.held_at is null \
         order by o.due_at, o.id limit $5) n \
       where place.destination is not null \
       and place.destination not in (select jsonb_array_elements_text($6::text::jsonb)) \
       order by n.due_at, n.id limit $7), \
     picked as materialized (\
       select d.account_id, d.id from delivery d join oldest on oldest.account_id = d.account_id and oldest.id = d.id \
       where d.settled_at is null and d.due_at <= $4 for update of d skip locked) \
     update delivery d set lease = $2, leased_until = $3, due_at = $3, attempts = d.attempts + 1 from picked \
     where d.account_id = picked.account_id and d.id = picked.id \
     returning d.account_id, d.id, d.kind, d.destination, d.recipient, d.submission_id, d.email_id, d.subject_id, \
     d.digest, d.attempts, d.created_at, d.lease, d.leased_until";

impl Store {
    /// Leases what is due, in turn between destinations. The attempt is counted now, before the work.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Leased>> {
        let busy = serde_json::to_string(claim.busy).unwrap_or_default();
        let statement = split(CLAIM_SQLITE, CLAIM_POSTGRES)
            .bind(claim.lane as i64)
            .bind(claim.lease)
            .bind(claim.until)
            .bind(claim.now)
            .bind(claim.per_destination)
            .bind(busy)
            .bind(claim.limit);
        self.write(async move |tx| tx.all(statement.clone()).await).await
    }

    /// Ends the leases of workers before this one, on SQLite, which one worker has for itself; how many there were.
    /// On PostgreSQL others may be at work, so leases end by themselves.
    ///
    /// # Errors
    /// The database's.
    pub async fn take_over(&self, now: i64) -> Result<u64> {
        if matches!(self.0.engine, super::Engine::Postgres(_)) {
            return Ok(0);
        }
        self.write(async move |tx| {
            let end = sql("update delivery set due_at = $1, lease = null, leased_until = null \
                           where lease is not null and settled_at is null");
            tx.run(end.bind(now)).await
        })
        .await
    }

    /// When the next delivery of a lane is due, in milliseconds; none when nothing is open.
    ///
    /// # Errors
    /// The database's.
    pub async fn next_due(&self, lane: Lane) -> Result<Option<i64>> {
        // Walks from destination to destination, as claiming does, so that a long queue costs nothing.
        let row: (Option<i64>,) = self
            .one(
                sql("with recursive place (destination) as (\
                     select min(d.destination) from delivery d where d.settled_at is null and d.lane = $1 \
                     union all \
                     select (select min(d.destination) from delivery d where d.settled_at is null and d.lane = $1 \
                             and d.destination > place.destination) from place where place.destination is not null) \
                     select min((select min(o.due_at) from delivery o where o.settled_at is null and o.lane = $1 \
                                 and o.destination = place.destination and o.held_at is null)) \
                     from place where place.destination is not null")
                .bind(lane as i64),
            )
            .await?;
        Ok(row.0)
    }

    /// Prolongs a lease on everything that is still held under it; how many that is.
    ///
    /// # Errors
    /// The database's.
    pub async fn renew(&self, lease: Uuid, until: i64) -> Result<u64> {
        self.write(async move |tx| {
            // A row that somebody is just settling is left alone, so that neither waits for the other.
            let renew = split(
                "update delivery set leased_until = $1, due_at = $1 where lease = $2 and settled_at is null",
                "update delivery set leased_until = $1, due_at = $1 where (account_id, id) in \
                 (select d.account_id, d.id from delivery d where d.lease = $2 and d.settled_at is null \
                  for update skip locked)",
            );
            tx.run(renew.bind(until).bind(lease)).await
        })
        .await
    }

    /// Whether the lease is still held: asked before every effect outside.
    ///
    /// # Errors
    /// The database's.
    pub async fn still_leased(&self, leased: &Leased) -> Result<bool> {
        let row: Option<(Uuid,)> = self
            .first(
                sql("select id from delivery where account_id = $1 and id = $2 and lease = $3 and settled_at is null")
                    .bind(leased.account_id)
                    .bind(leased.id)
                    .bind(leased.lease),
            )
            .await?;
        Ok(row.is_some())
    }

    /// Ends a delivery of kind `mail`: the recipient's copy or the sender's bounce, the promises that depend on
    /// it, and everybody's events, in one unit.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the lease was lost, or the recipient has this copy already.
    pub async fn finish_mail(&self, finish: Finish, now: i64) -> Result<()> {
        let mut accounts = vec![finish.leased.account_id];
        accounts.extend(finish.filed.iter().map(|filed| filed.email.account_id));
        self.write_for(accounts, async move |tx| {
            let leased = &finish.leased;
            let mut first = vec![leased.settled(finish.outcome.as_str(), finish.outcome.reason(), now)];
            first.extend(finish.attempt.iter().map(|attempt| leased.tried(attempt, None, now)));
            if let Some(asked) = finish.filed.as_ref().and_then(|filed| filed.asked.as_ref()) {
                // Held before the accounts, as settling does: else a question settled meanwhile stays open for them.
                let hold = sql("update promise set revision = revision where account_id = $1 and id = $2");
                first.push(hold.bind(asked.asker_id).bind(asked.promise_id));
            }
            let ended = ended(leased.account_id, leased.submission_id, leased.id, leased.subject_id);
            let mut events = settle_mail(tx, first, ended, &finish.outcome, now).await?;
            if let Some(filed) = &finish.filed {
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
        self.write_for([leased.account_id], async move |tx| {
            let mut batch = vec![leased.settled(outcome.as_str(), outcome.reason(), now)];
            batch.extend(attempt.iter().map(|attempt| leased.tried(attempt, None, now)));
            tx.batch(batch).await.map(drop)
        })
        .await
    }

    /// Keeps what was tried and has the delivery looked at again at `due_at`.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the lease was lost.
    pub async fn defer(&self, leased: Leased, attempt: Attempt, due_at: i64, now: i64) -> Result<()> {
        self.write_for([leased.account_id], async move |tx| {
            tx.batch([leased.due(due_at, leased.attempts), leased.tried(&attempt, Some(due_at), now)])
                .await?;
            let Some(submission) = leased.submission_id else { return Ok(()) };
            let email = sql("select email_id from submission where account_id = $1 and id = $2");
            let (email,): (Uuid,) = tx.one(email.bind(leased.account_id).bind(submission)).await?;
            tx.tell(vec![updated(leased.account_id, email, leased.id)], now).await
        })
        .await
    }

    /// Gives a delivery back unworked, as it was before it was claimed.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the lease was lost.
    pub async fn give_back(&self, leased: Leased, now: i64) -> Result<()> {
        let account = leased.account_id;
        self.write_for([account], async move |tx| {
            tx.batch([leased.due(now, leased.attempts - 1)]).await.map(drop)
        })
        .await
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

    /// The deliveries of one submission, in the order of their ids.
    ///
    /// # Errors
    /// The database's.
    pub async fn deliveries_of(
        &self,
        account: Uuid,
        submission: Uuid,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<DeliveryRow>> {
        let list = sql(COLUMNS).push("d.account_id = ").push_bind(account);
        let list = list.push(" and d.submission_id = ").push_bind(submission);
        let list = list.push(" and d.id > ").push_bind(after.unwrap_or_default());
        self.all(list.push(" order by d.id limit ").push_bind(limit)).await
    }

    /// A page of an account's deliveries of kind `mail`, newest first; only open ones with `open`, only those with
    /// this outcome with `outcome`.
    ///
    /// # Errors
    /// The database's.
    pub async fn deliveries(
        &self,
        account: Uuid,
        open: bool,
        outcome: Option<&str>,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<DeliveryRow>> {
        let mut list = sql(COLUMNS).push("d.kind = 'mail' and d.account_id = ").push_bind(account);
        if open {
            list = list.push(" and d.settled_at is null");
        }
        if let Some(outcome) = outcome {
            list = list.push(" and d.outcome = ").push_bind(outcome);
        }
        if let Some(before) = before {
            list = list.push(" and d.id < ").push_bind(before);
        }
        self.all(list.push(" order by d.id desc limit ").push_bind(limit)).await
    }

    /// A page of everybody's open deliveries, for whoever runs the server.
    ///
    /// # Errors
    /// The database's.
    pub async fn queue(&self, after: Option<(Uuid, Uuid)>, limit: i64) -> Result<Vec<DeliveryRow>> {
        let (account, id) = after.unwrap_or_default();
        let list = sql(COLUMNS).push("d.settled_at is null and (d.account_id, d.id) > (").push_bind(account);
        let list = list.push(", ").push_bind(id).push(") order by d.account_id, d.id limit ");
        self.all(list.push_bind(limit)).await
    }

    /// One delivery of an account.
    ///
    /// # Errors
    /// The database's.
    pub async fn delivery(&self, account: Uuid, id: Uuid) -> Result<Option<DeliveryRow>> {
        self.first(sql(COLUMNS).push("d.account_id = ").push_bind(account).push(" and d.id = ").push_bind(id))
            .await
    }

    /// Every try of these deliveries, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn attempts(&self, account: Uuid, deliveries: &[Uuid]) -> Result<Vec<AttemptRow>> {
        let tries =
            sql("select delivery_id, n, at, remote, code, enhanced_code, diagnostic, next_at from attempt \
                         where account_id = ");
        let tries = tries.push_bind(account).push(" and delivery_id in ").push_list(deliveries);
        self.all(tries.push(" order by at, n limit 2000")).await
    }

    /// How far the recipients of these submissions are, for the rows of a list.
    ///
    /// # Errors
    /// The database's.
    pub async fn progress(&self, account: Uuid, submissions: &[Uuid], now: i64) -> Result<Vec<Progress>> {
        let counts = sql("select submission_id, outcome, coalesce(leased_until > ").push_bind(now).push(
            ", false) as sending, attempts > 0 as tried, count(*) as count from delivery \
             where kind = 'mail' and account_id = ",
        );
        let counts = counts.push_bind(account).push(" and submission_id in ").push_list(submissions);
        self.all(counts.push(" group by 1, 2, 3, 4")).await
    }

    /// Has an open delivery tried at once.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`]: it is settled, or being tried now.
    pub async fn retry_delivery(&self, account: Uuid, id: Uuid, now: i64) -> Result<()> {
        self.write_for([account], async move |tx| {
            there(tx, account, id).await?;
            let retry =
                sql("update delivery set due_at = $1, held_at = null where account_id = $2 and id = $3 \
                             and settled_at is null and (leased_until is null or leased_until <= $1)");
            tx.ring(Topic::Queue);
            tx.batch([retry.bind(now).bind(account).bind(id).expect(1)]).await.map(drop)
        })
        .await
    }

    /// Takes back a delivery that is neither settled nor being tried now.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`].
    pub async fn cancel_delivery(&self, account: Uuid, id: Uuid, now: i64) -> Result<()> {
        self.write_for([account], async move |tx| {
            let (submission, subject) = there(tx, account, id).await?;
            let cancel = sql("update delivery set settled_at = $1, outcome = 'canceled', lease = null, leased_until = null \
                              where account_id = $2 and id = $3 and settled_at is null \
                              and (leased_until is null or leased_until <= $1)");
            let cancel = cancel.bind(now).bind(account).bind(id).expect(1);
            let ended = ended(account, submission, id, subject);
            let events = settle_mail(tx, vec![cancel], ended, &Outcome::Canceled, now).await?;
            tx.tell(events, now).await
        })
        .await
    }
}

async fn there(tx: &mut Tx, account: Uuid, id: Uuid) -> Result<(Option<Uuid>, Option<Uuid>)> {
    let row = sql(
        "select submission_id, subject_id from delivery where account_id = $1 and id = $2 and kind = 'mail'",
    );
    tx.one(row.bind(account).bind(id)).await
}

/// A delivery of kind `mail` whose row has just been settled.
struct Ended {
    account_id: Uuid,
    submission_id: Uuid,
    id: Uuid,
    asked_by: Option<Uuid>,
}

fn ended(account_id: Uuid, submission: Option<Uuid>, id: Uuid, asked_by: Option<Uuid>) -> Ended {
    Ended { account_id, submission_id: submission.unwrap_or_default(), id, asked_by }
}

/// Runs what settles a delivery, counts it off its submission, and settles the promises that waited for it, in one
/// call where nobody was asked; the events to tell.
async fn settle_mail(
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
        events.extend(take_out(tx, ended.account_id, asked_by, now).await?);
    }
    Ok(events)
}
