//! The audit log, for administrators.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Answered;
use super::time::Time;
use crate::http::AppState;
use crate::http::access::Caller;
use crate::http::body::Params;
use crate::http::page::{List, Page};
use crate::store::audit::Entry;

/// Something that was done to accounts, credentials or the server.
#[derive(Debug, Serialize, ToSchema)]
pub struct Audited {
    id: Uuid,
    at: Time,
    /// Whose doing it was; null: the command line, or nobody who is known.
    account_id: Option<Uuid>,
    /// The address of that account then.
    actor: Option<String>,
    /// `session.created`, `session.refused`, `session.revoked`, `password.changed`, `token.created`, `token.revoked`,
    /// `account.created`, `domain.added`, `key.forgotten`, `suppression.created`, `suppression.changed`,
    /// `suppression.removed`, `queue.retry`, `queue.hold`, `queue.release`, `queue.cancel`, `sending.paused` or
    /// `sending.resumed`; more may come.
    action: String,
    /// To what it was done: an address, a name or an id.
    target: String,
    /// The network address it came from; null at the command line.
    peer: Option<String>,
}

impl From<Entry> for Audited {
    fn from(entry: Entry) -> Self {
        let Entry { id, at, account_id, actor, action, target, peer } = entry;
        Self { id, at: Time(at), account_id, actor, action, target, peer }
    }
}

/// Which part of the log.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Only of this action, such as `token.created`.
    action: Option<String>,
    /// 1 to 200; 50 when absent.
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists what was done to accounts, credentials and the server, newest first. It is kept for 400 days.
#[utoipa::path(get, path = "/v1/admin/audit", tag = "Administration", params(Filter), responses((status = 200, body = List<Audited>)))]
pub async fn list(State(state): State<AppState>, caller: Caller, Params(query): Params<Filter>) -> Answered {
    let filter = query.action.clone().unwrap_or_default();
    let page = Page::read(caller.account.id, "audit", &filter, query.limit, query.cursor.as_deref())?;
    let mut rows = state.store.audit(query.action.as_deref(), page.after, page.fetch()).await?;
    let next_cursor = page.cut(&mut rows, |row| (row.at, row.id));
    let items: Vec<Audited> = rows.into_iter().map(Audited::from).collect();
    Ok(axum::Json(List { items, next_cursor, as_of: None }).into_response())
}
