//! What is believed of a zone's past: glitches out, short gaps closed.
//!
//! A forecast is only as good as the values that it starts from, and a live feed has flat lines of
//! stuck sensors, single spikes and holes. What is not believed is unknown, and a model that needs
//! it leaves the hour to the next one of its chain.

use carbon_kube_core::forecast::History;
use carbon_kube_core::{GramsPerKwh, Span, Time};

use super::PAST_HOURS;

/// A gap of up to so many hours between two known ones is closed by a straight line.
const SHORT_GAP: usize = 6;

/// So many equal hours in a row are a stuck sensor: of the open data of 2018 to 2021 no zone
/// repeats an hourly value more than six times.
const STUCK_HOURS: usize = 12;

/// A spike is a single hour so many times above, or below, both neighbours ...
const SPIKE_RATIO: f64 = 3.0;

/// ... and so far from them, in g/kWh: a clean grid may double from one hour to the next.
const SPIKE_GRAMS: f64 = 100.0;

/// Hourly values up to the hour of `now`, oldest first, in g/kWh.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    now: Time,
    hours: Vec<Option<f32>>,
}

impl Past {
    /// What is believed of these hours, the last of which is the one that `now` is in.
    #[must_use]
    pub fn new(now: Time, hours: impl IntoIterator<Item = Option<f64>>) -> Self {
        let mut hours: Vec<Option<f64>> = hours
            .into_iter()
            .map(|value| value.and_then(GramsPerKwh::new).map(GramsPerKwh::get))
            .collect();
        drop_spikes(&mut hours);
        drop_stuck(&mut hours);
        close_short_gaps(&mut hours);
        let hours = hours.into_iter().map(|value| value.map(|value| value as f32)).collect();
        Self { now: now.floor(Span::HOUR), hours }
    }

    /// The past of a trace.
    #[must_use]
    pub fn of(history: &History<'_>) -> Self {
        Self::new(history.now(), history.by_hour(PAST_HOURS as u32))
    }

    /// Start of the last hour.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// The value so many hours ago; 0 is the last hour.
    #[must_use]
    pub fn ago(&self, hours: usize) -> Option<f32> {
        *self.hours.get(self.hours.len().checked_sub(hours + 1)?)?
    }

    /// Mean of the last so many hours; `None` unless all of them are known.
    #[must_use]
    pub fn mean(&self, hours: usize) -> Option<f32> {
        let from = self.hours.len().checked_sub(hours)?;
        let sum = self.hours[from..].iter().try_fold(0.0, |sum, value| Some(sum + (*value)?));
        sum.map(|sum| sum / hours as f32)
    }

    /// The hours that are known, latest first: how long ago, and the value.
    pub fn known(&self) -> impl Iterator<Item = (usize, f32)> + '_ {
        self.hours.iter().rev().enumerate().filter_map(|(ago, value)| Some((ago, (*value)?)))
    }
}

/// Takes out single hours far from both neighbours; the last hour has one neighbour.
fn drop_spikes(hours: &mut [Option<f64>]) {
    let far = |value: f64, other: f64| {
        let (low, high) = if value < other { (value, other) } else { (other, value) };
        high > SPIKE_RATIO * low && high - low > SPIKE_GRAMS
    };
    for i in 1..hours.len() {
        let Some(value) = hours[i] else { continue };
        let neighbours = [hours[i - 1], hours.get(i + 1).copied().flatten()];
        let mut known = neighbours.into_iter().flatten().peekable();
        if known.peek().is_some() && known.all(|other| far(value, other)) {
            hours[i] = None;
        }
    }
}

/// Takes out all but the first hour of a flat line.
fn drop_stuck(hours: &mut [Option<f64>]) {
    for run in hours.chunk_by_mut(|a, b| a.is_some() && a == b) {
        if run.len() >= STUCK_HOURS {
            run[1..].fill(None);
        }
    }
}

fn close_short_gaps(hours: &mut [Option<f64>]) {
    let mut last: Option<(usize, f64)> = None;
    for i in 0..hours.len() {
        let Some(value) = hours[i] else { continue };
        if let Some((from, before)) = last
            && (2..=SHORT_GAP + 1).contains(&(i - from))
        {
            let slope = (value - before) / (i - from) as f64;
            for (missing, hour) in hours[from + 1..i].iter_mut().enumerate() {
                *hour = Some(before + slope * (missing + 1) as f64);
            }
        }
        last = Some((i, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn believed(values: &[f64]) -> Vec<Option<f32>> {
        // NaN stands for a gap.
        Past::new(Time::from_millis(0), values.iter().map(|&v| Some(v))).hours
    }

    #[test]
    fn a_gap_between_two_values_becomes_a_line_and_a_long_one_stays() {
        let gap = f64::NAN;
        let line = [Some(100.0), Some(110.0), Some(120.0)];
        assert_eq!(believed(&[100.0, gap, 120.0]), line);
        let long: Vec<f64> = [vec![100.0], vec![gap; 7], vec![120.0]].concat();
        assert_eq!(believed(&long)[1..8], [None; 7]);
        assert_eq!(believed(&[100.0, gap])[1], None, "nothing is known after it");
    }

    #[test]
    fn a_spike_is_not_believed_and_a_steep_rise_is() {
        assert_eq!(believed(&[200.0, 2_000.0, 220.0])[1], Some(210.0));
        assert_eq!(believed(&[200.0, 210.0, 2_000.0])[2], None, "the last hour");
        assert_eq!(believed(&[200.0, 0.0, 220.0])[1], Some(210.0));
        assert_eq!(believed(&[20.0, 70.0, 20.0])[1], Some(70.0), "a clean grid");
        assert_eq!(believed(&[100.0, 250.0, 400.0])[1], Some(250.0));
        assert_eq!(believed(&[-5.0, 20_000.0, f64::INFINITY]), [None; 3]);
    }

    #[test]
    fn a_flat_line_is_a_stuck_sensor() {
        let flat: Vec<f64> = [vec![300.0; 20], vec![310.0]].concat();
        let hours = believed(&flat);
        assert_eq!(hours[0], Some(300.0));
        assert!(hours[1..20].iter().all(Option::is_none));
        assert!(believed(&[300.0; 11]).iter().all(Option::is_some));
    }
}
