//! A cluster without the names that people gave, to pass it on: the same cluster, pod for pod.
//!
//! Numbers, times, Kubernetes' own labels, machine types and regions that our tables know stay. Names of
//! namespaces, owners, and of labels and taints with their values become `namespace-1`, `owner-1`,
//! `label-1`, `value-1`, the same one wherever the same name stood: a selector still matches its nodes.
//! The numbers follow the order of the names, so the same objects give the same file.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;

use carbon_kube_core::{cloud_region, power};
use serde_json::Value;

use super::{Cluster, Group, NodeShape, Rules};

impl Cluster {
    /// The cluster with numbers in place of names.
    #[must_use]
    pub fn anonymous(self) -> Self {
        let names = Names::of(&self);
        let Self { nodes, jobs, services, account } = self;
        Self {
            nodes: nodes.into_iter().map(|(shape, count)| (names.node(shape), count)).collect(),
            jobs: jobs.into_iter().map(|(group, runs)| (names.group(group), runs)).collect(),
            services: services.into_iter().map(|(group, all)| (names.group(group), all)).collect(),
            account,
        }
    }
}

/// What stands for each name.
struct Names {
    namespaces: BTreeMap<String, String>,
    owners: BTreeMap<(String, String), String>,
    keys: BTreeMap<String, String>,
    values: BTreeMap<String, String>,
    places: BTreeMap<String, String>,
}

/// Kubernetes' own names tell nothing of whose cluster it is.
fn is_public(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let own = ["kubernetes.io", "k8s.io", "nvidia.com", "amd.com", "carbon-kube.io"];
    own.iter().any(|own| domain == *own || domain.ends_with(&format!(".{own}")))
}

fn numbered<K: Ord>(what: &str, names: BTreeSet<K>) -> BTreeMap<K, String> {
    names.into_iter().zip(1..).map(|(name, number)| (name, format!("{what}-{number}"))).collect()
}

impl Names {
    fn of(cluster: &Cluster) -> Self {
        let groups = || cluster.jobs.keys().chain(cluster.services.keys());
        let mut keys = BTreeSet::new();
        let mut values = BTreeSet::new();
        let mut places = BTreeSet::new();
        for shape in cluster.nodes.keys() {
            let labels = shape.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            let taints = shape.taints.iter().map(|(key, value, _)| (key.as_str(), value.as_str()));
            labels.chain(taints).for_each(|(key, value)| note(key, value, &mut keys, &mut values));
            places.extend(
                [&shape.region, &shape.topology_zone, &shape.instance_type]
                    .into_iter()
                    .flatten()
                    .cloned(),
            );
        }
        for group in groups() {
            let Rules { node_selector, node_affinity, tolerations, .. } = &group.rules;
            node_selector.iter().for_each(|(key, value)| note(key, value, &mut keys, &mut values));
            for text in tolerations.iter().chain([node_affinity]) {
                visit(&mut parsed(text), &mut |key, value| {
                    note(key, value, &mut keys, &mut values);
                    (key.to_owned(), value.to_owned())
                });
            }
        }
        Self {
            namespaces: numbered(
                "namespace",
                groups().map(|group| group.namespace.clone()).collect(),
            ),
            owners: numbered(
                "owner",
                groups().map(|group| (group.namespace.clone(), group.owner.clone())).collect(),
            ),
            keys: numbered("label", keys),
            values: numbered("value", values),
            places: numbered("place", places),
        }
    }

    fn group(&self, group: Group) -> Group {
        let Group { namespace, owner, mut rules } = group;
        rules.node_selector = self.labels(take(&mut rules.node_selector));
        rules.node_affinity = self.json(&rules.node_affinity);
        rules.tolerations = rules.tolerations.iter().map(|text| self.json(text)).collect();
        let named = self.owners.get(&(namespace.clone(), owner)).cloned().unwrap_or_default();
        let within = self.namespaces.get(&namespace).cloned().unwrap_or_default();
        Group { namespace: within, owner: named, rules }
    }

    fn node(&self, mut shape: NodeShape) -> NodeShape {
        shape.labels = self.labels(take(&mut shape.labels));
        let taints = take(&mut shape.taints).into_iter();
        let taint = |(key, value, effect): (String, String, String)| {
            let (key, value) = self.label(&key, &value);
            (key, value, effect)
        };
        shape.taints = taints.map(taint).collect();
        let place = |name: String| self.places.get(&name).cloned().unwrap_or_default();
        let is_known = |region: &String| cloud_region::zone(region).is_some();
        // A topology zone is named after its region.
        if !shape.region.as_ref().is_some_and(is_known) {
            shape.region = shape.region.map(place);
            shape.topology_zone = shape.topology_zone.map(place);
        }
        if shape.instance_type.as_ref().is_none_or(|name| power::instance(name).is_none()) {
            shape.instance_type = shape.instance_type.map(place);
        }
        shape
    }

    fn labels(&self, labels: BTreeMap<String, String>) -> BTreeMap<String, String> {
        labels.into_iter().map(|(key, value)| self.label(&key, &value)).collect()
    }

    fn label(&self, key: &str, value: &str) -> (String, String) {
        if is_public(key) {
            return (key.to_owned(), value.to_owned());
        }
        let new = |names: &BTreeMap<String, String>, old: &str| {
            names.get(old).cloned().unwrap_or_else(|| old.to_owned())
        };
        (new(&self.keys, key), new(&self.values, value))
    }

    /// Rules that are kept as JSON; an empty text stays one.
    fn json(&self, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        let mut value = parsed(text);
        visit(&mut value, &mut |key, value| self.label(key, value));
        value.to_string()
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn note(key: &str, value: &str, keys: &mut BTreeSet<String>, values: &mut BTreeSet<String>) {
    if !is_public(key) {
        keys.insert(key.to_owned());
        // An empty value is that of a label without one.
        if !value.is_empty() {
            values.insert(value.to_owned());
        }
    }
}

/// Changes each `key` with its `value`, or each of its `values`, in tolerations and affinities.
fn visit(json: &mut Value, change: &mut impl FnMut(&str, &str) -> (String, String)) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, change)),
        Value::Object(fields) => {
            if let Some(Value::String(key)) = fields.get("key").cloned() {
                let mut renamed = change(&key, "").0;
                if let Some(Value::String(value)) = fields.get_mut("value") {
                    let new = change(&key, value);
                    (renamed, *value) = new;
                }
                if let Some(Value::Array(values)) = fields.get_mut("values") {
                    for value in values {
                        if let Value::String(text) = value {
                            *text = change(&key, text).1;
                        }
                    }
                }
                fields.insert("key".into(), renamed.into());
            }
            fields.values_mut().for_each(|field| visit(field, change));
        }
        _ => {}
    }
}
