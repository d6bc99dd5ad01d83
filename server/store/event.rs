//! An account's log. Every change to its mail takes the account's next modification sequence and writes its
//! row in the same transaction: the events API, its streams and later webhooks and JMAP read this one log.

use serde_json::Value as Json;
use sqlx::FromRow;
use uuid::Uuid;

use super::db::{Statement, Tx, sql};
use super::{Result, Store, Topic};

/// One entry to write.
#[derive(Debug, Clone)]
pub struct Event {
    /// Whose log.
    pub account_id: Uuid,
    /// Such as `message.received`.
    pub kind: &'static str,
    /// Ids of what changed; whoever reads the event fetches the rest.
    pub data: Json,
}

/// One entry as it was written.
#[derive(Debug, Clone, FromRow)]
pub struct EventRow {
    /// Its place in the account's log.
    pub seq: i64,
    /// Such as `message.received`.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// JSON.
    pub data: String,
    /// When, in milliseconds.
    pub at: i64,
}

impl Event {
    /// An entry of an account's log.
    pub fn new(account_id: Uuid, kind: &'static str, data: Json) -> Self {
        Self { account_id, kind, data }
    }

    /// Takes the account's next number, then writes the entry under it.
    pub fn append(&self, now: i64) -> [Statement; 2] {
        [bump(self.account_id), self.write(now)]
    }

    fn write(&self, now: i64) -> Statement {
        sql("insert into event (account_id, seq, type, data, at) \
             select id, modseq, $2, $3, $4 from account where id = $1")
        .bind(self.account_id)
        .bind(self.kind)
        .bind(self.data.to_string())
        .bind(now)
    }
}

/// Gives out the account's next modification sequence; locks the account until the unit ends.
pub fn bump(account_id: Uuid) -> Statement {
    sql("update account set modseq = modseq + 1 where id = $1").bind(account_id)
}

/// Appends entries to the logs of one or more accounts, in the order of the accounts' ids, so that two units
/// that touch the same accounts cannot lock each other out. What goes with an entry (the email it tells of) is
/// written between the account's new number and the entry.
pub fn append_all(mut events: Vec<(Event, Vec<Statement>)>, now: i64) -> Vec<Statement> {
    events.sort_by_key(|(event, _)| event.account_id);
    let mut statements = Vec::new();
    for (event, with) in events {
        statements.push(bump(event.account_id));
        statements.extend(with);
        statements.push(event.write(now));
    }
    statements
}

impl Tx {
    /// Appends entries (see [`append_all`]) and rings their accounts once the unit is durable.
    ///
    /// # Errors
    /// The database's.
    pub async fn tell(&mut self, events: Vec<(Event, Vec<Statement>)>, now: i64) -> Result<()> {
        events.iter().for_each(|(event, _)| self.ring(Topic::Account(event.account_id)));
        self.batch(append_all(events, now)).await.map(drop)
    }
}

impl Store {
    /// The account's modification sequence now.
    ///
    /// # Errors
    /// [`super::Error::NotFound`]; the database's.
    pub async fn modseq(&self, account: Uuid) -> Result<i64> {
        let (modseq,): (i64,) =
            self.one(sql("select modseq from account where id = $1").bind(account)).await?;
        Ok(modseq)
    }

    /// Entries after `after`, oldest first; of these types, or of every type when there are none.
    ///
    /// # Errors
    /// The database's.
    pub async fn events(
        &self,
        account: Uuid,
        after: i64,
        types: &[String],
        limit: i64,
    ) -> Result<Vec<EventRow>> {
        let mut statement = sql("select seq, type, data, at from event where account_id = $1 and seq > $2")
            .bind(account)
            .bind(after);
        if !types.is_empty() {
            statement = statement.push(" and type in ").push_list(types);
        }
        self.all(statement.push(" order by seq limit ").push_bind(limit)).await
    }

    /// The oldest entry that is still kept.
    ///
    /// # Errors
    /// The database's.
    pub async fn oldest_event(&self, account: Uuid) -> Result<Option<i64>> {
        let row: Option<(Option<i64>,)> =
            self.first(sql("select min(seq) from event where account_id = $1").bind(account)).await?;
        Ok(row.and_then(|(seq,)| seq))
    }
}
