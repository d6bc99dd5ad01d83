//! Calls: what webhooks and callback addresses are owed, as deliveries of the one queue.

use sqlx::FromRow;
use url::Url;
use uuid::Uuid;

use super::db::{Statement, sql};
use super::delivery::{Lane, NewDelivery};
use super::event::EventRow;
use super::tracking::AttemptRow;
use super::webhook::{WEBHOOKS, WebhookRow};
use super::{Error, Result, Store, Topic};
use crate::mail::id::{Ids, derived};

/// Events that are handed out at once for one webhook.
const AT_ONCE: i64 = 100;
/// Webhooks that are looked at together.
const LOOK: i64 = 200;

/// What a call tells of, as the queue's row keeps it: it does not change over attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing: it shows that calls arrive.
    Test,
    /// An event, and the one that the webhook was told of before it.
    Event {
        /// Its place in the account's log.
        seq: i64,
        /// That of the one before.
        previous: Option<i64>,
    },
    /// That a question is settled, to its callback address.
    Settled,
}

impl Told {
    /// As the row has it.
    fn write(self) -> String {
        match self {
            Told::Test => "test".into(),
            Told::Settled => "settled".into(),
            Told::Event { seq, previous: None } => format!("event:{seq}"),
            Told::Event { seq, previous: Some(previous) } => format!("event:{seq}:{previous}"),
        }
    }

    /// Reads what the row has.
    pub fn read(text: &str) -> Option<Self> {
        match text {
            "test" => Some(Told::Test),
            "settled" => Some(Told::Settled),
            event => {
                let (seq, previous) = match event.strip_prefix("event:")?.split_once(':') {
                    Some((seq, previous)) => (seq, Some(previous.parse().ok()?)),
                    None => (event.strip_prefix("event:")?, None),
                };
                Some(Told::Event { seq: seq.parse().ok()?, previous })
            }
        }
    }
}

/// One call of a webhook, as it is listed.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct CallRow {
    pub id: Uuid,
    /// See [`Told`].
    pub recipient: String,
    pub attempts: i64,
    pub due_at: i64,
    pub settled_at: Option<i64>,
    pub outcome: Option<String>,
    pub created_at: i64,
}

/// What a webhook is owed.
pub fn call(webhook: &WebhookRow, id: Uuid, told: Told, now: i64) -> NewDelivery {
    let place = format!("webhook:{}", webhook.id);
    owed(webhook.account_id, webhook.id, id, place, told, now)
}

fn owed(account_id: Uuid, subject: Uuid, id: Uuid, destination: String, told: Told, now: i64) -> NewDelivery {
    NewDelivery {
        account_id,
        id,
        kind: "webhook",
        lane: Lane::Calls,
        destination,
        recipient: told.write(),
        submission_id: None,
        email_id: None,
        subject_id: Some(subject),
        digest: None,
        due_at: now,
        created_at: now,
    }
}

/// What the callback address of a question is owed when it is settled.
pub(super) fn call_back(asker: Uuid, promise: Uuid, url: &str, now: i64) -> Vec<Statement> {
    let host = url.parse::<Url>().ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let id = derived("callback", asker, promise.as_bytes());
    NewDelivery::insert(&[owed(asker, promise, id, format!("callback:{host}"), Told::Settled, now)])
}

/// How far a log was read by these events, of which at most `most` were asked for. An event is written with its number,
/// so nothing below what the log had reached is still to come.
pub(super) fn reached(events: &[EventRow], most: i64, modseq: i64) -> i64 {
    let last = events.last().map_or(0, |event| event.seq);
    if events.len() as i64 == most { last } else { last.max(modseq) }
}

impl Store {
    /// Owes webhooks what has happened since they were last looked at: one call for each event they want. Whether
    /// there was anything.
    ///
    /// # Errors
    /// The database's.
    pub async fn hand_out(&self, ids: &Ids, now: i64) -> Result<bool> {
        let (mut after, mut any) = ((Uuid::nil(), Uuid::nil()), false);
        loop {
            let behind = sql(
                "select w.account_id, w.id, a.modseq from webhook w join account a on a.id = w.account_id \
                              and a.modseq > w.cursor and a.disabled_at is null where w.disabled_at is null \
                              and (w.account_id, w.id) > ($1, $2) order by w.account_id, w.id limit $3",
            );
            let behind = behind.bind(after.0).bind(after.1).bind(LOOK);
            let behind: Vec<(Uuid, Uuid, i64)> = self.all(behind).await?;
            let Some((account, id, _)) = behind.last() else { return Ok(any) };
            after = (*account, *id);
            for (account, id, modseq) in behind {
                any |= self.hand_out_to(account, id, modseq, ids, now).await?;
            }
        }
    }

    /// The same for one webhook, whose account's log has reached `modseq`.
    async fn hand_out_to(&self, account: Uuid, id: Uuid, modseq: i64, ids: &Ids, now: i64) -> Result<bool> {
        let one =
            sql(WEBHOOKS).push("where w.account_id = ").push_bind(account).push(" and w.id = ").push_bind(id);
        let Some(webhook) = self.first::<WebhookRow>(one).await? else { return Ok(false) };
        let events = self.events(account, webhook.cursor, &webhook.types(), AT_ONCE).await?;
        let mut told = webhook.told;
        let mut calls = Vec::with_capacity(events.len());
        for event in &events {
            let previous = told.replace(event.seq);
            calls.push(call(&webhook, ids.id(now), Told::Event { seq: event.seq, previous }, now));
        }
        // A webhook that is just being changed is looked at again.
        let on = sql(
            "update webhook set cursor = $1, told = $2 where account_id = $3 and id = $4 and cursor = $5 \
                      and disabled_at is null",
        );
        let on = on.bind(reached(&events, AT_ONCE, modseq)).bind(told).bind(account).bind(id);
        self.owe_from(on.bind(webhook.cursor), calls).await
    }

    /// Moves a cursor on, and owes what lies before it. Of two nodes one does; whether it was this one.
    pub(super) async fn owe_from(&self, on: Statement, owed: Vec<NewDelivery>) -> Result<bool> {
        let done = self.write(async move |tx| {
            let mut batch = vec![on.clone().expect(1)];
            batch.extend(NewDelivery::insert(&owed));
            if !owed.is_empty() {
                tx.ring(Topic::Queue);
            }
            tx.batch(batch).await.map(drop)
        });
        match done.await {
            Ok(()) => Ok(true),
            Err(Error::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// One event of an account.
    ///
    /// # Errors
    /// The database's.
    pub async fn event(&self, account: Uuid, seq: i64) -> Result<Option<EventRow>> {
        let one = sql("select seq, type, data, at from event where account_id = $1 and seq = $2");
        self.first(one.bind(account).bind(seq)).await
    }

    /// The calls of a webhook, newest first, with every try of each; of all, or one.
    ///
    /// # Errors
    /// The database's.
    pub async fn calls(
        &self,
        account: Uuid,
        webhook: Uuid,
        one: Option<Uuid>,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<(CallRow, Vec<AttemptRow>)>> {
        let list =
            sql("select id, recipient, attempts, due_at, settled_at, outcome, created_at from delivery \
                        where kind = 'webhook' and account_id = ");
        let mut list = list.push_bind(account).push(" and subject_id = ").push_bind(webhook);
        if let Some(one) = one {
            list = list.push(" and id = ").push_bind(one);
        }
        if let Some(before) = before {
            list = list.push(" and id < ").push_bind(before);
        }
        let calls: Vec<CallRow> = self.all(list.push(" order by id desc limit ").push_bind(limit)).await?;
        let ids: Vec<Uuid> = calls.iter().map(|call| call.id).collect();
        let tries = if ids.is_empty() { Vec::new() } else { self.attempts(account, &ids).await? };
        let with = |call: CallRow| {
            let tries = tries.iter().filter(|one| one.delivery_id == call.id).cloned().collect();
            (call, tries)
        };
        Ok(calls.into_iter().map(with).collect())
    }

    /// Owes calls to a webhook.
    ///
    /// # Errors
    /// The database's.
    pub async fn owe(&self, calls: Vec<NewDelivery>) -> Result<()> {
        self.write(async move |tx| {
            tx.ring(Topic::Queue);
            tx.batch(NewDelivery::insert(&calls)).await.map(drop)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_tells_of_is_read_as_it_was_written() {
        for told in [
            Told::Test,
            Told::Settled,
            Told::Event { seq: 7, previous: None },
            Told::Event { seq: 7, previous: Some(3) },
        ] {
            assert_eq!(Told::read(&told.write()), Some(told));
        }
        for other in ["", "event:", "event:x", "event:1:", "7"] {
            assert_eq!(Told::read(other), None, "{other}");
        }
    }
}
