//! Browser sessions: an opaque secret in a cookie, of which the store keeps the digest.

use super::{Denied, Principal, Scopes, Via};
use crate::mail::id::{self, Ids};
use crate::store::Store;
use crate::store::token::{Credential, NewSession};
use uuid::Uuid;

/// How long a session lasts, in milliseconds: 30 days.
pub const LASTS: i64 = 30 * 24 * 3600 * 1000;
/// The most of a browser's name that is kept, in characters.
const USER_AGENT: usize = 200;

/// A session's name in the store.
#[must_use]
pub fn digest(secret: &str) -> [u8; 32] {
    id::digest(&[b"session", secret.as_bytes()])
}

/// Starts a session; the secret for the cookie.
///
/// # Errors
/// The store's.
pub async fn start(
    store: &Store,
    ids: &Ids,
    account: Uuid,
    user_agent: &str,
    now: i64,
) -> crate::store::Result<String> {
    let secret = id::hex(&ids.secret());
    let new = NewSession {
        account_id: account,
        id: ids.id(now),
        digest: digest(&secret),
        user_agent: user_agent.chars().filter(|c| !c.is_control()).take(USER_AGENT).collect(),
        expires_at: now + LASTS,
    };
    store.create_session(new, now).await?;
    Ok(secret)
}

/// Whose session this is.
///
/// # Errors
/// [`Denied::Unknown`]; the store's.
pub async fn authenticate(store: &Store, secret: &str, now: i64) -> Result<Principal, Denied> {
    if secret.len() != 64 {
        return Err(Denied::Unknown);
    }
    let found = store.session(digest(secret), now).await?;
    let Credential { account, modseq, row } = found.ok_or(Denied::Unknown)?;
    let scopes = Scopes::of_account(account.admin);
    Ok(Principal { account, scopes, via: Via::Session(row.id), modseq })
}
