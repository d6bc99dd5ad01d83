//! Revision 2026-07-28 of the protocol: each request says for itself which revision it speaks, in its header and in its
//! `_meta`; there is no handshake, and tasks are no part of it.

use serde_json::{Value, json};

use super::{INSTRUCTIONS, REVISIONS, Wrong, server};
use crate::http::{HeaderMap, StatusCode};

/// The revision.
pub(super) const REVISION: &str = "2026-07-28";
/// For how long what is told of the server may be kept, in milliseconds: it changes with its version only.
const KEPT: u64 = 3600 * 1000;
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// Whether a request is of this revision.
pub(super) fn speaks(headers: &HeaderMap, message: &Value) -> bool {
    header(headers, "mcp-protocol-version") == Some(REVISION)
        || message["params"]["_meta"][VERSION] == REVISION
}

/// Every revision that is spoken.
pub(super) fn supported() -> Vec<&'static str> {
    std::iter::once(REVISION).chain(REVISIONS).collect()
}

/// Looks whether a request says what it must, and the same in its headers as in its body.
pub(super) fn check(headers: &HeaderMap, method: &str, params: &Value) -> Result<(), Wrong> {
    let meta = &params["_meta"];
    if let Some(missing) = [VERSION, CAPABILITIES].into_iter().find(|key| meta.get(key).is_none()) {
        return Err(Wrong::parameters(format!("_meta has no {missing}")));
    }
    let differs = |name: &str, said: &Value| header(headers, name).is_none_or(|value| *said != *value);
    let of_tool = method == "tools/call" && differs("mcp-name", &params["name"]);
    let header = if differs("mcp-protocol-version", &meta[VERSION]) {
        "MCP-Protocol-Version"
    } else if differs("mcp-method", &json!(method)) {
        "Mcp-Method"
    } else if of_tool {
        "Mcp-Name"
    } else {
        return Ok(());
    };
    Err(Wrong(-32020, format!("the header {header} says something else than the body")))
}

/// `server/discover`
pub(super) fn discover() -> Value {
    json!({ "supportedVersions": supported(), "capabilities": { "tools": {} }, "instructions": INSTRUCTIONS,
        "_meta": { "io.modelcontextprotocol/serverInfo": server() } })
}

/// A result, as this revision wants it.
pub(super) fn complete(method: &str, mut result: Value) -> Value {
    result["resultType"] = json!("complete");
    if matches!(method, "server/discover" | "tools/list") {
        (result["ttlMs"], result["cacheScope"]) = (json!(KEPT), json!("public"));
    }
    result
}

/// The status that goes with an error.
pub(super) fn status(code: i64) -> StatusCode {
    match code {
        -32601 => StatusCode::NOT_FOUND,
        -32603 => StatusCode::OK,
        _ => StatusCode::BAD_REQUEST,
    }
}
