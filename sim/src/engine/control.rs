//! The control loop: once per interval the grid is looked at, thresholds are set, and what waits
//! or runs is asked anew.

use std::collections::VecDeque;
use std::sync::Arc;

use carbon_kube_core::forecast::{History, Issue, Outlook};
use carbon_kube_core::zone::Clock;
use carbon_kube_core::{GramsPerKwh, Span, Time, seed};
use carbon_kube_policies::plans::Plans;
use carbon_kube_policies::{Holding, Observation, Policy, Signal, ZoneSignal};

use super::{Due, Simulation};
use crate::world::World;

/// How far ahead the noise of a forecast is drawn.
const FORECAST_HORIZON: Span = Span::from_millis(7 * 86_400_000);

/// How far ahead a published forecast reaches: four days, as those of the grids' operators do.
const PUBLISHED_HORIZON: Span = Span::from_millis(96 * 3_600_000);

/// Bounds of a tuner's adjustment, in g/kWh (design, section 4).
const MAX_ADJUSTMENT: f64 = 50.0;

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
}

/// What a tuner's observation needs beside the grid, per zone.
struct Gauge {
    clock: Clock,
    /// Moves away from the zone in the last hour.
    moves: VecDeque<Time>,
    /// Power of the zone's nodes, and of all of them at full load, in watts.
    watts: f64,
    full_watts: f64,
    /// Running pods that may move.
    migratable: usize,
}

impl<'w> Control<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        let gauge = |zone: usize| Gauge {
            clock: world.zones[zone].zone.clock(),
            moves: VecDeque::new(),
            watts: 0.0,
            full_watts: full_power(world, zone),
            migratable: 0,
        };
        Self {
            world,
            next: world.start,
            zones: (0..world.zones.len()).map(|zone| unknown(world, zone)).collect(),
            plans: Plans::default(),
            issues: vec![None; world.zones.len()],
            gauges: (0..world.zones.len()).map(gauge).collect(),
        }
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
        self.gauges[zone].moves.push_back(now);
    }

    /// Looks at the grid: intensity, threshold and outlook of each zone as known at `now`.
    fn look(&mut self, policy: &dyn Policy, now: Time) {
        let settings = &self.world.scheduler;
        let known = now - settings.signal_delay;
        self.plans.clear();
        self.next = now.floor(settings.control_interval) + settings.control_interval;
        for (position, zone) in self.world.zones.iter().enumerate() {
            let history = History::new(&zone.series, known);
            let base = policy.threshold(&history);
            let intensity = history.latest();
            let threshold = base.map(|base| match intensity {
                Some(intensity) => self.gauges[position].adjust(policy, intensity, base, now),
                None => base,
            });
            // Each zone's errors are a stream of their own.
            let noise = seed::hash(self.world.seed, position as u64, FORECAST_STREAM);
            let view = self.world.forecast.view(&zone.series, known, noise, FORECAST_HORIZON);
            let outlook: Option<Arc<dyn Outlook + Send + Sync>> = match settings.holding {
                Holding::Gate => Some(Arc::new(view)),
                Holding::Filter { .. } => {
                    let issue = published(&view, known);
                    self.issues[position].clone_from(&issue);
                    issue.map(|issue| Arc::new(issue) as _)
                }
            };
            let signal = &mut self.zones[position];
            (signal.intensity, signal.threshold, signal.outlook) = (intensity, threshold, outlook);
        }
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

/// The outlook as a cluster gets it: means of the rest of this hour and of the full hours after
/// it, as far as there are any. `None` where there are none.
fn published(view: &impl Outlook, known: Time) -> Option<Issue> {
    let mut points = Vec::new();
    let mut start = known;
    loop {
        let end = start.floor(Span::HOUR) + Span::HOUR;
        if end > known + PUBLISHED_HORIZON {
            break;
        }
        let Some(area) = view.integral_hours(start, end) else {
            break;
        };
        points.push((start, area / (end - start).hours()));
        start = end;
    }
    (start > known).then_some(Issue { points, end: Some(start) })
}

/// Tells the seed of forecast errors from other uses of the same numbers.
const FORECAST_STREAM: u64 = 0x666f_7265;

/// Power at the meter of a zone's nodes with every core and every GPU busy, in watts.
fn full_power(world: &World, zone: usize) -> f64 {
    let pools = world.pools.iter().filter(|pool| pool.zone == zone);
    pools.map(|pool| pool.full_power().get() * pool.pue * f64::from(pool.count)).sum()
}

impl Gauge {
    /// The threshold after the policy's adjustment, within the bounds of both.
    fn adjust(
        &mut self,
        policy: &dyn Policy,
        intensity: GramsPerKwh,
        base: GramsPerKwh,
        now: Time,
    ) -> GramsPerKwh {
        while self.moves.front().is_some_and(|&at| now - at > Span::HOUR) {
            self.moves.pop_front();
        }
        let local = now.local(&self.clock);
        let observation = Observation {
            intensity,
            migration_rate: self.moves.len() as f64 / self.migratable.max(1) as f64,
            power_ratio: if self.full_watts > 0.0 { self.watts / self.full_watts } else { 0.0 },
            local_hour: f64::from(local.hour()) + f64::from(local.minute()) / 60.0,
            weekday: local.weekday().to_monday_zero_offset() as u8,
            base,
        };
        let adjustment = policy.tune(&observation).clamp(-MAX_ADJUSTMENT, MAX_ADJUSTMENT);
        GramsPerKwh::saturating(base.get() + if adjustment.is_nan() { 0.0 } else { adjustment })
    }
}

impl Simulation<'_> {
    /// A control interval begins.
    pub(super) fn control(&mut self) {
        self.read_gauges();
        self.control.look(self.policy, self.now);
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
        for (gauge, meter) in self.control.gauges.iter_mut().zip(&self.meters) {
            gauge.watts = meter.watts();
            gauge.migratable = 0;
        }
        for &pod in &self.shiftable {
            let class = &self.world.classes[self.world.pods[pod as usize].class as usize];
            let zone = self.world.pools[self.live[pod as usize].pool as usize].zone;
            self.control.gauges[zone].migratable += usize::from(class.migratable);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expects as many g/kWh as hours have passed, up to hour 200.
    struct Ramp;

    impl Outlook for Ramp {
        fn integral_hours(&self, from: Time, to: Time) -> Option<f64> {
            let area = |at: Time| (at - Time::from_millis(0)).hours().powi(2) / 2.0;
            (to <= hour(200.0)).then(|| area(to) - area(from))
        }
    }

    fn hour(h: f64) -> Time {
        Time::from_millis(0) + Span::from_hours(h)
    }

    #[test]
    fn a_published_forecast_has_the_means_of_full_hours_for_four_days() {
        let issue = published(&Ramp, hour(10.5)).unwrap();
        // The rest of the tenth hour, then 95 hours: the 96th would end after hour 106.5.
        assert_eq!(issue.points[..2], [(hour(10.5), 10.75), (hour(11.0), 11.5)]);
        assert_eq!((issue.points.len(), issue.end), (96, Some(hour(106.0))));
        assert_eq!(published(&Ramp, hour(11.0)).unwrap().end, Some(hour(107.0)));
    }

    #[test]
    fn a_published_forecast_ends_where_nothing_is_expected() {
        assert_eq!(published(&Ramp, hour(198.0)).unwrap().points.len(), 2);
        assert_eq!(published(&Ramp, hour(199.5)).unwrap().points, [(hour(199.5), 199.75)]);
        assert_eq!(published(&Ramp, hour(200.0)), None);
    }
}
