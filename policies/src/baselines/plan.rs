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
//!
//! What a tuner adds is added to the price of the best window: over 0 a pod starts before it, since
//! a later window must be cleaner by more than that; under 0 it waits for better than is expected.

use carbon_kube_core::view::{NodeView, PodView, ZoneSet};
use carbon_kube_core::{Span, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::slots;
use crate::decision::{Gate, Run};
use crate::plans::{Class, Search};
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

    fn prices_windows(&self) -> bool {
        true
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        let (Some(limit), Some(length)) = (pod.must_run_by, pod.remaining) else {
            return Gate::Release;
        };
        let pieces = pod.interruptible && self.suspend;
        let class = Class::new(pod.zones, length, pieces.then_some(Span::ZERO));
        if limit > signal.now && self.is_worth_waiting(class, signal, limit) {
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
        let class = Class::new(ZoneSet::default().with(zone), length, Some(pod.checkpoint));
        if self.suspend
            && signal.next_update <= limit
            && self.is_worth_waiting(class, signal, limit)
        {
            return Run::Pause { until: signal.next_update };
        }
        Run::Continue
    }
}

impl Plan {
    /// Whether a pod of this class does better by not running now, where it may wait up to `limit`.
    fn is_worth_waiting(&self, class: Class, signal: &Signal<'_>, limit: Time) -> bool {
        // Work in pieces ends in time where the last hour of it does.
        let end = if class.pause.is_some() { limit + class.length } else { limit };
        let go_on = |search: &mut Search| match class.pause {
            Some(pause) => gather_cleaner_hours(search, class, pause, signal, end),
            None => self.find_cleaner_start(search, class, signal, end),
        };
        let search = match signal.plans {
            Some(plans) => plans.search(signal.now, class, go_on),
            None => Search::alone(signal.now, go_on),
        };
        search.found.is_some_and(|at| at <= end) || self.is_limit_cleaner(class, signal, limit)
    }

    /// Looks at the starts now + 1 h, + 2 h, ... up to `end` for a cleaner window than that of now,
    /// by the margin.
    fn find_cleaner_start(
        &self,
        search: &mut Search,
        class: Class,
        signal: &Signal<'_>,
        end: Time,
    ) {
        let is_to_do = |search: &Search| search.found.is_none() && !search.is_over;
        if !is_to_do(search) || search.next > end {
            return;
        }
        let Some(bar) = self.bar(class, signal) else {
            search.is_over = true;
            return;
        };
        while is_to_do(search) && search.next <= end {
            let start = search.next;
            match cleanest(class.zones, signal, start, start + class.length) {
                Some(then) if slots::rank(then) < bar => search.found = Some(start),
                Some(_) => search.next = start + Span::HOUR,
                // Beyond the horizon nobody knows better.
                None => search.is_over = true,
            }
        }
    }

    /// The rank that a later window must be under.
    fn bar(&self, class: Class, signal: &Signal<'_>) -> Option<i64> {
        let (from, to) = (signal.now, signal.now + class.length);
        let now = cleanest_now(class.zones, signal, to)?;
        // Most plans have no margin, and a look-up costs.
        let width = if self.margin > 0.0 { width(class.zones, signal, from, to) } else { 0.0 };
        Some(slots::rank(now - self.margin * width))
    }

    /// Whether the window that starts at the limit itself, between two full hours, is cleaner.
    fn is_limit_cleaner(&self, class: Class, signal: &Signal<'_>, limit: Time) -> bool {
        let is_own = (limit - signal.now).millis() % Span::HOUR.millis() != 0;
        if class.pause.is_some() || !is_own || limit < signal.now {
            return false;
        }
        let then = cleanest(class.zones, signal, limit, limit + class.length);
        then.zip(self.bar(class, signal)).is_some_and(|(then, bar)| slots::rank(then) < bar)
    }
}

/// Adds up the hours up to `end` that are cleaner than the one that begins now, until they make up
/// the whole length: then a pod that may be paused does better without this hour. `pause` is the
/// work that a pause costs, which must be less than it gains.
fn gather_cleaner_hours(
    search: &mut Search,
    class: Class,
    pause: Span,
    signal: &Signal<'_>,
    end: Time,
) {
    let first = Span::HOUR.min(class.length);
    let Some(current) = cleanest_now(class.zones, signal, signal.now + first) else {
        search.is_over = true;
        return;
    };
    // What is saved by an hour elsewhere must pay for the work that is done twice.
    let bar = slots::rank(current / first.hours() * (1.0 - pause.hours().min(1.0)));
    while search.found.is_none() && !search.is_over && search.next < end {
        let start = search.next;
        let Some(mean) = cleanest(class.zones, signal, start, start + Span::HOUR) else {
            search.is_over = true;
            return;
        };
        if slots::rank(mean) < bar {
            let missing = class.length - search.gathered;
            search.found = (missing <= Span::HOUR).then_some(start + missing);
            search.gathered += Span::HOUR;
        }
        search.next = start + Span::HOUR;
    }
}

/// Forecast of `[from, to)` in the cleanest of some zones, in g/kWh x hours.
fn cleanest(zones: ZoneSet, signal: &Signal<'_>, from: Time, to: Time) -> Option<f64> {
    let of_zone = |zone: usize| signal.zone(zone).outlook.as_ref()?.integral_hours(from, to);
    zones.iter().filter_map(of_zone).min_by(f64::total_cmp)
}

/// The same of `[now, to)`, less what a tuner adds to the price of a window in each zone.
fn cleanest_now(zones: ZoneSet, signal: &Signal<'_>, to: Time) -> Option<f64> {
    let hours = (to - signal.now).hours();
    let of_zone = |zone: usize| {
        let zone = signal.zone(zone);
        let grams = zone.outlook.as_ref()?.integral_hours(signal.now, to)?;
        Some(grams - zone.adjustment * hours)
    };
    zones.iter().filter_map(of_zone).min_by(f64::total_cmp)
}

/// The least width of the interval of that forecast; 0 where none has one.
fn width(zones: ZoneSet, signal: &Signal<'_>, from: Time, to: Time) -> f64 {
    let of_zone = |zone: usize| signal.zone(zone).outlook.as_ref()?.interval_hours(from, to);
    zones.iter().filter_map(of_zone).min_by(f64::total_cmp).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use carbon_kube_core::forecaster::SteppedForecast;
    use carbon_kube_core::{Bytes, MilliCpu};

    use super::*;
    use crate::signal::ZoneSignal;

    const NOW: Time = Time::from_millis(0);

    /// The pod's answer at hour 0 of a forecast of these values, each +- `half`.
    fn gate(policy: &Plan, values: &[f64], half: f64, hours: i64, wait: i64, pieces: bool) -> Gate {
        gate_at(policy, values, half, (hours, wait, pieces), 0.0)
    }

    /// The same, with this added to the price of its best window.
    fn gate_at(
        policy: &Plan,
        values: &[f64],
        half: f64,
        (hours, wait, pieces): (i64, i64, bool),
        adjustment: f64,
    ) -> Gate {
        let expected = values.iter().map(|&value| (value, 2.0 * half));
        let forecast = SteppedForecast::new(NOW, Span::HOUR, expected);
        let zones = [ZoneSignal {
            intensity: None,
            threshold: None,
            adjustment,
            outlook: Some(Arc::new(forecast)),
            clock: None,
            rank: 0,
        }];
        let signal = Signal {
            now: NOW,
            next_update: NOW + Span::HOUR,
            zones: &zones,
            transfer_kwh_per_gb: 0.0,
            plans: None,
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
    fn what_a_tuner_adds_is_added_to_the_price_of_the_best_window() {
        let plan = Plan::default();
        let with = |adjustment| {
            let whole = gate_at(&plan, &[100.0, 90.0, 100.0], 0.0, (1, 1, false), adjustment);
            // In pieces: hour 0 and the 10 g cleaner hour 1 make up two hours by the end of hour 2.
            let values = [100.0, 90.0, 90.0];
            (whole, gate_at(&plan, &values, 0.0, (2, 1, true), adjustment))
        };
        assert_eq!(with(9.0), (HOLD, HOLD));
        assert_eq!(with(11.0), (Gate::Release, Gate::Release), "a gain of 10 is not worth it");
        let best_is_now =
            |adjustment| gate_at(&plan, &[90.0, 100.0, 100.0], 0.0, (1, 1, false), adjustment);
        assert_eq!(best_is_now(0.0), Gate::Release);
        assert_eq!(best_is_now(-11.0), HOLD, "it may yet come better than 90");
    }

    #[test]
    fn what_is_beyond_the_forecast_is_no_reason_to_wait() {
        assert_eq!(gate(&Plan::default(), &[100.0], 0.0, 1, 24, false), Gate::Release);
        assert_eq!(gate(&Plan::default(), &[], 0.0, 1, 24, true), Gate::Release);
    }
}
