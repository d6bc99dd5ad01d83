//! Awaiting several promises at once.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Answered;
use super::promises::{Promise, all_of};
use crate::http::access::Caller;
use crate::http::body::{Json, id_of};
use crate::http::problem::{self, Problem};
use crate::http::wait::{self, Next, Waiting, Waits};
use crate::http::{AppState, HeaderMap};
use crate::store::Topic;

/// Promises that are awaited at once.
const MOST: usize = 100;

/// What is awaited: one of some promises, or all of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Await {
    /// Ids, up to 100: returns when one of them is settled.
    #[serde(default)]
    any: Option<Vec<String>>,
    /// Ids, up to 100: returns when all of them are settled.
    #[serde(default)]
    all: Option<Vec<String>>,
    /// Seconds, 0 to 60. `Prefer: wait=25` does the same.
    #[serde(default)]
    wait: Option<u64>,
}

/// How the promises are now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Awaited {
    /// Whether what was awaited has come about.
    settled: bool,
    /// In the order of the request.
    promises: Vec<Promise>,
}

/// Waits until any or all of some promises are settled, or the time is up. Only a read: it may be done again and again.
#[utoipa::path(post, path = "/v1/await", tag = "Promises", request_body = Await,
    responses((status = 200, body = Awaited), (status = 404), (status = 422, description = "`invalid_body`")))]
pub async fn awaiting(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    waiting: Waiting,
    Json(body): Json<Await>,
) -> Answered {
    let account = caller.account.id;
    let (name, list, all) = match (body.any, body.all) {
        (Some(any), None) => ("/any", any, false),
        (None, Some(all)) => ("/all", all, true),
        _ => return Err(Problem::at(&problem::INVALID_BODY, "", "give either any or all")),
    };
    if list.is_empty() || list.len() > MOST {
        return Err(Problem::at(&problem::INVALID_BODY, name, format!("1 to {MOST} ids")));
    }
    let ids: Vec<Uuid> =
        list.iter().map(|id| id_of(id)).collect::<Option<_>>().ok_or_else(Problem::not_found)?;
    let most = wait::seconds(body.wait, &headers)?;
    let mut waits = Waits::begin(&state, waiting, ids.iter().map(|id| Topic::Promise(*id)), most);
    let (rows, settled) = loop {
        let known = state.store.promises_known(account, &ids).await?;
        let row = |id: &Uuid| known.iter().find(|row| row.id == *id).cloned();
        let rows: Vec<_> = ids.iter().map(row).collect::<Option<_>>().ok_or_else(Problem::not_found)?;
        let ended = rows.iter().filter(|row| row.state != "pending").count();
        let settled = if all { ended == rows.len() } else { ended > 0 };
        if settled {
            break (rows, settled);
        }
        match waits.next(&state).await {
            Next::Look => {}
            Next::Over => break (rows, settled),
            Next::Parked(response) => return Ok(response),
        }
    };
    let promises = all_of(&state, account, rows).await?;
    Ok(axum::Json(Awaited { settled, promises }).into_response())
}
