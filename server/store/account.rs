//! Accounts, their addresses, the domains that are ours, and what an address means here.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::FromRow;
use uuid::Uuid;

use super::db::{Statement, Value, insert, sql};
use super::mailbox::Role;
use super::{Error, Result, Store};
use crate::mail::address::Address;
use crate::mail::id::digest;
use crate::mail::return_path::ReturnPath;

/// Nodes that start within this time, in milliseconds, start together.
const TOGETHER: i64 = 60_000;

/// Who owns mail.
#[derive(Debug, Clone, FromRow)]
pub struct Account {
    /// Its id.
    pub id: Uuid,
    /// `person` or `service`.
    pub kind: String,
    /// The display name.
    pub name: String,
    /// May administer this server.
    pub admin: bool,
    /// Milliseconds.
    pub created_at: i64,
    /// Since when it can neither sign in nor receive.
    pub disabled_at: Option<i64>,
    /// Its main address, as it was written.
    pub address: String,
}

/// Person or program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody.
    Person,
    /// A program: its tokens answer questions only when that was asked for.
    Service,
}

impl Kind {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Person => "person",
            Kind::Service => "service",
        }
    }
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its id.
    pub id: Uuid,
    /// Its main address; the domain becomes one of ours.
    pub address: Address,
    /// The display name.
    pub name: String,
    /// Person or service.
    pub kind: Kind,
    /// May administer this server.
    pub admin: bool,
    /// The password's argon2id digest in PHC form; none: no sign-in by password.
    pub password: Option<String>,
}

/// What an address means here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// An account of ours.
    Local(Uuid),
    /// A secret reply address.
    Reply(ReplyAddress),
    /// A return address: what comes there is about one delivery.
    Returned(ReturnPath),
    /// Not in a domain of ours.
    Outside,
    /// In a domain of ours, but nobody has it.
    Unknown,
}

/// What a secret reply address stands for: one person's answer to one message.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ReplyAddress {
    /// Whose reply it is.
    pub account_id: Uuid,
    /// What it replies to.
    pub email_id: Uuid,
    /// The thread, in that account.
    pub thread_id: Uuid,
    /// The outside address that was given this reply address.
    pub notified: String,
    /// Of somebody outside who is asked by the account: which question.
    pub promise_id: Option<Uuid>,
    /// And who they are to it.
    pub person_id: Option<Uuid>,
}

/// A secret reply address: whoever has it may answer one message in one person's name. Never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What a reply address's local part begins with.
const REPLY: &str = "reply+";

impl Secret {
    /// From 32 hexadecimal digits.
    pub fn new(token: String) -> Self {
        Self(token)
    }

    /// Its name in the store.
    pub fn digest(&self) -> [u8; 32] {
        digest(&[b"reply", self.0.as_bytes()])
    }

    /// As it is written, to be taken out wherever it is quoted.
    pub fn token(&self) -> &str {
        &self.0
    }

    /// The address it is written as.
    pub fn address(&self, domain: &str) -> String {
        format!("{REPLY}{}@{domain}", self.0)
    }

    /// Reads it out of an address's local part, in whatever case a mail system has turned it.
    pub fn read(local: &str) -> Option<Self> {
        let (tag, token) = local.split_at_checked(REPLY.len())?;
        let hex = token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit());
        (tag.eq_ignore_ascii_case(REPLY) && hex).then(|| Self(token.to_ascii_lowercase()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

const ACCOUNT: &str = "select c.id, c.kind, c.name, c.admin, c.created_at, c.disabled_at, a.shown as address \
                       from account c join address a on a.account_id = c.id and a.main";

fn account() -> Statement {
    sql(ACCOUNT)
}

impl NewAccount {
    pub(crate) fn insert(&self, now: i64) -> Vec<Statement> {
        let mut statements = vec![
            add_domain(self.address.domain(), now),
            sql("insert into account (id, kind, name, password, admin, modseq, created_at) \
                 values ($1, $2, $3, $4, $5, 0, $6)")
            .bind(self.id)
            .bind(self.kind.as_str())
            .bind(&self.name)
            .bind(self.password.clone())
            .bind(self.admin)
            .bind(now),
            sql("insert into address (address, account_id, shown, main, created_at) values ($1, $2, $3, $4, $5)")
                .bind(self.address.key())
                .bind(self.id)
                .bind(self.address.to_string())
                .bind(true)
                .bind(now),
        ];
        let rows = Role::ALL.iter().enumerate().map(|(position, role)| {
            let id = super::mailbox::role_id(self.id, *role);
            let position = Value::from(position as i64);
            vec![self.id.into(), id.into(), role.title().into(), role.as_str().into(), position, now.into()]
        });
        statements.extend(insert(
            "insert into mailbox (account_id, id, name, role, position, created_at) values",
            rows.collect(),
        ));
        statements
    }
}

fn add_domain(name: &str, now: i64) -> Statement {
    sql("insert into domain (name, created_at) values ($1, $2) on conflict (name) do nothing")
        .bind(name)
        .bind(now)
}

/// How long the domains are known before they are read again.
pub const DOMAINS: Duration = Duration::from_secs(1);

/// The domains that are ours, as they were last read: every message is checked against them, and they seldom change.
#[derive(Default)]
pub(crate) struct Domains(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Counts what this process has changed.
    version: u64,
    names: Option<(Instant, Arc<HashSet<String>>)>,
}

impl Domains {
    /// The names; the version to read them at when they are not known.
    fn known(&self) -> Result<Arc<HashSet<String>>, u64> {
        let known = self.lock();
        match &known.names {
            Some((read, names)) if read.elapsed() < DOMAINS => Ok(names.clone()),
            _ => Err(known.version),
        }
    }

    /// Keeps what was read, unless something has changed since.
    fn keep(&self, version: u64, names: Arc<HashSet<String>>) {
        let mut known = self.lock();
        if known.version == version {
            known.names = Some((Instant::now(), names));
        }
    }

    fn forget(&self) {
        let mut known = self.lock();
        known.version += 1;
        known.names = None;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Makes an account with its address and its mailboxes.
    ///
    /// # Errors
    /// [`Error::Conflict`]: the address is taken.
    pub async fn create_account(&self, new: NewAccount, now: i64) -> Result<()> {
        let created = self.write(async move |tx| tx.batch(new.insert(now)).await.map(drop)).await;
        self.0.domains.forget();
        created
    }

    /// Makes a domain one of ours; nothing happens if it is.
    ///
    /// # Errors
    /// The database's.
    pub async fn add_domain(&self, name: String, now: i64) -> Result<()> {
        let added = self.write(async move |tx| tx.run(add_domain(&name, now)).await.map(drop)).await;
        self.0.domains.forget();
        added
    }

    /// The domains that are ours with the times since when, in milliseconds, by name; at most `limit`.
    ///
    /// # Errors
    /// The database's.
    pub async fn domains(&self, limit: i64) -> Result<Vec<(String, i64)>> {
        self.all(sql("select name, created_at from domain order by name limit $1").bind(limit)).await
    }

    /// The domains that are ours. One that another process has added is known after [`DOMAINS`] at the latest.
    ///
    /// # Errors
    /// The database's.
    pub async fn local_domains(&self) -> Result<Arc<HashSet<String>>> {
        let version = match self.0.domains.known() {
            Ok(known) => return Ok(known),
            Err(version) => version,
        };
        let rows: Vec<(String,)> = self.all(sql("select name from domain")).await?;
        let names: HashSet<String> = rows.into_iter().map(|(name,)| name).collect();
        let names = Arc::new(names);
        self.0.domains.keep(version, names.clone());
        Ok(names)
    }

    /// An account by its id.
    ///
    /// # Errors
    /// The database's.
    pub async fn account(&self, id: Uuid) -> Result<Option<Account>> {
        self.first(account().push(" where c.id = ").push_bind(id)).await
    }

    /// An account by one of its addresses, lower-cased.
    ///
    /// # Errors
    /// The database's.
    pub async fn account_by_address(&self, key: &str) -> Result<Option<Account>> {
        let by = account().push(" where c.id = (select account_id from address where address = ");
        self.first(by.push_bind(key).push(")")).await
    }

    /// Every address of an account, the main one first.
    ///
    /// # Errors
    /// The database's.
    pub async fn addresses(&self, account: Uuid) -> Result<Vec<String>> {
        let rows: Vec<(String,)> = self
            .all(
                sql("select shown from address where account_id = $1 order by main desc, address limit 200")
                    .bind(account),
            )
            .await?;
        Ok(rows.into_iter().map(|(shown,)| shown).collect())
    }

    /// Accounts in the order of their ids.
    ///
    /// # Errors
    /// The database's.
    pub async fn accounts(&self, after: Option<Uuid>, limit: i64) -> Result<Vec<Account>> {
        let all = account().push(" where c.id > ").push_bind(after.unwrap_or_default());
        self.all(all.push(" order by c.id limit ").push_bind(limit)).await
    }

    /// Whether anybody may administer this server.
    ///
    /// # Errors
    /// The database's.
    pub async fn has_administrator(&self) -> Result<bool> {
        let row: Option<(Uuid,)> =
            self.first(sql("select id from account where admin and disabled_at is null limit 1")).await?;
        Ok(row.is_some())
    }

    /// The digest of an account's password, in PHC form.
    ///
    /// # Errors
    /// The database's.
    pub async fn password(&self, account: Uuid) -> Result<Option<String>> {
        let row: Option<(Option<String>,)> =
            self.first(sql("select password from account where id = $1").bind(account)).await?;
        Ok(row.and_then(|(password,)| password))
    }

    /// Replaces an account's password.
    ///
    /// # Errors
    /// [`Error::NotFound`]; the database's.
    pub async fn set_password(&self, account: Uuid, phc: String) -> Result<()> {
        self.write(async move |tx| {
            let set = sql("update account set password = $1 where id = $2").bind(&phc).bind(account);
            if tx.run(set).await? == 1 { Ok(()) } else { Err(Error::NotFound) }
        })
        .await
    }

    /// What an address means here; the one rule for every door.
    ///
    /// # Errors
    /// The database's.
    pub async fn resolve(&self, address: &Address) -> Result<Resolved> {
        let (domains, accounts): (i64, Option<Uuid>) = self
            .one(
                sql("select (select count(*) from domain where name = $1), \
                     (select a.account_id from address a join account c on c.id = a.account_id \
                      where a.address = $2 and c.disabled_at is null)")
                .bind(address.domain())
                .bind(address.key()),
            )
            .await?;
        if let Some(account) = accounts {
            return Ok(Resolved::Local(account));
        }
        if domains == 0 {
            return Ok(Resolved::Outside);
        }
        if ReturnPath::is_one(address.local()) {
            let path = ReturnPath::read(address.local(), self.return_key().await?);
            return Ok(path.map_or(Resolved::Unknown, Resolved::Returned));
        }
        let Some(secret) = Secret::read(address.local()) else { return Ok(Resolved::Unknown) };
        let reply: Option<ReplyAddress> = self
            .first(
                sql("select r.account_id, r.email_id, r.thread_id, r.notified, r.promise_id, r.person_id from reply_address r \
                     join account c on c.id = r.account_id \
                     where r.digest = $1 and r.revoked_at is null and c.disabled_at is null")
                .bind(secret.digest()),
            )
            .await?;
        Ok(reply.map_or(Resolved::Unknown, Resolved::Reply))
    }

    /// Which of these addresses (lower-cased) are accounts of ours.
    ///
    /// # Errors
    /// The database's.
    pub async fn accounts_of(&self, keys: &[String]) -> Result<HashMap<String, Uuid>> {
        let found =
            sql("select a.address, a.account_id from address a join account c on c.id = a.account_id \
                         where c.disabled_at is null and a.address in ")
            .push_list(keys);
        let rows: Vec<(String, Uuid)> = self.all(found).await?;
        Ok(rows.into_iter().collect())
    }

    /// Keeps the digest of a one-time link that makes the first administrator.
    ///
    /// # Errors
    /// The database's.
    pub async fn put_setup(&self, digest: [u8; 32], now: i64, expires: i64) -> Result<()> {
        self.write(async move |tx| {
            let put = sql("insert into setup (digest, created_at, expires_at) values ($1, $2, $3)");
            // The link of an earlier start is worth nothing any more; those of nodes that start together all are.
            let earlier = sql("delete from setup where used_at is null and created_at < $1");
            tx.batch([earlier.bind(now - TOGETHER), put.bind(digest).bind(now).bind(expires)]).await.map(drop)
        })
        .await
    }

    /// Whether a setup link can still be used.
    ///
    /// # Errors
    /// The database's.
    pub async fn setup_valid(&self, digest: [u8; 32], now: i64) -> Result<bool> {
        let row: Option<(i64,)> = self
            .first(
                sql("select created_at from setup where digest = $1 and used_at is null and expires_at > $2")
                    .bind(digest)
                    .bind(now),
            )
            .await?;
        Ok(row.is_some())
    }

    /// Uses all setup links up and makes the account.
    ///
    /// # Errors
    /// [`Error::NotFound`]: the link is used or too old, or there is an administrator; [`Error::Conflict`]: the
    /// address is taken.
    pub async fn use_setup(&self, digest: [u8; 32], new: NewAccount, now: i64) -> Result<()> {
        let used = self.write(async move |tx| {
            // All links at once, so that of two used at the same time one finds none left.
            let spend = sql("update setup set used_at = $1 where used_at is null \
                 and exists (select 1 from setup own where own.digest = $2 and own.used_at is null \
                             and own.expires_at > $1) \
                 and not exists (select 1 from account where admin and disabled_at is null)");
            if tx.run(spend.bind(now).bind(digest)).await? == 0 {
                return Err(Error::NotFound);
            }
            tx.batch(new.insert(now)).await.map(drop)
        });
        let used = used.await;
        self.0.domains.forget();
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_address_is_read_in_any_case_and_only_whole() {
        let secret = Secret::new("0123456789abcdef0123456789abcdef".into());
        let address = secret.address("example.org");
        let local = address.split('@').next().unwrap();
        assert_eq!(Secret::read(&local.to_uppercase()), Some(secret.clone()));
        for bad in [
            "",
            "reply",
            "reply+",
            &local[..local.len() - 1],
            &format!("{local}0"),
            "reply+0123456789abcdef0123456789abcdeg",
        ] {
            assert_eq!(Secret::read(bad), None, "{bad}");
        }
        assert!(!format!("{secret:?}").contains("0123"));
    }
}
