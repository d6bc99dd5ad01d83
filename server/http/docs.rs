//! The documentation: the OpenAPI document, a page made from it for people, and a short text for language models.

use std::fmt::Write as _;

use axum::Router;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

use super::access::{Access, access};
use super::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use super::problem::KINDS;
use super::{AppState, Bytes, HeaderValue};

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What a language model needs to know, in short (llmstxt.org).
const LLMS: &str = include_str!("llms.txt");

/// `/openapi.json`, `/docs` and `/llms.txt`.
pub fn routes(document: OpenApi) -> Router<AppState> {
    let document = complete(serde_json::to_value(document).unwrap_or_default());
    let json = Bytes::from(serde_json::to_vec(&document).unwrap_or_default());
    let page = Bytes::from(page(&document));
    Router::new()
        .route("/openapi.json", get(async move || cached(json.into_response(), "application/json")))
        .route("/llms.txt", get(async || cached(LLMS.into_response(), "text/plain; charset=utf-8")))
        .route("/docs", get(async move || cached(Html(page).into_response(), "text/html; charset=utf-8")))
}

fn cached(mut response: Response, media: &'static str) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// What every route has in common: how callers prove themselves, from the table of access, and problems.
fn complete(mut document: Value) -> Value {
    document["openapi"] = json!("3.1.0");
    document["info"] = json!({
        "title": "Restante",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Store-and-forward messaging: send, be told, answer, whenever it suits.",
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    document["servers"] = json!([{ "url": "/" }]);
    document["components"]["securitySchemes"] = json!({
        "token": { "type": "http", "scheme": "bearer", "description": "An API token: rst_…" },
        "session": { "type": "apiKey", "in": "cookie", "name": "restante", "description": "A browser's session" },
    });
    document["components"]["schemas"]["Problem"] = problem();
    let paths = document["paths"].as_object_mut();
    for (path, methods) in paths.into_iter().flatten() {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            let access = access(&method.to_uppercase(), path);
            let (security, who) = match access {
                Some(Access::Open) | None => (json!([]), "Open to everybody.".to_owned()),
                Some(Access::SignedIn) => {
                    (json!([{ "token": [] }, { "session": [] }]), "Any credential.".to_owned())
                }
                Some(Access::Needs(scope)) => {
                    (json!([{ "token": [] }, { "session": [] }]), format!("Scope: `{scope}`."))
                }
            };
            operation["security"] = security;
            operation["operationId"] = json!(name(method, path));
            operation["x-access"] = json!(who);
            if method == "post" && access != Some(Access::Open) {
                let key = json!({ "name": "Idempotency-Key", "in": "header", "schema": { "type": "string", "maxLength": 255 },
                    "description": "The same key and request get the first answer again." });
                match operation["parameters"].as_array_mut() {
                    Some(parameters) => parameters.push(key),
                    None => operation["parameters"] = json!([key]),
                }
            }
            let problem = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
            operation["responses"]["default"] = json!({ "description": "A problem (RFC 9457)" });
            for (status, answer) in operation["responses"].as_object_mut().into_iter().flatten() {
                if !status.starts_with(['1', '2', '3']) {
                    answer["content"]["application/problem+json"] = problem.clone();
                }
            }
        }
    }
    document
}

/// The name of an operation, which generated clients call it by: `get_messages_id` for `GET /v1/messages/{id}`.
fn name(method: &str, path: &str) -> String {
    let words = path.trim_start_matches("/v1").split('/').map(|word| word.trim_matches(['{', '}']));
    std::iter::once(method).chain(words.filter(|word| !word.is_empty())).collect::<Vec<_>>().join("_")
}

fn problem() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "fix", "retryable", "request_id", "errors"],
        "properties": {
            "type": text, "title": text, "status": { "type": "integer" }, "detail": text,
            "code": { "type": "string", "description": "Stable: what programs look at." },
            "fix": { "type": "string", "description": "What to do next." },
            "retryable": { "type": "boolean" }, "request_id": text,
            "errors": { "type": "array", "items": { "type": "object", "required": ["pointer", "detail"],
                "properties": { "pointer": text, "detail": text } } },
        },
    })
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#1d2330;background:#fff}\
h2{margin-top:2.5rem}h3{margin:2rem 0 .25rem;font:600 1rem/1.4 ui-monospace,monospace;overflow-wrap:anywhere}\
table{border-collapse:collapse;width:100%;margin:.5rem 0}td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-top:1px solid #d9dde6}\
code{font:.875em ui-monospace,monospace}p{margin:.25rem 0}.quiet{color:#5a6275}a{color:#2443c4}\
@media(prefers-color-scheme:dark){body{color:#e6e8ee;background:#14171f}td,th{border-color:#333a4a}.quiet{color:#a3abbd}a{color:#9db0ff}}";

/// A route: its method, its path, and what is said of it.
type Entry<'d> = (String, String, &'d Value);

/// The page for people: every route with its parameters, bodies and answers, and every problem.
fn page(document: &Value) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Restante API</title><style>{STYLE}</style><h1>Restante API</h1>\
         <p>JSON under <code>/v1</code>; the whole truth for programs is <a href=\"/openapi.json\">openapi.json</a>. \
         Send <code>Authorization: Bearer rst_…</code>. Errors are problem details (RFC 9457), listed <a href=\"#problems\">below</a>.</p>"
    );
    let mut groups: Vec<(String, Vec<Entry<'_>>)> = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let tag = operation["tags"][0].as_str().unwrap_or("Other").to_owned();
            let entry = (method.to_uppercase(), path.clone(), operation);
            match groups.iter_mut().find(|(name, _)| *name == tag) {
                Some((_, entries)) => entries.push(entry),
                None => groups.push((tag, vec![entry])),
            }
        }
    }
    groups.sort_by(|a, b| a.0.cmp(&b.0));
    for (tag, entries) in &groups {
        _ = write!(html, "<h2>{}</h2>", escaped(tag));
        for (method, path, operation) in entries {
            route(&mut html, method, path, operation);
        }
    }
    schemas(&mut html, &document["components"]["schemas"]);
    html.push_str("<h2 id=\"problems\">Problems</h2><table><tr><th>code<th>status<th>what to do");
    for kind in KINDS {
        _ = write!(
            html,
            "<tr id=\"{code}\"><td><code>{code}</code><td>{}<td>{}. {}",
            kind.status,
            escaped(kind.title),
            escaped(kind.fix),
            code = kind.code,
        );
    }
    html.push_str("</table></html>");
    html
}

fn route(html: &mut String, method: &str, path: &str, operation: &Value) {
    let said = |key: &str| operation[key].as_str().unwrap_or_default();
    _ = write!(html, "<h3>{method} {}</h3><p>{}</p>", escaped(path), escaped(said("summary")));
    if !said("description").is_empty() {
        _ = write!(html, "<p>{}</p>", escaped(said("description")));
    }
    _ = write!(html, "<p class=\"quiet\">{}", escaped(said("x-access")));
    for media in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        _ = write!(html, " Takes <code>{}</code> {}.", escaped(media.0), kind(&media.1["schema"]));
    }
    html.push_str("</p>");
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let rows: Vec<&Value> = parameters.filter(|p| p["in"] != "path").collect();
    if !rows.is_empty() {
        html.push_str("<table>");
        for row in rows {
            let text = |key: &str| escaped(row[key].as_str().unwrap_or_default());
            _ = write!(
                html,
                "<tr><td><code>{}</code> <span class=\"quiet\">{}</span><td>{}<td>{}",
                text("name"),
                text("in"),
                kind(&row["schema"]),
                text("description")
            );
        }
        html.push_str("</table>");
    }
    html.push_str("<table>");
    for (status, answer) in
        operation["responses"].as_object().into_iter().flatten().filter(|(s, _)| *s != "default")
    {
        let body = answer["content"].as_object().and_then(|media| media.values().next());
        _ = write!(
            html,
            "<tr><td>{}<td>{} {}",
            escaped(status),
            escaped(answer["description"].as_str().unwrap_or_default()),
            body.map(|media| kind(&media["schema"])).unwrap_or_default()
        );
    }
    html.push_str("</table>");
}

fn schemas(html: &mut String, schemas: &Value) {
    html.push_str("<h2>Objects</h2>");
    for (name, schema) in schemas.as_object().into_iter().flatten() {
        _ = write!(html, "<h3 id=\"schema-{0}\">{0}</h3><table>", escaped(name));
        let parts = schema["allOf"].as_array().map_or_else(|| vec![schema], |all| all.iter().collect());
        for part in parts {
            if part.get("$ref").is_some() {
                _ = write!(html, "<tr><td colspan=3>everything of {}", kind(part));
            }
            for (field, about) in part["properties"].as_object().into_iter().flatten() {
                let said = about["description"].as_str().unwrap_or_default();
                _ = write!(
                    html,
                    "<tr><td><code>{}</code><td>{}<td>{}",
                    escaped(field),
                    kind(about),
                    escaped(said)
                );
            }
        }
        html.push_str("</table>");
    }
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|link| link.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escaped(name));
    }
    if let Some(any) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        let kinds: Vec<String> = any.iter().map(kind).collect();
        return kinds.join(" or ");
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(name) => escaped(name),
        Value::Array(names) => {
            escaped(&names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "))
        }
        _ => String::new(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
