//! The vacation reply: what whoever writes is answered while the account's owner is away.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::Time;
use super::{Answered, line};
use crate::http::access::Caller;
use crate::http::body::Json;
use crate::http::problem::{self, Problem};
use crate::http::{AppState, StatusCode};
use crate::store::vacation::Vacation as Row;

/// Octets of the text.
const MOST: usize = 16 * 1024;

/// A vacation reply. Each sender gets it once a week; machines and lists never do.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Vacation {
    /// That of the message that is answered, with a word before it, when null.
    #[serde(default)]
    subject: Option<String>,
    text: String,
    /// At once when null.
    #[serde(default)]
    from: Option<Time>,
    /// Until it is ended when null.
    #[serde(default)]
    until: Option<Time>,
}

impl From<Row> for Vacation {
    fn from(row: Row) -> Self {
        let Row { subject, body, from_at, until_at, .. } = row;
        Self { subject, text: body, from: from_at.map(Time), until: until_at.map(Time) }
    }
}

/// Reads the vacation reply.
#[utoipa::path(get, path = "/v1/me/vacation", tag = "Account",
    responses((status = 200, body = Vacation), (status = 404, description = "there is none")))]
pub async fn get(State(state): State<AppState>, caller: Caller) -> Answered {
    let row = state.store.vacations(&[caller.account.id]).await?.pop();
    Ok(axum::Json(Vacation::from(row.ok_or_else(Problem::not_found)?)).into_response())
}

/// Sets the vacation reply. Who was answered before is answered anew.
#[utoipa::path(put, path = "/v1/me/vacation", tag = "Account", request_body = Vacation, responses((status = 200, body = Vacation)))]
pub async fn set(State(state): State<AppState>, caller: Caller, Json(new): Json<Vacation>) -> Answered {
    let subject = new.subject.as_deref().map(|subject| line("/subject", subject, 400)).transpose()?;
    if new.text.trim().is_empty() || new.text.len() > MOST {
        return Err(Problem::at(&problem::INVALID_BODY, "/text", "from 1 to 16,384 octets"));
    }
    let (from_at, until_at) = (new.from.map(|Time(at)| at), new.until.map(|Time(at)| at));
    if let (Some(from), Some(until)) = (from_at, until_at)
        && until <= from
    {
        return Err(Problem::at(&problem::INVALID_BODY, "/until", "later than from"));
    }
    let row = Row { account_id: caller.account.id, subject, body: new.text, from_at, until_at };
    state.store.set_vacation(row.clone(), state.clock.now_ms()).await?;
    Ok(axum::Json(Vacation::from(row)).into_response())
}

/// Ends the vacation reply.
#[utoipa::path(delete, path = "/v1/me/vacation", tag = "Account", responses((status = 204)))]
pub async fn end(State(state): State<AppState>, caller: Caller) -> Answered {
    state.store.end_vacation(caller.account.id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
