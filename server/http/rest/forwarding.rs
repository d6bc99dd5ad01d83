//! Forwarding: outside addresses that are told of what arrives, once they have said that they want it.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::time::Time;
use super::{Answered, created, kept, not_yet};
use crate::delivery::deposit::Rejected;
use crate::delivery::{forward, unverified};
use crate::http::access::Caller;
use crate::http::body::{Id, Json, Params};
use crate::http::idempotency::Once;
use crate::http::page::List;
use crate::http::problem::{self, Problem};
use crate::http::{AppState, StatusCode};
use crate::mail::address::Address;
use crate::store;
use crate::store::account::Resolved;
use crate::store::forwarding::{ForwardingRow, Verification};

/// An outside address that is told of what arrives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Forwarding {
    id: Uuid,
    address: String,
    /// Whether its owner has said that they want this; until then nothing goes there.
    verified: bool,
    /// `full` or `notice`.
    content: String,
    /// `immediately`.
    when: &'static str,
    created_at: Time,
}

impl From<ForwardingRow> for Forwarding {
    fn from(row: ForwardingRow) -> Self {
        Self {
            id: row.id,
            address: row.address,
            verified: row.verified_at.is_some(),
            content: row.content,
            when: "immediately",
            created_at: Time(row.created_at),
        }
    }
}

/// An address to forward to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewForwarding {
    /// Outside of this server.
    #[schema(value_type = String)]
    address: Address,
    /// `full` (the default): the whole message; `notice`: only that there is one.
    #[serde(default)]
    content: Option<String>,
    /// `immediately`.
    #[serde(default)]
    when: Option<String>,
    #[serde(default)]
    #[schema(ignore)]
    quiet_hours: Option<serde_json::Value>,
}

/// What goes there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// `full` or `notice`.
    #[serde(default)]
    content: Option<String>,
    /// `immediately`.
    #[serde(default)]
    when: Option<String>,
    #[serde(default)]
    #[schema(ignore)]
    quiet_hours: Option<serde_json::Value>,
}

fn content(given: Option<String>) -> Result<String, Problem> {
    match given.as_deref() {
        None | Some("full" | "notice") => Ok(given.unwrap_or_else(|| "full".into())),
        Some(_) => Err(Problem::at(&problem::INVALID_BODY, "/content", "content is full or notice")),
    }
}

fn when(given: Option<&str>) -> Result<(), Problem> {
    match given {
        None | Some("immediately") => Ok(()),
        Some("digest") => Err(Problem::not_yet("/when")),
        Some(_) => Err(Problem::at(&problem::INVALID_BODY, "/when", "when is immediately or digest")),
    }
}

/// Lists the account's outside addresses.
#[utoipa::path(get, path = "/v1/forwarding", tag = "Forwarding", responses((status = 200, body = List<Forwarding>)))]
pub async fn list(State(state): State<AppState>, caller: Caller) -> Answered {
    let rows = state.store.forwardings(caller.account.id).await?;
    let items: Vec<Forwarding> = rows.into_iter().map(Forwarding::from).collect();
    Ok(axum::Json(List { items, next_cursor: None, as_of: None }).into_response())
}

/// The mail that asks an address whether it wants this.
async fn verification(
    state: &AppState,
    caller: &Caller,
    id: Uuid,
    to: &Address,
) -> Result<Verification, Problem> {
    let asked = forward::verification(&state.submission, state.public_url.as_str(), &caller.account, id, to);
    Ok(asked.await?)
}

/// Adds an outside address, and asks it by mail whether it wants this.
#[utoipa::path(post, path = "/v1/forwarding", tag = "Forwarding", request_body = NewForwarding,
    responses((status = 201, body = Forwarding), (status = 409, description = "`forwarding_exists`, also when there are 5"),
        (status = 422, description = "`invalid_address`: it is an address of this server")))]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    once: Once,
    Json(new): Json<NewForwarding>,
) -> Answered {
    not_yet("/quiet_hours", new.quiet_hours.as_ref())?;
    when(new.when.as_deref())?;
    let content = content(new.content)?;
    if state.store.resolve(&new.address).await? != Resolved::Outside {
        let detail = "this is an address of this server; what is forwarded goes outside";
        return Err(Problem::at(&problem::INVALID_ADDRESS, "/address", detail));
    }
    if !state.submission.relays {
        let detail = "there is no relay, so nothing can be forwarded";
        return Err(Problem::at(&problem::NO_RELAY, "/address", detail));
    }
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let id = state.ids.id(now);
    let verification = verification(&state, &caller, id, &new.address).await?;
    let forwarding = Forwarding {
        id,
        address: new.address.to_string(),
        verified: false,
        content: content.clone(),
        when: "immediately",
        created_at: Time(now),
    };
    let location = format!("/v1/forwarding/{id}");
    let keep = once.keep(account, StatusCode::CREATED, Some(location.clone()), &forwarding, now);
    let address = new.address.to_string();
    let store = state.store.with(keep);
    store.create_forwarding(account, id, address, content, verification, now).await.map_err(|error| {
        match error {
            store::Error::Conflict => {
                Problem::at(&problem::FORWARDING_EXISTS, "/address", "it is there already, or there are five")
            }
            other => other.into(),
        }
    })?;
    Ok(kept(created(&location, &forwarding)))
}

async fn find(state: &AppState, account: Uuid, id: Uuid) -> Result<ForwardingRow, Problem> {
    state.store.forwarding(account, id).await?.ok_or_else(Problem::not_found)
}

/// Changes what goes to an outside address.
#[utoipa::path(patch, path = "/v1/forwarding/{id}", tag = "Forwarding", params(("id" = String, Path)), request_body = Change,
    responses((status = 200, body = Forwarding), (status = 404)))]
pub async fn change(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Json(change): Json<Change>,
) -> Answered {
    not_yet("/quiet_hours", change.quiet_hours.as_ref())?;
    when(change.when.as_deref())?;
    if let Some(wanted) = change.content {
        state.store.set_forwarding(caller.account.id, id, content(Some(wanted))?).await?;
    }
    let row = find(&state, caller.account.id, id).await?;
    Ok(axum::Json(Forwarding::from(row)).into_response())
}

/// Forgets an outside address: nothing more goes there, and the reply addresses it was given no longer work.
#[utoipa::path(delete, path = "/v1/forwarding/{id}", tag = "Forwarding", params(("id" = String, Path)),
    responses((status = 204), (status = 404)))]
pub async fn delete(State(state): State<AppState>, caller: Caller, Id(id): Id) -> Answered {
    state.store.delete_forwarding(caller.account.id, id, state.clock.now_ms()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Sends the verification mail again, with a new link; the old one no longer works.
#[utoipa::path(post, path = "/v1/forwarding/{id}/resend", tag = "Forwarding", params(("id" = String, Path)),
    responses((status = 202, body = Forwarding), (status = 404), (status = 409, description = "`already_verified`"), (status = 429, description = "`throttled`")))]
pub async fn resend(State(state): State<AppState>, caller: Caller, Id(id): Id) -> Answered {
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let row = find(&state, account, id).await?;
    let verified = || Problem::new(&problem::ALREADY_VERIFIED, "This address is verified.");
    if row.verified_at.is_some() {
        return Err(verified());
    }
    // Nobody is flooded with mail they may not want: the brake on guessing brakes this too.
    let subjects = [format!("verify:{}", row.address.to_lowercase())];
    if let Some(until) = state.store.blocked_until(&subjects, now).await? {
        let problem = Problem::new(&problem::THROTTLED, "This address was asked often enough for now.");
        return Err(problem.retry_after((until - now + 999) / 1000));
    }
    state.store.strike(subjects.to_vec(), now).await?;
    let address: Address = row.address.parse().map_err(|error| Problem::internal(&error))?;
    let verification = verification(&state, &caller, id, &address).await?;
    state.store.verify_again(account, id, verification, now).await.map_err(|error| match error {
        store::Error::Conflict => verified(),
        other => other.into(),
    })?;
    Ok((StatusCode::ACCEPTED, axum::Json(Forwarding::from(row))).into_response())
}

/// The secret of a verification link.
#[derive(Debug, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// As the link has it.
    token: String,
}

/// What a link confirms.
#[derive(Debug, Serialize, ToSchema)]
pub struct Confirms {
    /// `forwarding`: the address is told of what arrives; `reply`: what came to a secret address given to it is its owner's.
    kind: &'static str,
    address: String,
}

async fn confirms(state: &AppState, link: &Link) -> Result<Confirms, Problem> {
    let (digest, now) = (forward::confirm_digest(&link.token), state.clock.now_ms());
    if let Some(row) = state.store.confirmable(digest, now).await? {
        return Ok(Confirms { kind: "forwarding", address: row.address });
    }
    let reply = state.store.to_confirm(digest, now).await?;
    let reply =
        reply.ok_or_else(|| Problem::new(&problem::NOT_FOUND, "This link was used, or is too old."))?;
    Ok(Confirms { kind: "reply", address: reply.stands_for.notified })
}

/// Tells what a verification link is for. Looking confirms nothing.
#[utoipa::path(get, path = "/v1/confirm", tag = "Forwarding", params(Link), responses((status = 200, body = Confirms), (status = 404)))]
pub async fn confirmable(State(state): State<AppState>, Params(link): Params<Link>) -> Answered {
    Ok(axum::Json(confirms(&state, &link).await?).into_response())
}

/// Confirms an outside address: from now on it is told of what arrives. Or a reply: from now on it is its owner's.
#[utoipa::path(post, path = "/v1/confirm", tag = "Forwarding", request_body = Link, responses((status = 200, body = Confirms), (status = 404)))]
pub async fn confirm(State(state): State<AppState>, Json(link): Json<Link>) -> Answered {
    let confirmed = confirms(&state, &link).await?;
    if confirmed.kind == "reply" {
        unverified::confirm(&state.submission, &link.token).await.map_err(|error| match error {
            Rejected::Store(error) => Problem::from(error),
            Rejected::Refused(refusal) => refusal.into(),
        })?;
    } else {
        state.store.confirm(forward::confirm_digest(&link.token), state.clock.now_ms()).await?;
    }
    Ok(axum::Json(confirmed).into_response())
}
