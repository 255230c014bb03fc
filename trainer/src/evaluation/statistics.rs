//! Means over zones, training runs and weeks, with intervals: after Agarwal et al., *Deep
//! Reinforcement Learning at the Edge of the Statistical Precipice* (NeurIPS 2021).
//!
//! ```text
//!  stratum (zone)      week 1   week 2   ...        a resample draws weeks anew in each zone, the same
//!    run (seed) 1        x        x                 ones for each run, and runs anew across all zones
//!    run (seed) 2        x        x
//! ```
//!
//! Weeks and runs are crossed, not nested: a network that is good is good in each week, and a week
//! that is easy is easy for each network. Drawing cells one by one would take them for independent
//! and make intervals too narrow.

use carbon_kube_core::seed;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// How often cells are drawn anew. The bounds move by about 2 % of the interval's width from one
/// root to another.
pub const RESAMPLES: usize = 2_000;

/// Root of the draws: the same cells have the same interval, always.
const ROOT: u64 = 0x0065_7661_6c00;

/// A number of some cells, with its 95 % stratified bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// The number for the cells as they are.
    pub value: f64,
    /// 2.5th percentile over resamples; absent with a single cell in each stratum.
    pub low: Option<f64>,
    /// 97.5th percentile over resamples.
    pub high: Option<f64>,
}

impl Interval {
    /// Whether all of it is above `bound`; `false` where there is no interval.
    #[must_use]
    pub fn is_above(&self, bound: f64) -> bool {
        self.low.is_some_and(|low| low > bound)
    }

    /// Whether all of it is under `bound`; `false` where there is no interval.
    #[must_use]
    pub fn is_under(&self, bound: f64) -> bool {
        self.high.is_some_and(|high| high < bound)
    }
}

/// Scores by stratum, run and week.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells(Vec<Vec<Vec<f64>>>);

/// How cells become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// The mean over strata of the mean of their cells: each stratum weighs the same.
    Mean,
    /// The interquartile mean of all cells together.
    InterquartileMean,
}

impl Cells {
    /// Cells of these strata, each with its runs, each of these with a score per week. `None` where
    /// strata have different numbers of runs, runs of one stratum different numbers of weeks, or
    /// something is empty.
    #[must_use]
    pub fn new(strata: Vec<Vec<Vec<f64>>>) -> Option<Self> {
        let runs = strata.first()?.len();
        let is_whole = |stratum: &Vec<Vec<f64>>| {
            let weeks = stratum.first().map_or(0, Vec::len);
            stratum.len() == runs && weeks > 0 && stratum.iter().all(|run| run.len() == weeks)
        };
        strata.iter().all(is_whole).then_some(Self(strata))
    }

    /// The number of these cells, and its 95 % interval.
    #[must_use]
    pub fn estimate(&self, aggregate: Aggregate) -> Interval {
        self.interval(aggregate, 0.05)
    }

    /// The number of these cells, and the interval that leaves the part `outside` of the resamples out, half of it
    /// on each side: for several comparisons that have to hold together, 0.05 over their number.
    #[must_use]
    pub fn interval(&self, aggregate: Aggregate, outside: f64) -> Interval {
        let value = self.aggregated(aggregate);
        let runs = self.0[0].len();
        if runs == 1 && self.0.iter().all(|stratum| stratum[0].len() == 1) {
            return Interval { value, low: None, high: None };
        }
        let mut rng = seed::stream(ROOT, "bootstrap");
        let mut resamples: Vec<f64> =
            (0..RESAMPLES).map(|_| self.resampled(&mut rng).aggregated(aggregate)).collect();
        resamples.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let rank = (RESAMPLES as f64 * share).ceil() as usize;
            resamples[rank.clamp(1, RESAMPLES) - 1]
        };
        let side = outside / 2.0;
        Interval { value, low: Some(at(side)), high: Some(at(1.0 - side)) }
    }

    /// `self` less `other`, week by week; of `other`, the mean over its runs. `None` where strata or
    /// weeks differ.
    #[must_use]
    pub fn less(&self, other: &Self) -> Option<Self> {
        self.paired(other, |own, others| own - mean(others))
    }

    /// The part of the runs of `other` that each cell is above, ties half: the mean of these cells is
    /// the probability of improvement. `None` where strata or weeks differ.
    #[must_use]
    pub fn wins(&self, other: &Self) -> Option<Self> {
        self.paired(other, |own, others| {
            let win = |other: &f64| match own.total_cmp(other) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
            others.iter().map(win).sum::<f64>() / others.len() as f64
        })
    }

    fn paired(&self, other: &Self, pair: impl Fn(f64, &[f64]) -> f64) -> Option<Self> {
        let weeks = |cells: &Self| cells.0.iter().map(|stratum| stratum[0].len()).collect();
        let (own, others): (Vec<usize>, Vec<usize>) = (weeks(self), weeks(other));
        if own != others {
            return None;
        }
        let strata = self.0.iter().zip(&other.0).map(|(stratum, others)| {
            let run = |run: &Vec<f64>| -> Vec<f64> {
                let week = |(week, &own): (usize, &f64)| {
                    pair(own, &others.iter().map(|other| other[week]).collect::<Vec<_>>())
                };
                run.iter().enumerate().map(week).collect()
            };
            stratum.iter().map(run).collect()
        });
        Some(Self(strata.collect()))
    }

    /// The number of these cells, without its interval.
    #[must_use]
    pub fn aggregated(&self, aggregate: Aggregate) -> f64 {
        match aggregate {
            Aggregate::Mean => {
                let of = |stratum: &Vec<Vec<f64>>| {
                    let cells = stratum.iter().map(Vec::len).sum::<usize>();
                    stratum.iter().flatten().sum::<f64>() / cells as f64
                };
                self.0.iter().map(of).sum::<f64>() / self.0.len() as f64
            }
            Aggregate::InterquartileMean => {
                let mut cells: Vec<f64> = self.0.iter().flatten().flatten().copied().collect();
                interquartile_mean(&mut cells)
            }
        }
    }

    fn resampled(&self, rng: &mut impl Rng) -> Self {
        let mut draw = |count: usize| -> Vec<usize> {
            (0..count).map(|_| below(rng.next_u64(), count)).collect()
        };
        let runs = draw(self.0[0].len());
        let mut stratum = |stratum: &Vec<Vec<f64>>| -> Vec<Vec<f64>> {
            let weeks = draw(stratum[0].len());
            let run = |&run: &usize| weeks.iter().map(|&week| stratum[run][week]).collect();
            runs.iter().map(run).collect()
        };
        Self(self.0.iter().map(&mut stratum).collect())
    }
}

/// The mean; NaN of nothing.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean of what is left where a quarter of the values, rounded down, is cut off at each end:
/// `scipy.stats.trim_mean(values, 0.25)`, as Agarwal et al. have it. NaN of nothing. It leaves the
/// values in another order.
#[must_use]
pub fn interquartile_mean(values: &mut [f64]) -> f64 {
    let cut = values.len() / 4;
    values.sort_by(f64::total_cmp);
    mean(&values[cut..values.len() - cut])
}

/// A number below `count`, evenly, from 64 random bits (Lemire 2019, without the rejection: the
/// error is `count` in 2^64).
fn below(bits: u64, count: usize) -> usize {
    ((u128::from(bits) * count as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells(strata: &[&[&[f64]]]) -> Cells {
        let strata = strata.iter().map(|stratum| stratum.iter().map(|run| run.to_vec()).collect());
        Cells::new(strata.collect()).unwrap()
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn the_interquartile_mean_is_that_of_scipy() {
        // scipy.stats.trim_mean([1..8], .25) = (3 + 4 + 5 + 6) / 4; of seven values one goes at each
        // end; of three none.
        let of = |values: &[f64]| interquartile_mean(&mut values.to_vec());
        assert!(close(of(&[8.0, 1.0, 7.0, 2.0, 6.0, 3.0, 5.0, 4.0]), 4.5));
        assert!(close(of(&[100.0, 1.0, 2.0, 3.0, 4.0, 5.0, -50.0]), 3.0));
        assert!(close(of(&[1.0, 2.0, 6.0]), 3.0));
    }

    #[test]
    fn the_mean_gives_each_stratum_the_same_weight() {
        let cells = cells(&[&[&[1.0, 3.0, 5.0, 7.0]], &[&[10.0]]]);
        assert!(close(cells.aggregated(Aggregate::Mean), 7.0));
        assert!(close(cells.aggregated(Aggregate::InterquartileMean), 5.0));
    }

    #[test]
    fn the_probability_of_improvement_counts_ties_half() {
        let ours = cells(&[&[&[1.0, 2.0, 3.0, 4.0]]]);
        let theirs = cells(&[&[&[0.0, 2.0, 5.0, 3.0]]]);
        // Better, the same, worse, better.
        assert!(close(ours.wins(&theirs).unwrap().aggregated(Aggregate::Mean), 0.625));
        assert!(close(theirs.wins(&ours).unwrap().aggregated(Aggregate::Mean), 0.375));
        // Against two runs, of which one is below and one above: one half, and the difference is
        // that to their mean.
        let two = cells(&[&[&[0.0; 4], &[10.0; 4]]]);
        assert!(close(ours.wins(&two).unwrap().aggregated(Aggregate::Mean), 0.5));
        assert!(close(ours.less(&two).unwrap().aggregated(Aggregate::Mean), -2.5));
        assert_eq!(ours.less(&cells(&[&[&[1.0]]])), None);
    }

    #[test]
    fn an_interval_is_about_two_standard_errors_around_the_mean() {
        // 1 to 100: variance 833.25, standard error 28.87 / 10 = 2.887.
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        let found = cells(&[&[&values]]).estimate(Aggregate::Mean);
        assert!(close(found.value, 50.5));
        assert!((found.low.unwrap() - (50.5 - 1.96 * 2.887)).abs() < 0.5, "{found:?}");
        assert!((found.high.unwrap() - (50.5 + 1.96 * 2.887)).abs() < 0.5, "{found:?}");
        assert!(found.is_above(40.0) && found.is_under(60.0) && !found.is_above(50.0));
    }

    #[test]
    fn strata_of_equal_values_have_no_width_however_far_apart_they_are() {
        // Without strata, drawing from {0, 0, 100, 100} would have a wide interval.
        let found = cells(&[&[&[0.0, 0.0]], &[&[100.0, 100.0]]]).estimate(Aggregate::Mean);
        assert_eq!(found, Interval { value: 50.0, low: Some(50.0), high: Some(50.0) });
        let single = cells(&[&[&[3.0]]]).estimate(Aggregate::Mean);
        assert_eq!(single, Interval { value: 3.0, low: None, high: None });
    }

    #[test]
    fn runs_that_differ_widen_the_interval_though_there_are_many_weeks() {
        // Two runs, 0 and 10 in each of 100 weeks: with runs drawn anew the mean is 0, 5 or 10. Cells
        // drawn one by one would say 5 +- 0.7.
        let found = cells(&[&[&[0.0; 100], &[10.0; 100]]]).estimate(Aggregate::Mean);
        assert_eq!((found.low, found.high), (Some(0.0), Some(10.0)));
    }

    #[test]
    fn what_is_not_whole_is_no_cells() {
        assert_eq!(Cells::new(vec![]), None);
        assert_eq!(Cells::new(vec![vec![vec![]]]), None);
        assert_eq!(Cells::new(vec![vec![vec![1.0], vec![1.0, 2.0]]]), None);
        assert_eq!(Cells::new(vec![vec![vec![1.0]], vec![vec![1.0], vec![2.0]]]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn an_interval_is_within_the_values_moves_with_them_and_is_always_the_same(
            values in prop::collection::vec(-100.0..100.0f64, 2..40),
            shift in -50.0..50.0f64,
        ) {
            let own = cells(&[&[&values]]);
            for aggregate in [Aggregate::Mean, Aggregate::InterquartileMean] {
                let found = own.estimate(aggregate);
                let (low, high) = (found.low.unwrap(), found.high.unwrap());
                let least = values.iter().copied().fold(f64::INFINITY, f64::min);
                let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                prop_assert!(least - 1e-9 <= low && low <= high && high <= most + 1e-9);
                prop_assert_eq!(own.estimate(aggregate), found);
                let moved: Vec<f64> = values.iter().map(|value| value + shift).collect();
                let moved = cells(&[&[&moved]]).estimate(aggregate);
                prop_assert!((moved.low.unwrap() - low - shift).abs() < 1e-9);
            }
            let wins = own.wins(&own).unwrap().estimate(Aggregate::Mean);
            prop_assert_eq!(wins, Interval { value: 0.5, low: Some(0.5), high: Some(0.5) });
        }
    }
}
