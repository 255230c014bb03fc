//! What is simulated is what happens: one scenario in the simulator and on a real scheduler with
//! the extender, compared pod by pod.
//!
//! The scenario's clock is the wall's: a step of the grid is ten seconds long, and the test plays
//! the poller. A report per case, a row per pod, is written to `target/tmp/parity-*.csv`.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use carbon_kube_core::documents::{IntensityDocument, ThresholdDocument};
use carbon_kube_core::{GramsPerKwh, Span, Time};
use carbon_kube_e2e::cluster::{self, Cluster, ClusterOptions, Need};
use carbon_kube_e2e::extender::{self, RunningExtender, publish_grid, publish_policy};
use carbon_kube_e2e::kubelet::{Kubelet, RUNS_FOR};
use carbon_kube_e2e::nodes::{self, FakeNode};
use carbon_kube_e2e::scheduler::{self, Configuration};
use carbon_kube_policies::{Policy, Settings};
use carbon_kube_sim::engine::{self, Hooks};
use carbon_kube_sim::outcome::{Outcome, PodOutcome};
use carbon_kube_sim::recorder::{self, POOL_LABEL};
use carbon_kube_sim::scenario;
use carbon_kube_sim::scenario::spec::PolicyEntry;
use carbon_kube_sim::world::{Pool, World};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::json;

/// Length of a step of the grid, and of a control interval.
const STEP: Duration = Duration::from_secs(10);

/// The longest that a refused pod is left alone: the scheduler's longest back-off, for something
/// happens all the time.
const RETRY: Duration = Duration::from_secs(10);

/// What a machine that does other things too may be late, beyond the scheduler's own times.
const SLACK: Duration = Duration::from_secs(5);

/// At least so many of the pods must end in the simulated zone and kind of node.
const LEAST_AGREEMENT: f64 = 0.99;

/// One scenario.
struct Case {
    name: &'static str,
    /// A policy of the scenario, which is a rule of the policy file.
    policy: &'static str,
    rule: &'static str,
    /// Ten nodes, or a hundred times as many.
    times: u32,
    /// g/kWh per step in France, Germany and Texas; the last one lasts.
    grid: [&'static [f64]; 3],
}

/// Only one zone is under 250 g/kWh at a time, and from 10 s to 30 s and 50 s to 60 s none is.
const TURNS: [&[f64]; 3] = [
    &[100.0, 400.0, 400.0, 400.0, 400.0, 400.0, 400.0],
    &[400.0, 500.0, 500.0, 200.0, 200.0, 500.0, 400.0],
    &[600.0, 600.0, 600.0, 600.0, 600.0, 600.0, 150.0],
];

/// Each zone is the cleanest for a while.
const CLEANEST: [&[f64]; 3] = [
    &[50.0, 50.0, 600.0, 600.0, 400.0, 400.0],
    &[400.0, 400.0, 60.0, 60.0, 900.0, 900.0],
    &[600.0, 600.0, 500.0, 500.0, 40.0, 40.0],
];

const THRESHOLD: &str = "kind: threshold\nsettings: {gramsPerKwh: 250}";

#[tokio::test(flavor = "multi_thread")]
async fn ten_nodes_hold_and_place_as_simulated() {
    let policy = "threshold: {gramsPerKwh: 250}";
    let grid = TURNS;
    check(Case { name: "holding-10", policy, rule: THRESHOLD, times: 1, grid }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_nodes_are_scored_as_simulated() {
    let (policy, rule, grid) = ("lowest-zone", "kind: lowest-zone", CLEANEST);
    check(Case { name: "scoring-10", policy, rule, times: 1, grid }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_nodes_hold_and_place_as_simulated() {
    let policy = "threshold: {gramsPerKwh: 250}";
    let grid = TURNS;
    check(Case { name: "holding-1000", policy, rule: THRESHOLD, times: 100, grid }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_nodes_are_scored_as_simulated() {
    let (policy, rule, grid) = ("lowest-zone", "kind: lowest-zone", CLEANEST);
    check(Case { name: "scoring-1000", policy, rule, times: 100, grid }).await;
}

async fn check(case: Case) {
    let test = format!("parity {}", case.name);
    if cluster::skips(&test, &[Need::OwnScheduler]) {
        return;
    }
    let mut run = Run::prepare(&case).await;
    let simulated = run.simulate();
    let pods = run.play(&case).await;
    let report = Report::new(&run, &simulated, &pods);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("parity-{}.csv", case.name));
    std::fs::write(&path, report.csv(&run.extender).await).unwrap();
    eprintln!("{}: {}; {}", case.name, report.summary(), path.display());
    assert!(report.agreement() >= LEAST_AGREEMENT, "{}", report.summary());
    let latest = report.latest();
    assert!(latest <= RETRY + SLACK, "{latest:?} apart: {}", path.display());
}

/// A case in the simulator and in a cluster.
struct Run {
    cluster: Cluster,
    extender: RunningExtender,
    kubelet: Kubelet,
    world: World,
    settings: Settings,
    /// The first instant of the scenario on both clocks.
    start: (Time, Instant),
}

impl Run {
    async fn prepare(case: &Case) -> Self {
        let options = ClusterOptions { controller_manager: false, ..ClusterOptions::default() };
        let mut cluster = Cluster::start(options).await.unwrap();
        let client = cluster.client();
        extender::install(&client).await.unwrap();
        // The world first: its pools are the nodes.
        let (world, _) = world(case, now());
        nodes::create(&client, &world.pools.iter().flat_map(fake_nodes).collect::<Vec<_>>())
            .await
            .unwrap();
        publish_policy(&client, case.rule).await.unwrap();
        let sections = recorder::configuration(&world).to_string();
        let extender = RunningExtender::start(&cluster, "extender", &sections).await.unwrap();
        let mut asked = scheduler::Extender::recommended(extender.url());
        asked.weight = 5;
        let configuration = Configuration { extender: Some(asked), ..Configuration::default() };
        cluster.start_scheduler(&configuration).await.unwrap();
        let kubelet = Kubelet::start(client);
        // On the grid of the control interval, a few seconds from now.
        let at = now().ceil(Span::from_millis(10_000)) + Span::SECOND * 10;
        let (world, settings) = world_at(case, at);
        let instant = Instant::now() + until(at);
        Self { cluster, extender, kubelet, world, settings, start: (at, instant) }
    }

    fn simulate(&self) -> Outcome {
        let stop = AtomicBool::new(false);
        let hooks = Hooks { stop: &stop, progress: &|_| {}, events: None, decisions: None };
        engine::run(&self.world, self.settings.policy(), "simulated", hooks).unwrap()
    }

    /// Creates the pods and publishes the grid as time goes by; where each pod went, and when.
    async fn play(&mut self, case: &Case) -> BTreeMap<String, Real> {
        let client = self.cluster.client();
        let steps = case.grid[0].len() as u32;
        let poller = async {
            for step in 0..steps {
                let due = self.start.1 + STEP * step;
                tokio::time::sleep_until(due.into()).await;
                self.publish(&client, step).await;
            }
        };
        let names = self.names();
        let pods: Api<Pod> = Api::default_namespaced(client.clone());
        let creations = (0..self.world.pods.len()).map(|i| {
            let pod = self.pod(i, &names[i]);
            let arrival = self.world.pods[i].arrival - self.start.0;
            let due = self.start.1 + Duration::from_millis(arrival.millis() as u64);
            let pods = pods.clone();
            async move {
                tokio::time::sleep_until(due.into()).await;
                pods.create(&PostParams::default(), &pod).await.unwrap();
            }
        });
        tokio::join!(poller, join_all(creations));
        let all = self.world.pods.len();
        let finished = self.kubelet.finished(all, Duration::from_secs(120), |_| true).await;
        let finished = finished.unwrap();
        let real = finished.into_iter().map(|pod| {
            let pool = pod.node.rsplit_once('-').unwrap().0.to_owned();
            let start = pod.bound.saturating_duration_since(self.start.1);
            (pod.name, Real { pool, start })
        });
        real.collect()
    }

    /// Intensity and threshold of a step, as the simulated control loop sees them.
    async fn publish(&self, client: &Client, step: u32) {
        let at = self.start.0 + Span::from_millis(i64::from(step) * STEP.as_millis() as i64);
        let (mut intensity, mut threshold) = extender::grid(&[]).unwrap();
        for zone in &self.world.zones {
            let value = zone.series.at(at).unwrap();
            let of = |policy: &dyn Policy| {
                policy.threshold(&carbon_kube_core::forecast::History::new(&zone.series, at))
            };
            let decided = of(self.settings.policy());
            let name = zone.zone.as_str();
            let grams = |value: GramsPerKwh| value.get();
            let one = extender::grid(&[(name, grams(value), decided.map_or(0.0, grams))]).unwrap();
            intensity.zones.extend(one.0.zones);
            if decided.is_some() {
                threshold.zones.extend(one.1.zones);
            }
        }
        let intensity = IntensityDocument::new(intensity.zones);
        let threshold = ThresholdDocument::new(threshold.zones);
        publish_grid(client, &intensity, &threshold).await.unwrap();
    }

    fn names(&self) -> Vec<String> {
        let numbers = self.world.pod_numbers();
        let class = |i: usize| &self.world.classes[self.world.pods[i].class as usize].name;
        (0..numbers.len()).map(|i| format!("{}-{}", class(i), numbers[i])).collect()
    }

    /// The simulated pod as a manifest.
    fn pod(&self, i: usize, name: &str) -> Pod {
        let spec = &self.world.pods[i];
        let class = &self.world.classes[spec.class as usize];
        let mut annotations = BTreeMap::from([
            ("carbon-kube.io/mode".to_owned(), "enforce".to_owned()),
            (RUNS_FOR.to_owned(), spec.duration.to_string()),
        ]);
        annotations
            .extend(spec.max_delay.map(|d| ("carbon-kube.io/max-delay".to_owned(), d.to_string())));
        let requests = json!({
            "cpu": spec.requests.cpu.to_string(), "memory": spec.requests.memory.to_string(),
        });
        serde_json::from_value(json!({
            "metadata": {"name": name, "annotations": annotations},
            "spec": {
                "automountServiceAccountToken": false,
                "nodeSelector": class.node_selector,
                "containers": [{"name": "c", "image": "none",
                    "resources": {"requests": requests}}],
            },
        }))
        .unwrap()
    }
}

/// Where a pod went, and when it was bound after the start.
#[derive(Clone, Debug)]
struct Real {
    pool: String,
    start: Duration,
}

/// One pod in both worlds.
struct Row {
    name: String,
    arrival: f64,
    simulated: (String, f64),
    real: (String, f64),
}

struct Report(Vec<Row>);

impl Report {
    fn new(run: &Run, simulated: &Outcome, real: &BTreeMap<String, Real>) -> Self {
        let seconds = |at: Time| (at - run.start.0).seconds();
        let names = run.names();
        let row = |(i, outcome): (usize, &PodOutcome)| {
            let pool = &run.world.pools[outcome.pool.unwrap() as usize].name;
            let real = &real[&names[i]];
            Row {
                name: names[i].clone(),
                arrival: seconds(run.world.pods[i].arrival),
                simulated: (pool.clone(), seconds(outcome.start.unwrap())),
                real: (real.pool.clone(), real.start.as_secs_f64()),
            }
        };
        Self(simulated.pods.iter().enumerate().map(row).collect())
    }

    fn agreement(&self) -> f64 {
        let same = self.0.iter().filter(|row| row.simulated.0 == row.real.0).count();
        same as f64 / self.0.len() as f64
    }

    /// The largest difference between the two starts of a pod.
    fn latest(&self) -> Duration {
        let apart = |row: &Row| (row.simulated.1 - row.real.1).abs();
        Duration::from_secs_f64(self.0.iter().map(apart).fold(0.0, f64::max))
    }

    fn summary(&self) -> String {
        let waited = self.0.iter().filter(|row| row.simulated.1 - row.arrival > 1.0).count();
        format!(
            "{} pods, {waited} of them held; {:.1} % in the simulated zone and kind of node; starts \
             at most {:.1} s apart",
            self.0.len(),
            self.agreement() * 100.0,
            self.latest().as_secs_f64()
        )
    }

    /// A row per pod; those that differ with the last thing that the extender said of them.
    async fn csv(&self, extender: &RunningExtender) -> String {
        let mut text = "pod,arrival_s,simulated_pool,real_pool,simulated_start_s,real_start_s,\
                        difference_s,explanation\n"
            .to_owned();
        for row in &self.0 {
            let difference = row.real.1 - row.simulated.1;
            let differs = row.simulated.0 != row.real.0 || difference.abs() > 1.0;
            let explanation =
                if differs { explain(extender, &row.name).await } else { String::new() };
            writeln!(
                text,
                "{},{:.2},{},{},{:.2},{:.2},{difference:.2},\"{}\"",
                row.name,
                row.arrival,
                row.simulated.0,
                row.real.0,
                row.simulated.1,
                row.real.1,
                explanation.replace('"', "'")
            )
            .unwrap();
        }
        text
    }
}

/// How often the pod was asked about, and what was said last.
async fn explain(extender: &RunningExtender, pod: &str) -> String {
    let decisions = extender.explain("default", pod).await.unwrap_or_default();
    let refused = decisions.iter().filter(|d| d["outcome"] == "refused-all").count();
    let last = decisions.first().cloned().unwrap_or_default();
    let nodes = last["nodes"].as_array().cloned().unwrap_or_default();
    let zones = nodes.iter().map(|class| {
        format!("{} {} g/kWh score {}", class["zone"], class["gramsPerKwh"], class["score"])
    });
    format!(
        "refused {refused} times; last asked at {} ({}): {}",
        last["at"],
        last["verb"],
        zones.collect::<Vec<_>>().join(", ")
    )
}

fn now() -> Time {
    Time::from_millis(jiff::Timestamp::now().as_millisecond())
}

fn until(at: Time) -> Duration {
    Duration::from_millis((at - now()).millis().max(0) as u64)
}

fn fake_nodes(pool: &Pool) -> Vec<FakeNode> {
    let size = (pool.allocatable.cpu.to_string(), pool.allocatable.memory.to_string());
    (0..pool.count)
        .map(|i| {
            let node = FakeNode::new(format!("{}-{i}", pool.name))
                .with_size(&size.0, &size.1, pool.max_pods)
                .with_label(POOL_LABEL, &pool.name);
            pool.labels.iter().fold(node, |node, (key, value)| node.with_label(key, value))
        })
        .collect()
}

fn world(case: &Case, start: Time) -> (World, Settings) {
    world_at(case, start.floor(Span::from_millis(10_000)))
}

/// Ten nodes (times a hundred) in four pools and three grids; 300 pods in 60 seconds, of which
/// two thirds may wait anywhere, some in France only, and the rest goes to a pool of its own at
/// once. No pod arrives within half a second of a step, so that no race decides.
fn world_at(case: &Case, start: Time) -> (World, Settings) {
    let steps = |values: &[f64]| {
        let last = *values.last().unwrap();
        let lasting = values.iter().copied().chain(std::iter::repeat(last)).take(90);
        let texts: Vec<String> = lasting.map(|value| value.to_string()).collect();
        texts.join(", ")
    };
    let zone = |(name, values): (&str, &&[f64])| {
        let values = steps(values);
        format!("{{zone: {name}, source: {{steps: {{step: 10s, gramsPerKwh: [{values}]}}}}}}")
    };
    let zones: Vec<String> =
        ["EU-FR", "EU-DE", "US-TX"].into_iter().zip(&case.grid).map(zone).collect();
    let pool = |name: &str, zone: &str, count: u32, busy: u32| {
        format!(
            "    - {{name: {name}, zone: {zone}, count: {}, allocatable: {{cpu: 64, memory: 256Gi}}, \
             maxPods: 250, power: {{idleWatts: 100, busyWatts: {busy}}}, topologyZone: {name}, \
             region: {name}, labels: {{{POOL_LABEL}: {name}}}}}\n",
            count * case.times
        )
    };
    // Germany has a second kind of node in the scored cases: half the watts.
    let pools = match case.policy {
        "lowest-zone" => [
            pool("fr", "EU-FR", 3, 500),
            pool("de", "EU-DE", 2, 500),
            pool("de-new", "EU-DE", 2, 300),
            pool("tx", "US-TX", 3, 500),
        ]
        .concat(),
        _ => {
            [pool("fr", "EU-FR", 3, 500), pool("de", "EU-DE", 4, 500), pool("tx", "US-TX", 3, 500)]
                .concat()
        }
    };
    let pods = |first: u32, every: u32, rest: &str| {
        let arrival = |i: u32| {
            let millis = 600 + 200 * (first + every * i);
            let into = millis % 10_000;
            if into < 600 { millis - into + 600 } else { millis.min(millis - into + 9_400) }
        };
        let pod = |i: u32| {
            let (length, cpu) = (5 + i % 9, ["500m", "1"][i as usize % 2]);
            format!(
                "{{arrival: {}ms, duration: {length}s, cpu: {cpu}, memory: 1Gi{rest}}}",
                arrival(i)
            )
        };
        (0..300 / every).map(pod).collect::<Vec<_>>().join(", ")
    };
    let at = |pool: &str| format!("template: {{spec: {{nodeSelector: {{{POOL_LABEL}: {pool}}}}}}}");
    let text = format!(
        "apiVersion: carbon-kube.io/v1alpha1
kind: Scenario
metadata: {{name: parity-{}}}
spec:
  start: {start}
  duration: 10m
  seed: 5
  grid: {{zones: [{}]}}
  nodePools:
{pools}  workloads:
    - {{name: flexible, pods: [{}]}}
    - {{name: also, pods: [{}]}}
    - {{name: short, pods: [{}], {}}}
    - {{name: now, pods: [{}], {}}}
  scheduler: {{controlInterval: 10s, placeWeight: 5, holding: filter, retryInterval: {}s,
    percentageOfNodesToScore: 0}}
  policies: [default-scheduler, {}]
",
        case.name,
        zones.join(", "),
        pods(0, 3, ", maxDelay: 5m"),
        pods(1, 3, ", maxDelay: 4m"),
        pods(2, 30, ", maxDelay: 25s"),
        at("fr"),
        pods(5, 3, ""),
        at("tx"),
        RETRY.as_secs(),
        case.policy,
    );
    let parsed = scenario::parse(text.as_bytes(), "parity.yaml", &[])
        .unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    let PolicyEntry::Rule(settings) = parsed.spec.spec.policies[1].clone() else {
        panic!("a rule is written there");
    };
    let world = scenario::build(&parsed, Path::new("."))
        .unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    (world, settings)
}
