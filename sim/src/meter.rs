//! Integrates the power of one zone's running pods over simulated time.
//!
//! Power is piecewise constant: it changes only at events. So the meter adds `power x elapsed`
//! when an event changes the power, and needs no time step.
//!
//! ```text
//! watts  ____         ________
//!            |_______|            energy = the area under the line
//!        t0  t1      t2       t3
//! ```
//!
//! Power is kept in whole microwatts: adding and taking away a million pods leaves exactly zero.

use std::sync::Arc;

use carbon_kube_core::price::PriceSeries;
use carbon_kube_core::{GramsCo2e, KilowattHours, Span, Time, UsDollars};

use crate::carbon::Carbon;
use crate::outcome::IntervalRow;

/// The meter of one zone.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    zone: u32,
    last: Time,
    /// Area under the intensity up to `last`, so that an advance costs one look-up.
    last_area: f64,
    microwatts: i64,
    running: u32,
    /// Power of the zone's nodes without their pods.
    idle_microwatts: i64,
    /// Since when it is that, and the area under the intensity up to then.
    idle_since: Time,
    idle_area: f64,
    threshold: f64,
    interval: Span,
    row: IntervalRow,
    rows: Vec<IntervalRow>,
    /// Energy and emissions of running pods so far.
    energy: KilowattHours,
    emitted: GramsCo2e,
    /// The same of nodes without their pods, up to `idle_since`.
    idle_energy: KilowattHours,
    idle_emitted: GramsCo2e,
    idle_electricity: UsDollars,
    prices: Option<Arc<PriceSeries>>,
}

/// What a meter has counted by the end of a run.
pub(crate) struct Reading {
    /// Energy of running pods.
    pub(crate) energy: KilowattHours,
    /// Emissions of running pods.
    pub(crate) emitted: GramsCo2e,
    /// Energy of nodes without their pods.
    pub(crate) idle_energy: KilowattHours,
    /// Emissions of nodes without their pods.
    pub(crate) idle_emitted: GramsCo2e,
    /// The price of their energy.
    pub(crate) idle_electricity: UsDollars,
    /// A row per interval.
    pub(crate) rows: Vec<IntervalRow>,
}

impl Meter {
    pub(crate) fn new(
        zone: u32,
        start: Time,
        interval: Span,
        idle_microwatts: i64,
        prices: Option<Arc<PriceSeries>>,
        carbon: &Carbon,
    ) -> Self {
        Self {
            zone,
            last: start,
            last_area: carbon.area(start),
            microwatts: 0,
            running: 0,
            idle_microwatts,
            idle_since: start,
            idle_area: carbon.area(start),
            threshold: f64::NAN,
            interval,
            row: IntervalRow { start, zone, threshold: f64::NAN, ..Default::default() },
            rows: Vec::new(),
            energy: KilowattHours::ZERO,
            emitted: GramsCo2e::ZERO,
            idle_energy: KilowattHours::ZERO,
            idle_emitted: GramsCo2e::ZERO,
            idle_electricity: UsDollars::ZERO,
            prices,
        }
    }

    /// A pod starts to draw power.
    pub(crate) fn add(&mut self, now: Time, power: i64, carbon: &Carbon) {
        self.advance(now, carbon);
        self.microwatts += power;
        self.running += 1;
    }

    /// A pod stops.
    pub(crate) fn remove(&mut self, now: Time, power: i64, carbon: &Carbon) {
        self.advance(now, carbon);
        self.microwatts -= power;
        self.running -= 1;
    }

    /// Nodes come or go: the power of the zone without pods changes by so much.
    pub(crate) fn change_idle(&mut self, now: Time, microwatts: i64, carbon: &Carbon) {
        self.advance(now, carbon);
        self.charge_idle(now, carbon);
        self.idle_microwatts += microwatts;
    }

    /// Counts idle power in one piece from its last change on.
    fn charge_idle(&mut self, now: Time, carbon: &Carbon) {
        let area = carbon.area(now);
        let kilowatts = self.idle_watts() / 1_000.0;
        let hours = carbon.hours(self.idle_since, now);
        self.idle_energy += KilowattHours::from_kwh(kilowatts * hours);
        self.idle_emitted += GramsCo2e::from_grams(kilowatts * (area - self.idle_area));
        if let Some(prices) = &self.prices {
            let price = carbon.weighed(self.idle_since, now, |from, to| prices.integral(from, to));
            self.idle_electricity += UsDollars::from_dollars(kilowatts * price);
        }
        self.idle_since = now;
        self.idle_area = area;
    }

    fn idle_watts(&self) -> f64 {
        self.idle_microwatts as f64 / 1e6
    }

    /// Emissions of moving data, in the interval of now.
    pub(crate) fn transfer(&mut self, now: Time, grams: GramsCo2e, carbon: &Carbon) {
        self.advance(now, carbon);
        self.row.grams += grams.get();
    }

    /// The threshold in force from now on.
    pub(crate) fn set_threshold(&mut self, now: Time, threshold: f64, carbon: &Carbon) {
        self.advance(now, carbon);
        self.threshold = threshold;
        if self.row.start == now {
            self.row.threshold = threshold;
        }
    }

    /// Power of running pods and idle nodes now.
    pub(crate) fn watts(&self) -> f64 {
        self.microwatts as f64 / 1e6 + self.idle_watts()
    }

    /// Emissions so far of running pods, up to the last event, and of nodes without their pods.
    pub(crate) fn emitted(&self) -> (GramsCo2e, GramsCo2e) {
        let idle = self.idle_watts() / 1_000.0 * (self.last_area - self.idle_area);
        (self.emitted, self.idle_emitted + GramsCo2e::from_grams(idle))
    }

    /// Energy so far of running pods and of nodes without them, in kWh, up to the last event.
    pub(crate) fn kilowatt_hours(&self, carbon: &Carbon) -> f64 {
        let idle = self.idle_watts() / 1_000.0 * carbon.hours(self.idle_since, self.last);
        (self.energy + self.idle_energy).get() + idle
    }

    /// Brings the accounts up to `now`, a piece per interval.
    pub(crate) fn advance(&mut self, now: Time, carbon: &Carbon) {
        while self.last < now {
            let boundary = self.row.start.floor(self.interval) + self.interval;
            let until = boundary.min(now);
            self.charge(until, carbon);
            if until == boundary {
                self.close(until);
            }
        }
    }

    fn charge(&mut self, until: Time, carbon: &Carbon) {
        let hours = carbon.hours(self.last, until);
        let elapsed = (until - self.last).hours();
        let area_until = carbon.area(until);
        let area = area_until - self.last_area;
        self.last_area = area_until;
        let kilowatts = self.microwatts as f64 / 1e9;
        let grams = GramsCo2e::from_grams(kilowatts * area);
        self.energy += KilowattHours::from_kwh(kilowatts * hours);
        self.emitted += grams;
        self.row.pod_watts += kilowatts * 1_000.0 * hours;
        self.row.idle_watts += self.idle_watts() * hours;
        self.row.grams += grams.get() + self.idle_watts() / 1_000.0 * area;
        self.row.running += f64::from(self.running) * elapsed;
        self.row.intensity += carbon.plain(self.last, until).unwrap_or(area);
        self.last = until;
    }

    /// Ends the current interval: what was summed over time becomes a mean.
    fn close(&mut self, end: Time) {
        let hours = (end - self.row.start).hours();
        if hours > 0.0 {
            self.row.pod_watts /= hours;
            self.row.running /= hours;
            self.row.intensity /= hours;
            self.row.idle_watts /= hours;
            self.rows.push(self.row);
        }
        self.row = IntervalRow {
            start: end,
            zone: self.zone,
            threshold: self.threshold,
            ..Default::default()
        };
    }

    /// Ends the run and hands over what was counted.
    pub(crate) fn finish(mut self, end: Time, carbon: &Carbon) -> Reading {
        self.advance(end, carbon);
        self.charge_idle(end, carbon);
        self.close(end);
        Reading {
            energy: self.energy,
            emitted: self.emitted,
            idle_energy: self.idle_energy,
            idle_emitted: self.idle_emitted,
            idle_electricity: self.idle_electricity,
            rows: self.rows,
        }
    }
}
