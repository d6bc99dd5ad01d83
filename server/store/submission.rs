//! Submissions (RFC 8621 §7): one act of sending, accepted in one transaction with everything that must still
//! happen to it.

use std::sync::Arc;

use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::blob::{Blob, Digest};
use super::db::{Statement, insert, sql};
use super::delivery::NewDelivery;
use super::email::{Head, NewEmail};
use super::event::Event;
use super::idempotency::{Answer, Key};
use super::promise::NewPromise;
use super::respondent::{Again, respondents};
use super::settle::{Settlement, settle};
use super::{Error, Result, Store, Topic};
use crate::mail::notify::Wanted;

/// Everything that accepting one message writes.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// Its id.
    pub id: Uuid,
    /// The message's bytes, spooled.
    pub blob: Blob,
    /// The sender's own copy; its account is the submission's.
    pub email: NewEmail,
    /// Keywords of that copy.
    pub keywords: Vec<String>,
    /// The envelope's sender.
    pub mail_from: String,
    /// JSON list of the blind copies' addresses.
    pub bcc: String,
    /// Not sent before, in milliseconds.
    pub send_at: Option<i64>,
    /// Can be taken back until, in milliseconds.
    pub undo_until: Option<i64>,
    /// What is not delivered by then is withdrawn, in milliseconds.
    pub expires_at: Option<i64>,
    /// What the sender wants to be told (RFC 3461), as [`Wanted::kept`] has it.
    pub wanted: Option<String>,
    /// One per recipient, and the timers of the question.
    pub deliveries: Vec<NewDelivery>,
    /// The promise of delivery.
    pub delivery_promise: NewPromise,
    /// The promise of an answer.
    pub answer_promise: Option<NewPromise>,
    /// How it has to do with a question that was asked before.
    pub again: Option<Again>,
    /// The first answer, under the caller's key.
    pub idempotency: Option<(Key, Answer)>,
    /// Milliseconds.
    pub now: i64,
}

impl Acceptance {
    /// The promise that ends with this message, if it is taken back before it is sent.
    fn question(&self) -> Option<Uuid> {
        self.answer_promise.as_ref().map(|promise| promise.id)
    }

    fn statements(&self) -> Vec<Statement> {
        let account = self.email.account_id;
        let head = &self.email.head;
        let mails = self.deliveries.iter().filter(|delivery| delivery.kind == "mail").count();
        let keywords =
            self.keywords.iter().map(|keyword| vec![account.into(), self.email.id.into(), keyword.into()]);
        let mut with = vec![self.email.insert()];
        with.extend(insert(
            "insert into email_keyword (account_id, email_id, keyword) values",
            keywords.collect(),
        ));
        let mut statements = vec![self.blob.insert(self.now)];
        statements.extend(super::event::append_all(vec![(self.email.event(), with)], self.now));
        statements.push(
            sql("insert into submission (account_id, id, email_id, digest, mail_from, head, bcc, thread_key, send_at, \
                 undo_until, expires_at, unsettled, failed, delivery_promise_id, answer_promise_id, created_at, wanted) \
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, $14, $15, $16)")
            .bind(account)
            .bind(self.id)
            .bind(self.email.id)
            .bind(head.digest)
            .bind(&self.mail_from)
            .bind(serde_json::to_string(&**head).unwrap_or_default())
            .bind(&self.bcc)
            .bind(&head.thread_key)
            .bind(self.send_at)
            .bind(self.undo_until)
            .bind(self.expires_at)
            .bind(mails as i64)
            .bind(self.delivery_promise.id)
            .bind(self.question())
            .bind(self.now)
            .bind(self.wanted.clone()),
        );
        statements.extend(NewDelivery::insert(&self.deliveries));
        let promises = [Some(&self.delivery_promise), self.answer_promise.as_ref()];
        statements.extend(
            promises.into_iter().flatten().map(|p| p.insert(account, self.email.id, self.id, self.now)),
        );
        if let Some(promise) = &self.answer_promise {
            statements.extend(respondents(account, promise.id, None, &self.deliveries, self.now));
        }
        if let Some(again) = &self.again {
            statements.extend(again.statements(account, self.email.id, self.id, &self.deliveries, self.now));
        }
        statements.extend(self.idempotency.as_ref().map(|(key, answer)| key.keep(account, answer, self.now)));
        statements
    }
}

/// A submission as it is kept.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct SubmissionRow {
    pub account_id: Uuid,
    pub id: Uuid,
    pub email_id: Uuid,
    pub mail_from: String,
    head: String,
    bcc: String,
    pub send_at: Option<i64>,
    pub undo_until: Option<i64>,
    pub expires_at: Option<i64>,
    pub canceled_at: Option<i64>,
    pub unsettled: i64,
    pub failed: i64,
    pub delivery_promise_id: Uuid,
    pub answer_promise_id: Option<Uuid>,
    pub created_at: i64,
    wanted: Option<String>,
}

impl SubmissionRow {
    /// Whether the sender wants to be told more or less than usual.
    pub fn is_particular(&self) -> bool {
        self.wanted.is_some()
    }

    /// What the sender wants to be told.
    pub fn wanted(&self) -> Wanted {
        Wanted::read(self.wanted.as_deref())
    }

    /// What a mailbox's row shows of the message.
    ///
    /// # Errors
    /// [`Error::Unusable`]: the row is damaged.
    pub fn head(&self) -> Result<Arc<Head>> {
        let damaged = |error| Error::Unusable(format!("submission {} is damaged: {error}", self.id));
        Ok(Arc::new(serde_json::from_str(&self.head).map_err(damaged)?))
    }

    /// The name of the message's bytes.
    ///
    /// # Errors
    /// [`Error::Unusable`]: the row is damaged.
    pub fn digest(&self) -> Result<Digest> {
        Ok(self.head()?.digest)
    }

    /// The addresses of the blind copies.
    pub fn bcc(&self) -> Vec<String> {
        serde_json::from_str(&self.bcc).unwrap_or_default()
    }

    /// `accepted`, `scheduled`, `held` or `canceled`, as the API says it.
    pub fn state(&self, now: i64) -> &'static str {
        if self.canceled_at.is_some() {
            "canceled"
        } else if self.undo_until.is_some_and(|until| until > now) {
            "held"
        } else if self.send_at.is_some_and(|at| at > now) {
            "scheduled"
        } else {
            "accepted"
        }
    }
}

const COLUMNS: &str = "select account_id, id, email_id, mail_from, head, bcc, send_at, undo_until, expires_at, \
                       canceled_at, unsettled, failed, delivery_promise_id, answer_promise_id, created_at, wanted \
                       from submission where ";

impl Store {
    /// Accepts a message: when this returns, it is safe.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the idempotency key, or the message's source, was accepted before.
    pub async fn accept(&self, acceptance: Acceptance) -> Result<()> {
        let account = acceptance.email.account_id;
        let rings = vec![Topic::Queue, Topic::Account(account)];
        self.put([account], acceptance.statements(), rings).await
    }

    /// Submissions by account and id.
    ///
    /// # Errors
    /// The database's.
    pub async fn submissions(&self, keys: &[(Uuid, Uuid)]) -> Result<Vec<SubmissionRow>> {
        let (accounts, ids): (Vec<_>, Vec<_>) = keys.iter().copied().unzip();
        let mut distinct = accounts;
        distinct.sort_unstable();
        distinct.dedup();
        let by = sql(COLUMNS).push("account_id in ").push_list(&distinct).push(" and id in ").push_list(&ids);
        self.all(by).await
    }

    /// One submission of an account.
    ///
    /// # Errors
    /// The database's.
    pub async fn submission(&self, account: Uuid, id: Uuid) -> Result<Option<SubmissionRow>> {
        Ok(self.submissions(&[(account, id)]).await?.pop())
    }

    /// Takes a message back that was not sent yet.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`]: (some of) it was sent.
    pub async fn cancel_submission(&self, account: Uuid, id: Uuid, now: i64) -> Result<()> {
        let asked = match self.submission(account, id).await? {
            Some(row) => row.answer_promise_id,
            None => return Err(Error::NotFound),
        };
        let concerned = self.concerned(account, asked).await?;
        self.write_for(concerned, async move |tx| {
            let mut by = sql(COLUMNS).push("account_id = ").push_bind(account).push(" and id = ").push_bind(id);
            by = by.push(" and canceled_at is null");
            let row: SubmissionRow = match tx.first(by).await? {
                Some(row) => row,
                None => return Err(Error::NotFound),
            };
            let stop = sql("update delivery set settled_at = $1, outcome = 'canceled', lease = null, leased_until = null \
                            where account_id = $2 and submission_id = $3 and settled_at is null and attempts = 0");
            let stopped = tx.run(stop.bind(now).bind(account).bind(id)).await?;
            if stopped as i64 != row.unsettled || row.failed > 0 || stopped == 0 {
                return Err(Error::Conflict);
            }
            let mark = sql("update submission set canceled_at = $1, unsettled = 0 where account_id = $2 and id = $3 \
                            and unsettled = $4");
            tx.batch([mark.bind(now).bind(account).bind(id).bind(row.unsettled).expect(1)]).await?;
            let mut events = vec![(updated(account, row.email_id), vec![])];
            for promise in [Some(row.delivery_promise_id), row.answer_promise_id].into_iter().flatten() {
                events.extend(settle(tx, account, promise, &Settlement::rejected("canceled", None), now).await?);
            }
            tx.tell(events, now).await
        })
        .await
    }
}

fn updated(account: Uuid, email: Uuid) -> Event {
    Event::new(account, "message.updated", json!({ "message_id": email }))
}
