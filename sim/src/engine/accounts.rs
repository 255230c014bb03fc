//! Who pays for what: each gram, kilowatt-hour and dollar in exactly one account.

use carbon_kube_core::{GramsCo2e, KilowattHours, Time, UsDollars};

use super::curves::{Areas, Bill, Curves};
use super::{RunError, Simulation};
use crate::event::EventKind;
use crate::outcome::{IntervalRow, Outcome, ZoneAccount};
use crate::recorder::Recorder;
use crate::world::{PodClass, Pool, Resources, World};

/// Hours of a year of 365.25 days.
const HOURS_PER_YEAR: f64 = 8_766.0;

/// What is charged while pods run.
pub(super) struct Accounts {
    zones: Vec<ZoneAccount>,
    /// The part of the requested CPU that the pods of each class keep busy.
    pub(super) utilisation: Vec<f64>,
    /// Microwatts at the meter that a milli-CPU of each class adds in each pool; none in a pool
    /// with a curve.
    microwatts_per_milli: Vec<Vec<f64>>,
    /// The same of a thousandth of a GPU.
    microwatts_per_gpu: Vec<Vec<f64>>,
    pub(super) curves: Curves,
    charged_beyond_trace: u64,
    /// What pods have paid for their part of each pool.
    paid: Vec<UsDollars>,
}

impl Accounts {
    pub(super) fn new(world: &World) -> Self {
        let by_class_and_pool = |microwatts: fn(&PodClass, &Pool) -> f64| {
            let by_pool = |class| world.pools.iter().map(|pool| microwatts(class, pool)).collect();
            world.classes.iter().map(by_pool).collect()
        };
        Self {
            zones: vec![ZoneAccount::default(); world.zones.len()],
            utilisation: world.classes.iter().map(|class| class.cpu_utilisation).collect(),
            microwatts_per_milli: by_class_and_pool(|class, pool| {
                pool.microwatts_per_milli(class.cpu_utilisation)
            }),
            microwatts_per_gpu: by_class_and_pool(|class, pool| {
                pool.microwatts_per_milli_gpu(class.gpu_utilisation)
            }),
            curves: Curves::new(world),
            charged_beyond_trace: 0,
            paid: vec![UsDollars::ZERO; world.pools.len()],
        }
    }

    /// Emissions of moving data so far.
    pub(super) fn transfer(&self) -> GramsCo2e {
        self.zones.iter().map(|zone| zone.transfer).sum()
    }

    /// From now on the pods of a class keep this part of their requested CPU busy.
    pub(super) fn set_utilisation(&mut self, world: &World, class: u32, utilisation: f64) {
        self.utilisation[class as usize] = utilisation;
        let pools = world.pools.iter();
        self.microwatts_per_milli[class as usize] =
            pools.map(|pool| pool.microwatts_per_milli(utilisation)).collect();
    }

    /// What a pod adds by itself to the power of a node in a pool, in microwatts at the meter: that
    /// of its GPUs and, where the pool has no curve, of its CPU.
    pub(super) fn power(&self, world: &World, pod: u32, pool: u32) -> i64 {
        let spec = &world.pods[pod as usize];
        let (class, pool) = (spec.class as usize, pool as usize);
        let (cpu, gpu) =
            (self.microwatts_per_milli[class][pool], self.microwatts_per_gpu[class][pool]);
        added(&spec.requests, cpu, gpu)
    }
}

/// Microwatts of what is requested, by those of a milli-CPU and of a thousandth of a GPU.
fn added(requests: &Resources, per_milli: f64, per_milli_gpu: f64) -> i64 {
    let cpu = requests.cpu.0 as f64 * per_milli;
    // Most pods have none, and rounding is a call of a function.
    let gpu = match requests.gpu.0 {
        0 => 0.0,
        gpu => (f64::from(gpu) * per_milli_gpu).round(),
    };
    cpu.round() as i64 + gpu as i64
}

impl Pool {
    /// Microwatts at the meter that a milli-CPU of this utilisation adds; none along a curve.
    fn microwatts_per_milli(&self, utilisation: f64) -> f64 {
        match self.curve {
            Some(_) => 0.0,
            None => self.watts_per_core().get() * 1e3 * utilisation,
        }
    }

    /// Microwatts at the meter that a thousandth of a GPU of this utilisation adds.
    fn microwatts_per_milli_gpu(&self, utilisation: f64) -> f64 {
        self.watts_per_gpu.get() * self.pue * 1e3 * utilisation
    }

    /// Microwatts at the meter that a pod with these requests adds to a node by itself.
    pub(crate) fn added_microwatts(&self, class: &PodClass, requests: &Resources) -> i64 {
        let gpu = self.microwatts_per_milli_gpu(class.gpu_utilisation);
        added(requests, self.microwatts_per_milli(class.cpu_utilisation), gpu)
    }

    /// Emissions of making one node, spread over its life, in grams per hour.
    fn embodied_grams_per_hour(&self) -> f64 {
        self.embodied_kg * 1_000.0 / (self.lifetime_years * HOURS_PER_YEAR)
    }
}

impl Simulation<'_> {
    /// Charges a stay of a pod on a node, from `since` to now: `power` of its own, and its part of
    /// what the node drew along a curve.
    pub(super) fn charge(&mut self, pod: u32, pool: u32, since: Time, power: i64, shared: Bill) {
        let spec = &self.world.pods[pod as usize];
        let node = &self.world.pools[pool as usize];
        let hours = (self.now - since).hours();
        let electricity = self.world.zones[node.zone].electricity.as_deref();
        let areas = Areas::new(since, self.now, &self.carbon[node.zone], electricity);
        let part = |used: u64, of: u64| {
            if of == 0 { 0.0 } else { used as f64 / of as f64 }
        };
        let cpu_share = part(spec.requests.cpu.0, node.allocatable.cpu.0);
        let share = cpu_share.max(part(spec.requests.memory.0, node.allocatable.memory.0));
        let workers = f64::from(self.live[pod as usize].workers);
        let (cpu_share, share) = (cpu_share * workers, share * workers);
        let mut bill = shared;
        bill.add(power as f64 / 1e9, &areas);
        let idle_kilowatts = node.idle.get() / 1_000.0 * node.pue;
        let cost = UsDollars::from_dollars(node.usd_per_hour * share * hours);

        let outcome = &mut self.outcomes[pod as usize];
        outcome.energy += bill.energy;
        outcome.operational += bill.emitted;
        outcome.electricity += bill.electricity;
        outcome.idle_share += GramsCo2e::from_grams(idle_kilowatts * cpu_share * areas.intensity);
        outcome.embodied_share +=
            GramsCo2e::from_grams(node.embodied_grams_per_hour() * cpu_share * hours);
        outcome.cost += cost;
        self.accounts.paid[pool as usize] += cost;
        self.accounts.zones[node.zone].cost += cost;
        self.accounts.zones[node.zone].electricity += bill.electricity;
        if !self.carbon[node.zone].knows(since, self.now, &self.world.zones[node.zone].series) {
            self.accounts.charged_beyond_trace += 1;
        }
    }

    /// Charges the copying of a pod's data: energy at both ends, egress at the first.
    pub(super) fn charge_transfer(&mut self, pod: u32, from: u32, to: u32) {
        let class = &self.world.classes[self.world.pods[pod as usize].class as usize];
        let gigabytes = class.data.gigabytes();
        let kwh = self.world.accounting.transfer_kwh_per_gb * gigabytes;
        let from = self.world.pools[from as usize].zone;
        let to = self.world.pools[to as usize].zone;
        for zone in [from, to] {
            let intensity = self.carbon[zone].at(self.now);
            let grams = GramsCo2e::from_grams(kwh * intensity);
            let electricity = self.world.zones[zone].electricity.as_deref();
            let price = electricity.map_or(0.0, |prices| prices.at(self.now));
            let dollars = UsDollars::from_dollars(kwh * price);
            self.accounts.zones[zone].electricity += dollars;
            self.outcomes[pod as usize].electricity += dollars;
            self.accounts.zones[zone].transfer += grams;
            self.accounts.zones[zone].energy += KilowattHours::from_kwh(kwh);
            self.outcomes[pod as usize].transfer += grams;
            self.meters[zone].transfer(self.now, grams, &self.carbon[zone]);
        }
        if from != to {
            let egress =
                UsDollars::from_dollars(self.world.accounting.egress_usd_per_gb * gigabytes);
            self.accounts.zones[from].cost += egress;
            self.outcomes[pod as usize].cost += egress;
        }
    }

    /// Closes the accounts and checks that they add up.
    pub(super) fn into_outcome(mut self, policy: &str) -> Result<Outcome, RunError> {
        let end = self.now.max(self.horizon);
        for pod in 0..self.live.len() as u32 {
            if self.live[pod as usize].phase != super::Phase::Done {
                self.record(pod, EventKind::Unfinished);
            }
        }
        let window = self.world.end.min(end);
        let unserved = self.services.iter().map(|service| service.unserved(window)).sum();
        let mut rows = Vec::with_capacity(self.meters.len());
        for (zone, meter) in self.meters.into_iter().enumerate() {
            let account = &mut self.accounts.zones[zone];
            let reading = meter.finish(end, &self.carbon[zone]);
            account.operational = reading.emitted;
            account.idle = reading.idle_emitted;
            account.energy += reading.energy + reading.idle_energy;
            account.electricity += reading.idle_electricity;
            let pools = self.world.pools.iter().zip(&self.fleets);
            let pools = pools.zip(&self.accounts.paid);
            for ((pool, fleet), paid) in pools.filter(|((pool, _), _)| pool.zone == zone) {
                account.charge_hardware(pool, fleet.node_hours(end), *paid);
            }
            rows.push(reading.rows);
        }
        let by_pod: GramsCo2e = self.outcomes.iter().map(|outcome| outcome.operational).sum();
        let by_zone: GramsCo2e =
            self.accounts.zones.iter().map(|account| account.operational).sum();
        let difference = (by_pod - by_zone).get().abs();
        assert!(
            difference <= 1e-6 * by_zone.get().max(1.0),
            "operational emissions differ: {by_pod} by pod, {by_zone} by zone"
        );
        let (events, digest, error) = self.log.finish();
        if let Some(error) = error {
            return Err(RunError::Events(error));
        }
        if let Some(error) = self.recorder.and_then(Recorder::finish) {
            return Err(RunError::Decisions(error));
        }
        Ok(Outcome {
            policy: policy.to_owned(),
            end,
            zones: self.accounts.zones,
            intervals: by_interval(&rows),
            pods: self.outcomes,
            events,
            digest,
            charged_beyond_trace: self.accounts.charged_beyond_trace,
            unserved_core_hours: unserved,
            tuning: self.control.tuning,
        })
    }
}

impl ZoneAccount {
    /// Charges the hours that nodes of a pool were on; of prepaid ones also what no pod `paid`.
    fn charge_hardware(&mut self, pool: &Pool, node_hours: f64, paid: UsDollars) {
        self.node_hours += node_hours;
        if pool.prepaid {
            let price = UsDollars::from_dollars(pool.usd_per_hour * node_hours);
            self.cost += price - paid;
        }
        self.embodied += GramsCo2e::from_grams(pool.embodied_grams_per_hour() * node_hours);
    }
}

/// Rows of each zone to rows of each interval. Every meter has the same intervals.
fn by_interval(rows: &[Vec<IntervalRow>]) -> Vec<IntervalRow> {
    let intervals = rows.iter().map(Vec::len).max().unwrap_or(0);
    (0..intervals).flat_map(|i| rows.iter().filter_map(move |zone| zone.get(i).copied())).collect()
}
