//! Weeks of zones, and what policies make of them: version 1 of the protocol.
//!
//! Each zone is cut into weeks, back to back. In a week every policy meets the same jobs, drawn from
//! a seed that depends on the zone's name, the week's start and the number of the draw alone: adding a zone or a
//! policy changes nobody's number. The world is the one that tuners are trained in
//! ([`crate::environment::world`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::{Span, Time, seed};
use carbon_kube_policies::Deployed;
use carbon_kube_sim::bound;
use carbon_kube_sim::bound::job::JobBounds;
use carbon_kube_sim::engine::{self, Hooks, RunError};
use carbon_kube_sim::outcome::{Outcome, PodState};
use carbon_kube_sim::report::{deadline_missed, delay};
use carbon_kube_sim::world::World;
use rand::Rng;
use rayon::prelude::*;

use crate::environment::world::{WorldConfig, episode_world, reference};

/// The name of this version on the command line.
pub const VERSION: &str = "v1";

/// The least time between two parts of a split, and the past that a judged week has at least: what
/// `percentile` and observations look back on.
pub const EMBARGO: Span = Span::from_millis(7 * 86_400_000);

/// What is simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    /// The world of a week. Default: the standard small world.
    pub world: WorldConfig,
    /// How often the jobs of a week are drawn, at least 1. Default 1.
    pub draws: u32,
    /// Root of the draws.
    pub seed: u64,
}

impl Default for Protocol {
    fn default() -> Self {
        Self { world: WorldConfig::default(), draws: 1, seed: 1 }
    }
}

/// A zone, and the hours of it that are judged.
#[derive(Clone, Debug)]
pub struct ZoneTest {
    /// Its intensity.
    pub series: Arc<IntensitySeries>,
    /// Where weeks lie, from the first arrival to the last possible end: `[from, to)`. The past of
    /// [`EMBARGO`] may lie before it.
    pub range: (Time, Time),
}

/// A week of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Week {
    /// Position of the zone.
    pub zone: usize,
    /// First instant at which jobs arrive.
    pub start: Time,
}

/// Weeks to judge policies on.
#[derive(Debug)]
pub struct Trial {
    protocol: Protocol,
    zones: Vec<ZoneTest>,
    forecast: ForecastModel,
    weeks: Vec<Week>,
    left_out: Vec<usize>,
}

/// Why there is nothing to judge on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrialError {
    /// A setting of the world that can't be used.
    #[error("world: {0}")]
    World(String),
    /// A zone without a whole week.
    #[error(
        "zone `{zone}`: no week from {from} to {to} can be judged: it takes {needed} without a gap"
    )]
    TooShort {
        /// Its name.
        zone: String,
        /// Start of what there is.
        from: Time,
        /// End of what there is.
        to: Time,
        /// The past, a week, and the end of its last job.
        needed: Span,
    },
    /// Two series of one zone.
    #[error("zone `{0}` is there twice")]
    Twice(String),
}

/// It was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the evaluation was interrupted")]
pub struct Interrupted;

/// What an evaluation hears, and tells, while it goes.
pub struct Watch<'a> {
    /// Set it to stop.
    pub stop: &'a AtomicBool,
    /// Called once for each week that is done.
    pub progress: &'a (dyn Fn() + Sync),
}

/// What a policy made of a week; sums over its draws, unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Grams saved against the reference, in per cent of the reference: the mean over draws. 0
    /// where the reference emitted nothing.
    pub saving_percent: f64,
    /// Grams of the jobs, moves included; of a job that is not done, those of the reference.
    pub grams: f64,
    /// Jobs that arrived.
    pub jobs: u64,
    /// Jobs that ended after their limit, or not at all.
    pub misses: u64,
    /// Jobs that did not end.
    pub undone: u64,
    /// Moves.
    pub moves: u64,
    /// By how much each job that ended is later than if it had started at once, in seconds.
    pub delay_seconds: Vec<u32>,
}

/// What came of a week.
#[derive(Clone, Debug, PartialEq)]
pub struct WeekScores {
    /// The week.
    pub week: Week,
    /// Grams of the carbon-blind reference over all draws.
    pub reference_grams: f64,
    /// The saving of the bound, in per cent: the mean over draws.
    pub bound_percent: f64,
    /// By policy, in their order.
    pub policies: Vec<Score>,
}

impl Trial {
    /// Cuts zones into weeks. `forecast` is how every policy sees the future.
    ///
    /// # Errors
    ///
    /// [`TrialError`] where the world can't be used, or a zone has no whole week.
    pub fn new(
        protocol: Protocol,
        zones: Vec<ZoneTest>,
        forecast: ForecastModel,
    ) -> Result<Self, TrialError> {
        protocol.world.check().map_err(TrialError::World)?;
        let mut names: BTreeMap<&str, ()> = BTreeMap::new();
        let (mut weeks, mut left_out) = (Vec::new(), Vec::new());
        for (position, zone) in zones.iter().enumerate() {
            let name = zone.series.label().zone.as_str();
            if names.insert(name, ()).is_some() {
                return Err(TrialError::Twice(name.to_owned()));
            }
            let (own, gaps) = cut(&protocol.world, zone);
            if own.is_empty() {
                return Err(too_short(&protocol.world, zone));
            }
            weeks.extend(own.into_iter().map(|start| Week { zone: position, start }));
            left_out.push(gaps);
        }
        Ok(Self { protocol, zones, forecast, weeks, left_out })
    }

    /// What is simulated.
    #[must_use]
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// The zones, in the order that was given.
    #[must_use]
    pub fn zones(&self) -> &[ZoneTest] {
        &self.zones
    }

    /// The weeks, by zone and start.
    #[must_use]
    pub fn weeks(&self) -> &[Week] {
        &self.weeks
    }

    /// By zone, the weeks that a gap took.
    #[must_use]
    pub fn left_out(&self) -> &[usize] {
        &self.left_out
    }

    /// Every policy on the weeks at these positions, on the threads of the caller. The scores are in the
    /// order of the positions, and the same for any number of threads.
    ///
    /// # Errors
    ///
    /// [`Interrupted`] once `watch.stop` is set.
    ///
    /// # Panics
    ///
    /// Where a position is none of a week.
    pub fn judge(
        &self,
        policies: &[Deployed],
        positions: &[usize],
        watch: &Watch<'_>,
    ) -> Result<Vec<WeekScores>, Interrupted> {
        let one = |&position: &usize| {
            let scores = self.week(self.weeks[position], policies, watch.stop)?;
            (watch.progress)();
            Ok(scores)
        };
        positions.par_iter().with_max_len(1).map(one).collect()
    }

    fn week(
        &self,
        week: Week,
        policies: &[Deployed],
        stop: &AtomicBool,
    ) -> Result<WeekScores, Interrupted> {
        let draws = self.protocol.draws.max(1);
        let mut scores = WeekScores {
            week,
            reference_grams: 0.0,
            bound_percent: 0.0,
            policies: vec![Score::default(); policies.len()],
        };
        for draw in 0..draws {
            let world = self.world(week, draw);
            let reference = reference(&world);
            let grams = reference_grams(&reference);
            scores.reference_grams += grams;
            scores.bound_percent += bound_percent(&world, &reference) / f64::from(draws);
            for (policy, score) in policies.iter().zip(&mut scores.policies) {
                if stop.load(Ordering::Relaxed) {
                    return Err(Interrupted);
                }
                let run = run(&world, policy, stop)?;
                let emitted = add(score, &world, &reference, &run);
                score.saving_percent += percent(grams - emitted, grams) / f64::from(draws);
            }
        }
        Ok(scores)
    }

    /// The world of a week under one of its draws.
    #[must_use]
    pub fn world(&self, week: Week, draw: u32) -> World {
        let series = &self.zones[week.zone].series;
        let zone = seed::stream(self.protocol.seed, series.label().zone.as_str()).next_u64();
        let root = seed::hash(zone, week.start.millis() as u64, u64::from(draw));
        episode_world(&self.protocol.world, series, &self.forecast, root, week.start)
    }
}

/// What a week takes: from the first arrival to the last possible end.
fn length(world: &WorldConfig) -> Span {
    Span::HOUR * i64::from(world.episode_hours) + world.tail()
}

/// Starts of the whole weeks of a zone, back to back, and how many a gap took.
fn cut(world: &WorldConfig, zone: &ZoneTest) -> (Vec<Time>, usize) {
    let ZoneTest { series, range: (from, to) } = zone;
    // A trace may begin at any minute; jobs arrive from a full hour on.
    let first = (series.start() + EMBARGO).max(*from).ceil(Span::HOUR);
    let last = (*to).min(series.end());
    let (mut starts, mut gaps) = (Vec::new(), 0);
    let mut start = first;
    while start + length(world) <= last {
        match series.covers(start - EMBARGO, start + length(world)) {
            Ok(()) => starts.push(start),
            Err(_) => gaps += 1,
        }
        start += Span::HOUR * i64::from(world.episode_hours);
    }
    (starts, gaps)
}

fn too_short(world: &WorldConfig, zone: &ZoneTest) -> TrialError {
    let ZoneTest { series, range: (from, to) } = zone;
    TrialError::TooShort {
        zone: series.label().zone.to_string(),
        from: series.start().max(*from - EMBARGO),
        to: series.end().min(*to),
        needed: EMBARGO + length(world),
    }
}

/// A week under one policy.
pub(super) fn run(
    world: &World,
    policy: &Deployed,
    stop: &AtomicBool,
) -> Result<Outcome, Interrupted> {
    let hooks = Hooks { stop, progress: &|_| {}, events: None, decisions: None };
    engine::run(world, policy, "", hooks).map_err(|error| match error {
        RunError::Interrupted => Interrupted,
        RunError::Events(_) | RunError::Decisions(_) => unreachable!("it writes no file"),
    })
}

fn reference_grams(reference: &Outcome) -> f64 {
    reference.pods.iter().map(|pod| (pod.operational + pod.transfer).get()).sum()
}

fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole * 100.0 } else { 0.0 }
}

/// The saving of each job's best schedule; 0 where it can't be worked out, which the standard world
/// never is.
fn bound_percent(world: &World, reference: &Outcome) -> f64 {
    JobBounds::new(world).map_or(0.0, |bounds| {
        let headroom = bound::headroom(&bounds, reference, reference);
        let (most, least) = (headroom.reference.get(), headroom.bound.get());
        // Below a billionth it is the rounding of sums.
        let possible = if most - least > 1e-9 * most { most - least } else { 0.0 };
        percent(possible, most)
    })
}

/// Adds a run to a score, and gives the grams that it is charged with.
fn add(score: &mut Score, world: &World, reference: &Outcome, run: &Outcome) -> f64 {
    let mut grams = 0.0;
    for ((pod, own), before) in world.pods.iter().zip(&run.pods).zip(&reference.pods) {
        let is_done = own.state == PodState::Completed;
        // Work that is left undone emits nothing: it must not pass for a saving.
        let counted = if is_done { own } else { before };
        grams += (counted.operational + counted.transfer).get();
        score.jobs += 1;
        score.misses += u64::from(deadline_missed(pod, own));
        score.undone += u64::from(!is_done);
        score.moves += u64::from(own.migrations);
        let delay = delay(&world.classes[pod.class as usize], pod, own);
        score.delay_seconds.extend(delay.map(whole_seconds));
    }
    score.grams += grams;
    grams
}

fn whole_seconds(delay: Span) -> u32 {
    u32::try_from(delay.millis().max(0) / Span::SECOND.millis()).unwrap_or(u32::MAX)
}
