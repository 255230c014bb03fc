//! A small cluster that inputs are tried on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use carbon_kube_core::Time;
use carbon_kube_core::cluster::Mode;
use carbon_kube_extender::config::{Config, Configuration};
use carbon_kube_extender::documents::PolicyMap;
use carbon_kube_extender::nodes::NodeFacts;
use carbon_kube_extender::run::Service;
use carbon_kube_extender::state::Changed;

/// When the grid's data were observed.
pub const OBSERVED: i64 = 1_780_315_200_000;

/// Zones, each of which has every fourth node. The third is over its threshold.
const ZONES: [(&str, u32, u32); 4] =
    [("SE-SE3", 30, 100), ("IE", 280, 300), ("US-MIDA-PJM", 420, 350), ("IN-WE", 640, 700)];

/// Nodes that the extender knows: `node-0000` and so on.
const NODES: usize = 12;

/// An extender without a server, and its clock.
pub struct Cluster {
    /// The extender.
    pub service: Service,
    clock: Arc<AtomicI64>,
}

impl Cluster {
    /// Every pod opts in unless it says otherwise; nothing large is remembered.
    pub fn new() -> Self {
        let config = "decisions: {defaultMode: enforce}\nmemory: {decisions: 16, pods: 64}";
        let config = Config::parse("fuzz", config).expect("a configuration of ours");
        let clock = Arc::new(AtomicI64::new(OBSERVED));
        let shared = Arc::clone(&clock);
        let now = move || Time::from_millis(shared.load(Ordering::Relaxed));
        let cluster = Self { service: Service::new(config, Arc::new(now)), clock };
        cluster.nodes();
        cluster
    }

    fn nodes(&self) {
        let state = &self.service.app.state;
        let facts = |i: usize| {
            let label = |key: &str| (key == "carbon-kube.io/grid-zone").then_some(ZONES[i % 4].0);
            NodeFacts::of(state.config(), label, "4".parse().ok())
        };
        let nodes = (0..NODES).map(|i| (format!("node-{i:04}"), facts(i))).collect();
        state.change(Changed::Nodes, |parts| parts.nodes = nodes);
        state.change(Changed::Namespaces, |parts| {
            parts.namespaces.insert("off".to_owned(), Mode::Off);
            parts.namespaces.insert("observe".to_owned(), Mode::Observe);
        });
    }

    /// Puts a rule in force; `rule` is YAML.
    pub fn policy(&self, rule: &str) {
        let yaml = format!("version: 1\nname: fuzz\n{rule}\n");
        let data = BTreeMap::from([("policy.yaml".to_owned(), yaml)]);
        self.service
            .documents
            .policy(Some(PolicyMap { data: &data, actor: None, annotations: &BTreeMap::new() }));
    }

    /// Gives every zone an intensity and a threshold.
    pub fn grid(&self) {
        let observed = Time::from_millis(OBSERVED);
        let document = |zone: &dyn Fn(u32, u32) -> serde_json::Value| {
            let zones: serde_json::Map<_, _> = ZONES
                .iter()
                .map(|(name, value, threshold)| ((*name).to_owned(), zone(*value, *threshold)))
                .collect();
            serde_json::json!({"version": 1, "zones": zones}).to_string()
        };
        let intensity = document(&|value, _| {
            serde_json::json!({
                "value": value, "unit": "g/kWh", "signal": "average", "factorSet": "local",
                "observedAt": observed, "fetchedAt": observed, "source": "fuzz",
                "isEstimated": false, "confidence": 1.0,
                "forecast": [{"t": observed, "v": value}],
            })
        });
        let threshold = document(&|_, threshold| {
            serde_json::json!({
                "value": threshold, "base": threshold, "adjustment": 0.0, "decidedAt": observed,
                "mode": "enforce", "policy": "fuzz", "policySha256": "", "reason": "",
            })
        });
        self.service.documents.intensity(Some(&intensity));
        self.service.documents.threshold(Some(&threshold));
    }

    /// Sets the clock, in milliseconds after the data were observed.
    pub fn set_clock(&self, after: i64) {
        self.clock.store(OBSERVED + after, Ordering::Relaxed);
    }
}
