//! Indexing: work that nobody waits for, done in small units.

use uuid::Uuid;

use super::super::db::{Tx, split, sql};
use super::super::{Engine, Error, Result, Store};
use super::{dialect, place};
use crate::mail::id::derived;

/// Emails that are indexed in one unit.
const UNIT: usize = 32;
/// Octets after which a unit has enough.
const UNIT_BYTES: usize = 1 << 20;
/// Times that other places are tried when some are taken.
const TRIES: u64 = 8;

#[derive(Clone)]
struct Entry {
    account: Uuid,
    email: Uuid,
    received_at: i64,
    doc: String,
}

impl Entry {
    /// Its place; other ones for other tries.
    fn place(&self, tries: u64) -> i64 {
        let key = [self.email.as_bytes().as_slice(), &tries.to_be_bytes()].concat();
        let (_, chance) = derived("place", self.account, &key).as_u64_pair();
        place(self.received_at, (chance >> 20) as i64)
    }
}

impl Store {
    /// Puts some of the emails that are not in the search index into it; how many. Zero says that nothing waits (or
    /// that what waits cannot be read now). May be called by anyone at any time, on every node.
    ///
    /// # Errors
    /// The database's.
    pub async fn index_some(&self, limit: i64, now: i64) -> Result<usize> {
        // From another account each time, so that a long tail of one does not keep the others waiting, and several
        // nodes seldom meet.
        let from = derived("index", Uuid::nil(), &now.to_be_bytes());
        let after = sql("select account_id, email_id from search_tail where account_id >= $1 \
                         order by account_id, email_id limit $2");
        let mut tail: Vec<(Uuid, Uuid)> = self.all(after.bind(from).bind(limit)).await?;
        let rest = limit - tail.len() as i64;
        if rest > 0 {
            let before = sql("select account_id, email_id from search_tail where account_id < $1 \
                              order by account_id, email_id limit $2");
            tail.extend(self.all::<(Uuid, Uuid)>(before.bind(from).bind(rest)).await?);
        }
        let (mut done, mut bytes, mut unit) = (0, 0, Vec::new());
        for (account, email) in tail {
            let Some(row) = self.email(account, email).await? else { continue };
            let document = match self.document(&row).await {
                Ok(document) => document,
                Err(Error::Io(error)) => {
                    tracing::warn!(%email, %error, "a message cannot be read now, and is indexed later");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let doc = match &self.0.engine {
                Engine::Sqlite { .. } => dialect::columns(account, &document),
                Engine::Postgres(..) => dialect::tsvector(account, &document),
            };
            bytes += doc.len();
            unit.push(Entry { account, email, received_at: row.received_at, doc });
            if unit.len() == UNIT || bytes > UNIT_BYTES {
                done += self.index(std::mem::take(&mut unit)).await?;
                bytes = 0;
            }
        }
        Ok(done + self.index(unit).await?)
    }

    async fn index(&self, entries: Vec<Entry>) -> Result<usize> {
        for tries in 0..TRIES {
            let unit = entries.clone();
            match self.write(async move |tx| write(tx, &unit, tries).await).await {
                Err(Error::Conflict) => {} // a place was taken
                result => return result,
            }
        }
        Err(Error::Conflict)
    }
}

/// Takes the emails off the tail, and puts those that were still on it into the index.
async fn write(tx: &mut Tx, entries: &[Entry], tries: u64) -> Result<usize> {
    let mut statements = Vec::new();
    let mut done = 0;
    for of_account in entries.chunk_by(|a, b| a.account == b.account) {
        let account = of_account[0].account;
        let ids: Vec<Uuid> = of_account.iter().map(|entry| entry.email).collect();
        let take = sql("delete from search_tail where account_id = ").push_bind(account);
        let take = take.push(" and email_id in ").push_list(&ids).push(" returning email_id");
        let taken: Vec<(Uuid,)> = tx.all(take).await?;
        for entry in of_account.iter().filter(|entry| taken.contains(&(entry.email,))) {
            let put = sql("insert into search (place, account_id, email_id) values ($1, $2, $3)");
            statements.push(put.bind(entry.place(tries)).bind(account).bind(entry.email));
            let words = split(
                "insert into search_text (rowid, account, subject, sender, recipients, body) \
                 select place, $3 ->> 0, $3 ->> 1, $3 ->> 2, $3 ->> 3, $3 ->> 4 from search \
                 where account_id = $1 and email_id = $2",
                "update search set doc = $3::tsvector where account_id = $1 and email_id = $2",
            );
            statements.push(words.bind(account).bind(entry.email).bind(&entry.doc));
            done += 1;
        }
    }
    tx.batch(statements).await?;
    Ok(done)
}
