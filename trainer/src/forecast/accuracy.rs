//! How far forecasts are off, by day ahead.

use carbon_kube_policies::forecast::{HORIZON_HOURS, PROBABILITIES};
use serde::Serialize;

use super::Issues;

/// Errors of one day of the horizon, over all issues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DayAhead {
    /// 1 is the first 24 hours.
    pub day: usize,
    /// Pairs of truth and forecast.
    pub pairs: usize,
    /// Mean absolute error in g/kWh.
    pub mae_grams_per_kwh: f64,
    /// Mean absolute error in per cent of the truth; hours below 1 g/kWh are left out.
    pub mape_percent: f64,
    /// Mean quantile (pinball) loss over the seven probabilities, in g/kWh.
    pub pinball_grams_per_kwh: f64,
    /// Part of the truth inside the 80 % interval, in per cent.
    pub coverage80_percent: f64,
    /// Part of the truth inside the 90 % interval, in per cent.
    pub coverage90_percent: f64,
}

/// The errors by day ahead.
#[must_use]
pub fn by_day(issues: &Issues<'_>) -> Vec<DayAhead> {
    (0..HORIZON_HOURS / 24).map(|day| day_ahead(issues, day)).collect()
}

/// Mean absolute error by hour ahead, in g/kWh.
#[must_use]
pub fn by_hour(issues: &Issues<'_>) -> Vec<f64> {
    let mean = |ahead: usize| {
        let errors = issues.pairs(ahead).map(|pair| (pair.truth - pair.expected.value).abs());
        let (count, sum) =
            errors.fold((0.0, 0.0), |(count, sum), error| (count + 1.0, sum + error));
        sum / f64::max(count, 1.0)
    };
    (1..=HORIZON_HOURS).map(mean).collect()
}

fn day_ahead(issues: &Issues<'_>, day: usize) -> DayAhead {
    let mut sum = DayAhead { day: day + 1, ..DayAhead::default() };
    let mut relative = 0;
    for pair in (24 * day + 1..=24 * (day + 1)).flat_map(|ahead| issues.pairs(ahead)) {
        let quantiles = &pair.expected.quantiles;
        let error = (pair.truth - pair.expected.value).abs();
        let inside = |low: usize| {
            let high = PROBABILITIES.len() - 1 - low;
            f64::from(u8::from((quantiles[low]..=quantiles[high]).contains(&pair.truth)))
        };
        sum.pairs += 1;
        sum.mae_grams_per_kwh += error;
        sum.pinball_grams_per_kwh += pinball(pair.truth, quantiles);
        sum.coverage90_percent += inside(0);
        sum.coverage80_percent += inside(1);
        if pair.truth >= 1.0 {
            relative += 1;
            sum.mape_percent += error / pair.truth;
        }
    }
    let count = sum.pairs.max(1) as f64;
    DayAhead {
        mae_grams_per_kwh: sum.mae_grams_per_kwh / count,
        mape_percent: 100.0 * sum.mape_percent / f64::from(relative.max(1)),
        pinball_grams_per_kwh: sum.pinball_grams_per_kwh / count,
        coverage80_percent: 100.0 * sum.coverage80_percent / count,
        coverage90_percent: 100.0 * sum.coverage90_percent / count,
        ..sum
    }
}

/// Mean over the probabilities of max(p e, (p - 1) e), e = truth less quantile (Koenker and Bassett
/// 1978).
fn pinball(truth: f64, quantiles: &[f64; PROBABILITIES.len()]) -> f64 {
    let loss = |(probability, quantile): (&f64, &f64)| {
        let error = truth - quantile;
        (probability * error).max((probability - 1.0) * error)
    };
    PROBABILITIES.iter().zip(quantiles).map(loss).sum::<f64>() / PROBABILITIES.len() as f64
}
