//! API tokens: 256 random bits, kept only as their SHA-256 digest (a slow hash is for what people choose).

use super::{Denied, Principal, Scopes, Via};
use crate::mail::id;
use crate::store::Store;
use crate::store::token::Credential;

/// What every token begins with, so that secret scanners find a leaked one.
pub const PREFIX: &str = "rst_";
/// The longest text that is looked at.
const LONGEST: usize = 200;

/// A token's name in the store.
#[must_use]
pub fn digest(token: &str) -> [u8; 32] {
    id::digest(&[b"token", token.as_bytes()])
}

/// Whose token this is, and what it may do now: never more than its account may.
///
/// # Errors
/// [`Denied::Unknown`], [`Denied::Expired`], [`Denied::Revoked`]; the store's.
pub async fn authenticate(store: &Store, token: &str, now: i64) -> Result<Principal, Denied> {
    if !token.starts_with(PREFIX) || token.len() > LONGEST {
        return Err(Denied::Unknown);
    }
    let found = store.credential_by_token(digest(token)).await?;
    let Credential { account, modseq, row } = found.ok_or(Denied::Unknown)?;
    if row.revoked_at.is_some() {
        return Err(Denied::Revoked);
    }
    if row.expires_at.is_some_and(|at| at <= now) {
        return Err(Denied::Expired);
    }
    let scopes = Scopes::stored(&row.scopes).and(Scopes::of_account(account.admin));
    Ok(Principal { account, scopes, via: Via::Token(row.id), modseq })
}
