//! Browser sessions, and the one-time set-up of the first administrator.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::me::{self, Me};
use super::time::Time;
use super::{Answered, line};
use crate::auth::throttle::Subjects;
use crate::auth::{Scopes, session};
use crate::http::access::Caller;
use crate::http::body::{Id, Json, Params};
use crate::http::by::By;
use crate::http::header::SET_COOKIE;
use crate::http::page::List;
use crate::http::peer::Peer;
use crate::http::problem::{self, Problem};
use crate::http::{AppState, HeaderMap, HeaderValue, StatusCode, header};
use crate::mail::address::Address;
use crate::mail::id::digest;
use crate::store;
use crate::store::account::{Kind, NewAccount};

/// The secret of a link.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// As the link has it.
    token: String,
}

/// Whether a link works.
#[derive(Serialize, ToSchema)]
pub struct Valid {
    valid: bool,
}

/// The first administrator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// As the link has it.
    token: String,
    /// The account's address.
    #[schema(value_type = String)]
    address: Address,
    /// The display name.
    name: String,
    /// 8 to 1024 characters.
    password: String,
}

/// A set-up link's name in the store.
pub fn setup_digest(token: &str) -> [u8; 32] {
    digest(&[b"setup", token.as_bytes()])
}

/// Tells whether a set-up link still works.
#[utoipa::path(get, path = "/v1/setup", tag = "Session", params(Secret),
    responses((status = 200, body = Valid), (status = 404, description = "Used, too old, or never given")))]
pub async fn setup_valid(State(state): State<AppState>, Params(secret): Params<Secret>) -> Answered {
    let valid = state.store.setup_valid(setup_digest(&secret.token), state.clock.now_ms()).await?;
    if valid && !state.store.has_administrator().await? {
        Ok(axum::Json(Valid { valid }).into_response())
    } else {
        Err(gone())
    }
}

fn gone() -> Problem {
    Problem::new(
        &problem::NOT_FOUND,
        "This link was used, or is too old. A restart of the server prints a new one.",
    )
}

/// Creates the first administrator and signs them in; the link works once.
#[utoipa::path(post, path = "/v1/setup", tag = "Session", request_body = Setup,
    responses((status = 201, body = Me), (status = 404, description = "Used, too old, or never given")))]
pub async fn setup(
    State(state): State<AppState>,
    by: By,
    headers: HeaderMap,
    Json(setup): Json<Setup>,
) -> Answered {
    let now = state.clock.now_ms();
    let secret = setup_digest(&setup.token);
    if !state.store.setup_valid(secret, now).await? {
        return Err(gone());
    }
    let id = state.ids.id(now);
    let new = NewAccount {
        id,
        address: setup.address,
        name: line("/name", &setup.name, 200)?,
        kind: Kind::Person,
        admin: true,
        password: Some(state.passwords.hash(setup.password).await?),
    };
    let entry = by.entry(&state, "account.created", new.address.to_string());
    state.store.audited(&entry).use_setup(secret, new, now).await.map_err(|error| match error {
        store::Error::NotFound => gone(),
        store::Error::Conflict => {
            Problem::at(&problem::ADDRESS_TAKEN, "/address", "this address belongs to another account")
        }
        other => other.into(),
    })?;
    let mut response = welcome(&state, by, id, &headers).await?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// An address and its password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// One of the account's addresses.
    address: String,
    /// The password.
    password: String,
}

/// Signs in: sets the session cookie.
#[utoipa::path(post, path = "/v1/session", tag = "Session", request_body = Credentials,
    responses((status = 200, body = Me), (status = 401, description = "`bad_credentials`"), (status = 429, description = "`throttled`")))]
pub async fn sign_in(
    State(state): State<AppState>,
    by: By,
    Peer(peer): Peer,
    headers: HeaderMap,
    Json(given): Json<Credentials>,
) -> Answered {
    let now = state.clock.now_ms();
    let key =
        given.address.trim().parse().map_or_else(|_| given.address.to_lowercase(), |a: Address| a.key());
    let subjects = Subjects::new(&key, peer);
    if let Some(until) = subjects.blocked_until(&state.store, now).await? {
        let detail = "There were too many failed attempts from here, or for this address.";
        return Err(Problem::new(&problem::THROTTLED, detail).retry_after((until - now + 999) / 1000));
    }
    let account = state.store.account_by_address(&key).await?.filter(|account| account.disabled_at.is_none());
    let stored = match &account {
        Some(account) => state.store.password(account.id).await?,
        None => None,
    };
    let right = state.passwords.verify(given.password, stored).await?;
    if let (Some(account), false) = (&account, right) {
        // Only of accounts there are: what else is tried says nothing, and there is no end to it.
        let entry = by.entry(&state, "session.refused", account.address.as_str());
        subjects.failed(&state.store.audited(&entry), now).await?;
        return Err(Problem::new(&problem::BAD_CREDENTIALS, "The address or the password is wrong."));
    }
    let Some(account) = account else {
        subjects.failed(&state.store, now).await?;
        return Err(Problem::new(&problem::BAD_CREDENTIALS, "The address or the password is wrong."));
    };
    subjects.succeeded(&state.store).await?;
    welcome(&state, by, account.id, &headers).await
}

/// A new session, and who it is for.
async fn welcome(state: &AppState, by: By, account: Uuid, headers: &HeaderMap) -> Answered {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let account = state.store.account(account).await?.ok_or_else(Problem::not_found)?;
    let entry = by.being(&account).entry(state, "session.created", account.address.as_str());
    let store = state.store.audited(&entry);
    let secret = session::start(&store, &state.ids, account.id, agent, state.clock.now_ms()).await?;
    let scopes = Scopes::of_account(account.admin);
    let me = me::of(state, &account, scopes).await?;
    let mut response = axum::Json(me).into_response();
    set_cookie(state, &mut response, &secret, session::LASTS / 1000);
    Ok(response)
}

fn set_cookie(state: &AppState, response: &mut Response, value: &str, seconds: i64) {
    let secure = if state.secure() { "; Secure" } else { "" };
    let cookie =
        format!("{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}", state.cookie_name());
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
}

/// Signs out: ends the session of the cookie.
#[utoipa::path(delete, path = "/v1/session", tag = "Session", responses((status = 204)))]
pub async fn sign_out(State(state): State<AppState>, caller: Caller) -> Answered {
    let session = caller.session().ok_or_else(|| {
        Problem::new(&problem::NOT_FOUND, "A token has no session. DELETE /v1/tokens/{id} revokes it.")
    })?;
    state.store.revoke_session(caller.account.id, session, state.clock.now_ms()).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&state, &mut response, "", 0);
    response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\", \"storage\""));
    Ok(response)
}

/// A browser that is signed in.
#[derive(Serialize, ToSchema)]
pub struct Session {
    id: Uuid,
    created_at: Time,
    last_seen_at: Option<Time>,
    user_agent: String,
    /// Whether the request came from it.
    current: bool,
}

/// Lists the browsers that are signed in, newest first.
#[utoipa::path(get, path = "/v1/sessions", tag = "Session", responses((status = 200, body = List<Session>)))]
pub async fn sessions(State(state): State<AppState>, caller: Caller) -> Answered {
    let rows = state.store.sessions(caller.account.id, state.clock.now_ms()).await?;
    let items = rows.into_iter().map(|row| Session {
        id: row.id,
        created_at: Time(row.created_at),
        last_seen_at: Some(Time(row.seen_at)),
        user_agent: row.user_agent,
        current: caller.session() == Some(row.id),
    });
    Ok(axum::Json(List { items: items.collect(), next_cursor: None, as_of: None }).into_response())
}

/// Ends a browser's session at once.
#[utoipa::path(delete, path = "/v1/sessions/{id}", tag = "Session", params(("id" = String, Path)),
    responses((status = 204), (status = 404)))]
pub async fn revoke(State(state): State<AppState>, caller: Caller, by: By, Id(id): Id) -> Answered {
    let entry = by.entry(&state, "session.revoked", id.to_string());
    state.store.audited(&entry).revoke_session(caller.account.id, id, state.clock.now_ms()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
