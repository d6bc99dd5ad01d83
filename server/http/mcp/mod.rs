//! The Model Context Protocol (MCP, revisions up to 2026-07-28) over streamable HTTP: a thin door for agents, to the handlers of
//! the REST API. It is stateless: each POST is one JSON-RPC message and is answered with JSON. A question to a person is a
//! promise, and so is the task that a client may ask for in its place: both last for as long as the answer takes.

mod modern;
mod task;
mod tools;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Caller;
use super::layers::Complete;
use super::problem::Problem;
use super::rest::Answered;
use super::{AppState, Bytes, HeaderMap, StatusCode};

/// What an agent is told of all this.
const INSTRUCTIONS: &str = "Messages to people and programs, which they read and answer when it suits them. ask_human returns at \
    once with a promise; await_answer waits for it, now or days later, any number of times. Reading changes nothing.";
/// The revisions that begin with a handshake, the newest first; [`modern`] has the one that does not.
const REVISIONS: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];

/// Why a JSON-RPC request is refused: its code, and what to say.
#[derive(Debug)]
struct Wrong(i64, String);

impl Wrong {
    fn parameters(why: impl Into<String>) -> Self {
        Self(-32602, why.into())
    }
}

impl From<Problem> for Wrong {
    fn from(problem: Problem) -> Self {
        let code = if problem.kind.status >= 500 { -32603 } else { -32602 };
        Self(code, format!("{} {}", problem.detail, problem.kind.fix))
    }
}

/// `/mcp`
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(post))
}

/// Takes one JSON-RPC message of the Model Context Protocol (streamable HTTP, stateless, answered with JSON).
#[utoipa::path(post, path = "/mcp", tag = "MCP", request_body = serde_json::Value,
    responses((status = 200, body = serde_json::Value, description = "A JSON-RPC response"), (status = 202, description = "A notification was taken"),
        (status = 400, body = serde_json::Value, description = "No message that is understood, as a JSON-RPC error"),
        (status = 404, body = serde_json::Value, description = "No such method, as a JSON-RPC error (from revision 2026-07-28 on)")))]
pub async fn post(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Answered {
    let spoken = headers.get("mcp-protocol-version").map(|revision| revision.to_str().unwrap_or_default());
    if let Some(other) = spoken.filter(|revision| !modern::supported().contains(revision)) {
        let error = json!({ "code": -32022, "message": format!("{other} is not spoken here"),
            "data": { "supported": modern::supported(), "requested": other } });
        let id = serde_json::from_slice::<Value>(&body).map_or(Value::Null, |message| message["id"].clone());
        return Ok(refused(&id, &error));
    }
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return Ok(refused(&Value::Null, &json!({ "code": -32700, "message": "the body is not JSON" })));
    };
    let id = message["id"].clone();
    let Some(method) = message["method"].as_str().filter(|_| message["jsonrpc"] == "2.0") else {
        // A response to a request of ours, which makes none.
        if message["jsonrpc"] == "2.0" && (message.get("result").is_some() || message.get("error").is_some())
        {
            return Ok(StatusCode::ACCEPTED.into_response());
        }
        return Ok(refused(
            &id,
            &json!({ "code": -32600, "message": "one JSON-RPC 2.0 message is expected" }),
        ));
    };
    if id.is_null() {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    if !id.is_string() && !id.is_number() {
        return Ok(refused(
            &Value::Null,
            &json!({ "code": -32600, "message": "an id is a text or a number" }),
        ));
    }
    let modern = modern::speaks(&headers, &message);
    let params = &message["params"];
    let answer = if modern {
        alone(&state, caller, &headers, method, params).await
    } else {
        answer(&state, caller, &headers, method, params).await
    };
    match answer {
        Ok(result) => Ok(axum::Json(json!({ "jsonrpc": "2.0", "id": id, "result": result })).into_response()),
        Err(Wrong(code, message)) => {
            let error = json!({ "code": code, "message": message });
            let mut response = refused(&id, &error);
            *response.status_mut() = if modern { modern::status(code) } else { StatusCode::OK };
            Ok(response)
        }
    }
}

/// A request that stands alone, without a handshake before it.
async fn alone(
    state: &AppState,
    caller: Caller,
    headers: &HeaderMap,
    method: &str,
    params: &Value,
) -> Result<Value, Wrong> {
    modern::check(headers, method, params)?;
    let result = match method {
        "server/discover" => modern::discover(),
        "tools/list" => answer(state, caller, headers, method, params).await?,
        "tools/call" if params.get("task").is_none() => {
            answer(state, caller, headers, method, params).await?
        }
        "tools/call" => return Err(Wrong::parameters("tasks are no part of this revision")),
        other => return Err(Wrong(-32601, format!("there is no method {other}"))),
    };
    Ok(modern::complete(method, result))
}

fn server() -> Value {
    json!({ "name": "restante", "title": "Restante", "version": env!("CARGO_PKG_VERSION") })
}

fn refused(id: &Value, error: &Value) -> Response {
    let body = json!({ "jsonrpc": "2.0", "id": id, "error": error });
    let mut response = (StatusCode::BAD_REQUEST, axum::Json(body)).into_response();
    response.extensions_mut().insert(Complete);
    response
}

async fn answer(
    state: &AppState,
    caller: Caller,
    headers: &HeaderMap,
    method: &str,
    params: &Value,
) -> Result<Value, Wrong> {
    match method {
        "initialize" => Ok(initialize(params)),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": tools::list() })),
        "tools/call" => {
            let name = params["name"].as_str().ok_or_else(|| Wrong::parameters("which tool? give name"))?;
            let tool =
                tools::named(name).ok_or_else(|| Wrong::parameters(format!("there is no tool {name}")))?;
            let arguments = match &params["arguments"] {
                Value::Null => json!({}),
                given => given.clone(),
            };
            match params.get("task") {
                None => Ok(tools::call(state, caller, tool, arguments).await),
                Some(_) if tool.asks() => task::begin(state, caller, arguments).await,
                Some(_) => Err(Wrong(-32601, format!("{name} is done at once and is no task"))),
            }
        }
        "tasks/get" => task::get(state, caller, params).await,
        "tasks/result" => task::result(state, caller, headers, params).await,
        "tasks/cancel" => task::cancel(state, caller, params).await,
        other => Err(Wrong(-32601, format!("there is no method {other}"))),
    }
}

fn initialize(params: &Value) -> Value {
    let asked = params["protocolVersion"].as_str().unwrap_or_default();
    let revision = REVISIONS.into_iter().find(|known| *known == asked).unwrap_or(REVISIONS[0]);
    json!({
        "protocolVersion": revision,
        "capabilities": { "tools": {}, "tasks": { "cancel": {}, "requests": { "tools": { "call": {} } } } },
        "serverInfo": server(),
        "instructions": INSTRUCTIONS,
    })
}
