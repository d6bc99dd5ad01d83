//! Waiting for something to happen: register, look, wait for the bell, look again.
//!
//! A GET that waits is answered with nothing but `Later`: everything that was built for it is let go, its connection's
//! buffers too, and the door keeps its octets and what it waits for. When the bell is rung it goes its whole way again, so a
//! credential that was taken back meanwhile reads nothing. Ten thousand who wait cost what they wait with, not ten thousand
//! half-done requests.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::Response;
use futures_util::future::select_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use super::line::Line;
use super::peer::Socket;
use super::problem::{self, Problem};
use super::rate::Standing;
use super::{AppState, HeaderMap, Method};
use crate::store::{Ear, Topic};

/// The longest wait in seconds.
pub const LONGEST: u64 = 60;
/// A bell that was not heard costs at most this much.
const NET: Duration = Duration::from_secs(15);

/// How long the caller is willing to wait: `wait`, or else `Prefer: wait=` (RFC 7240 §4.3).
///
/// # Errors
/// 422 for more than [`LONGEST`]; a preference is shortened instead.
pub fn seconds(wait: Option<u64>, headers: &HeaderMap) -> Result<Duration, Problem> {
    if wait.is_some_and(|seconds| seconds > LONGEST) {
        let detail = format!("wait is a number of seconds from 0 to {LONGEST}");
        return Err(Problem::at(&problem::INVALID_PARAMETER, "?wait", detail));
    }
    let preferred = || {
        let prefer = headers.get("prefer")?.to_str().ok()?;
        let wait = prefer.split(',').find_map(|p| p.trim().strip_prefix("wait="))?;
        wait.parse().ok().map(|seconds: u64| seconds.min(LONGEST))
    };
    Ok(Duration::from_secs(wait.or_else(preferred).unwrap_or(0)))
}

/// The request that a wait belongs to.
#[derive(Debug, Default)]
pub struct Waiting {
    line: Option<Line>,
    kept: Option<Kept>,
}

/// A request's extension: its head is kept, so it can come again.
#[derive(Debug, Clone, Copy)]
struct Kept {
    /// When the patience ends of one that has come again.
    deadline: Option<Instant>,
}

impl<S: Sync> FromRequestParts<S> for Waiting {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let line = parts.extensions.get().map(|Socket(_, line)| line.clone());
        Ok(Self { line, kept: parts.extensions.get().copied() })
    }
}

impl Waiting {
    /// Returns when nobody is there any more to whom the answer could be given.
    pub(super) async fn hung_up(&self) {
        match &self.line {
            Some(line) => line.closed().await,
            None => std::future::pending().await,
        }
    }
}

/// What to do after a look that found nothing.
#[derive(Debug)]
pub enum Next {
    /// Look again.
    Look,
    /// Say that there is nothing.
    Over,
    /// Answer with this; the request comes again.
    Parked(Response),
}

/// Waits for the bell until a deadline. Begin before the first look, or a ring between look and wait is lost.
pub struct Waits {
    ears: Vec<Ear>,
    deadline: Instant,
    waiting: Waiting,
}

impl Waits {
    /// Starts to listen, to each of `topics`.
    pub fn begin(
        state: &AppState,
        waiting: Waiting,
        topics: impl IntoIterator<Item = Topic>,
        most: Duration,
    ) -> Self {
        let bell = state.store.bell();
        // Whoever does not wait need not listen.
        let topics = topics.into_iter().take(if most.is_zero() { 0 } else { usize::MAX });
        let deadline = waiting.kept.and_then(|kept| kept.deadline).unwrap_or_else(|| Instant::now() + most);
        Self { ears: topics.map(|topic| bell.listen(topic)).collect(), deadline, waiting }
    }

    /// Waits for one of the topics to be rung, or has the door do it. Over when the time is up, the door closes or the
    /// caller has hung up.
    pub async fn next(&mut self, state: &AppState) -> Next {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || self.ears.is_empty() || state.shutdown.is_cancelled() {
            return Next::Over;
        }
        let (ears, deadline) = (std::mem::take(&mut self.ears), self.deadline);
        let mut parked = Parked { ears, deadline };
        if self.waiting.kept.is_some() {
            return Next::Parked(parked.response());
        }
        let rung = parked.rung(&state.shutdown, self.waiting.hung_up()).await;
        self.ears = parked.ears;
        if rung { Next::Look } else { Next::Over }
    }
}

/// Who waits, without the request.
struct Parked {
    ears: Vec<Ear>,
    deadline: Instant,
}

/// A response's extension: it is no answer yet.
#[derive(Clone)]
struct Later(Arc<Mutex<Option<Parked>>>);

impl Parked {
    fn response(self) -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(Later(Arc::new(Mutex::new(Some(self)))));
        response
    }

    /// Returns when it is worth looking again, or worth saying that there is nothing; false when nobody is there any more.
    async fn rung(&mut self, shutdown: &CancellationToken, hung_up: impl Future<Output = ()>) -> bool {
        let most = self.deadline.saturating_duration_since(Instant::now()).min(NET);
        let bell = async {
            match self.ears.as_mut_slice() {
                [ear] => ear.wait(most).await,
                ears => drop(select_all(ears.iter_mut().map(|ear| Box::pin(ear.wait(most)))).await),
            }
        };
        tokio::select! {
            () = bell => true,
            () = shutdown.cancelled() => true,
            () = hung_up => false,
        }
    }
}

/// Notes that a request may be parked: a GET without a body that says it waits. Its head, if so.
pub(super) fn keep(request: &mut Request, again: Option<Again>) -> Option<Parts> {
    let headers = request.headers();
    let waits =
        request.uri().query().is_some_and(|query| query.contains("wait=")) || headers.contains_key("prefer");
    let bare = !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING);
    if *request.method() != Method::GET || !waits || !bare {
        return None;
    }
    let (deadline, standing) = again.map_or((None, None), |again| (Some(again.deadline), again.standing));
    request.extensions_mut().insert(Kept { deadline });
    if let Some(standing) = standing {
        request.extensions_mut().insert(standing);
    }
    let (mut parts, body) = std::mem::take(request).into_parts();
    let extensions = std::mem::take(&mut parts.extensions);
    let kept = parts.clone();
    parts.extensions = extensions;
    *request = Request::from_parts(parts, body);
    Some(kept)
}

/// A request that waits, folded up: its octets, and what is known of it.
pub(super) struct Folded {
    parked: Parked,
    octets: Vec<u8>,
    standing: Option<Standing>,
}

/// What is known of a request that comes again.
pub(super) struct Again {
    deadline: Instant,
    /// Where it left its caller's quota.
    standing: Option<Standing>,
}

impl Folded {
    /// Folds up a request whose response is no answer yet.
    pub(super) fn of(head: &Parts, response: &mut Response) -> Option<Self> {
        let Later(parked) = response.extensions_mut().remove()?;
        let parked = parked.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let mut octets = format!("{} {} {:?}\r\n", head.method, head.uri, head.version).into_bytes();
        for (name, value) in &head.headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                octets.extend_from_slice(part);
            }
        }
        octets.extend_from_slice(b"\r\n");
        octets.shrink_to_fit();
        Some(Self { parked, octets, standing: response.extensions_mut().remove() })
    }

    /// As [`Parked::rung`].
    pub(super) async fn rung(
        &mut self,
        shutdown: &CancellationToken,
        hung_up: impl Future<Output = ()>,
    ) -> bool {
        self.parked.rung(shutdown, hung_up).await
    }

    /// The request as it came, and what is known of it.
    pub(super) fn unfold(self) -> (Vec<u8>, Again) {
        (self.octets, Again { deadline: self.parked.deadline, standing: self.standing })
    }
}

/// Whether a response is no answer yet.
pub(super) fn is_parked(response: &Response) -> bool {
    response.extensions().get::<Later>().is_some()
}

/// Whether a request comes again, and has been counted.
pub(super) fn is_again(request: &Request) -> bool {
    request.extensions().get::<Kept>().is_some_and(|kept| kept.deadline.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_asked_for_in_two_ways() {
        let mut headers = HeaderMap::new();
        assert_eq!(seconds(None, &headers).unwrap(), Duration::ZERO);
        assert_eq!(seconds(Some(60), &headers).unwrap(), Duration::from_secs(60));
        assert!(seconds(Some(61), &headers).is_err());
        headers.insert("prefer", "respond-async, wait=25".parse().unwrap());
        assert_eq!(seconds(None, &headers).unwrap(), Duration::from_secs(25));
        assert_eq!(seconds(Some(1), &headers).unwrap(), Duration::from_secs(1));
        headers.insert("prefer", "wait=9000".parse().unwrap());
        assert_eq!(seconds(None, &headers).unwrap(), Duration::from_secs(60));
    }

    #[test]
    fn only_a_head_that_says_everything_is_kept() {
        let kept =
            |request: axum::http::request::Builder| keep(&mut request.body(Body::empty()).unwrap(), None);
        let get = |uri: &str| Request::get(uri);
        assert!(kept(get("/v1/events?wait=5")).is_some());
        assert!(kept(get("/v1/events").header("prefer", "wait=5")).is_some());
        assert!(kept(get("/v1/events")).is_none());
        assert!(kept(get("/v1/events?wait=5").header(CONTENT_LENGTH, "3")).is_none());
        assert!(kept(Request::post("/v1/events?wait=5")).is_none());
        assert!(kept(Request::head("/v1/events?wait=5")).is_none());
    }
}
