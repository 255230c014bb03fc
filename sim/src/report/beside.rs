//! The same decisions, counted with a second intensity: what a run emitted by the marginal signal
//! while its policy looked at the average one, or the other way round.
//!
//! Worked out from the rows of the zones. A row has the mean power of its interval, so the result
//! is exact where the second intensity is constant within it: hourly rows and an hourly signal.

use serde::{Deserialize, Serialize};

use super::summary::{GridSource, grid_source};
use crate::carbon::Carbon;
use crate::outcome::{IntervalRow, Outcome};
use crate::world::{GridZone, World};

/// What a run emitted by the second intensity of the zones that have one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Beside {
    /// What running pods added over idle, in grams.
    pub operational: f64,
    /// The rest of the nodes that are on, in grams.
    pub idle: f64,
    /// How much less than the reference, both by this intensity, in percent.
    pub saving_percent: Option<f64>,
}

impl Beside {
    fn grams(&self) -> f64 {
        self.operational + self.idle
    }
}

/// The second intensity of each zone that has one.
pub(super) fn sources(world: &World) -> Vec<GridSource> {
    let beside = |zone: &GridZone| {
        zone.beside.as_ref().map(|series| grid_source(&zone.zone, series.label()))
    };
    world.zones.iter().filter_map(beside).collect()
}

/// Each run counted with it, in order; the first is the reference. `None` where no zone has one.
pub(super) fn count(world: &World, outcomes: &[&Outcome]) -> Vec<Option<Beside>> {
    let zones: Vec<Option<Carbon>> = world.zones.iter().map(|zone| carbon(zone, world)).collect();
    if zones.iter().all(Option::is_none) {
        return vec![None; outcomes.len()];
    }
    let mut runs: Vec<Beside> = outcomes.iter().map(|outcome| run(outcome, &zones)).collect();
    let reference = runs.first().map_or(0.0, Beside::grams);
    for run in &mut runs {
        run.saving_percent = (reference > 0.0).then(|| (1.0 - run.grams() / reference) * 100.0);
    }
    runs.into_iter().map(Some).collect()
}

fn carbon(zone: &GridZone, world: &World) -> Option<Carbon> {
    let series = zone.beside.clone()?;
    let second = GridZone {
        series,
        overhead: None,
        beside: None,
        electricity: None,
        zone: zone.zone.clone(),
    };
    Some(Carbon::new(&second, world.start, world.end))
}

fn run(outcome: &Outcome, zones: &[Option<Carbon>]) -> Beside {
    let mut sum = Beside { operational: 0.0, idle: 0.0, saving_percent: None };
    let mut ends = outcome.intervals.iter().map(|row| row.start).skip(zones.len());
    for row in &outcome.intervals {
        // Rows of one interval follow each other; the last interval ends with the run.
        let IntervalRow { start, zone, pod_watts, idle_watts, .. } = row;
        let end = ends.next().unwrap_or(outcome.end);
        if let Some(carbon) = &zones[*zone as usize] {
            let area = carbon.integral(*start, end);
            sum.operational += pod_watts / 1_000.0 * area;
            sum.idle += idle_watts / 1_000.0 * area;
        }
    }
    sum
}
