//! Learners of what a line misses, and how much of each is believed (a stack: Wolpert 1992).

use carbon_kube_core::{Span, Time, seed};
use carbon_kube_policies::forecast::HORIZON_HOURS;
use carbon_kube_policies::forecast::chain::Model;
use carbon_kube_policies::forecast::correction::{Correction, DAYS, Learner};
use rand::RngExt;
use rayon::prelude::*;

use super::ZoneHours;
use super::boosting::{Boosting, Rows};
use super::fit::Hours;
use super::inputs::Inputs;
use super::perceptron;
use super::ridge::TrainError;

/// Hours ahead of one origin that are looked at: neighbours tell the same again.
const AHEADS: usize = 6;

/// The root of the stream that chooses them.
const SEED: u64 = 7;

/// Which learners are added to a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learners {
    /// Boosted trees.
    pub trees: bool,
    /// A small network.
    pub network: bool,
}

/// Learns what `line` misses in these hours.
///
/// # Errors
///
/// [`TrainError::Linear`] where numbers are not finite.
pub fn learn(
    line: &Model,
    hours: &[(&ZoneHours, Hours)],
    wanted: Learners,
) -> Result<Vec<Learner>, TrainError> {
    if wanted == Learners::default() {
        return Ok(Vec::new());
    }
    let rows = missed(line, hours).0;
    let mut learners = Vec::new();
    if wanted.trees {
        learners.push(Learner::Trees(Boosting::default().fit(&rows)?));
    }
    if wanted.network {
        learners.push(Learner::Network(perceptron::fit(&rows)?));
    }
    Ok(learners)
}

/// The learners with the shares, by day ahead, of the least squared error in these hours, which none
/// of them has seen.
#[must_use]
pub fn with_shares(
    line: &Model,
    learners: Vec<Learner>,
    hours: &[(&ZoneHours, Hours)],
) -> Vec<Correction> {
    if learners.is_empty() {
        return Vec::new();
    }
    let whole = |learner| Correction { learner, shares: [1.0; DAYS] };
    let mut corrections: Vec<Correction> = learners.into_iter().map(whole).collect();
    let (rows, aheads) = missed(line, hours);
    for day in 0..DAYS {
        let of_day = rows.iter().zip(&aheads).filter(|(_, ahead)| (**ahead - 1) / 24 == day);
        let told = of_day.map(|((inputs, missed), &ahead)| {
            let told = |one: &Correction| f64::from(one.expected(ahead, inputs));
            (corrections.iter().map(told).collect::<Vec<f64>>(), f64::from(missed))
        });
        let shares = shares(&told.collect::<Vec<_>>(), corrections.len());
        for (correction, share) in corrections.iter_mut().zip(shares) {
            correction.shares[day] = share as f32;
        }
    }
    corrections
}

/// Shares of 0 to 1 with which what was told comes nearest to what was missed, in least squares, by
/// going from one to the next until nothing moves.
fn shares(told: &[(Vec<f64>, f64)], count: usize) -> Vec<f64> {
    let product = |a: usize, b: usize| told.iter().map(|(told, _)| told[a] * told[b]).sum::<f64>();
    let with_missed = |a: usize| told.iter().map(|(told, missed)| told[a] * missed).sum::<f64>();
    let products: Vec<Vec<f64>> =
        (0..count).map(|a| (0..count).map(|b| product(a, b)).collect()).collect();
    let right: Vec<f64> = (0..count).map(with_missed).collect();
    let mut shares = vec![0.0; count];
    for _ in 0..100 {
        for a in 0..count {
            let others: f64 =
                (0..count).filter(|&b| b != a).map(|b| products[a][b] * shares[b]).sum();
            let best = (right[a] - others) / products[a][a];
            shares[a] = if best.is_finite() { best.clamp(0.0, 1.0) } else { 0.0 };
        }
    }
    shares
}

/// What the line misses at some hours ahead of each origin, with the inputs of a learner, and how
/// far ahead each is.
fn missed(line: &Model, hours: &[(&ZoneHours, Hours)]) -> (Rows, Vec<usize>) {
    let width = Correction::width(line.linear.features());
    let mut rows = Rows { width, ..Rows::default() };
    let mut aheads = Vec::new();
    for &(zone, (from, to)) in hours {
        let first = from - Span::HOUR * HORIZON_HOURS as i64;
        let origins: Vec<Time> = zone.hours(first, to).collect();
        let of_origin = |&origin: &Time| missed_from(line, zone, origin, (from, to));
        let by_origin: Vec<Vec<Missed>> = origins.par_iter().map(of_origin).collect();
        for one in by_origin.into_iter().flatten() {
            rows.inputs.extend(one.inputs);
            rows.targets.push(one.missed);
            aheads.push(one.ahead);
        }
    }
    (rows, aheads)
}

struct Missed {
    inputs: Vec<f32>,
    missed: f32,
    ahead: usize,
}

fn missed_from(line: &Model, zone: &ZoneHours, origin: Time, hours: Hours) -> Vec<Missed> {
    let features = line.linear.features();
    let Some(mut inputs) = Inputs::at(zone, *features, line.level, origin) else {
        return Vec::new();
    };
    let mut stream = seed::stream(SEED ^ origin.millis() as u64, "hours ahead");
    let one = |_| {
        let ahead = stream.random_range(1..=HORIZON_HOURS);
        let example = inputs.example(ahead, hours)?;
        let expected = line.linear.expected(ahead, example.inputs);
        let mut of_learner = Vec::new();
        Correction::inputs(
            features,
            example.inputs,
            expected,
            ahead,
            example.local,
            &mut of_learner,
        );
        Some(Missed { inputs: of_learner, missed: example.truth as f32 - expected, ahead })
    };
    (0..AHEADS).filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_learner_that_tells_nothing_gets_nothing() {
        // The first tells half of what is missed, the second something else.
        let told: Vec<(Vec<f64>, f64)> = (0..100)
            .map(|i| {
                let (a, b) = (f64::from(i % 7) - 3.0, f64::from(i % 5) - 2.0);
                (vec![2.0 * a, -b], a + 0.1 * b)
            })
            .collect();
        let found = shares(&told, 2);
        assert!((found[0] - 0.5).abs() < 0.02, "{found:?}");
        assert!(found[1].abs() < 1e-9, "never less than nothing: {found:?}");
        assert_eq!(shares(&[], 2), [0.0, 0.0]);
    }
}
