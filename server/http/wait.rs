//! Waiting for something to happen: register, look, wait for the bell, look again.

use std::time::Duration;

use futures_util::future::select_all;
use tokio::time::Instant;

use super::problem::{self, Problem};
use super::{AppState, HeaderMap};
use crate::store::{Ear, Topic};

/// The longest wait, in seconds.
pub const LONGEST: u64 = 60;
/// How often is looked without a bell.
const NET: Duration = Duration::from_secs(15);

/// Reads `wait`, in seconds, or the preference of RFC 7240 (`Prefer: wait=25`).
///
/// # Errors
/// `invalid_parameter` beyond 60.
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

/// A wait for one topic: begin it, look, and ask whether to look again.
pub struct Wait(Waits);

impl Wait {
    /// Registers for `topic`, before the first look, so that nothing between the two is missed.
    pub fn begin(state: &AppState, topic: Topic, most: Duration) -> Self {
        Self(Waits::begin(state, [topic], most))
    }

    /// Returns true when it is worth looking again, false when the time is up.
    pub async fn again(&mut self, state: &AppState) -> bool {
        self.0.again(state).await
    }
}

/// A wait for several topics at once.
pub struct Waits {
    ears: Vec<Ear>,
    deadline: Instant,
}

impl Waits {
    /// Registers for every topic, before the first look.
    pub fn begin(state: &AppState, topics: impl IntoIterator<Item = Topic>, most: Duration) -> Self {
        let bell = state.store.bell();
        // Whoever does not wait need not listen.
        let topics = topics.into_iter().take(if most.is_zero() { 0 } else { usize::MAX });
        Self { ears: topics.map(|topic| bell.listen(topic)).collect(), deadline: Instant::now() + most }
    }

    /// Returns true when it is worth looking again, false when the time is up.
    pub async fn again(&mut self, state: &AppState) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || state.shutdown.is_cancelled() {
            return false;
        }
        let most = left.min(NET);
        match self.ears.as_mut_slice() {
            [] => return false,
            [ear] => drop(state.shutdown.run_until_cancelled(ear.wait(most)).await),
            ears => {
                let any = select_all(ears.iter_mut().map(|ear| Box::pin(ear.wait(most))));
                drop(state.shutdown.run_until_cancelled(any).await);
            }
        }
        true
    }
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
