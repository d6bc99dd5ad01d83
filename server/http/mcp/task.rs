//! Tasks: a question that a client asks as one. The task is the promise of the answer, by its id: it needs nothing of its
//! own, and outlives every connection and restart.

use axum::extract::State;
use serde_json::{Value, json};

use super::Wrong;
use super::tools::{self, told};
use crate::auth::Scope;
use crate::http::access::{self, Caller};
use crate::http::body::{Id, id_of};
use crate::http::rest::promises;
use crate::http::{AppState, HeaderMap, Problem};

/// How often a client should look, in milliseconds; `tasks/result` waits.
const POLL: u64 = 5000;
/// How long one look at a result waits, in seconds.
const WAIT: u64 = 50;

/// A promise as a task.
fn shown(promise: &Value) -> Value {
    let (status, message) = match (promise["state"].as_str(), promise["reason"]["code"].as_str()) {
        (Some("fulfilled"), _) => ("completed", "answered".to_owned()),
        (Some("rejected"), Some("canceled")) => ("cancelled", "withdrawn".to_owned()),
        (Some("rejected"), reason) => ("failed", reason.unwrap_or("rejected").to_owned()),
        _ => ("working", "waiting for the answer".to_owned()),
    };
    let updated = promise.get("settled_at").unwrap_or(&promise["created_at"]);
    json!({ "taskId": promise["promise_id"], "status": status, "statusMessage": message,
        "createdAt": promise["created_at"], "lastUpdatedAt": updated, "ttl": null, "pollInterval": POLL })
}

fn id(params: &Value) -> Result<&str, Wrong> {
    params["taskId"].as_str().ok_or_else(|| Wrong::parameters("which task? give taskId"))
}

/// Asks, and gives back the task.
pub(super) async fn begin(state: &AppState, caller: Caller, arguments: Value) -> Result<Value, Wrong> {
    caller.require(Scope::Send).map_err(Problem::from)?;
    let reader = Caller(caller.0.clone());
    let asked = tools::ask(state, caller, arguments).await?;
    let promise = tools::promise(state, reader, asked["promise_id"].as_str().unwrap_or_default(), 0).await?;
    Ok(json!({ "task": shown(&promise) }))
}

/// `tasks/get`
pub(super) async fn get(state: &AppState, caller: Caller, params: &Value) -> Result<Value, Wrong> {
    caller.require(Scope::Read).map_err(Problem::from)?;
    Ok(shown(&tools::promise(state, caller, id(params)?, 0).await?))
}

/// `tasks/result`: waits until the task is over, as long as the client does.
pub(super) async fn result(
    state: &AppState,
    caller: Caller,
    headers: &HeaderMap,
    params: &Value,
) -> Result<Value, Wrong> {
    caller.require(Scope::Read).map_err(Problem::from)?;
    let id = id(params)?;
    loop {
        let promise = tools::promise(state, Caller(caller.0.clone()), id, WAIT).await?;
        if promise["state"] != "pending" {
            let mut result = told(&promise, promise["state"] != "fulfilled");
            result["_meta"] = json!({ "io.modelcontextprotocol/related-task": { "taskId": id } });
            return Ok(result);
        }
        if state.shutdown.is_cancelled() {
            return Err(Wrong(-32603, "the server stops; ask again".into()));
        }
        // Nothing is told to a credential that was taken back in the meantime.
        access::authenticate(state, headers).await.map_err(Problem::from)?;
    }
}

/// `tasks/cancel`: takes the question back.
pub(super) async fn cancel(state: &AppState, caller: Caller, params: &Value) -> Result<Value, Wrong> {
    caller.require(Scope::Send).map_err(Problem::from)?;
    let id = id(params)?;
    let known = id_of(id).ok_or_else(|| Wrong::parameters("there is no such task"))?;
    promises::cancel(State(state.clone()), Caller(caller.0.clone()), Id(known)).await?;
    Ok(shown(&tools::promise(state, caller, id, 0).await?))
}
