//! What of a pod kube-scheduler looks at, beside the requests, as far as the simulator does too.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::objects::{Metadata, PodSpec};
use crate::workload::account::Account;

/// Annotations that the simulator honours.
pub(super) const ANNOTATIONS: [&str; 4] = [
    "carbon-kube.io/deadline",
    "carbon-kube.io/interruptible",
    "carbon-kube.io/max-delay",
    "carbon-kube.io/migratable",
];

/// A label of one node; no other node could take the pod.
pub(super) const HOST: &str = "kubernetes.io/hostname";

/// Where a pod may go, and how urgent it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rules {
    /// Scheduling priority.
    pub priority: i32,
    /// Labels that a node must have.
    pub node_selector: BTreeMap<String, String>,
    /// `nodeAffinity` as JSON, empty where there is none.
    pub node_affinity: String,
    /// Tolerations as JSON.
    pub tolerations: BTreeSet<String>,
    /// Annotations that the simulator honours.
    pub annotations: BTreeMap<String, String>,
}

impl Rules {
    pub(super) fn of(metadata: &Metadata, spec: &PodSpec, account: &mut Account) -> Self {
        let mut node_selector = spec.node_selector.clone();
        if node_selector.remove(HOST).is_some() {
            account.note("any-node", || {
                format!("a pod that asks for one node by `{HOST}` may go to its equals too")
            });
        }
        if !spec.topology_spread_constraints.is_empty() {
            account.note("no-spread", || "topologySpreadConstraints are left out".to_owned());
        }
        let annotations = metadata.annotations.iter();
        let honoured = |(key, _): &(&String, &String)| ANNOTATIONS.contains(&key.as_str());
        let tolerations = spec.tolerations.iter().filter(|t| is_lasting(t));
        Self {
            priority: priority(spec),
            node_selector,
            node_affinity: node_affinity(spec.affinity.as_ref(), account),
            tolerations: tolerations.filter_map(toleration).collect(),
            annotations: annotations
                .filter(honoured)
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
        }
    }

    /// The labels that decide whether a node takes the pod.
    pub(super) fn labels(&self) -> impl Iterator<Item = String> {
        let affinity: Value = serde_json::from_str(&self.node_affinity).unwrap_or_default();
        let mut keys = Vec::new();
        collect_keys(&affinity, &mut keys);
        self.node_selector.keys().cloned().chain(keys)
    }
}

/// The number that the API server has worked out; in a template there is only a name, and two names
/// are Kubernetes' own.
fn priority(spec: &PodSpec) -> i32 {
    match (spec.priority, spec.priority_class_name.as_str()) {
        (0, "system-node-critical") => 2_000_001_000,
        (0, "system-cluster-critical") => 2_000_000_000,
        (priority, _) => priority,
    }
}

/// What the API server adds to each pod, for taints that come and go with the state of a node.
fn is_lasting(toleration: &Value) -> bool {
    let key = toleration.get("key").and_then(Value::as_str);
    !key.is_some_and(|key| key.starts_with("node.kubernetes.io/"))
}

/// The fields that decide; `tolerationSeconds` does not.
fn toleration(toleration: &Value) -> Option<String> {
    let fields = toleration.as_object()?;
    let kept = ["key", "operator", "value", "effect"];
    let kept = kept.into_iter().filter_map(|name| {
        let value = fields.get(name)?.as_str().filter(|value| !value.is_empty())?;
        Some((name.to_owned(), Value::from(value)))
    });
    Some(Value::Object(kept.collect()).to_string())
}

/// Node affinity by labels. `matchFields`, which name one node, and affinity between pods are left
/// out.
fn node_affinity(affinity: Option<&Value>, account: &mut Account) -> String {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let Some(affinity) = affinity.and_then(Value::as_object) else {
        return String::new();
    };
    if affinity.keys().any(|key| key != "nodeAffinity") {
        account.note("no-pod-affinity", || "affinity between pods is left out".to_owned());
    }
    let Some(rules) = affinity.get("nodeAffinity") else {
        return String::new();
    };
    let mut kept = serde_json::Map::new();
    let terms = rules.get(REQUIRED).and_then(|required| required.get("nodeSelectorTerms"));
    let terms: Vec<Value> =
        terms.and_then(Value::as_array).into_iter().flatten().filter_map(term).collect();
    if !terms.is_empty() {
        kept.insert(REQUIRED.into(), serde_json::json!({ "nodeSelectorTerms": terms }));
    }
    let preferred = rules.get(PREFERRED).and_then(Value::as_array).into_iter().flatten();
    let preferred: Vec<Value> = preferred
        .filter_map(|preferred| {
            let weight = preferred.get("weight")?.as_u64()?;
            let preference = term(preferred.get("preference")?)?;
            Some(serde_json::json!({ "weight": weight, "preference": preference }))
        })
        .collect();
    if !preferred.is_empty() {
        kept.insert(PREFERRED.into(), preferred.into());
    }
    if kept.is_empty() { String::new() } else { Value::Object(kept).to_string() }
}

fn term(term: &Value) -> Option<Value> {
    let expressions = term.get("matchExpressions")?.as_array()?;
    (!expressions.is_empty()).then(|| serde_json::json!({ "matchExpressions": expressions }))
}

fn collect_keys(value: &Value, keys: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(key) if name == "key" => keys.push(key.clone()),
                    _ => collect_keys(value, keys),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_keys(item, keys)),
        _ => {}
    }
}
