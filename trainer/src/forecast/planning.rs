//! What a forecast is worth: the saving of the policy `plan` on jobs that may wait, as a share of
//! what a perfect plan would save.
//!
//! The decisions are those of the policy itself, asked hour by hour as the simulator and the cluster
//! ask it; nothing else is simulated here: no nodes, no capacity, one unit of power per job.

use std::collections::BTreeMap;
use std::sync::Arc;

use carbon_kube_core::forecaster::SteppedForecast;
use carbon_kube_core::view::{PodView, ZoneSet};
use carbon_kube_core::{Bytes, GramsPerKwh, MilliCpu, Span, Time, seed};
use carbon_kube_policies::{Gate, Policy, Signal, ZoneSignal};
use rand_distr::{Distribution, LogNormal, Uniform};
use serde::Serialize;

use super::{Issues, ZoneHours};

/// How long a job may wait.
pub const WAIT: Span = Span::from_millis(24 * 3_600_000);

/// The longest job.
const LONGEST_HOURS: f64 = 24.0;

/// A job that draws one unit of power for its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// A full hour.
    pub arrival: Time,
    /// Full hours.
    pub length: Span,
}

/// Savings against starting at once, in per cent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Saving {
    /// Of the policy.
    pub policy_percent: f64,
    /// Of the best start of each job, known in advance.
    pub bound_percent: f64,
    /// The one as a share of the other.
    pub share_percent: f64,
}

/// `count` jobs that arrive at full hours of `[from, to)`, uniformly; lengths are lognormal with a
/// median of 3 h and sigma 0.9, rounded to 1 to 24 hours (the issue that set the goals has them).
#[must_use]
pub fn jobs(root_seed: u64, count: usize, from: Time, to: Time) -> Vec<Job> {
    let hours = ((to - from).millis() / Span::HOUR.millis()).max(1);
    let arrivals = Uniform::new(0, hours).expect("a range of at least one hour");
    let lengths = LogNormal::new(3f64.ln(), 0.9).expect("a positive sigma");
    let mut arrival = seed::stream(root_seed, "arrivals");
    let mut length = seed::stream(root_seed, "durations");
    let job = || Job {
        arrival: from + Span::HOUR * arrivals.sample(&mut arrival),
        length: Span::HOUR * lengths.sample(&mut length).round().clamp(1.0, LONGEST_HOURS) as i64,
    };
    std::iter::repeat_with(job).take(count).collect()
}

/// Forecasts by instant of issue.
pub type Outlooks = BTreeMap<Time, Arc<SteppedForecast>>;

/// What the policy saves where it sees these forecasts. Jobs whose hours are not all known are left
/// out. `None` where none is left, or where nothing can be saved.
#[must_use]
pub fn saving(
    policy: &dyn Policy,
    zone: &ZoneHours,
    outlooks: &Outlooks,
    jobs: &[Job],
) -> Option<Saving> {
    let (mut at_once, mut by_policy, mut least) = (0.0, 0.0, 0.0);
    for job in jobs {
        let starts = (0..=WAIT.millis() / Span::HOUR.millis())
            .map(|hour| window(zone, job.arrival + Span::HOUR * hour, job.length));
        let Some(costs) = starts.collect::<Option<Vec<f64>>>() else { continue };
        let hour =
            (start(policy, zone, outlooks, job) - job.arrival).millis() / Span::HOUR.millis();
        at_once += costs[0];
        by_policy += costs[hour as usize];
        least += costs.iter().copied().fold(f64::INFINITY, f64::min);
    }
    let percent = |cost: f64| 100.0 * (1.0 - cost / at_once);
    (at_once > least).then(|| Saving {
        policy_percent: percent(by_policy),
        bound_percent: percent(least),
        share_percent: 100.0 * (at_once - by_policy) / (at_once - least),
    })
}

/// The forecasts as a policy sees them, each so long after its issue.
#[must_use]
pub fn outlooks(issues: &Issues<'_>, delay: Span) -> Outlooks {
    let seen = issues.forecasts.iter();
    seen.map(|(at, forecast)| (*at + delay, Arc::new(forecast.outlook()))).collect()
}

/// The same hour of the day before, for four days, from the past alone: the forecast to beat.
#[must_use]
pub fn same_hour_yesterday(zone: &ZoneHours, from: Time, to: Time) -> Outlooks {
    let outlook = |now: Time| {
        let past = zone.past(now);
        let hour = |ahead: usize| past.ago((24 - ahead % 24) % 24).map(|v| (f64::from(v), 0.0));
        let hours: Option<Vec<(f64, f64)>> =
            std::iter::once(past.ago(0).map(|v| (f64::from(v), 0.0)))
                .chain((1..=96).map(hour))
                .collect();
        Some((now, Arc::new(SteppedForecast::new(now, Span::HOUR, hours?))))
    };
    zone.hours(from, to).filter_map(outlook).collect()
}

/// When the job starts: the policy is asked at each full hour, as at each new value of an hourly
/// grid.
fn start(policy: &dyn Policy, zone: &ZoneHours, outlooks: &Outlooks, job: &Job) -> Time {
    let limit = job.arrival + WAIT;
    let pod = PodView {
        created: job.arrival,
        must_run_by: Some(limit),
        remaining: Some(job.length),
        done: Span::ZERO,
        started: false,
        interruptible: false,
        checkpoint: Span::ZERO,
        cpu: MilliCpu(1_000),
        cpu_utilisation: 1.0,
        data: Bytes(0),
        zones: ZoneSet::default().with(0),
    };
    let mut now = job.arrival;
    while now < limit {
        let zones = [ZoneSignal {
            intensity: zone.value(now).and_then(GramsPerKwh::new),
            threshold: None,
            adjustment: 0.0,
            outlook: outlooks.get(&now).cloned().map(|outlook| outlook as _),
            clock: None,
            rank: 0,
        }];
        let next_update = now + Span::HOUR;
        let signal =
            Signal { now, next_update, zones: &zones, transfer_kwh_per_gb: 0.0, plans: None };
        match policy.gate(&pod, &signal) {
            Gate::Release => return now,
            // A plan that is made once goes when its time comes.
            Gate::Start { at } => return at.ceil(Span::HOUR).clamp(now, limit),
            Gate::Hold { until } => now = until.ceil(Span::HOUR).clamp(next_update, limit),
        }
    }
    limit
}

/// Sum of the hourly values of a window, in g/kWh x hours.
fn window(zone: &ZoneHours, from: Time, length: Span) -> Option<f64> {
    let hours = length.millis() / Span::HOUR.millis();
    (0..hours).try_fold(0.0, |sum, hour| Some(sum + zone.value(from + Span::HOUR * hour)?))
}
