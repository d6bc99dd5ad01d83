//! When a failed attempt is tried again: growing gaps, spread by chance (RFC 5321 §4.5.4.1).

use std::time::Duration;

/// The gaps between attempts, and the age at which trying ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The gap after the first attempt.
    pub first: Duration,
    /// The longest gap.
    pub max: Duration,
    /// How long after acceptance to give up.
    pub give_up_after: Duration,
}

impl Schedule {
    /// The gap after `attempt` tries (the first is 1): `first` doubled each time, at most `max`, then moved by up to
    /// a quarter either way by `chance` (0.0 to 1.0), so that what failed together does not come back together.
    #[must_use]
    pub fn delay(&self, attempt: u32, chance: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let gap = self.first.saturating_mul(1 << doublings).min(self.max);
        let chance = if chance.is_finite() { chance.clamp(0.0, 1.0) } else { 0.5 };
        let factor = 0.75 + chance / 2.0;
        Duration::try_from_secs_f64(gap.as_secs_f64() * factor).unwrap_or(gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_double_up_to_the_limit_and_spread() {
        let schedule = Schedule {
            first: Duration::from_secs(60),
            max: Duration::from_secs(3600),
            give_up_after: Duration::from_secs(432_000),
        };
        let middle: Vec<u64> = (0..9).map(|n| schedule.delay(n, 0.5).as_secs()).collect();
        assert_eq!(middle, [60, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(schedule.delay(u32::MAX, 0.5).as_secs(), 3600);
        assert_eq!(schedule.delay(1, 0.0).as_secs(), 45);
        assert_eq!(schedule.delay(1, 1.0).as_secs(), 75);
        assert_eq!(schedule.delay(1, f64::NAN).as_secs(), 60);
        let huge = Schedule { first: Duration::MAX, max: Duration::MAX, give_up_after: Duration::MAX };
        assert!(huge.delay(9, 1.0) > Duration::from_secs(1));
    }
}
