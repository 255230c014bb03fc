//! What the best schedule could have emitted, so that a saving can be judged: *headroom* is the
//! part of the bound's saving that a policy gets.
//!
//! Every bound here is one on the *operational* account of jobs, what their pods add over idle. It
//! says nothing of idle nodes, hardware and transfer, which a policy may change as well. The
//! overhead of the building (PUE, also one that changes with time) is that of the scenario.
//!
//! - [`job`]: each job by itself, as if it were alone in the cluster. Cheap, always there.
//! - `capacity` (feature `bound`): all jobs at once on the nodes that there are, by a linear programme.
//! - [`switching`]: one job in slots where starting and stopping cost something.
//!
//! A bound knows the whole trace. What it takes for granted is stated so widely that no run can
//! break it: a job that may be paused, moved or scaled is cut up freely between all nodes that its
//! class may use; any other runs in one piece, in one pool. A job ends by its deadline, or, where a
//! run ended it later, by that end. Work that is lost or repeated is not in the bound.

#[cfg(feature = "bound")]
pub mod capacity;
pub mod job;
pub mod switching;

use carbon_kube_core::{GramsCo2e, Time};

use crate::outcome::{Outcome, PodState};
use crate::world::World;
use job::JobBounds;

/// Why there is no bound. No bound is better than a wrong one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundError {
    /// What a pod adds to a node on a curve depends on the other pods there.
    #[error("nodes of pool `{pool}` follow a power curve, along which no job has watts of its own")]
    Curve {
        /// The first such pool that a job may use.
        pool: String,
    },
    /// It would take too long.
    #[error("it would take {size} {what}; the most is {most}")]
    TooLarge {
        /// How much.
        size: u64,
        /// Of what.
        what: &'static str,
        /// The limit.
        most: u64,
    },
    /// The solver is left out of this build.
    #[error("this build has no solver: build it with `--features bound`")]
    NotBuilt,
    /// There is no schedule at all.
    #[error("not every job can end in time on these nodes")]
    Infeasible,
    /// The solver gave up.
    #[error("the solver failed: {0}")]
    Solver(String),
}

/// A run and its reference beside the bound, over the jobs that both completed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Headroom {
    /// Jobs that are counted.
    pub jobs: u64,
    /// What they emitted under the reference.
    pub reference: GramsCo2e,
    /// What they emitted in the run.
    pub run: GramsCo2e,
    /// The least that they could have emitted.
    pub bound: GramsCo2e,
}

impl Headroom {
    /// The part of the bound's saving that the run gets, in per cent: 0 for the reference, 100 at
    /// the bound, negative for a run that emits more. `None` where nothing can be saved.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        share(self.reference.get(), self.run.get(), self.bound.get())
    }
}

/// `(reference - run) / (reference - bound)` in per cent; `None` where the reference is the bound.
pub(crate) fn share(reference: f64, run: f64, bound: f64) -> Option<f64> {
    let possible = reference - bound;
    // Below a billionth it is the rounding of sums.
    let saved = reference - run;
    (possible > 1e-9 * reference).then(|| if saved == 0.0 { 0.0 } else { saved / possible * 100.0 })
}

/// What all jobs together could emit at least on the nodes that there are, beside some runs.
#[derive(Clone, Debug, PartialEq)]
pub struct CapacityBound {
    /// Jobs that are counted: those that every run completed.
    pub jobs: u64,
    /// The least that they could have emitted.
    pub bound: GramsCo2e,
    /// What they emitted in each run.
    pub runs: Vec<GramsCo2e>,
}

impl CapacityBound {
    /// [`Headroom::percent`] of each run against the first.
    #[must_use]
    pub fn percents(&self) -> Vec<Option<f64>> {
        let reference = self.runs.first().map_or(0.0, |run| run.get());
        self.runs.iter().map(|run| share(reference, run.get(), self.bound.get())).collect()
    }
}

/// The bound with capacity for the jobs that all `runs` completed; see the module `capacity`.
///
/// # Errors
///
/// Any [`BoundError`]; [`BoundError::NotBuilt`] without the feature `bound`.
pub fn with_capacity(
    bounds: &JobBounds<'_>,
    runs: &[&Outcome],
) -> Result<CapacityBound, BoundError> {
    #[cfg(feature = "bound")]
    return capacity::least(bounds, runs);
    #[cfg(not(feature = "bound"))]
    {
        let _ = (bounds, runs);
        Err(BoundError::NotBuilt)
    }
}

/// The headroom of a run against a reference on the same world, by [`job::JobBounds`].
#[must_use]
pub fn headroom(bounds: &JobBounds<'_>, reference: &Outcome, run: &Outcome) -> Headroom {
    let mut sum = Headroom {
        jobs: 0,
        reference: GramsCo2e::ZERO,
        run: GramsCo2e::ZERO,
        bound: GramsCo2e::ZERO,
    };
    for (pod, (before, after)) in reference.pods.iter().zip(&run.pods).enumerate() {
        let completed = [before, after].iter().all(|pod| pod.state == PodState::Completed);
        let latest = latest(bounds.world(), pod, &[reference, run]);
        if let Some(bound) = bounds.least(pod, latest).filter(|_| completed) {
            sum.jobs += 1;
            sum.reference += before.operational;
            sum.run += after.operational;
            sum.bound += bound;
        }
    }
    sum
}

/// When a job has to be done: its deadline, or the latest end that one of these runs gave it. A
/// full cluster makes jobs late, and a late job may have met a cleaner grid than its deadline allows.
pub(crate) fn latest(world: &World, pod: usize, runs: &[&Outcome]) -> Time {
    let spec = &world.pods[pod];
    let deadline = spec
        .arrival
        .saturating_add(spec.duration)
        .saturating_add(spec.max_delay.unwrap_or_default());
    let ends = runs.iter().filter_map(|run| run.pods.get(pod).and_then(|pod| pod.finish));
    ends.fold(deadline, Time::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headroom_is_the_part_of_the_possible_saving() {
        // The reference emits 100 g, the bound 60 g: 40 g can be saved.
        assert_eq!(share(100.0, 90.0, 60.0), Some(25.0));
        assert_eq!(share(100.0, 60.0, 60.0), Some(100.0));
        assert_eq!(share(100.0, 110.0, 60.0), Some(-25.0));
        assert_eq!(share(100.0, 100.0, 100.0), None);
        assert_eq!(share(0.0, 0.0, 0.0), None);
    }
}
