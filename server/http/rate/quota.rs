//! The setting `http.rate_limit`: how many requests in which time, or `off`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::mail::duration;

/// So many requests at once, and as many again over the window, evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests; at least one.
    pub count: u32,
    /// Milliseconds; from one to those of a day.
    pub window: u32,
}

/// The longest window, in milliseconds.
const DAY: u32 = 24 * 3600 * 1000;

/// What one account, or one address without a credential, may ask for; none: as much as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit(pub Option<Quota>);

impl Default for RateLimit {
    fn default() -> Self {
        Self(Some(Quota { count: 5000, window: 5000 }))
    }
}

impl FromStr for RateLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no rate limit; write 5000/5s (at most a day, at least one), or off");
        let text = text.trim();
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self(None));
        }
        let (count, window) = text.split_once('/').ok_or_else(wrong)?;
        let count: u32 = count.trim().parse().map_err(|_| wrong())?;
        let window = duration::human(window).ok_or_else(wrong)?;
        let window = u32::try_from(window.as_millis()).map_err(|_| wrong())?;
        if count == 0 || !(1..=DAY).contains(&window) {
            return Err(wrong());
        }
        Ok(Self(Some(Quota { count, window })))
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("off"),
            Some(Quota { count, window }) => {
                write!(f, "{count}/{}", duration::show(Duration::from_millis(window.into())))
            }
        }
    }
}

impl Serialize for RateLimit {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RateLimit {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|why| serde::de::Error::custom(format!("rate_limit: {why}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_count_and_a_window_or_off() {
        for text in ["5000/5s", "1/1ms", "60/1m", "100/1d", "off"] {
            assert_eq!(text.parse::<RateLimit>().unwrap().to_string(), text);
        }
        assert_eq!(RateLimit::default().to_string(), "5000/5s");
        for bad in ["", "5000", "0/1s", "1/0s", "-1/1s", "1/2d", "x/1s", "1/s", "5000000000/1s"] {
            assert!(bad.parse::<RateLimit>().is_err(), "{bad}");
        }
    }
}
