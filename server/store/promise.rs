//! Promises: the durable handles of what is not finished. A promise settles at most once, in the transaction of
//! what settles it, and then never changes.

use serde_json::{Value as Json, json};
use sqlx::FromRow;
use uuid::Uuid;

use super::db::{Statement, Tx, sql};
use super::delivery::Leased;
use super::event::Event;
use super::idempotency::{Answer as Kept, Key};
use super::{Error, Result, Store, Topic};

/// A promise to be made.
#[derive(Debug, Clone)]
pub struct NewPromise {
    /// Its id.
    pub id: Uuid,
    /// `delivery` or `answer`.
    pub kind: &'static str,
    /// What is asked, JSON.
    pub ask: Option<String>,
    /// How many are asked.
    pub unanswered: i64,
    /// Milliseconds.
    pub deadline: Option<i64>,
    /// The asker's own, JSON; comes back as it is.
    pub context: Option<String>,
}

impl NewPromise {
    pub(crate) fn insert(&self, account: Uuid, email: Uuid, submission: Uuid, now: i64) -> Statement {
        sql("insert into promise (account_id, id, kind, state, email_id, submission_id, ask, revision, unanswered, \
             deadline, context, created_at) values ($1, $2, $3, 'pending', $4, $5, $6, 1, $7, $8, $9, $10)")
        .bind(account)
        .bind(self.id)
        .bind(self.kind)
        .bind(email)
        .bind(submission)
        .bind(self.ask.clone())
        .bind(self.unanswered)
        .bind(self.deadline)
        .bind(self.context.clone())
        .bind(now)
    }
}

/// A promise as it is kept, under its asker.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct PromiseRow {
    pub account_id: Uuid,
    pub id: Uuid,
    pub kind: String,
    pub state: String,
    pub email_id: Uuid,
    pub submission_id: Uuid,
    pub ask: Option<String>,
    pub revision: i64,
    pub unanswered: i64,
    pub deadline: Option<i64>,
    pub value: Option<String>,
    pub reason_code: Option<String>,
    pub reason_detail: Option<String>,
    pub context: Option<String>,
    pub created_at: i64,
    pub settled_at: Option<i64>,
}

/// One who was asked.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct AskedRow {
    pub account_id: Uuid,
    pub promise_id: Uuid,
    pub asker_id: Uuid,
    pub email_id: Uuid,
    pub address: String,
    pub answered_at: Option<i64>,
    pub declined_at: Option<i64>,
}

/// An answer as it is kept.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct AnswerRow {
    pub promise_id: Uuid,
    pub by_account: Uuid,
    pub by_address: String,
    pub via: String,
    pub value: Option<String>,
    pub comment: Option<String>,
    pub decline: Option<String>,
    pub verified: String,
    pub at: i64,
}

/// An answer to be given.
#[derive(Debug, Clone)]
pub struct NewAnswer {
    /// Its id.
    pub id: Uuid,
    /// Who gives it.
    pub by_account: Uuid,
    /// The address that was asked, or the account's main one.
    pub by_address: String,
    /// `api`, `web` or `email`.
    pub via: &'static str,
    /// The typed value, JSON; none for a decline.
    pub value: Option<String>,
    /// What was said with it.
    pub comment: Option<String>,
    /// Why it is declined.
    pub decline: Option<String>,
    /// How the sender was verified, JSON.
    pub verified: String,
    /// The version of the question it is for.
    pub revision: i64,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// It counts.
    Accepted,
    /// Too late: the promise is settled, or its deadline has passed.
    AlreadySettled,
    /// The same person has answered before.
    AlreadyAnswered,
    /// The question has been replaced since.
    OldRevision,
}

/// How a promise ends.
#[derive(Debug, Clone)]
pub struct Settlement {
    state: &'static str,
    value: Option<String>,
    reason: Option<&'static str>,
    detail: Option<String>,
}

impl Settlement {
    /// Fulfilled with this value, JSON.
    pub fn fulfilled(value: Option<String>) -> Self {
        Self { state: "fulfilled", value, reason: None, detail: None }
    }

    /// Rejected for this reason.
    pub fn rejected(reason: &'static str, detail: Option<String>) -> Self {
        Self { state: "rejected", value: None, reason: Some(reason), detail }
    }
}

/// The entry that tells an account of a promise's end; `email` is its own copy of the message.
pub(crate) fn told(account: Uuid, promise: Uuid, email: Uuid) -> Event {
    Event::new(account, "promise.settled", json!({ "promise_id": promise, "message_id": email }))
}

/// Settles the promise of a submission's delivery when the end of every recipient is known; gives its id and the
/// sender's copy if it does.
pub(crate) fn settle_delivery_promise(account: Uuid, submission: Uuid, now: i64) -> Statement {
    sql("update promise set state = case when s.failed = 0 then 'fulfilled' else 'rejected' end, \
         reason_code = case when s.failed > 0 then 'undeliverable' end, \
         reason_detail = case when s.failed > 0 then s.failed || ' could not be delivered' end, settled_at = $1 \
         from submission s where s.account_id = $2 and s.id = $3 and s.unsettled = 0 \
         and promise.account_id = s.account_id and promise.id = s.delivery_promise_id and promise.state = 'pending' \
         returning promise.id, promise.email_id")
    .bind(now)
    .bind(account)
    .bind(submission)
}

/// Settles a promise if it is pending, and gives the events that tell everybody concerned; no events when it was
/// settled before. The caller appends them with its own, so that accounts are locked in order.
pub(crate) async fn settle(
    tx: &mut Tx,
    asker: Uuid,
    promise: Uuid,
    settlement: &Settlement,
    now: i64,
) -> Result<Vec<(Event, Vec<Statement>)>> {
    let end = sql(
        "update promise set state = $1, value = $2, reason_code = $3, reason_detail = $4, settled_at = $5 \
                   where account_id = $6 and id = $7 and state = 'pending' returning email_id, kind",
    )
    .bind(settlement.state)
    .bind(settlement.value.clone())
    .bind(settlement.reason)
    .bind(settlement.detail.clone())
    .bind(now)
    .bind(asker)
    .bind(promise);
    let Some((email, kind)) = tx.first::<(Uuid, String)>(end).await? else { return Ok(Vec::new()) };
    tx.ring(Topic::Promise(promise));
    let told = |account, email| (told(account, promise, email), Vec::new());
    let mut events = vec![told(asker, email)];
    if kind == "answer" {
        let close = sql("update asked set settled_at = $1 where asker_id = $2 and promise_id = $3 \
                         returning account_id, email_id");
        let asked: Vec<(Uuid, Uuid)> = tx.all(close.bind(now).bind(asker).bind(promise)).await?;
        events.extend(asked.into_iter().map(|(account, email)| told(account, email)));
    }
    Ok(events)
}

/// Takes one person out of those who may still answer; when nobody is left, the promise is rejected.
pub(crate) async fn take_out(
    tx: &mut Tx,
    asker: Uuid,
    promise: Uuid,
    now: i64,
) -> Result<Vec<(Event, Vec<Statement>)>> {
    let less = sql("update promise set unanswered = unanswered - 1 where account_id = $1 and id = $2 \
                    and state = 'pending' returning unanswered, \
                    (select count(*) from answer a where a.account_id = $1 and a.promise_id = $2 \
                     and a.decline is not null) as declined");
    match tx.first::<(i64, i64)>(less.bind(asker).bind(promise)).await? {
        Some((left, declined)) if left <= 0 => {
            let reason = if declined > 0 { "declined" } else { "undeliverable" };
            settle(tx, asker, promise, &Settlement::rejected(reason, None), now).await
        }
        _ => Ok(Vec::new()),
    }
}

const COLUMNS: &str = "select p.account_id, p.id, p.kind, p.state, p.email_id, p.submission_id, p.ask, p.revision, \
                       p.unanswered, p.deadline, p.value, p.reason_code, p.reason_detail, p.context, p.created_at, \
                       p.settled_at from promise p ";

/// Whose promises a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Those the account made by asking or sending.
    Asker,
    /// Those it was asked by.
    Asked,
}

impl Store {
    /// A promise that the account made, or that it was asked by.
    ///
    /// # Errors
    /// The database's.
    pub async fn promise(&self, account: Uuid, id: Uuid) -> Result<Option<PromiseRow>> {
        let own =
            sql(COLUMNS).push("where p.account_id = ").push_bind(account).push(" and p.id = ").push_bind(id);
        if let Some(row) = self.first(own).await? {
            return Ok(Some(row));
        }
        let asked = sql(COLUMNS)
            .push("join asked a on a.asker_id = p.account_id and a.promise_id = p.id where a.account_id = ")
            .push_bind(account)
            .push(" and a.promise_id = ")
            .push_bind(id);
        self.first(asked).await
    }

    /// Promises by asker and id, for the rows of a list.
    ///
    /// # Errors
    /// The database's.
    pub async fn promises_of(&self, keys: &[(Uuid, Uuid)]) -> Result<Vec<PromiseRow>> {
        let (mut askers, ids): (Vec<_>, Vec<_>) = keys.iter().copied().unzip();
        askers.sort_unstable();
        askers.dedup();
        let by = sql(COLUMNS).push("where p.account_id in ").push_list(&askers).push(" and p.id in ");
        self.all(by.push_list(&ids)).await
    }

    /// A page of an account's promises, newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn promises(
        &self,
        account: Uuid,
        side: Side,
        state: Option<&str>,
        kind: Option<&str>,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<PromiseRow>> {
        let mut list = match side {
            Side::Asker => sql(COLUMNS).push("where p.account_id = ").push_bind(account),
            Side::Asked => sql(COLUMNS)
                .push(
                    "join asked a on a.asker_id = p.account_id and a.promise_id = p.id where a.account_id = ",
                )
                .push_bind(account),
        };
        match state {
            // Written out, so that the partial index is used.
            Some("pending") => list = list.push(" and p.state = 'pending'"),
            Some(state) => list = list.push(" and p.state = ").push_bind(state),
            None => {}
        }
        if let Some(kind) = kind {
            list = list.push(" and p.kind = ").push_bind(kind);
        }
        if let Some(before) = before {
            list = list.push(" and p.id < ").push_bind(before);
        }
        self.all(list.push(" order by p.id desc limit ").push_bind(limit)).await
    }

    /// Who was asked by this promise and has got the question.
    ///
    /// # Errors
    /// The database's.
    pub async fn asked(&self, asker: Uuid, promise: Uuid) -> Result<Vec<AskedRow>> {
        self.all(
            sql("select account_id, promise_id, asker_id, email_id, address, answered_at, declined_at from asked \
                 where asker_id = $1 and promise_id = $2 order by created_at, account_id limit 1000")
            .bind(asker)
            .bind(promise),
        )
        .await
    }

    /// Which of these promises the account was asked by, and what it did.
    ///
    /// # Errors
    /// The database's.
    pub async fn asked_of(&self, account: Uuid, promises: &[Uuid]) -> Result<Vec<AskedRow>> {
        let by = sql(
            "select account_id, promise_id, asker_id, email_id, address, answered_at, declined_at from asked \
                      where account_id = ",
        );
        self.all(by.push_bind(account).push(" and promise_id in ").push_list(promises)).await
    }

    /// The answers given to a promise, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn answers(&self, asker: Uuid, promise: Uuid) -> Result<Vec<AnswerRow>> {
        self.all(
            sql("select promise_id, by_account, by_address, via, value, comment, decline, verified, at from answer \
                 where account_id = $1 and promise_id = $2 order by at, id limit 1000")
            .bind(asker)
            .bind(promise),
        )
        .await
    }

    /// The answers given to these promises, by asker and id, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn answers_of(&self, keys: &[(Uuid, Uuid)]) -> Result<Vec<AnswerRow>> {
        let (mut askers, ids): (Vec<_>, Vec<_>) = keys.iter().copied().unzip();
        askers.sort_unstable();
        askers.dedup();
        let by = sql("select promise_id, by_account, by_address, via, value, comment, decline, verified, at from answer \
                      where account_id in ")
        .push_list(&askers);
        self.all(by.push(" and promise_id in ").push_list(&ids).push(" order by at, id limit 10000")).await
    }

    /// Gives an answer to a question whose rule is "any": the first one settles it; a decline takes its person
    /// out.
    ///
    /// # Errors
    /// [`Error::NotFound`]: the account was not asked; [`Error::Conflict`]: the idempotency key was used.
    pub async fn answer(
        &self,
        promise: Uuid,
        answer: NewAnswer,
        keep: Option<(Key, Kept)>,
        now: i64,
    ) -> Result<Judged> {
        let who = answer.by_account;
        let asker = sql("select asker_id from asked where account_id = $1 and promise_id = $2");
        let (asker,): (Uuid,) = self.one(asker.bind(who).bind(promise)).await?;
        let concerned = self.concerned(asker, Some(promise)).await?;
        self.write_for(concerned, async move |tx| {
            let asked = sql("select account_id, promise_id, asker_id, email_id, address, answered_at, declined_at \
                             from asked where account_id = $1 and promise_id = $2");
            let asked: AskedRow = tx.one(asked.bind(who).bind(promise)).await?;
            // Locks the promise: of two answers at once, the second sees what the first did.
            let lock = sql("update promise set revision = revision where account_id = $1 and id = $2 \
                            returning state, revision, deadline");
            let (state, revision, deadline): (String, i64, Option<i64>) =
                tx.one(lock.bind(asked.asker_id).bind(promise)).await?;
            let mine = sql("select count(*) from answer where account_id = $1 and promise_id = $2 and by_account = $3 \
                            and revision = $4");
            let (mine,): (i64,) =
                tx.one(mine.bind(asked.asker_id).bind(promise).bind(who).bind(answer.revision)).await?;
            if mine > 0 {
                return Ok(Judged::AlreadyAnswered);
            }
            if state != "pending" || deadline.is_some_and(|deadline| deadline <= now) {
                return Ok(Judged::AlreadySettled);
            }
            if revision != answer.revision {
                return Ok(Judged::OldRevision);
            }
            let (answered, declined) = if answer.decline.is_none() { (Some(now), None) } else { (None, Some(now)) };
            let mark = sql("update asked set answered_at = $1, declined_at = $2 where account_id = $3 and promise_id = $4");
            tx.batch([
                answer.insert(asked.asker_id, promise, now),
                mark.bind(answered).bind(declined).bind(who).bind(promise).expect(1),
            ])
            .await?;
            let mut events = if answer.decline.is_some() {
                take_out(tx, asked.asker_id, promise, now).await?
            } else {
                settle(tx, asked.asker_id, promise, &Settlement::fulfilled(answer.value.clone()), now).await?
            };
            let data = json!({ "promise_id": promise, "by": answer.by_address });
            let with = keep.iter().map(|(key, kept)| key.keep(who, kept, now)).collect();
            events.push((Event::new(asked.asker_id, "answer.received", data), with));
            tx.ring(Topic::Promise(promise));
            tx.tell(events, now).await?;
            Ok(Judged::Accepted)
        })
        .await
    }

    /// Whose logs tell of a promise's end: its asker's, and those of the accounts that have got the question.
    pub(crate) async fn concerned(&self, asker: Uuid, promise: Option<Uuid>) -> Result<Vec<Uuid>> {
        let mut accounts = vec![asker];
        if let Some(promise) = promise {
            let asked = sql("select account_id from asked where asker_id = $1 and promise_id = $2");
            let asked: Vec<(Uuid,)> = self.all(asked.bind(asker).bind(promise)).await?;
            accounts.extend(asked.into_iter().map(|(account,)| account));
        }
        Ok(accounts)
    }

    /// Cancels a pending promise of an answer.
    ///
    /// # Errors
    /// [`Error::NotFound`]: the account did not ask; [`Error::Conflict`]: it is settled.
    pub async fn cancel_promise(&self, asker: Uuid, promise: Uuid, now: i64) -> Result<()> {
        let concerned = self.concerned(asker, Some(promise)).await?;
        self.write_for(concerned, async move |tx| {
            let kind = sql("select kind from promise where account_id = $1 and id = $2");
            let (kind,): (String,) = tx.one(kind.bind(asker).bind(promise)).await?;
            if kind != "answer" {
                return Err(Error::Conflict);
            }
            let events = settle(tx, asker, promise, &Settlement::rejected("canceled", None), now).await?;
            if events.is_empty() {
                return Err(Error::Conflict);
            }
            tx.tell(events, now).await
        })
        .await
    }

    /// The deadline of a question has come: the timer ends, and the promise with it if it is still pending.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the lease was lost.
    pub async fn expire(&self, timer: Leased, now: i64) -> Result<()> {
        let concerned = self.concerned(timer.account_id, timer.subject_id).await?;
        self.write_for(concerned, async move |tx| {
            tx.batch([timer.settled("delivered", None, now)]).await?;
            let Some(promise) = timer.subject_id else { return Ok(()) };
            let ask = sql("select ask from promise where account_id = $1 and id = $2 and state = 'pending'");
            let ask: Option<(Option<String>,)> = tx.first(ask.bind(timer.account_id).bind(promise)).await?;
            let Some((ask,)) = ask else { return Ok(()) };
            let ask: Json = ask.and_then(|ask| serde_json::from_str(&ask).ok()).unwrap_or_default();
            let settlement = match ask.get("on_expiry") {
                None | Some(Json::Null) => Settlement::rejected("expired", None),
                Some(value) => Settlement::fulfilled(Some(value.to_string())),
            };
            let events = settle(tx, timer.account_id, promise, &settlement, now).await?;
            tx.tell(events, now).await
        })
        .await
    }
}

impl NewAnswer {
    fn insert(&self, asker: Uuid, promise: Uuid, now: i64) -> Statement {
        sql("insert into answer (account_id, promise_id, id, by_account, by_address, via, value, comment, decline, \
             verified, revision, at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)")
        .bind(asker)
        .bind(promise)
        .bind(self.id)
        .bind(self.by_account)
        .bind(&self.by_address)
        .bind(self.via)
        .bind(self.value.clone())
        .bind(self.comment.clone())
        .bind(self.decline.clone())
        .bind(&self.verified)
        .bind(self.revision)
        .bind(now)
    }
}
