//! What a series is like, in a line: for catalogues, reports and tests.

use std::collections::BTreeMap;

use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::{GramsPerKwh, Span, Time};

/// Statistics over the known steps of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// Hours with a value.
    pub hours: f64,
    /// Mean over time.
    pub mean: GramsPerKwh,
    /// Standard deviation over time (of the population).
    pub sd: GramsPerKwh,
    /// Lowest value.
    pub min: GramsPerKwh,
    /// Highest value.
    pub max: GramsPerKwh,
    /// Mean of (highest - lowest) over the UTC days without a gap: what waiting within a day can
    /// gain at most. Zero where no day is complete.
    pub mean_daily_swing: GramsPerKwh,
    /// Steps without a value.
    pub gaps: usize,
    /// First covered instant.
    pub start: Time,
    /// First instant after the covered range.
    pub end: Time,
    /// Length of a step.
    pub step: Span,
}

impl Stats {
    /// The statistics of a series; zeros where it is all gap.
    #[must_use]
    pub fn of(series: &IntensitySeries) -> Self {
        let values: Vec<f64> =
            series.steps().filter_map(|(_, value)| value.map(GramsPerKwh::get)).collect();
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
        Self {
            hours: values.len() as f64 * series.step().hours(),
            mean: GramsPerKwh::saturating(mean),
            sd: GramsPerKwh::saturating(variance.sqrt()),
            min: GramsPerKwh::saturating(values.iter().copied().reduce(f64::min).unwrap_or(0.0)),
            max: GramsPerKwh::saturating(values.iter().copied().reduce(f64::max).unwrap_or(0.0)),
            mean_daily_swing: GramsPerKwh::saturating(mean_daily_swing(series)),
            gaps: series.steps().len() - values.len(),
            start: series.start(),
            end: series.end(),
            step: series.step(),
        }
    }
}

fn mean_daily_swing(series: &IntensitySeries) -> f64 {
    let mut days: BTreeMap<Time, (f64, f64)> = BTreeMap::new();
    for (at, value) in series.steps() {
        if let Some(value) = value {
            let range = days.entry(at.floor(Span::DAY)).or_insert((f64::INFINITY, 0.0));
            *range = (range.0.min(value.get()), range.1.max(value.get()));
        }
    }
    // A day of half its hours has about half the swing: it would pull the mean down.
    let swings: Vec<f64> = days
        .into_iter()
        .filter(|(day, _)| series.covers(*day, *day + Span::DAY).is_ok())
        .map(|(_, (low, high))| high - low)
        .collect();
    // The sum of nothing is -0.0, which would be printed.
    if swings.is_empty() { 0.0 } else { swings.iter().sum::<f64>() / swings.len() as f64 }
}
