//! Policies over several seeds of one scenario: means, intervals, and which cannot be told apart.
//!
//! Seeds are pairs: under one seed every policy meets the same pods, outages and forecasts, so the
//! difference of two policies is taken seed by seed before its mean is.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::report::text::{aligned, grouped, paragraph, shortened};
use crate::report::{Summary, summary::Run};
use crate::statistics::{Estimate, estimate};

/// The version of the format that is written.
pub const VERSION: u32 = 1;

/// Everything in `comparison.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ensemble {
    /// Version of the format: 1.
    pub version: u32,
    /// `metadata.name` of the scenario.
    pub scenario: String,
    /// The policy that the others are compared with.
    pub reference: Option<String>,
    /// Seeds that are counted, each under every policy.
    pub seeds: Vec<u64>,
    /// `false` when seeds are missing because of an interruption.
    pub complete: bool,
    /// Whether emissions, delay or counts of pods depend on the seed. Where none does, intervals say nothing.
    pub seeds_matter: bool,
    /// In the order of the scenario.
    pub policies: Vec<PolicyEstimates>,
    /// Every two policies.
    pub pairs: Vec<Pair>,
}

/// One policy over all seeds. `null` where no seed has a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyEstimates {
    /// Its name.
    pub policy: String,
    /// Saving against the reference of the same seed, in percent.
    pub saving_percent: Option<Estimate>,
    /// All emissions, in kg CO2e.
    pub emissions_kg: Option<Estimate>,
    /// Mean delay of a run, in hours.
    pub delay_hours: Option<Estimate>,
    /// Deadline misses of a run.
    pub deadline_misses: Option<Estimate>,
    /// The part of the bound's saving, in percent; see [`crate::bound`].
    pub headroom_percent: Option<Estimate>,
}

/// Two policies, seed by seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pair {
    /// The one that emits less, by the mean.
    pub lower: String,
    /// The other.
    pub higher: String,
    /// How much more the other emits, in kg CO2e.
    pub difference_kg: Estimate,
    /// Whether the interval of the difference leaves out 0.
    pub told_apart: bool,
}

/// Compares policies over the summaries of some seeds, each with the same policies in the same order.
/// `complete` is `false` for an interrupted comparison.
#[must_use]
pub fn ensemble(summaries: &[Summary], complete: bool) -> Ensemble {
    let first = summaries.first();
    let policies = first.map_or(0, |summary| summary.runs.len());
    let of = |position: usize| -> Vec<&Run> {
        summaries.iter().filter_map(|summary| summary.runs.get(position)).collect()
    };
    let matters = |position: usize| of(position).windows(2).any(|runs| differ(runs[0], runs[1]));
    Ensemble {
        version: VERSION,
        scenario: first.map(|summary| summary.scenario.clone()).unwrap_or_default(),
        reference: first.and_then(|summary| summary.reference.clone()),
        seeds: summaries.iter().map(|summary| summary.seed).collect(),
        complete,
        seeds_matter: (0..policies).any(matters),
        policies: (0..policies).filter_map(|position| estimates(&of(position))).collect(),
        pairs: (0..policies)
            .flat_map(|first| (first + 1..policies).map(move |second| (first, second)))
            .filter_map(|(first, second)| pair(&of(first), &of(second)))
            .collect(),
    }
}

/// Whether two runs differ in more than the order of additions. Digests won't do: a seed also says
/// which of two equal nodes a pod gets.
fn differ(a: &Run, b: &Run) -> bool {
    let apart = |a: f64, b: f64| (a - b).abs() > 1e-9 * a.abs().max(b.abs());
    apart(kilograms(a), kilograms(b))
        || apart(a.delay_hours.mean.unwrap_or_default(), b.delay_hours.mean.unwrap_or_default())
        || a.pods != b.pods
}

fn estimates(runs: &[&Run]) -> Option<PolicyEstimates> {
    let over = |value: fn(&Run) -> Option<f64>| {
        estimate(&runs.iter().filter_map(|run| value(run)).collect::<Vec<_>>())
    };
    Some(PolicyEstimates {
        policy: runs.first()?.policy.clone(),
        saving_percent: over(|run| run.saving_percent),
        emissions_kg: over(|run| Some(kilograms(run))),
        delay_hours: over(|run| run.delay_hours.mean),
        deadline_misses: over(|run| Some(run.pods.deadline_misses as f64)),
        headroom_percent: over(|run| run.headroom?.percent),
    })
}

fn pair(first: &[&Run], second: &[&Run]) -> Option<Pair> {
    let more = |low: &[&Run], high: &[&Run]| {
        let differences = low.iter().zip(high).map(|(low, high)| kilograms(high) - kilograms(low));
        estimate(&differences.collect::<Vec<_>>())
    };
    let (lower, higher) = match more(first, second)?.mean < 0.0 {
        true => (second, first),
        false => (first, second),
    };
    let difference_kg = more(lower, higher)?;
    Some(Pair {
        lower: lower.first()?.policy.clone(),
        higher: higher.first()?.policy.clone(),
        difference_kg,
        told_apart: difference_kg.is_apart_from_zero(),
    })
}

fn kilograms(run: &Run) -> f64 {
    run.emissions_grams.total / 1_000.0
}

/// The comparison as JSON, with a newline at the end.
#[must_use]
pub fn to_json(ensemble: &Ensemble) -> String {
    let mut json =
        serde_json::to_string_pretty(ensemble).expect("names and numbers, and all keys are text");
    json.push('\n');
    json
}

/// The comparison as a table, with what cannot be told apart below it.
#[must_use]
pub fn table(ensemble: &Ensemble) -> String {
    let header = [
        ["policy", "saving %", "", "emissions kg", "", "delay h", "misses", "headroom %"],
        ["", "mean", "95 %", "mean", "95 %", "mean", "mean", "mean"],
    ];
    let mean = |value: &Option<Estimate>, decimals| {
        value.map_or_else(|| "-".into(), |value| grouped(value.mean, decimals))
    };
    let body = ensemble.policies.iter().map(|policy| {
        [
            shortened(&policy.policy, 24),
            mean(&policy.saving_percent, 2),
            interval(policy.saving_percent, 2),
            mean(&policy.emissions_kg, 1),
            interval(policy.emissions_kg, 1),
            mean(&policy.delay_hours, 2),
            mean(&policy.deadline_misses, 1),
            mean(&policy.headroom_percent, 1),
        ]
    });
    let lines: Vec<_> =
        header.map(|line| line.map(str::to_owned)).into_iter().chain(body).collect();
    let mut text = aligned(&lines, header.len());
    text.push('\n');
    notes(&mut text, ensemble);
    text
}

fn interval(value: Option<Estimate>, decimals: usize) -> String {
    let bounds = value.and_then(|value| Some((value.low?, value.high?)));
    bounds.map_or_else(
        || "-".into(),
        |(low, high)| format!("{} .. {}", grouped(low, decimals), grouped(high, decimals)),
    )
}

fn notes(text: &mut String, ensemble: &Ensemble) {
    let seeds = ensemble.seeds.len();
    if !ensemble.complete {
        paragraph(text, "INTERRUPTED", "only the seeds that were finished are counted");
    }
    match seeds {
        0 | 1 => paragraph(text, "one seed", "has no interval; give more with `--seeds`"),
        _ if !ensemble.seeds_matter => {
            let what = "no run depends on the seed, so the intervals say nothing: every seed gave \
                        the same";
            paragraph(text, "SEEDS CHANGE NOTHING", what);
        }
        2..=4 => paragraph(text, "few seeds", "such intervals are too narrow; take ten or more"),
        _ => {}
    }
    if seeds > 1 && ensemble.seeds_matter {
        told_apart(text, ensemble);
    }
    if let Some(reference) = &ensemble.reference {
        let of_seeds = format!("{reference}, seed by seed");
        paragraph(text, "saving against", &of_seeds);
    }
    let mut list = String::new();
    let _ = write!(list, "{}, ", ensemble.scenario);
    match (ensemble.seeds.first(), ensemble.seeds.last()) {
        (Some(first), Some(last)) if seeds > 1 => {
            let _ = write!(list, "{seeds} seeds from {first} to {last}");
        }
        (Some(only), _) => drop(write!(list, "seed {only}")),
        _ => list.push_str("no seeds"),
    }
    paragraph(text, "scenario", &list);
}

fn told_apart(text: &mut String, ensemble: &Ensemble) {
    let alike: Vec<&Pair> = ensemble.pairs.iter().filter(|pair| !pair.told_apart).collect();
    if alike.is_empty() && !ensemble.pairs.is_empty() {
        let all = "the interval of no paired difference contains 0";
        paragraph(text, "every two policies can be told apart", all);
    }
    for pair in alike {
        let difference = pair.difference_kg;
        let what = format!(
            "{} and {}: the second emits {} kg more, interval {}",
            pair.lower,
            pair.higher,
            grouped(difference.mean, 2),
            interval(Some(difference), 2),
        );
        paragraph(text, "cannot be told apart", &what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;
    use crate::report::{fixture, summary};

    /// Summaries of some seeds, in which each policy emits what `grams` says.
    fn summaries(seeds: u64, grams: impl Fn(u64, usize) -> f64) -> Vec<Summary> {
        let (world, outcomes) = fixture::tiny();
        let base = summary(&world, &outcomes.iter().collect::<Vec<&Outcome>>(), true);
        let of = |seed: u64| {
            let mut summary = base.clone();
            summary.seed = seed;
            for (position, run) in summary.runs.iter_mut().enumerate() {
                run.emissions_grams.total = grams(seed, position);
            }
            summary
        };
        (0..seeds).map(of).collect()
    }

    #[test]
    fn a_difference_that_is_always_there_is_told_apart_and_noise_is_not() {
        // Seeds differ by kilograms, the second policy is always 10 g better: pairs see that.
        let always =
            ensemble(&summaries(8, |seed, i| 9e3 * seed as f64 + 1e3 - 10.0 * i as f64), true);
        assert!(always.pairs[0].told_apart);
        let lower = &always.pairs[0];
        assert_eq!(
            (lower.lower.as_str(), lower.higher.as_str()),
            ("threshold", "default-scheduler")
        );
        assert!((lower.difference_kg.mean - 0.01).abs() < 1e-9);
        let sometimes = |seed: u64, i: usize| 1e4 + if seed % 2 == i as u64 { 500.0 } else { 0.0 };
        let noise = ensemble(&summaries(8, sometimes), true);
        assert!(!noise.pairs[0].told_apart);
        assert!(table(&noise).contains("cannot be told apart: "), "{}", table(&noise));
        assert!(table(&always).contains("every two policies can be told apart"));
    }

    #[test]
    fn seeds_that_change_nothing_are_named() {
        let same = summaries(4, |_, _| 1e4);
        assert!(table(&ensemble(&same, true)).contains("SEEDS CHANGE NOTHING"));
        assert!(table(&ensemble(&same[..1], true)).contains("one seed: has no interval"));
        assert!(table(&ensemble(&[], false)).contains("INTERRUPTED"));
    }
}
