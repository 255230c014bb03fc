//! Groups of equal nodes. A label splits a group only where a pod asks for it: each node has labels
//! of its own, such as its host name.

use std::collections::{BTreeMap, BTreeSet};

use carbon_kube_core::cluster::{GRID_ZONE_LABEL, INSTANCE_TYPE_LABEL, REGION_LABEL};

use super::objects::{NodeSpec, NodeStatus, Object, Taint};
use super::{Fault, NodeShape, part, requests};
use crate::workload::account::Account;

/// Kubernetes' own zone.
pub(super) const TOPOLOGY_ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// Labels that are fields of their own.
const FIELDS: [&str; 4] = [GRID_ZONE_LABEL, INSTANCE_TYPE_LABEL, REGION_LABEL, TOPOLOGY_ZONE_LABEL];

/// The nodes so far, with all of their labels.
#[derive(Default)]
pub(super) struct Nodes(Vec<NodeShape>);

/// A node with all of its labels; `None` for one that takes no pods.
pub(super) fn node(object: &Object, account: &mut Account) -> Result<Option<NodeShape>, Fault> {
    let spec: NodeSpec = part(object.spec.as_deref(), "spec")?;
    let status: NodeStatus = part(object.status.as_deref(), "status")?;
    if spec.unschedulable {
        account.skip("cordoned nodes");
        return Ok(None);
    }
    let amounts =
        if status.allocatable.is_empty() { &status.capacity } else { &status.allocatable };
    let (allocatable, max_pods) = requests::of_node(amounts)?;
    if allocatable.cpu_milli == 0 {
        return Err(Fault::new("status.allocatable", "has no CPU"));
    }
    let labels = &object.metadata.labels;
    let label = |key: &str| labels.get(key).cloned();
    Ok(Some(NodeShape {
        grid_zone: label(GRID_ZONE_LABEL),
        region: label(REGION_LABEL),
        topology_zone: label(TOPOLOGY_ZONE_LABEL),
        instance_type: label(INSTANCE_TYPE_LABEL),
        allocatable,
        max_pods,
        taints: spec.taints.into_iter().filter(is_lasting).map(parts).collect(),
        labels: labels.clone(),
    }))
}

impl Nodes {
    pub(super) fn add(&mut self, node: NodeShape) {
        self.0.push(node);
    }

    /// The groups; `asked` are the labels that pods ask for.
    pub(super) fn groups(self, asked: &BTreeSet<String>) -> BTreeMap<NodeShape, u32> {
        let mut groups = BTreeMap::new();
        for mut node in self.0 {
            node.labels.retain(|key, _| asked.contains(key) && !FIELDS.contains(&key.as_str()));
            *groups.entry(node).or_insert(0) += 1;
        }
        groups
    }
}

/// The node controller's own taints come and go with the state of a node.
fn is_lasting(taint: &Taint) -> bool {
    !taint.key.starts_with("node.kubernetes.io/")
}

fn parts(taint: Taint) -> (String, String, String) {
    (taint.key, taint.value, taint.effect)
}
