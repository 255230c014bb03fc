//! Instants as traces write them.
//!
//! A text with an offset is an instant. One without is a date and time of day on somebody's clock;
//! [`WallClock`] turns it into an instant where the rows come in order, also in the hour that the
//! clock shows twice each autumn.

use carbon_kube_core::Time;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// RFC 3339 with or without seconds, or the same without an offset (`2020-01-01 00:00`), which
/// is then UTC.
pub(crate) fn parse(text: &str) -> Option<Time> {
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Some(Time::from_millis(stamp.as_millisecond()));
    }
    // As a date and time, not by `Time::from_str`: that takes it for a date and drops the hour.
    text.parse().ok().and_then(utc)
}

/// A date and time of day in UTC.
pub(crate) fn utc(civil: DateTime) -> Option<Time> {
    let zoned = civil.to_zoned_datetime(TimeZone::UTC).ok()?;
    Some(Time::from_millis(zoned.timestamp().as_millisecond()))
}

/// `1/31/2020 7:00:00 PM` and `1/31/2020 7 p.m.`, as American agencies write them.
pub(crate) fn american(text: &str) -> Option<DateTime> {
    let mut words = text.split_ascii_whitespace();
    let (date, time, half) = (words.next()?, words.next()?, words.next()?);
    let [month, day, year] = numbers(date, '/')?;
    let [hour, minute, second] = time_of_day(time)?;
    let afternoon = match half {
        "AM" | "am" | "a.m." => 0,
        "PM" | "pm" | "p.m." => 12,
        _ => return None,
    };
    // 12 a.m. is midnight, 12 p.m. noon.
    let hour = (1..=12).contains(&hour).then_some(hour % 12 + afternoon)?;
    let rest = words.next();
    (rest.is_none() && date.len() >= 8).then_some(())?;
    civil(year, month, day, [hour, minute, second])
}

/// `31.01.2020 19:00`, as European publishers write it, with or without seconds.
pub(crate) fn dotted(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_once(' ')?;
    let [day, month, year] = numbers(date, '.')?;
    (date.len() == "31.01.2020".len()).then_some(())?;
    civil(year, month, day, time_of_day(time.trim_start())?)
}

fn civil(year: i16, month: i16, day: i16, [hour, minute, second]: [i16; 3]) -> Option<DateTime> {
    let small = |number: i16| i8::try_from(number).ok();
    DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?, 0)
        .ok()
}

/// `7`, `07:00` or `07:00:00`.
fn time_of_day(text: &str) -> Option<[i16; 3]> {
    match text.matches(':').count() {
        0 => numbers(text, ':').map(|[hour]| [hour, 0, 0]),
        1 => numbers(text, ':').map(|[hour, minute]| [hour, minute, 0]),
        _ => numbers(text, ':'),
    }
}

/// Exactly `N` numbers of one to four digits.
fn numbers<const N: usize>(text: &str, separator: char) -> Option<[i16; N]> {
    let mut parts = text.split(separator);
    let mut all = [0; N];
    for number in &mut all {
        let part = parts.next()?;
        let digits =
            (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| digits)?;
    }
    parts.next().is_none().then_some(all)
}

/// A clock that is put forward and back, read row by row.
#[derive(Clone, Debug)]
pub(crate) struct WallClock {
    zone: TimeZone,
    last: Option<Time>,
}

impl WallClock {
    /// The clock of a place, such as `Europe/Berlin`; UTC for a name that nobody knows.
    pub(crate) fn of(place: &str) -> Self {
        Self { zone: TimeZone::get(place).unwrap_or(TimeZone::UTC), last: None }
    }

    /// The instant of the next row. In the hour that is there twice, the first pass through it is
    /// summer time and the second, where the clock reads what it read before, winter time.
    pub(crate) fn instant(&mut self, civil: DateTime) -> Result<Time, &'static str> {
        let ambiguous = self.zone.to_ambiguous_timestamp(civil);
        let candidate = match (ambiguous.offset(), self.last) {
            (AmbiguousOffset::Gap { .. }, _) => {
                return Err("is not on the clock: that hour is left out in spring");
            }
            (AmbiguousOffset::Fold { .. }, None) => {
                return Err("is on the clock twice, and no row before it says which is meant");
            }
            _ => ambiguous.earlier().ok(),
        };
        let candidate = candidate.map(|stamp| Time::from_millis(stamp.as_millisecond()));
        let passed = |at: Time| self.last.is_some_and(|last| at <= last);
        let at = match candidate {
            Some(at) if passed(at) => ambiguous.later().ok().map(|stamp| stamp.as_millisecond()),
            other => other.map(Time::millis),
        };
        let at = at.map(Time::from_millis).ok_or("is on no calendar")?;
        self.last = Some(at);
        Ok(at)
    }
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

    #[test]
    fn american_and_european_dates_have_one_reading_each() {
        for (text, expected) in [
            ("1/31/2020 7:00:00 PM", "2020-01-31T19:00:00"),
            ("01/31/2020 12:00:00 AM", "2020-01-31T00:00:00"),
            ("11/1/2020 12 p.m.", "2020-11-01T12:00:00"),
        ] {
            assert_eq!(american(text).unwrap().to_string(), expected, "{text}");
        }
        for text in ["31/1/2020 7:00 PM", "1/31/2020 13:00 PM", "1/31/2020 0:30 AM", "1/31/20 1 AM"]
        {
            assert_eq!(american(text), None, "{text}");
        }
        assert_eq!(dotted("31.01.2020 19:15").unwrap().to_string(), "2020-01-31T19:15:00");
        for text in ["01.31.2020 19:15", "1.1.2020 0:00", "31.01.2020", "31.01.2020 24:00"] {
            assert_eq!(dotted(text), None, "{text}");
        }
    }

    #[test]
    fn the_hour_that_comes_twice_is_two_hours() {
        let mut clock = WallClock::of("Europe/Berlin");
        let mut read = |text: &str| {
            clock.instant(dotted(text).unwrap()).map(|at| at.to_string()).map_err(str::to_owned)
        };
        assert_eq!(read("25.10.2020 01:30").unwrap(), "2020-10-24T23:30:00Z");
        assert_eq!(read("25.10.2020 02:00").unwrap(), "2020-10-25T00:00:00Z");
        assert_eq!(read("25.10.2020 02:30").unwrap(), "2020-10-25T00:30:00Z");
        assert_eq!(read("25.10.2020 02:00").unwrap(), "2020-10-25T01:00:00Z");
        assert_eq!(read("25.10.2020 02:30").unwrap(), "2020-10-25T01:30:00Z");
        assert_eq!(read("25.10.2020 03:00").unwrap(), "2020-10-25T02:00:00Z");
        assert!(read("28.03.2021 02:00").unwrap_err().contains("left out in spring"));
        let mut cut = WallClock::of("Europe/Berlin");
        let first = cut.instant(dotted("25.10.2020 02:00").unwrap());
        assert!(first.unwrap_err().contains("twice"));
    }
}
