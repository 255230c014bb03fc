//! Instants as traces write them.

use carbon_kube_core::Time;

/// RFC 3339 with or without seconds, or the same without an offset (`2020-01-01 00:00`), which
/// is then UTC.
pub(crate) fn parse(text: &str) -> Option<Time> {
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Some(Time::from_millis(stamp.as_millisecond()));
    }
    // As a date and time, not by `Time::from_str`: that takes it for a date and drops the hour.
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    let zoned = civil.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?;
    Some(Time::from_millis(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_an_offset_is_utc() {
        for text in [
            "2020-01-01T06:00:00Z",
            "2020-01-01T06:00Z",
            "2020-01-01T07:00+01:00",
            "2020-01-01 06:00",
            "2020-01-01 06:00:00",
            "2020-01-01 06:00:00+00:00",
            "2020-01-01T06:00:00.000",
        ] {
            let time = parse(text).map(|time| time.to_string());
            assert_eq!(time.as_deref(), Some("2020-01-01T06:00:00Z"), "{text}");
        }
        for text in ["", "1577858400", "01/02/2020 06:00", "2020-13-01 00:00", "now"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
