//! Upkeep: the work on the store that nobody waits for.

use std::pin::pin;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{Result, Store};
use crate::mail::clock::Clock;

/// How long an email waits at most to be indexed while nothing else does. (A search sees it at once.)
const INDEX: Duration = Duration::from_secs(1);
/// Emails of one look at what is not indexed.
const INDEXED: i64 = 256;
/// Looks at what is not indexed between two at what can be deleted.
const CLEAN: u32 = 60;
/// Rows and blobs of one look at what can be deleted.
const CLEANED: i64 = 1000;
/// A clock that moves this much otherwise than time passes, in milliseconds, has leapt.
const LEAP: i64 = 5 * 60 * 1000;
/// How long a clock that has leapt is not believed.
const DOUBT: Duration = Duration::from_secs(3600);

impl Store {
    /// Indexes, collects and prunes until `stop`. Every node may do so.
    pub async fn upkeep(self, clock: Clock, stop: CancellationToken) {
        let mut stopped = pin!(stop.clone().cancelled_owned());
        let mut round = 0_u32;
        let (since, mut wall) = (Instant::now(), Wall::new(clock.now_ms()));
        loop {
            tokio::select! {
                () = &mut stopped => return,
                () = tokio::time::sleep(INDEX) => {}
            }
            round = round.wrapping_add(1);
            let believed = wall.believed(since.elapsed(), clock.now_ms());
            let mut more = true;
            while more && !stop.is_cancelled() {
                let indexed = self.index_some(INDEXED, clock.now_ms()).await;
                more = worked("indexing", indexed.map(|count| count > 0));
            }
            // What is deleted because it is old must be.
            if !round.is_multiple_of(CLEAN) || stop.is_cancelled() || !believed {
                continue;
            }
            let collected = self.collect_some(CLEANED, clock.now_ms()).await;
            worked("collecting", collected.map(|count| count > 0));
            let mut more = true;
            while more && !stop.is_cancelled() {
                let pruned = self.prune_some(CLEANED, clock.now_ms()).await;
                more = worked("pruning", pruned.map(|count| count > 0));
            }
        }
    }
}

/// Whether something was done; what failed is done later.
fn worked(what: &str, done: Result<bool>) -> bool {
    match done {
        Ok(more) => more,
        Err(error) => {
            tracing::warn!(%error, "{what} failed and is tried again later");
            false
        }
    }
}

/// The clock, held against the time that passes.
struct Wall {
    /// The time that had passed, and the clock then, in milliseconds.
    last: (Duration, i64),
    /// Until how much has passed the clock is not believed.
    doubt: Duration,
}

impl Wall {
    fn new(now: i64) -> Self {
        Self { last: (Duration::ZERO, now), doubt: Duration::ZERO }
    }

    /// Whether the clock has run evenly for a while. What is set wrong and set right again, after a battery, a virtual
    /// machine's sleep or an administrator's slip, is never believed in between.
    fn believed(&mut self, passed: Duration, now: i64) -> bool {
        let (before, then) = std::mem::replace(&mut self.last, (passed, now));
        let should = i64::try_from(passed.saturating_sub(before).as_millis()).unwrap_or(i64::MAX);
        let leap = now.saturating_sub(then).saturating_sub(should);
        if leap.saturating_abs() > LEAP {
            tracing::warn!(
                seconds = leap / 1000,
                "the clock has leapt; nothing is deleted by age for an hour"
            );
            self.doubt = passed + DOUBT;
        }
        passed >= self.doubt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_leaps_is_not_believed_for_an_hour() {
        let (seconds, day) = (Duration::from_secs, 86_400_000);
        let mut wall = Wall::new(1_000);
        assert!(wall.believed(seconds(1), 2_000));
        assert!(wall.believed(seconds(100), 101_500), "a second more or less is none");
        assert!(!wall.believed(seconds(101), 2 * day));
        assert!(!wall.believed(seconds(102), 2 * day + 1_000));
        assert!(!wall.believed(seconds(103), 104_000), "back is a leap too");
        assert!(!wall.believed(seconds(103 + 3599), 104_000 + 3_599_000));
        assert!(wall.believed(seconds(103 + 3600), 104_000 + 3_600_000));
        assert!(!wall.believed(seconds(104 + 3600), 0));
    }
}
