//! A byte that picks a kind, and the text of a document, a policy file or a configuration.
//!
//! Whatever can be read is put in force, and a pod is judged by it: a document must not be able to
//! stop an extender that took it.

#![no_main]

mod cluster;

use std::cell::OnceCell;
use std::collections::BTreeMap;

use carbon_kube_core::documents::{IntensityDocument, ThresholdDocument};
use carbon_kube_extender::answer::{Context, filter, prioritize};
use carbon_kube_extender::config::{Config, Configuration};
use carbon_kube_extender::documents::PolicyMap;
use carbon_kube_policies::file::Loaded;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

use cluster::Cluster;

/// A pod that may wait, offered three zones.
const REQUEST: &[u8] = br#"{"Pod":{"metadata":{"name":"p","namespace":"n","uid":"u",
    "creationTimestamp":"2026-06-01T11:00:00Z","annotations":{"carbon-kube.io/max-delay":"6h"}}},
    "NodeNames":["node-0000","node-0001","node-0002"]}"#;

thread_local! {
    static CLUSTER: OnceCell<Cluster> = const { OnceCell::new() };
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, text)) = input.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    CLUSTER.with(|cluster| {
        let cluster = cluster.get_or_init(cluster_with_data);
        match choice & 3 {
            0 => intensity(cluster, text),
            1 => threshold(cluster, text),
            2 => policy(cluster, text),
            _ => config(text),
        }
    });
});

fn cluster_with_data() -> Cluster {
    let cluster = Cluster::new();
    cluster.policy("kind: percentile-lowest-zone");
    cluster.grid();
    cluster
}

fn intensity(cluster: &Cluster, text: &str) {
    if let Ok((document, _)) = IntensityDocument::parse(text) {
        let written = serde_json::to_string(&document).expect("it has a form in JSON");
        let (again, left_out) = IntensityDocument::parse(&written).expect("we read what we write");
        assert!(again == document && left_out.is_empty());
        cluster.service.documents.intensity(Some(text));
        judged(cluster);
        cluster.grid();
    }
}

fn threshold(cluster: &Cluster, text: &str) {
    if let Ok((document, _)) = ThresholdDocument::parse(text) {
        let written = serde_json::to_string(&document).expect("it has a form in JSON");
        let (again, left_out) = ThresholdDocument::parse(&written).expect("we read what we write");
        assert!(again == document && left_out.is_empty());
        cluster.service.documents.threshold(Some(text));
        judged(cluster);
        cluster.grid();
    }
}

fn policy(cluster: &Cluster, text: &str) {
    if Loaded::parse(text, None).is_ok() {
        let data = BTreeMap::from([("policy.yaml".to_owned(), text.to_owned())]);
        let map = PolicyMap { data: &data, actor: None, annotations: &BTreeMap::new() };
        cluster.service.documents.policy(Some(map));
        judged(cluster);
        cluster.policy("kind: percentile-lowest-zone");
    }
}

fn config(text: &str) {
    if let Err(error) = Config::parse("extender.yaml", text) {
        assert!(error.to_string().starts_with("extender.yaml: "), "{error}");
    }
}

/// Judges a pod by what is in force, at three times of day.
fn judged(cluster: &Cluster) {
    let app = &cluster.service.app;
    for hours in [0, 2, 30] {
        cluster.set_clock(hours * 3_600_000);
        let snapshot = app.state.current();
        let context =
            Context { config: app.state.config(), snapshot: &snapshot, now: (app.clock)() };
        let filtered = filter(&context, REQUEST).expect("a request of ours");
        let _: Value = serde_json::from_slice(&filtered.body).expect("JSON");
        let scored = prioritize(&context, REQUEST).expect("a request of ours");
        let scores: Vec<Value> = serde_json::from_slice(&scored.body).expect("JSON");
        for node in scores {
            let score = node["Score"].as_i64().expect("a whole number");
            assert!((0..=10).contains(&score), "{score}");
        }
    }
}
