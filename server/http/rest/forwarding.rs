//! Forwarding: outside addresses that are told of what arrives, once they have said that they want it.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::time::Time;
use super::{Answered, created, kept};
use crate::delivery::deposit::Rejected;
use crate::delivery::{forward, unverified};
use crate::http::access::Caller;
use crate::http::body::{Id, Json, Params};
use crate::http::idempotency::Once;
use crate::http::page::List;
use crate::http::problem::{self, Problem};
use crate::http::{AppState, StatusCode};
use crate::mail::address::Address;
use crate::mail::hours::{BadHours, Hours, Quiet};
use crate::store;
use crate::store::account::Resolved;
use crate::store::forwarding::{self as rows, ForwardingRow, Verification};

/// An outside address that is told of what arrives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Forwarding {
    id: Uuid,
    address: String,
    /// Whether its owner has said that they want this; until then nothing goes there.
    verified: bool,
    /// `full` or `notice`.
    content: String,
    /// `immediately` or `digest`.
    when: &'static str,
    /// When a digest goes, such as `08:00`.
    times: Vec<String>,
    /// A part of each day in which nothing goes.
    quiet_hours: Option<QuietHours>,
    /// Whose clock that is, such as `Europe/Berlin`.
    time_zone: Option<String>,
    /// Whether nothing goes there: its owner has unsubscribed, or it was paused here.
    paused: bool,
    /// The earliest time at which a message that comes now is told of there; none while nothing goes there.
    next_at: Option<Time>,
    created_at: Time,
}

/// A part of each day, on the clock of the forwarding's time zone.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// Such as `22:00`.
    from: String,
    /// Such as `07:00`; before `from`, it is of the next day.
    until: String,
}

impl Forwarding {
    fn of(row: ForwardingRow, now: i64) -> Self {
        let hours = row.hours();
        let goes = row.verified_at.is_some() && row.paused_at.is_none();
        Self {
            id: row.id,
            address: row.address,
            verified: row.verified_at.is_some(),
            content: row.content,
            when: if hours.is_digest() { "digest" } else { "immediately" },
            next_at: goes.then(|| Time(hours.next(now))),
            times: hours.times,
            quiet_hours: hours.quiet.map(|Quiet { from, until }| QuietHours { from, until }),
            time_zone: hours.time_zone,
            paused: row.paused_at.is_some(),
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
    /// `immediately` (the default) or `digest`.
    #[serde(default)]
    when: Option<String>,
    /// When a digest goes; `08:00` when absent.
    #[serde(default)]
    times: Option<Vec<String>>,
    /// A part of each day in which nothing goes.
    #[serde(default)]
    quiet_hours: Option<QuietHours>,
    /// Of the IANA database, such as `Europe/Berlin`; UTC when absent.
    #[serde(default)]
    time_zone: Option<String>,
}

/// What goes there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// `full` or `notice`.
    #[serde(default)]
    content: Option<String>,
    /// `immediately` or `digest`.
    #[serde(default)]
    when: Option<String>,
    /// When a digest goes.
    #[serde(default)]
    times: Option<Vec<String>>,
    /// A part of each day in which nothing goes; null ends it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<QuietHours>)]
    quiet_hours: Option<Option<QuietHours>>,
    /// Of the IANA database; null is UTC.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    time_zone: Option<Option<String>>,
    /// Whether nothing goes there for now. What still waits is taken back.
    #[serde(default)]
    paused: Option<bool>,
}

fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

fn content(given: Option<String>) -> Result<String, Problem> {
    match given.as_deref() {
        None | Some("full" | "notice") => Ok(given.unwrap_or_else(|| "full".into())),
        Some(_) => Err(Problem::at(&problem::INVALID_BODY, "/content", "content is full or notice")),
    }
}

/// The hours that a request asks for, from those there are.
fn hours(
    before: Hours,
    when: Option<&str>,
    times: Option<Vec<String>>,
    quiet: Option<Option<QuietHours>>,
    time_zone: Option<Option<String>>,
) -> Result<Hours, Problem> {
    let mut hours = before;
    match (when, times) {
        (None, None) => {}
        (Some("immediately"), None) => hours.times.clear(),
        (Some("digest"), None) if hours.is_digest() => {}
        (Some("digest"), None) => hours.times = vec!["08:00".into()],
        (Some("digest"), Some(times)) if !times.is_empty() => hours.times = times,
        (None, Some(times)) if hours.is_digest() && !times.is_empty() => hours.times = times,
        (None | Some("immediately" | "digest"), _) => {
            return Err(Problem::at(
                &problem::INVALID_BODY,
                "/times",
                "a digest has times, and nothing else has",
            ));
        }
        (Some(_), _) => {
            return Err(Problem::at(&problem::INVALID_BODY, "/when", "when is immediately or digest"));
        }
    }
    if let Some(quiet) = quiet {
        hours.quiet = quiet.map(|QuietHours { from, until }| Quiet { from, until });
    }
    if let Some(zone) = time_zone {
        hours.time_zone = zone;
    }
    hours.check().map_err(|bad| {
        let pointer = match bad {
            BadHours::Zone => "/time_zone",
            BadHours::Empty => "/quiet_hours",
            BadHours::Many => "/times",
            BadHours::Time => "",
        };
        Problem::at(&problem::INVALID_BODY, pointer, bad.to_string())
    })?;
    Ok(hours)
}

/// Lists the account's outside addresses.
#[utoipa::path(get, path = "/v1/forwarding", tag = "Forwarding", responses((status = 200, body = List<Forwarding>)))]
pub async fn list(State(state): State<AppState>, caller: Caller) -> Answered {
    let rows = state.store.forwardings(caller.account.id).await?;
    let now = state.clock.now_ms();
    let items: Vec<Forwarding> = rows.into_iter().map(|row| Forwarding::of(row, now)).collect();
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
    let content = content(new.content)?;
    let quiet = new.quiet_hours.map(Some);
    let hours = hours(Hours::default(), new.when.as_deref(), new.times, quiet, new.time_zone.map(Some))?;
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
        when: if hours.is_digest() { "digest" } else { "immediately" },
        times: hours.times.clone(),
        quiet_hours: hours.quiet.clone().map(|Quiet { from, until }| QuietHours { from, until }),
        time_zone: hours.time_zone.clone(),
        paused: false,
        next_at: None,
        created_at: Time(now),
    };
    let location = format!("/v1/forwarding/{id}");
    let keep = once.keep(account, StatusCode::CREATED, Some(location.clone()), &forwarding, now);
    let address = new.address.to_string();
    let store = state.store.with(keep);
    let made = store.create_forwarding(account, id, address, content, Some(hours), verification, now).await;
    made.map_err(|error| match error {
        store::Error::Conflict => {
            Problem::at(&problem::FORWARDING_EXISTS, "/address", "it is there already, or there are five")
        }
        other => other.into(),
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
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let before = find(&state, account, id).await?.hours();
    let wanted = change.content.map(|wanted| content(Some(wanted))).transpose()?;
    let Change { when, times, quiet_hours, time_zone, paused, .. } = change;
    let hours = hours(before.clone(), when.as_deref(), times, quiet_hours, time_zone)?;
    let hours = (hours != before).then_some(hours);
    state.store.change_forwarding(account, id, rows::Change { content: wanted, hours, paused }, now).await?;
    let row = find(&state, account, id).await?;
    Ok(axum::Json(Forwarding::of(row, now)).into_response())
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
    Ok((StatusCode::ACCEPTED, axum::Json(Forwarding::of(row, now))).into_response())
}

/// The secret of a verification link.
#[derive(Debug, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
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
