//! Vacation replies (RFC 3834): what an account answers while its owner is away, and whom it has answered lately.

use sqlx::FromRow;
use uuid::Uuid;

use super::db::sql;
use super::delivery::Leased;
use super::{Result, Store};

/// A sender is answered again after this many milliseconds.
pub const WEEK: i64 = 7 * 24 * 3600 * 1000;

/// What is answered, and when.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct Vacation {
    pub account_id: Uuid,
    /// None: the subject of what is answered.
    pub subject: Option<String>,
    pub body: String,
    pub from_at: Option<i64>,
    pub until_at: Option<i64>,
}

impl Vacation {
    /// Whether it is answered at this time.
    #[must_use]
    pub fn is_now(&self, now: i64) -> bool {
        self.from_at.is_none_or(|from| from <= now) && self.until_at.is_none_or(|until| now < until)
    }
}

impl Store {
    /// Sets what an account answers. Whoever was answered before may be answered anew.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_vacation(&self, vacation: Vacation, now: i64) -> Result<()> {
        let account = vacation.account_id;
        self.write_for([account], async move |tx| {
            let set = sql("insert into vacation (account_id, subject, body, from_at, until_at, updated_at) \
                           values ($1, $2, $3, $4, $5, $6) on conflict (account_id) do update set \
                           subject = excluded.subject, body = excluded.body, from_at = excluded.from_at, \
                           until_at = excluded.until_at, updated_at = excluded.updated_at");
            let set = set.bind(account).bind(vacation.subject.clone()).bind(&vacation.body);
            let set = set.bind(vacation.from_at).bind(vacation.until_at).bind(now);
            let anew = sql("delete from vacation_reply where account_id = $1").bind(account);
            tx.batch([set, anew]).await.map(drop)
        })
        .await
    }

    /// Answers no more.
    ///
    /// # Errors
    /// The database's.
    pub async fn end_vacation(&self, account: Uuid) -> Result<()> {
        self.write_for([account], async move |tx| {
            let end = sql("delete from vacation where account_id = $1").bind(account);
            let anew = sql("delete from vacation_reply where account_id = $1").bind(account);
            tx.batch([end, anew]).await.map(drop)
        })
        .await
    }

    /// What these accounts answer, at whatever time.
    ///
    /// # Errors
    /// The database's.
    pub async fn vacations(&self, accounts: &[Uuid]) -> Result<Vec<Vacation>> {
        if accounts.is_empty() {
            return Ok(Vec::new());
        }
        let by =
            sql("select account_id, subject, body, from_at, until_at from vacation where account_id in ");
        self.all(by.push_list(accounts)).await
    }

    /// Whether a sender is to be answered by this delivery: nobody is twice in a week, but the same delivery may try
    /// again.
    ///
    /// # Errors
    /// The database's.
    pub async fn answers_sender(&self, leased: &Leased, sender: &str, now: i64) -> Result<bool> {
        let (account, delivery, sender) = (leased.account_id, leased.id, sender.to_lowercase());
        self.write_for([account], async move |tx| {
            let put = sql("insert into vacation_reply (account_id, sender, delivery_id, at) values ($1, $2, $3, $4) \
                           on conflict (account_id, sender) do update set delivery_id = excluded.delivery_id, \
                           at = excluded.at where vacation_reply.at <= $5 \
                           or vacation_reply.delivery_id = excluded.delivery_id");
            let put = put.bind(account).bind(&sender).bind(delivery).bind(now).bind(now - WEEK);
            Ok(tx.run(put).await? == 1)
        })
        .await
    }
}
