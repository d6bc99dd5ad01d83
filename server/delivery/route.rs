//! Where a recipient is reached, decided anew at each attempt, so that a changed setting helps mail that waits.

use uuid::Uuid;

use crate::mail::address::Address;
use crate::store::account::Resolved;
use crate::store::{Result, Store};

/// The way one recipient is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// An account here.
    Local(Uuid),
    /// Outside, by the relay.
    Relay,
    /// Outside, and there is no relay.
    NoRelay,
    /// In a domain of ours, but nobody has it.
    Unknown,
}

/// The way to `recipient`, given whether there is a relay.
///
/// # Errors
/// The database's: then nothing is known, and the attempt is put off.
pub(super) async fn route(store: &Store, recipient: &Address, relay: bool) -> Result<Route> {
    Ok(match store.resolve(recipient).await? {
        Resolved::Local(account) => Route::Local(account),
        // A secret reply address is for mail from outside; here it would go around the sender's own account.
        Resolved::Reply(_) | Resolved::Returned(_) | Resolved::Unknown => Route::Unknown,
        Resolved::Outside if relay => Route::Relay,
        Resolved::Outside => Route::NoRelay,
    })
}
