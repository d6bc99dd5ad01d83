//! Times as the API writes them: RFC 3339, UTC, with milliseconds.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::mail::clock::at;

/// A time in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, utoipa::ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-23T10:00:00.123Z")]
pub struct Time(pub i64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&at(self.0).to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let time = DateTime::<Utc>::deserialize(from)?;
        // Beyond the calendar of PostgreSQL's and RFC 3339's four digits nothing is compared.
        match time.timestamp_millis() {
            ms @ -62_135_596_800_000..=253_402_300_799_999 => Ok(Self(ms)),
            _ => Err(serde::de::Error::custom("the year has four digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_milliseconds_and_read_in_any_zone() {
        assert_eq!(serde_json::to_string(&Time(123)).unwrap(), "\"1970-01-01T00:00:00.123Z\"");
        let read: Time = serde_json::from_str("\"2026-12-01T10:00:00+01:00\"").unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"2026-12-01T09:00:00.000Z\"");
        for bad in ["\"tomorrow\"", "\"+12026-12-01T10:00:00Z\"", "1", "\"2026-12-01\""] {
            assert!(serde_json::from_str::<Time>(bad).is_err(), "{bad}");
        }
    }
}
