//! Who does something that the audit log tells of, and from where.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::peer::Peer;
use super::{AppState, Problem};
use crate::auth::Principal;
use crate::store::account::Account;
use crate::store::audit::Entry;

/// The caller of a route, known or not.
#[derive(Debug, Clone)]
pub struct By {
    who: Option<Account>,
    peer: IpAddr,
}

impl FromRequestParts<AppState> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Peer(peer) = Peer::of(state, &parts.extensions, &parts.headers);
        let who = parts.extensions.get::<Principal>().map(|principal| principal.account.clone());
        Ok(Self { who, peer })
    }
}

impl By {
    /// The same, once it is known whose doing it is.
    #[must_use]
    pub fn being(self, account: &Account) -> Self {
        Self { who: Some(account.clone()), ..self }
    }

    /// The entry of an action on something.
    #[must_use]
    pub fn entry(&self, state: &AppState, action: &str, target: impl Into<String>) -> Entry {
        let at = state.clock.now_ms();
        Entry {
            id: state.ids.id(at),
            at,
            account_id: self.who.as_ref().map(|who| who.id),
            actor: self.who.as_ref().map(|who| who.address.clone()),
            action: action.to_owned(),
            target: target.into(),
            peer: Some(self.peer.to_string()),
        }
    }
}
