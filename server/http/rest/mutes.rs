//! Mutes: senders and threads whose messages are filed, but told of nowhere outside.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::time::Time;
use super::tokens::Paging;
use super::{Answered, created};
use crate::http::access::Caller;
use crate::http::body::{Id, Json, Params};
use crate::http::page::{List, Page};
use crate::http::problem::{self, Problem};
use crate::http::{AppState, StatusCode};
use crate::mail::address::Address;
use crate::store::Error;
use crate::store::mute::{MOST, MuteRow, Muted};

/// Something that is muted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Mute {
    id: Uuid,
    /// An address.
    sender: Option<String>,
    thread_id: Option<String>,
    created_at: Time,
}

impl From<MuteRow> for Mute {
    fn from(row: MuteRow) -> Self {
        let MuteRow { id, kind, value, created_at } = row;
        let (sender, thread_id) = if kind == "sender" { (Some(value), None) } else { (None, Some(value)) };
        Self { id, sender, thread_id, created_at: Time(created_at) }
    }
}

/// What is to be muted: one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMute {
    /// Whose messages.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    sender: Option<Address>,
    /// Which thread's messages.
    #[serde(default)]
    thread_id: Option<Uuid>,
}

/// Lists what is muted, oldest first.
#[utoipa::path(get, path = "/v1/mutes", tag = "Forwarding", params(Paging), responses((status = 200, body = List<Mute>)))]
pub async fn list(State(state): State<AppState>, caller: Caller, Params(query): Params<Paging>) -> Answered {
    let account = caller.account.id;
    let page = Page::read(account, "mutes", "", query.limit, query.cursor.as_deref())?;
    let mut rows = state.store.mutes_page(account, page.after.map(|(_, id)| id), page.fetch()).await?;
    let next_cursor = page.cut(&mut rows, |row| (0, row.id));
    let items: Vec<Mute> = rows.into_iter().map(Mute::from).collect();
    Ok(axum::Json(List { items, next_cursor, as_of: None }).into_response())
}

/// Mutes a sender or a thread: nothing that comes from there is told of outside, while it is filed as ever.
#[utoipa::path(post, path = "/v1/mutes", tag = "Forwarding", request_body = NewMute,
    responses((status = 201, body = Mute), (status = 404), (status = 422, description = "also when there are 1,000")))]
pub async fn create(State(state): State<AppState>, caller: Caller, Json(new): Json<NewMute>) -> Answered {
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let muted = match (new.sender, new.thread_id) {
        (Some(sender), None) => Muted::Sender(sender.key()),
        (None, Some(thread)) => {
            if state.store.thread(account, thread, 1).await?.is_empty() {
                return Err(Problem::not_found());
            }
            Muted::Thread(thread)
        }
        _ => return Err(Problem::at(&problem::INVALID_BODY, "", "either sender or thread_id")),
    };
    let row =
        state.store.mute(account, state.ids.id(now), muted, now).await.map_err(|error| match error {
            Error::Conflict => full(""),
            other => other.into(),
        })?;
    let mute = Mute::from(row);
    Ok(created(&format!("/v1/mutes/{}", mute.id), &mute))
}

/// There is no room for another one.
pub(super) fn full(pointer: &str) -> Problem {
    Problem::at(&problem::INVALID_BODY, pointer, format!("there are {MOST} mutes; end others first"))
}

/// Ends a mute.
#[utoipa::path(delete, path = "/v1/mutes/{id}", tag = "Forwarding", params(("id" = String, Path)),
    responses((status = 204), (status = 404)))]
pub async fn delete(State(state): State<AppState>, caller: Caller, Id(id): Id) -> Answered {
    state.store.unmute(caller.account.id, id, state.clock.now_ms()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
