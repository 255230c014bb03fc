//! Rules, alerts and dashboards in a real Prometheus that scrapes the running programs.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use carbon_kube_core::cluster::{INTENSITY, STATUS};
use carbon_kube_e2e::apply::apply;
use carbon_kube_e2e::cluster::{self, Cluster, ClusterOptions, Need};
use carbon_kube_e2e::dashboard_picture::{self, Panel, Series};
use carbon_kube_e2e::extender::{self, RunningExtender, config_map, publish_grid, publish_policy};
use carbon_kube_e2e::grid_source::GridSource;
use carbon_kube_e2e::nodes::{self, FakeNode};
use carbon_kube_e2e::poller::RunningPoller;
use carbon_kube_e2e::process::{Process, Program, free_port};
use carbon_kube_e2e::scheduler::{self, Configuration};
use carbon_kube_e2e::{monitoring, tools, wait};
use carbon_kube_policies::file::{ACTOR, sha256};
use carbon_kube_policies::network;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

/// For what takes a second or two on an idle machine.
const SOON: Duration = Duration::from_secs(60);

/// What dashboards and rules may ask for without an answer here: what is the controller's, and rates of
/// failure of a source whose requests did not rise while Prometheus looked, being asked once in many minutes.
const AWAITED: [&str; 2] = ["carbonkube_migrations_total", "carbonkube_source_requests_total"];

/// The jobs' names that the chart gives them.
const EXTENDER: &str = "carbon-kube-extender";
const POLLER: &str = "carbon-kube-poller";

/// Zones that the poller asks its source about; no node is in them.
const POLLED: [&str; 2] = ["EU-DE", "US-TX"];

/// Zones with intensity and threshold: dirty everywhere, then clean in France.
const DIRTY: [(&str, f64, f64); 2] = [("US-CA", 300.0, 200.0), ("EU-FR", 90.0, 60.0)];
const CLEAN: [(&str, f64, f64); 2] = [("US-CA", 300.0, 200.0), ("EU-FR", 40.0, 60.0)];

/// Whether a program of the Debian package is missing; if so, says it.
fn lacks(test: &str, program: &str) -> bool {
    let missing = Command::new(program).arg("--version").output().is_err();
    if missing {
        tools::skip(test, &format!("{program} is not installed: e2e/tools/prometheus does it"));
    }
    missing
}

#[test]
fn promtool_finds_no_fault_and_every_alert_fires_and_stops() {
    if lacks("promtool_finds_no_fault_and_every_alert_fires_and_stops", "promtool") {
        return;
    }
    // `every_alert_is_made_to_fire_and_to_stop` (chart_files) holds that the file has them all.
    for arguments in [
        &["check", "rules", "recording.yaml", "alerts.yaml", "high-intensity.yaml"][..],
        &["test", "rules", "alerts.test.yaml"],
    ] {
        let mut promtool = Command::new("promtool");
        let output = promtool.args(arguments).current_dir(monitoring::rules_folder()).output();
        let output = output.unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    }
}

/// A program that Prometheus scrapes, under the job's name that the chart gives it.
struct Target {
    job: &'static str,
    address: String,
    /// What else the job needs.
    more: Value,
}

/// A running Prometheus. It ends when it is dropped.
struct Prometheus {
    process: Process,
    url: String,
    http: reqwest::Client,
}

impl Prometheus {
    async fn start(folder: &Path, targets: &[Target]) -> Self {
        let port = free_port().unwrap();
        let files = monitoring::RULE_FILES.map(|file| {
            let text = fs::read_to_string(monitoring::rules_folder().join(file)).unwrap();
            // A group of its own pace would make its first round up to a minute late.
            let path = folder.join(file);
            fs::write(&path, text.replace("    interval: 1m\n", "")).unwrap();
            path
        });
        let jobs = targets.iter().map(|target| {
            let mut job = target.more.clone();
            job["job_name"] = target.job.into();
            job["static_configs"] = json!([{"targets": [target.address]}]);
            job
        });
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": files,
            "scrape_configs": jobs.collect::<Vec<_>>(),
        });
        let path = folder.join("prometheus.yaml");
        fs::write(&path, config.to_string()).unwrap();
        let arguments = [
            format!("--config.file={}", path.display()),
            format!("--storage.tsdb.path={}", folder.join("tsdb").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let program = Program::new("prometheus", "prometheus", arguments);
        let process = Process::start(program, folder).unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut prometheus = Self { process, url: format!("http://127.0.0.1:{port}"), http };
        // Counters that rise before the first look would not be seen to rise.
        let what = "every target was looked at";
        wait::until(what, SOON, async || {
            prometheus.process.expect_running()?;
            let up = prometheus.query("up == 1").await.map_err(anyhow::Error::msg)?;
            Ok((up.len() == targets.len()).then_some(()))
        })
        .await
        .unwrap();
        prometheus
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let url = format!("{}/api/v1/{path}", self.url);
        Ok(self.http.get(url).send().await?.json().await?)
    }

    /// The values of an instant query.
    async fn query(&self, expression: &str) -> Result<Vec<f64>, String> {
        let results = self.results("query", &[("query", expression)]).await?;
        let value = |row: &Value| row["value"][1].as_str().unwrap().parse().unwrap();
        Ok(results.iter().map(value).collect())
    }

    /// The results of a query, by `query` or `query_range`.
    async fn results(&self, by: &str, parts: &[(&str, &str)]) -> Result<Vec<Value>, String> {
        let mut url = reqwest::Url::parse(&format!("{}/api/v1/{by}", self.url)).unwrap();
        url.query_pairs_mut().extend_pairs(parts);
        let sent = self.http.get(url).send().await.map_err(|error| error.to_string())?;
        let answer: Value = sent.json().await.map_err(|error| error.to_string())?;
        if answer["status"] != "success" {
            return Err(answer["error"].to_string());
        }
        Ok(answer["data"]["result"].as_array().unwrap().clone())
    }
}

/// A cluster with an extender and a scheduler, which have work to do, and a poller with a source.
struct World {
    cluster: Cluster,
    extender: RunningExtender,
    poller: RunningPoller,
    _source: GridSource,
    pods: Api<Pod>,
    /// How many pods were asked about.
    asked: u64,
}

impl World {
    async fn start() -> Self {
        let options = ClusterOptions { controller_manager: false, ..ClusterOptions::default() };
        let mut cluster = Cluster::start(options).await.unwrap();
        let client = cluster.client();
        extender::install(&client).await.unwrap();
        let mut some = FakeNode::numbered(4);
        for (i, node) in some.iter_mut().enumerate() {
            let zone = if i % 2 == 0 { "US-CA" } else { "EU-FR" };
            *node = node.clone().with_label("carbon-kube.io/grid-zone", zone);
        }
        nodes::create(&client, &some).await.unwrap();
        publish_policy(&client, "kind: percentile").await.unwrap();
        // What the tuner job leaves: it has ended long before anybody scrapes it.
        let status = include_str!("../../core/tests/documents/status.json");
        apply(&client, [config_map(STATUS, status)]).await.unwrap();
        let decisions = "decisions: {retryInterval: 1s}";
        let extender = RunningExtender::start(&cluster, "extender", decisions).await.unwrap();
        let entry = scheduler::Extender::recommended(extender.url());
        let configuration = Configuration { extender: Some(entry), ..Configuration::default() };
        cluster.start_scheduler(&configuration).await.unwrap();
        let source = GridSource::start().await;
        let poller = Self::poller(cluster.folder(), &source).await;
        let pods = Api::default_namespaced(client);
        Self { cluster, extender, poller, _source: source, pods, asked: 0 }
    }

    /// A poller with a tuner that shifts a threshold of 250 g/kWh by 50 tanh(0.25), and would like to know
    /// how busy the nodes are. It writes files: the grid of the cluster is the test's.
    async fn poller(folder: &Path, source: &GridSource) -> RunningPoller {
        let actor = network::to_bytes(1, &[(vec![1.0], vec![0.25])]).unwrap();
        let policy = json!({
            "version": 1, "name": "tuned", "kind": "tuner",
            "tuner": {
                "base": {"threshold": {"gramsPerKwh": 250}}, "controlMinutes": 5,
                "observation": {"version": 1,
                    "inputs": [{"name": "powerRatio", "mean": 0.5, "min": 0, "max": 1}]},
                "actorSha256": sha256(&actor),
            },
        });
        let tuned = folder.join("tuned");
        fs::create_dir(&tuned).unwrap();
        fs::write(tuned.join("policy.yaml"), policy.to_string()).unwrap();
        fs::write(tuned.join(ACTOR), actor).unwrap();
        let sections = format!(
            "{{interval: 1m, providers: {}, policy: {{folder: {}}}}}",
            source.providers(&POLLED),
            tuned.display()
        );
        let poller =
            RunningPoller::start_without_cluster(folder, "poller", &sections).await.unwrap();
        let written = async || {
            let metrics = poller.metrics().await?;
            let result = "carbonkube_poller_cycles_total{result=\"written\"}";
            Ok(metrics.contains(result).then_some(()))
        };
        wait::until("the poller has written", SOON, written).await.unwrap();
        poller
    }

    /// The programs that are scraped. A new one is a line here, and its metrics go from [`AWAITED`].
    fn targets(&self) -> Vec<Target> {
        let (port, identity) = self.cluster.scheduler_endpoint().unwrap();
        let tls = json!({"scheme": "https", "tls_config": {"insecure_skip_verify": true,
            "cert_file": identity.certificate, "key_file": identity.key}});
        let scheduler = format!("127.0.0.1:{port}");
        vec![
            Target { job: EXTENDER, address: self.extender.metrics_address(), more: json!({}) },
            Target { job: POLLER, address: self.poller.metrics_address(), more: json!({}) },
            Target { job: "carbon-kube-scheduler", address: scheduler, more: tls },
        ]
    }

    async fn grid(&self, zones: &[(&str, f64, f64)]) {
        self.adjusted_grid(zones, -12.5).await;
    }

    async fn adjusted_grid(&self, zones: &[(&str, f64, f64)], adjustment: f64) {
        let (intensity, mut threshold) = extender::grid(zones).unwrap();
        for entry in threshold.zones.values_mut() {
            entry.adjustment = adjustment;
        }
        publish_grid(&self.cluster.client(), &intensity, &threshold).await.unwrap();
        let first = format!("estimated=\"false\"}} {}", zones[1].1);
        let known = async || Ok(self.extender.metrics().await?.contains(&first).then_some(()));
        wait::until("the extender knows the grid", SOON, known).await.unwrap();
    }

    /// What kube-scheduler would send about a pod that may wait, or may not.
    fn request(uid: u64, node: &str) -> Value {
        let created = jiff::Timestamp::now().to_string();
        let annotations = json!({"carbon-kube.io/mode": "enforce", "carbon-kube.io/max-delay": "6h",
            "carbon-kube.io/expected-duration": "2h"});
        json!({
            "NodeNames": [node, "node-0001"],
            "Pod": {
                "metadata": {"name": format!("p-{uid}"), "namespace": "batch", "uid": uid.to_string(),
                    "creationTimestamp": created, "annotations": annotations},
                "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]},
            },
        })
    }

    /// Asks about so many pods, one after the other, and about one node that nobody knows.
    async fn ask(&mut self, pods: u64) {
        for uid in self.asked..self.asked + pods {
            let request = Self::request(uid, "node-0000");
            for verb in ["filter", "prioritize"] {
                self.extender.ask(verb, &request).await.unwrap();
            }
        }
        self.asked += pods;
        self.extender.ask("filter", &Self::request(self.asked, "ghost")).await.unwrap();
        // Not JSON: refused, and counted.
        assert!(self.extender.ask("filter", &Value::Null).await.is_err());
    }

    async fn create(&self, name: &str) {
        let pod = serde_json::from_value(json!({
            "metadata": {"name": name, "annotations": {"carbon-kube.io/mode": "enforce"}},
            "spec": {"automountServiceAccountToken": false,
                "containers": [{"name": "c", "image": "none",
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]},
        }))
        .unwrap();
        self.pods.create(&PostParams::default(), &pod).await.unwrap();
    }

    /// Some seconds of everything that is measured, while Prometheus looks.
    async fn work(&mut self) {
        self.grid(&DIRTY).await;
        self.ask(20).await;
        let client = self.cluster.client();
        apply(&client, [config_map(INTENSITY, "no JSON")]).await.unwrap();
        self.grid(&CLEAN).await;
        // The pods that were held are asked about again, and may go.
        self.asked = 0;
        for second in 0..12 {
            self.ask(10).await;
            self.create(&format!("pod-{second}")).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// How long the pictures' grids take from clean to clean, in seconds, and how long the pictures show.
const CYCLES: [f64; 2] = [60.0, 90.0];
const SHOWN: u64 = 180;

impl World {
    /// Grids that get clean and dirty in minutes instead of days, and pods that come all the time: those that
    /// are refused everywhere are asked about again each second.
    async fn days_in_minutes(&mut self) {
        let (start, mut waiting) = (Instant::now(), Vec::new());
        for second in 0..SHOWN {
            if second % 2 == 0 {
                let wave = |cycle: f64| (second as f64 * std::f64::consts::TAU / cycle).sin();
                let value = |mean: f64, swing: f64, cycle| (mean + swing * wave(cycle)).round();
                let adjustment = (12.0 * wave(CYCLES[0] + CYCLES[1])).round();
                let zones = [
                    ("US-CA", value(260.0, 80.0, CYCLES[0]), 220.0 + adjustment),
                    ("EU-FR", value(60.0, 30.0, CYCLES[1]), 55.0 + adjustment),
                ];
                self.adjusted_grid(&zones, adjustment).await;
            }
            waiting.extend(self.asked..self.asked + 5);
            self.asked += 5;
            let mut held = Vec::new();
            for uid in waiting.drain(..) {
                let request = Self::request(uid, "node-0000");
                let answer = self.extender.ask("filter", &request).await.unwrap();
                if answer["NodeNames"].as_array().is_none_or(Vec::is_empty) {
                    held.push(uid);
                } else {
                    self.extender.ask("prioritize", &request).await.unwrap();
                }
            }
            waiting = held;
            self.create(&format!("pod-{second}")).await;
            let next = start + Duration::from_secs(second + 1);
            tokio::time::sleep_until(next.into()).await;
        }
    }
}

/// Draws what the dashboards show of three minutes, by their own queries, into the book's pictures.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "three minutes, and writes into docs/pictures: `make dashboards`"]
async fn the_dashboards_are_drawn() {
    let needs = [Need::OwnApiServer, Need::OwnScheduler];
    let name = "the_dashboards_are_drawn";
    assert!(
        !lacks(name, "prometheus") && !cluster::skips(name, &needs),
        "there is nothing to draw"
    );
    let mut world = World::start().await;
    let prometheus = Prometheus::start(world.cluster.folder(), &world.targets()).await;
    let seconds = || jiff::Timestamp::now().as_millisecond() as f64 / 1_000.0;
    let start = seconds().floor();
    world.days_in_minutes().await;
    let span = (start, seconds().floor());
    let [from, to] = [span.0, span.1].map(|at| at.to_string());
    let range = format!("{SHOWN}s");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    for (file, dashboard) in monitoring::dashboards().unwrap() {
        let mut panels = Vec::new();
        for panel in monitoring::panels(&dashboard) {
            let mut series = Vec::new();
            for target in panel["targets"].as_array().unwrap() {
                let query = target["expr"].as_str().unwrap();
                let query = monitoring::with_intervals(query, "10s", &range);
                let results = if panel["type"] == "timeseries" {
                    let parts = [("query", &*query), ("start", &from), ("end", &to), ("step", "1")];
                    prometheus.results("query_range", &parts).await
                } else {
                    prometheus.results("query", &[("query", &query), ("time", &to)]).await
                };
                let legend = target["legendFormat"].as_str().unwrap_or_default();
                series.extend(results.unwrap().iter().map(|result| Series::of(result, legend)));
            }
            panels.push(Panel { panel, series });
        }
        let note = "Plots of this dashboard's queries, answered by Prometheus; not Grafana.";
        let picture = dashboard_picture::draw(&dashboard, &panels, span, note);
        fs::write(folder.join(file.replace(".json", ".svg")), picture).unwrap();
    }
}

fn is_awaited(series: &BTreeSet<String>) -> bool {
    let awaited = |name: &String| AWAITED.iter().any(|part| name.contains(part));
    series.iter().any(awaited)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_and_rule_returns_data_of_the_running_programs() {
    let name = "every_query_and_rule_returns_data_of_the_running_programs";
    let needs = [Need::OwnApiServer, Need::OwnScheduler];
    if lacks(name, "prometheus") || cluster::skips(name, &needs) {
        return;
    }
    let mut world = World::start().await;
    let prometheus = Prometheus::start(world.cluster.folder(), &world.targets()).await;
    world.work().await;

    // Two rounds of rules that build on rules.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let rules = prometheus.get("rules").await.unwrap();
    let groups = rules["data"]["groups"].as_array().unwrap();
    let loaded: Vec<&Value> =
        groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    let expected = monitoring::rules().unwrap();
    assert_eq!(loaded.len(), expected.len());
    for rule in loaded {
        assert_eq!(rule["health"], "ok", "{rule:#}");
    }

    let (mut answered, mut awaited, mut problems) = (0, 0, Vec::new());
    let recorded = expected.iter().filter(|rule| !rule.is_alert);
    let queries = monitoring::queries().unwrap();
    let asked = recorded
        .map(|rule| (rule.name.clone(), rule.name.clone(), monitoring::series_in(&rule.expression)))
        .chain(queries.iter().map(|query| {
            let series = monitoring::series_in(&query.expression);
            (query.place.clone(), monitoring::without_variables(&query.expression), series)
        }));
    for (place, expression, series) in asked {
        match prometheus.query(&expression).await {
            Err(problem) => problems.push(format!("{place}: {problem}\n  {expression}")),
            Ok(values) if values.iter().any(|value| value.is_finite()) => answered += 1,
            Ok(_) if is_awaited(&series) => awaited += 1,
            Ok(values) => problems.push(format!("{place}: {values:?}\n  {expression}")),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    eprintln!("{answered} queries and rules return data, {awaited} wait for a program");
    assert!(answered > 50, "{answered}");

    every_documented_metric_was_scraped(&prometheus).await;
    a_clean_grid_saved_carbon(&prometheus).await;
}

/// `docs/metrics.md` has what Prometheus sees of the extender and of the poller, and nothing else.
async fn every_documented_metric_was_scraped(prometheus: &Prometheus) {
    let page = include_str!("../../docs/metrics.md");
    for (job, heading, least) in [(EXTENDER, "\n## Extender\n", 20), (POLLER, "\n## Poller\n", 15)]
    {
        let (_, section) = page.split_once(heading).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let names =
            prometheus.get(&format!("label/__name__/values?match[]={{job=\"{job}\"}}")).await;
        let names: Vec<String> = serde_json::from_value(names.unwrap()["data"].clone()).unwrap();
        let scraped: BTreeSet<&str> = names
            .iter()
            .filter(|name| name.starts_with("carbonkube_"))
            .map(|name| monitoring::metric_of(name))
            .collect();
        for metric in &scraped {
            assert!(section.contains(&format!("| `{metric}` |")), "{metric} is not documented");
        }
        assert!(scraped.len() >= least, "{scraped:?}");
    }
}

/// The figures mean something: work that waited for France ran on 40 g/kWh instead of on 90 and 300.
async fn a_clean_grid_saved_carbon(prometheus: &Prometheus) {
    let value = async |expression: &str| prometheus.query(expression).await.unwrap()[0];
    let emitted = value("sum(carbonkube_emissions_grams_total)").await;
    let without = value("sum(carbonkube_counterfactual_emissions_grams_total)").await;
    assert!(emitted < without, "{emitted} {without}");
    let kilowatt_hours = value("sum(carbonkube_energy_joules_total) / 3.6e6").await;
    let efficiency = emitted / kilowatt_hours;
    assert!((efficiency - 40.0).abs() < 1e-6, "{efficiency} g/kWh");
}
