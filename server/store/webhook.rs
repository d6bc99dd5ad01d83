//! Webhooks: which programs are told of an account's events, and what signs the calls to them.

use sqlx::FromRow;
use uuid::Uuid;

use super::db::{Statement, sql};
use super::delivery::Filed;
use super::event::Event;
use super::{Error, Result, Store, Topic};

/// Webhooks of one account.
pub const MOST: i64 = 20;
/// Keys of one webhook that sign at once: older ones expire at once when there are more.
const KEYS: i64 = 4;

/// A webhook as it is kept.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct WebhookRow {
    pub account_id: Uuid,
    pub id: Uuid,
    pub url: String,
    /// Separated by spaces; empty: every type.
    pub types: String,
    /// JSON, pairs of name and value.
    pub headers: String,
    pub cursor: i64,
    /// The last event that was owed to it.
    pub told: Option<i64>,
    pub failing_since: Option<i64>,
    pub disabled_at: Option<i64>,
    pub disabled_reason: Option<String>,
    pub created_at: i64,
}

impl WebhookRow {
    /// The types of events it wants; none: every type.
    pub fn types(&self) -> Vec<String> {
        self.types.split(' ').filter(|kind| !kind.is_empty()).map(str::to_owned).collect()
    }
}

/// What signs calls.
#[derive(Debug, Clone, FromRow)]
pub struct KeyRow {
    /// Of HMAC-SHA256.
    pub secret: Vec<u8>,
    /// Of Ed25519.
    pub seed: Vec<u8>,
    /// In milliseconds.
    pub created_at: i64,
}

/// A new key.
#[derive(Debug, Clone, Copy)]
pub struct NewKey {
    /// Its id.
    pub id: Uuid,
    /// Of HMAC-SHA256.
    pub secret: [u8; 32],
    /// Of Ed25519.
    pub seed: [u8; 32],
}

/// What signs the calls to the callback addresses of an account's questions has this in the place of a webhook.
pub const CALLBACKS: Uuid = Uuid::nil();

pub(super) const WEBHOOKS: &str = "select w.account_id, w.id, w.url, w.types, w.headers, w.cursor, w.told, \
     w.failing_since, w.disabled_at, w.disabled_reason, w.created_at from webhook w ";

impl NewKey {
    fn insert(&self, account: Uuid, webhook: Uuid, now: i64) -> Statement {
        sql("insert into webhook_key (account_id, webhook_id, id, secret, seed, created_at) \
             values ($1, $2, $3, $4, $5, $6)")
        .bind(account)
        .bind(webhook)
        .bind(self.id)
        .bind(self.secret)
        .bind(self.seed)
        .bind(now)
    }
}

impl Store {
    /// Keeps a webhook; it is told of what happens from now on.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the account has [`MOST`] of them.
    pub async fn create_webhook(&self, row: WebhookRow, key: NewKey) -> Result<()> {
        self.write(async move |tx| {
            // Of two at once, the second counts the first.
            super::email::lock(tx, row.account_id).await?;
            let put = sql("insert into webhook (account_id, id, url, types, headers, cursor, created_at) \
                           select $1, $2, $3, $4, $5, a.modseq, $6 from account a where a.id = $1 \
                           and (select count(*) from webhook where account_id = $1) < $7");
            let put =
                put.bind(row.account_id).bind(row.id).bind(&row.url).bind(&row.types).bind(&row.headers);
            let put = put.bind(row.created_at).bind(MOST).expect(1);
            tx.batch([put, key.insert(row.account_id, row.id, row.created_at)]).await.map(drop)
        })
        .await
    }

    /// An account's webhooks.
    ///
    /// # Errors
    /// The database's.
    pub async fn webhooks(&self, account: Uuid) -> Result<Vec<WebhookRow>> {
        let by = sql(WEBHOOKS).push("where w.account_id = ").push_bind(account);
        self.all(by.push(" order by w.id limit ").push_bind(MOST)).await
    }

    /// One webhook of an account.
    ///
    /// # Errors
    /// The database's.
    pub async fn webhook(&self, account: Uuid, id: Uuid) -> Result<Option<WebhookRow>> {
        let by = sql(WEBHOOKS).push("where w.account_id = ").push_bind(account).push(" and w.id = ");
        self.first(by.push_bind(id)).await
    }

    /// Sets what can be set of a webhook. One that is `switched_on` again goes on from now.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn set_webhook(&self, row: WebhookRow, switched_on: bool, now: i64) -> Result<()> {
        self.write(async move |tx| {
            // What switches it off meanwhile stands, unless this switches it on.
            let set = sql("update webhook set url = $1, types = $2, headers = $3, \
                           disabled_at = case when $6 then null when $9 then $4 else disabled_at end, \
                           disabled_reason = case when $6 then null when $9 then $5 else disabled_reason end, \
                           failing_since = case when $6 then null else failing_since end, \
                           cursor = case when $6 then (select a.modseq from account a where a.id = $7) else cursor end \
                           where account_id = $7 and id = $8");
            let set = set
                .bind(&row.url)
                .bind(&row.types)
                .bind(&row.headers)
                .bind(row.disabled_at)
                .bind(row.disabled_reason.clone())
                .bind(switched_on)
                .bind(row.account_id)
                .bind(row.id)
                .bind(row.disabled_at == Some(now));
            if tx.run(set).await? != 1 {
                return Err(Error::NotFound);
            }
            if row.disabled_at.is_none() {
                return Ok(());
            }
            tx.batch([withdraw(row.account_id, row.id, now)]).await.map(drop)
        })
        .await
    }

    /// Forgets a webhook with its keys, and takes back what was still owed to it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_webhook(&self, account: Uuid, id: Uuid, now: i64) -> Result<()> {
        self.write(async move |tx| {
            let gone = sql("delete from webhook where account_id = $1 and id = $2");
            if tx.run(gone.bind(account).bind(id)).await? != 1 {
                return Err(Error::NotFound);
            }
            let keys = sql("delete from webhook_key where account_id = $1 and webhook_id = $2");
            tx.batch([keys.bind(account).bind(id), withdraw(account, id, now)]).await.map(drop)
        })
        .await
    }

    /// Switches a webhook off, tells its account by an event and a message, and takes back what was still owed to it.
    /// One that is off already stays as it is.
    ///
    /// # Errors
    /// The database's.
    pub async fn disable_webhook(
        &self,
        account: Uuid,
        id: Uuid,
        reason: &'static str,
        message: Filed,
        now: i64,
    ) -> Result<()> {
        self.write_for([account], async move |tx| {
            let off = sql(
                "update webhook set disabled_at = $1, disabled_reason = $2 where account_id = $3 and id = $4 \
                           and disabled_at is null",
            );
            if tx.run(off.bind(now).bind(reason).bind(account).bind(id)).await? != 1 {
                return Ok(());
            }
            tx.batch([withdraw(account, id, now)]).await?;
            let data =
                serde_json::json!({ "webhook_id": id, "reason": reason, "message_id": message.email.id });
            tx.ring(Topic::Queue);
            tx.tell(vec![message.told(now), (Event::new(account, "webhook.disabled", data), Vec::new())], now)
                .await
        })
        .await
    }

    /// Notes since when a webhook has failed, or that it no longer does.
    ///
    /// # Errors
    /// The database's.
    pub async fn webhook_fails(&self, account: Uuid, id: Uuid, since: Option<i64>) -> Result<()> {
        self.write(async move |tx| {
            let note = sql("update webhook set failing_since = $1 where account_id = $2 and id = $3");
            tx.run(note.bind(since).bind(account).bind(id)).await.map(drop)
        })
        .await
    }

    /// What signs a webhook's calls now, newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn webhook_keys(&self, account: Uuid, webhook: Uuid, now: i64) -> Result<Vec<KeyRow>> {
        let keys = sql(
            "select secret, seed, created_at from webhook_key where account_id = $1 and webhook_id = $2 \
                        and (expires_at is null or expires_at > $3) order by id desc limit $4",
        );
        self.all(keys.bind(account).bind(webhook).bind(now).bind(KEYS)).await
    }

    /// Gives a webhook its first key, unless it has one.
    ///
    /// # Errors
    /// The database's.
    pub async fn first_webhook_key(&self, account: Uuid, webhook: Uuid, key: NewKey, now: i64) -> Result<()> {
        self.write(async move |tx| {
            let there = sql("select count(*) from webhook_key where account_id = $1 and webhook_id = $2 \
                             and expires_at is null");
            super::email::lock(tx, account).await?;
            let (there,): (i64,) = tx.one(there.bind(account).bind(webhook)).await?;
            if there > 0 {
                return Ok(());
            }
            tx.run(key.insert(account, webhook, now)).await.map(drop)
        })
        .await
    }

    /// Gives a webhook a new key; the earlier ones sign beside it until `until`.
    ///
    /// # Errors
    /// The database's.
    pub async fn rotate_webhook(
        &self,
        account: Uuid,
        webhook: Uuid,
        key: NewKey,
        until: i64,
        now: i64,
    ) -> Result<()> {
        self.write(async move |tx| {
            let old =
                sql("delete from webhook_key where account_id = $1 and webhook_id = $2 and expires_at <= $3");
            let end =
                sql("update webhook_key set expires_at = $1 where account_id = $2 and webhook_id = $3 \
                           and expires_at is null");
            tx.batch([
                old.bind(account).bind(webhook).bind(now),
                end.bind(until).bind(account).bind(webhook),
                key.insert(account, webhook, now),
            ])
            .await
            .map(drop)
        })
        .await
    }
}

fn withdraw(account: Uuid, webhook: Uuid, now: i64) -> Statement {
    sql("update delivery set settled_at = $1, outcome = 'canceled', lease = null, leased_until = null \
         where account_id = $2 and subject_id = $3 and kind = 'webhook' and settled_at is null")
    .bind(now)
    .bind(account)
    .bind(webhook)
}
