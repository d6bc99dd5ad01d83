//! MTA-STS policies of other domains, kept for all nodes and over restarts (RFC 8461 §3.3).

use sqlx::FromRow;

use super::db::sql;
use super::{Result, Store};

/// A policy as it was fetched.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct KeptPolicy {
    /// Of the record that it was fetched for.
    pub id: String,
    /// Its text.
    pub policy: String,
    /// Until when it holds, in milliseconds.
    pub expires_at: i64,
}

impl Store {
    /// The policy of a domain, while it holds.
    ///
    /// # Errors
    /// The database's.
    pub async fn sts_policy(&self, domain: &str, now: i64) -> Result<Option<KeptPolicy>> {
        let kept = sql("select id, policy, expires_at from sts_policy where domain = $1 and expires_at > $2");
        self.first(kept.bind(domain).bind(now)).await
    }

    /// Keeps a domain's policy in the place of an earlier one.
    ///
    /// # Errors
    /// The database's.
    pub async fn keep_sts_policy(&self, domain: &str, kept: KeptPolicy) -> Result<()> {
        let domain = domain.to_owned();
        self.write(async move |tx| {
            let put = sql("insert into sts_policy (domain, id, policy, expires_at) values ($1, $2, $3, $4) \
                           on conflict (domain) do update set id = excluded.id, policy = excluded.policy, \
                           expires_at = excluded.expires_at");
            let put = put.bind(&domain).bind(&kept.id).bind(&kept.policy).bind(kept.expires_at);
            tx.run(put).await.map(drop)
        })
        .await
    }
}
