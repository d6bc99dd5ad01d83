//! The calls of a webhook: which were made and what came of them; made as a test, or made again.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::time::Time;
use super::tokens::Paging;
use super::webhooks::find;
use super::{Answered, kept};
use crate::http::access::Caller;
use crate::http::body::{Id, Json, Params, id_of};
use crate::http::idempotency::Once;
use crate::http::page::{List, Page};
use crate::http::problem::{self, Problem};
use crate::http::{AppState, StatusCode};
use crate::store::calls::{CallRow, Told, call};
use crate::store::tracking::AttemptRow;
use crate::store::webhook::WebhookRow;

/// Events that are told again at once.
const AGAIN: i64 = 100;

/// Something that a webhook is told.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookCall {
    id: Uuid,
    /// The cursor of the event; null for a test.
    event: Option<String>,
    /// `queued`, `delayed`, `delivered`, `failed` or `canceled`.
    state: &'static str,
    created_at: Time,
    settled_at: Option<Time>,
    next_attempt_at: Option<Time>,
    attempts: Vec<CallAttempt>,
}

/// One attempt.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallAttempt {
    at: Time,
    /// The status that was answered; null when there was no answer.
    status: Option<i64>,
    /// What that status says, or why there was no answer.
    detail: Option<String>,
    next_attempt_at: Option<Time>,
}

impl WebhookCall {
    fn of((row, tries): (CallRow, Vec<AttemptRow>)) -> Self {
        let state = match row.outcome.as_deref() {
            Some("delivered") => "delivered",
            Some("canceled") => "canceled",
            Some(_) => "failed",
            None if row.attempts > 0 => "delayed",
            None => "queued",
        };
        let event = match Told::read(&row.recipient) {
            Some(Told::Event { seq, .. }) => Some(seq.to_string()),
            _ => None,
        };
        let attempts = tries.into_iter().map(|one| CallAttempt {
            at: Time(one.at),
            status: one.code,
            detail: one.diagnostic,
            next_attempt_at: one.next_at.map(Time),
        });
        Self {
            id: row.id,
            event,
            state,
            created_at: Time(row.created_at),
            settled_at: row.settled_at.map(Time),
            next_attempt_at: row.settled_at.is_none().then_some(Time(row.due_at)),
            attempts: attempts.collect(),
        }
    }
}

/// Lists the calls of a webhook of the last 30 days, newest first, with every attempt of each.
#[utoipa::path(get, path = "/v1/webhooks/{id}/deliveries", tag = "Webhooks", params(("id" = String, Path), Paging),
    responses((status = 200, body = List<WebhookCall>), (status = 404)))]
pub async fn deliveries(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Params(query): Params<Paging>,
) -> Answered {
    let account = caller.account.id;
    find(&state, &caller, id).await?;
    let page = Page::read(account, "calls", &id.to_string(), query.limit, query.cursor.as_deref())?;
    let before = page.after.map(|(_, id)| id);
    let mut rows = state.store.calls(account, id, None, before, page.fetch()).await?;
    let next_cursor = page.cut(&mut rows, |(row, _)| (0, row.id));
    let items: Vec<WebhookCall> = rows.into_iter().map(WebhookCall::of).collect();
    Ok(axum::Json(List { items, next_cursor, as_of: None }).into_response())
}

/// Calls that are owed now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Owed {
    /// Ids of the list of calls.
    deliveries: Vec<Uuid>,
    /// More is left of the range: go on with this as `after`.
    next_after: Option<String>,
}

async fn owe(
    state: &AppState,
    once: &Once,
    row: &WebhookRow,
    told: Vec<Told>,
    next_after: Option<String>,
) -> Answered {
    let now = state.clock.now_ms();
    let calls: Vec<_> = told.into_iter().map(|told| call(row, state.ids.id(now), told, now)).collect();
    let deliveries = calls.iter().map(|call| call.id).collect();
    let owed = Owed { deliveries, next_after };
    let response = (StatusCode::ACCEPTED, axum::Json(&owed)).into_response();
    if calls.is_empty() {
        return Ok(response);
    }
    let keep = once.keep(row.account_id, StatusCode::ACCEPTED, None, &owed, now);
    state.store.with(keep).owe(calls).await?;
    Ok(kept(response))
}

/// Calls a webhook with an event of type `webhook.test`, also one that is switched off.
#[utoipa::path(post, path = "/v1/webhooks/{id}/test", tag = "Webhooks", params(("id" = String, Path)),
    responses((status = 202, body = Owed), (status = 404)))]
pub async fn test(State(state): State<AppState>, caller: Caller, Id(id): Id, once: Once) -> Answered {
    let row = find(&state, &caller, id).await?;
    owe(&state, &once, &row, vec![Told::Test], None).await
}

/// What is to be told again: one call, or the events of a range.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Redeliver {
    /// One call, by its id.
    #[serde(default)]
    delivery_id: Option<String>,
    /// Every event after this cursor, of the types the webhook wants; 100 at once.
    #[serde(default)]
    after: Option<String>,
    /// The last event of the range; the end of the log when absent.
    #[serde(default)]
    until: Option<String>,
}

fn cursor(pointer: &str, text: &str) -> Result<i64, Problem> {
    let wrong = || Problem::at(&problem::INVALID_BODY, pointer, "this is no cursor of the log");
    text.parse().ok().filter(|seq| *seq >= 0).ok_or_else(wrong)
}

/// Tells a webhook of an event again, or of every one in a range; each has the `webhook-id` it had before.
#[utoipa::path(post, path = "/v1/webhooks/{id}/redeliver", tag = "Webhooks", params(("id" = String, Path)), request_body = Redeliver,
    responses((status = 202, body = Owed), (status = 404), (status = 409, description = "`webhook_disabled`"), (status = 422)))]
pub async fn redeliver(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id,
    once: Once,
    Json(body): Json<Redeliver>,
) -> Answered {
    let account = caller.account.id;
    let row = find(&state, &caller, id).await?;
    if row.disabled_at.is_some() {
        return Err(Problem::new(&problem::WEBHOOK_DISABLED, "This webhook is switched off."));
    }
    match (body.delivery_id, body.after, body.until) {
        (Some(one), None, None) => {
            let one = id_of(&one).ok_or_else(Problem::not_found)?;
            let known = state.store.calls(account, id, Some(one), None, 1).await?;
            let told = known.first().and_then(|(call, _)| Told::read(&call.recipient));
            owe(&state, &once, &row, vec![told.ok_or_else(Problem::not_found)?], None).await
        }
        (None, Some(after), until) => {
            let after = cursor("/after", &after)?;
            let until = until.map_or(Ok(i64::MAX), |until| cursor("/until", &until))?;
            let events = state.store.events(account, after, &row.types(), AGAIN).await?;
            let (mut told, mut previous) = (Vec::new(), None);
            for event in events.iter().take_while(|event| event.seq <= until) {
                told.push(Told::Event { seq: event.seq, previous: previous.replace(event.seq) });
            }
            let more = previous.filter(|last| told.len() as i64 == AGAIN && *last < until);
            owe(&state, &once, &row, told, more.map(|seq| seq.to_string())).await
        }
        _ => Err(Problem::at(
            &problem::INVALID_BODY,
            "",
            "give either delivery_id, or after and perhaps until",
        )),
    }
}
