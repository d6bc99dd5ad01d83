//! When somebody wants to be told: quiet hours and the times of a digest, on the clock of their own time zone.

use chrono::{DateTime, Days, LocalResult, NaiveTime, TimeDelta, TimeZone as _, Timelike as _};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::clock;

/// Times of one digest in a day, at most.
pub const TIMES: usize = 24;

/// A part of each day in which nothing is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// Its first minute, as `22:00`.
    pub from: String,
    /// The first minute after it, which may be of the next day.
    pub until: String,
}

/// When notices go out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hours {
    /// Of the IANA database, such as `Europe/Berlin`; none is UTC.
    pub time_zone: Option<String>,
    /// Nothing is told within.
    pub quiet: Option<Quiet>,
    /// When what has come is told together, as `08:00`; none: each message at once.
    pub times: Vec<String>,
}

/// Why hours cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHours {
    /// Not of the IANA database.
    #[error("the time zone is a name such as Europe/Berlin")]
    Zone,
    /// Not a time.
    #[error("a time is written as 08:00")]
    Time,
    /// It would be empty, or last for ever.
    #[error("quiet hours begin and end at different times")]
    Empty,
    /// More than [`TIMES`].
    #[error("a digest has at most 24 times")]
    Many,
}

fn minute(text: &str) -> Result<u32, BadHours> {
    let read = NaiveTime::parse_from_str(text, "%H:%M").ok().filter(|_| text.len() == 5);
    read.map(|time| time.hour() * 60 + time.minute()).ok_or(BadHours::Time)
}

impl Hours {
    /// Whether they can be kept.
    ///
    /// # Errors
    /// [`BadHours`].
    pub fn check(&self) -> Result<(), BadHours> {
        self.zone()?;
        if let Some(quiet) = &self.quiet
            && minute(&quiet.from)? == minute(&quiet.until)?
        {
            return Err(BadHours::Empty);
        }
        if self.times.len() > TIMES {
            return Err(BadHours::Many);
        }
        self.times.iter().try_for_each(|time| minute(time).map(drop))
    }

    /// From what is kept; what cannot be read tells at once.
    #[must_use]
    pub fn read(kept: Option<&str>) -> Self {
        let hours: Option<Self> = kept.and_then(|kept| serde_json::from_str(kept).ok());
        hours.filter(|hours| hours.check().is_ok()).unwrap_or_default()
    }

    /// As it is kept; none where everything is told at once.
    #[must_use]
    pub fn kept(&self) -> Option<String> {
        (*self != Self::default()).then(|| serde_json::to_string(self).unwrap_or_default())
    }

    /// Whether messages are told of together.
    #[must_use]
    pub fn is_digest(&self) -> bool {
        !self.times.is_empty()
    }

    fn zone(&self) -> Result<Tz, BadHours> {
        self.time_zone.as_deref().map_or(Ok(Tz::UTC), |name| name.parse().map_err(|_| BadHours::Zone))
    }

    /// The earliest time at which something that came at `now` may be told; both in milliseconds since 1970, UTC.
    #[must_use]
    pub fn next(&self, now: i64) -> i64 {
        let zone = self.zone().unwrap_or(Tz::UTC);
        let times = self.times.iter().filter_map(|time| minute(time).ok());
        let told = times.filter_map(|minute| after(zone, now, minute)).min().unwrap_or(now);
        self.quiet_until(zone, told).unwrap_or(told)
    }

    /// When the quiet hours end that a time lies in; none outside of them.
    fn quiet_until(&self, zone: Tz, at: i64) -> Option<i64> {
        let quiet = self.quiet.as_ref()?;
        let (from, until) = (minute(&quiet.from).ok()?, minute(&quiet.until).ok()?);
        let local = clock::at(at).with_timezone(&zone);
        let now = local.hour() * 60 + local.minute();
        let within = if from < until { (from..until).contains(&now) } else { now >= from || now < until };
        if within { after(zone, at, until) } else { None }
    }
}

/// The next time after `at` when a clock of the zone shows this minute of a day.
fn after(zone: Tz, at: i64, minute: u32) -> Option<i64> {
    let today = clock::at(at).with_timezone(&zone).date_naive();
    (0..3).find_map(|days| {
        let day = today.checked_add_days(Days::new(days))?;
        let then = day.and_hms_opt(minute / 60, minute % 60, 0)?;
        let then: DateTime<Tz> = match zone.from_local_datetime(&then) {
            LocalResult::Single(then) | LocalResult::Ambiguous(then, _) => then,
            // The clock leaps over it: as much later as it leaps.
            LocalResult::None => zone.from_local_datetime(&(then + TimeDelta::hours(1))).earliest()?,
        };
        Some(then.timestamp_millis()).filter(|ms| *ms > at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    fn hours(zone: &str, quiet: Option<(&str, &str)>, times: &[&str]) -> Hours {
        Hours {
            time_zone: (!zone.is_empty()).then(|| zone.to_owned()),
            quiet: quiet.map(|(from, until)| Quiet { from: from.into(), until: until.into() }),
            times: times.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn quiet_hours_end_on_the_clock_of_their_zone() {
        let night = hours("Europe/Berlin", Some(("22:00", "07:00")), &[]);
        for (at, told) in [
            ("2026-11-23T20:59:00Z", "2026-11-23T20:59:00Z"),
            ("2026-11-23T21:00:00Z", "2026-11-24T06:00:00Z"),
            ("2026-11-24T02:00:00Z", "2026-11-24T06:00:00Z"),
            ("2026-11-24T06:00:00Z", "2026-11-24T06:00:00Z"),
            // Summer time.
            ("2026-07-01T20:00:00Z", "2026-07-02T05:00:00Z"),
            // The night in which the clock goes back.
            ("2026-10-24T22:00:00Z", "2026-10-25T06:00:00Z"),
        ] {
            assert_eq!(night.next(ms(at)), ms(told), "{at}");
        }
        let lunch = hours("", Some(("12:00", "13:30")), &[]);
        assert_eq!(lunch.next(ms("2026-11-23T12:10:30Z")), ms("2026-11-23T13:30:00Z"));
        assert_eq!(lunch.next(ms("2026-11-23T13:30:00Z")), ms("2026-11-23T13:30:00Z"));
    }

    #[test]
    fn a_digest_goes_at_its_next_time_and_not_in_quiet_hours() {
        let two = hours("America/New_York", None, &["08:00", "17:30"]);
        assert_eq!(two.next(ms("2026-11-23T12:00:00Z")), ms("2026-11-23T13:00:00Z"));
        assert_eq!(two.next(ms("2026-11-23T13:00:00Z")), ms("2026-11-23T22:30:00Z"), "strictly later");
        assert_eq!(two.next(ms("2026-11-23T23:00:00Z")), ms("2026-11-24T13:00:00Z"));
        let hushed = hours("", Some(("06:00", "09:00")), &["08:00"]);
        assert_eq!(hushed.next(ms("2026-11-23T01:00:00Z")), ms("2026-11-23T09:00:00Z"));
        // 02:30 is leapt over in Berlin on 29 March 2026.
        let leap = hours("Europe/Berlin", None, &["02:30"]);
        assert_eq!(leap.next(ms("2026-03-29T00:00:00Z")), ms("2026-03-29T01:30:00Z"));
        assert_eq!(Hours::default().next(5), 5);
    }

    #[test]
    fn what_cannot_be_kept_is_told() {
        assert_eq!(hours("Mars/Olympus", None, &[]).check(), Err(BadHours::Zone));
        for bad in ["8:00", "24:00", "08:60", "", "08:00:00", "x"] {
            assert_eq!(hours("", None, &[bad]).check(), Err(BadHours::Time), "{bad}");
        }
        assert_eq!(hours("", Some(("07:00", "07:00")), &[]).check(), Err(BadHours::Empty));
        assert_eq!(hours("", None, &["08:00"; 25]).check(), Err(BadHours::Many));
        let good = hours("Asia/Tokyo", Some(("22:00", "07:00")), &["08:00"]);
        assert_eq!(Hours::read(good.kept().as_deref()), good);
        assert_eq!((Hours::default().kept(), Hours::read(Some("{"))), (None, Hours::default()));
    }
}
