//! Idempotency-Key on every POST: the first answer is kept in the transaction of what it tells of, and given again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use uuid::Uuid;

use super::access::{self, Limit};
use super::header::{CONTENT_TYPE, LOCATION};
use super::problem::{self, Problem};
use super::{AppState, HeaderValue, Method, StatusCode};
use crate::auth::Principal;
use crate::mail::id::digest;
use crate::store::idempotency::{Answer, Key, Replay};

/// The longest key, in characters.
const LONGEST: usize = 255;
/// How long a second request waits for the first.
const WAIT: Duration = Duration::from_secs(20);

/// The requests of this process that run under a key; clones share it.
#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<Turns>>);

/// By account and key: whoever holds the lock has the turn.
type Turns = HashMap<(Uuid, String), Weak<tokio::sync::Mutex<()>>>;

impl Running {
    fn lock_of(&self, account: Uuid, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, lock| lock.strong_count() > 0);
        let place = running.entry((account, key.to_owned())).or_default();
        place.upgrade().unwrap_or_else(|| {
            let lock = Arc::default();
            *place = Arc::downgrade(&lock);
            lock
        })
    }
}

/// The key of a request, for routes that keep their answer together with what they write.
#[derive(Debug, Clone, Default)]
pub struct Once(pub Option<Key>);

impl<S: Sync> FromRequestParts<S> for Once {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// Marks a response that was kept in the transaction of its effect.
#[derive(Debug, Clone, Copy)]
pub struct Kept;

/// Runs a POST with a key at most once; a further one gets the first one's answer.
pub async fn once(
    State(state): State<AppState>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let key = request.headers().get("idempotency-key").cloned();
    let caller = request.extensions().get::<Principal>().map(|principal| principal.account.id);
    let (Some(key), Some(account), &Method::POST) = (key, caller, request.method()) else {
        return next.run(request).await;
    };
    let streams = path.is_some_and(|path| access::limit(path.as_str()) == Limit::Stream);
    // Boxed, so that requests without a key do not keep the room for it.
    match Box::pin(run(&state, account, &key, streams, request, next)).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn run(
    state: &AppState,
    account: Uuid,
    key: &HeaderValue,
    streams: bool,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = key.to_str().ok().filter(|key| {
        (1..=LONGEST).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
    });
    let Some(key) = key.map(str::trim).filter(|key| !key.is_empty()) else {
        let detail = format!("A key has 1 to {LONGEST} visible ASCII characters.");
        return Err(Problem::new(&problem::INVALID_IDEMPOTENCY_KEY, detail));
    };
    let lock = state.running.lock_of(account, key);
    let Ok(_turn) = tokio::time::timeout(WAIT, lock.lock()).await else {
        return Err(Problem::new(&problem::IDEMPOTENCY_IN_FLIGHT, "The first request has no answer yet.")
            .retry_after(5));
    };
    let (mut parts, body) = request.into_parts();
    let uri = parts.uri.path_and_query().map_or("/", |uri| uri.as_str()).to_owned();
    let method = parts.method.clone();
    let media = parts.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes).to_vec();
    let fingerprint = move |body: &[u8]| digest(&[method.as_str().as_bytes(), uri.as_bytes(), &media, body]);
    // A stream's route adds the digest of what it reads, and looks for an earlier answer itself.
    let (fingerprint, body) = if streams {
        (fingerprint(b""), body)
    } else {
        let bytes = body
            .collect()
            .await
            .map_err(|_| Problem::new(&problem::INVALID_REQUEST, "The body ended early."))?;
        let bytes = bytes.to_bytes();
        (fingerprint(&without_passwords(parts.uri.path(), &bytes)), Body::from(bytes))
    };
    if !streams && let Some(replay) = state.store.replay(account, key).await? {
        return replayed(&replay, &fingerprint);
    }
    let key = Key { key: key.to_owned(), fingerprint };
    parts.extensions.insert(Once(Some(key.clone())));
    let response = next.run(Request::from_parts(parts, body)).await;
    if response.status().is_success() {
        return if response.extensions().get::<Kept>().is_some() {
            Ok(response)
        } else {
            keep(state, account, &key, response).await
        };
    }
    if streams {
        return Ok(response);
    }
    // Another node was faster: its answer is the answer.
    match state.store.replay(account, &key.key).await? {
        Some(replay) => replayed(&replay, &fingerprint),
        None => Ok(response),
    }
}

/// A body as it is fingerprinted: what is kept of a password is its slow hash and nothing else.
fn without_passwords<'b>(path: &str, body: &'b [u8]) -> Cow<'b, [u8]> {
    if !matches!(path, "/v1/me/password" | "/v1/admin/accounts") {
        return Cow::Borrowed(body);
    }
    let Ok(mut fields) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body) else {
        // What cannot be read is refused, so nothing is kept of it.
        return Cow::Borrowed(b"");
    };
    fields.retain(|name, _| !matches!(name.as_str(), "password" | "current" | "new"));
    Cow::Owned(serde_json::to_vec(&fields).unwrap_or_default())
}

/// Keeps the answer of an act that is the same however often it is done.
async fn keep(state: &AppState, account: Uuid, key: &Key, response: Response) -> Result<Response, Problem> {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map_err(|error| Problem::internal(&error))?.to_bytes();
    let answer = Answer {
        status: parts.status.as_u16(),
        location: parts.headers.get(LOCATION).and_then(|l| l.to_str().ok()).map(str::to_owned),
        body: String::from_utf8_lossy(&bytes).into_owned(),
    };
    let statement = key.keep(account, &answer, state.clock.now_ms());
    match state.store.write(async move |tx| tx.run(statement.clone()).await.map(drop)).await {
        Ok(()) | Err(crate::store::Error::Conflict) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// The first answer again.
///
/// # Errors
/// `idempotency_key_reuse` when it was the answer to something else.
pub fn replayed(replay: &Replay, fingerprint: &[u8; 32]) -> Result<Response, Problem> {
    if replay.fingerprint != fingerprint {
        let detail = "This key was sent with another method, path or body.";
        return Err(Problem::new(&problem::IDEMPOTENCY_KEY_REUSE, detail));
    }
    let mut response = Response::new(Body::from(replay.body.clone()));
    let status = u16::try_from(replay.status).ok().and_then(|s| StatusCode::from_u16(s).ok());
    *response.status_mut() = status.unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    if !replay.body.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(location) = replay.location.as_ref().and_then(|l| HeaderValue::from_str(l).ok()) {
        headers.insert(LOCATION, location);
    }
    headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_in_a_fingerprint() {
        let kept = |path, body: &'static str| {
            String::from_utf8(without_passwords(path, body.as_bytes()).into()).unwrap()
        };
        assert_eq!(kept("/v1/me/password", r#"{"current": "a", "new": "b"}"#), "{}");
        assert_eq!(kept("/v1/admin/accounts", r#"{"name": "x", "password": "b"}"#), r#"{"name":"x"}"#);
        assert_eq!(kept("/v1/me/password", "no json"), "");
        assert_eq!(kept("/v1/messages", r#"{"text": "password"}"#), r#"{"text": "password"}"#);
    }
}
