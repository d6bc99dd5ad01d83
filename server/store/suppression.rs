//! Suppressions: addresses outside that nothing is sent to, because they do not exist or an operator said so.

use sqlx::FromRow;
use uuid::Uuid;

use super::db::{Statement, sql};
use super::{Error, Result, Store};
use crate::mail::address::Address;
use crate::mail::id::derived;
use crate::mail::status::Status;

/// An address that nothing is sent to.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Suppressed {
    /// Follows from the address.
    pub id: Uuid,
    /// Lower-cased.
    pub address: String,
    /// Such as `unknown_recipient`, or an operator's words.
    pub reason: String,
    /// `bounce` or `manual`.
    pub source: String,
    /// What was said there.
    pub detail: Option<String>,
    /// Milliseconds.
    pub created_at: i64,
    /// When it ends by itself, in milliseconds.
    pub expires_at: Option<i64>,
}

/// Whether a status says that the address itself takes nothing, now or later (RFC 3463 §3.2, §3.3): nobody has it, its
/// domain does not exist, or its mailbox is disabled. Not that its owner, or a policy, refused one message.
#[must_use]
pub fn is_hard(status: Status) -> bool {
    matches!((status.class, status.subject, status.detail), (5, 1, 1 | 2 | 3 | 6 | 10) | (5, 2, 1))
}

impl Suppressed {
    /// One that an operator makes.
    #[must_use]
    pub fn new(address: &Address, reason: &str, now: i64, expires_at: Option<i64>) -> Self {
        let address = address.key();
        Self {
            id: derived("suppression", Uuid::nil(), address.as_bytes()),
            address,
            reason: reason.to_owned(),
            source: "manual".into(),
            detail: None,
            created_at: now,
            expires_at,
        }
    }

    /// One that follows from what a server said.
    #[must_use]
    pub fn bounced(address: &Address, said: &str, now: i64, expires_at: i64) -> Self {
        let detail = Some(said.chars().take(500).collect());
        let reason = "unknown_recipient";
        Self { source: "bounce".into(), detail, ..Self::new(address, reason, now, Some(expires_at)) }
    }

    /// What keeps it. An operator's own stays as it is while it lasts, whatever bounces.
    pub(crate) fn keep(&self) -> Statement {
        sql("insert into suppression (id, address, reason, source, detail, created_at, expires_at) \
             values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do update set reason = excluded.reason, \
             source = excluded.source, detail = excluded.detail, created_at = excluded.created_at, \
             expires_at = excluded.expires_at where suppression.source = 'bounce' or excluded.source = 'manual' \
             or suppression.expires_at <= excluded.created_at")
        .bind(self.id)
        .bind(&self.address)
        .bind(&self.reason)
        .bind(&self.source)
        .bind(self.detail.clone())
        .bind(self.created_at)
        .bind(self.expires_at)
    }
}

const COLUMNS: &str =
    "select id, address, reason, source, detail, created_at, expires_at from suppression where ";

impl Store {
    /// Sends nothing more to an address.
    ///
    /// # Errors
    /// The database's.
    pub async fn suppress(&self, suppressed: Suppressed) -> Result<()> {
        self.write(async move |tx| tx.run(suppressed.keep()).await.map(drop)).await
    }

    /// Which of these addresses (lower-cased) nothing is sent to.
    ///
    /// # Errors
    /// The database's.
    pub async fn suppressed(&self, keys: &[String], now: i64) -> Result<Vec<Suppressed>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sql(COLUMNS).push("(expires_at is null or expires_at > ").push_bind(now);
        self.all(rows.push(") and address in ").push_list(keys)).await
    }

    /// A page of them by id; those of one address with `address`.
    ///
    /// # Errors
    /// The database's.
    pub async fn suppressions(
        &self,
        address: Option<&str>,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Suppressed>> {
        let mut rows = sql(COLUMNS).push("id > ").push_bind(after.unwrap_or_default());
        if let Some(address) = address {
            rows = rows.push(" and address = ").push_bind(address);
        }
        self.all(rows.push(" order by id limit ").push_bind(limit)).await
    }

    /// One of them.
    ///
    /// # Errors
    /// The database's.
    pub async fn suppression(&self, id: Uuid) -> Result<Option<Suppressed>> {
        self.first(sql(COLUMNS).push("id = ").push_bind(id)).await
    }

    /// Sends to an address again.
    ///
    /// # Errors
    /// [`Error::NotFound`]; the database's.
    pub async fn unsuppress(&self, id: Uuid) -> Result<()> {
        self.write(async move |tx| {
            match tx.run(sql("delete from suppression where id = $1").bind(id)).await? {
                0 => Err(Error::NotFound),
                _ => Ok(()),
            }
        })
        .await
    }
}
