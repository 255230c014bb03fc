//! The pods: a scenario's, or the built-in ones, laid on the days of the history.
//!
//! ```text
//!  scenario  Mo Tu We Th Fr Sa Su            its own days, repeated by weekday where it has a week,
//!            |  |  |  |  |  |  |             by day where it has less
//!  history   We Th Fr Sa Su Mo Tu We ...     the same hour of the day, the same pods for every policy
//! ```
//!
//! A job whose last possible end lies after the history would be charged with grams that nobody knows: it is
//! left out, for every policy alike.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use carbon_kube_core::{Span, Time, Zone};
use carbon_kube_sim::scenario::{self, Diagnostic, Parsed};
use carbon_kube_sim::world::{GridZone, Owner, Pod, World};
use serde_json::{Value, json};

use crate::config::{Config, Forecast, Holding};
use crate::history::Past;

/// What the built-in workload is called.
pub const BUILT_IN: &str = "built in";

/// A Monday, and two weeks: no job of a fortnight is the same as another.
const BUILT_IN_START: &str = "2024-01-01T00:00:00Z";
const BUILT_IN_DAYS: u32 = 14;

/// Jobs a day in each zone of the built-in workload, and its nodes: room for those that have waited together.
const BUILT_IN_JOBS: u32 = 150;
const BUILT_IN_NODES: u32 = 12;

/// Where the pods come from.
#[derive(Clone, Debug)]
pub enum Workload {
    /// The built-in ones, in whatever zones there are.
    BuiltIn,
    /// A scenario.
    Scenario {
        /// Its file.
        path: PathBuf,
        /// Its text.
        text: Vec<u8>,
        /// The zones that its nodes draw from.
        zones: BTreeSet<Zone>,
    },
}

/// Why there are no pods.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// The file can't be read.
    #[error("workload.scenario: {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// It is no scenario that can be used.
    #[error("workload.scenario: {0}")]
    Scenario(String),
}

impl Workload {
    /// Reads a scenario; without one, the built-in workload.
    ///
    /// # Errors
    ///
    /// [`WorkloadError`], with the first problem of the scenario.
    pub fn read(path: Option<&Path>) -> Result<Self, WorkloadError> {
        let Some(path) = path else { return Ok(Self::BuiltIn) };
        let text = std::fs::read(path)
            .map_err(|error| WorkloadError::Read { path: path.to_owned(), error })?;
        let parsed = parse(&text, path, &[])?;
        let zones = parsed.spec.spec.grid.zones.iter().map(|zone| zone.zone.0.clone()).collect();
        Ok(Self::Scenario { path: path.to_owned(), text, zones })
    }

    /// The zones that have to be known; `None`: whichever there are.
    #[must_use]
    pub fn zones(&self) -> Option<&BTreeSet<Zone>> {
        match self {
            Self::BuiltIn => None,
            Self::Scenario { zones, .. } => Some(zones),
        }
    }

    /// What reports call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::BuiltIn => BUILT_IN.to_owned(),
            Self::Scenario { path, .. } => path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        }
    }

    /// The world on its own days, with the intensities of `past`.
    ///
    /// # Errors
    ///
    /// [`WorkloadError`], with the first problem of the scenario.
    pub fn world(&self, past: &Past, config: &Config) -> Result<World, WorkloadError> {
        let (text, path, zones) = match self {
            Self::BuiltIn => (built_in(past).into_bytes(), Path::new(BUILT_IN), past.zones.len()),
            Self::Scenario { path, text, .. } => {
                let parsed = parse(text, path, &[])?;
                (text.clone(), path.as_path(), parsed.spec.spec.grid.zones.len())
            }
        };
        let parsed = parse(&text, path, &overrides(zones, config))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut world = scenario::build(&parsed, folder).map_err(|all| first(&all))?;
        for zone in &mut world.zones {
            if let Some(series) = past.zones.get(&zone.zone) {
                *zone = GridZone {
                    series: series.clone(),
                    beside: None,
                    electricity: None,
                    ..zone.clone()
                };
            }
        }
        Ok(world)
    }
}

fn parse(
    text: &[u8],
    path: &Path,
    overrides: &[(String, String)],
) -> Result<Parsed, WorkloadError> {
    scenario::parse(text, &path.display().to_string(), overrides).map_err(|all| first(&all))
}

/// The first problem, as one line.
fn first(problems: &[Diagnostic]) -> WorkloadError {
    let text = problems.first().map_or_else(String::new, ToString::to_string);
    WorkloadError::Scenario(text.lines().collect::<Vec<_>>().join("; "))
}

/// What is the job's to say and not the scenario's. The intensities come from the history; a constant stands in
/// for them until the world is built.
fn overrides(zones: usize, config: &Config) -> Vec<(String, String)> {
    let mut overrides: Vec<(String, String)> = (0..zones)
        .map(|i| {
            (format!("spec.grid.zones[{i}].source"), "{constant: {gramsPerKwh: 100}}".to_owned())
        })
        .collect();
    let mut set = |path: &str, value: String| overrides.push((path.to_owned(), value));
    set("spec.seed", config.seed.to_string());
    set("spec.policies", "[default-scheduler]".to_owned());
    let forecast = match config.forecast {
        Forecast::Model => "{kind: model}",
        Forecast::Seasonal => "{kind: seasonal}",
        Forecast::Persistence => "{kind: persistence}",
    };
    set("spec.forecast", forecast.to_owned());
    match config.workload.holding {
        Holding::Filter => set("spec.scheduler.holding", "filter".to_owned()),
        Holding::Gate => set("spec.scheduler.holding", "gate".to_owned()),
        Holding::Scenario => {}
    }
    overrides
}

/// Batch jobs with the sizes of a public cloud's, half a day of patience each, bound to the nodes of their zone.
fn built_in(past: &Past) -> String {
    let zones: Vec<&str> = past.zones.keys().map(Zone::as_str).collect();
    let lower = |zone: &str| zone.to_lowercase();
    let pool = |zone: &&str| json!({"name": lower(zone), "zone": zone, "count": BUILT_IN_NODES, "instanceType": "m5.8xlarge"});
    let workload = |zone: &&str| {
        json!({
            "name": format!("batch-{}", lower(zone)),
            "generated": {
                "preset": "azure-2017",
                "podsPerDay": BUILT_IN_JOBS,
                "duration": {"median": "90m", "sigma": 1.2, "min": "5m", "max": "12h"},
            },
            "maxDelay": "12h",
            "template": {"spec": {"nodeSelector": {"carbon-kube.io/grid-zone": zone}}},
        })
    };
    let scenario: Value = json!({
        "apiVersion": "carbon-kube.io/v1alpha1",
        "kind": "Scenario",
        "metadata": {"name": "built-in"},
        "spec": {
            "start": BUILT_IN_START,
            "duration": format!("{BUILT_IN_DAYS}d"),
            "grid": {"zones": zones.iter().map(|zone| json!({"zone": zone})).collect::<Vec<_>>()},
            "nodePools": zones.iter().map(pool).collect::<Vec<_>>(),
            "workloads": zones.iter().map(workload).collect::<Vec<_>>(),
        },
    });
    // JSON is YAML.
    scenario.to_string()
}

/// The world with its pods laid on `[from, to)`, and nothing else changed.
#[must_use]
pub fn lay(world: &World, from: Time, to: Time) -> World {
    let (own, new) = (world.start.floor(Span::DAY), from.floor(Span::DAY));
    let own_days = ((world.end - own).hours() / 24.0).ceil().max(1.0) as i64;
    let by_weekday = own_days >= 7;
    let period = if by_weekday { own_days / 7 * 7 } else { own_days };
    let day = |time: Time| time.millis().div_euclid(Span::DAY.millis());
    let turn = if by_weekday { (day(new) - day(own)).rem_euclid(7) } else { 0 };
    let mut pods: Vec<Pod> = Vec::new();
    for pod in &world.pods {
        let is_job =
            world.classes.get(pod.class as usize).is_none_or(|class| class.owner == Owner::Job);
        if !is_job {
            pods.push(Pod { arrival: from, duration: to - from, ..*pod });
            continue;
        }
        let offset = pod.arrival - own;
        if offset >= Span::DAY * period {
            continue;
        }
        let mut arrival = new + offset - Span::DAY * turn;
        while arrival < to {
            let latest = arrival
                .saturating_add(pod.duration)
                .saturating_add(pod.max_delay.unwrap_or(Span::ZERO));
            if arrival >= from && latest <= to {
                pods.push(Pod { arrival, ..*pod });
            }
            arrival += Span::DAY * period;
        }
    }
    pods.sort_by_key(|pod| pod.arrival);
    World { start: from, end: to, pods, ..world.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: carbon-kube.io/v1alpha1\nkind: Scenario\nmetadata: {name: w}\n";

    /// A world of so many days from a Monday on, with a job at an hour of each, and a service.
    fn world(days: u32, hour: u32) -> World {
        let pods: Vec<String> = (0..days)
            .map(|day| {
                let (at, length) = (day * 24 + hour, day + 1);
                format!("{{arrival: {at}h, duration: {length}h, cpu: 1, memory: 1Gi}}")
            })
            .collect();
        let requests = "{cpu: 1, memory: 1Gi}";
        let text = format!(
            "{HEAD}spec:\n  start: 2026-03-02T00:00:00Z\n  duration: {days}d\n  grid: {{zones: [{{zone: US-CA}}]}}\n  \
             nodePools: [{{name: a, zone: US-CA, count: 1, instanceType: m5.8xlarge}}]\n  workloads:\n  \
             - {{name: j, pods: [{}]}}\n  - {{name: s, kind: Deployment, replicas: 1, template: {{spec: \
             {{containers: [{{name: c, resources: {{requests: {requests}}}}}]}}}}}}\n",
            pods.join(", ")
        );
        let parsed = scenario::parse(text.as_bytes(), "w.yaml", &[]).unwrap();
        scenario::build(&parsed, Path::new(".")).unwrap()
    }

    /// Start and length of each job, in days and hours of the window.
    fn jobs(laid: &World) -> Vec<String> {
        let is_job = |pod: &&Pod| laid.classes[pod.class as usize].owner == Owner::Job;
        let told = |pod: &Pod| format!("{}+{}", pod.arrival, pod.duration);
        laid.pods.iter().filter(is_job).map(told).collect()
    }

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn a_week_is_laid_by_weekday_and_a_shorter_workload_by_day() {
        // From a Wednesday on: the job of the Wednesday, which is three hours long, comes first.
        let laid = lay(&world(7, 5), at("2026-06-03T00:00:00Z"), at("2026-06-06T12:00:00Z"));
        assert_eq!(
            jobs(&laid),
            [
                "2026-06-03T05:00:00Z+3h",
                "2026-06-04T05:00:00Z+4h",
                "2026-06-05T05:00:00Z+5h",
                "2026-06-06T05:00:00Z+6h"
            ]
        );
        // Two days are repeated from the first on.
        let laid = lay(&world(2, 5), at("2026-06-03T00:00:00Z"), at("2026-06-06T12:00:00Z"));
        assert_eq!(
            jobs(&laid),
            [
                "2026-06-03T05:00:00Z+1h",
                "2026-06-04T05:00:00Z+2h",
                "2026-06-05T05:00:00Z+1h",
                "2026-06-06T05:00:00Z+2h"
            ]
        );
        // Of ten days the first week counts: all weekdays are there once.
        let laid = lay(&world(10, 5), at("2026-06-01T00:00:00Z"), at("2026-06-15T00:00:00Z"));
        assert_eq!(jobs(&laid).len(), 14);
    }

    #[test]
    fn a_job_that_could_end_after_the_history_is_left_out_and_a_service_runs_to_its_end() {
        let (from, to) = (at("2026-06-03T06:00:00Z"), at("2026-06-05T09:00:00Z"));
        let laid = lay(&world(7, 5), from, to);
        // That of the Wednesday came before the window; that of the Friday would end at 10.
        assert_eq!(jobs(&laid), ["2026-06-04T05:00:00Z+4h"]);
        let service = laid.pods.iter().find(|pod| pod.arrival == from).unwrap();
        assert_eq!(service.duration, to - from);
        assert_eq!((laid.start, laid.end), (from, to));
        assert!(laid.pods.is_sorted_by_key(|pod| pod.arrival));
    }

    #[test]
    fn the_built_in_workload_fits_its_nodes() {
        let zones = ["US-CA", "XX-ANY"].map(|zone| {
            let zone: Zone = zone.parse().unwrap();
            let label = carbon_kube_core::intensity::Label {
                zone: zone.clone(),
                area: String::new(),
                signal: Default::default(),
                scope: Default::default(),
                factor_set: String::new(),
                provenance: Default::default(),
                source: String::new(),
            };
            let hours = (0..24 * 14).map(|_| Some(300.0));
            let series = carbon_kube_core::intensity::IntensitySeries::new(
                label,
                at("2026-06-01T00:00:00Z"),
                Span::HOUR,
                hours,
            );
            (zone, std::sync::Arc::new(series.unwrap()))
        });
        let past = Past {
            zones: zones.into_iter().collect(),
            from: at("2026-06-01T00:00:00Z"),
            held_out_from: at("2026-06-08T00:00:00Z"),
            to: at("2026-06-15T00:00:00Z"),
            signal: Default::default(),
            factor_set: String::new(),
            left_out: Vec::new(),
        };
        let world = Workload::BuiltIn.world(&past, &Config::default()).unwrap();
        assert_eq!((world.zones.len(), world.pools.len()), (2, 2));
        let asked: f64 =
            world.pods.iter().map(|p| p.requests.cpu.0 as f64 / 1e3 * p.duration.hours()).sum();
        let there = world
            .pools
            .iter()
            .map(|p| p.allocatable.cpu.0 as f64 / 1e3 * f64::from(p.count))
            .sum::<f64>();
        let used = asked / (there * f64::from(BUILT_IN_DAYS) * 24.0);
        assert!((0.05..0.5).contains(&used), "{used}");
        let laid = lay(&world, past.held_out_from, past.to);
        assert!(laid.pods.len() > 1_500, "{}", laid.pods.len());
    }
}
