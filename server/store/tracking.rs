//! How far deliveries are, as the API shows it.

use std::fmt;

use sqlx::FromRow;
use uuid::Uuid;

use super::blob::Digest;
use super::db::{Statement, sql};
use super::delivery::NewDelivery;
use super::{Result, Store};

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
    /// When its recipient, who is in an account here, is told of it at the earliest.
    pub earliest_seen_at: Option<i64>,
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
            None if self.attempts > 0 || self.last_at.is_some() => State::Delayed,
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
    /// From 1; 0 tells why the first was put off.
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

pub(super) const COLUMNS: &str = "select d.account_id, d.id, d.kind, d.destination, d.recipient, d.submission_id, \
                       coalesce(s.email_id, d.email_id) as email_id, d.attempts, d.due_at, d.held_at, d.leased_until, \
                       d.settled_at, d.outcome, d.reason_class, d.reason_code, d.earliest_seen_at, d.created_at, s.send_at, s.undo_until, \
                       t.at as last_at, t.remote as last_remote, t.code as last_code, \
                       t.enhanced_code as last_enhanced_code, t.diagnostic as last_diagnostic from delivery d \
                       left join submission s on s.account_id = d.account_id and s.id = d.submission_id \
                       left join attempt t on t.account_id = d.account_id and t.delivery_id = d.id and t.n = \
                       (select max(x.n) from attempt x where x.account_id = d.account_id and x.delivery_id = d.id) \
                       where ";

/// When these tell somebody of a message at the earliest, in milliseconds; none where that is at once, or where they
/// tell nobody.
pub(crate) fn earliest(notices: &[NewDelivery]) -> Option<i64> {
    let told = notices.iter().filter(|notice| matches!(notice.kind, "notice" | "digest"));
    told.map(|notice| (notice.due_at, notice.created_at))
        .min()
        .filter(|(due, now)| due > now)
        .map(|(due, _)| due)
}

/// Keeps for the sender when the recipient of a delivery is told at the earliest.
pub(crate) fn seen_from(account: Uuid, id: Uuid, at: i64) -> Statement {
    sql("update delivery set earliest_seen_at = $1 where account_id = $2 and id = $3")
        .bind(at)
        .bind(account)
        .bind(id)
}

impl Store {
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

    /// What a notice was rendered to; none before that.
    ///
    /// # Errors
    /// The database's.
    pub async fn rendered_digest(&self, account: Uuid, id: Uuid) -> Result<Option<Digest>> {
        let row = sql("select digest from delivery where account_id = $1 and id = $2");
        let row: Option<(Option<Vec<u8>>,)> = self.first(row.bind(account).bind(id)).await?;
        Ok(row.and_then(|(digest,)| digest?.try_into().ok()))
    }

    /// One delivery of an account.
    ///
    /// # Errors
    /// The database's.
    pub async fn delivery(&self, account: Uuid, id: Uuid) -> Result<Option<DeliveryRow>> {
        self.first(sql(COLUMNS).push("d.account_id = ").push_bind(account).push(" and d.id = ").push_bind(id))
            .await
    }

    /// Every try of these deliveries, oldest first, and why the first was put off.
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
            ", false) as sending, attempts > 0 or settled_at is null and exists (select 1 from attempt t \
             where t.account_id = delivery.account_id and t.delivery_id = delivery.id) as tried, \
             count(*) as count from delivery where kind = 'mail' and account_id = ",
        );
        let counts = counts.push_bind(account).push(" and submission_id in ").push_list(submissions);
        self.all(counts.push(" group by 1, 2, 3, 4")).await
    }
}
