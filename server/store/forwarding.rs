//! Forwarding: outside addresses that are told of what arrives, and the secret addresses their replies come back
//! to.

use sqlx::FromRow;
use uuid::Uuid;

use super::account::{ReplyAddress, Secret};
use super::blob::Blob;
use super::db::{Statement, sql};
use super::delivery::NewDelivery;
use super::mailbox::{Role, role_id};
use super::{Error, Result, Store, Topic};
use crate::mail::hours::Hours;

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
    hours: Option<String>,
    /// When its owner unsubscribed, in milliseconds.
    pub paused_at: Option<i64>,
    /// Up to when messages are in a digest, in milliseconds.
    pub digested_at: Option<i64>,
    pub created_at: i64,
}

impl ForwardingRow {
    /// When it is told.
    #[must_use]
    pub fn hours(&self) -> Hours {
        Hours::read(self.hours.as_deref())
    }
}

/// What is to be changed of an outside address; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// `full` or `notice`.
    pub content: Option<String>,
    /// When it is told.
    pub hours: Option<Hours>,
    /// Whether nothing more goes there.
    pub paused: Option<bool>,
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

const COLUMNS: &str = "select account_id, id, address, content, verified_at, hours, paused_at, digested_at, created_at from forwarding where ";

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
    #[expect(clippy::too_many_arguments, reason = "the columns of the row, and the mail that asks")]
    pub async fn create_forwarding(
        &self,
        account: Uuid,
        id: Uuid,
        address: String,
        content: String,
        hours: Option<Hours>,
        verification: Verification,
        now: i64,
    ) -> Result<()> {
        self.write(async move |tx| {
            super::email::lock(tx, account).await?;
            let put = sql("insert into forwarding (account_id, id, address, content, confirm_digest, confirm_expires_at, \
                           created_at, hours) select $1, $2, $3, $4, $5, $6, $7, $9 \
                           where (select count(*) from forwarding where account_id = $1) < $8");
            let put = put.bind(account).bind(id).bind(&address).bind(&content).bind(verification.digest);
            let put = put.bind(verification.expires_at).bind(now).bind(MOST).bind(hours.as_ref().and_then(Hours::kept));
            tx.ring(Topic::Queue);
            tx.batch([put.expect(1)].into_iter().chain(verification.send(now))).await.map(drop)
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
        let by = sql(COLUMNS)
            .push("verified_at is not null and paused_at is null and account_id in ")
            .push_list(accounts);
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

    /// Changes what goes there, and when. Pausing takes back what still waits; other hours hold for what comes later.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn change_forwarding(&self, account: Uuid, id: Uuid, change: Change, now: i64) -> Result<()> {
        self.write(async move |tx| {
            let set = sql("update forwarding set content = coalesce($1, content), \
                           hours = case when $2 then $3 else hours end, \
                           paused_at = case when $4 = 1 then coalesce(paused_at, $5) when $4 = 0 then null \
                           else paused_at end where account_id = $6 and id = $7");
            let paused = change.paused.map_or(2_i64, i64::from);
            let set = set.bind(change.content.clone()).bind(change.hours.is_some());
            let set = set.bind(change.hours.as_ref().and_then(Hours::kept)).bind(paused).bind(now);
            if tx.run(set.bind(account).bind(id)).await? != 1 {
                return Err(Error::NotFound);
            }
            if change.paused == Some(true) {
                tx.run(stop(account, id, now)).await?;
            }
            Ok(())
        })
        .await
    }

    /// What an account has in its inbox that came within a time and was not seen; oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn unseen(&self, account: Uuid, after: i64, until: i64, limit: i64) -> Result<Vec<Unseen>> {
        let rows = sql(
            "select e.thread_id, e.subject, e.from_name, e.from_address, e.preview, e.received_at \
                        from email e where e.account_id = $1 and e.mailbox_id = $2 and not e.seen and not e.outgoing \
                        and e.received_at > $3 and e.received_at <= $4 order by e.received_at, e.id limit $5",
        );
        let rows = rows.bind(account).bind(role_id(account, Role::Inbox)).bind(after).bind(until);
        self.all(rows.bind(limit)).await
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
            let revoke =
                sql("update reply_address set revoked_at = $1 where account_id = $2 and notified = $3 \
                              and revoked_at is null");
            let links = sql("delete from answer_link where person_id = $1 and address = $2");
            tx.batch([
                stop(account, id, now),
                revoke.bind(now).bind(account).bind(&address),
                links.bind(account).bind(&address),
            ])
            .await
            .map(drop)
        })
        .await
    }
}

/// A message that a digest may tell of.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct Unseen {
    pub thread_id: Uuid,
    pub subject: String,
    pub from_name: Option<String>,
    pub from_address: Option<String>,
    pub preview: String,
    pub received_at: i64,
}

/// Takes back what still waits for an outside address.
fn stop(account: Uuid, id: Uuid, now: i64) -> Statement {
    sql("update delivery set settled_at = $1, outcome = 'canceled', lease = null, leased_until = null \
         where account_id = $2 and kind in ('notice', 'digest') and subject_id = $3 and settled_at is null")
    .bind(now)
    .bind(account)
    .bind(id)
}

/// Marks that what came until now is in a digest.
pub fn digested(account: Uuid, id: Uuid, now: i64) -> Statement {
    sql("update forwarding set digested_at = $1 where account_id = $2 and id = $3")
        .bind(now)
        .bind(account)
        .bind(id)
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
