//! The queue of all accounts, for whoever runs the server: what waits, why, and what is done about it. Nothing of any
//! message's content is shown.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Answered;
use super::deliveries::{Attempt, Delivery};
use super::time::Time;
use super::tokens::Paging;
use crate::http::AppState;
use crate::http::access::Caller;
use crate::http::body::{Id, Json, Params};
use crate::http::by::By;
use crate::http::page::{List, PageBy};
use crate::http::problem::{self, Problem};
use crate::mail::duration;
use crate::store::operate::{Act, Open};
use crate::store::tracking::DeliveryRow;
use crate::store::{self, Topic};

/// Deliveries that one request names.
const NAMED: usize = 1000;

/// Something owed, of whatever account; without anything of its content.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueueEntry)]
pub struct Owed {
    account_id: Uuid,
    /// `mail`, `notice` or `timer`.
    kind: String,
    destination: String,
    #[serde(flatten)]
    delivery: Delivery,
}

impl Owed {
    fn of(row: DeliveryRow, now: i64) -> Self {
        Self {
            account_id: row.account_id,
            kind: row.kind.clone(),
            destination: row.destination.clone(),
            delivery: Delivery::of(row, now),
        }
    }
}

/// Which part of the queue.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Only to this destination: a domain outside.
    destination: Option<String>,
    /// Only what is held, or only what is not.
    held: Option<bool>,
    /// 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists what is owed to whomever, of every account.
#[utoipa::path(get, path = "/v1/admin/queue", tag = "Administration", params(Filter), responses((status = 200, body = List<Owed>)))]
pub async fn list(State(state): State<AppState>, caller: Caller, Params(query): Params<Filter>) -> Answered {
    let filter = format!("{:?} {:?}", query.destination, query.held);
    // Every delivery's key begins with its account.
    let page: PageBy<(Uuid, Uuid)> =
        PageBy::read(caller.account.id, "queue", &filter, query.limit, query.cursor.as_deref())?;
    let destination = query.destination.map(|name| name.to_lowercase());
    let open = Open { destination: destination.as_deref(), held: query.held, after: page.after };
    let mut rows = state.store.queue(open, page.fetch()).await?;
    let next_cursor = page.cut(&mut rows, |row| (row.account_id, row.id));
    let now = state.clock.now_ms();
    let items: Vec<Owed> = rows.into_iter().map(|row| Owed::of(row, now)).collect();
    Ok(axum::Json(List { items, next_cursor, as_of: None }).into_response())
}

/// One delivery, with every try.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwedShown {
    #[serde(flatten)]
    owed: Owed,
    /// Oldest first; before them, why the first was put off.
    tries: Vec<Attempt>,
}

/// Shows one delivery of whatever account, also one that has ended, with every try.
#[utoipa::path(get, path = "/v1/admin/queue/{id}", tag = "Administration", params(("id" = String, Path)),
    responses((status = 200, body = OwedShown), (status = 404)))]
pub async fn show(State(state): State<AppState>, _: Caller, Id(id): Id) -> Answered {
    let row = state.store.any_delivery(id).await?.ok_or_else(Problem::not_found)?;
    let tries = state.store.attempts(row.account_id, &[row.id]).await?;
    let owed = Owed::of(row, state.clock.now_ms());
    Ok(axum::Json(OwedShown { owed, tries: tries.into_iter().map(Attempt::from).collect() }).into_response())
}

/// What is to be done, with named deliveries or with everything that waits at a destination.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActBody {
    /// `retry` (now, also what failed), `hold`, `release` or `cancel`.
    action: String,
    /// At most 1,000 ids of deliveries.
    #[serde(default)]
    ids: Vec<Uuid>,
    /// A domain outside.
    #[serde(default)]
    destination: Option<String>,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Acted {
    /// Deliveries that were changed.
    changed: u64,
    /// Named ones that were not: they have ended, are being tried now, or are not there.
    unchanged: Vec<Uuid>,
}

/// Retries, holds, releases or cancels deliveries of whatever account.
#[utoipa::path(post, path = "/v1/admin/queue", tag = "Administration", request_body = ActBody,
    responses((status = 200, body = Acted)))]
pub async fn act(State(state): State<AppState>, by: By, Json(body): Json<ActBody>) -> Answered {
    let now = state.clock.now_ms();
    let act: Act = body
        .action
        .parse()
        .map_err(|error: store::Error| Problem::at(&problem::INVALID_BODY, "/action", error.to_string()))?;
    let store = |target: &str| state.store.audited(&by.entry(&state, &format!("queue.{act}"), target));
    let mut acted = Acted { changed: 0, unchanged: Vec::new() };
    match (body.destination, body.ids.as_slice()) {
        (Some(destination), []) => {
            acted.changed = store(&destination).act_on(act, &destination.to_lowercase(), now).await?;
        }
        (None, ids) if (1..=NAMED).contains(&ids.len()) => {
            for id in ids {
                match store(&id.to_string()).act_on_any(act, *id, now).await {
                    Ok(()) => acted.changed += 1,
                    Err(store::Error::NotFound | store::Error::Conflict) => acted.unchanged.push(*id),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        _ => {
            let detail = format!("name a destination, or 1 to {NAMED} ids");
            return Err(Problem::at(&problem::INVALID_BODY, "/ids", detail));
        }
    }
    Ok(axum::Json(acted).into_response())
}

/// A destination outside, or a next hop, and what waits there.
#[derive(Debug, Serialize, ToSchema)]
pub struct Destination {
    /// A domain, or a next hop as `host:port`.
    name: String,
    /// Deliveries that have not ended.
    open: i64,
    /// Of those, how many are held.
    held: i64,
    /// When the oldest was accepted.
    oldest: Option<Time>,
    /// When the next of them is due.
    next_attempt_at: Option<Time>,
    /// Why nothing is sent there now.
    blocked: Option<Blocked>,
}

/// Why nothing is sent somewhere.
#[derive(Debug, Serialize, ToSchema)]
pub struct Blocked {
    /// When it is tried again.
    until: Time,
    /// When it was first not reached.
    since: Time,
    /// How often, one after the other.
    failures: i64,
    /// What happened last.
    reason: String,
}

/// Lists destinations outside by what waits there, and why; the longest queue first.
#[utoipa::path(get, path = "/v1/admin/destinations", tag = "Administration", params(Paging),
    responses((status = 200, body = List<Destination>)))]
pub async fn destinations(
    State(state): State<AppState>,
    caller: Caller,
    Params(query): Params<Paging>,
) -> Answered {
    let page: PageBy<(i64, String)> =
        PageBy::read(caller.account.id, "destinations", "", query.limit, query.cursor.as_deref())?;
    let mut rows = state.store.destinations(page.after.clone(), page.fetch()).await?;
    let next_cursor = page.cut(&mut rows, |row| (row.open, row.destination.clone()));
    let now = state.clock.now_ms();
    let mut blocked: HashMap<String, Blocked> = HashMap::new();
    for row in state.store.blocked().await? {
        let (until, since) = (Time(row.blocked_until.max(now)), Time(row.since));
        blocked.insert(row.name, Blocked { until, since, failures: row.failures, reason: row.reason });
    }
    let items: Vec<Destination> = rows
        .into_iter()
        .map(|row| Destination {
            blocked: blocked.remove(&row.destination),
            name: row.destination,
            open: row.open,
            held: row.held,
            oldest: row.oldest.map(Time),
            next_attempt_at: row.next_at.map(Time),
        })
        .collect();
    Ok(axum::Json(List { items, next_cursor, as_of: None }).into_response())
}

/// How far a sandbox's clock is to be moved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockMove {
    /// Such as `PT4H` or `P3D`; at most `P366D`.
    advance: String,
}

/// A sandbox's time.
#[derive(Debug, Serialize, ToSchema)]
pub struct Moved {
    now: Time,
}

/// The longest move, in seconds.
const FARTHEST: u64 = 366 * 24 * 3600;

/// Moves a sandbox's clock on, so that what is due later is due now. Only with `relay.url = "capture"`.
#[utoipa::path(post, path = "/v1/admin/clock", tag = "Administration", request_body = ClockMove,
    responses((status = 200, body = Moved), (status = 409, description = "`not_a_sandbox`")))]
pub async fn clock(State(state): State<AppState>, _: Caller, Json(body): Json<ClockMove>) -> Answered {
    if !state.clock.can_be_moved() {
        return Err(Problem::new(&problem::NOT_A_SANDBOX, "The time here is the system's."));
    }
    let by = duration::human(&body.advance).filter(|by| by.as_secs() <= FARTHEST);
    let by = by.and_then(|by| chrono::TimeDelta::from_std(by).ok());
    let Some(by) = by else {
        return Err(Problem::at(&problem::INVALID_BODY, "/advance", "a duration, at most P366D"));
    };
    state.clock.advance(by);
    state.store.bell().ring(vec![Topic::Queue]);
    Ok(axum::Json(Moved { now: Time(state.clock.now_ms()) }).into_response())
}
