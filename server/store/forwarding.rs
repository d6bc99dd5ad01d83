//! Forwarding: outside addresses that are told of what arrives, and the secret addresses their replies come back
//! to.

use sqlx::FromRow;
use uuid::Uuid;

use super::account::{ReplyAddress, Secret};
use super::blob::Blob;
use super::db::{Statement, sql};
use super::delivery::NewDelivery;
use super::{Error, Result, Store, Topic};

/// Outside addresses an account may have.
pub const MOST: i64 = 5;

/// An outside address of an account.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct ForwardingRow {
    pub account_id: Uuid,
    pub id: Uuid,
    pub address: String,
    /// `full` or `notice`.
    pub content: String,
    pub verified_at: Option<i64>,
    pub created_at: i64,
}

/// The mail that asks an outside address whether it wants this.
#[derive(Debug, Clone)]
pub struct Verification {
    /// SHA-256 of the token in the mail's link.
    pub digest: [u8; 32],
    /// Until when the link works, in milliseconds.
    pub expires_at: i64,
    /// The mail.
    pub blob: Blob,
    /// Its way out.
    pub delivery: NewDelivery,
}

const COLUMNS: &str =
    "select account_id, id, address, content, verified_at, created_at from forwarding where ";

impl Verification {
    fn send(&self, now: i64) -> Vec<Statement> {
        let mut statements = vec![self.blob.insert(now)];
        statements.extend(NewDelivery::insert(std::slice::from_ref(&self.delivery)));
        statements
    }
}

impl Store {
    /// Keeps an outside address and sends it the question whether it wants this.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the account has it, or has [`MOST`] of them.
    pub async fn create_forwarding(
        &self,
        account: Uuid,
        id: Uuid,
        address: String,
        content: String,
        verification: Verification,
        now: i64,
    ) -> Result<()> {
        self.write(async move |tx| {
            super::email::lock(tx, account).await?;
            let put = sql("insert into forwarding (account_id, id, address, content, confirm_digest, confirm_expires_at, \
                           created_at) select $1, $2, $3, $4, $5, $6, $7 \
                           where (select count(*) from forwarding where account_id = $1) < $8");
            let put = put.bind(account).bind(id).bind(&address).bind(&content).bind(verification.digest);
            let put = put.bind(verification.expires_at).bind(now).bind(MOST).expect(1);
            tx.ring(Topic::Queue);
            tx.batch([put].into_iter().chain(verification.send(now))).await.map(drop)
        })
        .await
    }

    /// Sends the question again, with a new link; the old one no longer works.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`]: it is verified.
    pub async fn verify_again(
        &self,
        account: Uuid,
        id: Uuid,
        verification: Verification,
        now: i64,
    ) -> Result<()> {
        self.write(async move |tx| {
            let there =
                sql("select id from forwarding where account_id = $1 and id = $2").bind(account).bind(id);
            let _: (Uuid,) = tx.one(there).await?;
            let set = sql("update forwarding set confirm_digest = $1, confirm_expires_at = $2 \
                           where account_id = $3 and id = $4 and verified_at is null");
            let set =
                set.bind(verification.digest).bind(verification.expires_at).bind(account).bind(id).expect(1);
            tx.ring(Topic::Queue);
            tx.batch([set].into_iter().chain(verification.send(now))).await.map(drop)
        })
        .await
    }

    /// An account's outside addresses.
    ///
    /// # Errors
    /// The database's.
    pub async fn forwardings(&self, account: Uuid) -> Result<Vec<ForwardingRow>> {
        let by = sql(COLUMNS).push("account_id = ").push_bind(account);
        self.all(by.push(" order by id limit ").push_bind(MOST)).await
    }

    /// One outside address of an account.
    ///
    /// # Errors
    /// The database's.
    pub async fn forwarding(&self, account: Uuid, id: Uuid) -> Result<Option<ForwardingRow>> {
        self.first(sql(COLUMNS).push("account_id = ").push_bind(account).push(" and id = ").push_bind(id))
            .await
    }

    /// The verified outside addresses of these accounts.
    ///
    /// # Errors
    /// The database's.
    pub async fn verified_forwardings(&self, accounts: &[Uuid]) -> Result<Vec<ForwardingRow>> {
        let by = sql(COLUMNS).push("verified_at is not null and account_id in ").push_list(accounts);
        self.all(by.push(" order by account_id, id")).await
    }

    /// The address a confirmation link is for, while it works; looking changes nothing.
    ///
    /// # Errors
    /// The database's.
    pub async fn confirmable(&self, digest: [u8; 32], now: i64) -> Result<Option<ForwardingRow>> {
        let by = sql(COLUMNS).push("confirm_digest = ").push_bind(digest);
        self.first(by.push(" and verified_at is null and confirm_expires_at > ").push_bind(now)).await
    }

    /// Confirms an outside address.
    ///
    /// # Errors
    /// [`Error::NotFound`]: the link is used or too old.
    pub async fn confirm(&self, digest: [u8; 32], now: i64) -> Result<()> {
        self.write(async move |tx| {
            let set = sql(
                "update forwarding set verified_at = $1, confirm_digest = null where confirm_digest = $2 \
                           and verified_at is null and confirm_expires_at > $1",
            );
            if tx.run(set.bind(now).bind(digest)).await? == 1 { Ok(()) } else { Err(Error::NotFound) }
        })
        .await
    }

    /// Sets whether the whole message or only a notice goes there.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn set_forwarding(&self, account: Uuid, id: Uuid, content: String) -> Result<()> {
        self.write(async move |tx| {
            let set = sql("update forwarding set content = $1 where account_id = $2 and id = $3");
            if tx.run(set.bind(&content).bind(account).bind(id)).await? == 1 {
                Ok(())
            } else {
                Err(Error::NotFound)
            }
        })
        .await
    }

    /// Forgets an outside address: the notices that still wait for it are taken back, and the secret addresses it
    /// was given no longer work.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_forwarding(&self, account: Uuid, id: Uuid, now: i64) -> Result<()> {
        self.write(async move |tx| {
            let gone = sql("delete from forwarding where account_id = $1 and id = $2 returning address");
            let (address,): (String,) = tx.one(gone.bind(account).bind(id)).await?;
            let stop = sql("update delivery set settled_at = $1, outcome = 'canceled', lease = null, leased_until = null \
                            where account_id = $2 and kind = 'notice' and subject_id = $3 and settled_at is null");
            let revoke = sql("update reply_address set revoked_at = $1 where account_id = $2 and notified = $3 \
                              and revoked_at is null");
            let links = sql("delete from answer_link where person_id = $1 and address = $2");
            tx.batch([
                stop.bind(now).bind(account).bind(id),
                revoke.bind(now).bind(account).bind(&address),
                links.bind(account).bind(&address),
            ])
            .await
            .map(drop)
        })
        .await
    }
}

/// The row of a secret reply address.
pub fn put_reply_address(secret: &Secret, stands_for: &ReplyAddress, now: i64) -> Statement {
    sql("insert into reply_address (digest, account_id, email_id, thread_id, notified, promise_id, person_id, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)")
    .bind(secret.digest())
    .bind(stands_for.account_id)
    .bind(stands_for.email_id)
    .bind(stands_for.thread_id)
    .bind(&stands_for.notified)
    .bind(stands_for.promise_id)
    .bind(stands_for.person_id)
    .bind(now)
}
