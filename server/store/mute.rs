//! What somebody does not want to be told of: senders and threads. It is filed all the same.

use std::collections::HashSet;

use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::db::{Tx, insert, sql};
use super::email::tell;
use super::{Error, Result, Store};

/// Mutes of one account.
pub const MOST: i64 = 1000;

/// What is muted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Muted {
    /// An address, in the form that addresses are compared in.
    Sender(String),
    /// A thread of the account.
    Thread(Uuid),
}

impl Muted {
    fn columns(&self) -> (&'static str, String) {
        match self {
            Muted::Sender(address) => ("sender", address.clone()),
            Muted::Thread(id) => ("thread", id.to_string()),
        }
    }
}

/// What is to be done to threads of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Threads {
    /// They are muted, each with the id that its mute gets.
    Mute(Vec<(Uuid, Uuid)>),
    /// They are muted no longer.
    Unmute(Vec<Uuid>),
}

/// Mutes threads or ends that, and tells of those that changed.
///
/// # Errors
/// [`Error::Conflict`]: there would be more than [`MOST`] mutes.
pub(super) async fn change_threads(
    tx: &mut Tx,
    account: Uuid,
    threads: &Threads,
    now: i64,
) -> Result<Vec<Uuid>> {
    let mut changed: Vec<(String,)> = Vec::new();
    match threads {
        Threads::Mute(threads) => {
            let row = |(thread, id): &(Uuid, Uuid)| {
                vec![account.into(), (*id).into(), "thread".into(), thread.to_string().into(), now.into()]
            };
            let rows = threads.iter().map(row).collect();
            for put in insert("insert into mute (account_id, id, kind, value, created_at) values", rows) {
                let put = put.push(" on conflict (account_id, kind, value) do nothing returning value");
                changed.extend(tx.all::<(String,)>(put).await?);
            }
            let count = sql("select count(*) from mute where account_id = $1").bind(account);
            let (count,): (i64,) = tx.one(count).await?;
            if count > MOST {
                return Err(Error::Conflict);
            }
        }
        Threads::Unmute(threads) if !threads.is_empty() => {
            let values: Vec<String> = threads.iter().map(Uuid::to_string).collect();
            let gone = sql("delete from mute where kind = 'thread' and account_id = ").push_bind(account);
            changed = tx.all(gone.push(" and value in ").push_list(&values).push(" returning value")).await?;
        }
        Threads::Unmute(_) => {}
    }
    let changed: Vec<Uuid> = changed.iter().filter_map(|(value,)| Uuid::try_parse(value).ok()).collect();
    if !changed.is_empty() {
        let muted = matches!(threads, Threads::Mute(_));
        let told = changed.iter().map(|thread| json!({ "thread_id": thread, "muted": muted })).collect();
        tell(tx, account, "thread.updated", told, now).await?;
    }
    Ok(changed)
}

/// Whether a message from this sender in this thread is muted by one of these.
#[must_use]
pub fn mutes(rows: &[MuteRow], sender: &str, thread: Uuid) -> bool {
    let (sender, thread) = (sender.to_lowercase(), thread.to_string());
    rows.iter().any(|row| row.value == if row.kind == "sender" { sender.as_str() } else { thread.as_str() })
}

/// One mute.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct MuteRow {
    pub id: Uuid,
    /// `sender` or `thread`.
    pub kind: String,
    pub value: String,
    pub created_at: i64,
}

impl Store {
    /// Mutes something; doing so again changes nothing. The mute that is there.
    ///
    /// # Errors
    /// [`Error::Conflict`]: there are [`MOST`] of them.
    pub async fn mute(&self, account: Uuid, id: Uuid, muted: Muted, now: i64) -> Result<MuteRow> {
        self.write_for([account], async move |tx| {
            let (kind, value) = muted.columns();
            let put = sql("insert into mute (account_id, id, kind, value, created_at) select $1, $2, $3, $4, $5 \
                           where (select count(*) from mute where account_id = $1) < $6 \
                           on conflict (account_id, kind, value) do nothing");
            let put = put.bind(account).bind(id).bind(kind).bind(&value).bind(now).bind(MOST);
            if tx.run(put).await? == 1 && kind == "thread" {
                let told = json!({ "thread_id": value, "muted": true });
                tell(tx, account, "thread.updated", vec![told], now).await?;
            }
            let there = sql("select id, kind, value, created_at from mute where account_id = $1 and kind = $2 and value = $3");
            let there: Option<MuteRow> = tx.first(there.bind(account).bind(kind).bind(&value)).await?;
            there.ok_or(Error::Conflict)
        })
        .await
    }

    /// What an account has muted, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn mutes(&self, account: Uuid) -> Result<Vec<MuteRow>> {
        let all = sql(
            "select id, kind, value, created_at from mute where account_id = $1 order by created_at, id limit $2",
        );
        self.all(all.bind(account).bind(MOST)).await
    }

    /// A page of the same, in the order of their ids.
    ///
    /// # Errors
    /// The database's.
    pub async fn mutes_page(&self, account: Uuid, after: Option<Uuid>, limit: i64) -> Result<Vec<MuteRow>> {
        let page = sql("select id, kind, value, created_at from mute where account_id = $1 and id > $2 \
                        order by id limit $3");
        self.all(page.bind(account).bind(after.unwrap_or_default()).bind(limit)).await
    }

    /// Ends a mute.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn unmute(&self, account: Uuid, id: Uuid, now: i64) -> Result<()> {
        self.write_for([account], async move |tx| {
            let gone = sql("delete from mute where account_id = $1 and id = $2 returning kind, value");
            let (kind, value): (String, String) = tx.one(gone.bind(account).bind(id)).await?;
            if kind == "thread" {
                let told = json!({ "thread_id": value, "muted": false });
                tell(tx, account, "thread.updated", vec![told], now).await?;
            }
            Ok(())
        })
        .await
    }

    /// The threads of these emails, as far as the account has them.
    ///
    /// # Errors
    /// The database's.
    pub async fn threads_of(&self, account: Uuid, emails: &[Uuid]) -> Result<Vec<Uuid>> {
        let all = sql("select distinct thread_id from email where account_id = ").push_bind(account);
        let rows: Vec<(Uuid,)> = self.all(all.push(" and id in ").push_list(emails)).await?;
        Ok(rows.into_iter().map(|(thread,)| thread).collect())
    }

    /// Which of these threads are muted.
    ///
    /// # Errors
    /// The database's.
    pub async fn muted_threads(&self, account: Uuid, threads: &[Uuid]) -> Result<HashSet<Uuid>> {
        let values: Vec<String> = threads.iter().map(Uuid::to_string).collect();
        let all = sql("select value from mute where kind = 'thread' and account_id = ").push_bind(account);
        let rows: Vec<(String,)> = self.all(all.push(" and value in ").push_list(&values)).await?;
        Ok(rows.iter().filter_map(|(value,)| Uuid::try_parse(value).ok()).collect())
    }

    /// Whether an account wants to be told nothing of a message from this sender in this thread.
    ///
    /// # Errors
    /// The database's.
    pub async fn is_muted(&self, account: Uuid, sender: &str, thread: Uuid) -> Result<bool> {
        let any = sql("select id from mute where account_id = $1 and ((kind = 'sender' and value = $2) \
                       or (kind = 'thread' and value = $3)) limit 1");
        let any = any.bind(account).bind(sender.to_lowercase()).bind(thread.to_string());
        Ok(self.first::<(Uuid,)>(any).await?.is_some())
    }
}
