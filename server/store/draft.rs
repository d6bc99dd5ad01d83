//! Drafts: messages as far as they are written, and what an account's owner likes the inbox to be like. Both are
//! texts that the API checks; nothing here reads them.

use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::db::{Statement, sql};
use super::event::Event;
use super::{Error, Result, Store};

/// Drafts an account may have.
pub const MOST: i64 = 500;

/// A draft as it is kept.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct DraftRow {
    pub id: Uuid,
    /// JSON.
    pub body: String,
    pub version: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

fn told(account: Uuid, id: Uuid, destroyed: bool) -> Event {
    Event::new(account, "draft.updated", json!({ "draft_id": id, "destroyed": destroyed }))
}

/// Deletes a draft in the unit that sends it; that unit fails when somebody else has sent or deleted it meanwhile.
pub fn consume(account: Uuid, id: Uuid, version: i64) -> Statement {
    sql("delete from draft where account_id = $1 and id = $2 and version = $3")
        .bind(account)
        .bind(id)
        .bind(version)
        .expect(1)
}

impl Store {
    /// A page of an account's drafts, last changed first.
    ///
    /// # Errors
    /// The database's.
    pub async fn drafts(
        &self,
        account: Uuid,
        after: Option<(i64, Uuid)>,
        limit: i64,
    ) -> Result<Vec<DraftRow>> {
        let mut list = sql("select id, body, version, created_at, updated_at from draft where account_id = ")
            .push_bind(account);
        if let Some((updated_at, id)) = after {
            list = list.push(" and (updated_at, id) < (").push_bind(updated_at);
            list = list.push(", ").push_bind(id).push(")");
        }
        self.all(list.push(" order by updated_at desc, id desc limit ").push_bind(limit)).await
    }

    /// One draft of an account.
    ///
    /// # Errors
    /// The database's.
    pub async fn draft(&self, account: Uuid, id: Uuid) -> Result<Option<DraftRow>> {
        let by = sql(
            "select id, body, version, created_at, updated_at from draft where account_id = $1 and id = $2",
        );
        self.first(by.bind(account).bind(id)).await
    }

    /// Keeps a draft under its id, in the place of what was there. `expected` is the version it must still have;
    /// `Some(0)`: there must be none yet.
    ///
    /// # Errors
    /// [`Error::Conflict`]: it is another version now; [`Error::NotFound`]: there is no place for a new one, with [`MOST`]
    /// drafts already.
    pub async fn put_draft(
        &self,
        account: Uuid,
        id: Uuid,
        body: String,
        expected: Option<i64>,
        now: i64,
    ) -> Result<()> {
        self.write_for([account], async move |tx| {
            super::email::lock(tx, account).await?;
            let there = sql("select version from draft where account_id = $1 and id = $2");
            let there: Option<(i64,)> = tx.first(there.bind(account).bind(id)).await?;
            let version = there.map_or(0, |(version,)| version);
            if expected.is_some_and(|expected| expected != version) {
                return Err(Error::Conflict);
            }
            if there.is_none() {
                let count = sql("select count(*) from draft where account_id = $1").bind(account);
                let (count,): (i64,) = tx.one(count).await?;
                if count >= MOST {
                    return Err(Error::NotFound);
                }
            }
            let put = sql("insert into draft (account_id, id, body, version, created_at, updated_at) \
                           select id, $2, $3, modseq, $4, $4 from account where id = $1 \
                           on conflict (account_id, id) do update set body = excluded.body, \
                           version = excluded.version, updated_at = excluded.updated_at");
            let put = put.bind(account).bind(id).bind(&body).bind(now).expect(1);
            tx.tell(vec![(told(account, id, false), vec![put])], now).await
        })
        .await
    }

    /// Deletes a draft.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_draft(&self, account: Uuid, id: Uuid, now: i64) -> Result<()> {
        self.write_for([account], async move |tx| {
            super::email::lock(tx, account).await?;
            let gone = sql("delete from draft where account_id = $1 and id = $2");
            if tx.run(gone.bind(account).bind(id)).await? == 0 {
                return Err(Error::NotFound);
            }
            tx.tell(vec![(told(account, id, true), vec![])], now).await
        })
        .await
    }

    /// What an account's owner has chosen, as JSON.
    ///
    /// # Errors
    /// The database's.
    pub async fn preference(&self, account: Uuid) -> Result<Option<String>> {
        let by = sql("select body from preference where account_id = $1").bind(account);
        Ok(self.first::<(String,)>(by).await?.map(|(body,)| body))
    }

    /// Keeps what an account's owner has chosen.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_preference(&self, account: Uuid, body: String, now: i64) -> Result<()> {
        self.write_for([account], async move |tx| {
            let put = sql("insert into preference (account_id, body, updated_at) values ($1, $2, $3) \
                           on conflict (account_id) do update set body = excluded.body, updated_at = excluded.updated_at");
            let put = put.bind(account).bind(&body).bind(now);
            let event = Event::new(account, "settings.updated", json!({}));
            tx.tell(vec![(event, vec![put])], now).await
        })
        .await
    }
}
