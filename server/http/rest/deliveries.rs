//! Deliveries: how far a message is on its way to each recipient, and what was said on the way.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::messages::find;
use super::summary::delivery_state;
use super::time::Time;
use super::tokens::Paging;
use super::{Answered, read};
use crate::http::access::Caller;
use crate::http::body::{Id, Params};
use crate::http::page::{List, Page};
use crate::http::problem::{self, Problem};
use crate::http::{AppState, HeaderMap};
use crate::mail::id::{digest, hex};
use crate::store;
use crate::store::tracking::{AttemptRow, DeliveryRow, State as Stage};

/// The states nothing follows.
const SETTLED: [Stage; 4] = [Stage::Delivered, Stage::Relayed, Stage::Failed, Stage::Canceled];
/// Pages of open deliveries that are looked through for one page of a list.
const LOOKS: usize = 20;
/// Recipients whose course a timeline shows.
const SHOWN: i64 = 1000;

/// One recipient of one message on its way.
#[derive(Debug, Serialize, ToSchema)]
pub struct Delivery {
    pub(super) id: Uuid,
    /// The sent message's id here.
    pub(super) message_id: Option<Uuid>,
    pub(super) recipient: String,
    /// `scheduled`, `held`, `queued`, `sending`, `delayed`, `delivered`, `relayed`, `failed` or `canceled`.
    pub(super) state: &'static str,
    /// Tries made.
    pub(super) attempts: i64,
    pub(super) next_attempt_at: Option<Time>,
    pub(super) created_at: Time,
    pub(super) settled_at: Option<Time>,
    /// When somebody here, who is told by e-mail in hours of their own (quiet hours, digests), is told of it at the
    /// earliest; they may look into their inbox before. Null: at once, or it is not known.
    pub(super) earliest_seen_at: Option<Time>,
    /// The last try. With no `attempts`: why it is put off, where its destination or the next hop cannot be reached.
    pub(super) last_attempt: Option<Attempt>,
    /// Why it failed.
    pub(super) reason: Option<Reason>,
}

/// What the destination said at one try.
#[derive(Debug, Serialize, ToSchema)]
pub struct Attempt {
    at: Time,
    /// Whom we talked to.
    remote: Option<String>,
    /// The SMTP reply code.
    code: Option<i64>,
    /// The enhanced status code (RFC 3463).
    enhanced_code: Option<String>,
    /// The reply's text.
    diagnostic: Option<String>,
}

impl From<AttemptRow> for Attempt {
    fn from(row: AttemptRow) -> Self {
        Self {
            at: Time(row.at),
            remote: row.remote,
            code: row.code,
            enhanced_code: row.enhanced_code,
            diagnostic: row.diagnostic,
        }
    }
}

/// Why a delivery failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FailureReason)]
pub struct Reason {
    /// `permanent`, `expired`, `suppressed` or `rejected_locally`.
    class: String,
    /// Open, such as `unknown_recipient`.
    code: Option<String>,
}

impl Delivery {
    /// A row as the API shows it at this time.
    pub(super) fn of(row: DeliveryRow, now: i64) -> Self {
        let state = row.state(now);
        let waits = matches!(state, Stage::Queued | Stage::Delayed | Stage::Scheduled | Stage::Held);
        Self {
            id: row.id,
            message_id: row.email_id,
            recipient: row.recipient,
            state: state.as_str(),
            attempts: row.attempts,
            next_attempt_at: (waits && row.held_at.is_none()).then_some(Time(row.due_at)),
            created_at: Time(row.created_at),
            settled_at: row.settled_at.map(Time),
            earliest_seen_at: row.earliest_seen_at.map(Time),
            last_attempt: row.last_at.map(|at| Attempt {
                at: Time(at),
                remote: row.last_remote,
                code: row.last_code,
                enhanced_code: row.last_enhanced_code,
                diagnostic: row.last_diagnostic,
            }),
            reason: row.reason_class.map(|class| Reason { class, code: row.reason_code }),
        }
    }
}

/// Lists the deliveries of one sent message, in the order of its recipients.
#[utoipa::path(get, path = "/v1/messages/{id}/deliveries", tag = "Deliveries", params(("id" = String, Path), Paging),
    responses((status = 200, body = List<Delivery>), (status = 404)))]
pub async fn of_message(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id,
    Params(query): Params<Paging>,
) -> Answered {
    let account = caller.account.id;
    let row = find(&state, account, id).await?;
    let page = Page::read(account, "deliveries of", &id.to_string(), query.limit, query.cursor.as_deref())?;
    let Some(submission) = row.submission_id else {
        // What came in was delivered by whoever sent it.
        let none: List<Delivery> = List { items: Vec::new(), next_cursor: None, as_of: None };
        return Ok(axum::Json(none).into_response());
    };
    let after = page.after.map(|(_, id)| id);
    let mut rows = state.store.deliveries_of(account, submission, after, page.fetch()).await?;
    let next_cursor = page.cut(&mut rows, |row| (0, row.id));
    Ok(listed(&state, &headers, rows, next_cursor))
}

fn listed(
    state: &AppState,
    headers: &HeaderMap,
    rows: Vec<DeliveryRow>,
    next_cursor: Option<String>,
) -> axum::response::Response {
    let now = state.clock.now_ms();
    let items: Vec<Delivery> = rows.into_iter().map(|row| Delivery::of(row, now)).collect();
    let list = List { items, next_cursor, as_of: None };
    let json = serde_json::to_vec(&list).unwrap_or_default();
    read(headers, &format!("W/\"{}\"", &hex(&digest(&[&json]))[..32]), &list)
}

/// Which deliveries are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// One of the states.
    state: Option<String>,
    /// 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists deliveries of every sent message, newest first.
#[utoipa::path(get, path = "/v1/deliveries", tag = "Deliveries", params(Query), responses((status = 200, body = List<Delivery>)))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<Query>,
) -> Answered {
    let account = caller.account.id;
    let wanted = match query.state.as_deref() {
        None => None,
        Some(text) => Some(delivery_state(text).ok_or_else(|| {
            Problem::at(&problem::INVALID_PARAMETER, "?state", "this is no state of a delivery")
        })?),
    };
    let bound = query.state.as_deref().unwrap_or_default();
    let page = Page::read(account, "deliveries", bound, query.limit, query.cursor.as_deref())?;
    let mut after = page.after.map(|(_, id)| id);
    let now = state.clock.now_ms();
    // Which of the open ones are how far is read off their columns, so those are looked through page by page.
    let open = wanted.is_some_and(|state| !SETTLED.contains(&state));
    let outcome = wanted.filter(|_| !open).map(Stage::as_str);
    let (mut rows, fetch) = (Vec::new(), page.fetch());
    for _ in 0..LOOKS {
        let found = state.store.deliveries(account, open, outcome, after, fetch).await?;
        after = found.last().map(|row| row.id);
        let more = found.len() as i64 == fetch;
        rows.extend(found.into_iter().filter(|row| wanted.is_none_or(|wanted| row.state(now) == wanted)));
        if !more || rows.len() as i64 >= fetch {
            break;
        }
    }
    let next_cursor = page.cut(&mut rows, |row| (0, row.id));
    Ok(listed(&state, &headers, rows, next_cursor))
}

async fn shown(state: &AppState, account: Uuid, id: Uuid) -> Answered {
    let row = state.store.delivery(account, id).await?.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(Delivery::of(row, state.clock.now_ms())).into_response())
}

async fn own(state: &AppState, account: Uuid, id: Uuid) -> Result<(), Problem> {
    let row = state.store.delivery(account, id).await?;
    // Notices and timers are no deliveries that the API knows of.
    row.filter(|row| row.kind == "mail").map(drop).ok_or_else(Problem::not_found)
}

fn settled(error: store::Error) -> Problem {
    match error {
        store::Error::Conflict => {
            Problem::new(&problem::ALREADY_SENT, "This delivery is settled, or is being tried right now.")
        }
        other => other.into(),
    }
}

/// Has an open delivery, or one that failed, tried now.
#[utoipa::path(post, path = "/v1/deliveries/{id}/retry", tag = "Deliveries", params(("id" = String, Path)),
    responses((status = 200, body = Delivery), (status = 404), (status = 409, description = "`already_sent`")))]
pub async fn retry(State(state): State<AppState>, caller: Caller, Id(id): Id) -> Answered {
    own(&state, caller.account.id, id).await?;
    state.store.retry_delivery(caller.account.id, id, state.clock.now_ms()).await.map_err(settled)?;
    shown(&state, caller.account.id, id).await
}

/// Takes a delivery back that is not done yet.
#[utoipa::path(post, path = "/v1/deliveries/{id}/cancel", tag = "Deliveries", params(("id" = String, Path)),
    responses((status = 200, body = Delivery), (status = 404), (status = 409, description = "`already_sent`")))]
pub async fn cancel(State(state): State<AppState>, caller: Caller, Id(id): Id) -> Answered {
    own(&state, caller.account.id, id).await?;
    state.store.cancel_delivery(caller.account.id, id, state.clock.now_ms()).await.map_err(settled)?;
    shown(&state, caller.account.id, id).await
}

/// Something that happened to a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct Happened {
    at: Time,
    /// `accepted`, `put_off` (not tried yet: where it goes cannot be reached), `attempt`, `delayed`, `delivered`,
    /// `relayed`, `failed`, `canceled`, `answered` or `settled`.
    kind: &'static str,
    recipient: Option<String>,
    remote: Option<String>,
    code: Option<i64>,
    enhanced_code: Option<String>,
    diagnostic: Option<String>,
    next_attempt_at: Option<Time>,
}

impl Happened {
    fn new(at: i64, kind: &'static str, recipient: Option<String>) -> Self {
        Self {
            at: Time(at),
            kind,
            recipient,
            remote: None,
            code: None,
            enhanced_code: None,
            diagnostic: None,
            next_attempt_at: None,
        }
    }

    fn tried(row: AttemptRow, recipient: Option<String>) -> Self {
        let kind = match (row.n, row.next_at) {
            (0, _) => "put_off",
            (_, Some(_)) => "delayed",
            (_, None) => "attempt",
        };
        Self {
            remote: row.remote,
            code: row.code,
            enhanced_code: row.enhanced_code,
            diagnostic: row.diagnostic,
            next_attempt_at: row.next_at.map(Time),
            ..Self::new(row.at, kind, recipient)
        }
    }
}

/// Tells what happened to a message, oldest first.
#[utoipa::path(get, path = "/v1/messages/{id}/timeline", tag = "Deliveries", params(("id" = String, Path)),
    responses((status = 200, body = List<Happened>), (status = 404)))]
pub async fn timeline(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id,
) -> Answered {
    let account = caller.account.id;
    let row = find(&state, account, id).await?;
    let mut items =
        vec![Happened::new(row.received_at, if row.outgoing { "accepted" } else { "delivered" }, None)];
    if let Some(submission) = row.submission_id {
        let deliveries = state.store.deliveries_of(account, submission, None, SHOWN).await?;
        let ids: Vec<Uuid> = deliveries.iter().map(|row| row.id).collect();
        let to = |id| deliveries.iter().find(|row| row.id == id).map(|row| row.recipient.clone());
        if !ids.is_empty() {
            let tries = state.store.attempts(account, &ids).await?;
            items.extend(tries.into_iter().map(|row| Happened::tried(row.clone(), to(row.delivery_id))));
        }
        let now = state.clock.now_ms();
        items.extend(deliveries.iter().filter_map(|row| {
            Some(Happened::new(row.settled_at?, row.state(now).as_str(), Some(row.recipient.clone())))
        }));
    }
    if let (Some(asker), Some(promise)) = (row.asker_id, row.promise_id) {
        let answers = state.store.answers(asker, promise).await?;
        items.extend(answers.into_iter().map(|row| Happened::new(row.at, "answered", Some(row.by_address))));
        let promise = state.store.promises_of(&[(asker, promise)]).await?.pop();
        items.extend(promise.and_then(|row| Some(Happened::new(row.settled_at?, "settled", None))));
    }
    items.sort_by_key(|happened| happened.at);
    let list = List { items, next_cursor: None, as_of: None };
    let json = serde_json::to_vec(&list).unwrap_or_default();
    Ok(read(&headers, &format!("W/\"{}\"", &hex(&digest(&[&json]))[..32]), &list))
}
