//! Several policies on one world, side by side: one sequential run each, runs in parallel.

use std::io::Write;
use std::sync::atomic::AtomicBool;

use carbon_kube_core::Time;
use carbon_kube_policies::{Deployed, Settings};
use rayon::prelude::*;

use crate::engine::{self, Hooks, RunError};
use crate::outcome::Outcome;
use crate::recorder;
use crate::report::{Summary, summary};
use crate::world::World;

/// One policy of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What reports call it.
    pub name: String,
    /// The policy: a rule, as a scenario or a policy file has it.
    pub policy: Deployed,
}

/// What a comparison tells, and hears, while it goes.
pub struct Watch<'a> {
    /// Set it to stop all runs.
    pub stop: &'a AtomicBool,
    /// Called with the position of a run and its simulated instant.
    pub progress: &'a (dyn Fn(usize, Time) + Sync),
    /// Opens the event log of a run by its position; `None` writes none.
    pub events: Option<&'a Open<'a>>,
    /// The same for the recorded decisions of a run; see [`recorder`].
    pub decisions: Option<&'a Open<'a>>,
}

/// Opens a file of a run by the run's position.
pub type Open<'a> = dyn Fn(usize) -> std::io::Result<Box<dyn Write + Send>> + Sync + 'a;

/// Names entries: a policy that is listed twice gets a number, so that every row has a name.
#[must_use]
pub fn entries(policies: impl IntoIterator<Item = Settings>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for settings in policies {
        let name = settings.name();
        let before = entries.iter().filter(|entry| entry.policy.rule.name() == name).count();
        let name = if before == 0 { name.to_owned() } else { format!("{name}-{}", before + 1) };
        entries.push(Entry { name, policy: settings.into() });
    }
    entries
}

/// The recording of a run, begun with what comes before its first decision.
fn record(
    world: &World,
    entry: &Entry,
    mut out: Box<dyn Write + Send>,
) -> std::io::Result<Box<dyn Write + Send>> {
    recorder::write_run(&mut out, world, &entry.name, &entry.policy.rule)?;
    Ok(out)
}

/// Runs every entry on `world`, at most `threads` at a time (0: one per core). The results are in
/// the order of the entries, and the same for any number of threads.
///
/// # Errors
///
/// Per run, those of [`engine::run`]. As a whole, where the operating system gives no threads.
pub fn compare(
    world: &World,
    entries: &[Entry],
    threads: usize,
    watch: &Watch<'_>,
) -> Result<Vec<Result<Outcome, RunError>>, rayon::ThreadPoolBuildError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    Ok(pool.install(|| side_by_side(world, entries, watch)))
}

/// As [`compare`], on the threads of the caller: for worlds that are themselves side by side.
pub fn side_by_side(
    world: &World,
    entries: &[Entry],
    watch: &Watch<'_>,
) -> Vec<Result<Outcome, RunError>> {
    let one = |(position, entry): (usize, &Entry)| {
        let events = watch.events.map(|open| open(position)).transpose();
        let events = events.map_err(RunError::Events)?;
        let decisions = watch.decisions.map(|open| record(world, entry, open(position)?));
        let decisions = decisions.transpose().map_err(RunError::Decisions)?;
        let progress = |now| (watch.progress)(position, now);
        let hooks = Hooks { stop: watch.stop, progress: &progress, events, decisions };
        engine::run(world, &entry.policy, &entry.name, hooks)
    };
    entries.par_iter().enumerate().map(one).collect()
}

/// The summary of every entry on `world`, the first of them the reference, without a file of
/// anything.
///
/// # Errors
///
/// [`RunError::Interrupted`] once `stop` is set.
pub fn summarised(
    world: &World,
    entries: &[Entry],
    stop: &AtomicBool,
) -> Result<Summary, RunError> {
    let watch = Watch { stop, progress: &|_, _| {}, events: None, decisions: None };
    let outcomes = side_by_side(world, entries, &watch);
    let outcomes = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(summary(world, &outcomes.iter().collect::<Vec<_>>(), true))
}
