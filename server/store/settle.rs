//! Settling: an answer, a decline, a failed delivery or a deadline, each in one unit with the end of the promise that
//! follows from it.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use sqlx::FromRow;
use uuid::Uuid;

use super::calls::call_back;
use super::db::{Statement, Tx, sql};
use super::delivery::{Lane, Leased, NewDelivery};
use super::event::Event;
use super::idempotency::{Answer as Kept, Key};
use super::link::tell_holders;
use super::promise::{PromiseRow, Whole, answers_to, by_asker, corrections_of, respondents_of, told};
use super::tally::{Rule, Tally, Verdict};
use super::{Error, Result, Store, Topic};
use crate::mail::id::derived;

/// Entries for logs, each with what is written with it.
pub(crate) type Events = Vec<(Event, Vec<Statement>)>;

/// An answer to be given.
#[derive(Debug, Clone)]
pub struct NewAnswer {
    /// Its id. The same id again is the same answer.
    pub id: Uuid,
    /// Who gives it: the account, or the respondent who has none here.
    pub by_account: Uuid,
    /// The address that was asked.
    pub by_address: String,
    /// `api`, `web`, `email` or `link`.
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
    /// It can be taken back until then, in milliseconds, and counts only after it.
    pub held_until: Option<i64>,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// It counts, or will when it can no longer be taken back.
    Accepted,
    /// This very answer was given before.
    Repeated,
    /// Too late: the promise is settled, or its deadline has passed.
    AlreadySettled,
    /// The same person has answered before.
    AlreadyAnswered,
    /// The question has been replaced since.
    OldRevision,
    /// The person has passed the question on.
    Delegated,
}

/// How a response is made from what an answer led to, to be kept under the caller's key with it.
pub type Keep = (Key, Arc<dyn Fn(&Whole) -> Kept + Send + Sync>);

/// How a promise ends.
#[derive(Debug, Clone)]
pub struct Settlement {
    state: &'static str,
    value: Option<String>,
    reason: Option<&'static str>,
    detail: Option<String>,
    via: Option<&'static str>,
}

impl Settlement {
    /// Fulfilled with this value, JSON.
    pub fn fulfilled(value: Option<String>) -> Self {
        Self { state: "fulfilled", value, reason: None, detail: None, via: None }
    }

    /// Rejected for this reason.
    pub fn rejected(reason: &'static str, detail: Option<String>) -> Self {
        Self { state: "rejected", value: None, reason: Some(reason), detail, via: None }
    }

    fn by_expiry(self) -> Self {
        Self { via: Some("expiry"), ..self }
    }
}

/// Settles a promise if it is pending, and gives the events that tell everybody concerned; no events when it was
/// settled before. The caller appends them with its own, so that accounts are locked in order.
pub(crate) async fn settle(
    tx: &mut Tx,
    asker: Uuid,
    promise: Uuid,
    settlement: &Settlement,
    now: i64,
) -> Result<Events> {
    let end = sql(
        "update promise set state = $1, value = $2, reason_code = $3, reason_detail = $4, settled_at = $5, \
         settled_via = $6 where account_id = $7 and id = $8 and state = 'pending' returning email_id, kind, callback_url",
    )
    .bind(settlement.state)
    .bind(settlement.value.clone())
    .bind(settlement.reason)
    .bind(settlement.detail.clone())
    .bind(now)
    .bind(settlement.via)
    .bind(asker)
    .bind(promise);
    let settled: Option<(Uuid, String, Option<String>)> = tx.first(end).await?;
    let Some((email, kind, callback_url)) = settled else { return Ok(Vec::new()) };
    tx.ring(Topic::Promise(promise));
    if let Some(url) = callback_url {
        tx.ring(Topic::Queue);
        tx.batch(call_back(asker, promise, &url, now)).await?;
    }
    let told = |account, email| (told(account, promise, email), Vec::new());
    let mut events = vec![told(asker, email)];
    if kind == "answer" {
        let close = sql("update asked set settled_at = $1 where asker_id = $2 and promise_id = $3 \
                         returning account_id, email_id");
        let close = close.bind(now).bind(asker).bind(promise);
        let mut done = tx.batch([close, no_timers(asker, promise, now)]).await?;
        done.truncate(1);
        tell_holders(tx, asker, promise, now).await?;
        let asked: Vec<(Uuid, Uuid)> = done.pop().map_or_else(|| Ok(Vec::new()), |done| done.rows())?;
        events.extend(asked.into_iter().map(|(account, email)| told(account, email)));
    }
    Ok(events)
}

/// Takes back every timer of a promise.
pub(crate) fn no_timers(asker: Uuid, promise: Uuid, now: i64) -> Statement {
    sql("update delivery set settled_at = $1, outcome = 'canceled', lease = null, leased_until = null \
         where account_id = $2 and subject_id = $3 and kind = 'timer' and settled_at is null")
    .bind(now)
    .bind(asker)
    .bind(promise)
}

/// Holds a promise until the unit ends: of two who change it at once, the second sees what the first did.
pub(crate) fn hold(asker: Uuid, promise: Uuid) -> Statement {
    sql("update promise set revision = revision where account_id = $1 and id = $2 \
         returning state, revision, deadline, ask")
    .bind(asker)
    .bind(promise)
}

#[derive(FromRow)]
struct Held {
    state: String,
    revision: i64,
    deadline: Option<i64>,
    ask: Option<String>,
}

/// Looks where a question stands, and settles it if its rule says so. The promise is held already.
async fn weigh(tx: &mut Tx, asker: Uuid, promise: Uuid, held: &Held, now: i64) -> Result<Events> {
    let count = sql("update promise set unanswered = (select count(distinct r.person_id) from respondent r \
                     where r.account_id = $1 and r.promise_id = $2 and r.state = 'waiting') \
                     where account_id = $1 and id = $2 returning unanswered");
    let (waiting,): (i64,) = tx.one(count.bind(asker).bind(promise)).await?;
    let said =
        sql("select by_address, value, decline from answer where account_id = $1 and promise_id = $2 \
                    and revision = $3 and held_until is null order by at, id");
    let said: Vec<(String, Option<String>, Option<String>)> =
        tx.all(said.bind(asker).bind(promise).bind(held.revision)).await?;
    let declined = said.iter().filter(|(_, _, decline)| decline.is_some()).count() as i64;
    let answers =
        said.into_iter().filter_map(|(by, value, _)| Some((by, serde_json::from_str(&value?).ok()?)));
    let tally = Tally { answers: answers.collect(), waiting, declined };
    let settlement = match Rule::of(held.ask.as_deref()).judge(&tally) {
        Verdict::Open => return Ok(Vec::new()),
        Verdict::Fulfilled(value) => Settlement::fulfilled(Some(value.to_string())),
        Verdict::Rejected { code, detail } => Settlement::rejected(code, detail),
    };
    settle(tx, asker, promise, &settlement, now).await
}

/// Takes one person out of those who may still answer, because the question could not reach them; whoever had passed
/// it on to them is asked again. When the rule can no longer be met, the promise is rejected.
pub(crate) async fn take_out(
    tx: &mut Tx,
    asker: Uuid,
    promise: Uuid,
    respondent: Uuid,
    now: i64,
) -> Result<Events> {
    let Some(held) = tx.first::<Held>(hold(asker, promise)).await? else { return Ok(Vec::new()) };
    let out = sql(
        "update respondent set state = 'undeliverable' where account_id = $1 and promise_id = $2 and id = $3 \
                   and state = 'waiting' returning delegated_by",
    );
    let out: Option<(Option<Uuid>,)> = tx.first(out.bind(asker).bind(promise).bind(respondent)).await?;
    let Some((by,)) = out else { return Ok(Vec::new()) };
    if held.state != "pending" {
        return Ok(Vec::new());
    }
    if let Some(by) = by {
        let again = sql("update respondent set state = 'waiting' where account_id = $1 and promise_id = $2 \
                         and person_id = $3 and state = 'delegated'");
        let open = sql("update asked set settled_at = null where account_id = $1 and promise_id = $2");
        tx.batch([again.bind(asker).bind(promise).bind(by), open.bind(by).bind(promise)]).await?;
    }
    weigh(tx, asker, promise, &held, now).await
}

/// An answer that counts from now on: marks its person and weighs.
async fn count(
    tx: &mut Tx,
    asker: Uuid,
    promise: Uuid,
    person: Uuid,
    declined: bool,
    held: &Held,
    now: i64,
) -> Result<Events> {
    let (state, answered_at, declined_at) =
        if declined { ("declined", None, Some(now)) } else { ("answered", Some(now), None) };
    let respondent = sql("update respondent set state = $1 where account_id = $2 and promise_id = $3 \
                          and person_id = $4 and state <> 'withdrawn'");
    let asked =
        sql("update asked set answered_at = $1, declined_at = $2 where account_id = $3 and promise_id = $4");
    tx.batch([
        respondent.bind(state).bind(asker).bind(promise).bind(person),
        asked.bind(answered_at).bind(declined_at).bind(person).bind(promise),
    ])
    .await?;
    weigh(tx, asker, promise, held, now).await
}

fn received(asker: Uuid, promise: Uuid, by: &str) -> Event {
    Event::new(asker, "answer.received", json!({ "promise_id": promise, "by": by }))
}

impl Store {
    /// Gives an answer to a question; what its rule makes of it happens in the same unit. A decline takes its person
    /// out.
    ///
    /// # Errors
    /// [`Error::NotFound`]: the person is not asked; [`Error::Conflict`]: the idempotency key was used.
    pub async fn answer(
        &self,
        asker: Uuid,
        promise: Uuid,
        answer: NewAnswer,
        keep: Option<Keep>,
        now: i64,
    ) -> Result<Judged> {
        let who = answer.by_account;
        let concerned = self.concerned(asker, Some(promise)).await?;
        self.write_for(concerned, async move |tx| {
            let held: Held = tx.one(hold(asker, promise)).await?;
            let mine = sql("select state from respondent where account_id = $1 and promise_id = $2 and person_id = $3 \
                            and state <> 'withdrawn'");
            let mine: Vec<(String,)> = tx.all(mine.bind(asker).bind(promise).bind(who)).await?;
            if mine.is_empty() {
                // They were asked by an earlier version, and the new one has not reached them (or never will).
                return if answer.revision < held.revision {
                    Ok(Judged::OldRevision)
                } else {
                    Err(Error::NotFound)
                };
            }
            let before = sql("select id, revision from answer where account_id = $1 and promise_id = $2 and by_account = $3");
            let before: Vec<(Uuid, i64)> = tx.all(before.bind(asker).bind(promise).bind(who)).await?;
            if before.iter().any(|(id, _)| *id == answer.id) {
                return Ok(Judged::Repeated);
            }
            if before.iter().any(|(_, revision)| *revision == held.revision) {
                return Ok(Judged::AlreadyAnswered);
            }
            if held.state != "pending" || held.deadline.is_some_and(|deadline| deadline <= now) {
                return Ok(Judged::AlreadySettled);
            }
            if held.revision != answer.revision {
                return Ok(Judged::OldRevision);
            }
            if mine.iter().all(|(state,)| state == "delegated") {
                return Ok(Judged::Delegated);
            }
            tx.batch([answer.insert(asker, promise, now)]).await?;
            let mut events = if let Some(until) = answer.held_until {
                let timer = NewDelivery::timer(asker, derived("held", asker, answer.id.as_bytes()), promise, until, now);
                let timer = NewDelivery { recipient: format!("answer:{}", answer.id), ..timer };
                tx.ring(Topic::Queue);
                tx.batch(NewDelivery::insert(&[timer])).await?;
                Vec::new()
            } else {
                let mut events = count(tx, asker, promise, who, answer.decline.is_some(), &held, now).await?;
                events.push((received(asker, promise, &answer.by_address), Vec::new()));
                events
            };
            if let Some((key, kept)) = &keep {
                let whole = whole(tx, asker, promise).await?;
                tx.batch([key.keep(who, &kept(&whole), now)]).await?;
            }
            tx.ring(Topic::Promise(promise));
            tx.tell(std::mem::take(&mut events), now).await?;
            Ok(Judged::Accepted)
        })
        .await
    }

    /// Takes back an answer that does not count yet.
    ///
    /// # Errors
    /// [`Error::NotFound`]: the person has given none; [`Error::Conflict`]: it counts already.
    pub async fn take_back(&self, asker: Uuid, promise: Uuid, who: Uuid, now: i64) -> Result<()> {
        self.write_for([asker], async move |tx| {
            let _: Held = tx.one(hold(asker, promise)).await?;
            let mine = sql(
                "select count(*) from answer where account_id = $1 and promise_id = $2 and by_account = $3",
            );
            let (given,): (i64,) = tx.one(mine.bind(asker).bind(promise).bind(who)).await?;
            let back =
                sql("delete from answer where account_id = $1 and promise_id = $2 and by_account = $3 \
                            and held_until > $4");
            let back = tx.run(back.bind(asker).bind(promise).bind(who).bind(now)).await?;
            match (back, given) {
                (0, 0) => Err(Error::NotFound),
                (0, _) => Err(Error::Conflict),
                _ => Ok(()),
            }
        })
        .await
    }

    /// The time in which an answer could be taken back is over: the timer ends, and the answer counts if the question
    /// is still open.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the lease was lost.
    pub async fn count_answer(&self, timer: Leased, answer: Uuid, now: i64) -> Result<()> {
        let concerned = self.concerned(timer.account_id, timer.subject_id).await?;
        self.write_for(concerned, async move |tx| {
            tx.batch([timer.settled("delivered", None, now)]).await?;
            let (asker, Some(promise)) = (timer.account_id, timer.subject_id) else { return Ok(()) };
            let held: Held = tx.one(hold(asker, promise)).await?;
            if held.state != "pending" {
                return Ok(());
            }
            let events = release(tx, asker, promise, Some(answer), &held, now).await?;
            tx.ring(Topic::Promise(promise));
            tx.tell(events, now).await
        })
        .await
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

    /// Somebody outside who is asked cannot be reached: their mail has come back.
    ///
    /// # Errors
    /// The database's.
    pub async fn unreachable(&self, asker: Uuid, promise: Uuid, person: Uuid, now: i64) -> Result<()> {
        let concerned = self.concerned(asker, Some(promise)).await?;
        self.write_for(concerned, async move |tx| {
            let mut events = take_out(tx, asker, promise, person, now).await?;
            let data = json!({ "promise_id": promise });
            events.push((Event::new(asker, "promise.updated", data), Vec::new()));
            tx.tell(events, now).await
        })
        .await
    }

    /// The deadline of a question has come: the timer ends, and the promise with it if it is still pending. What
    /// could still be taken back was given in time, and counts.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the lease was lost.
    pub async fn expire(&self, timer: Leased, now: i64) -> Result<()> {
        let concerned = self.concerned(timer.account_id, timer.subject_id).await?;
        self.write_for(concerned, async move |tx| {
            tx.batch([timer.settled("delivered", None, now)]).await?;
            let (asker, Some(promise)) = (timer.account_id, timer.subject_id) else { return Ok(()) };
            let held: Held = tx.one(hold(asker, promise)).await?;
            if held.state != "pending" {
                return Ok(());
            }
            let mut events = release(tx, asker, promise, None, &held, now).await?;
            let settlement = match Rule::of(held.ask.as_deref()).on_expiry {
                None | Some(Json::Null) => Settlement::rejected("expired", None),
                Some(value) => Settlement::fulfilled(Some(value.to_string())).by_expiry(),
            };
            events.extend(settle(tx, asker, promise, &settlement, now).await?);
            tx.tell(events, now).await
        })
        .await
    }
}

/// Lets answers count that could be taken back so far: one of them, or all.
async fn release(
    tx: &mut Tx,
    asker: Uuid,
    promise: Uuid,
    one: Option<Uuid>,
    held: &Held,
    now: i64,
) -> Result<Events> {
    let free = sql(
        "update answer set held_until = null where account_id = $1 and promise_id = $2 and revision = $3 \
                    and held_until is not null and (id = $4 or $5) returning by_account, by_address, decline is not null as declined",
    );
    let free =
        free.bind(asker).bind(promise).bind(held.revision).bind(one.unwrap_or_default()).bind(one.is_none());
    let mut events = Vec::new();
    for (person, by, declined) in tx.all::<(Uuid, String, bool)>(free).await? {
        events.extend(count(tx, asker, promise, person, declined, held, now).await?);
        events.push((received(asker, promise, &by), Vec::new()));
    }
    Ok(events)
}

/// A question as it is within this unit.
async fn whole(tx: &mut Tx, asker: Uuid, promise: Uuid) -> Result<Whole> {
    let row: PromiseRow = tx.one(by_asker(asker, promise)).await?;
    Ok(Whole {
        row,
        answers: tx.all(answers_to(asker, promise)).await?,
        respondents: tx.all(respondents_of(asker, promise)).await?,
        corrections: tx.all(corrections_of(asker, promise)).await?,
    })
}

impl NewDelivery {
    /// What is to happen with a promise at a certain time; `recipient` is to say what.
    pub fn timer(asker: Uuid, id: Uuid, promise: Uuid, due_at: i64, now: i64) -> Self {
        Self {
            account_id: asker,
            id,
            kind: "timer",
            lane: Lane::Here,
            destination: "timer".into(),
            recipient: String::new(),
            submission_id: None,
            email_id: None,
            subject_id: Some(promise),
            digest: None,
            due_at,
            created_at: now,
        }
    }
}

impl NewAnswer {
    fn insert(&self, asker: Uuid, promise: Uuid, now: i64) -> Statement {
        sql("insert into answer (account_id, promise_id, id, by_account, by_address, via, value, comment, decline, \
             verified, revision, held_until, at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
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
        .bind(self.held_until)
        .bind(now)
    }
}
