//! The keys that outgoing mail is signed with.

use super::db::sql;
use super::{Error, Result, Store};
use crate::mail::dkim::Key;

/// What the name of a key in the store begins with.
const DKIM: &str = "dkim/";
/// Keys that are read.
const MOST: i64 = 10_000;

/// The selector of the keys that are made here.
pub const SELECTOR: &str = "restante";

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// From 32 secret octets.
    Ed25519,
    /// From PKCS #8 DER.
    Rsa,
}

impl Algorithm {
    fn as_str(self) -> &'static str {
        match self {
            Algorithm::Ed25519 => "ed25519",
            Algorithm::Rsa => "rsa",
        }
    }
}

impl Store {
    /// Keeps a domain's key, unless there is one of that selector.
    ///
    /// # Errors
    /// [`Error::Conflict`]: there is; the database's.
    pub async fn keep_dkim_key(
        &self,
        domain: &str,
        selector: &str,
        algorithm: Algorithm,
        secret: Vec<u8>,
        now: i64,
    ) -> Result<()> {
        let name = format!("{DKIM}{domain}/{selector}/{}", algorithm.as_str());
        self.write(async move |tx| {
            let keep = sql("insert into secret (name, value, created_at) values ($1, $2, $3)");
            tx.run(keep.bind(&name).bind(&secret).bind(now)).await.map(drop)
        })
        .await
    }

    /// Every key, each with its domain; damaged ones are left out, and told of in the log.
    ///
    /// # Errors
    /// The database's.
    pub async fn dkim_keys(&self) -> Result<Vec<(String, Key)>> {
        let rows = sql("select name, value from secret where name like 'dkim/%' order by name limit $1");
        let rows: Vec<(String, Vec<u8>)> = self.all(rows.bind(MOST)).await?;
        let read = |(name, secret): (String, Vec<u8>)| {
            let mut parts = name.strip_prefix(DKIM)?.split('/');
            let (domain, selector, algorithm) = (parts.next()?, parts.next()?, parts.next()?);
            let key = match algorithm {
                "ed25519" => Key::ed25519(domain, selector, &secret),
                _ => Key::rsa(domain, selector, &secret),
            };
            match key {
                Ok(key) => Some((domain.to_owned(), key)),
                Err(error) => {
                    tracing::error!(%error, domain, selector, "a key for DKIM cannot be used");
                    None
                }
            }
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Forgets a domain's key.
    ///
    /// # Errors
    /// [`Error::NotFound`]; the database's.
    pub async fn forget_dkim_key(&self, domain: &str, selector: &str) -> Result<()> {
        let name = format!("{DKIM}{domain}/{selector}/");
        self.write(async move |tx| {
            let forget = sql("delete from secret where name = $1 or name = $2");
            let [one, other] = [Algorithm::Ed25519, Algorithm::Rsa].map(|a| format!("{name}{}", a.as_str()));
            match tx.run(forget.bind(&one).bind(&other)).await? {
                0 => Err(Error::NotFound),
                _ => Ok(()),
            }
        })
        .await
    }
}
