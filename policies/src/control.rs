//! One control interval of one zone: what a tuner is shown, and the threshold that its answer makes.
//!
//! ```text
//!  Grid      intensity, base, scale, forecast --.
//!  Workload  moves, power, held work ----------+--> observe --> Policy::tune --> Threshold::new
//!  the zone's clock, the last adjustment ------'                                base + adjustment, in bounds
//! ```
//!
//! The simulator's control loop and the poller both come through here.

use carbon_kube_core::zone::Clock;
use carbon_kube_core::{GramsPerKwh, Span, Time};

use crate::file::Bounds;
use crate::observation::{ForecastSummary, MAX_ADJUSTMENT, Observation, ZoneScale};

/// What is known of a zone's grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Carbon intensity in force.
    pub intensity: GramsPerKwh,
    /// The rule's threshold, before adjustment.
    pub base: GramsPerKwh,
    /// Level and spread of the trailing week.
    pub scale: Option<ZoneScale>,
    /// What is expected of the next hours.
    pub forecast: ForecastSummary,
}

/// What is known of a zone's pods and nodes. `None` is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Workload {
    /// Moves started in the last hour per running migratable pod; 0 where nothing can move.
    pub migration_rate: Option<f64>,
    /// Mean power of the zone's nodes over the last interval, over their power at full load.
    pub power_ratio: Option<f64>,
    /// Work of the held pods that may run in the zone, in hours of all of its cores.
    pub held_hours: Option<f64>,
    /// How long the most urgent of them can still wait; a day where none is held.
    pub slack: Option<Span>,
}

/// What a tuner sees of a zone at `now`. `previous_adjustment` is that of the last interval, in g/kWh.
#[must_use]
pub fn observe(
    grid: Grid,
    workload: Workload,
    clock: &Clock,
    previous_adjustment: f64,
    now: Time,
) -> Observation {
    let local = now.local(clock);
    Observation {
        intensity: grid.intensity,
        base: grid.base,
        scale: grid.scale,
        migration_rate: workload.migration_rate,
        power_ratio: workload.power_ratio,
        local_hour: f64::from(local.hour()) + f64::from(local.minute()) / 60.0,
        weekday: local.weekday().to_monday_zero_offset() as u8,
        previous_adjustment,
        forecast: grid.forecast,
        held_hours: workload.held_hours,
        slack: workload.slack,
    }
}

/// An adjustment that can be made, in g/kWh: within -50 to +50, and 0 for what is no number.
#[must_use]
pub fn adjustment(answer: f64) -> f64 {
    if answer.is_nan() { 0.0 } else { answer.clamp(-MAX_ADJUSTMENT, MAX_ADJUSTMENT) }
}

/// The threshold in force: the rule's with what a tuner adds, cut to the policy's bounds.
#[must_use]
pub fn threshold(base: GramsPerKwh, adjustment: f64, bounds: Bounds) -> GramsPerKwh {
    bounds.clamp(GramsPerKwh::saturating(base.get() + adjustment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_the_sum_within_the_bounds() {
        let base = GramsPerKwh::saturating(150.0);
        let bounds = Bounds { min_grams_per_kwh: 100.0, max_grams_per_kwh: 180.0 };
        let of = |answer| threshold(base, adjustment(answer), bounds).get().to_string();
        assert_eq!(of(12.5), "162.5");
        assert_eq!(of(40.0), "180");
        assert_eq!(of(-400.0), "100", "-50 is the most that is taken");
        assert_eq!(of(f64::NAN), "150");
    }

    #[test]
    fn the_hour_and_the_weekday_are_those_of_the_zone() {
        let value = GramsPerKwh::saturating(1.0);
        let grid =
            Grid { intensity: value, base: value, scale: None, forecast: Default::default() };
        // 23:30 UTC on a Sunday is half past midnight of Monday in Berlin, in winter.
        let now = "2026-01-04T23:30:00Z".parse().unwrap();
        let zone: carbon_kube_core::Zone = "EU-DE".parse().unwrap();
        let seen = observe(grid, Workload::default(), &zone.clock(), 0.0, now);
        assert_eq!((seen.weekday, seen.local_hour.to_string()), (0, "0.5".to_owned()));
    }
}
