//! The hand on the queue, a sender's and the operator's: what is owed, by destination, and what is done about it.

use sqlx::FromRow;
use uuid::Uuid;

use super::db::{Tx, sql};
use super::delivery::{Outcome, ended, settle_mail, updated};
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
    /// A domain, or a next hop as `host:port`.
    pub destination: String,
    /// Deliveries that have not ended.
    pub open: i64,
    /// Of those, how many are held.
    pub held: i64,
    /// When the oldest was accepted, in milliseconds; none where nothing waits.
    pub oldest: Option<i64>,
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

impl std::fmt::Display for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Act::Retry => "retry",
            Act::Hold => "hold",
            Act::Release => "release",
            Act::Cancel => "cancel",
        })
    }
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
        match self.holder(id).await? {
            Some(account) => self.delivery(account, id).await,
            None => Ok(None),
        }
    }

    /// Whose delivery this is: by account, because that is how the rows are found.
    async fn holder(&self, id: Uuid) -> Result<Option<Uuid>> {
        let whose = sql("select c.id from account c where exists \
                         (select 1 from delivery d where d.account_id = c.id and d.id = $1)");
        let whose: Option<(Uuid,)> = self.first(whose.bind(id)).await?;
        Ok(whose.map(|(account,)| account))
    }

    /// Does something with a delivery of whatever account.
    ///
    /// # Errors
    /// As of [`Store::act`].
    pub async fn act_on_any(&self, act: Act, id: Uuid, now: i64) -> Result<()> {
        let account = self.holder(id).await?.ok_or(Error::NotFound)?;
        self.act(act, account, id, now).await
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

    /// Destinations outside with something open, the one with the most first, then what cannot be reached although
    /// nothing waits there itself (next hops); from after this one on.
    ///
    /// # Errors
    /// The database's.
    pub async fn destinations(&self, after: Option<(i64, String)>, limit: i64) -> Result<Vec<Waiting>> {
        let (open, name) = after.unwrap_or((i64::MAX, String::new()));
        let list = sql("select w.destination, w.open, w.held, w.oldest, w.next_at from (\
                        select d.destination, count(*) as open, count(d.held_at) as held, min(d.created_at) as oldest, \
                        min(case when d.held_at is null then d.due_at end) as next_at from delivery d \
                        where d.settled_at is null and d.lane = 1 group by d.destination union all \
                        select b.name, 0, 0, null, null from destination b where not exists (select 1 from delivery d \
                        where d.settled_at is null and d.lane = 1 and d.destination = b.name)) w \
                        where w.open < $1 or (w.open = $1 and w.destination > $2) \
                        order by w.open desc, w.destination limit $3");
        self.all(list.bind(open).bind(name).bind(limit)).await
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

    /// Has an open delivery, or one that failed, tried at once. (The promises it has settled stay as they are.)
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`]: it ended otherwise, or is being tried now.
    pub async fn retry_delivery(&self, account: Uuid, id: Uuid, now: i64) -> Result<()> {
        self.write_for([account], async move |tx| {
            let (submission, asked_by) = there(tx, account, id).await?;
            // Whoever asks for it wants to know whether it can be reached now. A relay's name has its port.
            let anew = sql("delete from destination where name like '%:%' or name in \
                            (select destination from delivery where account_id = $1 and id = $2)");
            tx.run(anew.bind(account).bind(id)).await?;
            if let Some(submission) = submission
                && revive(tx, account, id, submission, asked_by, now).await?
            {
                return Ok(());
            }
            let retry =
                sql("update delivery set due_at = $1, held_at = null where account_id = $2 and id = $3 \
                             and settled_at is null and (leased_until is null or leased_until <= $1)");
            tx.ring(Topic::Queue);
            tx.batch([retry.bind(now).bind(account).bind(id).expect(1)]).await.map(drop)
        })
        .await
    }

    /// Takes back a delivery that is neither settled nor being tried now.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`].
    pub async fn cancel_delivery(&self, account: Uuid, id: Uuid, now: i64) -> Result<()> {
        self.write_for([account], async move |tx| {
            let (submission, subject) = there(tx, account, id).await?;
            let cancel = sql("update delivery set settled_at = $1, outcome = 'canceled', lease = null, leased_until = null \
                              where account_id = $2 and id = $3 and settled_at is null \
                              and (leased_until is null or leased_until <= $1)");
            let cancel = cancel.bind(now).bind(account).bind(id).expect(1);
            let ended = ended(account, submission, id, subject);
            let events = settle_mail(tx, vec![cancel], ended, &Outcome::Canceled, now).await?;
            tx.tell(events, now).await
        })
        .await
    }
}

async fn there(tx: &mut Tx, account: Uuid, id: Uuid) -> Result<(Option<Uuid>, Option<Uuid>)> {
    let row = sql(
        "select submission_id, subject_id from delivery where account_id = $1 and id = $2 and kind = 'mail'",
    );
    tx.one(row.bind(account).bind(id)).await
}

/// Opens a failed delivery again; whether it was one. Crashes are counted from here anew.
async fn revive(
    tx: &mut Tx,
    account: Uuid,
    id: Uuid,
    submission: Uuid,
    asked_by: Option<Uuid>,
    now: i64,
) -> Result<bool> {
    let open = sql(
        "update delivery set settled_at = null, outcome = null, reason_class = null, reason_code = null, \
                    held_at = null, due_at = $1 where account_id = $2 and id = $3 and outcome = 'failed'",
    );
    if tx.run(open.bind(now).bind(account).bind(id)).await? == 0 {
        return Ok(false);
    }
    let count = sql("update submission set unsettled = unsettled + 1, failed = failed - 1 \
                     where account_id = $1 and id = $2 returning email_id");
    let (email,): (Uuid,) = tx.one(count.bind(account).bind(submission)).await?;
    if let Some(promise) = asked_by {
        let again = sql("update promise set unanswered = unanswered + 1 where account_id = $1 and id = $2 \
                         and state = 'pending'");
        tx.run(again.bind(account).bind(promise)).await?;
    }
    tx.ring(Topic::Queue);
    tx.tell(vec![updated(account, email, id)], now).await?;
    Ok(true)
}
