//! First answers, kept under the caller's Idempotency-Key in the transaction of what they tell of.

use sqlx::FromRow;
use uuid::Uuid;

use super::db::{Statement, sql};
use super::{Result, Store};

/// A caller's key, and what the request was.
#[derive(Debug, Clone)]
pub struct Key {
    /// As the caller gave it.
    pub key: String,
    /// SHA-256 of method, path and body: the same key with another one is an error.
    pub fingerprint: [u8; 32],
}

/// An answer to be kept.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The Location header.
    pub location: Option<String>,
    /// The body, JSON.
    pub body: String,
}

/// An answer that was kept.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "as in Answer")]
pub struct Replay {
    pub fingerprint: Vec<u8>,
    pub status: i64,
    pub location: Option<String>,
    pub body: String,
}

impl Key {
    /// Keeps the first answer; a second one under the same key fails the unit with `Conflict`.
    pub fn keep(&self, account: Uuid, answer: &Answer, now: i64) -> Statement {
        sql("insert into idempotency (account_id, key, fingerprint, status, location, body, created_at) \
             values ($1, $2, $3, $4, $5, $6, $7)")
        .bind(account)
        .bind(&self.key)
        .bind(self.fingerprint)
        .bind(i64::from(answer.status))
        .bind(answer.location.clone())
        .bind(&answer.body)
        .bind(now)
    }
}

impl Store {
    /// The answer kept under a key.
    ///
    /// # Errors
    /// The database's.
    pub async fn replay(&self, account: Uuid, key: &str) -> Result<Option<Replay>> {
        self.first(
            sql("select fingerprint, status, location, body from idempotency where account_id = $1 and key = $2")
                .bind(account)
                .bind(key),
        )
        .await
    }
}
