//! Whether another policy is good enough to take the place of the one in force.
//!
//! Days of zones are drawn anew, the same for both policies (a paired bootstrap): the interval says by how much
//! the saving could be the luck of these days. With several candidates one is the luckiest, so the interval is the
//! wider the more there are (Bonferroni): all of them together cover 95 %.

use std::fmt;

use carbon_kube_core::documents::Bounded;
use carbon_kube_trainer::evaluation::statistics::{Aggregate, Cells};

use crate::backtest::Score;
use crate::config::Promotion;

/// The part of the resamples that lies outside of all intervals together.
const OUTSIDE: f64 = 0.05;

/// How another policy compares with the one in force.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Grams that it saves, in parts of those of the policy in force.
    pub better: Bounded,
    /// By how much its jobs are later, in hours: means.
    pub more_delay_hours: f64,
    /// By how much the part of the jobs that miss their limit is greater.
    pub more_missed: f64,
}

/// Why it is not good enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objection {
    /// It does not save more than the margin.
    Margin(f64),
    /// It may be chance.
    Chance,
    /// Jobs wait for too long.
    Delay {
        /// By how much longer they wait, in hours.
        more: f64,
        /// By how much they may, in hours.
        most: f64,
    },
    /// Too many jobs miss their limit.
    Missed {
        /// By how much the part is greater.
        more: f64,
        /// By how much it may be.
        most: f64,
    },
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Margin(margin) => {
                write!(f, "that is not more than the margin of {:.1} %", margin * 100.0)
            }
            Self::Chance => f.write_str("that may be the luck of these days"),
            Self::Delay { more, most } => {
                write!(f, "its jobs are {more:.1} h later, and may be {most:.1} h")
            }
            Self::Missed { more, most } => write!(
                f,
                "{:.2} % more of its jobs miss their limit, and {:.2} % may",
                more * 100.0,
                most * 100.0
            ),
        }
    }
}

/// Compares a policy with the one in force; `candidates` is how many are compared in all.
#[must_use]
pub fn compare(in_force: &Score, other: &Score, candidates: usize) -> Comparison {
    Comparison {
        better: better(in_force, other, candidates),
        more_delay_hours: other.mean_delay_hours() - in_force.mean_delay_hours(),
        more_missed: other.missed_ratio() - in_force.missed_ratio(),
    }
}

/// The difference of the grams in parts of those of the policy in force.
fn better(in_force: &Score, other: &Score, candidates: usize) -> Bounded {
    let total = in_force.total();
    if total <= 0.0 {
        return Bounded { value: 0.0, low: None, high: None };
    }
    let saved = |(own, others): (&Vec<f64>, &Vec<f64>)| -> Vec<f64> {
        own.iter().zip(others).map(|(own, other)| own - other).collect()
    };
    let strata = in_force.grams.iter().zip(&other.grams).map(|zone| vec![saved(zone)]).collect();
    let blocks = in_force.grams.iter().map(Vec::len).sum::<usize>() as f64;
    let Some(cells) = Cells::new(strata) else {
        return Bounded { value: (total - other.total()) / total, low: None, high: None };
    };
    // Each zone has the same number of days, so the mean over zones of the means over days, times the blocks, is
    // the sum.
    let interval = cells.interval(Aggregate::Mean, OUTSIDE / candidates.max(1) as f64);
    let ratio = |mean: f64| mean * blocks / total;
    Bounded {
        value: ratio(interval.value),
        low: interval.low.map(ratio),
        high: interval.high.map(ratio),
    }
}

/// Whether a policy may take the place of the one in force.
///
/// # Errors
///
/// The first [`Objection`].
pub fn judge(comparison: &Comparison, rules: &Promotion) -> Result<(), Objection> {
    let Comparison { better, more_delay_hours, more_missed } = *comparison;
    let most_delay = rules.most_more_delay.0.hours();
    if better.value <= rules.margin {
        return Err(Objection::Margin(rules.margin));
    }
    if better.low.is_none_or(|low| low <= 0.0) {
        return Err(Objection::Chance);
    }
    if more_delay_hours > most_delay {
        return Err(Objection::Delay { more: more_delay_hours, most: most_delay });
    }
    if more_missed > rules.most_more_missed {
        return Err(Objection::Missed { more: more_missed, most: rules.most_more_missed });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn score(days: &[f64]) -> Score {
        Score { grams: vec![days.to_vec()], jobs: 1_000, ended: 1_000, ..Score::default() }
    }

    fn verdict(in_force: &Score, other: &Score) -> Result<(), Objection> {
        judge(&compare(in_force, other, 1), &Promotion::default())
    }

    #[test]
    fn a_policy_that_saves_on_every_day_takes_the_place() {
        let (old, new) = (score(&[100.0; 7]), score(&[95.0, 96.0, 94.0, 95.0, 97.0, 95.0, 93.0]));
        // 35 of 700 grams.
        let comparison = compare(&old, &new, 1);
        assert!((comparison.better.value - 0.05).abs() < 1e-12, "{comparison:?}");
        assert!(comparison.better.low.unwrap() > 0.03 && comparison.better.high.unwrap() < 0.07);
        assert_eq!(verdict(&old, &new), Ok(()));
    }

    #[test]
    fn a_policy_that_is_worse_or_hardly_better_does_not() {
        let old = score(&[100.0; 7]);
        assert_eq!(verdict(&old, &score(&[103.0; 7])), Err(Objection::Margin(0.01)));
        assert_eq!(verdict(&old, &score(&[99.5; 7])), Err(Objection::Margin(0.01)));
        assert_eq!(verdict(&old, &old), Err(Objection::Margin(0.01)));
    }

    #[test]
    fn a_saving_within_the_noise_does_not() {
        // 21 of 700 grams on the whole, of which one day has 60.
        let new = score(&[40.0, 105.0, 110.0, 104.0, 108.0, 106.0, 106.0]);
        assert_eq!(verdict(&score(&[100.0; 7]), &new), Err(Objection::Chance));
    }

    #[test]
    fn a_saving_that_is_bought_with_delay_or_missed_limits_does_not() {
        let (old, better) = (score(&[100.0; 7]), score(&[90.0; 7]));
        let late = Score { delay_hours: 1_500.0, ..better.clone() };
        assert_eq!(verdict(&old, &late), Err(Objection::Delay { more: 1.5, most: 1.0 }));
        let missed = Score { missed: 5, ..better.clone() };
        assert_eq!(verdict(&old, &missed), Err(Objection::Missed { more: 0.005, most: 0.001 }));
        assert_eq!(verdict(&old, &Score { missed: 1, delay_hours: 900.0, ..better }), Ok(()));
    }

    #[test]
    fn with_more_candidates_the_luckiest_needs_more() {
        let (old, new) = (score(&[100.0; 7]), score(&[70.0, 90.0, 101.0, 99.0, 85.0, 103.0, 95.0]));
        let low = |candidates| compare(&old, &new, candidates).better.low.unwrap();
        assert!(low(8) < low(2) && low(2) < low(1), "{} {} {}", low(8), low(2), low(1));
    }

    #[test]
    fn where_nothing_is_emitted_nothing_is_better() {
        assert_eq!(verdict(&score(&[0.0; 7]), &score(&[0.0; 7])), Err(Objection::Margin(0.01)));
        let none = Score::default();
        assert_eq!(verdict(&none, &none), Err(Objection::Margin(0.01)));
    }

    proptest! {
        #[test]
        fn nobody_takes_the_place_of_himself_and_of_two_at_most_one_does(
            old in prop::collection::vec(0.0..1_000.0f64, 2..10),
            factor in 0.5..1.5f64,
        ) {
            let (old, new) = (score(&old), score(&old.iter().map(|g| g * factor).collect::<Vec<_>>()));
            prop_assert!(verdict(&old, &old).is_err());
            prop_assert!(verdict(&old, &new).is_err() || verdict(&new, &old).is_err());
        }
    }
}
