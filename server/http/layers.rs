//! What holds for every response: an id, a line in the log, the security headers, and problems in full.

use std::any::Any;
use std::fmt;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;

use super::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use super::problem::{self, Problem};
use super::wait::is_parked;
use super::{AppState, HeaderName, HeaderValue};

/// What no page of the API needs.
const NOTHING: &str =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox";

/// The id of a request, in its log lines and its answer.
#[derive(Clone)]
pub struct RequestId(String);

/// Gives the request its id, and writes one line when it is answered: method, route, status and time, but no
/// query and no ids, which may be secrets.
pub async fn identify(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let id = state.ids.id(state.clock.now_ms()).simple().to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let start = Instant::now();
    let span = tracing::info_span!("request", id);
    let mut response = next.run(request).instrument(span.clone()).await;
    if is_parked(&response) {
        return response;
    }
    let (status, ms) = (response.status().as_u16(), start.elapsed().as_millis());
    span.in_scope(|| tracing::debug!(%method, route, status, ms, "answered"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", id);
    }
    if state.secure() {
        let year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// Marks an error that is written as another standard wants it.
#[derive(Debug, Clone, Copy)]
pub struct Complete;

/// Writes problems out, and sets the security headers that are not set.
pub async fn finish(request: Request, next: Next) -> Response {
    let id = request.extensions().get().map_or_else(String::new, |RequestId(id)| id.clone());
    let head = request.method() == super::Method::HEAD;
    let mut response = next.run(request).await;
    let status = response.status();
    let known = response.extensions_mut().remove::<Problem>();
    // A page for people says itself what is wrong.
    let page =
        response.headers().get(CONTENT_TYPE).is_some_and(|media| media.as_bytes().starts_with(b"text/html"));
    let complete = page || response.extensions_mut().remove::<Complete>().is_some();
    let problem = known.or_else(|| {
        (!complete && (status.is_client_error() || status.is_server_error()))
            .then(|| Problem::of(status))
            .flatten()
    });
    if let Some(problem) = problem {
        let mut rendered = problem.render(&id);
        for (name, value) in response.headers() {
            if *name != CONTENT_TYPE && *name != super::header::CONTENT_LENGTH {
                rendered.headers_mut().insert(name, value.clone());
            }
        }
        if head {
            *rendered.body_mut() = axum::body::Body::empty();
        }
        response = rendered;
    }
    let headers = response.headers_mut();
    let mut unless_set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    unless_set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    unless_set(REFERRER_POLICY, "no-referrer");
    unless_set(X_FRAME_OPTIONS, "DENY");
    unless_set(CONTENT_SECURITY_POLICY, NOTHING);
    unless_set(CACHE_CONTROL, "no-store");
    unless_set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    unless_set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    unless_set(HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()");
    response
}

impl Problem {
    /// The problem that a bare status means; none when the response has said more than a status already.
    fn of(status: super::StatusCode) -> Option<Self> {
        Some(match status.as_u16() {
            400 => Self::new(&problem::INVALID_REQUEST, "The request cannot be read."),
            404 => Self::not_found(),
            405 => {
                Self::new(&problem::METHOD_NOT_ALLOWED, "There is something here, but not for this method.")
            }
            408 => Self::new(&problem::REQUEST_TIMEOUT, "The request did not arrive in time."),
            413 => Self::new(&problem::BODY_TOO_LARGE, "The body is larger than this route takes."),
            414 => Self::new(&problem::URI_TOO_LONG, "The address is longer than this server reads."),
            415 => Self::new(&problem::UNSUPPORTED_MEDIA_TYPE, "The media type is not understood here."),
            422 => Self::new(&problem::INVALID_BODY, "The body is not as it should be."),
            status if status >= 500 => Self::new(&problem::INTERNAL, "The request could not be carried out."),
            _ => return None,
        })
    }
}

/// A handler that panicked harms only its own request.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over")]
pub fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let what = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let what = what.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Problem::internal(&format!("panicked: {what}")).into_response()
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
