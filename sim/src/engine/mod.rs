//! One run: a world, a policy, a sequential loop over events.
//!
//! ```text
//!  arrival --> gate --Release--> scheduler --bound--> running --finished--> done
//!               |  ^                |  ^                |  |
//!             Hold |              no room               |  '--migrate--> running elsewhere
//!               v  |                v  |                '--pause--> gate
//!              held -> releases    pending (back-off, freed room)
//! ```
//!
//! A file per box: `control` looks at the grid once per interval, `gate` holds and releases,
//! `scheduling` finds nodes, `running` starts, pauses, moves and ends, `accounts` charges, with
//! `curves` for nodes whose power is no straight line. Power,
//! and so emissions, change only at events: the cost of a run does not depend on the step of the
//! trace.
//!
//! The cluster may be messy: `outages` take nodes and `eviction` says what becomes of their pods,
//! `autoscaling` orders and returns nodes (`fleet` knows which are on), `preemption` makes room for
//! what matters more, `neighbours` keeps pods together or apart, `budgets` keeps enough of them up,
//! `replicas` follows the load of services, and `latency` makes the scheduler slow. Each costs
//! nothing where no scenario asks for it.
//!
//! With `holding: filter` there is no gate, and nothing pauses or moves: a pod that the policy
//! holds finds every node refused, and `refused` keeps it until the scheduler tries it again.
//!
//! The engine trusts policies in nothing that matters: it never holds a pod past its limit,
//! pauses only what is interruptible and moves only what is migratable.

mod accounts;
mod autoscaling;
mod budgets;
mod control;
mod curves;
mod eviction;
mod fleet;
mod gate;
mod latency;
mod neighbours;
mod outages;
mod preemption;
mod refused;
mod replicas;
mod residents;
mod running;
mod sampling;
mod scheduling;
pub mod stepping;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use carbon_kube_core::power::NodePower;
use carbon_kube_core::view::{NodeView, PodView, ZoneSet};
use carbon_kube_core::{MilliGpu, Span, Time, Watts};
use carbon_kube_policies::release::Pacer;
use carbon_kube_policies::{Holding, Policy, Verdict};

use crate::affinity::{self, Eligible};
use crate::carbon::Carbon;
use crate::event::{EventKind, EventLog};
use crate::meter::Meter;
use crate::nodes::Nodes;
use crate::outcome::{Outcome, PodOutcome};
use crate::queue::EventQueue;
use crate::recorder::Recorder;
use crate::world::{Owner, World};

use autoscaling::Autoscaler;
use budgets::Availability;
use control::Control;
use fleet::Fleet;
use latency::ActiveQueue;
use neighbours::Neighbours;
use outages::Outages;
use refused::Refused;
use replicas::Service;
use residents::Residents;
use sampling::Sampling;
use scheduling::Shape;

/// What a run tells, and hears, while it goes.
pub struct Hooks<'a> {
    /// Set it to stop the run.
    pub stop: &'a AtomicBool,
    /// Called now and then with the simulated instant.
    pub progress: &'a (dyn Fn(Time) + Sync),
    /// Where each event is written as a line of JSON, if anywhere.
    pub events: Option<Box<dyn Write + Send + 'a>>,
    /// Where each scheduling cycle is written as requests to the extender, if anywhere; see
    /// [`crate::recorder`].
    pub decisions: Option<Box<dyn Write + Send + 'a>>,
}

/// Why a run has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It was told to stop.
    #[error("the run was interrupted")]
    Interrupted,
    /// The event log could not be written.
    #[error("events.jsonl could not be written: {0}")]
    Events(std::io::Error),
    /// The recorded decisions could not be written.
    #[error("the recorded decisions could not be written: {0}")]
    Decisions(std::io::Error),
}

/// Runs a world under a policy. `name` is how reports call the run.
///
/// # Errors
///
/// [`RunError::Interrupted`] where `hooks.stop` was set, [`RunError::Events`] where the event log
/// failed. Everything that a scenario can get wrong was refused before.
///
/// # Panics
///
/// When the accounts of pods and zones don't add up, which would be a bug in this crate: a wrong
/// number must never reach a report.
pub fn run(
    world: &World,
    policy: &dyn Policy,
    name: &str,
    hooks: Hooks<'_>,
) -> Result<Outcome, RunError> {
    let Hooks { stop, progress, events, decisions } = hooks;
    let log = EventLog::new(world, name, events);
    let recorder = decisions.map(|out| Recorder::new(world, out));
    let mut simulation = Simulation::new(world, policy, log, recorder);
    simulation.simulate(stop, progress)?;
    simulation.into_outcome(name)
}

/// Events of the future. Finished pods come first at an instant, so that their room is free; then
/// the grid is looked at; then pods are asked, released, created and tried again.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// A pod's work is done, unless its epoch has moved on.
    Finish { pod: u32, epoch: u32 },
    /// A node goes away.
    Outage { source: u32 },
    /// A node has booted, is repaired or replaced.
    NodeUp { pool: u32, node: u32 },
    /// A control interval begins.
    Control,
    /// Held pods whose time has come are asked again.
    Ask,
    /// The pacer lets released pods out.
    Release,
    /// The room of a pod that has ended is free.
    Room { pod: u32 },
    /// A running pod is asked again, unless its epoch has moved on.
    Look { pod: u32, epoch: u32 },
    /// Held pods are asked whether they want prepaid room.
    Prepaid,
    /// A pending pod's back-off or limit is over.
    Retry { pod: u32 },
    /// Pods that the policy refused every node are tried again.
    Refused,
    /// The load of a service changes.
    Load { service: u32 },
    /// A job's pod that lost its node comes again.
    Replaced { pod: u32 },
    /// A scheduling cycle that takes time is over.
    Cycle,
    /// The autoscaler looks at the pods that wait.
    Scan,
    /// A node may have been empty for long enough.
    Idle { pool: u32, node: u32 },
}

impl Due {
    const RANK_OF_ARRIVALS: u8 = 5;

    fn rank(self) -> u8 {
        match self {
            Self::Finish { .. } | Self::Room { .. } => 0,
            Self::Outage { .. } | Self::NodeUp { .. } => 1,
            Self::Control => 2,
            Self::Look { .. } => 3,
            Self::Ask | Self::Prepaid => 3,
            Self::Release => 4,
            Self::Load { .. } => 6,
            Self::Replaced { .. } => 7,
            Self::Retry { .. } => 8,
            Self::Refused => 9,
            Self::Cycle => 10,
            Self::Scan => 11,
            Self::Idle { .. } => 12,
        }
    }
}

/// Where a pod is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Future,
    Held,
    Released,
    Pending,
    Running,
    /// It lost its node and will come again.
    Evicted,
    Done,
}

/// The state of one pod.
#[derive(Clone, Copy, Debug, Default)]
struct Live {
    phase: Phase,
    /// Failed scheduling attempts since the last success.
    attempts: u8,
    /// Whether it ran before.
    started: bool,
    /// Whether it goes when its time has come, without being asked again.
    planned: bool,
    /// Counts starts, so that a finish event of an earlier stay is known as stale.
    epoch: u32,
    /// Workers while it runs; 1 but for jobs with a scaling profile.
    workers: u32,
    pool: u32,
    node: u32,
    /// Position among the running pods that a policy may pause or move.
    shiftable: u32,
    /// Start of the present phase.
    since: Time,
    /// Last failed attempt.
    tried: Time,
    /// When it is asked next while it runs.
    look: Time,
    /// Work done, in time of one worker.
    done: Span,
    /// Work to repeat first: restoring a checkpoint.
    overhead: Span,
}

const NOT_SHIFTABLE: u32 = u32::MAX;

/// A run in progress.
struct Simulation<'w> {
    world: &'w World,
    policy: &'w dyn Policy,
    log: EventLog<'w>,
    recorder: Option<Recorder<'w>>,
    queue: EventQueue<Due>,
    now: Time,
    /// Position of the next pod to arrive.
    next_arrival: usize,
    /// Pods that have not ended.
    open: usize,
    live: Vec<Live>,
    outcomes: Vec<PodOutcome>,
    nodes: Vec<Nodes>,
    classes: Vec<ClassInfo>,
    carbon: Vec<Carbon>,
    meters: Vec<Meter>,
    accounts: accounts::Accounts,
    control: Control<'w>,
    held: BTreeMap<Time, Vec<u32>>,
    released: BTreeSet<(Time, u32)>,
    /// When released pods are looked at next; [`Time::MAX`] while there is no need.
    release_due: Time,
    pacer: Pacer,
    pending: BTreeMap<Shape, BTreeSet<(Time, u32)>>,
    refused: Refused,
    /// `None` where the scheduler looks at every node.
    sampling: Option<Sampling>,
    fleets: Vec<Fleet>,
    outages: Outages,
    autoscaler: Autoscaler,
    /// `None` where no pod asks anything of others.
    neighbours: Option<Neighbours>,
    /// `None` where nothing happens to the pods of a node together.
    residents: Option<Residents>,
    /// Running pods by priority, where pods may be preempted.
    priorities: BTreeMap<i32, u32>,
    availability: Vec<Availability>,
    services: Vec<Service>,
    active: ActiveQueue,
    /// How long before its limit a held pod is let go, so that a scheduler that takes time starts
    /// it by then.
    lead: Span,
    running: usize,
    shiftable: Vec<u32>,
    /// CPU held by deferrable pods, for a policy's quota.
    deferrable_milli_cpu: u64,
    /// Whether some pool is paid for whether it is used or not, and the policy goes there.
    takes_prepaid_room: bool,
    /// No pod may be held, and no idle node is charged, beyond this, but for pods that still run.
    horizon: Time,
    scratch: Scratch,
}

/// What is the same for each pod of a class.
struct ClassInfo {
    eligible: Vec<Eligible>,
    zones: ZoneSet,
    /// A view per eligible pool.
    views: Vec<NodeView>,
    /// Whether policies hear how much room nodes have; an extender does not know.
    knows_room: bool,
}

/// Buffers of the scheduling cycle, kept between cycles.
#[derive(Default)]
struct Scratch {
    candidates: Vec<scheduling::Candidate>,
    views: Vec<NodeView>,
    verdicts: Vec<Verdict>,
}

/// How many events pass between two looks at the stop flag.
const EVENTS_PER_CHECK: u32 = 4_096;

impl<'w> Simulation<'w> {
    fn new(
        world: &'w World,
        policy: &'w dyn Policy,
        log: EventLog<'w>,
        recorder: Option<Recorder<'w>>,
    ) -> Self {
        let horizon = world.horizon();
        let carbon: Vec<Carbon> =
            world.zones.iter().map(|zone| Carbon::new(zone, world.start, horizon)).collect();
        let meters = (0..world.zones.len())
            .map(|zone| {
                let idle = world.idle_microwatts(zone);
                let interval = world.accounting.report_interval;
                let prices = world.zones[zone].electricity.clone();
                Meter::new(zone as u32, world.start, interval, idle, prices, &carbon[zone])
            })
            .collect();
        let classes: Vec<ClassInfo> =
            world.classes.iter().map(|class| ClassInfo::new(class, world)).collect();
        let shared = world.shares_gpus();
        let nodes = |pool| Nodes::new(pool, &world.scheduler.scoring, shared);
        let mut simulation = Self {
            world,
            policy,
            log,
            recorder,
            queue: EventQueue::with_capacity(1_024),
            now: world.start,
            next_arrival: 0,
            open: world.pods.len(),
            live: vec![Live::default(); world.pods.len()],
            outcomes: vec![PodOutcome::default(); world.pods.len()],
            nodes: world.pools.iter().map(nodes).collect(),
            neighbours: Neighbours::new(world, &classes),
            classes,
            carbon,
            meters,
            accounts: accounts::Accounts::new(world),
            control: Control::new(world),
            held: BTreeMap::new(),
            released: BTreeSet::new(),
            release_due: Time::MAX,
            pacer: Pacer::new(world.scheduler.releases_per_minute, world.start),
            pending: BTreeMap::new(),
            refused: Refused::new(world.scheduler.holding),
            sampling: Sampling::new(world),
            fleets: world.pools.iter().map(|pool| Fleet::new(pool, world.start)).collect(),
            outages: Outages::new(world),
            autoscaler: Autoscaler::new(world),
            residents: Residents::new(world),
            priorities: BTreeMap::new(),
            availability: Availability::new(world),
            services: Service::all(world),
            active: ActiveQueue::default(),
            lead: latency::lead(&world.scheduler),
            running: 0,
            shiftable: Vec::new(),
            deferrable_milli_cpu: 0,
            takes_prepaid_room: world.scheduler.holding == Holding::Gate
                && world.pools.iter().any(|pool| pool.prepaid)
                && policy.takes_prepaid_room(),
            horizon,
            scratch: Scratch::default(),
        };
        simulation.control.observes = policy.tunes();
        simulation.open_the_window();
        simulation
    }

    /// What is due from the start on.
    fn open_the_window(&mut self) {
        self.schedule(self.world.start, Due::Control);
        for service in 0..self.services.len() as u32 {
            self.schedule(self.world.start, Due::Load { service });
        }
        for (at, source) in self.outages.first(self.world) {
            self.schedule_outage(at, source);
        }
        self.watch_all();
    }

    fn simulate(
        &mut self,
        stop: &AtomicBool,
        progress: &(dyn Fn(Time) + Sync),
    ) -> Result<(), RunError> {
        let mut until_check = 0;
        while self.step() {
            if until_check == 0 {
                if stop.load(Ordering::Relaxed) {
                    return Err(RunError::Interrupted);
                }
                progress(self.now);
                until_check = EVENTS_PER_CHECK;
            }
            until_check -= 1;
        }
        Ok(())
    }

    /// Whether the next event is a look at the grid.
    fn is_control_next(&self) -> bool {
        let arrival = self.world.pods.get(self.next_arrival).map_or(Time::MAX, |pod| pod.arrival);
        let next = self.queue.peek();
        self.open > 0 && next.is_some_and(|(at, due)| at <= arrival && matches!(due, Due::Control))
    }

    /// Handles one event; `false` when every pod has ended.
    fn step(&mut self) -> bool {
        if self.open == 0 {
            return self.wind_down();
        }
        let arrival = self.world.pods.get(self.next_arrival).map_or(Time::MAX, |pod| pod.arrival);
        if arrival < Time::MAX && !self.queue.is_before(arrival, Due::RANK_OF_ARRIVALS) {
            self.now = arrival;
            let pod = self.next_arrival as u32;
            self.next_arrival += 1;
            self.arrive(pod);
            return true;
        }
        let Some((at, due)) = self.queue.pop() else {
            return false;
        };
        self.now = at;
        self.handle(due);
        true
    }

    fn handle(&mut self, due: Due) {
        match due {
            Due::Finish { pod, epoch } => self.finish(pod, epoch),
            Due::Control => self.control(),
            Due::Ask => self.ask_held(),
            Due::Room { pod } => self.free_room(pod),
            Due::Look { pod, epoch } => self.look_at(pod, epoch),
            Due::Prepaid => self.offer_prepaid_room(),
            Due::Release => self.release(),
            Due::Retry { pod } => self.retry(pod),
            Due::Refused => self.try_refused(),
            Due::Outage { source } => self.outage(source),
            Due::NodeUp { pool, node } => self.node_up(pool, node),
            Due::Load { service } => self.change_load(service),
            Due::Replaced { pod } => self.admit(pod),
            Due::Cycle => self.end_cycle(),
            Due::Scan => self.scan(),
            Due::Idle { pool, node } => self.switch_off_if_idle(pool, node),
        }
    }

    /// Every pod has ended: up to the horizon nodes still come and go, so that no policy is charged
    /// for fewer or more of them because its last pod ended sooner.
    fn wind_down(&mut self) -> bool {
        let Some((at, due)) = self.queue.pop().filter(|(at, _)| *at <= self.horizon) else {
            return false;
        };
        if let Due::Outage { .. } | Due::NodeUp { .. } | Due::Scan | Due::Idle { .. } = due {
            self.now = at;
            self.handle(due);
        }
        true
    }

    fn schedule(&mut self, at: Time, due: Due) {
        self.queue.push(at, due.rank(), due);
    }

    fn record(&mut self, pod: u32, kind: EventKind) {
        self.log.record(self.world, self.now, pod, kind);
    }

    /// Whether only the scheduler's queue can hold pods.
    fn holds_by_filter(&self) -> bool {
        matches!(self.world.scheduler.holding, Holding::Filter { .. })
    }

    /// What policies may know of a pod.
    fn view(&self, pod: u32) -> PodView {
        let spec = &self.world.pods[pod as usize];
        let class = &self.world.classes[spec.class as usize];
        let remaining = self.remaining(pod);
        let done = self.work_done(pod);
        let said = class.expected_duration.map(|expected| (expected - done).max(Span::ZERO));
        PodView {
            created: spec.arrival,
            must_run_by: spec
                .max_delay
                .map(|delay| spec.arrival + delay + spec.duration - remaining - self.lead),
            remaining: Some(said.unwrap_or(remaining)),
            done,
            started: self.live[pod as usize].started,
            interruptible: class.interruptible,
            checkpoint: class.checkpoint,
            cpu: spec.requests.cpu,
            cpu_utilisation: class.cpu_utilisation,
            data: class.data,
            zones: self.classes[spec.class as usize].zones,
        }
    }

    /// Whether a prepaid node that the pod may use has room for it, and the policy goes there.
    fn has_prepaid_room(&self, pod: u32) -> bool {
        if !self.takes_prepaid_room {
            return false;
        }
        let spec = &self.world.pods[pod as usize];
        let pools = self.classes[spec.class as usize].eligible.iter().map(|e| e.pool as usize);
        let mut prepaid = pools.filter(|&pool| self.world.pools[pool].prepaid);
        prepaid.any(|pool| self.nodes[pool].best(&spec.requests).is_some())
    }

    /// Work done, in time of one worker.
    fn work_done(&self, pod: u32) -> Span {
        self.live[pod as usize].done + self.progress(pod).1
    }

    /// How long the pod still has to run with one worker, with what it has to repeat.
    fn remaining(&self, pod: u32) -> Span {
        let spec = &self.world.pods[pod as usize];
        let live = &self.live[pod as usize];
        match self.world.classes[spec.class as usize].owner {
            // A service runs to the end of the window, however late it started.
            Owner::Deployment => self.world.end - self.now.min(self.world.end),
            Owner::Job => {
                let (restored, worked) = self.progress(pod);
                spec.duration - live.done - worked + live.overhead - restored
            }
        }
    }

    /// What the present stay has done so far: overhead restored, and work in time of one worker.
    fn progress(&self, pod: u32) -> (Span, Span) {
        let live = &self.live[pod as usize];
        if live.phase != Phase::Running {
            return (Span::ZERO, Span::ZERO);
        }
        let ran = self.now - live.since;
        let restored = ran.min(live.overhead);
        let worked = (ran - restored).millis() as f64 * self.speed(pod);
        (restored, Span::from_millis(worked.round() as i64))
    }

    /// Work per hour of the pod's workers over that of one.
    fn speed(&self, pod: u32) -> f64 {
        let class = &self.world.classes[self.world.pods[pod as usize].class as usize];
        let live = &self.live[pod as usize];
        let workers = live.workers.max(1) as usize;
        let node = self.world.pools[live.pool as usize].speed;
        node * class.speedup.get(workers - 1).copied().unwrap_or(1.0)
    }
}

impl ClassInfo {
    fn new(class: &crate::world::PodClass, world: &World) -> Self {
        let eligible = affinity::eligible(class, &world.pools);
        let pool = |e: &Eligible| &world.pools[e.pool as usize];
        Self {
            zones: eligible.iter().map(|e| pool(e).zone).collect(),
            views: eligible.iter().map(|e| pool(e).view()).collect(),
            knows_room: world.scheduler.holding == Holding::Gate,
            eligible,
        }
    }
}

impl crate::world::Pool {
    /// Watts at the meter that one more busy core adds.
    pub(crate) fn watts_per_core(&self) -> Watts {
        let power = NodePower { idle: self.idle, busy: self.busy, pue: self.pue };
        power.watts_per_core(self.allocatable.cpu)
    }

    /// A node as policies see it: per core of work, so that a node of half the speed counts twice.
    fn view(&self) -> NodeView {
        let cores = (self.allocatable.cpu.0 as f64 / 1_000.0).max(1e-9) * self.speed;
        NodeView {
            zone: Some(self.zone),
            watts_per_core: self.watts_per_core() * (1.0 / self.speed),
            usd_per_core_hour: self.usd_per_hour / cores,
            free: None,
        }
    }
}

impl World {
    /// Whether some pod asks for a part of a GPU.
    fn shares_gpus(&self) -> bool {
        self.pods.iter().any(|pod| !pod.requests.gpu.0.is_multiple_of(MilliGpu::ONE.0))
    }

    /// The instant by which every pod must have ended under any policy, if there is room: the
    /// nodes stay on, and are charged, at least until then. The same for each policy, so that a
    /// policy neither gains nor loses by the idle power of the last hours.
    #[must_use]
    pub fn horizon(&self) -> Time {
        self.pods
            .iter()
            .filter(|pod| self.classes[pod.class as usize].owner == Owner::Job)
            .map(|pod| pod.arrival + pod.max_delay.unwrap_or_default() + pod.duration)
            .max()
            .map_or(self.end, |last| last.max(self.end))
    }
}
