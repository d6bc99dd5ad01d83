//! One message into many mailboxes here, in one unit: a row's statements are what a unit costs, so a large fan-out
//! is written as a few statements of many rows, and its submission is locked once.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::db::{Value, insert, sql};
use super::delivery::{Leased, NewDelivery, updated};
use super::email::NewEmail;
use super::event::Event;
use super::promise::{settle_delivery_promise, told};
use super::{Error, Result, Store, Topic};

/// One recipient's copy.
#[derive(Debug, Clone)]
pub struct Copy {
    /// The delivery that it settles.
    pub leased: Leased,
    /// The copy.
    pub email: NewEmail,
    /// Notices that go out because of it.
    pub notices: Vec<NewDelivery>,
}

impl Store {
    /// Ends deliveries of one submission, claimed under one lease, each to another account here.
    ///
    /// # Errors
    /// [`Error::Conflict`]: one of the leases was lost, or a recipient has this copy already. Nothing is written
    /// then; each has to be ended by itself.
    pub async fn finish_together(&self, copies: Vec<Copy>, now: i64) -> Result<()> {
        let mut accounts: Vec<Uuid> = copies.iter().map(|copy| copy.leased.account_id).take(1).collect();
        accounts.extend(copies.iter().map(|copy| copy.email.account_id));
        self.write_for(accounts, async move |tx| {
            let Some(first) = copies.first() else { return Ok(()) };
            let Leased { account_id: sender, lease, .. } = first.leased;
            let submission = first.leased.submission_id.ok_or(Error::NotFound)?;
            let ids: Vec<Uuid> = copies.iter().map(|copy| copy.leased.id).collect();
            let end = sql(
                "update delivery set outcome = 'delivered', lease = null, leased_until = null, settled_at = ",
            );
            let end =
                end.push_bind(now).push(" where settled_at is null and account_id = ").push_bind(sender);
            let end = end.push(" and lease = ").push_bind(lease).push(" and id in ").push_list(&ids);
            let count =
                sql("update submission set unsettled = unsettled - $1 where account_id = $2 and id = $3 \
                             returning email_id");
            let count = count.bind(copies.len() as i64).bind(sender).bind(submission);
            let settle = settle_delivery_promise(sender, submission, now);
            let done = tx.batch([end.expect(copies.len() as u64), count, settle]).await?;
            let [_, counted, settled] = done.as_slice() else { return Err(Error::NotFound) };
            let (sent,): (Uuid,) = counted.rows()?.pop().ok_or(Error::NotFound)?;

            let mut events: Vec<Event> = copies.iter().map(|copy| copy.email.event()).collect();
            events.extend(ids.iter().map(|id| updated(sender, sent, *id).0));
            for (promise, email) in settled.rows()? {
                tx.ring(Topic::Promise(promise));
                events.push(told(sender, promise, email));
            }

            // Every account's numbers, taken in the order of the accounts' ids.
            let mut numbers: BTreeMap<Uuid, i64> = BTreeMap::new();
            events.iter().for_each(|event| *numbers.entry(event.account_id).or_default() += 1);
            let take = |(account, count): (&Uuid, &i64)| {
                sql("update account set modseq = modseq + $1 where id = $2 returning modseq")
                    .bind(*count)
                    .bind(*account)
            };
            let taken = tx.batch(numbers.iter().map(take).collect::<Vec<_>>()).await?;
            for ((_, next), done) in numbers.iter_mut().zip(taken) {
                let (last,): (i64,) = done.rows()?.pop().ok_or(Error::NotFound)?;
                *next = last - *next + 1;
            }
            let mut rows = Vec::with_capacity(events.len());
            let mut emails = Vec::with_capacity(copies.len());
            for (n, event) in events.iter().enumerate() {
                let number = numbers.get_mut(&event.account_id).ok_or(Error::NotFound)?;
                rows.push(event_row(event, *number, now));
                emails.extend(copies.get(n).map(|copy| (&copy.email, *number)));
                *number += 1;
                tx.ring(Topic::Account(event.account_id));
            }
            let notices: Vec<NewDelivery> = copies.iter().flat_map(|copy| copy.notices.clone()).collect();
            if !notices.is_empty() {
                tx.ring(Topic::Queue);
            }
            let mut batch = NewEmail::insert_all(&emails);
            batch.extend(insert("insert into event (account_id, seq, type, data, at) values", rows));
            batch.extend(NewDelivery::insert(&notices));
            tx.batch(batch).await.map(drop)
        })
        .await
    }
}

fn event_row(event: &Event, seq: i64, now: i64) -> Vec<Value> {
    vec![event.account_id.into(), seq.into(), event.kind.into(), event.data.to_string().into(), now.into()]
}
