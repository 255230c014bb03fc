//! Pollers on a real API server: one writes, another takes over, nothing is lost, and the rights are
//! exactly enough.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::time::{Duration, Instant};

use carbon_kube_core::cluster::{INTENSITY, THRESHOLD};
use carbon_kube_core::documents::{IntensityDocument, ThresholdDocument};
use carbon_kube_e2e::cluster::{self, Cluster, ClusterOptions, Need};
use carbon_kube_e2e::extender::{NAMESPACE, publish_policy};
use carbon_kube_e2e::poller::{self, RunningPoller};
use carbon_kube_e2e::wait;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::json;

/// For what takes a second or two on an idle machine.
const SOON: Duration = Duration::from_secs(60);

/// The lease of these tests, a try, and what a busy machine adds.
const HANDED_OVER: Duration = Duration::from_secs(6 + 2 + 4);

/// No source: the typical year speaks. A cycle a minute, the shortest that there is.
const SECTIONS: &str = "{interval: 1m, providers: {zones: {US-CA: {}, EU-DE: {}}}, \
    tune: {minConfidence: 0}, carbonIntensityExporter: {zone: US-CA}}";

struct World {
    cluster: Cluster,
    maps: Api<ConfigMap>,
    leases: Api<Lease>,
}

impl World {
    async fn start() -> Self {
        let options = ClusterOptions { controller_manager: false, ..ClusterOptions::default() };
        let cluster = Cluster::start(options).await.unwrap();
        let client = cluster.client();
        poller::install(&client).await.unwrap();
        let maps = Api::namespaced(client.clone(), NAMESPACE);
        Self { cluster, maps, leases: Api::namespaced(client, NAMESPACE) }
    }

    async fn poller(&self, name: &str) -> RunningPoller {
        RunningPoller::start(&self.cluster, name, SECTIONS).await.unwrap()
    }

    async fn holder(&self) -> Option<String> {
        let lease = self.leases.get_opt("carbon-kube-poller").await.ok()??;
        lease.spec?.holder_identity.filter(|holder| !holder.is_empty())
    }

    async fn map(&self, name: &str) -> Option<ConfigMap> {
        self.maps.get_opt(name).await.ok()?
    }

    async fn until_written(&self, name: &str, after: Option<&str>) -> ConfigMap {
        let what = format!("{name} is written");
        wait::until(&what, SOON * 2, async || {
            let map = self.map(name).await;
            Ok(map.filter(|map| map.metadata.resource_version.as_deref() != after))
        })
        .await
        .unwrap()
    }
}

fn version(map: &ConfigMap) -> &str {
    map.metadata.resource_version.as_deref().unwrap()
}

fn skips(name: &str) -> bool {
    cluster::skips(name, &[Need::OwnApiServer])
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_pollers_one_writes_and_the_other_takes_over_within_the_lease() {
    if skips("of_two_pollers_one_writes_and_the_other_takes_over_within_the_lease") {
        return;
    }
    let world = World::start().await;
    let mut first = world.poller("first").await;
    wait::until("the first leads", SOON, async || Ok(first.leads().await?.then_some(())))
        .await
        .unwrap();
    let mut second = world.poller("second").await;
    let map = world.until_written(INTENSITY.0, None).await;
    let text = &map.data.as_ref().unwrap()[INTENSITY.1];
    let (document, left_out) = IntensityDocument::parse(text).unwrap();
    assert_eq!((document.zones.len(), left_out.len()), (2, 0));
    world.until_written("carbon-intensity", None).await;
    for _ in 0..10 {
        assert!(first.leads().await.unwrap() && !second.leads().await.unwrap());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let metrics = second.metrics().await.unwrap();
    assert!(!metrics.contains("poller_cycles_total"), "a follower asks nobody: {metrics}");

    // It dies without a word.
    let (killed, before) = (Instant::now(), version(&map).to_owned());
    first.process.kill().unwrap();
    wait::until("the second leads", SOON, async || Ok(second.leads().await?.then_some(())))
        .await
        .unwrap();
    assert!(killed.elapsed() < HANDED_OVER, "{:?}", killed.elapsed());
    world.until_written(INTENSITY.0, Some(&before)).await;
    assert!(world.holder().await.unwrap().starts_with("second_"));

    // It is asked to end: the lease is free at once.
    first.process.restart().unwrap();
    first.until_ready().await.unwrap();
    let asked = Instant::now();
    second.process.stop().unwrap();
    wait::until("the first leads", SOON, async || Ok(first.leads().await?.then_some(())))
        .await
        .unwrap();
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_stopped_for_long_does_not_write_over_the_next_one() {
    if skips("a_leader_that_was_stopped_for_long_does_not_write_over_the_next_one") {
        return;
    }
    let world = World::start().await;
    let first = world.poller("first").await;
    wait::until("the first leads", SOON, async || Ok(first.leads().await?.then_some(())))
        .await
        .unwrap();
    world.until_written(INTENSITY.0, None).await;
    let second = world.poller("second").await;
    first.process.pause().unwrap();
    wait::until("the second leads", SOON, async || Ok(second.leads().await?.then_some(())))
        .await
        .unwrap();
    first.process.resume().unwrap();
    let follows = async || Ok((!first.leads().await?).then_some(()));
    wait::until("the first follows", SOON, follows).await.unwrap();
    for _ in 0..10 {
        assert!(second.leads().await.unwrap() && !first.leads().await.unwrap());
        assert!(world.holder().await.unwrap().starts_with("second_"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_goes_away_and_comes_back_loses_nothing() {
    if skips("an_api_server_that_goes_away_and_comes_back_loses_nothing") {
        return;
    }
    let mut world = World::start().await;
    publish_policy(&world.cluster.client(), "kind: threshold\nsettings: {gramsPerKwh: 200}")
        .await
        .unwrap();
    let mut poller = world.poller("poller").await;
    let threshold = world.until_written(THRESHOLD.0, None).await;
    let before = world.until_written(INTENSITY.0, None).await;
    world.cluster.kill_api_server().unwrap();
    let adrift = async || Ok((!poller.leads().await?).then_some(()));
    wait::until("it leads no more", Duration::from_secs(10), adrift).await.unwrap();
    poller.process.expect_running().unwrap();
    let cycles = "carbonkube_poller_cycles_total{result=\"adrift\"}";
    let goes_on = async || Ok(poller.metrics().await?.contains(cycles).then_some(()));
    wait::until("it goes on asking", SOON * 2, goes_on).await.unwrap();
    world.cluster.restart_api_server().await.unwrap();
    let after = world.until_written(INTENSITY.0, Some(version(&before))).await;
    let (document, _) = IntensityDocument::parse(&after.data.unwrap()[INTENSITY.1]).unwrap();
    assert_eq!(document.zones.len(), 2);
    let after = world.until_written(THRESHOLD.0, Some(version(&threshold))).await;
    let (document, _) = ThresholdDocument::parse(&after.data.unwrap()[THRESHOLD.1]).unwrap();
    let entry = document.zones.values().next().unwrap();
    assert_eq!(entry.policy, "e2e");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_poller_may_do_what_it_does_and_nothing_else() {
    let name = "the_poller_may_do_what_it_does_and_nothing_else";
    if cluster::skips(name, &[Need::OwnApiServer]) {
        return;
    }
    let options = ClusterOptions { controller_manager: false, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await.unwrap();
    poller::install(&cluster.client()).await.unwrap();
    let client = cluster.client_of(&poller::user()).await.unwrap();
    let may = async |verb: &str, resource: &str, namespace: &str, name: &str| {
        let (group, resource) = match resource {
            "leases" => ("coordination.k8s.io", resource),
            _ => ("", resource),
        };
        let review: SelfSubjectAccessReview = serde_json::from_value(json!({"spec": {
            "resourceAttributes": {"verb": verb, "group": group, "resource": resource,
                "namespace": namespace, "name": name}}}))
        .unwrap();
        let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
        reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
    };
    for (verb, resource, namespace, name, allowed) in [
        ("get", "configmaps", NAMESPACE, "carbon-kube-policy", true),
        ("get", "configmaps", NAMESPACE, "carbon-kube-forecast", true),
        ("patch", "configmaps", NAMESPACE, "carbon-kube-intensity", true),
        ("patch", "configmaps", NAMESPACE, "carbon-kube-threshold", true),
        ("patch", "configmaps", NAMESPACE, "carbon-intensity", true),
        ("update", "leases", NAMESPACE, "carbon-kube-poller", true),
        ("create", "leases", NAMESPACE, "", true),
        ("patch", "configmaps", NAMESPACE, "carbon-kube-policy", false),
        ("create", "configmaps", NAMESPACE, "", false),
        ("list", "configmaps", NAMESPACE, "", false),
        ("delete", "configmaps", NAMESPACE, "carbon-kube-intensity", false),
        ("get", "configmaps", NAMESPACE, "kube-root-ca.crt", false),
        ("patch", "configmaps", "kube-system", "carbon-intensity", false),
        ("update", "leases", NAMESPACE, "other", false),
        ("delete", "leases", NAMESPACE, "carbon-kube-poller", false),
        ("get", "secrets", NAMESPACE, "", false),
        ("list", "nodes", "", "", false),
        ("list", "pods", "", "", false),
        ("create", "events", NAMESPACE, "", false),
    ] {
        let found = may(verb, resource, namespace, name).await;
        assert_eq!(found, allowed, "{verb} {resource} {namespace}/{name}");
    }
}
