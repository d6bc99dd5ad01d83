//! Completing addresses.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answered;
use super::summary::Address;
use crate::http::AppState;
use crate::http::access::Caller;
use crate::http::body::Params;
use crate::http::page::List;
use crate::http::problem::{self, Problem};

/// What is typed so far.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Typed {
    /// The beginning of an address, or of a word of a name: 1 to 100 characters.
    q: String,
    /// 1 to 50; 10 when absent.
    #[param(minimum = 1, maximum = 50)]
    limit: Option<i64>,
}

/// People to write to, those most written with first: the caller's own correspondents, and who has an account here.
#[utoipa::path(get, path = "/v1/addresses", tag = "Account", params(Typed), responses((status = 200, body = List<Address>)))]
pub async fn list(State(state): State<AppState>, caller: Caller, Params(typed): Params<Typed>) -> Answered {
    let (q, limit) = (typed.q.trim(), typed.limit.unwrap_or(10));
    if q.is_empty() || q.chars().count() > 100 {
        return Err(Problem::at(&problem::INVALID_PARAMETER, "?q", "1 to 100 characters"));
    }
    if !(1..=50).contains(&limit) {
        return Err(Problem::at(&problem::INVALID_PARAMETER, "?limit", "limit is a number from 1 to 50"));
    }
    let found = state.store.correspondents(caller.account.id, q, limit).await?;
    let items = found.into_iter().map(|one| Address { name: one.name, address: one.address }).collect();
    Ok(axum::Json(List::<Address> { items, next_cursor: None, as_of: None }).into_response())
}
