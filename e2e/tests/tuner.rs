//! The tuner job on a real API server: it says what it found, puts a better policy in force where it may, and never
//! takes the place of one that somebody else has put there meanwhile. Its rights are exactly enough.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;

use carbon_kube_core::Time;
use carbon_kube_core::cluster::{INTENSITY, POLICY, POLICY_SHA256, STATUS};
use carbon_kube_core::documents::{HISTORY, StatusDocument, TunerResult};
use carbon_kube_e2e::apply::apply;
use carbon_kube_e2e::cluster::{self, Cluster, ClusterOptions, Need};
use carbon_kube_e2e::extender::{NAMESPACE, RunningExtender, config_map, publish_policy};
use carbon_kube_e2e::{extender, tuner, wait};
use carbon_kube_policies::file::Loaded;
use carbon_kube_tuner::config::PromotionMode;
use carbon_kube_tuner::judge::{InForce, Judgement};
use carbon_kube_tuner::output::Output;
use carbon_kube_tuner::output::cluster::{Cluster as ConfigMaps, FIELD_MANAGER};
use carbon_kube_tuner::{candidates, run};
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, PostParams};
use serde_json::json;

/// Waits for nothing: the grid of the tests has at most 454 g/kWh.
const NEVER_WAITS: &str = "kind: threshold\nsettings: {gramsPerKwh: 900}";

/// Jobs may wait for the whole half day that they have.
const RECOMMENDS: &str =
    "{promotion: {mostMoreDelay: 12h}, candidates: {rules: [percentile], percentiles: []}}";
const PROMOTES: &str = "{promotion: {mode: promote, mostMoreDelay: 12h}, \
                        candidates: {rules: [percentile], percentiles: []}}";

struct World {
    cluster: Cluster,
    maps: Api<ConfigMap>,
}

impl World {
    /// A cluster with a policy and, of the poller, a history.
    async fn start(policy: &str) -> Self {
        let options = ClusterOptions { controller_manager: false, ..ClusterOptions::default() };
        let cluster = Cluster::start(options).await.unwrap();
        let client = cluster.client();
        tuner::install(&client).await.unwrap();
        publish_policy(&client, policy).await.unwrap();
        let now: Time = jiff::Timestamp::now().to_string().parse().unwrap();
        let history = tuner::history(&["US-CA"], now).unwrap();
        let text = serde_json::to_string(&history).unwrap();
        apply(&client, [config_map((INTENSITY.0, HISTORY), &text)]).await.unwrap();
        let maps = Api::namespaced(client, NAMESPACE);
        Self { cluster, maps }
    }

    fn run(&self, sections: &str) -> String {
        let output = tuner::run(&self.cluster, sections).unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "{}: {said}", output.status);
        said
    }

    async fn policy(&self) -> (ConfigMap, Loaded) {
        let map = self.maps.get(POLICY.0).await.unwrap();
        let data = map.data.clone().unwrap_or_default();
        let loaded = Loaded::from_config_map(&data, None, map.annotations()).unwrap();
        (map, loaded)
    }

    async fn status(&self) -> StatusDocument {
        let map = self.maps.get(STATUS.0).await.unwrap();
        StatusDocument::parse(&map.data.unwrap()[STATUS.1]).unwrap()
    }
}

fn skips(name: &str) -> bool {
    cluster::skips(name, &[Need::OwnApiServer])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_better_policy_is_recommended_and_put_in_force_where_it_may_be() {
    if skips("a_better_policy_is_recommended_and_put_in_force_where_it_may_be") {
        return;
    }
    let world = World::start(NEVER_WAITS).await;
    let client = world.cluster.client();
    extender::install(&client).await.unwrap();
    let extender = RunningExtender::start(&world.cluster, "extender", "{}").await.unwrap();
    let shows = async |line: &str| {
        let what = format!("the extender shows {line}");
        let shown = async || Ok(extender.metrics().await?.contains(line).then_some(()));
        wait::until(&what, std::time::Duration::from_secs(60), shown).await.unwrap();
    };

    // As it is installed it only says so.
    let said = world.run(RECOMMENDS);
    assert!(said.contains("recommended: "), "{said}");
    let status = world.status().await;
    assert_eq!((status.result, status.promotions), (TunerResult::Recommended, 0));
    let (before, old) = world.policy().await;
    assert_eq!(old.file.name, "e2e");
    shows("carbonkube_tuner_result{result=\"recommended\"} 1").await;
    shows("carbonkube_tuner_saving_ratio{policy=\"in-force\"} 0").await;

    // The chart marks what was chosen; that has to outlive a promotion.
    let mut chosen = config_map(POLICY, &before.data.unwrap()[POLICY.1]);
    chosen["metadata"]["annotations"] =
        json!({"carbon-kube.io/chosen-sha256": old.sha256, POLICY_SHA256: old.sha256});
    chosen["metadata"]["labels"] = json!({"app.kubernetes.io/name": "as-installed"});
    apply(&client, [chosen]).await.unwrap();
    let said = world.run(PROMOTES);
    assert!(said.contains("promoted: "), "{said}");
    let (map, new) = world.policy().await;
    assert_eq!(new.file.kind, "percentile");
    assert_eq!(map.annotations()["carbon-kube.io/chosen-sha256"], old.sha256);
    assert_eq!(map.annotations()[POLICY_SHA256], new.sha256);
    assert_eq!(map.labels()["carbon-kube.io/policy-kind"], "percentile");
    assert_eq!(map.labels()["app.kubernetes.io/name"], "as-installed");
    let ours = |fields: &&k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry| {
        fields.manager.as_deref() == Some(FIELD_MANAGER)
    };
    assert_eq!(map.managed_fields().iter().filter(ours).count(), 1);
    let status = world.status().await;
    assert_eq!((status.result, status.promotions), (TunerResult::Promoted, 1));
    let promotion = status.last_promotion.unwrap();
    assert_eq!(
        (promotion.previous.sha256, promotion.policy.sha256),
        (old.sha256, new.sha256.clone())
    );

    // Who decides has taken it up.
    shows("carbonkube_tuner_promotions 1").await;
    shows(&format!("carbonkube_policy_info{{name=\"{}\",kind=\"percentile\"", new.file.name)).await;

    // The next run judges the new one, finds nothing better, and still knows of the promotion.
    world.run(PROMOTES);
    let status = world.status().await;
    assert_eq!((status.result, status.promotions), (TunerResult::Kept, 1), "{}", status.reason);
    assert_eq!(status.policy.unwrap().sha256, new.sha256);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_judged_leaves_the_policy_and_says_why() {
    if skips("what_can_not_be_judged_leaves_the_policy_and_says_why") {
        return;
    }
    let world = World::start("kind: percentile").await;
    let client = world.cluster.client();
    let reason = async || {
        world.run(PROMOTES);
        let status = world.status().await;
        assert_eq!((status.result, status.promotions), (TunerResult::NotJudged, 0));
        status.reason
    };
    apply(&client, [config_map((INTENSITY.0, HISTORY), "no JSON")]).await.unwrap();
    assert!(reason().await.contains("the history can't be read: history.json is not a document"));
    let now: Time = jiff::Timestamp::now().to_string().parse().unwrap();
    let mut short = tuner::history(&["US-CA"], now).unwrap();
    short.series[0].values[100..300].fill(None);
    let text = serde_json::to_string(&short).unwrap();
    apply(&client, [config_map((INTENSITY.0, HISTORY), &text)]).await.unwrap();
    assert!(reason().await.contains("too little history"));
    apply(&client, [config_map(POLICY, "version: 9")]).await.unwrap();
    assert!(reason().await.contains("the policy in force can't be read"));
    let (data, name) = (world.maps.get(POLICY.0).await.unwrap().data.unwrap(), POLICY.1);
    assert_eq!(data, BTreeMap::from([(name.to_owned(), "version: 9".to_owned())]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_was_changed_meanwhile_stays() {
    if skips("a_policy_that_was_changed_meanwhile_stays") {
        return;
    }
    let world = World::start(NEVER_WAITS).await;
    let client = world.cluster.client();
    world.run(RECOMMENDS);
    let judged = world.status().await;
    let own = world.cluster.client_of(&tuner::user()).await.unwrap();
    let rules = candidates::of_rules(&[serde_json::from_value(json!("percentile")).unwrap()], None);
    let better = rules.unwrap().remove(0).files;

    for is_deleted in [false, true] {
        let maps = ConfigMaps::new(own.clone(), NAMESPACE);
        let InForce::Policy(in_force) = maps.policy().await.unwrap() else { panic!("no policy") };
        // Between the judgement and the promotion somebody chooses another one, or none.
        if is_deleted {
            world.maps.delete(POLICY.0, &Default::default()).await.unwrap();
        } else {
            publish_policy(&client, "kind: plan").await.unwrap();
        }
        let judgement = Judgement { status: judged.clone(), better: Some(better.clone()) };
        let output = Output::Cluster(Box::new(maps));
        let mode = PromotionMode::Promote;
        run::conclude(&output, judgement, mode, Some(&in_force.loaded)).await.unwrap();
        let status = world.status().await;
        assert_eq!((status.result, status.promotions), (TunerResult::Conflict, 0));
        assert!(status.reason.ends_with("stays what it is now"), "{}", status.reason);
        if is_deleted {
            assert!(world.maps.get_opt(POLICY.0).await.unwrap().is_none());
        } else {
            assert_eq!(world.policy().await.1.file.kind, "plan");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tuner_may_do_what_it_does_and_nothing_else() {
    if skips("the_tuner_may_do_what_it_does_and_nothing_else") {
        return;
    }
    let options = ClusterOptions { controller_manager: false, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await.unwrap();
    tuner::install(&cluster.client()).await.unwrap();
    let client = cluster.client_of(&tuner::user()).await.unwrap();
    let may = async |verb: &str, resource: &str, namespace: &str, name: &str| {
        let review: SelfSubjectAccessReview = serde_json::from_value(json!({"spec": {
            "resourceAttributes": {"verb": verb, "group": "", "resource": resource,
                "namespace": namespace, "name": name}}}))
        .unwrap();
        let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
        reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
    };
    for (verb, resource, namespace, name, allowed) in [
        ("get", "configmaps", NAMESPACE, "carbon-kube-intensity", true),
        ("get", "configmaps", NAMESPACE, "carbon-kube-policy", true),
        ("patch", "configmaps", NAMESPACE, "carbon-kube-policy", true),
        ("get", "configmaps", NAMESPACE, "carbon-kube-status", true),
        ("create", "configmaps", NAMESPACE, "carbon-kube-status", true),
        ("patch", "configmaps", NAMESPACE, "carbon-kube-status", true),
        ("create", "configmaps", NAMESPACE, "carbon-kube-policy", false),
        ("update", "configmaps", NAMESPACE, "carbon-kube-policy", false),
        ("delete", "configmaps", NAMESPACE, "carbon-kube-policy", false),
        ("patch", "configmaps", NAMESPACE, "carbon-kube-intensity", false),
        ("get", "configmaps", NAMESPACE, "carbon-kube-threshold", false),
        ("list", "configmaps", NAMESPACE, "", false),
        ("create", "configmaps", NAMESPACE, "", false),
        ("patch", "configmaps", "kube-system", "carbon-kube-status", false),
        ("get", "secrets", NAMESPACE, "", false),
        ("list", "nodes", "", "", false),
        ("list", "pods", "", "", false),
        ("create", "events", NAMESPACE, "", false),
    ] {
        let found = may(verb, resource, namespace, name).await;
        assert_eq!(found, allowed, "{verb} {resource} {namespace}/{name}");
    }
}
