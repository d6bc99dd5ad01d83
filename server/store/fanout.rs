//! The ends that come by the thousand. Many copies into mailboxes here are one unit: a row's statements are what a unit
//! costs, so what was claimed together is written as a few statements of many rows, and each submission is locked once.
//! What a next hop has taken is a unit of nothing but statements, of which several go down in one call.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::db::{Statement, Value, insert, sql};
use super::delivery::{Attempt, Leased, NewDelivery, Outcome, updated};
use super::email::NewEmail;
use super::event::Event;
use super::promise::{settle_delivery_promise, told};
use super::submission::SubmissionRow;
use super::tracking::{earliest, seen_from};
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
    /// Ends a delivery that the next hop has taken, and the promise that waited for it alone.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the lease was lost.
    pub async fn relayed(
        &self,
        leased: &Leased,
        submission: &SubmissionRow,
        attempt: &Attempt,
        now: i64,
    ) -> Result<()> {
        let (account, promise) = (leased.account_id, submission.delivery_promise_id);
        let less = sql("update submission set unsettled = unsettled - 1 where account_id = $1 and id = $2");
        let [number, event] = updated(account, submission.email_id, leased.id).0.append(now);
        let last = told(account, promise, submission.email_id);
        let [its_number, its_event] = last.append_if_last(submission.id, promise, now);
        let statements = vec![
            leased.settled(Outcome::Relayed.as_str(), None, now),
            leased.tried(attempt, None, now),
            less.bind(account).bind(submission.id).expect(1),
            number,
            event,
            its_number,
            its_event,
            settle_delivery_promise(account, submission.id, now),
        ];
        self.put([account], statements, vec![Topic::Account(account), Topic::Promise(promise)]).await
    }

    /// Ends deliveries that were claimed under one lease, each to an account here.
    ///
    /// # Errors
    /// [`Error::Conflict`]: one of the leases was lost, or a recipient has this copy already. Nothing is written
    /// then; each has to be ended by itself.
    pub async fn finish_together(&self, copies: Vec<Copy>, now: i64) -> Result<()> {
        let mut accounts: Vec<Uuid> = copies.iter().map(|copy| copy.leased.account_id).collect();
        accounts.extend(copies.iter().map(|copy| copy.email.account_id));
        self.write_for(accounts, async move |tx| {
            let Some(Leased { lease, .. }) = copies.first().map(|copy| &copy.leased) else { return Ok(()) };
            let mut senders: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
            let mut submissions: BTreeMap<(Uuid, Uuid), i64> = BTreeMap::new();
            for Copy { leased, .. } in &copies {
                senders.entry(leased.account_id).or_default().push(leased.id);
                let submission = leased.submission_id.ok_or(Error::NotFound)?;
                *submissions.entry((leased.account_id, submission)).or_default() += 1;
            }
            let mut batch = Vec::with_capacity(senders.len() + 2 * submissions.len());
            for (sender, ids) in &senders {
                let end = sql(
                    "update delivery set outcome = 'delivered', lease = null, leased_until = null, settled_at = ",
                );
                let end = end.push_bind(now).push(" where settled_at is null and account_id = ").push_bind(*sender);
                let end = end.push(" and lease = ").push_bind(*lease).push(" and id in ").push_list(ids);
                batch.push(end.expect(ids.len() as u64));
            }
            for ((sender, submission), count) in &submissions {
                let off = sql("update submission set unsettled = unsettled - $1 where account_id = $2 and id = $3 \
                               returning email_id");
                batch.push(off.bind(*count).bind(*sender).bind(*submission));
                batch.push(settle_delivery_promise(*sender, *submission, now));
            }
            let done = tx.batch(batch).await?;
            let mut sent = BTreeMap::new();
            let mut fulfilled = Vec::new();
            for (key, done) in submissions.keys().zip(done[senders.len()..].chunks_exact(2)) {
                let (email,): (Uuid,) = done[0].rows()?.pop().ok_or(Error::NotFound)?;
                sent.insert(*key, email);
                fulfilled.extend(done[1].rows::<(Uuid, Uuid)>()?.into_iter().map(|row| (key.0, row)));
            }

            let mut events: Vec<Event> = copies.iter().map(|copy| copy.email.event()).collect();
            for Copy { leased, .. } in &copies {
                let key = (leased.account_id, leased.submission_id.unwrap_or_default());
                let email = *sent.get(&key).ok_or(Error::NotFound)?;
                events.push(updated(leased.account_id, email, leased.id).0);
            }
            for (sender, (promise, email)) in fulfilled {
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
            batch.extend(copies.iter().filter_map(|Copy { leased, notices, .. }| {
                earliest(notices).map(|at| seen_from(leased.account_id, leased.id, at))
            }));
            tx.batch(batch).await.map(drop)
        })
        .await
    }
}

impl Event {
    /// As [`Event::append`], if no recipient of the submission is open any more and the promise still is.
    fn append_if_last(&self, submission: Uuid, promise: Uuid, now: i64) -> [Statement; 2] {
        let number =
            sql("update account set modseq = modseq + 1 where id = $1 and exists (select 1 from promise p \
             join submission s on s.account_id = p.account_id where p.account_id = $1 and p.id = $2 \
             and p.state = 'pending' and s.id = $3 and s.unsettled = 0)");
        let entry =
            sql("insert into event (account_id, seq, type, data, at) select a.id, a.modseq, $4, $5, $6 \
             from account a where a.id = $1 and exists (select 1 from promise p \
             join submission s on s.account_id = p.account_id where p.account_id = $1 and p.id = $2 \
             and p.state = 'pending' and s.id = $3 and s.unsettled = 0)");
        [
            number.bind(self.account_id).bind(promise).bind(submission),
            entry
                .bind(self.account_id)
                .bind(promise)
                .bind(submission)
                .bind(self.kind)
                .bind(self.data.to_string())
                .bind(now),
        ]
    }
}

fn event_row(event: &Event, seq: i64, now: i64) -> Vec<Value> {
    vec![event.account_id.into(), seq.into(), event.kind.into(), event.data.to_string().into(), now.into()]
}
