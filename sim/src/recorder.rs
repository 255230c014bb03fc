//! Simulated decisions as a scheduler would send them to the extender, to be replayed there.
//!
//! ```text
//!  {"kind":"run", ...}         policy, configuration of the extender, nodes
//!  {"kind":"grid", ...}        intensity.json and threshold.json as they are from now on
//!  {"kind":"filter", ...}      a request of kube-scheduler, and what was decided
//!  {"kind":"prioritize", ...}
//! ```
//!
//! A line of JSON each, a run after the other. Whoever replays sets the clock to `at`, puts the last
//! documents in force and sends `request`; the answer has to be the recorded one, to the last bit.
//!
//! Two things are left out. A pool offers its best node only, for equal nodes have one verdict. A
//! pod that was paused comes back as a new pod in a cluster, and is not recorded again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

use carbon_kube_core::cluster::{Mode, PREFIX};
use carbon_kube_core::documents::{
    ForecastPoint, IntensityDocument, ThresholdDocument, ZoneIntensity, ZoneThreshold,
};
use carbon_kube_core::forecast::Issue;
use carbon_kube_core::{GramsPerKwh, Time};
use carbon_kube_policies::wire::{
    Annotations, Container, ContainerResources, CpuAmount, ExtenderArgs, HostPriority,
    Pod as WirePod, PodMetadata, PodSpec, Text,
};
use carbon_kube_policies::{Holding, Settings, Verdict, ZoneSignal};
use serde_json::{Value, json};

use crate::world::{Pool, World};

/// The version of the lines.
const VERSION: u32 = 1;

/// Node label that tells the recorded pools apart, so that each can have its own power.
pub const POOL_LABEL: &str = "carbon-kube.io/pool";

/// Longer than any simulation: nothing that was recorded is too old.
const NEVER_OLD: &str = "87600h";

/// The first line of a run: what the extender has to know before the first request.
///
/// # Errors
///
/// Where the writer fails.
pub fn write_run(
    out: &mut dyn Write,
    world: &World,
    name: &str,
    policy: &Settings,
) -> std::io::Result<()> {
    let tagged = serde_json::to_value(policy)?;
    let settings = tagged.get(policy.name()).cloned().unwrap_or_else(|| json!({}));
    let line = json!({
        "kind": "run",
        "version": VERSION,
        "scenario": world.name,
        "policy": name,
        "policyFile": {
            "version": 1, "name": name, "kind": policy.name(), "settings": settings,
            // The simulator keeps no bounds: none may cut a threshold here.
            "bounds": {"minGramsPerKwh": 0, "maxGramsPerKwh": GramsPerKwh::ABSURD - 1.0},
        },
        "config": configuration(world),
        "nodes": {"items": world.pools.iter().flat_map(nodes).collect::<Vec<_>>()},
    });
    writeln!(out, "{line}")
}

/// The sections of the extender's configuration that make it decide as in the simulated cluster,
/// where each node has its pool's name as [`POOL_LABEL`].
#[must_use]
pub fn configuration(world: &World) -> Value {
    let decisions = match world.scheduler.holding {
        Holding::Gate => json!({"holding": "gate"}),
        Holding::Filter { retry } => {
            json!({"holding": "filter", "retryInterval": retry.to_string()})
        }
    };
    let class = |pool: &Pool| {
        json!({
            "labels": {POOL_LABEL: pool.name}, "pue": pool.pue,
            "idleWatts": pool.idle.get(), "busyWatts": pool.busy.get(),
            "usdPerHour": pool.usd_per_hour, "speed": pool.speed,
        })
    };
    json!({
        "decisions": decisions,
        "grid": {"maxAge": NEVER_OLD, "thresholdMaxAge": NEVER_OLD},
        "power": {"classes": world.pools.iter().map(class).collect::<Vec<_>>()},
    })
}

fn nodes(pool: &Pool) -> impl Iterator<Item = Value> + '_ {
    (0..pool.count).map(|node| {
        let mut labels: BTreeMap<&str, &str> =
            pool.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        labels.insert(POOL_LABEL, &pool.name);
        json!({
            "metadata": {"name": node_name(pool, node), "labels": labels},
            "status": {"allocatable": {"cpu": pool.allocatable.cpu.to_string()}},
        })
    })
}

fn node_name(pool: &Pool, node: u32) -> String {
    format!("{}-{node}", pool.name)
}

/// Writes the lines after the first.
pub(crate) struct Recorder<'w> {
    out: Box<dyn Write + Send + 'w>,
    numbers: Vec<u32>,
    /// The first error of the writer; the run goes on, its caller reports it.
    error: Option<std::io::Error>,
}

/// A node that the scheduler offered, and what the policy said of it.
pub(crate) struct Offer {
    pub(crate) pool: u32,
    pub(crate) node: u32,
    pub(crate) verdict: Verdict,
}

impl<'w> Recorder<'w> {
    pub(crate) fn new(world: &World, out: Box<dyn Write + Send + 'w>) -> Self {
        Self { out, numbers: world.pod_numbers(), error: None }
    }

    /// The writer's first error.
    pub(crate) fn finish(mut self) -> Option<std::io::Error> {
        // The last lines may still be in a buffer, and a full disk shows only there.
        self.error.or_else(|| self.out.flush().err())
    }

    fn line(&mut self, line: &Value) {
        if self.error.is_none() {
            self.error = writeln!(self.out, "{line}").err();
        }
    }

    /// The documents that are in force from now on. `issues` are the published forecasts.
    pub(crate) fn grid(
        &mut self,
        world: &World,
        now: Time,
        zones: &[ZoneSignal<'_>],
        issues: &[Option<Issue>],
    ) {
        let named = || world.zones.iter().map(|zone| &zone.zone).zip(zones);
        let intensity = named().zip(issues).filter_map(|((zone, signal), issue)| {
            Some((zone.clone(), intensity(signal.intensity?, issue.as_ref(), now)))
        });
        let threshold = named()
            .filter_map(|(zone, signal)| Some((zone.clone(), threshold(signal.threshold?, now))));
        let line = json!({
            "kind": "grid", "at": now,
            "intensity": IntensityDocument::new(intensity.collect()),
            "threshold": ThresholdDocument::new(threshold.collect()),
        });
        self.line(&line);
    }

    /// A scheduling cycle: the request for a filter, and for scores where more than one node is
    /// left.
    pub(crate) fn cycle(&mut self, world: &World, now: Time, pod: u32, offers: &[Offer]) {
        let name = |offer: &Offer| node_name(&world.pools[offer.pool as usize], offer.node);
        let names: Vec<String> = offers.iter().map(name).collect();
        let all = || offers.iter().zip(&names);
        let of = |feasible: bool| {
            let chosen = all().filter(move |(offer, _)| offer.verdict.feasible == feasible);
            chosen.map(|(_, name)| name.as_str()).collect::<Vec<_>>()
        };
        let (passed, failed) = (of(true), of(false));
        let pod = wire_pod(world, pod, self.numbers[pod as usize]);
        let request = |names: &[&str]| {
            let names = names.iter().map(|name| Text(Cow::Borrowed(name))).collect();
            let pod = Some(pod.clone());
            json!(ExtenderArgs { pod, nodes: None, node_names: Some(names) })
        };
        let every: Vec<&str> = names.iter().map(String::as_str).collect();
        let filter = json!({
            "kind": "filter", "at": now, "request": request(&every),
            "passed": passed, "failed": failed,
        });
        let scores: Vec<HostPriority<'_>> = all()
            .filter(|(offer, _)| offer.verdict.feasible)
            .map(|(offer, host)| {
                let score = offer.verdict.score.clamp(0, Verdict::MAX_SCORE);
                HostPriority { host, score }
            })
            .collect();
        let prioritize = (scores.len() > 1).then(|| {
            let request = request(&passed);
            json!({"kind": "prioritize", "at": now, "request": request, "scores": scores})
        });
        self.line(&filter);
        if let Some(prioritize) = prioritize {
            self.line(&prioritize);
        }
    }
}

fn intensity(value: GramsPerKwh, issue: Option<&Issue>, now: Time) -> ZoneIntensity {
    let points = issue.into_iter().flat_map(|issue| &issue.points);
    let forecast: Vec<ForecastPoint> = points
        .map(|(t, v)| ForecastPoint {
            t: *t,
            v: GramsPerKwh::saturating(*v),
            low: None,
            high: None,
        })
        .collect();
    ZoneIntensity {
        value,
        unit: ZoneIntensity::UNIT.to_owned(),
        signal: Default::default(),
        factor_set: "as simulated".to_owned(),
        observed_at: now,
        fetched_at: now,
        source: "simulator".to_owned(),
        is_estimated: false,
        confidence: 1.0,
        forecast_source: (!forecast.is_empty()).then(|| "simulator".to_owned()),
        forecast,
    }
}

fn threshold(value: GramsPerKwh, now: Time) -> ZoneThreshold {
    ZoneThreshold {
        value,
        base: value,
        adjustment: 0.0,
        previous: None,
        decided_at: now,
        mode: Mode::Enforce,
        policy: "simulator".to_owned(),
        policy_sha256: String::new(),
        reason: "as simulated".to_owned(),
    }
}

/// The pod as kube-scheduler sends it.
fn wire_pod(world: &World, pod: u32, number: u32) -> WirePod<'static> {
    let spec = &world.pods[pod as usize];
    let class = &world.classes[spec.class as usize];
    let mut wishes = vec![
        ("mode", Mode::Enforce.to_string()),
        ("expected-duration", spec.duration.to_string()),
        ("interruptible", class.interruptible.to_string()),
        ("migratable", class.migratable.to_string()),
    ];
    wishes.extend(spec.max_delay.map(|delay| ("max-delay", delay.to_string())));
    let annotation =
        |(key, value): (&str, String)| (Cow::Owned(format!("{PREFIX}{key}")), Cow::Owned(value));
    let cpu = Some(Text(Cow::Owned(spec.requests.cpu.to_string())));
    let container = Container { resources: ContainerResources { requests: CpuAmount { cpu } } };
    WirePod {
        metadata: PodMetadata {
            name: format!("{}-{number}", class.name).into(),
            namespace: "simulated".into(),
            uid: format!("pod-{pod}").into(),
            creation_timestamp: Some(spec.arrival),
            annotations: Annotations(wishes.into_iter().map(annotation).collect()),
        },
        spec: PodSpec { containers: vec![container], init_containers: Vec::new() },
    }
}
