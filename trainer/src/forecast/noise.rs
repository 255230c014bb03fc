//! The errors of a forecast as the simulator's `noisy` takes them.

use carbon_kube_policies::forecast::HORIZON_HOURS;
use serde::Serialize;

use super::Issues;

/// An AR(1) over the horizon: what `forecast: {kind: noisy, error, correlation}` needs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Noise {
    /// Stationary standard deviation, in parts of the mean.
    pub error: f64,
    /// Correlation of the error from one hour to the next.
    pub correlation: f64,
}

/// Correlations that are tried: the spread of an AR(1) at h hours is s sqrt(1 - c^(2h)).
const TRIED: std::ops::Range<u32> = 500..1_000;

/// The AR(1) whose spread by hour ahead is nearest to that of the issues, in least squares. `None`
/// where there is nothing to fit.
#[must_use]
pub fn fit(issues: &Issues<'_>) -> Option<Noise> {
    let spreads: Vec<f64> = (1..=HORIZON_HOURS).map(|ahead| spread(issues, ahead)).collect();
    let mean = mean(issues)?;
    let candidates = TRIED.map(|thousandths| {
        let correlation = f64::from(thousandths) / 1_000.0;
        let shape: Vec<f64> = (1..=HORIZON_HOURS as i32)
            .map(|ahead| (1.0 - correlation.powi(2 * ahead)).sqrt())
            .collect();
        let scale = dot(&shape, &spreads) / dot(&shape, &shape);
        let missed: f64 = shape
            .iter()
            .zip(&spreads)
            .map(|(shape, spread)| (scale * shape - spread).powi(2))
            .sum();
        (missed, Noise { error: scale / mean, correlation })
    });
    candidates.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, noise)| noise)
}

fn spread(issues: &Issues<'_>, ahead: usize) -> f64 {
    let (mut count, mut squares) = (0.0, 0.0);
    for pair in issues.pairs(ahead) {
        count += 1.0;
        squares += (pair.truth - pair.expected.value).powi(2);
    }
    (squares / f64::max(count, 1.0)).sqrt()
}

fn mean(issues: &Issues<'_>) -> Option<f64> {
    let truths: Vec<f64> = issues.pairs(1).map(|pair| pair.truth).collect();
    let mean = truths.iter().sum::<f64>() / truths.len() as f64;
    (mean > 0.0).then_some(mean)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
