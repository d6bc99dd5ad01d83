//! Drafts: a message as far as it is written, kept for whichever browser goes on with it, and sent.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::draft::Draft;
use super::send::{accept, boxed};
use super::time::Time;
use super::tokens::Paging;
use super::{Answered, created, kept};
use crate::http::access::Caller;
use crate::http::body::{Id, Json, Params};
use crate::http::header::{ETAG, IF_MATCH};
use crate::http::idempotency::Once;
use crate::http::page::{List, Page};
use crate::http::problem::{self, Problem};
use crate::http::{AppState, HeaderMap, HeaderValue, StatusCode};
use crate::store::draft::{DraftRow, MOST, consume};
use crate::store::{self, Store};

/// Octets of a draft.
const LONGEST: usize = 512 * 1024;

/// A draft.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeptDraft)]
pub struct Kept {
    id: Uuid,
    created_at: Time,
    updated_at: Time,
    /// What is written so far, as `POST /v1/messages` takes it.
    #[schema(value_type = Object)]
    draft: Value,
}

impl From<&DraftRow> for Kept {
    fn from(row: &DraftRow) -> Self {
        Self {
            id: row.id,
            created_at: Time(row.created_at),
            updated_at: Time(row.updated_at),
            draft: serde_json::from_str(&row.body).unwrap_or_default(),
        }
    }
}

fn etag(row: &DraftRow) -> String {
    format!("\"{}\"", row.version)
}

fn tagged(mut response: axum::response::Response, row: &DraftRow) -> axum::response::Response {
    if let Ok(etag) = HeaderValue::from_str(&etag(row)) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

/// A draft's text as it is kept: read as a message first, so that what is kept can be sent.
fn body(value: &Value) -> Result<String, Problem> {
    let read: Result<Draft, _> = serde_json::from_value(value.clone());
    read.map_err(|error| Problem::at(&problem::INVALID_BODY, "", error.to_string()))?;
    let text = value.to_string();
    if text.len() > LONGEST {
        return Err(Problem::at(&problem::INVALID_BODY, "", format!("a draft has at most {LONGEST} octets")));
    }
    Ok(text)
}

fn refused(error: store::Error) -> Problem {
    match error {
        store::Error::Conflict => changed(),
        store::Error::NotFound => {
            Problem::new(&problem::CONFLICT, format!("There are {MOST} drafts already."))
        }
        other => other.into(),
    }
}

fn changed() -> Problem {
    Problem::new(&problem::PRECONDITION_FAILED, "The draft was changed since it was read.")
}

/// The version of If-Match; `Some(0)` for `If-None-Match: *`.
fn expected(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    if headers.get("if-none-match").is_some_and(|value| value == "*") {
        return Ok(Some(0));
    }
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim().trim_start_matches("W/").trim_matches('"');
    text.parse().map(Some).map_err(|_| changed())
}

async fn find(store: &Store, account: Uuid, id: Uuid) -> Result<DraftRow, Problem> {
    store.draft(account, id).await?.ok_or_else(Problem::not_found)
}

/// Lists drafts, last changed first.
#[utoipa::path(get, path = "/v1/drafts", tag = "Drafts", params(Paging), responses((status = 200, body = List<Kept>)))]
pub async fn list(State(state): State<AppState>, caller: Caller, Params(query): Params<Paging>) -> Answered {
    let account = caller.account.id;
    let page = Page::read(account, "drafts", "", query.limit, query.cursor.as_deref())?;
    let mut rows = state.store.drafts(account, page.after, page.fetch()).await?;
    let next_cursor = page.cut(&mut rows, |row| (row.updated_at, row.id));
    let items: Vec<Kept> = rows.iter().map(Kept::from).collect();
    Ok(axum::Json(List { items, next_cursor, as_of: None }).into_response())
}

/// Begins a draft.
#[utoipa::path(post, path = "/v1/drafts", tag = "Drafts", request_body = Draft, responses((status = 201, body = Kept)))]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    once: Once,
    Json(draft): Json<Value>,
) -> Answered {
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let text = body(&draft)?;
    let id = state.ids.id(now);
    let location = format!("/v1/drafts/{id}");
    let answer = Kept { id, created_at: Time(now), updated_at: Time(now), draft };
    let keep = once.keep(account, StatusCode::CREATED, Some(location.clone()), &answer, now);
    state.store.with(keep).put_draft(account, id, text, Some(0), now).await.map_err(refused)?;
    Ok(kept(created(&location, &answer)))
}

/// Reads a draft.
#[utoipa::path(get, path = "/v1/drafts/{id}", tag = "Drafts", params(("id" = String, Path)),
    responses((status = 200, body = Kept), (status = 404)))]
pub async fn get(State(state): State<AppState>, caller: Caller, Id(id): Id) -> Answered {
    let row = find(&state.store, caller.account.id, id).await?;
    Ok(tagged(axum::Json(Kept::from(&row)).into_response(), &row))
}

/// Keeps a draft under an id of the caller's making, in the place of what was there. `If-Match` with the ETag of what was
/// read, or `If-None-Match: *`, keeps it from undoing what was written elsewhere.
#[utoipa::path(put, path = "/v1/drafts/{id}", tag = "Drafts", params(("id" = String, Path)), request_body = Draft,
    responses((status = 200, body = Kept), (status = 412, description = "`precondition_failed`")))]
pub async fn put(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id,
    Json(draft): Json<Value>,
) -> Answered {
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let text = body(&draft)?;
    let expected = expected(&headers)?;
    state.store.put_draft(account, id, text, expected, now).await.map_err(refused)?;
    let row = find(&state.store, account, id).await?;
    Ok(tagged(axum::Json(Kept::from(&row)).into_response(), &row))
}

/// Deletes a draft.
#[utoipa::path(delete, path = "/v1/drafts/{id}", tag = "Drafts", params(("id" = String, Path)),
    responses((status = 204), (status = 404)))]
pub async fn delete(State(state): State<AppState>, caller: Caller, Id(id): Id) -> Answered {
    state.store.delete_draft(caller.account.id, id, state.clock.now_ms()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Sends a draft. It is gone once it is sent.
#[utoipa::path(post, path = "/v1/drafts/{id}/send", tag = "Drafts", params(("id" = String, Path)),
    responses((status = 202, body = super::send::Sent), (status = 404), (status = 422, description = "as of POST /v1/messages")))]
pub async fn send(State(state): State<AppState>, caller: Caller, once: Once, Id(id): Id) -> Answered {
    let account = caller.account.id;
    let row = find(&state.store, account, id).await?;
    let draft: Draft = serde_json::from_str(&row.body)
        .map_err(|error| Problem::at(&problem::INVALID_BODY, "", error.to_string()))?;
    let request = draft.request()?;
    let mut context = state.submission.clone();
    // Sent and gone in one unit: whoever sends it at the same time fails.
    context.store = context.store.with(vec![consume(account, id, row.version)]);
    boxed(accept(&context, &caller, once, request)).await
}
