//! How many pods a second a real scheduler places on a thousand nodes with our extender, beside none
//! and beside a trivial one: the recorder that `CARBON_KUBE_TEST_DATA` holds.
//!
//! A measurement, not a test of a figure: it prints a table for `docs/performance.md`, the rounds in
//! turn so that a machine that drifts is the same for all. `make e2e` leaves it out.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use carbon_kube_e2e::cluster::{self, Cluster, ClusterOptions, Need};
use carbon_kube_e2e::extender::{self, RunningExtender, publish_grid, publish_policy};
use carbon_kube_e2e::kubelet::Kubelet;
use carbon_kube_e2e::nodes::{self, FakeNode};
use carbon_kube_e2e::process::{Process, Program, free_port};
use carbon_kube_e2e::scheduler::{Configuration, Extender};
use carbon_kube_e2e::{tools, wait};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::json;

const NODES: usize = 1_000;
const PODS: usize = 400;
const ROUNDS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn pods_a_second_with_and_without_extenders() {
    let name = "pods_a_second_with_and_without_extenders";
    if cluster::skips(name, &[Need::OwnScheduler]) {
        return;
    }
    let Some(data) = std::env::var_os("CARBON_KUBE_TEST_DATA").map(PathBuf::from) else {
        return tools::skip(name, "CARBON_KUBE_TEST_DATA, which has the recorder, is not set");
    };
    let options = ClusterOptions { controller_manager: false, ..ClusterOptions::default() };
    let mut cluster = Cluster::start(options).await.unwrap();
    let client = cluster.client();
    extender::install(&client).await.unwrap();
    nodes::create(&client, &fake_nodes()).await.unwrap();
    publish_policy(&client, "kind: lowest-zone").await.unwrap();
    let zones = [("EU-FR", 50.0, 90.0), ("EU-DE", 300.0, 90.0), ("US-CA", 200.0, 90.0)];
    let (intensity, threshold) = extender::grid(&zones).unwrap();
    publish_grid(&client, &intensity, &threshold).await.unwrap();
    let ours = RunningExtender::start(&cluster, "extender", "{}").await.unwrap();
    let port = free_port().unwrap();
    let script = data.join("e2e-example/ext/recorder.py").display().to_string();
    let folder = cluster.folder().join("recorded").display().to_string();
    let arguments = [script, port.to_string(), folder];
    let python = ["/usr/bin/python3", "/usr/local/bin/python3"].map(PathBuf::from);
    let python = python.into_iter().find(|path| path.exists()).unwrap();
    let recorder = Program::new("recorder", python, arguments);
    let _recorder = Process::start(recorder, cluster.folder()).unwrap();
    let trivial = format!("http://127.0.0.1:{port}/scheduler");
    let kubelet = Kubelet::start(client.clone());

    let kinds = [("none", None), ("trivial", Some(trivial)), ("ours", Some(ours.url()))];
    let mut rates = kinds.clone().map(|(kind, _)| (kind, Vec::new()));
    for round in 0..ROUNDS {
        for (kind, (_, url)) in kinds.iter().enumerate() {
            let configuration = Configuration {
                extender: url.as_ref().map(Extender::recommended),
                ..Configuration::default()
            };
            let label = format!("{}-{round}", rates[kind].0);
            let rate = place(&mut cluster, &client, &kubelet, &configuration, &label).await;
            eprintln!("{label}: {rate:.0} pods/s");
            rates[kind].1.push(rate);
        }
    }
    for (kind, rates) in &mut rates {
        rates.sort_by(f64::total_cmp);
        let (low, high) = (rates[0], rates[rates.len() - 1]);
        eprintln!("{kind:8} median {:.0} pods/s ({low:.0} to {high:.0})", rates[rates.len() / 2]);
    }
}

/// Creates the pods while nobody schedules, then starts a scheduler; pods a second from the first
/// binding to the last.
async fn place(
    cluster: &mut Cluster,
    client: &Client,
    kubelet: &Kubelet,
    configuration: &Configuration,
    label: &str,
) -> f64 {
    if let Ok(scheduler) = cluster.scheduler() {
        scheduler.kill().unwrap();
    }
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let params = PostParams::default();
    let created = futures::stream::iter(0..PODS)
        .map(|i| {
            let (pods, params, pod) = (&pods, &params, pod(&format!("{label}-{i}")));
            async move { pods.create(params, &pod).await.unwrap() }
        })
        .buffer_unordered(16);
    created.for_each(|_| async {}).await;
    cluster.start_scheduler(configuration).await.unwrap();
    let ours = |name: &str| name.starts_with(&format!("{label}-"));
    let bound = async || {
        let history = kubelet.history();
        let bound: Vec<Instant> =
            history.iter().filter(|pod| ours(&pod.name)).map(|pod| pod.bound).collect();
        Ok((bound.len() == PODS).then_some(bound))
    };
    let bound = wait::until("all pods are bound", Duration::from_secs(120), bound).await.unwrap();
    let (first, last) = (bound.iter().min().unwrap(), bound.iter().max().unwrap());
    (PODS - 1) as f64 / (*last - *first).as_secs_f64()
}

fn fake_nodes() -> Vec<FakeNode> {
    let zones = ["EU-FR", "EU-DE", "US-CA"];
    FakeNode::numbered(NODES)
        .into_iter()
        .enumerate()
        .map(|(i, node)| node.with_label("carbon-kube.io/grid-zone", zones[i % zones.len()]))
        .collect()
}

fn pod(name: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name, "annotations": {
            "carbon-kube.io/mode": "enforce", "carbon-kube.io/max-delay": "6h"}},
        "spec": {
            "automountServiceAccountToken": false,
            "containers": [{"name": "c", "image": "none",
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}],
        },
    }))
    .unwrap()
}
