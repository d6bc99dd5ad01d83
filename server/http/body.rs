//! Request bodies: bounded in each request and in all, and read strictly.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Request, State};
use axum::http::Uri;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::{self, Limit};
use super::header::{CONTENT_LENGTH, CONTENT_TYPE};
use super::problem::{self, Problem};
use super::{AppState, Bytes};

/// Octets of an ordinary body.
const SMALL: usize = 1024 * 1024;
/// Octets of a message with its attachments in base64.
const MESSAGE: usize = 36 * 1024 * 1024;
/// KiB of bodies held at once.
const ALL: usize = 128 * 1024;
/// The longest a body may take to arrive as a whole, and between two pieces.
const TOTAL: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_secs(30);
/// The longest wait for room.
const ROOM: Duration = Duration::from_secs(10);

/// The room for bodies; clones share it.
#[derive(Clone)]
pub struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL)))
    }
}

impl Room {
    async fn take(&self, octets: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let kib = u32::try_from(octets.div_ceil(1024).clamp(1, ALL)).unwrap_or(1);
        let room = tokio::time::timeout(ROOM, self.0.clone().acquire_many_owned(kib)).await;
        match room {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Problem::new(&problem::BUSY, "Too many large requests at once.").retry_after(5)),
        }
    }
}

/// Reads the body of a request, within the route's limit, before the route sees it.
pub async fn take(
    State(state): State<AppState>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let most = match path.as_ref().map_or(Limit::Small, |path| access::limit(path.as_str())) {
        Limit::Stream => return next.run(request).await,
        Limit::Message => MESSAGE,
        Limit::Small => SMALL,
    };
    let (parts, body) = request.into_parts();
    match collect(&state.room, &parts, body, most).await {
        Ok((bytes, room)) => {
            let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
            drop(room);
            response
        }
        Err(problem) => {
            let mut response = problem.into_response();
            // What is left of the body is not read, so the connection is of no more use.
            response
                .headers_mut()
                .insert(super::header::CONNECTION, super::HeaderValue::from_static("close"));
            response
        }
    }
}

async fn collect(
    room: &Room,
    parts: &Parts,
    body: Body,
    most: usize,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Problem> {
    let too_large =
        || Problem::new(&problem::BODY_TOO_LARGE, format!("The limit of this route is {most} octets."));
    let announced: Option<usize> =
        parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(too_large());
    }
    if announced == Some(0) || axum::body::HttpBody::is_end_stream(&body) {
        return Ok((Bytes::new(), None));
    }
    let permit = room.take(announced.unwrap_or(most)).await?;
    let late = || Problem::new(&problem::REQUEST_TIMEOUT, "The body did not arrive in time.");
    let read = async {
        let mut stream = body.into_data_stream();
        let mut bytes = Vec::with_capacity(announced.unwrap_or(0));
        loop {
            let piece = tokio::time::timeout(PAUSE, stream.next()).await.map_err(|_| late())?;
            let Some(piece) = piece else { return Ok(Bytes::from(bytes)) };
            let piece = piece.map_err(|_| {
                Problem::new(&problem::INVALID_REQUEST, "The body ended before it was whole.")
            })?;
            if bytes.len() + piece.len() > most {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
    };
    let bytes = tokio::time::timeout(TOTAL, read).await.map_err(|_| late())??;
    Ok((bytes, Some(permit)))
}

/// A JSON body. Unknown fields, wrong types and missing ones are named with their place.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let json = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(is_json);
        if !json {
            let detail = "This route takes a body of type application/json.";
            return Err(Problem::new(&problem::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|_| Problem::new(&problem::INVALID_REQUEST, "The body could not be read."))?;
        parse(&bytes).map(Json)
    }
}

fn is_json(media: &str) -> bool {
    let mut parts = media.split(';');
    let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = essence == "application/json"
        || essence.strip_prefix("application/").is_some_and(|sub| sub.ends_with("+json"));
    json && parts.all(|parameter| {
        let parameter = parameter.trim().to_ascii_lowercase();
        !parameter.starts_with("charset=")
            || parameter.trim_start_matches("charset=").trim_matches('"') == "utf-8"
    })
}

/// Reads a JSON text into a type, strictly.
///
/// # Errors
/// `invalid_json`, `unknown_field`, `invalid_body`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if has_nul(bytes) {
        let detail = "The character U+0000 is not allowed in a text.";
        return Err(Problem::new(&problem::INVALID_BODY, detail));
    }
    // A list would fill the fields in their order, which is nobody's intention.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => Problem::at(&problem::INVALID_BODY, "", "the body is an object, not a list"),
            Err(error) => Problem::new(&problem::INVALID_JSON, format!("The body is not JSON: {error}.")),
        });
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (path, error) = (pointer(error.path()), error.into_inner());
        if !error.is_data() {
            return Problem::new(&problem::INVALID_JSON, format!("The body is not JSON: {error}."));
        }
        let text = error.to_string();
        let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
        let field = path.split('/').nth(1).unwrap_or_default();
        if text.starts_with("unknown field") {
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            return Problem::at(&problem::UNKNOWN_FIELD, path, format!("there is no field {name:?} here"));
        }
        let addresses = matches!(field, "to" | "cc" | "bcc" | "from" | "address");
        let kind = if addresses && !text.starts_with("invalid ") && !text.starts_with("missing") {
            &problem::INVALID_ADDRESS
        } else {
            &problem::INVALID_BODY
        };
        Problem::at(kind, path, text)
    })?;
    json.end().map_err(|_| Problem::new(&problem::INVALID_JSON, "There is more than one JSON value."))?;
    Ok(value)
}

/// Whether a JSON text has the escape of U+0000, which PostgreSQL has no place for.
fn has_nul(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(n) = rest.iter().position(|b| *b == b'\\') {
        rest = &rest[n + 1..];
        if rest.starts_with(b"u0000") {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

/// The JSON pointer (RFC 6901) of a place.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                key.chars().take(100).collect::<String>().replace('~', "~0").replace('/', "~1")
            }
            Segment::Unknown => continue,
        };
        text.push('/');
        text.push_str(&part);
    }
    text
}

/// The query of a request. An empty parameter is as good as none; an unknown one is an error.
pub struct Params<T>(pub T);

/// Parameters that are looked at.
const PARAMETERS: usize = 100;

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let given = parts.uri.query().unwrap_or_default();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in url::form_urlencoded::parse(given.as_bytes()).take(PARAMETERS) {
            if value.contains('\0') {
                let detail = "the character U+0000 is not allowed";
                return Err(Problem::at(&problem::INVALID_PARAMETER, format!("?{name}"), detail));
            }
            if !value.is_empty() {
                query.append_pair(&name, &value);
            }
        }
        let uri: Uri = format!("/?{}", query.finish())
            .parse()
            .map_err(|_| Problem::new(&problem::INVALID_PARAMETER, "The query cannot be read."))?;
        let read = axum::extract::Query::<T>::try_from_uri(&uri);
        read.map(|axum::extract::Query(value)| Params(value)).map_err(|error| {
            let text = error.body_text();
            let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            let (name, why) = text.split_once(": ").unwrap_or(("", text));
            let why = if why.starts_with("unknown field") { "there is no such parameter" } else { why };
            let name = if name.is_empty() { why.split('`').nth(1).unwrap_or_default() } else { name };
            Problem::at(&problem::INVALID_PARAMETER, format!("?{name}"), why)
        })
    }
}

/// An id in the path. What is no id is nothing that is here.
pub struct Id(pub uuid::Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<std::collections::HashMap<String, String>>::from_request_parts(
            parts, state,
        );
        let path = path.await.map_err(|_| Problem::not_found())?;
        path.get("id").and_then(|id| id_of(id)).map(Id).ok_or_else(Problem::not_found)
    }
}

/// An id as it is written: lower-case, with hyphens.
pub fn id_of(text: &str) -> Option<uuid::Uuid> {
    let id = uuid::Uuid::try_parse(text).ok()?;
    (text.len() == 36).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Letter {
        #[serde(rename = "to")]
        _to: Vec<u8>,
    }

    fn code(text: &str) -> (&'static str, String) {
        let problem = parse::<Letter>(text.as_bytes()).unwrap_err();
        (problem.kind.code, problem.errors.first().map(|at| at.pointer.clone()).unwrap_or_default())
    }

    #[test]
    fn wrong_bodies_are_named() {
        assert_eq!(code("{").0, "invalid_json");
        assert_eq!(code("").0, "invalid_json");
        assert_eq!(code("{\"to\": []} {}").0, "invalid_json");
        assert_eq!(code(&"[".repeat(100_000)).0, "invalid_json");
        assert_eq!(code("[[]]").0, "invalid_body");
        assert_eq!(code(&format!("{{\"to\": {}", "[".repeat(100_000))).0, "invalid_body");
        assert_eq!(code("{\"to\": [1, 1e400]}").0, "invalid_json");
        assert_eq!(code("{\"to\": [1, 256]}"), ("invalid_body", "/to/1".into()));
        assert_eq!(code("{\"to\": [], \"cc\": 1}"), ("unknown_field", "/cc".into()));
        assert_eq!(code("{\"to\": [], \"to\": []}").0, "invalid_body");
        assert_eq!(code("\u{feff}{\"to\": []}").0, "invalid_json");
        assert!(parse::<Letter>(b"{\"to\": [1]}").is_ok());
        assert!(has_nul(br#""a\u0000""#) && has_nul(br#""\\\u0000""#));
        assert!(!has_nul(br#""\\u0000""#) && !has_nul(br#""\u00e9\"#) && !has_nul(b""));
    }

    #[test]
    fn media_types() {
        for good in ["application/json", "Application/JSON; charset=UTF-8", "application/merge-patch+json"] {
            assert!(is_json(good), "{good}");
        }
        for bad in ["", "text/plain", "text/json", "application/jsonx", "application/json; charset=utf-16"] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    #[test]
    fn ids_have_one_form() {
        let id = "0190a5d5-0000-7000-8000-000000000001";
        assert!(id_of(id).is_some());
        for bad in
            ["", "1", "{0190a5d5-0000-7000-8000-000000000001}", "0190a5d5000070008000000000000001", "'; --"]
        {
            assert!(id_of(bad).is_none(), "{bad}");
        }
    }
}
