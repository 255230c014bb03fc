//! Means over seeds, with an interval that says how far they can be trusted.

use carbon_kube_core::seed;
use serde::{Deserialize, Serialize};

/// Times that the values are drawn anew: the bounds move by about 1 % of the interval's width
/// from one root seed to another.
const RESAMPLES: u64 = 10_000;

/// Root of the draws: the same values have the same interval, always.
const ROOT: u64 = 0x0b00_7574_7261_7000;

/// A mean with its 95 % bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Mean.
    pub mean: f64,
    /// 2.5th percentile of the means of resamples; `null` for a single value.
    pub low: Option<f64>,
    /// 97.5th percentile.
    pub high: Option<f64>,
}

impl Estimate {
    /// Whether the interval leaves out 0; `false` where there is none.
    #[must_use]
    pub fn is_apart_from_zero(&self) -> bool {
        self.low.is_some_and(|low| low > 0.0) || self.high.is_some_and(|high| high < 0.0)
    }
}

/// The mean of some values and its percentile bootstrap interval (Efron 1979). Values in the same
/// order are drawn alike, whatever they are, so differences of pairs stay pairs. `None` for no
/// values. With fewer than about ten values such intervals are somewhat too narrow.
#[must_use]
pub fn estimate(values: &[f64]) -> Option<Estimate> {
    let count = values.len();
    if count == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count as f64;
    if count == 1 {
        return Some(Estimate { mean, low: None, high: None });
    }
    let resample = |draw: u64| {
        let drawn = (0..count as u64).map(|i| values[below(seed::hash(ROOT, draw, i), count)]);
        drawn.sum::<f64>() / count as f64
    };
    let mut means: Vec<f64> = (0..RESAMPLES).map(resample).collect();
    means.sort_by(f64::total_cmp);
    let at =
        |share: f64| means[((RESAMPLES as f64 * share).ceil() as usize - 1).min(means.len() - 1)];
    Some(Estimate { mean, low: Some(at(0.025)), high: Some(at(0.975)) })
}

/// A number below `count`, evenly, from 64 random bits (Lemire 2019, without the rejection: the
/// error is `count` in 2^64).
fn below(bits: u64, count: usize) -> usize {
    ((u128::from(bits) * count as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_about_two_standard_errors_around_the_mean() {
        // 1 to 100: variance 833.25, standard error of the mean 28.87 / 10 = 2.887.
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        let found = estimate(&values).unwrap();
        assert!((found.mean - 50.5).abs() < 1e-9);
        let (low, high) = (found.low.unwrap(), found.high.unwrap());
        assert!((low - (50.5 - 1.96 * 2.887)).abs() < 0.3, "{low}");
        assert!((high - (50.5 + 1.96 * 2.887)).abs() < 0.3, "{high}");
        assert_eq!(estimate(&values), Some(found));
    }

    #[test]
    fn equal_values_have_no_width_and_one_value_no_interval() {
        let equal = estimate(&[2.0; 7]).unwrap();
        assert_eq!((equal.mean, equal.low, equal.high), (2.0, Some(2.0), Some(2.0)));
        assert_eq!(estimate(&[2.0]), Some(Estimate { mean: 2.0, low: None, high: None }));
        assert_eq!(estimate(&[]), None);
    }

    #[test]
    fn only_an_interval_without_zero_is_apart_from_it() {
        let of = |values: &[f64]| estimate(values).unwrap().is_apart_from_zero();
        assert!(of(&[1.0, 2.0, 3.0]) && of(&[-1.0, -2.0, -3.0]));
        assert!(!of(&[-1.0, 2.0, -3.0]) && !of(&[5.0]) && !of(&[0.0, 0.0]));
    }
}
