//! Health: alive, and ready to work.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;

use super::AppState;
use super::problem::{self, Problem};

/// `/healthz` and `/readyz`.
pub fn routes() -> Router<AppState> {
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready))
}

/// How long the database may take to answer a node that is ready.
const PING: Duration = Duration::from_secs(3);

/// The process answers.
async fn alive() -> &'static str {
    "ok\n"
}

/// The database answers; its migrations were done before this door opened. Says so when sending is paused.
async fn ready(State(state): State<AppState>) -> Result<&'static str, Problem> {
    if state.shutdown.is_cancelled() {
        return Err(Problem::new(&problem::BUSY, "This server is closing.").retry_after(5));
    }
    let paused = match tokio::time::timeout(PING, state.store.paused()).await {
        Ok(Ok(paused)) => paused,
        Ok(Err(error)) => {
            tracing::error!(%error, "the database does not answer");
            return Err(away());
        }
        Err(_) => return Err(away()),
    };
    Ok(if paused.is_some() { "ready, but sending is paused\n" } else { "ready\n" })
}

fn away() -> Problem {
    Problem::new(&problem::DATABASE_AWAY, "The database does not answer.").retry_after(5)
}
