//! Waiting for something to happen: register, look, wait for the bell, look again.
//!
//! A request that can come again is answered with nothing but [`Parked`], and the door does the waiting (`fold.rs`).

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;
use futures_util::future::select_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fold::Kept;
use super::line::Line;
use super::peer::Socket;
use super::problem::{self, Problem};
use super::{AppState, HeaderMap};
use crate::store::{Ear, Topic};

/// The longest wait in seconds.
pub const LONGEST: u64 = 60;
/// A bell that was not heard costs at most this much; those who began together look again at different times.
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
        let net = NET.mul_f64(1.0 - state.ids.chance() / 3.0);
        let mut parked = Parked { ears, deadline, net };
        if self.waiting.kept.is_some() {
            return Next::Parked(parked.response());
        }
        let rung = parked.rung(&state.shutdown, self.waiting.hung_up()).await;
        self.ears = parked.ears;
        if rung { Next::Look } else { Next::Over }
    }
}

/// Who waits, without the request.
pub(super) struct Parked {
    ears: Vec<Ear>,
    pub(super) deadline: Instant,
    net: Duration,
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

    /// What a response has instead of an answer.
    pub(super) fn of(response: &mut Response) -> Option<Self> {
        let Later(parked) = response.extensions_mut().remove()?;
        parked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns when it is worth looking again, or worth saying that there is nothing; false when nobody is there any more.
    pub(super) async fn rung(
        &mut self,
        shutdown: &CancellationToken,
        hung_up: impl Future<Output = ()>,
    ) -> bool {
        let most = self.deadline.saturating_duration_since(Instant::now()).min(self.net);
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

/// Whether a response is no answer yet.
pub(super) fn is_parked(response: &Response) -> bool {
    response.extensions().get::<Later>().is_some()
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
}
