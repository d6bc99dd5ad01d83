//! Replies that came to a secret address without being known to be its owner's, until the owner says so.

use sqlx::FromRow;
use uuid::Uuid;

use super::account::ReplyAddress;
use super::blob::Digest;
use super::db::{Statement, sql};
use super::filing::NewEmail;
use super::{Error, Result, Store};

/// What a mail was that is filed as unverified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    /// The secret address it came to, as that is kept.
    pub reply_to: Digest,
    /// The outside address that was given it, and is asked.
    pub notified: String,
}

/// Such a mail, with what its address stands for.
#[derive(Debug, Clone, FromRow)]
pub struct UnverifiedRow {
    /// The mail as it was filed, in the account that [`Self::stands_for`] names.
    pub copy_id: Uuid,
    /// What it came as: [`NewEmail::source_id`].
    pub source_id: Vec<u8>,
    /// What the secret address was given for.
    #[sqlx(flatten)]
    pub stands_for: ReplyAddress,
}

const ROW: &str = "select u.email_id as copy_id, e.source_id, r.account_id, r.email_id, r.thread_id, r.notified, r.promise_id, \
                   r.person_id from unverified_reply u join reply_address r on r.digest = u.reply_to \
                   and r.revoked_at is null join email e on e.account_id = u.account_id and e.id = u.email_id \
                   join account c on c.id = u.account_id and c.disabled_at is null \
                   where u.confirmed_at is null and ";

impl Unverified {
    /// The row; comes with the email's.
    pub(super) fn insert(&self, email: &NewEmail) -> Statement {
        sql("insert into unverified_reply (account_id, email_id, reply_to, notified) values ($1, $2, $3, $4)")
            .bind(email.account_id)
            .bind(email.id)
            .bind(self.reply_to)
            .bind(&self.notified)
    }
}

/// Keeps what a link confirms; the mail with it is rendered in the same unit.
pub fn put_confirmation(account: Uuid, email: Uuid, digest: Digest, expires_at: i64) -> Statement {
    sql("update unverified_reply set confirm_digest = $1, confirm_expires_at = $2 \
         where account_id = $3 and email_id = $4 and confirmed_at is null")
    .bind(digest)
    .bind(expires_at)
    .bind(account)
    .bind(email)
    .expect(1)
}

impl Store {
    /// An unverified mail of an account, while its secret address works.
    ///
    /// # Errors
    /// The database's.
    pub async fn unverified(&self, account: Uuid, email: Uuid) -> Result<Option<UnverifiedRow>> {
        let by = sql(ROW).push("u.account_id = ").push_bind(account);
        self.first(by.push(" and u.email_id = ").push_bind(email)).await
    }

    /// The mail that a link confirms, while it works; looking changes nothing.
    ///
    /// # Errors
    /// The database's.
    pub async fn to_confirm(&self, digest: Digest, now: i64) -> Result<Option<UnverifiedRow>> {
        let by = sql(ROW).push("u.confirm_digest = ").push_bind(digest);
        self.first(by.push(" and u.confirm_expires_at > ").push_bind(now)).await
    }

    /// Marks a mail as its owner's.
    ///
    /// # Errors
    /// [`Error::NotFound`]: it is marked already.
    pub async fn confirmed(&self, account: Uuid, email: Uuid, now: i64) -> Result<()> {
        self.write(async move |tx| {
            let set = sql("update unverified_reply set confirmed_at = $1, confirm_digest = null \
                           where account_id = $2 and email_id = $3 and confirmed_at is null");
            match tx.run(set.bind(now).bind(account).bind(email)).await? {
                1 => Ok(()),
                _ => Err(Error::NotFound),
            }
        })
        .await
    }
}
