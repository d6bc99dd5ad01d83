//! Mailboxes: the account's folders, with their counts.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Answered, created, kept, line, read, unchanged};
use crate::http::access::Caller;
use crate::http::body::{Id, Json};
use crate::http::idempotency::Once;
use crate::http::page::List;
use crate::http::problem::{self, Problem};
use crate::http::{AppState, HeaderMap, StatusCode};
use crate::store;
use crate::store::mailbox::MailboxRow;

/// A mailbox.
#[derive(Debug, Serialize, ToSchema)]
pub struct Mailbox {
    id: Uuid,
    name: String,
    /// `inbox`, `archive`, `drafts`, `sent`, `junk`, `trash`, `snoozed`, `scheduled`, or null.
    role: Option<String>,
    /// Messages in it.
    total: i64,
    /// Messages in it that were not seen.
    unread: i64,
}

impl From<MailboxRow> for Mailbox {
    fn from(row: MailboxRow) -> Self {
        Self { id: row.id, name: row.name, role: row.role, total: row.total, unread: row.unread }
    }
}

/// A mailbox's name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Name {
    name: String,
}

/// Lists the account's mailboxes.
#[utoipa::path(get, path = "/v1/mailboxes", tag = "Mailboxes", responses((status = 200, body = List<Mailbox>)))]
pub async fn list(State(state): State<AppState>, caller: Caller, headers: HeaderMap) -> Answered {
    let modseq = caller.modseq;
    if let Some(unchanged) = unchanged(&headers, &format!("W/\"{modseq}\"")) {
        return Ok(unchanged);
    }
    let rows = state.store.mailboxes(caller.account.id).await?;
    let items = rows.into_iter().map(Mailbox::from).collect();
    let list = List { items, next_cursor: None, as_of: Some(modseq.to_string()) };
    Ok(read(&headers, &format!("W/\"{modseq}\""), &list))
}

/// Makes a mailbox.
#[utoipa::path(post, path = "/v1/mailboxes", tag = "Mailboxes", request_body = Name,
    responses((status = 201, body = Mailbox), (status = 409, description = "`name_taken`, also when there are 500")))]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    once: Once,
    Json(new): Json<Name>,
) -> Answered {
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let name = line("/name", &new.name, 100)?;
    let id = state.ids.id(now);
    let mailbox = Mailbox { id, name: name.clone(), role: None, total: 0, unread: 0 };
    let location = format!("/v1/mailboxes/{id}");
    let keep = once.keep(account, StatusCode::CREATED, Some(location.clone()), &mailbox, now);
    state.store.with(keep).create_mailbox(account, id, name, now).await.map_err(taken)?;
    Ok(kept(created(&location, &mailbox)))
}

fn taken(error: store::Error) -> Problem {
    match error {
        store::Error::Conflict => Problem::at(
            &problem::NAME_TAKEN,
            "/name",
            "there is a mailbox of this name, or there are too many",
        ),
        other => other.into(),
    }
}

/// Renames a mailbox that has no role.
#[utoipa::path(patch, path = "/v1/mailboxes/{id}", tag = "Mailboxes", params(("id" = String, Path)), request_body = Name,
    responses((status = 200, body = Mailbox), (status = 404), (status = 409, description = "`name_taken`, `mailbox_has_role`")))]
pub async fn rename(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Json(new): Json<Name>,
) -> Answered {
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let name = line("/name", &new.name, 100)?;
    without_role(&state, account, id).await?;
    state.store.rename_mailbox(account, id, name, now).await.map_err(taken)?;
    let renamed = find(&state, account, id).await?;
    Ok(axum::Json(Mailbox::from(renamed)).into_response())
}

async fn find(state: &AppState, account: Uuid, id: Uuid) -> Result<MailboxRow, Problem> {
    let all = state.store.mailboxes(account).await?;
    all.into_iter().find(|mailbox| mailbox.id == id).ok_or_else(Problem::not_found)
}

async fn without_role(state: &AppState, account: Uuid, id: Uuid) -> Result<MailboxRow, Problem> {
    let mailbox = find(state, account, id).await?;
    if let Some(role) = &mailbox.role {
        let detail = format!("This is the account's {role} mailbox; it stays as it is.");
        return Err(Problem::new(&problem::MAILBOX_HAS_ROLE, detail));
    }
    Ok(mailbox)
}

/// Deletes an empty mailbox that has no role.
#[utoipa::path(delete, path = "/v1/mailboxes/{id}", tag = "Mailboxes", params(("id" = String, Path)),
    responses((status = 204), (status = 404), (status = 409, description = "`mailbox_not_empty`, `mailbox_has_role`")))]
pub async fn delete(State(state): State<AppState>, caller: Caller, Id(id): Id) -> Answered {
    let account = caller.account.id;
    without_role(&state, account, id).await?;
    state.store.delete_mailbox(account, id, state.clock.now_ms()).await.map_err(|error| match error {
        store::Error::Conflict => {
            Problem::new(&problem::MAILBOX_NOT_EMPTY, "There are messages in this mailbox.")
        }
        other => other.into(),
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
