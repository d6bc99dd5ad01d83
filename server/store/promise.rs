//! Promises: the durable handles of what is not finished. A promise settles at most once, in the transaction of
//! what settles it, and then never changes.

use std::collections::HashMap;

use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::db::{Statement, sql};
use super::event::Event;
use super::{Result, Store};

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
    /// Who is told by HTTP when it is settled.
    pub callback_url: Option<String>,
}

impl NewPromise {
    pub(crate) fn insert(&self, account: Uuid, email: Uuid, submission: Uuid, now: i64) -> Statement {
        sql("insert into promise (account_id, id, kind, state, email_id, submission_id, ask, revision, unanswered, \
             deadline, context, callback_url, created_at) values ($1, $2, $3, 'pending', $4, $5, $6, 1, $7, $8, $9, $10, $11)")
        .bind(account)
        .bind(self.id)
        .bind(self.kind)
        .bind(email)
        .bind(submission)
        .bind(self.ask.clone())
        .bind(self.unanswered)
        .bind(self.deadline)
        .bind(self.context.clone())
        .bind(self.callback_url.clone())
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
    pub callback_url: Option<String>,
    pub created_at: i64,
    pub settled_at: Option<i64>,
    /// `expiry` when its deadline settled it.
    pub settled_via: Option<String>,
    pub reminded_at: Option<i64>,
}

/// One who was asked, and has got the question here.
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
    /// The version of the question that email carries.
    pub revision: i64,
}

/// An answer as it is kept.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct AnswerRow {
    pub promise_id: Uuid,
    pub id: Uuid,
    pub by_account: Uuid,
    pub by_address: String,
    pub via: String,
    pub value: Option<String>,
    pub comment: Option<String>,
    pub decline: Option<String>,
    pub verified: String,
    pub revision: i64,
    /// It does not count yet, and can be taken back until then.
    pub held_until: Option<i64>,
    pub at: i64,
}

/// Somebody whom a promise asks, with an account here or without.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct RespondentRow {
    pub promise_id: Uuid,
    pub id: Uuid,
    /// The account, once the question was delivered to it; outside, the id.
    pub person_id: Uuid,
    pub address: String,
    pub outside: bool,
    /// `waiting`, `answered`, `declined`, `undeliverable`, `delegated` or `withdrawn`.
    pub state: String,
    pub delegated_by: Option<Uuid>,
}

/// What somebody who was asked wants corrected first.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct CorrectionRow {
    pub promise_id: Uuid,
    pub by_address: String,
    pub what: String,
    pub revision: i64,
    pub at: i64,
}

/// A question as it is now.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the rows of each table")]
pub struct Whole {
    pub row: PromiseRow,
    pub answers: Vec<AnswerRow>,
    pub respondents: Vec<RespondentRow>,
    pub corrections: Vec<CorrectionRow>,
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

const COLUMNS: &str = "select p.account_id, p.id, p.kind, p.state, p.email_id, p.submission_id, p.ask, p.revision, \
                       p.unanswered, p.deadline, p.value, p.reason_code, p.reason_detail, p.context, \
                       p.callback_url, p.created_at, p.settled_at, p.settled_via, p.reminded_at from promise p ";

fn by<T>(rows: Vec<T>, key: impl Fn(&T) -> Uuid) -> HashMap<Uuid, Vec<T>> {
    let mut map: HashMap<Uuid, Vec<T>> = HashMap::new();
    rows.into_iter().for_each(|row| map.entry(key(&row)).or_default().push(row));
    map
}

/// Everybody whom a promise asks.
pub(crate) fn respondents_of(asker: Uuid, promise: Uuid) -> Statement {
    sql("select promise_id, id, person_id, address, outside, state, delegated_by from respondent \
         where account_id = $1 and promise_id = $2 and state <> 'withdrawn' order by created_at, key limit 1000")
    .bind(asker)
    .bind(promise)
}

/// What was to be corrected, oldest first.
pub(crate) fn corrections_of(asker: Uuid, promise: Uuid) -> Statement {
    sql("select promise_id, by_address, what, revision, at from correction where account_id = $1 and promise_id = $2 \
         order by at, id limit 200")
    .bind(asker)
    .bind(promise)
}

/// One promise of its asker.
pub(crate) fn by_asker(asker: Uuid, promise: Uuid) -> Statement {
    sql(COLUMNS).push("where p.account_id = ").push_bind(asker).push(" and p.id = ").push_bind(promise)
}

/// The answers to one promise, oldest first.
pub(crate) fn answers_to(asker: Uuid, promise: Uuid) -> Statement {
    sql("select promise_id, id, by_account, by_address, via, value, comment, decline, verified, revision, held_until, at \
         from answer where account_id = $1 and promise_id = $2 order by at, id limit 1000")
    .bind(asker)
    .bind(promise)
}

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
        Ok(self.promises_known(account, &[id]).await?.pop())
    }

    /// Those of these promises that the account made or was asked by, in no order, in two reads.
    ///
    /// # Errors
    /// The database's.
    pub async fn promises_known(&self, account: Uuid, ids: &[Uuid]) -> Result<Vec<PromiseRow>> {
        let own = sql(COLUMNS).push("where p.account_id = ").push_bind(account).push(" and p.id in ");
        let mut rows: Vec<PromiseRow> = self.all(own.push_list(ids)).await?;
        if ids.iter().any(|id| rows.iter().all(|row| row.id != *id)) {
            let asked = sql(COLUMNS)
                .push(
                    "join asked a on a.asker_id = p.account_id and a.promise_id = p.id where a.account_id = ",
                )
                .push_bind(account)
                .push(" and a.promise_id in ")
                .push_list(ids);
            rows.extend(self.all::<PromiseRow>(asked).await?);
        }
        Ok(rows)
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
            sql("select account_id, promise_id, asker_id, email_id, address, answered_at, declined_at, revision from asked \
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
            "select account_id, promise_id, asker_id, email_id, address, answered_at, declined_at, revision from asked \
                      where account_id = ",
        );
        self.all(by.push_bind(account).push(" and promise_id in ").push_list(promises)).await
    }

    /// The answers given to a promise, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn answers(&self, asker: Uuid, promise: Uuid) -> Result<Vec<AnswerRow>> {
        self.all(answers_to(asker, promise)).await
    }

    /// When the version of a question that is asked now was sent, in milliseconds; none for one that was never
    /// corrected.
    ///
    /// # Errors
    /// The database's.
    pub async fn asked_last(&self, row: &PromiseRow) -> Result<Option<i64>> {
        let last = sql("select max(replaced_at) from question where account_id = $1 and promise_id = $2");
        let (last,): (Option<i64>,) = self.one(last.bind(row.account_id).bind(row.id)).await?;
        Ok(last)
    }

    /// A question as it is now, with everybody who is asked and everything that was said.
    ///
    /// # Errors
    /// The database's.
    pub async fn whole(&self, row: PromiseRow) -> Result<Whole> {
        let (asker, id) = (row.account_id, row.id);
        let (mut answers, mut respondents, mut corrections) = (Vec::new(), Vec::new(), Vec::new());
        if row.kind == "answer" {
            answers = self.answers(asker, id).await?;
            respondents = self.all(respondents_of(asker, id)).await?;
            corrections = self.all(corrections_of(asker, id)).await?;
        }
        Ok(Whole { row, answers, respondents, corrections })
    }

    /// The same for the rows of a list, in three reads.
    ///
    /// # Errors
    /// The database's.
    pub async fn wholes(&self, rows: Vec<PromiseRow>) -> Result<Vec<Whole>> {
        let questions = rows.iter().filter(|row| row.kind == "answer");
        let (mut askers, ids): (Vec<_>, Vec<_>) = questions.map(|row| (row.account_id, row.id)).unzip();
        if ids.is_empty() {
            let bare = |row| Whole { row, answers: vec![], respondents: vec![], corrections: vec![] };
            return Ok(rows.into_iter().map(bare).collect());
        }
        askers.sort_unstable();
        askers.dedup();
        let answers = sql("select promise_id, id, by_account, by_address, via, value, comment, decline, verified, revision, \
                           held_until, at from answer where account_id in ")
        .push_list(&askers);
        let answers =
            answers.push(" and promise_id in ").push_list(&ids).push(" order by at, id limit 10000");
        let answers: Vec<AnswerRow> = self.all(answers).await?;
        let asked =
            sql("select promise_id, id, person_id, address, outside, state, delegated_by from respondent \
                         where state <> 'withdrawn' and account_id in ")
            .push_list(&askers);
        let asked = asked.push(" and promise_id in ").push_list(&ids);
        let asked: Vec<RespondentRow> = self.all(asked.push(" order by created_at, key limit 10000")).await?;
        let wrong =
            sql("select promise_id, by_address, what, revision, at from correction where account_id in ");
        let wrong = wrong.push_list(&askers).push(" and promise_id in ").push_list(&ids);
        let wrong: Vec<CorrectionRow> = self.all(wrong.push(" order by at, id limit 10000")).await?;
        let (mut answers, mut asked, mut wrong) = (
            by(answers, |row| row.promise_id),
            by(asked, |row| row.promise_id),
            by(wrong, |row| row.promise_id),
        );
        let whole = |row: PromiseRow| Whole {
            answers: answers.remove(&row.id).unwrap_or_default(),
            respondents: asked.remove(&row.id).unwrap_or_default(),
            corrections: wrong.remove(&row.id).unwrap_or_default(),
            row,
        };
        Ok(rows.into_iter().map(whole).collect())
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
}
