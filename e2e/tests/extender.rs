//! The extender in a real kube-scheduler: pods wait, start, and never depend on it to start.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::process::Command;
use std::time::{Duration, Instant};

use carbon_kube_core::cluster::{INTENSITY, THRESHOLD};
use carbon_kube_e2e::apply::apply;
use carbon_kube_e2e::cluster::{self, Cluster, ClusterOptions, Need};
use carbon_kube_e2e::extender::{
    self, NAMESPACE, RunningExtender, config_map, policy_map, publish_grid, publish_policy,
};
use carbon_kube_e2e::kubelet::Kubelet;
use carbon_kube_e2e::nodes::{self, FakeNode};
use carbon_kube_e2e::scheduler::{self, Configuration};
use carbon_kube_e2e::tools::{self, Tool};
use carbon_kube_e2e::wait;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;

/// For what takes a second or two on an idle machine.
const SOON: Duration = Duration::from_secs(60);

/// The scheduler tries again after a back-off of at most ten seconds.
const RETRY: Duration = Duration::from_secs(20);

/// Holds in California while it is over 200 g/kWh.
const RULE: &str = "kind: percentile";
const DIRTY: [(&str, f64, f64); 1] = [("US-CA", 300.0, 200.0)];
const CLEAN: [(&str, f64, f64); 1] = [("US-CA", 100.0, 200.0)];

/// Short limits: nobody waits five minutes for a test.
const DECISIONS: &str = "decisions: {retryInterval: 1s}";

/// A cluster with ten nodes in California, a dirty grid, a policy, an extender and a scheduler
/// that asks it.
struct World {
    cluster: Cluster,
    extender: RunningExtender,
    kubelet: Kubelet,
    pods: Api<Pod>,
    started: Instant,
}

impl World {
    async fn start() -> Self {
        let options = ClusterOptions { controller_manager: false, ..ClusterOptions::default() };
        let mut cluster = Cluster::start(options).await.unwrap();
        let client = cluster.client();
        extender::install(&client).await.unwrap();
        let zone = |node: FakeNode| node.with_label("carbon-kube.io/grid-zone", "US-CA");
        let ten: Vec<FakeNode> = FakeNode::numbered(10).into_iter().map(zone).collect();
        nodes::create(&client, &ten).await.unwrap();
        publish_policy(&client, RULE).await.unwrap();
        publish(&client, &DIRTY).await;
        let extender = RunningExtender::start(&cluster, "extender", DECISIONS).await.unwrap();
        cluster.start_scheduler(&asking(&extender)).await.unwrap();
        let kubelet = Kubelet::start(client.clone());
        let pods = Api::default_namespaced(client);
        let world = Self { cluster, extender, kubelet, pods, started: Instant::now() };
        world.until_extender("it knows the grid", "carbonkube_grid_carbon_intensity").await;
        world
    }

    async fn until_extender(&self, what: &str, line: &str) {
        let metrics = async || Ok(self.extender.metrics().await?.contains(line).then_some(()));
        wait::until(what, SOON, metrics).await.unwrap();
    }

    async fn create(&self, name: &str, max_delay: Option<&str>) {
        let pod = pod(name, max_delay);
        self.pods.create(&PostParams::default(), &pod).await.unwrap();
    }

    fn bound(&self, name: &str) -> Option<Instant> {
        self.kubelet.pod("default", name).map(|pod| pod.bound)
    }

    async fn until_bound(&self, name: &str, within: Duration) -> Instant {
        let what = format!("{name} is bound");
        wait::until(&what, within, async || Ok(self.bound(name))).await.unwrap()
    }

    async fn until_refused(&self, name: &str) -> String {
        let what = format!("{name} is refused");
        let message = async || {
            let pod = self.pods.get(name).await?;
            let conditions = pod.status.and_then(|status| status.conditions).unwrap_or_default();
            Ok(conditions
                .into_iter()
                .find(|c| c.type_ == "PodScheduled" && c.status == "False")
                .and_then(|condition| condition.message))
        };
        wait::until(&what, SOON, message).await.unwrap()
    }

    /// Something happens on a node, as it does all the time in a cluster that is used.
    async fn wake(&self) {
        nodes::touch(&self.cluster.client(), "node-0000").await.unwrap();
    }
}

fn asking(extender: &RunningExtender) -> Configuration {
    let extender = scheduler::Extender::recommended(extender.url());
    Configuration { extender: Some(extender), ..Configuration::default() }
}

async fn publish(client: &Client, zones: &[(&str, f64, f64)]) {
    let (intensity, threshold) = extender::grid(zones).unwrap();
    publish_grid(client, &intensity, &threshold).await.unwrap();
}

fn pod(name: &str, max_delay: Option<&str>) -> Pod {
    let mut annotations = json!({"carbon-kube.io/mode": "enforce"});
    if let Some(delay) = max_delay {
        annotations["carbon-kube.io/max-delay"] = delay.into();
    }
    serde_json::from_value(json!({
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "automountServiceAccountToken": false,
            "containers": [{"name": "c", "image": "none",
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}],
        },
    }))
    .unwrap()
}

fn skips(name: &str) -> bool {
    cluster::skips(name, &[Need::OwnApiServer, Need::OwnScheduler])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_pod_starts_when_the_grid_is_clean_or_its_limit_comes() {
    if skips("a_refused_pod_starts_when_the_grid_is_clean_or_its_limit_comes") {
        return;
    }
    let world = World::start().await;
    world.create("patient", Some("1h")).await;
    world.create("urgent", Some("15s")).await;
    world.create("now", None).await;
    world.until_bound("now", SOON).await;
    let message = world.until_refused("patient").await;
    let expected = "10 US-CA 300 g/kWh is over the threshold 200 g/kWh; no later than ";
    assert!(message.contains(expected), "{message}");

    // Fifteen seconds, one of which belongs to the retry.
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(world.bound("urgent").is_none_or(|at| at - world.started > Duration::from_secs(13)));
    world.wake().await;
    world.until_bound("urgent", RETRY).await;
    assert!(world.bound("patient").is_none(), "the grid is dirty");

    publish(&world.cluster.client(), &CLEAN).await;
    world.until_extender("it knows", "estimated=\"false\"} 100").await;
    world.wake().await;
    world.until_bound("patient", RETRY).await;
    let metrics = world.extender.metrics().await.unwrap();
    assert!(metrics.contains("carbonkube_gate_released_total{reason=\"clean\"} 1"), "{metrics}");
    let decisions = world.extender.explain("default", "patient").await.unwrap();
    let outcomes: Vec<&str> = decisions.iter().filter_map(|d| d["outcome"].as_str()).collect();
    assert_eq!((outcomes.first(), outcomes.last()), (Some(&"passed"), Some(&"refused-all")));
}

#[tokio::test(flavor = "multi_thread")]
async fn scheduling_goes_on_without_the_extender() {
    if skips("scheduling_goes_on_without_the_extender") {
        return;
    }
    let mut world = World::start().await;
    world.create("held", Some("1h")).await;
    world.until_refused("held").await;
    world.extender.process.kill().unwrap();
    world.create("other", Some("1h")).await;
    world.until_bound("other", RETRY).await;
    world.wake().await;
    world.until_bound("held", RETRY).await;

    world.extender.process.restart().unwrap();
    world.extender.until_ready().await.unwrap();
    world.until_extender("it knows the grid", "carbonkube_grid_carbon_intensity").await;
    world.create("again", Some("1h")).await;
    world.until_refused("again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_extender_serves_on_without_the_api_server() {
    if skips("the_extender_serves_on_without_the_api_server") {
        return;
    }
    let mut world = World::start().await;
    let created = jiff::Timestamp::now().to_string();
    let request = json!({"NodeNames": ["node-0000"], "Pod": {
        "metadata": {"name": "p", "namespace": "default", "uid": "u", "creationTimestamp": created,
            "annotations": {"carbon-kube.io/mode": "enforce", "carbon-kube.io/max-delay": "1h"}}}});
    let refused = async |extender: &RunningExtender| {
        let answer = extender.ask("filter", &request).await.unwrap();
        !answer["FailedAndUnresolvableNodes"]["node-0000"].is_null()
    };
    assert!(refused(&world.extender).await);
    world.cluster.kill_api_server().unwrap();
    for _ in 0..20 {
        assert!(refused(&world.extender).await, "it keeps what it saw");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    world.extender.until_ready().await.unwrap();
    world.cluster.restart_api_server().await.unwrap();
    publish(&world.cluster.client(), &CLEAN).await;
    let clean = async || Ok((!refused(&world.extender).await).then_some(()));
    wait::until("the watch is taken up again", SOON, clean).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_config_map_is_neutral() {
    if skips("a_corrupt_config_map_is_neutral") {
        return;
    }
    let world = World::start().await;
    let client = world.cluster.client();
    let refused =
        |document: &str| format!("carbonkube_document_refused_total{{document=\"{document}\"}} 1");
    // Neither too little nor too much, and no JSON.
    apply(&client, [config_map(INTENSITY, "{\"version\": 1, \"zones\": {\"US-CA\"")])
        .await
        .unwrap();
    world.until_extender("the intensity is refused", &refused("intensity")).await;
    world.create("without-intensity", Some("1h")).await;
    world.until_bound("without-intensity", SOON).await;

    publish(&client, &DIRTY).await;
    world.until_extender("it knows the grid", "carbonkube_grid_carbon_intensity_gr").await;
    apply(&client, [config_map(THRESHOLD, "version: 9")]).await.unwrap();
    world.until_extender("the threshold is refused", &refused("threshold")).await;
    world.create("without-threshold", Some("1h")).await;
    world.until_bound("without-threshold", SOON).await;

    publish(&client, &DIRTY).await;
    world.until_extender("it knows the grid", "carbonkube_threshold_grams_per_kwh{").await;
    apply(&client, [policy_map("\u{1}\u{2}")]).await.unwrap();
    world.until_extender("the policy is refused", &refused("policy")).await;
    world.create("old-policy", Some("1h")).await;
    world.until_refused("old-policy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_restart_in_turn_delay_no_pod_twice() {
    if skips("replicas_that_restart_in_turn_delay_no_pod_twice") {
        return;
    }
    let mut world = World::start().await;
    let mut second = RunningExtender::start(&world.cluster, "second", DECISIONS).await.unwrap();
    let created = Instant::now();
    for i in 0..10 {
        world.create(&format!("batch-{i}"), Some("20s")).await;
    }
    world.until_refused("batch-9").await;
    // Nodes that have just come make the scheduler try pods again at once; while the extender is
    // away it would do without it.
    tokio::time::sleep(Duration::from_secs(3)).await;
    // The first replica goes and comes, then the scheduler asks the second, then back.
    world.extender.process.restart().unwrap();
    world.extender.until_ready().await.unwrap();
    world.cluster.start_scheduler(&asking(&second)).await.unwrap();
    world.wake().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    second.process.restart().unwrap();
    second.until_ready().await.unwrap();
    world.cluster.start_scheduler(&asking(&world.extender)).await.unwrap();
    while created.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.wake().await;
    }
    for i in 0..10 {
        let name = format!("batch-{i}");
        let bound = world.until_bound(&name, RETRY).await - created;
        // Its limit is 20 s after its creation, whoever was asked: one second less for the retry,
        // up to ten more for the scheduler's back-off. A start over would be at 40.
        assert!((Duration::from_secs(18)..Duration::from_secs(32)).contains(&bound), "{bound:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_policy_is_in_force_within_seconds_and_a_bad_one_is_not() {
    if skips("an_exported_policy_is_in_force_within_seconds_and_a_bad_one_is_not") {
        return;
    }
    let world = World::start().await;
    let export = Command::new(extender::binary("carbon-kube").unwrap())
        .args(["policy", "export", "percentile-v1", "--format", "configmap"])
        .output()
        .unwrap();
    assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
    let manifest = String::from_utf8(export.stdout).unwrap();
    kubectl_apply(&world.cluster, &manifest);
    // From here on: the first call may have built kubectl.
    let applied = Instant::now();
    let in_force = "carbonkube_policy_info{name=\"percentile-v1\",kind=\"percentile\"";
    world.until_extender("percentile-v1 is in force", in_force).await;
    assert!(applied.elapsed() < Duration::from_secs(10), "{:?}", applied.elapsed());

    // Somebody edits the ConfigMap by hand: the checksum is not that of the export.
    let changed = manifest.replace("percentile: 30", "percentile: 31");
    assert_ne!(changed, manifest);
    kubectl_apply(&world.cluster, &changed);
    let refused = "carbonkube_document_refused_total{document=\"policy\"} 1";
    world.until_extender("it is refused", refused).await;
    let metrics = world.extender.metrics().await.unwrap();
    assert!(metrics.contains(in_force), "the old one stays: {metrics}");
    let events: Api<Event> = Api::namespaced(world.cluster.client(), NAMESPACE);
    let told = async || {
        let events = events.list(&ListParams::default()).await?;
        let message = |event: Event| Some((event.reason?, event.message?));
        let mut told = events.items.into_iter().filter_map(message);
        Ok(told.find(|(reason, _)| reason == "PolicyRefused").map(|(_, message)| message))
    };
    let message = wait::until("an event says so", SOON, told).await.unwrap();
    assert!(message.starts_with("checksum "), "{message}");
}

fn kubectl_apply(cluster: &Cluster, manifest: &str) {
    let file = cluster.folder().join("manifest.yaml");
    std::fs::write(&file, manifest).unwrap();
    let output = Command::new(tools::path(Tool::Kubectl).unwrap())
        .arg("--kubeconfig")
        .arg(cluster.admin_kubeconfig())
        // By another manager than the fixture's, which applied one before.
        .args(["apply", "--server-side", "--force-conflicts", "-f"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_extender_may_do_what_it_does_and_nothing_else() {
    let name = "the_extender_may_do_what_it_does_and_nothing_else";
    if cluster::skips(name, &[Need::OwnApiServer]) {
        return;
    }
    let options = ClusterOptions { controller_manager: false, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await.unwrap();
    extender::install(&cluster.client()).await.unwrap();
    let client = cluster.client_of(&extender::user()).await.unwrap();
    let may = async |verb: &str, resource: &str, namespace: &str, name: &str| {
        let review: SelfSubjectAccessReview = serde_json::from_value(json!({"spec": {
            "resourceAttributes": {"verb": verb, "resource": resource, "namespace": namespace,
                "name": name}}}))
        .unwrap();
        let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
        reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
    };
    let map = "carbon-kube-policy";
    for (verb, resource, namespace, name, allowed) in [
        ("watch", "nodes", "", "", true),
        ("list", "namespaces", "", "", true),
        ("watch", "configmaps", NAMESPACE, map, true),
        ("create", "events", NAMESPACE, "", true),
        ("watch", "configmaps", NAMESPACE, "", false),
        ("get", "configmaps", "default", map, false),
        ("update", "configmaps", NAMESPACE, map, false),
        ("get", "secrets", NAMESPACE, "", false),
        ("list", "pods", "", "", false),
        ("create", "pods/binding", "", "", false),
        ("patch", "nodes", "", "node-0000", false),
        ("create", "events", "default", "", false),
        ("delete", "events", NAMESPACE, "", false),
    ] {
        let found = may(verb, resource, namespace, name).await;
        assert_eq!(found, allowed, "{verb} {resource} {namespace}/{name}");
    }
}
