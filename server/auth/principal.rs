//! The principal: an account, what it may do now, and by what it proved itself.

use uuid::Uuid;

use super::{Scope, Scopes};
use crate::store::account::Account;
use crate::store::{self};

/// Who is calling.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The account.
    pub account: Account,
    /// What this credential may do.
    pub scopes: Scopes,
    /// The credential.
    pub via: Via,
    /// The place of the account's log when the credential was looked up: what came after it is in later answers.
    pub modseq: i64,
}

/// By what a caller proved itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// An API token, by its id.
    Token(Uuid),
    /// A browser's session, by its id.
    Session(Uuid),
}

/// Why a credential is refused.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// There is none.
    #[error("no credential was sent")]
    Missing,
    /// It is not one of ours, or its account is disabled.
    #[error("the credential is not valid")]
    Unknown,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its owner took it back.
    #[error("the token was revoked")]
    Revoked,
    /// It does not permit this.
    #[error("the credential does not permit {0}")]
    Scope(Scope),
    /// It could not be looked up.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Principal {
    /// Whether the credential permits this.
    ///
    /// # Errors
    /// [`Denied::Scope`].
    pub fn require(&self, scope: Scope) -> Result<(), Denied> {
        if self.scopes.has(scope) { Ok(()) } else { Err(Denied::Scope(scope)) }
    }

    /// The session, when a browser is calling.
    #[must_use]
    pub fn session(&self) -> Option<Uuid> {
        match self.via {
            Via::Session(id) => Some(id),
            Via::Token(_) => None,
        }
    }

    /// Whether the account is a program.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.account.kind == "service"
    }
}
