//! Suppressions: addresses outside that nothing is sent to.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::time::Time;
use super::{Answered, created, kept, line};
use crate::http::access::Caller;
use crate::http::body::{Id, Json, Params};
use crate::http::by::By;
use crate::http::idempotency::Once;
use crate::http::page::{List, Page};
use crate::http::problem::{self, Problem};
use crate::http::{AppState, StatusCode};
use crate::mail::address::Address;
use crate::store::suppression::Suppressed;

/// An address that nothing is sent to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Suppression {
    id: Uuid,
    address: String,
    /// `unknown_recipient` where it bounced, else an operator's words.
    reason: String,
    /// `bounce` or `manual`.
    source: String,
    /// What was said there.
    detail: Option<String>,
    created_at: Time,
    /// When it ends by itself; null is never.
    expires_at: Option<Time>,
}

impl From<Suppressed> for Suppression {
    fn from(row: Suppressed) -> Self {
        Self {
            id: row.id,
            address: row.address,
            reason: row.reason,
            source: row.source,
            detail: row.detail,
            created_at: Time(row.created_at),
            expires_at: row.expires_at.map(Time),
        }
    }
}

/// Which of them.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Only this address.
    address: Option<String>,
    /// 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists addresses that nothing is sent to.
#[utoipa::path(get, path = "/v1/admin/suppressions", tag = "Administration", params(Filter), responses((status = 200, body = List<Suppression>)))]
pub async fn list(State(state): State<AppState>, caller: Caller, Params(query): Params<Filter>) -> Answered {
    let address = query.address.map(|address| address.to_lowercase());
    let filter = address.clone().unwrap_or_default();
    let page = Page::read(caller.account.id, "suppressions", &filter, query.limit, query.cursor.as_deref())?;
    let after = page.after.map(|(_, id)| id);
    let mut rows = state.store.suppressions(address.as_deref(), after, page.fetch()).await?;
    let next_cursor = page.cut(&mut rows, |row| (0, row.id));
    let items: Vec<Suppression> = rows.into_iter().map(Suppression::from).collect();
    Ok(axum::Json(List { items, next_cursor, as_of: None }).into_response())
}

/// An address to be suppressed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSuppression {
    #[schema(value_type = String)]
    address: Address,
    /// Why, in the operator's words.
    reason: String,
    /// When it ends by itself; never when absent.
    #[serde(default)]
    expires_at: Option<Time>,
}

/// Sends nothing more to an address, from now on; one that is there already is replaced.
#[utoipa::path(post, path = "/v1/admin/suppressions", tag = "Administration", request_body = NewSuppression,
    responses((status = 201, body = Suppression)))]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    by: By,
    once: Once,
    Json(new): Json<NewSuppression>,
) -> Answered {
    let now = state.clock.now_ms();
    let reason = line("/reason", &new.reason, 200)?;
    let expires_at = later(new.expires_at, now)?;
    let row = Suppressed::new(&new.address, &reason, now, expires_at);
    let shown = Suppression::from(row.clone());
    let location = format!("/v1/admin/suppressions/{}", shown.id);
    let keep = once.keep(caller.account.id, StatusCode::CREATED, Some(location.clone()), &shown, now);
    let entry = by.entry(&state, "suppression.created", shown.address.as_str());
    state.store.with(keep).audited(&entry).suppress(row).await?;
    Ok(kept(created(&location, &shown)))
}

fn later(at: Option<Time>, now: i64) -> Result<Option<i64>, Problem> {
    match at {
        Some(Time(at)) if at <= now => {
            Err(Problem::at(&problem::INVALID_BODY, "/expires_at", "a time that is still to come"))
        }
        at => Ok(at.map(|Time(at)| at)),
    }
}

/// Shows one.
#[utoipa::path(get, path = "/v1/admin/suppressions/{id}", tag = "Administration", params(("id" = String, Path)),
    responses((status = 200, body = Suppression), (status = 404)))]
pub async fn get(State(state): State<AppState>, _: Caller, Id(id): Id) -> Answered {
    let row = state.store.suppression(id).await?.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(Suppression::from(row)).into_response())
}

/// What is to be changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuppressionChange {
    /// Why, in the operator's words.
    #[serde(default)]
    reason: Option<String>,
    /// When it ends by itself.
    #[serde(default)]
    expires_at: Option<Time>,
}

/// Changes one, which makes it the operator's own.
#[utoipa::path(patch, path = "/v1/admin/suppressions/{id}", tag = "Administration", params(("id" = String, Path)),
    request_body = SuppressionChange, responses((status = 200, body = Suppression), (status = 404)))]
pub async fn change(
    State(state): State<AppState>,
    by: By,
    Id(id): Id,
    Json(change): Json<SuppressionChange>,
) -> Answered {
    let mut row = state.store.suppression(id).await?.ok_or_else(Problem::not_found)?;
    if let Some(reason) = &change.reason {
        row.reason = line("/reason", reason, 200)?;
    }
    if let Some(at) = later(change.expires_at, state.clock.now_ms())? {
        row.expires_at = Some(at);
    }
    row.source = "manual".into();
    let entry = by.entry(&state, "suppression.changed", row.address.as_str());
    state.store.audited(&entry).suppress(row.clone()).await?;
    Ok(axum::Json(Suppression::from(row)).into_response())
}

/// Sends to an address again.
#[utoipa::path(delete, path = "/v1/admin/suppressions/{id}", tag = "Administration", params(("id" = String, Path)),
    responses((status = 204), (status = 404)))]
pub async fn delete(State(state): State<AppState>, by: By, Id(id): Id) -> Answered {
    let row = state.store.suppression(id).await?.ok_or_else(Problem::not_found)?;
    let entry = by.entry(&state, "suppression.removed", row.address);
    state.store.audited(&entry).unsuppress(id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
