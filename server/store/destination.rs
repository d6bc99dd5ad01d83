//! Destinations and next hops that cannot be reached: what waits for them is put off together, on every node.

use sqlx::FromRow;
use uuid::Uuid;

use super::db::{Value, insert, split, sql};
use super::delivery::{Lane, updated};
use super::{Result, Store};

/// A destination or next hop that nothing is tried at for a while.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Blocked {
    /// A domain, or a next hop as `host:port`.
    pub name: String,
    /// Failures, one after the other.
    pub failures: i64,
    /// When the first of them was, in milliseconds.
    pub since: i64,
    /// When it is tried again, in milliseconds.
    pub blocked_until: i64,
    /// What happened last.
    pub reason: String,
}

/// What is to be put off.
#[derive(Debug, Clone)]
pub struct PutOff {
    /// Whose deliveries.
    pub destination: String,
    /// What cannot be reached: the destination, or its next hop.
    pub name: String,
    /// What its senders read, of those that were never tried.
    pub reason: String,
    /// Until when, in milliseconds.
    pub until: i64,
    /// Spread over so many milliseconds more, so that they do not all come back together.
    pub spread: i64,
    /// What was accepted so long ago is left due, so that its sender is told; in milliseconds.
    pub give_up_after: i64,
    /// What has waited so long is left due, so that its sender is told of the delay; in milliseconds.
    pub notice_after: i64,
}

/// Rows of one unit.
const PIECE: i64 = 250;
/// Destinations that are told of at once.
const MOST: i64 = 10_000;

/// A delivery that was put off: whose, which, whether nothing is known of it yet, and the sent message.
type Off = (Uuid, Uuid, bool, Option<Uuid>);

/// Why a delivery waits that was never tried, as its try number 0: when that was first.
fn why(off: &PutOff, (account, id, ..): &Off, now: i64) -> Vec<Value> {
    let (name, reason) = (off.name.clone().into(), off.reason.clone().into());
    vec![(*account).into(), (*id).into(), 0_i64.into(), now.into(), name, reason, off.until.into()]
}

impl Store {
    /// What cannot be reached, by name.
    ///
    /// # Errors
    /// The database's.
    pub async fn blocked(&self) -> Result<Vec<Blocked>> {
        let rows = sql(
            "select name, failures, since, blocked_until, reason from destination order by name limit $1",
        );
        self.all(rows.bind(MOST)).await
    }

    /// Remembers that a destination could not be reached.
    ///
    /// # Errors
    /// The database's.
    pub async fn block(&self, blocked: Blocked) -> Result<()> {
        self.write(async move |tx| {
            let keep = sql("insert into destination (name, failures, since, blocked_until, reason) \
                            values ($1, $2, $3, $4, $5) on conflict (name) do update set failures = excluded.failures, \
                            since = excluded.since, blocked_until = excluded.blocked_until, reason = excluded.reason");
            let keep = keep.bind(&blocked.name).bind(blocked.failures).bind(blocked.since);
            tx.run(keep.bind(blocked.blocked_until).bind(&blocked.reason)).await.map(drop)
        })
        .await
    }

    /// It was reached again, or is to be tried at once.
    ///
    /// # Errors
    /// The database's.
    pub async fn unblock(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.write(async move |tx| {
            tx.run(sql("delete from destination where name = $1").bind(&name)).await.map(drop)
        })
        .await
    }

    /// Puts off what is due outside at a destination, but nothing beyond its end; how many there were. Nobody's
    /// attempt counts, and whoever sent what was never tried is told why, once.
    ///
    /// # Errors
    /// The database's.
    pub async fn put_off(&self, off: PutOff, now: i64) -> Result<u64> {
        let mut all = 0;
        loop {
            let off = off.clone();
            let piece = self
                .write(async move |tx| {
                    let put_off = split(
                        "update delivery set due_at = min($1 + abs(random()) % $2, created_at + $3, \
                         case when noticed_at is null and kind = 'mail' then created_at + $8 else $1 + $2 end, coalesce((\
                         select s.expires_at from submission s where s.account_id = delivery.account_id \
                         and s.id = delivery.submission_id), created_at + $3)) \
                         where (account_id, id) in (select d.account_id, d.id from delivery d \
                         left join submission s on s.account_id = d.account_id and s.id = d.submission_id \
                         where d.settled_at is null and d.held_at is null and d.lane = $4 and d.destination = $5 \
                         and d.due_at <= $6 and d.created_at + $3 > $6 and coalesce(s.expires_at, $6 + 1) > $6 \
                         and (d.noticed_at is not null or d.kind <> 'mail' or d.created_at + $8 > $6) \
                         order by d.due_at, d.id limit $7) and lease is null \
                         returning account_id, id, attempts = 0 and not exists (select 1 from attempt t \
                         where t.account_id = delivery.account_id and t.delivery_id = delivery.id), \
                         (select s.email_id from submission s \
                         where s.account_id = delivery.account_id and s.id = delivery.submission_id)",
                        "update delivery set due_at = least($1 + floor(random() * $2::bigint)::bigint, created_at + $3, \
                         case when noticed_at is null and kind = 'mail' then created_at + $8 else $1 + $2 end, coalesce((\
                         select s.expires_at from submission s where s.account_id = delivery.account_id \
                         and s.id = delivery.submission_id), created_at + $3)) \
                         where (account_id, id) in (select d.account_id, d.id from delivery d \
                         left join submission s on s.account_id = d.account_id and s.id = d.submission_id \
                         where d.settled_at is null and d.held_at is null and d.lane = $4 and d.destination = $5 \
                         and d.due_at <= $6 and d.created_at + $3 > $6 and coalesce(s.expires_at, $6 + 1) > $6 \
                         and (d.noticed_at is not null or d.kind <> 'mail' or d.created_at + $8 > $6) \
                         order by d.due_at, d.id limit $7 for update of d skip locked) and lease is null \
                         returning account_id, id, attempts = 0 and not exists (select 1 from attempt t \
                         where t.account_id = delivery.account_id and t.delivery_id = delivery.id), \
                         (select s.email_id from submission s \
                         where s.account_id = delivery.account_id and s.id = delivery.submission_id)",
                    );
                    let put_off = put_off.bind(off.until).bind(off.spread.max(1)).bind(off.give_up_after);
                    let put_off = put_off.bind(Lane::Outside as i64).bind(&off.destination);
                    let rows: Vec<Off> =
                        tx.all(put_off.bind(now).bind(PIECE).bind(off.notice_after)).await?;
                    let new = || rows.iter().filter(|(_, _, new, _)| *new);
                    let why = new().map(|row| why(&off, row, now)).collect();
                    tx.batch(insert("insert into attempt (account_id, delivery_id, n, at, remote, diagnostic, next_at) values", why)).await?;
                    let events = new().filter_map(|(account, id, _, email)| Some(updated(*account, (*email)?, *id)));
                    let events = events.collect();
                    tx.tell(events, now).await?;
                    Ok(rows.len())
                })
                .await?;
            all += piece as u64;
            if piece < PIECE as usize {
                return Ok(all);
            }
        }
    }
}
