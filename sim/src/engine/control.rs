//! The control loop: once per interval the grid is looked at, thresholds are set, and what waits
//! or runs is asked anew.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use carbon_kube_core::forecast::{History, Issue, Outlook, View};
use carbon_kube_core::zone::Clock;
use carbon_kube_core::{GramsPerKwh, Span, Time, seed};
use carbon_kube_policies::control::{self, Grid, Workload};
use carbon_kube_policies::observation::{ForecastSummary, ZoneScale};
use carbon_kube_policies::plans::Plans;
use carbon_kube_policies::tuner::Fallback;
use carbon_kube_policies::{Adjustment, Holding, Observation, Policy, Signal, ZoneSignal};

use super::{Due, Simulation};
use crate::outcome::TuningCounts;
use crate::world::World;

/// How far ahead the noise of a forecast is drawn.
const FORECAST_HORIZON: Span = Span::from_millis(7 * 86_400_000);

/// What the control loop knows between two looks at the grid.
pub(super) struct Control<'w> {
    world: &'w World,
    /// When the grid is looked at next.
    next: Time,
    /// The snapshot in force.
    zones: Vec<ZoneSignal<'w>>,
    /// What was planned on it.
    plans: Plans,
    /// The published forecasts behind it.
    issues: Vec<Option<Issue>>,
    gauges: Vec<Gauge>,
    /// Whether observations are made: they cost, and most policies don't tune.
    pub(super) observes: bool,
    /// Moves so far, and what came of asking a tuner.
    pub(super) moves: u64,
    pub(super) tuning: TuningCounts,
}

/// What a tuner's observation needs beside the grid, per zone.
struct Gauge {
    clock: Clock,
    /// The threshold before adjustment, and what is seen as that is decided.
    base: Option<GramsPerKwh>,
    observation: Option<Observation>,
    /// Level and spread, and the hour that they are of: they change with full hours only.
    scale: Option<(Time, Option<ZoneScale>)>,
    /// The last adjustment, in g/kWh.
    adjustment: f64,
    /// Moves away from the zone in the last hour.
    moves: VecDeque<Time>,
    /// Mean power of the zone's nodes over the last interval, and the power of all of them at full
    /// load, in watts.
    watts: f64,
    full_watts: f64,
    /// When the meter was read last, and what it said, in kWh.
    reading: (Time, f64),
    /// Running pods that may move.
    migratable: usize,
    /// Cores of the zone's nodes.
    cores: f64,
    /// Work of the held pods that may run there, and the least time that one of them can wait;
    /// `None` where nobody knows what is held.
    held: Option<(f64, Span)>,
}

impl<'w> Control<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        let gauge = |zone: usize| Gauge {
            clock: world.zones[zone].zone.clock(),
            base: None,
            observation: None,
            scale: None,
            adjustment: 0.0,
            moves: VecDeque::new(),
            watts: 0.0,
            full_watts: full_power(world, zone),
            reading: (world.start, 0.0),
            migratable: 0,
            cores: cores(world, zone),
            held: None,
        };
        Self {
            world,
            next: world.start,
            zones: (0..world.zones.len()).map(|zone| unknown(world, zone)).collect(),
            plans: Plans::default(),
            issues: vec![None; world.zones.len()],
            gauges: (0..world.zones.len()).map(gauge).collect(),
            observes: false,
            moves: 0,
            tuning: TuningCounts::default(),
        }
    }

    /// What a tuner sees of a zone; `None` where it would not be asked.
    pub(super) fn observation(&self, zone: usize) -> Option<Observation> {
        self.gauges.get(zone)?.observation
    }

    /// The snapshot in force, for a decision at `now`.
    pub(super) fn signal(&self, now: Time) -> Signal<'_> {
        Signal {
            now,
            next_update: self.next,
            zones: &self.zones,
            transfer_kwh_per_gb: self.world.accounting.transfer_kwh_per_gb,
            plans: Some(&self.plans),
        }
    }

    pub(super) fn count_move(&mut self, zone: usize, now: Time) {
        self.moves += 1;
        if self.observes {
            self.gauges[zone].moves.push_back(now);
        }
    }

    /// Looks at the grid: intensity, base threshold and outlook of each zone as known at `now`.
    fn look(&mut self, policy: &dyn Policy, now: Time) {
        let settings = &self.world.scheduler;
        let known = now - settings.signal_delay;
        self.plans.clear();
        self.next = now.floor(settings.control_interval) + settings.control_interval;
        for (position, zone) in self.world.zones.iter().enumerate() {
            let history = History::new(&zone.series, known);
            // Each zone's errors are a stream of their own.
            let noise = seed::hash(self.world.seed, position as u64, FORECAST_STREAM);
            let view = LazyView::new(self.world, position, known, noise);
            let outlook: Option<Arc<dyn Outlook + Send + Sync>> = match settings.holding {
                Holding::Gate => Some(Arc::new(view)),
                Holding::Filter { .. } => {
                    let issue = Issue::published(&view, known);
                    self.issues[position].clone_from(&issue);
                    issue.map(|issue| Arc::new(issue) as _)
                }
            };
            let signal = &mut self.zones[position];
            (signal.intensity, signal.outlook) = (history.latest(), outlook);
            let gauge = &mut self.gauges[position];
            gauge.base = policy.threshold(&history);
            gauge.observation = match (self.observes, signal.intensity, gauge.base) {
                (true, Some(intensity), Some(base)) => {
                    let outlook = signal.outlook.as_deref();
                    let forecast =
                        outlook.map_or_else(Default::default, |o| ForecastSummary::of(o, known));
                    let scale = gauge.scale(&history);
                    let grid = Grid { intensity, base, scale, forecast };
                    let workload = gauge.workload(now);
                    let previous = gauge.adjustment;
                    Some(control::observe(grid, workload, &gauge.clock, previous, now))
                }
                _ => None,
            };
        }
    }

    /// Puts thresholds in force: what `adjust` says for what is seen of each zone is added to its
    /// base, within the bounds of both.
    fn set_thresholds(
        &mut self,
        policy: &dyn Policy,
        mut adjust: impl FnMut(&mut TuningCounts, usize, &Observation) -> f64,
    ) {
        let bounds = policy.bounds();
        for (zone, (gauge, signal)) in self.gauges.iter_mut().zip(&mut self.zones).enumerate() {
            let answer =
                gauge.observation.map_or(0.0, |seen| adjust(&mut self.tuning, zone, &seen));
            gauge.adjustment = control::adjustment(answer);
            signal.threshold =
                gauge.base.map(|base| control::threshold(base, gauge.adjustment, bounds));
        }
    }
}

/// A view of the future that is made when somebody asks: many policies never do, and a forecast
/// takes longer than all else that a look at the grid does.
struct LazyView<'w> {
    world: &'w World,
    zone: usize,
    known: Time,
    noise: u64,
    view: OnceLock<View<'w>>,
}

impl<'w> LazyView<'w> {
    fn new(world: &'w World, zone: usize, known: Time, noise: u64) -> Self {
        Self { world, zone, known, noise, view: OnceLock::new() }
    }

    fn view(&self) -> &View<'w> {
        self.view.get_or_init(|| {
            let series = &self.world.zones[self.zone].series;
            self.world.forecast.view(series, self.known, self.noise, FORECAST_HORIZON)
        })
    }
}

impl Outlook for LazyView<'_> {
    fn integral_hours(&self, from: Time, to: Time) -> Option<f64> {
        self.view().integral_hours(from, to)
    }

    fn interval_hours(&self, from: Time, to: Time) -> Option<f64> {
        self.view().interval_hours(from, to)
    }
}

/// A zone before anybody has looked at its grid.
fn unknown<'w>(world: &'w World, zone: usize) -> ZoneSignal<'w> {
    let own = &world.zones[zone].zone;
    ZoneSignal {
        intensity: None,
        threshold: None,
        outlook: None,
        clock: Some(own.clock()),
        rank: world.zones.iter().filter(|other| other.zone < *own).count(),
    }
}

/// Tells the seed of forecast errors from other uses of the same numbers.
const FORECAST_STREAM: u64 = 0x666f_7265;

/// Power at the meter of a zone's nodes with every core and every GPU busy, in watts.
fn full_power(world: &World, zone: usize) -> f64 {
    let pools = world.pools.iter().filter(|pool| pool.zone == zone);
    pools.map(|pool| pool.full_power().get() * pool.pue * f64::from(pool.count)).sum()
}

/// Cores of a zone's nodes.
fn cores(world: &World, zone: usize) -> f64 {
    let pools = world.pools.iter().filter(|pool| pool.zone == zone);
    pools.map(|pool| pool.allocatable.cpu.0 as f64 / 1_000.0 * f64::from(pool.count)).sum()
}

impl Gauge {
    /// Reads the meter: what was used since the last time is the mean power. At the start of a run
    /// it is the power now.
    fn read(&mut self, now: Time, kilowatt_hours: f64, watts: f64) {
        let (last, before) = self.reading;
        let hours = (now - last).hours();
        self.watts = if hours > 0.0 { (kilowatt_hours - before) * 1_000.0 / hours } else { watts };
        self.reading = (now, kilowatt_hours);
    }

    /// Level and spread of the zone's trailing week of full hours.
    fn scale(&mut self, history: &History<'_>) -> Option<ZoneScale> {
        let hour = history.now().floor(Span::HOUR);
        match self.scale {
            Some((of, scale)) if of == hour => scale,
            _ => {
                let scale = ZoneScale::of(history);
                self.scale = Some((hour, scale));
                scale
            }
        }
    }

    /// What a tuner sees of the zone's pods and nodes.
    fn workload(&mut self, now: Time) -> Workload {
        while self.moves.front().is_some_and(|&at| now - at > Span::HOUR) {
            self.moves.pop_front();
        }
        let rate = |part: f64, of: f64| if of > 0.0 { part / of } else { 0.0 };
        Workload {
            migration_rate: Some(self.moves.len() as f64 / self.migratable.max(1) as f64),
            power_ratio: Some(rate(self.watts, self.full_watts)),
            held_hours: self.held.map(|(core_hours, _)| rate(core_hours, self.cores)),
            slack: self.held.map(|(_, slack)| slack),
        }
    }
}

impl Simulation<'_> {
    /// A control interval begins.
    pub(super) fn control(&mut self) {
        self.look();
        self.decide(None);
    }

    /// Looks at the grid, at the start of a control interval.
    pub(super) fn look(&mut self) {
        self.read_gauges();
        self.control.look(self.policy, self.now);
    }

    /// Sets the thresholds of the control interval that begins, and does what follows from them.
    /// `adjustments` has one per zone, in g/kWh; `None` asks the policy.
    pub(super) fn decide(&mut self, adjustments: Option<&[f64]>) {
        let policy = self.policy;
        self.control.set_thresholds(policy, |counts, zone, seen| match adjustments {
            Some(adjustments) => adjustments.get(zone).copied().unwrap_or_default(),
            None => counts.count(policy.tune(seen)),
        });
        if let Some(recorder) = &mut self.recorder {
            recorder.grid(self.world, self.now, &self.control.zones, &self.control.issues);
        }
        for (zone, meter) in self.meters.iter_mut().enumerate() {
            let threshold = self.control.zones[zone].threshold.map_or(f64::NAN, |t| t.get());
            meter.set_threshold(self.now, threshold, &self.carbon[zone]);
        }
        if !self.holds_by_filter() {
            self.ask_released();
            self.shift_running();
            self.try_all_pending();
        }
        if !self.pending.is_empty() {
            self.ask_for_nodes();
        }
        // Past the horizon, pods that still wait on empty nodes will wait for ever.
        let hopeless = self.running == 0 && self.now > self.horizon && self.queue.is_empty();
        if !hopeless {
            self.schedule(self.control.next, Due::Control);
        }
    }

    fn read_gauges(&mut self) {
        if !self.control.observes {
            return;
        }
        let meters = self.meters.iter_mut().zip(&self.carbon);
        for (gauge, (meter, carbon)) in self.control.gauges.iter_mut().zip(meters) {
            meter.advance(self.now, carbon);
            gauge.read(self.now, meter.kilowatt_hours(carbon), meter.watts());
            gauge.migratable = 0;
        }
        self.read_held();
        for &pod in &self.shiftable {
            let class = &self.world.classes[self.world.pods[pod as usize].class as usize];
            let zone = self.world.pools[self.live[pod as usize].pool as usize].zone;
            self.control.gauges[zone].migratable += usize::from(class.migratable);
        }
    }

    /// What is held for each zone. In the scheduler's queue, nobody knows why a pod waits.
    fn read_held(&mut self) {
        let nothing = (!self.holds_by_filter()).then_some((0.0, Span::DAY));
        self.control.gauges.iter_mut().for_each(|gauge| gauge.held = nothing);
        let released = self.released.iter().map(|&(_, pod)| pod);
        for pod in self.held.values().flatten().copied().chain(released) {
            let view = self.view(pod);
            let work = self.remaining(pod).hours() * view.cpu.0 as f64 / 1_000.0;
            let slack = view.must_run_by.map_or(Span::DAY, |limit| limit - self.now);
            for zone in view.zones.iter() {
                if let Some((core_hours, least)) = &mut self.control.gauges[zone].held {
                    *core_hours += work;
                    *least = (*least).min(slack.max(Span::ZERO));
                }
            }
        }
    }
}

impl TuningCounts {
    fn count(&mut self, adjustment: Adjustment) -> f64 {
        self.asked += 1;
        self.replaced_inputs += u64::from(adjustment.replaced);
        match adjustment.fallback {
            Some(Fallback::OutOfRange) => self.out_of_range += 1,
            Some(Fallback::NotFinite) => self.not_finite += 1,
            None => {}
        }
        adjustment.grams_per_kwh
    }
}
