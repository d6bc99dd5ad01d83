//! What comes back after the next hop has taken a message: a relayed delivery that failed after all.

use sqlx::FromRow;
use uuid::Uuid;

use super::db::sql;
use super::delivery::{Attempt, updated};
use super::settle::take_out;
use super::suppression::Suppressed;
use super::{Error, Result, Store};
use crate::mail::address::Address;
use crate::mail::notify::Wanted;

/// The name of the key that return addresses are proved by.
const KEY: &str = "return-path";

/// A delivery that a bounce is about.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct ReturnedRow {
    pub recipient: String,
    pub outcome: Option<String>,
    /// The thread of the sender's copy; none when that is gone.
    pub thread_id: Option<Uuid>,
    wanted: Option<String>,
}

impl ReturnedRow {
    /// Whether the sender wants to be told of success (RFC 3461).
    #[must_use]
    pub fn wants_success(&self) -> bool {
        let wanted = Wanted::read(self.wanted.as_deref());
        self.recipient.parse::<Address>().is_ok_and(|to| wanted.of(&to).notify.success)
    }
}

/// What a bounce says of a delivery.
#[derive(Debug, Clone)]
pub struct Bounced {
    /// Whose it is.
    pub account_id: Uuid,
    /// Which.
    pub delivery_id: Uuid,
    /// What was said, and by whom.
    pub attempt: Attempt,
    /// Whether it is final, and then why.
    pub reason_code: Option<&'static str>,
    /// The recipient's address is not to be used again.
    pub suppress: Option<Suppressed>,
}

impl Store {
    /// Keeps the key of return addresses, unless there is one.
    ///
    /// # Errors
    /// The database's.
    pub async fn keep_return_key(&self, key: [u8; 32], now: i64) -> Result<()> {
        match self.secret(KEY).await? {
            Some(_) => Ok(()),
            None => self.keep_secret(KEY, key.to_vec(), now).await,
        }
    }

    /// The key of return addresses.
    ///
    /// # Errors
    /// [`Error::Unusable`]: there is none; the database's.
    pub async fn return_key(&self) -> Result<&[u8; 32]> {
        let read = || async {
            let key = self.secret(KEY).await?.and_then(|value| value.try_into().ok());
            key.ok_or_else(|| Error::Unusable("the key of return addresses is missing".into()))
        };
        self.0.return_key.get_or_try_init(read).await
    }

    /// The delivery that something came back for.
    ///
    /// # Errors
    /// The database's.
    pub async fn returned(&self, account: Uuid, delivery: Uuid) -> Result<Option<ReturnedRow>> {
        let row = sql("select d.recipient, d.outcome, e.thread_id, s.wanted from delivery d \
                       join submission s on s.account_id = d.account_id and s.id = d.submission_id \
                       join account c on c.id = d.account_id and c.disabled_at is null \
                       left join email e on e.account_id = d.account_id and e.id = s.email_id \
                       where d.account_id = $1 and d.id = $2");
        self.first(row.bind(account).bind(delivery)).await
    }

    /// Keeps what a bounce says; where it is final, a delivery that the next hop had taken has failed. (A promise of
    /// delivery that it had fulfilled stays so; who was asked will not answer.) Whether anything changed: the same
    /// bounce once more changes nothing.
    ///
    /// # Errors
    /// The database's.
    pub async fn bounced(&self, bounced: Bounced, now: i64) -> Result<bool> {
        self.write_for([bounced.account_id], async move |tx| {
            let Bounced { account_id: account, delivery_id: delivery, attempt, reason_code, suppress } = &bounced;
            let (account, delivery) = (*account, *delivery);
            let still = sql("update delivery set outcome = coalesce($1, outcome), reason_class = coalesce($2, reason_class), \
                             reason_code = coalesce($3, reason_code) where account_id = $4 and id = $5 \
                             and outcome = 'relayed' returning submission_id, subject_id");
            let failed = reason_code.map(|_| "failed");
            let still = still.bind(failed).bind(reason_code.map(|_| "permanent")).bind(*reason_code);
            let row: Option<(Option<Uuid>, Option<Uuid>)> =
                tx.first(still.bind(account).bind(delivery)).await?;
            let Some((Some(submission), asked_by)) = row else { return Ok(false) };
            let tried = sql("insert into attempt (account_id, delivery_id, n, at, remote, code, enhanced_code, diagnostic) \
                             values ($1, $2, (select coalesce(max(a.n), 0) + 1 from attempt a where a.account_id = $1 \
                             and a.delivery_id = $2), $3, $4, $5, $6, $7)");
            let tried = tried.bind(account).bind(delivery).bind(now).bind(attempt.remote.clone());
            let tried = tried.bind(attempt.code).bind(attempt.enhanced_code.clone());
            let count = sql("update submission set failed = failed + $1 where account_id = $2 and id = $3 \
                             returning email_id");
            let count = count.bind(i64::from(failed.is_some())).bind(account).bind(submission);
            let mut done = tx.batch([tried.bind(attempt.diagnostic.clone()), count]).await?;
            let (email,): (Uuid,) = done
                .pop()
                .map_or_else(|| Ok(Vec::new()), |done| done.rows())?
                .pop()
                .ok_or(Error::NotFound)?;
            if let Some(suppress) = suppress {
                tx.run(suppress.keep()).await?;
            }
            let mut events = vec![updated(account, email, delivery)];
            if let (Some(_), Some(asked_by)) = (failed, asked_by) {
                events.extend(take_out(tx, account, asked_by, delivery, now).await?);
            }
            tx.tell(events, now).await?;
            Ok(true)
        })
        .await
    }
}
