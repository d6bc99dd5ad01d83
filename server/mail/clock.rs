//! The time, as a parameter: the system's, or one that a test moves by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// Where the time comes from. Clones of a manual clock share its time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    /// The system's, so many milliseconds on.
    Ahead(Arc<AtomicI64>),
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The system's time.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// The system's time, which [`Clock::advance`] moves on for every clone: for a sandbox.
    #[must_use]
    pub fn sandbox() -> Self {
        Self(Source::Ahead(Arc::default()))
    }

    /// Whether [`Clock::advance`] does anything.
    #[must_use]
    pub fn can_be_moved(&self) -> bool {
        !matches!(self.0, Source::System)
    }

    /// A clock that stands still until [`Clock::advance`].
    #[must_use]
    pub fn manual(start: DateTime<Utc>) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start.timestamp_millis()))))
    }

    /// The time now, to the millisecond.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        at(self.now_ms())
    }

    /// The time now, in milliseconds since 1970, UTC.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one place where the system's time is read")]
            Source::System => Utc::now().timestamp_millis(),
            Source::Ahead(by) => Self::system().now_ms().saturating_add(by.load(Ordering::SeqCst)),
            Source::Manual(ms) => ms.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock or a sandbox's, also backwards; the system's clock is left alone.
    pub fn advance(&self, by: TimeDelta) {
        if let Source::Manual(ms) | Source::Ahead(ms) = &self.0 {
            ms.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
        }
    }
}

/// The time of a number of milliseconds since 1970, UTC; what lies beyond the calendar becomes its nearest end.
#[must_use]
pub fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or(if ms < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_for_every_clone_and_only_by_hand() {
        let clock = Clock::manual(at(1_000));
        let other = clock.clone();
        assert_eq!(other.now_ms(), 1_000);
        clock.advance(TimeDelta::minutes(5));
        assert_eq!(other.now(), at(301_000));
        let system = Clock::system();
        assert!(!system.can_be_moved());
        let (sandbox, before) = (Clock::sandbox(), system.now_ms());
        sandbox.clone().advance(TimeDelta::days(3));
        assert!((0..60_000).contains(&(sandbox.now_ms() - before - 3 * 86_400_000)));
        system.advance(TimeDelta::days(10_000));
        assert!(system.now_ms() < 4_000_000_000_000);
        assert_eq!(at(i64::MAX), DateTime::<Utc>::MAX_UTC);
        assert_eq!(at(i64::MIN), DateTime::<Utc>::MIN_UTC);
    }
}
