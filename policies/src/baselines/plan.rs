//! `plan`: start when the best window that the forecast sees is now, and look again at each new
//! value.
//!
//! ```text
//!  g/kWh  forecast at 08:00           one value later, at 09:00
//!    \                                   \
//!     \_/\      best start 10:00          \___/\     best start 09:00: it goes
//!         \____                                \____
//! ```
//!
//! `lowest-window` makes a plan and keeps to it until its start; here the plan lives for as long as
//! the forecast behind it.

use carbon_kube_core::view::{NodeView, PodView, ZoneSet};
use carbon_kube_core::{Span, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::slots;
use crate::decision::{Gate, Run};
use crate::policy::Policy;
use crate::signal::Signal;

/// Start a pod when no later start within its limit has a cleaner forecast for the pod's length;
/// plan again at each new value of the grid. An interruptible pod runs in the cleanest hours that
/// it needs, and is paused between them. Without a forecast, a limit or a length it has no opinion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Plan {
    /// A later window must be cleaner than the one that starts now by this part of the width of the
    /// forecast's 80 % interval. Default 0: on the open data of 2021, waiting for an uncertain gain
    /// was worth as much as it cost. Forecasts without an interval have no width.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub margin: f64,
    /// Whether interruptible pods are run in pieces. Default true.
    pub suspend: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { margin: 0.0, suspend: true }
    }
}

impl Policy for Plan {
    fn name(&self) -> &'static str {
        "plan"
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        let (Some(limit), Some(length)) = (pod.must_run_by, pod.remaining) else {
            return Gate::Release;
        };
        let wait = if pod.interruptible && self.suspend {
            is_hour_to_skip(pod.zones, signal, limit, length, Span::ZERO)
        } else {
            self.is_later_start_better(pod.zones, signal, limit, length)
        };
        if wait && limit > signal.now {
            Gate::Hold { until: signal.next_update.min(limit) }
        } else {
            Gate::Release
        }
    }

    fn run(&self, pod: &PodView, node: &NodeView, signal: &Signal<'_>) -> Run {
        let (Some(limit), Some(length), Some(zone)) = (pod.must_run_by, pod.remaining, node.zone)
        else {
            return Run::Continue;
        };
        let limit = limit - pod.checkpoint;
        let zones = ZoneSet::default().with(zone);
        if self.suspend
            && signal.next_update <= limit
            && is_hour_to_skip(zones, signal, limit, length, pod.checkpoint)
        {
            return Run::Pause { until: signal.next_update };
        }
        Run::Continue
    }
}

impl Plan {
    /// Whether some start after now and up to the limit has a cleaner window, by the margin.
    fn is_later_start_better(
        &self,
        zones: ZoneSet,
        signal: &Signal<'_>,
        limit: Time,
        length: Span,
    ) -> bool {
        let Some(now) = cleanest(zones, signal, signal.now, signal.now + length) else {
            return false;
        };
        // Most plans have no margin, and a look-up per pod and hour costs.
        let width = if self.margin > 0.0 {
            width(zones, signal, signal.now, signal.now + length)
        } else {
            0.0
        };
        let least = now - self.margin * width;
        later_starts(signal.now, limit)
            // Beyond the horizon nobody knows better.
            .map_while(|start| cleanest(zones, signal, start, start + length))
            .any(|then| slots::rank(then) < slots::rank(least))
    }
}

/// Now + 1 h, + 2 h, ... and the limit itself.
fn later_starts(now: Time, limit: Time) -> impl Iterator<Item = Time> {
    let hours = (limit - now).millis().max(0) / Span::HOUR.millis();
    let full = (1..=hours).map(move |hour| now + Span::HOUR * hour);
    let at_limit = (now + Span::HOUR * hours < limit).then_some(limit);
    full.chain(at_limit)
}

/// Forecast of `[from, to)` in the cleanest of some zones, in g/kWh x hours.
fn cleanest(zones: ZoneSet, signal: &Signal<'_>, from: Time, to: Time) -> Option<f64> {
    let of_zone = |zone: usize| signal.zone(zone).outlook.as_ref()?.integral_hours(from, to);
    zones.iter().filter_map(of_zone).min_by(f64::total_cmp)
}

/// The least width of the interval of that forecast; 0 where none has one.
fn width(zones: ZoneSet, signal: &Signal<'_>, from: Time, to: Time) -> f64 {
    let of_zone = |zone: usize| signal.zone(zone).outlook.as_ref()?.interval_hours(from, to);
    zones.iter().filter_map(of_zone).min_by(f64::total_cmp).unwrap_or(0.0)
}

/// Whether a pod that may be paused does better without the hour that begins now: the hours up to
/// its last chance that are cleaner make up its whole length. `pause` is the work that a pause
/// costs, which must be less than it gains.
fn is_hour_to_skip(
    zones: ZoneSet,
    signal: &Signal<'_>,
    limit: Time,
    length: Span,
    pause: Span,
) -> bool {
    let mean = |from: Time, to: Time| {
        cleanest(zones, signal, from, to).map(|grams| grams / (to - from).hours())
    };
    let (now, end) = (signal.now, limit + length);
    let Some(current) = mean(now, now + Span::HOUR.min(length.max(Span::from_millis(1)))) else {
        return false;
    };
    // What is saved by an hour elsewhere must pay for the work that is done twice.
    let bar = current * (1.0 - pause.hours().min(1.0));
    let mut cleaner = Span::ZERO;
    let mut start = now + Span::HOUR;
    while start < end && cleaner < length {
        let stop = (start + Span::HOUR).min(end);
        let Some(mean) = mean(start, stop) else { break };
        if slots::rank(mean) < slots::rank(bar) {
            cleaner += stop - start;
        }
        start = stop;
    }
    cleaner >= length
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use carbon_kube_core::forecaster::HourlyForecast;
    use carbon_kube_core::{Bytes, MilliCpu};

    use super::*;
    use crate::signal::ZoneSignal;

    const NOW: Time = Time::from_millis(0);

    /// The pod's answer at hour 0 of a forecast of these values, each +- `half`.
    fn gate(policy: &Plan, values: &[f64], half: f64, hours: i64, wait: i64, pieces: bool) -> Gate {
        let forecast = HourlyForecast::new(NOW, values.iter().map(|&value| (value, 2.0 * half)));
        let zones = [ZoneSignal {
            intensity: None,
            threshold: None,
            outlook: Some(Arc::new(forecast)),
            clock: None,
            rank: 0,
        }];
        let signal = Signal {
            now: NOW,
            next_update: NOW + Span::HOUR,
            zones: &zones,
            transfer_kwh_per_gb: 0.0,
        };
        let pod = PodView {
            created: NOW,
            must_run_by: Some(NOW + Span::HOUR * wait),
            remaining: Some(Span::HOUR * hours),
            done: Span::ZERO,
            started: false,
            interruptible: pieces,
            checkpoint: Span::ZERO,
            cpu: MilliCpu(1_000),
            cpu_utilisation: 1.0,
            data: Bytes(0),
            zones: ZoneSet::default().with(0),
        };
        policy.gate(&pod, &signal)
    }

    const HOLD: Gate = Gate::Hold { until: Time::from_millis(3_600_000) };

    #[test]
    fn it_waits_for_a_cleaner_window_of_the_pods_own_length() {
        let plan = Plan::default();
        // One hour: 90 at hour 2 is the least. Two hours: 100 + 110 now against 120 + 90.
        let values = [100.0, 110.0, 90.0, 130.0, 130.0];
        assert_eq!(gate(&plan, &values, 0.0, 1, 2, false), HOLD);
        assert_eq!(gate(&plan, &values, 0.0, 2, 1, false), HOLD, "110 + 90 is less than 210");
        assert_eq!(gate(&plan, &values, 0.0, 1, 1, false), Gate::Release, "hour 2 is too late");
        assert_eq!(gate(&plan, &values, 0.0, 3, 2, false), Gate::Release, "300 now is the least");
    }

    #[test]
    fn an_uncertain_gain_is_not_waited_for_where_a_margin_is_asked() {
        let values = [100.0, 90.0, 100.0];
        let with = |margin| Plan { margin, ..Plan::default() };
        // The interval is 40 wide: a margin of 0.2 asks for 8 g, one of 0.3 for 12 g.
        assert_eq!(gate(&with(0.2), &values, 20.0, 1, 1, false), HOLD);
        assert_eq!(gate(&with(0.3), &values, 20.0, 1, 1, false), Gate::Release);
    }

    #[test]
    fn a_pod_in_pieces_waits_only_while_enough_cleaner_hours_are_left() {
        let plan = Plan::default();
        // Two hours of work by the end of hour 4; hours 1 and 3 are cleaner than now.
        let values = [100.0, 80.0, 120.0, 80.0, 120.0];
        assert_eq!(gate(&plan, &values, 0.0, 2, 2, true), HOLD);
        assert_eq!(gate(&plan, &values, 0.0, 3, 2, true), Gate::Release, "only two are cleaner");
        assert_eq!(gate(&plan, &values, 0.0, 2, 2, false), Gate::Release, "180 now, 200 later");
    }

    #[test]
    fn what_is_beyond_the_forecast_is_no_reason_to_wait() {
        assert_eq!(gate(&Plan::default(), &[100.0], 0.0, 1, 24, false), Gate::Release);
        assert_eq!(gate(&Plan::default(), &[], 0.0, 1, 24, true), Gate::Release);
    }
}
