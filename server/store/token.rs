//! How accounts prove who they are: API tokens, browser sessions, and the brake on guessing. Secrets are kept
//! only as SHA-256 digests.

use std::collections::HashMap;

use sqlx::FromRow;
use uuid::Uuid;

use super::account::Account;
use super::db::sql;
use super::together::AsyncRead;
use super::{Error, Result, Store};

/// A token to be made.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct NewToken {
    pub account_id: Uuid,
    pub id: Uuid,
    pub name: String,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// Separated by spaces.
    pub scopes: String,
    pub expires_at: Option<i64>,
}

/// A token as it is kept; the token itself is nowhere.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct TokenRow {
    pub account_id: Uuid,
    pub id: Uuid,
    pub name: String,
    pub scopes: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub revoked_at: Option<i64>,
}

/// A session to be made.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct NewSession {
    pub account_id: Uuid,
    pub id: Uuid,
    pub digest: [u8; 32],
    pub user_agent: String,
    pub expires_at: i64,
}

/// A browser's session.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns of the row")]
pub struct SessionRow {
    pub account_id: Uuid,
    pub id: Uuid,
    pub user_agent: String,
    pub created_at: i64,
    pub seen_at: i64,
    pub expires_at: i64,
}

/// Failures before a subject is made to wait.
const FREE_FAILURES: i64 = 5;
/// The longest wait, in milliseconds.
const LONGEST: i64 = 15 * 60 * 1000;
/// Failures are forgotten after this long without another, in milliseconds.
const FORGET: i64 = 24 * 60 * 60 * 1000;

/// A token or a session, with whose it is.
#[derive(Debug, Clone)]
pub struct Credential<T> {
    /// Whose.
    pub account: Account,
    /// The place of the account's log when this was read.
    pub modseq: i64,
    /// The token or session itself.
    pub row: T,
}

/// Looks tokens up.
pub(super) struct Credentials(Store);

/// A token with its digest.
#[derive(FromRow)]
struct Digested {
    digest: Vec<u8>,
    #[sqlx(flatten)]
    token: TokenRow,
}

impl AsyncRead<[u8; 32], Credential<TokenRow>> for Credentials {
    async fn read(&self, digests: Vec<[u8; 32]>) -> Result<HashMap<[u8; 32], Credential<TokenRow>>> {
        let by = sql(
            "select t.digest, t.account_id, t.id, t.name, t.scopes, t.created_at, t.expires_at, t.revoked_at, \
                      c.kind as account_kind, c.name as account_name, c.admin as account_admin, \
                      c.created_at as account_created_at, c.modseq as account_modseq, \
                      a.shown as account_address \
                      from token t join account c on c.id = t.account_id \
                      join address a on a.account_id = c.id and a.main \
                      where c.disabled_at is null and t.digest in ",
        );
        let rows: Vec<Joined<Digested>> = self.0.all(by.push_list(&digests)).await?;
        let found = rows.into_iter().map(Joined::split).filter_map(|Credential { account, modseq, row }| {
            // Another length can be nobody's.
            Some((row.digest.try_into().ok()?, Credential { account, modseq, row: row.token }))
        });
        Ok(found.collect())
    }
}

impl Store {
    /// Makes a token.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_token(&self, new: NewToken, now: i64) -> Result<()> {
        self.write(async move |tx| {
            let put =
                sql("insert into token (account_id, id, name, digest, scopes, created_at, expires_at) \
                           values ($1, $2, $3, $4, $5, $6, $7)");
            let put = put.bind(new.account_id).bind(new.id).bind(&new.name).bind(new.digest);
            tx.run(put.bind(&new.scopes).bind(now).bind(new.expires_at)).await.map(drop)
        })
        .await
    }

    /// An account's tokens that were not revoked, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn tokens(&self, account: Uuid, after: Option<Uuid>, limit: i64) -> Result<Vec<TokenRow>> {
        self.all(
            sql("select account_id, id, name, scopes, created_at, expires_at, revoked_at from token \
                 where account_id = $1 and id > $2 and revoked_at is null order by id limit $3")
            .bind(account)
            .bind(after.unwrap_or_default())
            .bind(limit),
        )
        .await
    }

    /// Revokes a token at once.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke_token(&self, account: Uuid, id: Uuid, now: i64) -> Result<()> {
        self.write(async move |tx| {
            let revoke = sql(
                "update token set revoked_at = $1 where account_id = $2 and id = $3 and revoked_at is null",
            );
            if tx.run(revoke.bind(now).bind(account).bind(id)).await? == 1 {
                Ok(())
            } else {
                Err(Error::NotFound)
            }
        })
        .await
    }

    /// Whose token this is, also a revoked or expired one; nobody's if the account is disabled.
    ///
    /// # Errors
    /// The database's.
    pub async fn credential_by_token(&self, digest: [u8; 32]) -> Result<Option<Credential<TokenRow>>> {
        match self.0.credentials.find(digest, Credentials(self.clone())).await {
            Some(found) => Ok(found),
            None => Ok(Credentials(self.clone()).read(vec![digest]).await?.remove(&digest)),
        }
    }

    /// Makes a session.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_session(&self, new: NewSession, now: i64) -> Result<()> {
        self.write(async move |tx| {
            let put = sql(
                "insert into session (account_id, id, digest, user_agent, created_at, seen_at, expires_at) \
                           values ($1, $2, $3, $4, $5, $5, $6)",
            );
            let put = put.bind(new.account_id).bind(new.id).bind(new.digest).bind(&new.user_agent);
            tx.run(put.bind(now).bind(new.expires_at)).await.map(drop)
        })
        .await
    }

    /// Whose session this is, if it is neither revoked nor over and its account is not disabled.
    ///
    /// # Errors
    /// The database's.
    pub async fn session(&self, digest: [u8; 32], now: i64) -> Result<Option<Credential<SessionRow>>> {
        let row: Option<Joined<SessionRow>> = self
            .first(
                sql("select s.account_id, s.id, s.user_agent, s.created_at, s.seen_at, s.expires_at, \
                     c.kind as account_kind, c.name as account_name, c.admin as account_admin, \
                     c.created_at as account_created_at, c.modseq as account_modseq, \
                     a.shown as account_address \
                     from session s join account c on c.id = s.account_id \
                     join address a on a.account_id = c.id and a.main \
                     where s.digest = $1 and s.expires_at > $2 and s.revoked_at is null and c.disabled_at is null")
                .bind(digest)
                .bind(now),
            )
            .await?;
        Ok(row.map(Joined::split))
    }

    /// An account's live sessions, newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn sessions(&self, account: Uuid, now: i64) -> Result<Vec<SessionRow>> {
        self.all(
            sql("select account_id, id, user_agent, created_at, seen_at, expires_at from session \
                 where account_id = $1 and revoked_at is null and expires_at > $2 order by id desc limit 200")
            .bind(account)
            .bind(now),
        )
        .await
    }

    /// Ends a session at once.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke_session(&self, account: Uuid, id: Uuid, now: i64) -> Result<()> {
        self.write(async move |tx| {
            let end = sql(
                "update session set revoked_at = $1 where account_id = $2 and id = $3 and revoked_at is null",
            );
            if tx.run(end.bind(now).bind(account).bind(id)).await? == 1 {
                Ok(())
            } else {
                Err(Error::NotFound)
            }
        })
        .await
    }

    /// Ends every session of an account but one.
    ///
    /// # Errors
    /// The database's.
    pub async fn revoke_other_sessions(&self, account: Uuid, except: Option<Uuid>, now: i64) -> Result<()> {
        self.write(async move |tx| {
            let end = sql("update session set revoked_at = $1 where account_id = $2 and id <> $3 and revoked_at is null");
            tx.run(end.bind(now).bind(account).bind(except.unwrap_or_default())).await.map(drop)
        })
        .await
    }

    /// Until when the first of these subjects that is blocked is blocked.
    ///
    /// # Errors
    /// The database's.
    pub async fn blocked_until(&self, subjects: &[String], now: i64) -> Result<Option<i64>> {
        let worst = sql("select max(blocked_until) from throttle where blocked_until > ").push_bind(now);
        let row: Option<(Option<i64>,)> =
            self.first(worst.push(" and subject in ").push_list(subjects)).await?;
        Ok(row.and_then(|(until,)| until))
    }

    /// Counts a failure against each subject; from the sixth on each doubles the wait.
    ///
    /// # Errors
    /// The database's.
    pub async fn strike(&self, subjects: Vec<String>, now: i64) -> Result<()> {
        self.write(async move |tx| {
            for subject in &subjects {
                let count = sql("insert into throttle (subject, failures, blocked_until, updated_at) \
                                 values ($1, 1, 0, $2) on conflict (subject) do update set \
                                 failures = case when throttle.updated_at < $3 then 1 else throttle.failures + 1 end, \
                                 updated_at = $2 returning failures");
                let (failures,): (i64,) = tx.one(count.bind(subject).bind(now).bind(now - FORGET)).await?;
                let over = failures - FREE_FAILURES;
                if over > 0 {
                    let wait = (1000_i64 << over.min(20)).min(LONGEST);
                    let block = sql("update throttle set blocked_until = $1 where subject = $2");
                    tx.run(block.bind(now + wait).bind(subject)).await?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Forgets a subject's failures.
    ///
    /// # Errors
    /// The database's.
    pub async fn unstrike(&self, subject: String) -> Result<()> {
        self.write(async move |tx| {
            tx.run(sql("delete from throttle where subject = $1").bind(&subject)).await.map(drop)
        })
        .await
    }
}

/// A credential's row with the account it belongs to.
#[derive(FromRow)]
struct Joined<T> {
    #[sqlx(flatten)]
    row: T,
    account_id: Uuid,
    account_kind: String,
    account_name: String,
    account_admin: bool,
    account_created_at: i64,
    account_modseq: i64,
    account_address: String,
}

impl<T> Joined<T> {
    fn split(self) -> Credential<T> {
        let account = Account {
            id: self.account_id,
            kind: self.account_kind,
            name: self.account_name,
            admin: self.account_admin,
            created_at: self.account_created_at,
            disabled_at: None,
            address: self.account_address,
        };
        Credential { account, modseq: self.account_modseq, row: self.row }
    }
}
