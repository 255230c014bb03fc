//! "The Online Pause and Resume Problem" (Lechowicz et al. 2023): some slots of a window, where each
//! stop and each start costs something.

use std::sync::atomic::AtomicBool;

use carbon_kube_core::Span;
use carbon_kube_policies::Policy;
use carbon_kube_policies::baselines::search::Range;
use carbon_kube_policies::baselines::{DefaultScheduler, DoubleThreshold, KMin, OneMin};

use super::reference::{Reference, Trace};
use super::table::number;
use super::worlds::{self, START};
use super::{Case, Options, ReproduceError, Study, chosen, numbers};
use crate::bound::switching;
use crate::world::World;

pub(super) const COLUMNS: &[&str] = &[
    "trace",
    "U",
    "L",
    "window_h",
    "k_slots",
    "beta",
    "windows",
    "alpha_kmin",
    "alpha_opr",
    "cost_agnostic",
    "cost_1min",
    "cost_kmin",
    "cost_opr",
    "cost_opt",
];

/// Windows begin this many hours apart.
const APART: usize = 24;

pub(super) fn cases<'a>(
    reference: &'a Reference,
    options: &'a Options,
) -> Result<Vec<Case<'a>>, ReproduceError> {
    let of = |column| reference.column(Study::PauseResume, column, 0.0..=1e4);
    let windows = numbers(&options.filters.windows_h, &[24.0, 48.0], of("window_h")?);
    let slots = numbers(&[], &[4.0, 6.0, 12.0], of("k_slots")?);
    let switches = numbers(&[], &[0.0, 20.0, 50.0], of("beta")?);
    let known = reference.traces("hourly_", ".csv")?;
    let mut cases: Vec<Case<'a>> = Vec::new();
    for name in chosen("trace", &options.filters.traces, &known)? {
        let trace = reference.hourly(&name)?;
        for &window in &windows {
            let asked = !options.filters.windows_h.is_empty();
            let hours = super::whole_hours(window, trace.values.len(), asked)?;
            let Some(hours) = hours else { continue };
            for &slots in slots.iter().filter(|&&slots| is_whole(slots) && slots <= window) {
                for &switch in &switches {
                    let case = Search::new(trace.clone(), hours, slots as usize, switch);
                    cases.push(Box::new(move |stop| Ok(vec![case.row(stop)?])));
                }
            }
        }
    }
    Ok(cases)
}

/// Whether it is a number of slots.
fn is_whole(slots: f64) -> bool {
    slots >= 1.0 && slots.fract() == 0.0
}

/// One row: a job per window.
struct Search {
    trace: Trace,
    range: Range,
    window: usize,
    slots: usize,
    /// Cost of a stop or a start, in g/kWh times a slot.
    switch: f64,
}

impl Search {
    fn new(trace: Trace, window: usize, slots: usize, switch: f64) -> Self {
        let low = trace.values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = trace.values.iter().copied().fold(0.0, f64::max);
        Self { trace, range: Range { low, high }, window, slots, switch }
    }

    fn row(&self, stop: &AtomicBool) -> Result<Vec<String>, ReproduceError> {
        let (lowest_g_per_kwh, highest_g_per_kwh) = (Some(self.range.low), Some(self.range.high));
        let one_min = OneMin { lowest_g_per_kwh, highest_g_per_kwh };
        let k_min = KMin { lowest_g_per_kwh, highest_g_per_kwh, ..KMin::default() };
        let double = DoubleThreshold {
            lowest_g_per_kwh,
            highest_g_per_kwh,
            switch_g_per_kwh: self.switch,
            ..DoubleThreshold::default()
        };
        let world = self.world()?;
        let ratio = |switch| {
            let ratio = self.range.competitive_ratio(self.slots as u32, switch);
            ratio.map(number).unwrap_or_default()
        };
        let cost = |policy: &dyn Policy| self.cost(&world, policy, stop).map(number);
        Ok(vec![
            self.trace.name.clone(),
            number(self.range.high),
            number(self.range.low),
            self.window.to_string(),
            self.slots.to_string(),
            number(self.switch),
            world.pods.len().to_string(),
            ratio(0.0),
            ratio(self.switch),
            cost(&DefaultScheduler {})?,
            cost(&one_min)?,
            cost(&k_min)?,
            cost(&double)?,
            self.optimum().map(number)?,
        ])
    }

    fn windows(&self) -> impl Iterator<Item = usize> {
        (0..=self.trace.values.len() - self.window).step_by(APART)
    }

    fn world(&self) -> Result<World, ReproduceError> {
        let hours = |hours: usize| Span::HOUR * hours as i64;
        let pod = |start| {
            worlds::pod(START + hours(start), hours(self.slots), hours(self.window - self.slots))
        };
        let pods = self.windows().map(pod).collect();
        let mut world = worlds::world(&self.trace, vec![worlds::class("job")], pods)?;
        // A search decides hour by hour.
        world.scheduler.control_interval = Span::HOUR;
        Ok(world)
    }

    /// Mean over the windows: intensity of the slots that ran, and two switches for each stretch.
    fn cost(
        &self,
        world: &World,
        policy: &dyn Policy,
        stop: &AtomicBool,
    ) -> Result<f64, ReproduceError> {
        let outcome = worlds::run(world, policy, stop)?;
        // A watt for an hour is a thousandth of a kWh.
        let intensity = worlds::emitted(&outcome).get() * 1_000.0;
        let stretches: u32 = outcome.pods.iter().map(|pod| pod.pauses + 1).sum();
        let total = intensity + 2.0 * self.switch * f64::from(stretches);
        Ok(total / outcome.pods.len() as f64)
    }

    /// The mean of the best schedules.
    fn optimum(&self) -> Result<f64, ReproduceError> {
        let of = |start: usize| {
            let costs = &self.trace.values[start..start + self.window];
            let best = switching::optimum(costs, self.slots, self.switch);
            let plan = best.map_err(|error| ReproduceError::Nothing { why: error.to_string() })?;
            Ok(plan.cost)
        };
        let costs: Result<Vec<f64>, ReproduceError> = self.windows().map(of).collect();
        let costs = costs?;
        Ok(costs.iter().sum::<f64>() / costs.len() as f64)
    }
}
