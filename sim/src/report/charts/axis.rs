//! Where ticks go and what they are called.

use carbon_kube_core::{Span, Time};

use super::super::text::grouped;

/// A scale of numbers with round ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    pub low: f64,
    pub high: f64,
    step: f64,
}

impl Scale {
    /// From zero, with exactly `divisions`: two scales with as many share their grid lines.
    pub fn from_zero(largest: f64, divisions: u32) -> Self {
        let step = round_step(largest / f64::from(divisions));
        Self { low: 0.0, high: step * f64::from(divisions), step }
    }

    /// Around zero: whole steps that hold both ends, about `divisions` of them.
    pub fn around_zero(smallest: f64, largest: f64, divisions: u32) -> Self {
        Self::spanning(smallest.min(0.0), largest.max(0.0), divisions)
    }

    /// Whole steps that hold both ends, about `divisions` of them. Zero need not be among them.
    pub fn spanning(low: f64, high: f64, divisions: u32) -> Self {
        let step = round_step((high - low) / f64::from(divisions));
        let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
        Self { low, high: if high > low { high } else { low + step }, step }
    }

    /// Value and label of each tick.
    pub fn ticks(self) -> Vec<(f64, String)> {
        let decimals = (0..9)
            .find(|&d| {
                let shifted = self.step * 10f64.powi(d);
                (shifted - shifted.round()).abs() < 1e-6 * shifted
            })
            .unwrap_or(9);
        let count = ((self.high - self.low) / self.step).round() as u32;
        (0..=count)
            .map(|i| self.low + self.step * f64::from(i))
            .map(|value| (value, grouped(value, decimals as usize)))
            .collect()
    }
}

/// The smallest 1, 1.5, 2, 2.5, 3, 4 or 5 times a power of ten that is not below `least`.
fn round_step(least: f64) -> f64 {
    if !least.is_finite() || least <= 1e-12 {
        // Nothing but zeros: four of these are an axis from 0 to 1.
        return 0.25;
    }
    let magnitude = 10f64.powf(least.log10().floor());
    [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        // A sum such as 0.1 + 0.2 must not cost a whole step.
        .find(|&step| step >= least * (1.0 - 1e-9))
        .unwrap_or(10.0 * magnitude)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn month(time: Time) -> &'static str {
    let number = usize::from(time.utc().month().unsigned_abs());
    MONTHS.get(number.wrapping_sub(1)).copied().unwrap_or("?")
}

/// At most `most` instants of `[from, to]` that people find round, in UTC, with their labels.
pub fn dates(from: Time, to: Time, most: usize) -> Vec<(Time, String)> {
    let most = most.max(2);
    for hours in [1, 2, 3, 6, 12, 24, 48, 168, 336] {
        let step = Span::HOUR * hours;
        if (to - from).millis() / step.millis() < most as i64 {
            // Weeks count from a Monday; the epoch was a Thursday.
            let shift = Span::DAY * if hours % 168 == 0 { 4 } else { 0 };
            let first = (from - shift).ceil(step) + shift;
            return (0..most as i64)
                .map(|i| first + step * i)
                .take_while(|&tick| tick <= to)
                .map(|tick| (tick, day_label(tick)))
                .collect();
        }
    }
    for months in [1, 2, 3, 6, 12, 24, 60, 120] {
        let ticks = month_starts(from, to, months);
        if ticks.len() <= most {
            return ticks;
        }
    }
    Vec::new()
}

fn day_label(tick: Time) -> String {
    let date = tick.utc();
    if tick == tick.floor(Span::DAY) {
        format!("{} {}", date.day(), month(tick))
    } else {
        format!("{:02}:{:02}", date.hour(), date.minute())
    }
}

fn month_starts(from: Time, to: Time, step: i32) -> Vec<(Time, String)> {
    let (first, last) = (i32::from(from.utc().year()), i32::from(to.utc().year()));
    // Months since year 0, so that any step counts on through the years.
    (first * 12..(last + 1) * 12)
        .filter(|months| months.rem_euclid(step) == 0)
        .filter_map(|months| {
            let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
            format!("{year:04}-{month:02}-01").parse::<Time>().ok()
        })
        .filter(|&tick| from <= tick && tick <= to)
        .map(|tick| (tick, format!("{} {}", month(tick), tick.utc().year())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(from: &str, to: &str, most: usize) -> Vec<String> {
        dates(from.parse().unwrap(), to.parse().unwrap(), most)
            .into_iter()
            .map(|(_, label)| label)
            .collect()
    }

    #[test]
    fn numbers_have_round_ticks() {
        let ticks = |scale: Scale| -> Vec<String> {
            scale.ticks().into_iter().map(|tick| tick.1).collect()
        };
        assert_eq!(ticks(Scale::from_zero(731.0, 4)), ["0", "200", "400", "600", "800"]);
        assert_eq!(ticks(Scale::from_zero(0.0, 4)), ["0.00", "0.25", "0.50", "0.75", "1.00"]);
        assert_eq!(ticks(Scale::around_zero(-3.0, 14.0, 4)), ["-5", "0", "5", "10", "15"]);
        assert_eq!(Scale::from_zero(f64::NAN, 4), Scale::from_zero(0.0, 4));
        assert_eq!(ticks(Scale::from_zero(8_000.0, 4))[4], "8,000");
    }

    #[test]
    fn dates_are_round_and_few() {
        assert_eq!(
            labels("2020-06-01T18:00:00Z", "2020-06-02T12:00:00Z", 4),
            ["18:00", "2 Jun", "06:00", "12:00"]
        );
        assert_eq!(
            labels("2020-06-01", "2020-06-08", 8),
            ["1 Jun", "2 Jun", "3 Jun", "4 Jun", "5 Jun", "6 Jun", "7 Jun", "8 Jun"]
        );
        assert_eq!(
            labels("2020-01-01", "2021-01-01", 7),
            ["Jan 2020", "Mar 2020", "May 2020", "Jul 2020", "Sep 2020", "Nov 2020", "Jan 2021"]
        );
        // 1 June 2020 was a Monday.
        assert_eq!(labels("2020-05-28", "2020-07-01", 6)[0], "1 Jun");
    }

    #[test]
    fn any_window_has_no_more_ticks_than_asked_for() {
        let from: Time = "2019-12-30T01:23:45Z".parse().unwrap();
        for hours in [0.0, 0.1, 1.0, 30.0, 400.0, 5_000.0, 1e5, 1e6] {
            let ticks = dates(from, from + Span::from_hours(hours), 9);
            assert!(ticks.len() <= 9, "{hours}");
        }
    }
}
