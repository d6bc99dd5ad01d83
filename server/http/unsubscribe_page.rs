//! The page behind a notice's List-Unsubscribe (RFC 8058): looking changes nothing, one POST ends the notices.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::answer_page::{page, said};
use super::problem::Problem;
use super::{AppState, StatusCode};
use crate::delivery::unsubscribe::read;
use crate::mail::html;
use crate::store::Error;
use crate::store::forwarding::{Change, ForwardingRow};

/// `/u/{secret}`.
pub fn routes() -> Router<AppState> {
    Router::new().route("/u/{secret}", get(show).post(end))
}

async fn find(state: &AppState, secret: &str) -> Result<Option<ForwardingRow>, Error> {
    let key = state.store.return_key().await?;
    let Some((account, id)) = read(key, secret) else { return Ok(None) };
    state.store.forwarding(account, id).await
}

fn gone() -> Response {
    page(StatusCode::NOT_FOUND, &said("This link leads nowhere any more: nothing is sent because of it."))
}

fn ended(address: &str) -> String {
    said(&format!("Nothing more is forwarded to {address}. It can be begun again in the inbox."))
}

async fn show(State(state): State<AppState>, Path(secret): Path<String>) -> Response {
    match find(&state, &secret).await {
        Ok(Some(row)) if row.paused_at.is_some() => page(StatusCode::OK, &ended(&row.address)),
        Ok(Some(row)) => {
            let address = html::escape(&row.address);
            let form = format!(
                "<h1>Restante</h1><p>Messages are forwarded to {address}.</p><form method=post>\
                 <button>Forward nothing more</button></form>"
            );
            page(StatusCode::OK, &form)
        }
        Ok(None) => gone(),
        Err(error) => Problem::from(error).into_response(),
    }
}

/// Ends the notices. Mail programs send this from anywhere (RFC 8058 §3.2), so the secret alone is asked for; all that
/// it can do is silence, which its owner can take back.
async fn end(State(state): State<AppState>, Path(secret): Path<String>) -> Response {
    let row = match find(&state, &secret).await {
        Ok(Some(row)) => row,
        Ok(None) => return gone(),
        Err(error) => return Problem::from(error).into_response(),
    };
    let change = Change { paused: Some(true), ..Change::default() };
    let done = state.store.change_forwarding(row.account_id, row.id, change, state.clock.now_ms()).await;
    match done {
        Ok(()) => page(StatusCode::OK, &ended(&row.address)),
        Err(Error::NotFound) => gone(),
        Err(error) => Problem::from(error).into_response(),
    }
}
