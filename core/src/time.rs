//! Simulated and real time: integer milliseconds, UTC, never the wall clock.
//!
//! [`Time`] is an instant, [`Span`] a length. Both are `i64` milliseconds, so that two
//! machines can never disagree about an instant by a rounding error.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Add, AddAssign, Mul, Neg, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// A length of time in milliseconds; may be negative as a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

/// Why a text is not an instant or a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text is not RFC 3339 with a zone.
    #[error("`{0}` is not an instant such as `2020-06-01T00:00:00Z`")]
    Instant(String),
    /// The text is not a duration.
    #[error("`{0}` is not a duration such as `90s`, `15m`, `24h`, `1h30m` or `7d`")]
    Duration(String),
}

impl Time {
    /// Later than any instant of a simulation.
    pub const MAX: Time = Time(i64::MAX);

    /// The instant `millis` milliseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The largest multiple of `step` since the epoch that is not after `self`.
    ///
    /// # Panics
    ///
    /// When `step` is not positive.
    #[must_use]
    pub fn floor(self, step: Span) -> Self {
        assert!(step.0 > 0, "a time grid needs a positive step");
        Self(self.0.div_euclid(step.0) * step.0)
    }

    /// The smallest multiple of `step` since the epoch that is not before `self`.
    #[must_use]
    pub fn ceil(self, step: Span) -> Self {
        let floor = self.floor(step);
        if floor == self { self } else { floor + step }
    }

    /// `self + span`, or [`Time::MAX`] where that is out of range.
    #[must_use]
    pub const fn saturating_add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The civil date and time in UTC, for calendars and labels.
    #[must_use]
    pub fn utc(self) -> jiff::civil::DateTime {
        self.local(&jiff::tz::TimeZone::UTC)
    }

    /// The civil date and time on a zone's clock, such as that of `Europe/Berlin`.
    #[must_use]
    pub fn local(self, clock: &jiff::tz::TimeZone) -> jiff::civil::DateTime {
        clock.to_datetime(self.timestamp())
    }

    /// Instants that no calendar reaches, such as [`Time::MAX`], show as its end.
    fn timestamp(self) -> jiff::Timestamp {
        let end = if self.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(end)
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// One second.
    pub const SECOND: Span = Span(1_000);
    /// One minute.
    pub const MINUTE: Span = Span(60_000);
    /// One hour.
    pub const HOUR: Span = Span(3_600_000);
    /// One day of 24 hours.
    pub const DAY: Span = Span(86_400_000);
    /// Longer than any simulation.
    pub const MAX: Span = Span(i64::MAX);

    /// A length of `millis` milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// A length of `hours` hours, rounded to a millisecond.
    #[must_use]
    pub fn from_hours(hours: f64) -> Self {
        // `as` saturates, and maps NaN to zero: no input can panic here.
        Self((hours * 3_600_000.0).round() as i64)
    }

    /// A length of `seconds` seconds, rounded to a millisecond.
    #[must_use]
    pub fn from_seconds(seconds: f64) -> Self {
        Self((seconds * 1_000.0).round() as i64)
    }

    /// Milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Hours, as a number for reports.
    #[must_use]
    pub fn hours(self) -> f64 {
        self.0 as f64 / 3_600_000.0
    }

    /// Seconds, as a number for reports.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1_000.0
    }

    /// Whether the length is above zero.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// `self + other`, or [`Span::MAX`] where that is out of range.
    #[must_use]
    pub const fn saturating_add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0 + span.0)
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        self.0 += span.0;
    }
}

impl Sub<Span> for Time {
    type Output = Time;
    fn sub(self, span: Span) -> Time {
        Time(self.0 - span.0)
    }
}

impl Sub for Time {
    type Output = Span;
    fn sub(self, earlier: Time) -> Span {
        Span(self.0 - earlier.0)
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0 + other.0)
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        self.0 += other.0;
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0 - other.0)
    }
}

impl Neg for Span {
    type Output = Span;
    fn neg(self) -> Span {
        Span(-self.0)
    }
}

impl Mul<i64> for Span {
    type Output = Span;
    fn mul(self, factor: i64) -> Span {
        Span(self.0 * factor)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.timestamp())
    }
}

impl FromStr for Time {
    type Err = TimeError;

    /// Reads RFC 3339 (`2020-06-01T00:00:00Z`, `2020-06-01T02:00+02:00`) or a bare date,
    /// which is its first instant in UTC. Digits below a millisecond are cut off.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(stamp.as_millisecond()));
        }
        // jiff would read `2020-06-01 06:00` as a date too, and drop the hour.
        let is_date = text.len() == "2020-06-01".len();
        let date: Option<jiff::civil::Date> = text.parse().ok().filter(|_| is_date);
        let date = date.ok_or_else(|| TimeError::Instant(text.to_owned()))?;
        date.to_zoned_datetime(jiff::tz::TimeZone::UTC)
            .map(|midnight| Self(midnight.timestamp().as_millisecond()))
            .map_err(|_| TimeError::Instant(text.to_owned()))
    }
}

impl Serialize for Time {
    /// RFC 3339, as [`Display`](fmt::Display) writes it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for Span {
    /// The shortest text that [`Span::from_str`] reads back, largest unit first: `7d`, `1h30m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return write!(f, "0s");
        }
        let mut rest = self.0.unsigned_abs();
        if self.0 < 0 {
            write!(f, "-")?;
        }
        for (millis, unit) in UNITS {
            if rest >= millis {
                write!(f, "{}{unit}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

const UNITS: [(u64, &str); 5] =
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];

impl FromStr for Span {
    type Err = TimeError;

    /// Reads a Go duration as Kubernetes writes them, and days: `90s`, `1h30m`, `1.5h`, `7d`, `250ms`.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let error = || TimeError::Duration(text.to_owned());
        let mut rest = text;
        let mut total = 0.0;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .filter(|&end| end > 0)
                .ok_or_else(error)?;
            let number: f64 = rest[..digits].parse().map_err(|_| error())?;
            rest = &rest[digits..];
            let unit_end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (millis, _) =
                UNITS.iter().find(|(_, unit)| *unit == &rest[..unit_end]).ok_or_else(error)?;
            total += number * *millis as f64;
            rest = &rest[unit_end..];
        }
        // Ten thousand years: beyond it an instant plus a span could overflow.
        if text.is_empty() || total > 3.2e14 {
            return Err(error());
        }
        Ok(Self(total.round() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_round_trip_and_dates_are_midnight_utc() {
        let time: Time = "2020-06-01T02:30:00+02:00".parse().unwrap();
        assert_eq!(time.to_string(), "2020-06-01T00:30:00Z");
        assert_eq!("2020-06-01".parse::<Time>().unwrap().to_string(), "2020-06-01T00:00:00Z");
        for text in ["01.06.2020", "", "2020-06-01 06:00", "2020-06-01T06:00", "2020-02-30"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        assert_eq!(Time::MAX.to_string(), "9999-12-30T22:00:00.999999999Z");
    }

    #[test]
    fn durations_read_kubernetes_notation_and_days() {
        for (text, millis) in [
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("7d", 604_800_000),
            ("250ms", 250),
        ] {
            assert_eq!(text.parse::<Span>().unwrap().millis(), millis, "{text}");
        }
        for text in ["", "5", "h", "-1h", "3 h", "1x", "1..5h", "99999999999d", "NaNs"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn durations_print_what_they_read() {
        for text in ["0s", "250ms", "1h30m", "7d", "1d2h3m4s5ms"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn floor_and_ceil_also_work_before_1970() {
        let time = Time::from_millis(-1);
        assert_eq!(time.floor(Span::HOUR).millis(), -3_600_000);
        assert_eq!(time.ceil(Span::HOUR).millis(), 0);
        assert_eq!(Time::from_millis(0).ceil(Span::HOUR).millis(), 0);
    }
}
