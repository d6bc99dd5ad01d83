//! Pruning: what is kept only for a time goes when it is over, a bounded piece at a time.

use uuid::Uuid;

use super::db::sql;
use super::{Result, Store};

const HOUR: i64 = 60 * 60 * 1000;
const DAY: i64 = 24 * HOUR;
/// How long an account's log is kept, in milliseconds.
pub const EVENTS: i64 = 30 * DAY;
/// How long first answers are kept under their keys, in milliseconds; the API promises 24 hours.
pub const ANSWERS: i64 = 48 * HOUR;
/// How long the attempts of a delivery are kept once it has ended, in milliseconds.
pub const ATTEMPTS: i64 = 90 * DAY;
/// How long sessions and one-time links are kept once they are over, in milliseconds.
pub const SIGN_INS: i64 = 7 * DAY;
/// How long the audit log is kept, in milliseconds.
pub const AUDIT: i64 = 400 * DAY;
/// How long calls to webhooks and pushes to browsers are kept once they have ended, in milliseconds.
pub const CALLS: i64 = 30 * DAY;

impl Store {
    /// Deletes some of what is no longer kept, at most about `limit` rows of each kind; how many there were. Zero says
    /// that nothing is left to do.
    ///
    /// # Errors
    /// The database's.
    pub async fn prune_some(&self, limit: i64, now: i64) -> Result<u64> {
        let mut pruned = self.prune_events(limit, now).await?;
        let of_age = [
            sql("delete from idempotency where (account_id, key) in (select account_id, key from idempotency \
                 where created_at < $1 order by created_at limit $2)")
            .bind(now - ANSWERS).bind(limit),
            sql("delete from attempt where (account_id, delivery_id, n) in (select a.account_id, a.delivery_id, a.n \
                 from attempt a join delivery d on d.account_id = a.account_id and d.id = a.delivery_id \
                 where a.at < $1 and d.settled_at < $1 order by a.at limit $2)")
            .bind(now - ATTEMPTS).bind(limit),
            sql("delete from session where (account_id, id) in (select account_id, id from session \
                 where expires_at < $1 or revoked_at < $1 limit $2)")
            .bind(now - SIGN_INS).bind(limit),
            sql("delete from setup where digest in (select digest from setup where expires_at < $1 limit $2)")
                .bind(now - SIGN_INS).bind(limit),
            sql("delete from vacation_reply where (account_id, sender) in (select account_id, sender \
                 from vacation_reply where at < $1 order by at limit $2)")
            .bind(now - super::vacation::WEEK).bind(limit),
            sql("delete from sts_policy where domain in (select domain from sts_policy where expires_at < $1 \
                 order by expires_at limit $2)")
            .bind(now).bind(limit),
            sql("delete from audit where id in (select id from audit where at < $1 order by at limit $2)")
                .bind(now - AUDIT).bind(limit),
            sql("delete from throttle where subject in (select subject from throttle \
                 where updated_at < $1 and blocked_until < $1 limit $2)")
            .bind(now - SIGN_INS).bind(limit),
        ];
        for statement in of_age {
            pruned += self.write(async move |tx| tx.run(statement.clone()).await).await?;
        }
        Ok(pruned + self.prune_calls(limit, now).await?)
    }

    /// Forgets calls and pushes that have ended, with their attempts.
    async fn prune_calls(&self, limit: i64, now: i64) -> Result<u64> {
        let before = now - CALLS;
        let calls = [
            sql("delete from attempt where (account_id, delivery_id) in (select d.account_id, d.id from delivery d \
                 where d.kind = 'webhook' and d.settled_at < $1 order by d.settled_at, d.id limit $2)")
            .bind(before).bind(limit),
            sql("delete from delivery where (account_id, id) in (select d.account_id, d.id from delivery d \
                 where d.kind = 'webhook' and d.settled_at < $1 order by d.settled_at, d.id limit $2)")
            .bind(before).bind(limit),
            sql("delete from attempt where (account_id, delivery_id) in (select d.account_id, d.id from delivery d \
                 where d.kind = 'push' and d.settled_at < $1 order by d.settled_at, d.id limit $2)")
            .bind(before).bind(limit),
            sql("delete from delivery where (account_id, id) in (select d.account_id, d.id from delivery d \
                 where d.kind = 'push' and d.settled_at < $1 order by d.settled_at, d.id limit $2)")
            .bind(before).bind(limit),
        ];
        self.write(async move |tx| {
            let done = tx.batch(calls.clone()).await?;
            Ok(done.iter().skip(1).step_by(2).map(|calls| calls.affected).sum())
        })
        .await
    }

    /// Cuts logs from their beginnings, so that what is left has no hole even if the clock was once wrong.
    async fn prune_events(&self, limit: i64, now: i64) -> Result<u64> {
        let old = sql("select account_id, max(seq) from (select account_id, seq from event where at < $1 \
                       order by at limit $2) o group by account_id order by account_id");
        let cuts: Vec<(Uuid, i64)> = self.all(old.bind(now - EVENTS).bind(limit)).await?;
        if cuts.is_empty() {
            return Ok(0);
        }
        self.write(async move |tx| {
            let mut cut = Vec::new();
            for (account, upto) in &cuts {
                let before = sql("delete from event where account_id = $1 and seq <= $2");
                cut.push(before.bind(*account).bind(*upto));
            }
            Ok(tx.batch(cut).await?.iter().map(|done| done.affected).sum())
        })
        .await
    }
}
