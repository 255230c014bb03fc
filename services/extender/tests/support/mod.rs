//! A small cluster as an extender sees it, and requests as kube-scheduler sends them.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use carbon_kube_core::cluster::Mode;
use carbon_kube_core::documents::{ThresholdDocument, ZoneThreshold};
use carbon_kube_core::{GramsPerKwh, Time};
use carbon_kube_extender::config::{Config, Configuration};
use carbon_kube_extender::documents::PolicyMap;
use carbon_kube_extender::nodes::NodeFacts;
use carbon_kube_extender::run::Service;
use carbon_kube_extender::server::router;
use carbon_kube_extender::state::Changed;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// Noon of a day of tests.
pub const NOON: &str = "2026-06-01T12:00:00Z";

/// An extender in the process, with a clock that tests set.
pub struct Extender {
    pub service: Service,
    clock: Arc<AtomicI64>,
}

/// Zone, intensity and threshold.
pub type ZoneValues<'a> = (&'a str, f64, f64);

impl Extender {
    /// Knows nothing; the configuration is YAML.
    pub fn empty(config: &str) -> Self {
        let config = Config::parse("test.yaml", config).unwrap();
        let clock = Arc::new(AtomicI64::new(time(NOON).millis()));
        let shared = Arc::clone(&clock);
        let now = Arc::new(move || Time::from_millis(shared.load(Ordering::Relaxed)));
        Self { service: Service::new(config, now), clock }
    }

    /// Nodes `node-0000`... in turn in the zones, with the policy and fresh data.
    pub fn with(config: &str, policy: &str, nodes: usize, zones: &[ZoneValues<'_>]) -> Self {
        let extender = Self::empty(config);
        extender.nodes(nodes, &zones.iter().map(|zone| zone.0).collect::<Vec<_>>());
        extender.policy(policy);
        extender.grid(NOON, zones);
        extender
    }

    pub fn at(&self, now: &str) -> &Self {
        self.clock.store(time(now).millis(), Ordering::Relaxed);
        self
    }

    pub fn nodes(&self, count: usize, zones: &[&str]) {
        let config = self.service.app.state.config();
        let facts = |i: usize| {
            let zone = zones[i % zones.len()];
            let label = |key: &str| (key == "carbon-kube.io/grid-zone").then_some(zone);
            NodeFacts::of(config, label, "4".parse().ok())
        };
        let nodes = (0..count).map(|i| (format!("node-{i:04}"), facts(i))).collect();
        self.service.app.state.change(Changed::Nodes, |parts| parts.nodes = nodes);
    }

    pub fn namespace(&self, name: &str, mode: Mode) {
        let name = name.to_owned();
        self.service.app.state.change(Changed::Namespaces, |parts| {
            parts.namespaces.insert(name, mode);
        });
    }

    /// Nodes as `kubectl get nodes -o json` lists them.
    pub fn listed_nodes(&self, list: &Value) {
        let config = self.service.app.state.config();
        let named = |node: &Value| {
            let label = |key: &str| node["metadata"]["labels"][key].as_str();
            let cpu = node["status"]["allocatable"]["cpu"].as_str().unwrap().parse().ok();
            let name = node["metadata"]["name"].as_str().unwrap().to_owned();
            (name, NodeFacts::of(config, label, cpu))
        };
        let nodes = list["items"].as_array().unwrap().iter().map(named).collect();
        self.service.app.state.change(Changed::Nodes, |parts| parts.nodes = nodes);
    }

    /// A rule with its settings, as the rest of a policy file.
    pub fn policy(&self, rule: &str) {
        self.policy_file(&format!("version: 1\nname: test\n{rule}\n"));
    }

    pub fn policy_file(&self, yaml: &str) {
        let yaml = yaml.to_owned();
        let data = BTreeMap::from([("policy.yaml".to_owned(), yaml)]);
        let map = PolicyMap { data: &data, actor: None, annotations: &BTreeMap::new() };
        self.service.documents.policy(Some(map));
    }

    pub fn grid(&self, observed_at: &str, zones: &[ZoneValues<'_>]) {
        let intensity =
            |(zone, value, _): &ZoneValues<'_>| (zone.to_string(), intensity(*value, observed_at));
        let zones_json: serde_json::Map<String, Value> = zones.iter().map(intensity).collect();
        let document = json!({"version": 1, "zones": zones_json});
        self.service.documents.intensity(Some(&document.to_string()));
        let thresholds = zones.iter().map(|(zone, _, threshold)| {
            let value = GramsPerKwh::new(*threshold).unwrap();
            let entry = ZoneThreshold {
                value,
                base: value,
                adjustment: 0.0,
                previous: None,
                decided_at: time(observed_at),
                mode: Mode::Enforce,
                policy: "test".into(),
                policy_sha256: String::new(),
                reason: "a test".into(),
            };
            (zone.parse().unwrap(), entry)
        });
        let document = ThresholdDocument::new(thresholds.collect());
        let text = serde_json::to_string(&document).unwrap();
        self.service.documents.threshold(Some(&text));
    }

    pub async fn post(&self, verb: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        let request = Request::post(format!("/v1/{verb}")).body(body.into()).unwrap();
        self.send(request).await
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = router(self.service.app.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// What is answered of nodes by name: which pass, and the reasons of the others.
    pub async fn filter(
        &self,
        pod: &Value,
        nodes: &[&str],
    ) -> (Vec<String>, BTreeMap<String, String>) {
        let (status, answer) = self.post("filter", names(pod, nodes)).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["Nodes"], Value::Null);
        assert_eq!(answer["FailedNodes"], json!({}));
        assert_eq!(answer["Error"], "");
        let passed = serde_json::from_value(answer["NodeNames"].clone()).unwrap();
        let failed = &answer["FailedAndUnresolvableNodes"];
        (passed, serde_json::from_value(failed.clone()).unwrap())
    }

    /// The scores of nodes by name.
    pub async fn scores(&self, pod: &Value, nodes: &[&str]) -> Vec<i64> {
        let (status, answer) = self.post("prioritize", names(pod, nodes)).await;
        assert_eq!(status, StatusCode::OK);
        let hosts = answer.as_array().unwrap();
        let score = |(host, node): (&Value, &&str)| {
            assert_eq!(host["Host"], **node);
            assert!(host["Score"].is_i64() || host["Score"].is_u64(), "a whole number");
            host["Score"].as_i64().unwrap()
        };
        assert_eq!(hosts.len(), nodes.len());
        hosts.iter().zip(nodes).map(score).collect()
    }
}

/// An entry of `intensity.json`.
pub fn intensity(value: f64, observed_at: &str) -> Value {
    json!({
        "value": value, "unit": "g/kWh", "signal": "average", "factorSet": "local",
        "observedAt": observed_at, "fetchedAt": observed_at, "source": "test",
        "isEstimated": false, "confidence": 1.0,
    })
}

/// A pod created at 11:00 with annotations of ours, without the prefix.
pub fn pod(annotations: &[(&str, &str)]) -> Value {
    let annotations: serde_json::Map<String, Value> = annotations
        .iter()
        .map(|(key, value)| (format!("carbon-kube.io/{key}"), Value::from(*value)))
        .collect();
    json!({
        "metadata": {
            "name": "batch-1", "namespace": "team-a", "uid": "u-1",
            "creationTimestamp": "2026-06-01T11:00:00Z", "annotations": annotations,
        },
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]},
    })
}

/// A pod that opted in and may wait six hours: until 17:00.
pub fn patient() -> Value {
    pod(&[("mode", "enforce"), ("max-delay", "6h")])
}

/// A request with names.
pub fn names(pod: &Value, nodes: &[&str]) -> String {
    json!({"Pod": pod, "Nodes": null, "NodeNames": nodes}).to_string()
}

pub fn time(text: &str) -> Time {
    text.parse().unwrap()
}

/// The folder of real recordings; `None`, said aloud, where it is not there.
pub fn test_data(test: &str) -> Option<PathBuf> {
    match std::env::var_os("CARBON_KUBE_TEST_DATA") {
        Some(folder) => Some(folder.into()),
        None => {
            eprintln!("skipped: {test} needs CARBON_KUBE_TEST_DATA");
            None
        }
    }
}
