//! Spans of time as people and programs write them: `5m`, `4h`, `5d` in the settings, `PT4H`, `P3D` in the API.

use std::time::Duration;

use chrono::TimeDelta;

/// Reads `90s`, `1m`, `4h`, `5d` or `2w`, or an ISO 8601 duration; `None` for anything else.
#[must_use]
pub fn human(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.starts_with('P') {
        return iso(text)?.to_std().ok();
    }
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit.trim() {
        "ms" => return Some(Duration::from_millis(number.parse().ok()?)),
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
}

/// Writes what [`human`] reads, in the largest unit that leaves nothing over.
#[must_use]
pub fn show(duration: Duration) -> String {
    let ms = duration.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if ms > 0 && ms.is_multiple_of(size) {
            return format!("{}{unit}", ms / size);
        }
    }
    format!("{ms}ms")
}

/// Reads an ISO 8601 duration of weeks, days, hours, minutes and seconds, up to ten years. Years and months have
/// no fixed length and are refused, as are signs, empty durations and units out of order.
#[must_use]
pub fn iso(text: &str) -> Option<TimeDelta> {
    const LONGEST_MS: i64 = 3660 * 86_400_000;
    let mut rest = text.strip_prefix('P')?;
    let (mut total, mut time, mut last) = (0_i64, false, 0_usize);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            if time || after.is_empty() {
                return None;
            }
            (rest, time) = (after, true);
            continue;
        }
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, unit) = (&rest[..end], &rest[end..=end]);
        let (order, ms) = match (unit, time) {
            ("W", false) => (1, 604_800_000),
            ("D", false) => (2, 86_400_000),
            ("H", true) => (3, 3_600_000),
            ("M", true) => (4, 60_000),
            ("S", true) => (5, 1000),
            _ => return None,
        };
        if order <= last {
            return None;
        }
        last = order;
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) if order == 5 => (whole, fraction),
            Some(_) => return None,
            None => (number, "0"),
        };
        let digits = |s: &str| !s.is_empty() && s.len() <= 12 && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return None;
        }
        total = total.checked_add(whole.parse::<i64>().ok()?.checked_mul(ms)?)?;
        total = total.checked_add(format!("{fraction:0<3}")[..3].parse::<i64>().ok()?)?;
        rest = &rest[end + 1..];
    }
    (last > 0 && total <= LONGEST_MS).then(|| TimeDelta::milliseconds(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_written_back() {
        for (text, seconds) in [("90s", 90), ("1m", 60), ("4h", 14_400), ("5d", 432_000), ("PT10S", 10)] {
            let read = human(text).unwrap();
            assert_eq!(read, Duration::from_secs(seconds), "{text}");
            assert_eq!(human(&show(read)), Some(read), "{text}");
        }
        assert_eq!(show(Duration::from_millis(1500)), "1500ms");
        for bad in ["", "5", "m", "-1m", "1y", "1m30", "99999999999999999999s", "9999999999999999999w", "P"] {
            assert_eq!(human(bad), None, "{bad}");
        }
    }

    #[test]
    fn iso_durations() {
        for (text, ms) in [
            ("PT10S", 10_000),
            ("PT0.5S", 500),
            ("P3D", 259_200_000),
            ("P1DT2H3M4S", 93_784_000),
            ("P2W", 1_209_600_000),
            ("PT0S", 0),
        ] {
            assert_eq!(iso(text), Some(TimeDelta::milliseconds(ms)), "{text}");
        }
        for bad in [
            "",
            "P",
            "PT",
            "P1",
            "1D",
            "P1Y",
            "P1M",
            "PT1H1H",
            "PT1S1M",
            "P-1D",
            "PT1.5H",
            "P1DT",
            "P99999D",
            "PT999999999999H",
            "PT1,5S",
            "p1d",
            "P1D ",
            "PT٣S",
            "PT.5S",
        ] {
            assert_eq!(iso(bad), None, "{bad}");
        }
    }
}
