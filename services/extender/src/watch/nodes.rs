//! Nodes: labels and allocatable CPU.

use std::collections::BTreeMap;

use carbon_kube_core::MilliCpu;
use carbon_kube_telemetry::Health;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Api, Client, Resource};
use serde::{Deserialize, Serialize};

use super::{BURST, SETTLE, broken};
use crate::documents::Documents;
use crate::nodes::NodeFacts;
use crate::state::Changed;

/// What is read of a node.
#[derive(Clone, Debug, Deserialize, Serialize, Resource)]
#[resource(inherit = Node)]
struct SlimNode {
    metadata: ObjectMeta,
    #[serde(default)]
    status: SlimStatus,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct SlimStatus {
    #[serde(default)]
    allocatable: BTreeMap<String, Quantity>,
}

/// Keeps the nodes current, for ever.
pub(super) async fn watch(client: Client, documents: Documents, health: Health) {
    let nodes: Api<SlimNode> = Api::all(client);
    let stream = watch_objects(nodes, watcher::Config::default()).default_backoff();
    let mut bursts = std::pin::pin!(stream.ready_chunks(BURST));
    let mut seen = Seen::default();
    while let Some(burst) = bursts.next().await {
        let mut changed = false;
        for event in burst {
            match event {
                Ok(event) => changed |= seen.apply(&documents, event),
                Err(error) => broken("nodes", &error),
            }
        }
        if changed {
            let nodes = seen.nodes.clone();
            documents.state.change(Changed::Nodes, |parts| parts.nodes = nodes);
            tokio::time::sleep(SETTLE).await;
        }
        if seen.complete {
            health.set("nodes", true);
        }
    }
}

#[derive(Default)]
struct Seen {
    nodes: BTreeMap<String, NodeFacts>,
    /// A list that is being read; it replaces what was seen once it is whole.
    list: BTreeMap<String, NodeFacts>,
    complete: bool,
}

impl Seen {
    /// Whether anything changed that a decision could notice. A heartbeat does not.
    fn apply(&mut self, documents: &Documents, event: Event<SlimNode>) -> bool {
        match event {
            Event::Init => self.list.clear(),
            Event::InitApply(node) => {
                self.list.extend(named(documents, &node));
            }
            Event::InitDone => {
                self.complete = true;
                let list = std::mem::take(&mut self.list);
                let before = std::mem::replace(&mut self.nodes, list);
                return before != self.nodes;
            }
            Event::Apply(node) => {
                let Some((name, facts)) = named(documents, &node) else {
                    return false;
                };
                let before = self.nodes.insert(name, facts.clone());
                return before != Some(facts);
            }
            Event::Delete(node) => {
                let name = node.metadata.name.unwrap_or_default();
                return self.nodes.remove(&name).is_some();
            }
        }
        false
    }
}

fn named(documents: &Documents, node: &SlimNode) -> Option<(String, NodeFacts)> {
    let labels = node.metadata.labels.as_ref();
    let label = |key: &str| labels.and_then(|labels| labels.get(key)).map(String::as_str);
    let cpu: Option<MilliCpu> =
        node.status.allocatable.get("cpu").and_then(|cpu| cpu.0.parse().ok());
    let facts = NodeFacts::of(documents.state.config(), label, cpu);
    Some((node.metadata.name.clone()?, facts))
}
