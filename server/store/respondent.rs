//! Respondents: everybody whom a question asks, and how a message has to do with a question that was asked before.

use serde_json::json;
use uuid::Uuid;

use super::db::{Statement, insert, sql};
use super::delivery::{Lane, NewDelivery};
use super::event::Event;
use super::promise::{NewPromise, PromiseRow};
use super::settle::{hold, no_timers};

/// How a message has to do with a question that was asked before.
#[derive(Debug, Clone)]
pub enum Again {
    /// It replaces the question: this is what is asked now, instead of that version.
    Corrects {
        /// With the id of the promise that is kept.
        promise: NewPromise,
        /// The version it replaces.
        revision: i64,
    },
    /// Its recipients are asked as well.
    Joins {
        /// Which promise.
        promise: Uuid,
        /// Who passed it on to them, and is no longer asked.
        delegated_by: Option<Uuid>,
    },
    /// It reminds those who are asked already.
    Reminds {
        /// Which promise.
        promise: Uuid,
    },
}

impl Again {
    /// Whose question it is about.
    pub fn promise(&self) -> Uuid {
        match self {
            Again::Corrects { promise, .. } => promise.id,
            Again::Joins { promise, .. } | Again::Reminds { promise } => *promise,
        }
    }

    pub(crate) fn statements(
        &self,
        asker: Uuid,
        email: Uuid,
        submission: Uuid,
        deliveries: &[NewDelivery],
        now: i64,
    ) -> Vec<Statement> {
        match self {
            Again::Corrects { promise, revision } => {
                let mut statements = replace(asker, promise, *revision, email, submission, now);
                statements.extend(respondents(asker, promise.id, None, deliveries, now));
                statements
            }
            Again::Joins { promise, delegated_by } => {
                let mut statements = vec![hold(asker, *promise)];
                statements.extend(delegated_by.iter().flat_map(|by| delegate(asker, *promise, *by, now)));
                statements.extend(respondents(asker, *promise, *delegated_by, deliveries, now));
                statements.push(recount(asker, *promise));
                statements
            }
            Again::Reminds { promise } => {
                let note = sql("update promise set reminded_at = $1 where account_id = $2 and id = $3");
                vec![note.bind(now).bind(asker).bind(*promise)]
            }
        }
    }
}

/// What somebody who was asked wants corrected first.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct Correction {
    pub id: Uuid,
    pub by_person: Uuid,
    pub by_address: String,
    pub what: String,
    /// The version of the question it is about.
    pub revision: i64,
}

impl Correction {
    /// Keeps it, and tells who asked; together with the message that says it.
    pub fn statements(&self, of: &PromiseRow, now: i64) -> Vec<Statement> {
        let keep = sql(
            "insert into correction (account_id, promise_id, id, by_person, by_address, what, revision, at) \
                        values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(of.account_id)
        .bind(of.id)
        .bind(self.id)
        .bind(self.by_person)
        .bind(&self.by_address)
        .bind(&self.what)
        .bind(self.revision)
        .bind(now);
        let data = json!({ "promise_id": of.id, "message_id": of.email_id, "by": self.by_address });
        let mut statements = vec![keep];
        statements.extend(Event::new(of.account_id, "correction.requested", data).append(now));
        statements
    }
}

/// Everybody whom these deliveries ask. Whoever is asked already stays as they are.
pub(crate) fn respondents(
    asker: Uuid,
    promise: Uuid,
    delegated_by: Option<Uuid>,
    deliveries: &[NewDelivery],
    now: i64,
) -> Vec<Statement> {
    let asked = deliveries.iter().filter(|d| d.kind == "mail" && d.subject_id == Some(promise));
    let rows = asked.map(|delivery| {
        vec![
            asker.into(),
            promise.into(),
            delivery.recipient.to_lowercase().into(),
            delivery.id.into(),
            delivery.id.into(),
            (&delivery.recipient).into(),
            (delivery.lane == Lane::Outside).into(),
            "waiting".into(),
            delegated_by.into(),
            now.into(),
        ]
    });
    let again = " on conflict (account_id, promise_id, key) do update set id = excluded.id, \
                 person_id = excluded.person_id, address = excluded.address, outside = excluded.outside, \
                 state = 'waiting', delegated_by = excluded.delegated_by, created_at = excluded.created_at \
                 where respondent.state = 'withdrawn'";
    let statements = insert(
        "insert into respondent (account_id, promise_id, key, id, person_id, address, outside, state, delegated_by, \
         created_at) values",
        rows.collect(),
    );
    statements.into_iter().map(|statement| statement.push(again)).collect()
}

/// Counts anew who may still answer.
fn recount(asker: Uuid, promise: Uuid) -> Statement {
    sql("update promise set unanswered = (select count(distinct r.person_id) from respondent r \
         where r.account_id = $1 and r.promise_id = $2 and r.state = 'waiting') where account_id = $1 and id = $2")
    .bind(asker)
    .bind(promise)
}

/// Takes the one who passes it on out of those who are asked.
fn delegate(asker: Uuid, promise: Uuid, by: Uuid, now: i64) -> [Statement; 2] {
    [
        sql("update respondent set state = 'delegated' where account_id = $1 and promise_id = $2 and person_id = $3 \
             and state = 'waiting'")
        .bind(asker)
        .bind(promise)
        .bind(by),
        sql("update asked set settled_at = $1 where account_id = $2 and promise_id = $3")
            .bind(now)
            .bind(by)
            .bind(promise),
    ]
}

/// Keeps what the question was, and puts what it is now in its place; everybody is asked anew.
fn replace(
    asker: Uuid,
    promise: &NewPromise,
    revision: i64,
    email: Uuid,
    submission: Uuid,
    now: i64,
) -> Vec<Statement> {
    vec![
        sql("insert into question (account_id, promise_id, revision, email_id, submission_id, ask, replaced_at) \
             select account_id, id, revision, email_id, submission_id, ask, $1 from promise \
             where account_id = $2 and id = $3 and revision = $4 and state = 'pending' and kind = 'answer'")
        .bind(now)
        .bind(asker)
        .bind(promise.id)
        .bind(revision)
        .expect(1),
        sql("update promise set revision = revision + 1, ask = $1, email_id = $2, submission_id = $3, deadline = $4, \
             context = coalesce($5, context), callback_url = coalesce($6, callback_url), unanswered = $7 \
             where account_id = $8 and id = $9 and revision = $10 and state = 'pending'")
        .bind(promise.ask.clone())
        .bind(email)
        .bind(submission)
        .bind(promise.deadline)
        .bind(promise.context.clone())
        .bind(promise.callback_url.clone())
        .bind(promise.unanswered)
        .bind(asker)
        .bind(promise.id)
        .bind(revision)
        .expect(1),
        sql("update respondent set state = 'withdrawn' where account_id = $1 and promise_id = $2")
            .bind(asker)
            .bind(promise.id),
        // Closed until the new version arrives.
        sql("update asked set answered_at = null, declined_at = null, settled_at = $1 \
             where asker_id = $2 and promise_id = $3")
        .bind(now)
        .bind(asker)
        .bind(promise.id),
        no_timers(asker, promise.id, now),
    ]
}
