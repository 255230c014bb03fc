//! The end of each chain: what the zone usually has at that hour, as far as its past tells.

use carbon_kube_core::{Span, Time};

use super::Past;
use super::calendar::Calendar;

/// Mean, lowest and highest known value of an hour of the day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Typical {
    /// Mean, in g/kWh.
    pub mean: f32,
    /// Lowest, in g/kWh.
    pub low: f32,
    /// Highest, in g/kWh.
    pub high: f32,
}

/// The typical hours of a past, by local hour; an hour that was never seen has those of all hours.
/// `None` where nothing is known at all.
#[must_use]
pub fn typical_hours(past: &Past, calendar: &Calendar) -> Option<[Typical; 24]> {
    let known: Vec<(usize, f32)> = past
        .known()
        .map(|(ago, value)| (local_hour(calendar, past.now() - Span::HOUR * ago as i64), value))
        .collect();
    let all = typical(known.iter().map(|(_, value)| *value))?;
    Some(std::array::from_fn(|hour| {
        let of_hour = known.iter().filter(|(at, _)| *at == hour).map(|(_, value)| *value);
        typical(of_hour).unwrap_or(all)
    }))
}

/// The local hour of `at`, 0 to 23.
#[must_use]
pub fn local_hour(calendar: &Calendar, at: Time) -> usize {
    calendar.at(at).hour
}

fn typical(values: impl Iterator<Item = f32>) -> Option<Typical> {
    let (mut count, mut sum) = (0.0, 0.0);
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    for value in values {
        count += 1.0;
        sum += value;
        low = low.min(value);
        high = high.max(value);
    }
    (count > 0.0).then(|| Typical { mean: sum / count, low, high })
}
