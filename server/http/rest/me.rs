//! The caller itself.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Answered;
use crate::auth::Scopes;
use crate::auth::throttle::Subjects;
use crate::http::access::Caller;
use crate::http::body::Json;
use crate::http::by::By;
use crate::http::peer::Peer;
use crate::http::problem::{self, Problem};
use crate::http::{AppState, StatusCode};
use crate::store::account::Account;

/// An account and what the credential may do with it.
#[derive(Serialize, ToSchema)]
pub struct Me {
    id: Uuid,
    /// The main address.
    address: String,
    /// Every address, the main one first.
    addresses: Vec<String>,
    name: String,
    /// `person` or `service`.
    kind: String,
    admin: bool,
    /// What this credential may do.
    scopes: Vec<&'static str>,
    /// The domain of local addresses.
    domain: String,
    limits: Limits,
}

/// What one message may be.
#[derive(Serialize, ToSchema)]
pub struct Limits {
    /// Octets of a whole message.
    message_bytes: u64,
    /// Recipients of one message.
    recipients: usize,
}

/// What is told to an account about itself.
pub(super) async fn of(state: &AppState, account: &Account, scopes: Scopes) -> Result<Me, Problem> {
    let limits = &state.submission.settings;
    Ok(Me {
        id: account.id,
        address: account.address.clone(),
        addresses: state.store.addresses(account.id).await?,
        name: account.name.clone(),
        kind: account.kind.clone(),
        admin: account.admin,
        scopes: scopes.iter().map(crate::auth::Scope::as_str).collect(),
        domain: state.submission.domain.to_string(),
        limits: Limits { message_bytes: limits.message_bytes, recipients: limits.recipients },
    })
}

/// Tells who the caller is.
#[utoipa::path(get, path = "/v1/me", tag = "Account", responses((status = 200, body = Me)))]
pub async fn me(State(state): State<AppState>, caller: Caller) -> Answered {
    Ok(axum::Json(of(&state, &caller.account, caller.scopes).await?).into_response())
}

/// The password as it is and as it shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Passwords {
    current: String,
    new: String,
}

/// Changes the password, and ends every other session.
#[utoipa::path(post, path = "/v1/me/password", tag = "Account", request_body = Passwords,
    responses((status = 204), (status = 401, description = "`bad_credentials`: current is wrong"), (status = 422, description = "`bad_password`")))]
pub async fn password(
    State(state): State<AppState>,
    caller: Caller,
    by: By,
    Peer(peer): Peer,
    Json(given): Json<Passwords>,
) -> Answered {
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let subjects = Subjects::new(&caller.account.address.to_lowercase(), peer);
    if let Some(until) = subjects.blocked_until(&state.store, now).await? {
        let problem = Problem::new(&problem::THROTTLED, "There were too many failed attempts.");
        return Err(problem.retry_after((until - now + 999) / 1000));
    }
    let stored = state.store.password(account).await?;
    if !state.passwords.verify(given.current, stored).await? {
        subjects.failed(&state.store, now).await?;
        return Err(Problem::at(&problem::BAD_CREDENTIALS, "/current", "the current password is wrong"));
    }
    let phc = state.passwords.hash(given.new).await?;
    let entry = by.entry(&state, "password.changed", caller.account.address.as_str());
    state.store.audited(&entry).set_password(account, phc).await?;
    state.store.revoke_other_sessions(account, caller.session(), now).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
