//! Parity: what the simulator decided, the extender answers over HTTP, to the last bit.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use carbon_kube_policies::{Settings, library};
use carbon_kube_sim::comparison::{self, Entry, Watch};
use carbon_kube_sim::scenario;
use carbon_kube_sim::world::World;
use serde_json::Value;
use support::Extender;

/// A day in four grids; a machine type of its own in each, one of them with taints; pods that
/// wait, that don't, and that only some pools can hold.
fn world(holding: &str) -> World {
    let text = format!(
        "apiVersion: carbon-kube.io/v1alpha1
kind: Scenario
metadata: {{name: parity}}
spec:
  start: 2020-06-08T00:00:00Z
  duration: 1d
  seed: 11
  grid: {{zones: [{{zone: EU-FR}}, {{zone: EU-DE}}, {{zone: US-CA}}, {{zone: EU-UK}}]}}
  nodePools:
    - {{name: fr, zone: EU-FR, count: 2, instanceType: m5.4xlarge, pue: 1.1, usdPerHour: 0.9}}
    - {{name: de, zone: EU-DE, count: 3, instanceType: m5.4xlarge, pue: 1.37}}
    - {{name: de-arm, zone: EU-DE, count: 2, instanceType: m6g.4xlarge,
       taints: [{{key: arch, value: arm, effect: NoSchedule}}]}}
    - {{name: ca, zone: US-CA, count: 3, allocatable: {{cpu: 15890m, memory: 60Gi}},
       power: {{idleWatts: 33.3, busyWatts: 217.7}}, pue: 1.21}}
    - {{name: uk, zone: EU-UK, count: 1, instanceType: c5.9xlarge}}
  workloads:
    - name: batch
      generated: {{podsPerDay: 90, duration: {{median: 2h, sigma: 1}},
        shapes: [{{weight: 2, cpu: 1500m, memory: 4Gi}}, {{weight: 1, cpu: 6, memory: 8Gi}}]}}
      maxDelay: 5h
      interruptible: true
      migratable: true
    - name: now
      generated: {{podsPerDay: 24, duration: {{median: 30m, sigma: 1}},
        shapes: [{{cpu: 750m, memory: 1Gi}}]}}
    - name: arm
      generated: {{podsPerDay: 16, duration: {{median: 1h, sigma: 0.5}},
        shapes: [{{cpu: 2, memory: 2Gi}}]}}
      maxDelay: 3h
      template: {{spec: {{tolerations: [{{key: arch, operator: Exists}}],
        nodeSelector: {{carbon-kube.io/grid-zone: EU-DE}}}}}}
  scheduler: {{placeWeight: 5, holding: {holding}}}
  forecast: {{kind: noisy}}
"
    );
    let parsed = scenario::parse(text.as_bytes(), "parity.yaml", &[])
        .unwrap_or_else(|problems| panic!("{problems:?}"));
    scenario::build(&parsed, Path::new(".")).unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs the policy and returns the lines that were recorded.
fn recorded(world: &World, entry: &Entry) -> Vec<Value> {
    let out = Shared::default();
    let open = |_| Ok(Box::new(out.clone()) as Box<dyn Write + Send>);
    let watch = Watch {
        stop: &AtomicBool::new(false),
        progress: &|_, _| {},
        events: None,
        decisions: Some(&open),
    };
    let results = comparison::compare(world, std::slice::from_ref(entry), 1, &watch).unwrap();
    results.into_iter().for_each(|result| drop(result.unwrap()));
    let bytes = out.0.lock().unwrap().clone();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// What was replayed.
#[derive(Debug, Default)]
struct Replayed {
    filters: usize,
    refusals: usize,
    held: usize,
    scored: usize,
}

/// An extender as the first line describes it.
fn extender(run: &Value) -> Extender {
    assert_eq!((&run["kind"], &run["version"]), (&Value::from("run"), &Value::from(1)));
    let extender = Extender::empty(&run["config"].to_string());
    extender.listed_nodes(&run["nodes"]);
    extender.policy_file(&run["policyFile"].to_string());
    extender
}

async fn replay(lines: &[Value]) -> Replayed {
    let extender = extender(&lines[0]);
    let mut replayed = Replayed::default();
    for line in &lines[1..] {
        extender.at(line["at"].as_str().unwrap());
        match line["kind"].as_str().unwrap() {
            "grid" => {
                let documents = &extender.service.documents;
                documents.intensity(Some(&line["intensity"].to_string()));
                documents.threshold(Some(&line["threshold"].to_string()));
            }
            "filter" => filter(&extender, line, &mut replayed).await,
            "prioritize" => {
                let (status, answer) =
                    extender.post("prioritize", line["request"].to_string()).await;
                assert_eq!(status, StatusCode::OK);
                assert_eq!(answer, line["scores"], "{line}");
                let scores = answer.as_array().unwrap();
                replayed.scored += usize::from(scores.iter().any(|host| host["Score"] != 0));
            }
            kind => panic!("{kind}"),
        }
    }
    replayed
}

async fn filter(extender: &Extender, line: &Value, replayed: &mut Replayed) {
    let (status, answer) = extender.post("filter", line["request"].to_string()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["NodeNames"], line["passed"], "{line}\n{answer}");
    let failed = answer["FailedAndUnresolvableNodes"].as_object().unwrap();
    let expected = line["failed"].as_array().unwrap();
    assert_eq!(failed.len(), expected.len(), "{line}");
    assert!(expected.iter().all(|node| failed.contains_key(node.as_str().unwrap())));
    replayed.filters += 1;
    replayed.refusals += usize::from(!failed.is_empty());
    replayed.held += usize::from(line["passed"] == Value::Array(Vec::new()));
}

/// Every rule with its defaults, and every shipped policy.
fn policies() -> Vec<Entry> {
    let rules = Settings::all().into_iter();
    let rules =
        rules.map(|settings| Entry { name: settings.name().to_owned(), policy: settings.into() });
    let shipped = library::ALL.iter().map(|shipped| {
        let policy = shipped.load().unwrap().policy();
        Entry { name: shipped.name.to_owned(), policy }
    });
    rules.chain(shipped).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_policy_decides_in_the_extender_as_in_the_simulator() {
    for holding in ["gate", "filter"] {
        let world = world(holding);
        for entry in policies() {
            // Before the scheduler it is told what is in use, which an extender can't know.
            if (holding, entry.name.as_str()) == ("gate", "most-available-zone") {
                continue;
            }
            let lines = recorded(&world, &entry);
            let replayed = replay(&lines).await;
            eprintln!("{holding} {}: {replayed:?}", entry.name);
            assert!(replayed.filters >= world.pods.len() / 2, "hardly anything was recorded");
            let name = entry.name.as_str();
            let places = name.ends_with("-zone") && name != "most-available-zone";
            assert_eq!(replayed.scored > 0, places, "{holding} {name}: {replayed:?}");
            // Some only place; a quota and workers need somebody who counts and scales.
            let elsewhere = ["default-scheduler", "cap", "carbonscaler"].contains(&name);
            let waits = !elsewhere && (!name.ends_with("-zone") || name.starts_with("percentile"));
            let holds = holding == "gate" || waits == (replayed.held > 0);
            assert!(holds, "{holding} {name}: {replayed:?}");
        }
    }
}
