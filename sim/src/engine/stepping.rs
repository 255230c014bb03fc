//! A run that somebody else steps: from one look at the grid to the next, with the adjustments of
//! the thresholds given from outside.
//!
//! ```text
//!  new --> look: observation(zone)      advance(adjustments) --> thresholds, gate, ... --> look
//!            '---------------------------------^                                            |
//!                                              '--------------------------------------------'
//! ```
//!
//! The events between two looks are those of [`run`](super::run), handled by the same code in the
//! same order: a policy whose tuner gives the same adjustments leaves the same outcome, bit for bit.
//! Nothing here reads a file, and nothing starts a thread.

use std::fmt;
use std::sync::Arc;

use carbon_kube_core::{GramsCo2e, Span, Time};
use carbon_kube_policies::{Observation, Policy};
use self_cell::self_cell;

use super::{Due, EventLog, Phase, RunError, Simulation};
use crate::outcome::Outcome;
use crate::world::World;

/// What a run is made of.
struct Parts {
    world: Arc<World>,
    policy: Arc<dyn Policy>,
}

/// `None` only while its outcome is taken.
type Running<'a> = Option<Simulation<'a>>;

self_cell!(
    struct Cell {
        owner: Parts,
        #[not_covariant]
        dependent: Running,
    }
);

/// A run in progress, at the start of a control interval.
pub struct Episode {
    cell: Cell,
    is_over: bool,
}

/// What a run has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// The instant: the start of the next control interval, or the end of the run.
    pub at: Time,
    /// Emissions so far of running pods over idle.
    pub operational: GramsCo2e,
    /// Emissions so far of the nodes that are on, over which pods' come.
    pub idle: GramsCo2e,
    /// Emissions so far of moving data.
    pub transfer: GramsCo2e,
    /// Moves so far.
    pub migrations: u64,
    /// Pods that have been created, but for replicas that the load has not called for.
    pub arrived: usize,
    /// Pods that are held or wait for the pacer.
    pub held: usize,
    /// Pods that wait in the scheduler.
    pub pending: usize,
    /// Pods that run.
    pub running: usize,
    /// Pods that have not ended, those that will still arrive among them.
    pub open: usize,
}

/// What has become of one pod so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodProgress {
    /// Work done, in time of one worker at full speed.
    pub done: Span,
    /// Time since its arrival in which no work was done: it was held, waited for room, repeated
    /// lost work or ran on a slower node.
    pub waited: Span,
    /// Whether it runs.
    pub is_running: bool,
    /// Whether it has ended.
    pub is_over: bool,
}

impl Episode {
    /// Begins a run and looks at the grid for the first time. `policy` says everything but
    /// adjustments, its bounds among it.
    ///
    /// # Panics
    ///
    /// As [`run`](super::run): never, but for a bug in this crate.
    #[must_use]
    pub fn new(world: Arc<World>, policy: Arc<dyn Policy>) -> Self {
        let cell = Cell::new(Parts { world, policy }, |parts| {
            let log = EventLog::new(&parts.world, "", None);
            let mut simulation = Simulation::new(&parts.world, &*parts.policy, log, None);
            simulation.control.observes = true;
            Some(simulation)
        });
        let mut episode = Self { cell, is_over: false };
        episode.is_over = !episode.with_mut(|simulation| simulation.reach_next_look());
        episode
    }

    /// The world.
    #[must_use]
    pub fn world(&self) -> &Arc<World> {
        &self.cell.borrow_owner().world
    }

    /// Whether every pod has ended, or will wait for ever: there is no next look at the grid.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The instant: the start of the control interval, or the end of the run.
    #[must_use]
    pub fn now(&self) -> Time {
        self.with(|simulation| simulation.now)
    }

    /// What a tuner sees of a zone, by its position in the world; `None` where the intensity or the
    /// base threshold is unknown, and an adjustment means nothing.
    #[must_use]
    pub fn observation(&self, zone: usize) -> Option<Observation> {
        self.with(|simulation| simulation.control.observation(zone))
    }

    /// Goes on to the next look at the grid. `adjustments` has one per zone, in g/kWh: it is cut to
    /// [-50, +50] as a tuner's is, and NaN, or a missing one, is 0. Once the run is over nothing
    /// happens.
    pub fn advance(&mut self, adjustments: &[f64]) {
        if self.is_over {
            return;
        }
        self.is_over = !self.with_mut(|simulation| {
            simulation.decide(Some(adjustments));
            simulation.reach_next_look()
        });
    }

    /// What the run has come to.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.with(|simulation| simulation.so_far())
    }

    /// What has become of a pod, by its position in the world.
    #[must_use]
    pub fn pod(&self, pod: u32) -> PodProgress {
        self.with(|simulation| simulation.pod_so_far(pod))
    }

    /// Lets the run go on to its end, without adjustments, and closes its accounts.
    ///
    /// # Errors
    ///
    /// None: nothing is written.
    ///
    /// # Panics
    ///
    /// When the accounts of pods and zones don't add up, as [`run`](super::run).
    pub fn finish(mut self) -> Result<Outcome, RunError> {
        while !self.is_over {
            self.advance(&[]);
        }
        let taken = self.cell.with_dependent_mut(|_, simulation| {
            simulation.take().map(|simulation| simulation.into_outcome(""))
        });
        taken.expect("it is taken once")
    }

    fn with<T>(&self, read: impl FnOnce(&Simulation<'_>) -> T) -> T {
        self.cell.with_dependent(|_, simulation| {
            read(simulation.as_ref().expect("only `finish` takes it, and the episode with it"))
        })
    }

    fn with_mut<T>(&mut self, change: impl FnOnce(&mut Simulation<'_>) -> T) -> T {
        self.cell.with_dependent_mut(|_, simulation| {
            change(simulation.as_mut().expect("only `finish` takes it, and the episode with it"))
        })
    }
}

impl fmt::Debug for Episode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Episode");
        text.field("world", &self.world().name).field("progress", &self.progress()).finish()
    }
}

impl Simulation<'_> {
    /// Handles events up to the next look at the grid, and looks; `false` where none comes.
    fn reach_next_look(&mut self) -> bool {
        while !self.is_control_next() {
            if !self.step() {
                return false;
            }
        }
        let Some((at, Due::Control)) = self.queue.pop() else {
            return false;
        };
        self.now = at;
        self.look();
        true
    }

    fn so_far(&self) -> Progress {
        let emitted = self.meters.iter().map(crate::meter::Meter::emitted);
        let (mut operational, mut idle) = (GramsCo2e::ZERO, GramsCo2e::ZERO);
        for (of_pods, of_nodes) in emitted {
            operational += of_pods;
            idle += of_nodes;
        }
        Progress {
            at: self.now,
            operational,
            idle,
            transfer: self.accounts.transfer(),
            migrations: self.control.moves,
            arrived: self.next_arrival,
            held: self.held.values().map(Vec::len).sum::<usize>() + self.released.len(),
            pending: self.pending.values().map(std::collections::BTreeSet::len).sum(),
            running: self.running,
            open: self.open,
        }
    }

    fn pod_so_far(&self, pod: u32) -> PodProgress {
        let outcome = &self.outcomes[pod as usize];
        let phase = self.live[pod as usize].phase;
        let (is_running, is_over) = (phase == Phase::Running, phase == Phase::Done);
        let until = outcome.finish.filter(|_| is_over).unwrap_or(self.now);
        let done = self.work_done(pod);
        let elapsed = until - self.world.pods[pod as usize].arrival;
        PodProgress { done, waited: (elapsed - done).max(Span::ZERO), is_running, is_over }
    }
}
