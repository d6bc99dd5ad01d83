//! The operator's hand on the queue: what everybody is owed, by destination, and what is done about it.

use sqlx::FromRow;
use uuid::Uuid;

use super::db::sql;
use super::tracking::{COLUMNS, DeliveryRow};
use super::{Error, Result, Store, Topic};

/// Which part of the queue.
#[derive(Debug, Clone, Default)]
pub struct Open<'a> {
    /// Only to this destination.
    pub destination: Option<&'a str>,
    /// Only what is held, or only what is not.
    pub held: Option<bool>,
    /// After this one, by account and id.
    pub after: Option<(Uuid, Uuid)>,
}

/// What waits at one destination outside.
#[derive(Debug, Clone, FromRow)]
pub struct Waiting {
    /// A domain.
    pub destination: String,
    /// Deliveries that have not ended.
    pub open: i64,
    /// Of those, how many are held.
    pub held: i64,
    /// When the oldest was accepted, in milliseconds.
    pub oldest: i64,
    /// When the next of them is due, in milliseconds; none if all are held.
    pub next_at: Option<i64>,
}

/// What an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It is tried now, also what failed.
    Retry,
    /// It is not tried until it is released.
    Hold,
    /// It is tried again.
    Release,
    /// It is taken back.
    Cancel,
}

impl std::str::FromStr for Act {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "retry" => Act::Retry,
            "hold" => Act::Hold,
            "release" => Act::Release,
            "cancel" => Act::Cancel,
            _ => return Err(Error::Unusable("the actions are retry, hold, release and cancel".into())),
        })
    }
}

/// Rows of one unit.
const PIECE: i64 = 1000;
/// Deliveries that one act on a destination changes at most.
pub const MOST: u64 = 100_000;

impl Store {
    /// A page of everybody's open deliveries, by account and id.
    ///
    /// # Errors
    /// The database's.
    pub async fn queue(&self, open: Open<'_>, limit: i64) -> Result<Vec<DeliveryRow>> {
        let (account, id) = open.after.unwrap_or_default();
        let mut list =
            sql(COLUMNS).push("d.settled_at is null and (d.account_id, d.id) > (").push_bind(account);
        list = list.push(", ").push_bind(id).push(")");
        if let Some(destination) = open.destination {
            list = list.push(" and d.destination = ").push_bind(destination);
        }
        match open.held {
            Some(true) => list = list.push(" and d.held_at is not null"),
            Some(false) => list = list.push(" and d.held_at is null"),
            None => {}
        }
        self.all(list.push(" order by d.account_id, d.id limit ").push_bind(limit)).await
    }

    /// A delivery of whatever account.
    ///
    /// # Errors
    /// The database's.
    pub async fn any_delivery(&self, id: Uuid) -> Result<Option<DeliveryRow>> {
        // By account, because that is how the rows are found.
        let whose = sql("select c.id from account c where exists \
                         (select 1 from delivery d where d.account_id = c.id and d.id = $1)");
        let whose: Option<(Uuid,)> = self.first(whose.bind(id)).await?;
        match whose {
            Some((account,)) => self.delivery(account, id).await,
            None => Ok(None),
        }
    }

    /// Whose message this is: by its id here.
    ///
    /// # Errors
    /// The database's.
    pub async fn owners(&self, email: Uuid) -> Result<Vec<Uuid>> {
        let whose = sql("select c.id from account c where exists \
                         (select 1 from email e where e.account_id = c.id and e.id = $1) limit 10");
        let whose: Vec<(Uuid,)> = self.all(whose.bind(email)).await?;
        Ok(whose.into_iter().map(|(account,)| account).collect())
    }

    /// Destinations outside with something open, the one with the most first.
    ///
    /// # Errors
    /// The database's.
    pub async fn destinations(&self, limit: i64) -> Result<Vec<Waiting>> {
        let list = sql(
            "select d.destination, count(*) as open, count(d.held_at) as held, min(d.created_at) as oldest, \
                        min(case when d.held_at is null then d.due_at end) as next_at from delivery d \
                        where d.settled_at is null and d.lane = 1 group by d.destination \
                        order by count(*) desc, d.destination limit $1",
        );
        self.all(list.bind(limit)).await
    }

    /// Does something with one delivery.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`]: it has ended, or is being tried now.
    pub async fn act(&self, act: Act, account: Uuid, id: Uuid, now: i64) -> Result<()> {
        match act {
            Act::Cancel => self.cancel_delivery(account, id, now).await,
            Act::Retry => self.retry_delivery(account, id, now).await,
            Act::Hold | Act::Release => {
                let set = match act {
                    Act::Hold => {
                        sql("update delivery set held_at = $1 where held_at is null and settled_at is null \
                                      and lease is null and account_id = $2 and id = $3")
                        .bind(now)
                        .bind(account)
                        .bind(id)
                    }
                    _ => sql("update delivery set held_at = null, due_at = $1 where held_at is not null \
                              and settled_at is null and lease is null and account_id = $2 and id = $3")
                    .bind(now)
                    .bind(account)
                    .bind(id),
                };
                self.write_for([account], async move |tx| {
                    tx.ring(Topic::Queue);
                    tx.batch([set.clone().expect(1)]).await.map(drop)
                })
                .await
            }
        }
    }

    /// Does something with everything that waits at a destination outside, [`MOST`] at most; how many that were. What
    /// is being tried stays as it is.
    ///
    /// # Errors
    /// The database's.
    pub async fn act_on(&self, act: Act, destination: &str, now: i64) -> Result<u64> {
        let mut all = 0;
        if act == Act::Retry {
            self.try_anew(destination).await?;
        }
        while all < MOST {
            let changed = match act {
                Act::Cancel => self.cancel_some(destination, now).await?,
                _ => self.change_some(act, destination, now).await?,
            };
            all += changed;
            if changed < PIECE as u64 {
                break;
            }
        }
        Ok(all)
    }

    async fn change_some(&self, act: Act, destination: &str, now: i64) -> Result<u64> {
        let set = match act {
            Act::Hold => sql("update delivery set held_at = $1 where lease is null and settled_at is null \
                              and (account_id, id) in (select d.account_id, d.id from delivery d \
                              where d.settled_at is null and d.lane = 1 and d.lease is null and d.destination = $2 \
                              and d.held_at is null order by d.due_at, d.id limit $3)")
            .bind(now)
            .bind(destination)
            .bind(PIECE),
            Act::Release => sql("update delivery set held_at = null, due_at = $1 where lease is null \
                                 and settled_at is null and (account_id, id) in (select d.account_id, d.id \
                                 from delivery d where d.settled_at is null and d.lane = 1 and d.lease is null \
                                 and d.destination = $2 and d.held_at is not null order by d.due_at, d.id limit $3)")
            .bind(now)
            .bind(destination)
            .bind(PIECE),
            _ => sql("update delivery set due_at = $1 where lease is null and settled_at is null \
                      and (account_id, id) in (select d.account_id, d.id from delivery d \
                      where d.settled_at is null and d.lane = 1 and d.lease is null and d.destination = $2 \
                      and d.held_at is null and d.due_at > $1 order by d.due_at, d.id limit $3)")
            .bind(now)
            .bind(destination)
            .bind(PIECE),
        };
        self.write(async move |tx| {
            tx.ring(Topic::Queue);
            tx.run(set.clone()).await
        })
        .await
    }

    async fn cancel_some(&self, destination: &str, now: i64) -> Result<u64> {
        let some = sql(
            "select account_id, id from delivery where settled_at is null and lane = 1 and lease is null \
                        and kind = 'mail' and destination = $1 order by due_at, id limit $2",
        );
        let some: Vec<(Uuid, Uuid)> = self.all(some.bind(destination).bind(PIECE)).await?;
        let mut changed = 0;
        for (account, id) in some {
            match self.cancel_delivery(account, id, now).await {
                Ok(()) => changed += 1,
                // Somebody has begun it meanwhile, or it has ended.
                Err(Error::Conflict | Error::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(changed)
    }

    /// Forgets that a destination, or the relay before it, could not be reached.
    async fn try_anew(&self, destination: &str) -> Result<()> {
        let name = destination.to_owned();
        self.write(async move |tx| {
            // A relay's name has its port.
            let forget = sql("delete from destination where name = $1 or name like '%:%'");
            tx.run(forget.bind(&name)).await.map(drop)
        })
        .await
    }
}
