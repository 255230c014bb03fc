//! Nodes without machines: objects that the scheduler takes for Ready nodes.
//!
//! Admission taints every new node `not-ready`, and the controller that would take the taint off
//! isn't run, because it would also miss the nodes' heartbeats and evict their pods. So [`create`]
//! takes it off. On a cluster of somebody else that controller runs: there, a fake node stays ready
//! for about 40 s.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;

/// Marks the nodes whose pods the fake kubelet runs.
pub const FAKE_LABEL: &str = "e2e.carbon-kube.io/fake";

/// Requests in flight. More don't help: the API server is what is busy.
const CONCURRENCY: usize = 16;

/// A node to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeNode {
    /// Its name.
    pub name: String,
    /// Labels, besides those that every kubelet sets.
    pub labels: BTreeMap<String, String>,
    /// Allocatable CPU, in Kubernetes' notation.
    pub cpu: String,
    /// Allocatable memory, in Kubernetes' notation.
    pub memory: String,
    /// How many pods fit.
    pub pods: u32,
}

impl FakeNode {
    /// A node of 32 cores, 128 GiB and 110 pods, without labels of its own.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            labels: BTreeMap::new(),
            cpu: "32".to_owned(),
            memory: "128Gi".to_owned(),
            pods: 110,
        }
    }

    /// `count` such nodes, `node-0000` and up.
    pub fn numbered(count: usize) -> Vec<Self> {
        (0..count).map(|i| Self::new(format!("node-{i:04}"))).collect()
    }

    /// The same with a label.
    #[must_use]
    pub fn with_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// The same with the well-known labels of a region and a zone.
    #[must_use]
    pub fn in_zone(self, region: &str, zone: &str) -> Self {
        self.with_label("topology.kubernetes.io/region", region)
            .with_label("topology.kubernetes.io/zone", zone)
    }

    /// The same with another size.
    #[must_use]
    pub fn with_size(mut self, cpu: &str, memory: &str, pods: u32) -> Self {
        self.cpu = cpu.to_owned();
        self.memory = memory.to_owned();
        self.pods = pods;
        self
    }

    fn to_object(&self) -> Result<Node> {
        let now = Timestamp::now().to_string();
        let mut labels = self.labels.clone();
        for (key, value) in [
            ("kubernetes.io/hostname", self.name.as_str()),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
            (FAKE_LABEL, "true"),
        ] {
            labels.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
        let room = json!({ "cpu": self.cpu, "memory": self.memory, "pods": self.pods.to_string() });
        let condition = |kind: &str, status: &str| {
            json!({
                "type": kind, "status": status, "reason": "Fake", "message": "a fake node",
                "lastHeartbeatTime": now, "lastTransitionTime": now,
            })
        };
        serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "name": self.name, "labels": labels },
            "spec": { "providerID": format!("fake:///{}", self.name) },
            "status": {
                "capacity": room,
                "allocatable": room,
                "conditions": [
                    condition("Ready", "True"),
                    condition("MemoryPressure", "False"),
                    condition("DiskPressure", "False"),
                    condition("PIDPressure", "False"),
                ],
                "addresses": [{ "type": "Hostname", "address": self.name }],
            },
        }))
        .with_context(|| format!("node `{}`", self.name))
    }
}

/// Creates the nodes, Ready and without taints, many at a time.
///
/// # Errors
/// When the API server refuses one, because it exists for instance.
pub async fn create(client: &Client, nodes: &[FakeNode]) -> Result<()> {
    let api: &Api<Node> = &Api::all(client.clone());
    stream::iter(nodes)
        .map(|node| async move {
            // The status in a POST of a node counts, other than that of most kinds: a kubelet
            // registers itself the same way.
            let created = api
                .create(&PostParams::default(), &node.to_object()?)
                .await
                .with_context(|| format!("creating node `{}`", node.name))?;
            if created.spec.and_then(|spec| spec.taints).is_some() {
                let patch = Patch::Merge(json!({ "spec": { "taints": null } }));
                api.patch(&node.name, &PatchParams::default(), &patch)
                    .await
                    .with_context(|| format!("taking the taints off node `{}`", node.name))?;
            }
            anyhow::Ok(())
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect::<()>()
        .await
}

/// Changes an annotation of the node. The scheduler tries pods again that an extender refused when
/// a node changes, and the pods' own extender can do nothing that would wake them.
///
/// # Errors
/// When there is no such node.
pub async fn touch(client: &Client, node: &str) -> Result<()> {
    let api: Api<Node> = Api::all(client.clone());
    let patch = json!({
        "metadata": { "annotations": { "e2e.carbon-kube.io/touched": Timestamp::now().to_string() } },
    });
    api.patch(node, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .with_context(|| format!("touching node `{node}`"))?;
    Ok(())
}
