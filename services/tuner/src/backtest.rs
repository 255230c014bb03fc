//! What policies would have done: each of them on the same jobs, and the grams by zone and day.

use std::sync::atomic::AtomicBool;

use carbon_kube_core::Span;
use carbon_kube_policies::Deployed;
use carbon_kube_policies::Settings;
use carbon_kube_policies::baselines::DefaultScheduler;
use carbon_kube_sim::comparison::{self, Entry, Watch};
use carbon_kube_sim::outcome::{Outcome, PodState};
use carbon_kube_sim::report::{deadline_missed, delay};
use carbon_kube_sim::world::{Owner, World};

/// Why there is no score.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// It was told to stop.
    #[error("interrupted: nothing was written")]
    Interrupted,
    /// The operating system gives no threads.
    #[error("no threads: {0}")]
    Threads(String),
}

/// What a policy would have done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Grams of the jobs over idle nodes, by zone and day. Of a job that did not end: what it emits
    /// carbon-blind, for work that is left undone must not pass for a saving.
    pub grams: Vec<Vec<f64>>,
    /// Jobs that arrived.
    pub jobs: u64,
    /// Jobs that ended after their limit, or not at all.
    pub missed: u64,
    /// Jobs that ended.
    pub ended: u64,
    /// The sum of their delays, in hours.
    pub delay_hours: f64,
}

impl Score {
    /// All grams.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.grams.iter().flatten().sum()
    }

    /// Mean delay of the jobs that ended, in hours.
    #[must_use]
    pub fn mean_delay_hours(&self) -> f64 {
        self.delay_hours / self.ended.max(1) as f64
    }

    /// The part of the jobs that missed their limit.
    #[must_use]
    pub fn missed_ratio(&self) -> f64 {
        self.missed as f64 / self.jobs.max(1) as f64
    }
}

/// The score of the carbon-blind scheduler, and those of the policies in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// `default-scheduler`.
    pub reference: Score,
    /// The policies'.
    pub policies: Vec<Score>,
}

/// Runs every policy on the world, `threads` at once (0: one per core).
///
/// # Errors
///
/// [`BacktestError::Interrupted`] once `stop` is set.
pub fn run(
    world: &World,
    policies: &[Deployed],
    threads: usize,
    stop: &AtomicBool,
) -> Result<Scores, BacktestError> {
    let blind: Deployed = Settings::from(DefaultScheduler::default()).into();
    let entry = |policy: &Deployed| Entry { name: String::new(), policy: policy.clone() };
    let entries: Vec<Entry> = std::iter::once(&blind).chain(policies).map(entry).collect();
    let watch = Watch { stop, progress: &|_, _| {}, events: None, decisions: None };
    let outcomes = comparison::compare(world, &entries, threads, &watch)
        .map_err(|error| BacktestError::Threads(error.to_string()))?;
    let outcomes: Vec<Outcome> = outcomes
        .into_iter()
        .collect::<Result<_, _>>()
        // No file is written, so nothing else can fail.
        .map_err(|_| BacktestError::Interrupted)?;
    let Some((reference, others)) = outcomes.split_first() else {
        return Err(BacktestError::Interrupted);
    };
    Ok(Scores {
        reference: score(world, reference, reference),
        policies: others.iter().map(|outcome| score(world, reference, outcome)).collect(),
    })
}

/// A job belongs to the zone that it runs in carbon-blind and to the day that it arrives on, whatever a policy
/// makes of it: so the same jobs are compared block by block.
fn score(world: &World, reference: &Outcome, outcome: &Outcome) -> Score {
    let days = ((world.end - world.start).hours() / 24.0).ceil().max(1.0) as usize;
    let mut score = Score { grams: vec![vec![0.0; days]; world.zones.len()], ..Score::default() };
    for ((pod, blind), own) in world.pods.iter().zip(&reference.pods).zip(&outcome.pods) {
        let Some(class) = world.classes.get(pod.class as usize) else { continue };
        let ended = own.state == PodState::Completed;
        let counted = if ended { own } else { blind };
        let grams = (counted.operational + counted.transfer).get();
        let pool = blind.pool.and_then(|pool| world.pools.get(pool as usize));
        let Some(zone) = score.grams.get_mut(pool.map_or(0, |pool| pool.zone)) else { continue };
        if class.owner == Owner::Deployment {
            zone.iter_mut().for_each(|day| *day += grams / days as f64);
            continue;
        }
        let day = (pod.arrival - world.start).millis() / Span::DAY.millis();
        if let Some(day) = usize::try_from(day).ok().and_then(|day| zone.get_mut(day)) {
            *day += grams;
        }
        score.jobs += 1;
        score.missed += u64::from(deadline_missed(pod, own));
        if let Some(delay) = delay(class, pod, own) {
            score.ended += 1;
            score.delay_hours += delay.hours();
        }
    }
    score
}
