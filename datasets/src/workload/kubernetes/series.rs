//! Series of kube-state-metrics, as Prometheus answers a query, made into the objects that they tell of.
//!
//! ```text
//! kube_pod_created, kube_pod_completion_time, ...   --> a Pod
//! kube_node_status_allocatable, kube_node_labels    --> a Node
//! ```
//!
//! A cluster forgets pods that ended, Prometheus doesn't: this is how a past week is replayed. Of each
//! series the last sample counts. Names of labels come with `_` for what Prometheus can't have in a name
//! (`label_topology_kubernetes_io_region`); those that mean something here are known, and of the others
//! a node's label and a pod's selector are changed alike, so they still match.
//!
//! Metrics: <https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics>.

use std::collections::BTreeMap;

use carbon_kube_core::Time;
use carbon_kube_core::cluster::{GRID_ZONE_LABEL, INSTANCE_TYPE_LABEL, REGION_LABEL};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::nodes::TOPOLOGY_ZONE_LABEL;
use super::template::{ANNOTATIONS, HOST};
use crate::workload::account::Account;

/// An element of `data.result`: of a range query with `values`, of an instant one with `value`.
#[derive(Deserialize)]
pub(super) struct Series {
    metric: Labels,
    #[serde(default)]
    values: Vec<(f64, String)>,
    value: Option<(f64, String)>,
}

type Labels = BTreeMap<String, String>;

/// For so long Prometheus itself takes a series for current without a new sample, in seconds.
const LOOKBACK: f64 = 300.0;

/// What the series so far say.
#[derive(Default)]
pub(super) struct Told {
    nodes: BTreeMap<String, Node>,
    pods: BTreeMap<(String, String, String), Pod>,
    /// Owner of a ReplicaSet or a Job, by kind, namespace and name.
    owners: BTreeMap<(&'static str, String, String), (String, String)>,
    /// The last sample of all.
    end: f64,
}

#[derive(Default)]
struct Node {
    labels: Map<String, Value>,
    allocatable: Map<String, Value>,
    taints: Vec<Value>,
    unschedulable: bool,
}

#[derive(Default)]
struct Pod {
    created: Option<Time>,
    started: Option<Time>,
    ended: Option<Time>,
    phase: String,
    owner: Option<(String, String)>,
    priority_class: String,
    annotations: Map<String, Value>,
    node_selector: Map<String, Value>,
    tolerations: Vec<Value>,
    /// Requests of each container, and of each init container.
    containers: BTreeMap<String, Map<String, Value>>,
    init_containers: BTreeMap<String, Map<String, Value>>,
    last: f64,
}

impl Told {
    /// Takes a series; one that says nothing of pods or nodes is passed over.
    pub(super) fn take(&mut self, series: &Series, account: &mut Account) {
        let Some((at, text)) = series.values.last().or(series.value.as_ref()) else {
            return;
        };
        let Ok(value) = text.parse::<f64>() else {
            account.skip("samples that are no numbers");
            return;
        };
        let labels = &series.metric;
        let name = get(labels, "__name__");
        self.end = self.end.max(*at);
        if name.starts_with("kube_node_") {
            self.node(name, labels, value);
        } else if name.starts_with("kube_pod_") {
            self.pod(name, labels, value, *at);
        } else if name == "kube_replicaset_owner" {
            self.owner("ReplicaSet", get(labels, "replicaset"), labels);
        } else if name == "kube_job_owner" {
            self.owner("Job", get(labels, "job_name"), labels);
        } else {
            account.skip("series of other metrics");
        }
    }

    fn owner(&mut self, kind: &'static str, name: &str, labels: &Labels) {
        let owner = (get(labels, "owner_kind").to_owned(), get(labels, "owner_name").to_owned());
        if !owner.1.is_empty() && owner.1 != "<none>" {
            self.owners.insert((kind, get(labels, "namespace").to_owned(), name.to_owned()), owner);
        }
    }

    fn node(&mut self, metric: &str, labels: &Labels, value: f64) {
        let name = get(labels, "node");
        if name.is_empty() {
            return;
        }
        let node = self.nodes.entry(name.to_owned()).or_default();
        match metric {
            "kube_node_status_allocatable" => {
                let (resource, amount) = amount(labels, value);
                node.allocatable.insert(resource, amount);
            }
            "kube_node_labels" => node.labels.extend(renamed(labels, "label_")),
            "kube_node_spec_unschedulable" => node.unschedulable = value > 0.0,
            "kube_node_spec_taint" => {
                // Several answers may have the same series.
                let taint = fields(labels, &["key", "value", "effect"]);
                node.taints.retain(|known| *known != taint);
                node.taints.push(taint);
            }
            _ => {}
        }
    }

    fn pod(&mut self, metric: &str, labels: &Labels, value: f64, at: f64) {
        let key = ["namespace", "pod", "uid"].map(|key| get(labels, key).to_owned());
        if key[1].is_empty() {
            return;
        }
        let pod = self.pods.entry(key.into()).or_default();
        pod.last = pod.last.max(at);
        match metric {
            "kube_pod_created" => pod.created = instant(value),
            "kube_pod_start_time" => pod.started = instant(value),
            "kube_pod_completion_time" => pod.ended = instant(value),
            "kube_pod_info" => pod.priority_class = get(labels, "priority_class").to_owned(),
            "kube_pod_owner" => {
                let owner = (get(labels, "owner_kind"), get(labels, "owner_name"));
                pod.owner = (!owner.1.is_empty() && owner.1 != "<none>")
                    .then(|| (owner.0.to_owned(), owner.1.to_owned()));
            }
            // One series per phase, and the value says which of them it is.
            "kube_pod_status_phase" if value > 0.0 => pod.phase = get(labels, "phase").to_owned(),
            "kube_pod_annotations" => pod.annotations.extend(renamed(labels, "annotation_")),
            "kube_pod_nodeselectors" => pod.node_selector.extend(renamed(labels, "nodeselector_")),
            "kube_pod_tolerations" => {
                pod.tolerations.push(fields(labels, &["key", "operator", "value", "effect"]));
            }
            "kube_pod_container_resource_requests" => request(&mut pod.containers, labels, value),
            "kube_pod_init_container_resource_requests" => {
                request(&mut pod.init_containers, labels, value);
            }
            _ => {}
        }
    }

    /// The objects, as the API server would have written them.
    pub(super) fn objects(self, account: &mut Account) -> Vec<Value> {
        let Self { nodes, pods, owners, end, .. } = self;
        let mut objects: Vec<Value> = Vec::new();
        for (name, node) in nodes {
            if node.allocatable.is_empty() {
                account.skip("nodes whose size no series tells");
                continue;
            }
            objects.push(json!({
                "kind": "Node",
                "metadata": { "name": name, "labels": node.labels },
                "spec": { "taints": node.taints, "unschedulable": node.unschedulable },
                "status": { "allocatable": node.allocatable },
            }));
        }
        for ((namespace, name, uid), pod) in pods {
            let Some(created) = pod.created else {
                account.skip("pods whose creation no series tells");
                continue;
            };
            if pod.ended.is_none() && pod.last < end - LOOKBACK {
                account.skip("pods that were gone before the end, and no series tells when");
                continue;
            }
            objects.push(pod.object([&namespace, &name, &uid], created, &owners));
        }
        objects
    }
}

impl Pod {
    fn object(
        self,
        [namespace, name, uid]: [&str; 3],
        created: Time,
        owners: &BTreeMap<(&'static str, String, String), (String, String)>,
    ) -> Value {
        let owner = self.owner.map(|(kind, owner)| {
            let known = owners.iter().find(|((of, in_namespace, named), _)| {
                *of == kind && in_namespace == namespace && *named == owner
            });
            match known {
                // Its Job is what makes it a run; the CronJob's name is what the runs share.
                Some((_, (_, above))) if kind == "Job" => ("Job".to_owned(), above.clone()),
                Some((_, above)) => above.clone(),
                None => (kind, owner),
            }
        });
        let owner =
            owner.map(|(kind, name)| json!([{ "kind": kind, "name": name, "controller": true }]));
        let ended = self
            .ended
            .map(|at| json!([{ "state": { "terminated": { "finishedAt": at.to_string() } } }]));
        let phase = match self.phase.as_str() {
            "" | "Unknown" if self.ended.is_some() => "Succeeded",
            "" => "Running",
            phase => phase,
        };
        let containers = |all: BTreeMap<String, Map<String, Value>>| -> Vec<Value> {
            all.into_values()
                .map(|requests| json!({ "resources": { "requests": requests } }))
                .collect()
        };
        json!({
            "kind": "Pod",
            "metadata": {
                "namespace": namespace, "name": name, "uid": uid, "creationTimestamp": created.to_string(),
                "annotations": self.annotations, "ownerReferences": owner,
            },
            "spec": {
                "containers": containers(self.containers),
                "initContainers": containers(self.init_containers),
                "nodeSelector": self.node_selector,
                "tolerations": self.tolerations,
                "priorityClassName": self.priority_class,
            },
            "status": {
                "phase": phase,
                "startTime": self.started.unwrap_or(created).to_string(),
                "containerStatuses": ended,
            },
        })
    }
}

fn get<'a>(labels: &'a Labels, key: &str) -> &'a str {
    labels.get(key).map_or("", String::as_str)
}

/// Labels of a series as fields of an object.
fn fields(labels: &Labels, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), Value::from(get(labels, name)))).collect()
}

/// Seconds since 1970; `None` for what no cluster has seen.
fn instant(seconds: f64) -> Option<Time> {
    (1.0..1e11).contains(&seconds).then(|| Time::from_millis((seconds * 1_000.0).round() as i64))
}

/// A resource by its own name, and its amount as a quantity. Cores come as a fraction.
fn amount(labels: &Labels, value: f64) -> (String, Value) {
    match get(labels, "resource") {
        "cpu" => ("cpu".to_owned(), format!("{}m", (value * 1_000.0).round()).into()),
        "nvidia_com_gpu" => ("nvidia.com/gpu".to_owned(), format!("{value}").into()),
        "amd_com_gpu" => ("amd.com/gpu".to_owned(), format!("{value}").into()),
        other => (other.to_owned(), format!("{}", value.round()).into()),
    }
}

fn request(containers: &mut BTreeMap<String, Map<String, Value>>, labels: &Labels, value: f64) {
    let (resource, amount) = amount(labels, value);
    let container = containers.entry(get(labels, "container").to_owned()).or_default();
    container.insert(resource, amount);
}

/// The labels behind a prefix, by their own names where those mean something here.
fn renamed(labels: &Labels, prefix: &str) -> Vec<(String, Value)> {
    let known = [GRID_ZONE_LABEL, INSTANCE_TYPE_LABEL, REGION_LABEL, TOPOLOGY_ZONE_LABEL, HOST];
    let known: Vec<&str> =
        known.into_iter().chain(ANNOTATIONS).chain([EXPECTED_DURATION]).collect();
    let own = |text: &str| {
        let same = |name: &&&str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "_") == text;
        known.iter().find(same).map_or_else(|| text.to_owned(), |name| (*name).to_owned())
    };
    let named = labels.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, value)));
    named.map(|(key, value)| (own(key), value.as_str().into())).collect()
}

const EXPECTED_DURATION: &str = "carbon-kube.io/expected-duration";
