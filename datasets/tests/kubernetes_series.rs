//! Series of kube-state-metrics as Prometheus answers, and clusters without names.

#![allow(clippy::unwrap_used, reason = "test code")]

use carbon_kube_core::Span;
use carbon_kube_datasets::workload::kubernetes::{self, Cluster};
use serde_json::{Value, json};

const OBJECTS: &str = include_str!("samples/workload/kubernetes.json");

/// Noon of the first of June 2026, and the hours around it, as Prometheus counts.
const NOON: f64 = 1_780_315_200.0;
const HOUR: f64 = 3_600.0;

fn series(name: &str, labels: Value, last: f64, value: f64) -> Value {
    let mut metric = labels;
    metric["__name__"] = name.into();
    // An earlier sample says something else, and does not count.
    json!({ "metric": metric, "values": [[last - HOUR, "0"], [last, value.to_string()]] })
}

fn answer(series: &[Value]) -> String {
    json!({ "status": "success", "data": { "resultType": "matrix", "result": series } }).to_string()
}

fn of(series: &[Value]) -> Cluster {
    kubernetes::parse("answer", answer(series).as_bytes()).unwrap()
}

fn node() -> Vec<Value> {
    let size = |resource: &str, value: f64| {
        series(
            "kube_node_status_allocatable",
            json!({ "node": "a", "resource": resource }),
            NOON,
            value,
        )
    };
    let labels = json!({
        "node": "a", "label_topology_kubernetes_io_region": "eu-central-1",
        "label_node_kubernetes_io_instance_type": "m5.large", "label_acme_io_tier": "batch",
    });
    let taint =
        json!({ "node": "a", "key": "acme.io/batch", "value": "yes", "effect": "NoSchedule" });
    vec![
        size("cpu", 1.93),
        size("memory", 7e9),
        size("pods", 29.0),
        size("nvidia_com_gpu", 1.0),
        series("kube_node_labels", labels, NOON, 1.0),
        series("kube_node_spec_taint", taint, NOON, 1.0),
    ]
}

/// A pod of a CronJob's Job that ran from 9 to 11 and was deleted then.
fn nightly() -> Vec<Value> {
    let pod = |more: Value| {
        let mut labels = json!({ "namespace": "batch", "pod": "nightly-28391-x", "uid": "u1" });
        labels.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        labels
    };
    let request = |container: &str, resource: &str, value: f64| {
        let labels = pod(json!({ "container": container, "resource": resource }));
        series("kube_pod_container_resource_requests", labels, NOON - HOUR, value)
    };
    let at = |name: &str, value: f64| series(name, pod(json!({})), NOON - HOUR, value);
    let phase = |phase: &str, value: f64| {
        series("kube_pod_status_phase", pod(json!({ "phase": phase })), NOON - HOUR, value)
    };
    let toleration =
        json!({ "key": "acme.io/batch", "operator": "Exists", "effect": "NoSchedule" });
    let job = json!({ "namespace": "batch", "job_name": "nightly-28391", "owner_kind": "CronJob", "owner_name": "nightly" });
    vec![
        at("kube_pod_created", NOON - 4.0 * HOUR),
        at("kube_pod_start_time", NOON - 3.0 * HOUR),
        at("kube_pod_completion_time", NOON - HOUR),
        request("main", "cpu", 0.5),
        request("main", "memory", 1_073_741_824.0),
        request("side", "cpu", 0.25),
        phase("Running", 0.0),
        phase("Succeeded", 1.0),
        series(
            "kube_pod_owner",
            pod(json!({ "owner_kind": "Job", "owner_name": "nightly-28391" })),
            NOON,
            1.0,
        ),
        series("kube_job_owner", job, NOON, 1.0),
        series(
            "kube_pod_nodeselectors",
            pod(json!({ "nodeselector_acme_io_tier": "batch" })),
            NOON,
            1.0,
        ),
        series(
            "kube_pod_annotations",
            pod(json!({ "annotation_carbon_kube_io_max_delay": "6h" })),
            NOON,
            1.0,
        ),
        series("kube_pod_tolerations", pod(toleration), NOON, 1.0),
        series(
            "kube_pod_info",
            pod(json!({ "priority_class": "system-cluster-critical" })),
            NOON,
            1.0,
        ),
    ]
}

/// A running pod of a Deployment, last seen at `last`.
fn web(name: &str, last: f64) -> Vec<Value> {
    let pod = json!({ "namespace": "shop", "pod": name, "uid": name });
    let mut owner = pod.clone();
    owner["owner_kind"] = "ReplicaSet".into();
    owner["owner_name"] = "web-5d9".into();
    let mut phase = pod.clone();
    phase["phase"] = "Running".into();
    let above = json!({ "namespace": "shop", "replicaset": "web-5d9", "owner_kind": "Deployment", "owner_name": "web" });
    vec![
        series("kube_pod_created", pod, last, NOON - 8.0 * HOUR),
        series("kube_pod_owner", owner, last, 1.0),
        series("kube_pod_status_phase", phase, last, 1.0),
        series("kube_replicaset_owner", above, NOON, 1.0),
    ]
}

#[test]
fn a_pod_that_prometheus_remembers_is_a_run_with_its_requests_and_rules() {
    let cluster = of(&[node(), nightly()].concat());
    let (group, runs) = cluster.jobs.iter().next().unwrap();
    assert_eq!((group.namespace.as_str(), group.owner.as_str()), ("batch", "nightly"));
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].at.to_string(), "2026-06-01T08:00:00Z");
    assert_eq!(runs[0].duration, Span::HOUR * 2);
    assert_eq!((runs[0].requests.cpu_milli, runs[0].requests.memory), (750, 1 << 30));
    assert_eq!(group.rules.priority, 2_000_000_000);
    assert_eq!(group.rules.annotations["carbon-kube.io/max-delay"], "6h");
    assert_eq!(group.rules.tolerations.len(), 1);
}

#[test]
fn a_node_has_its_size_and_labels_by_their_own_names_and_others_as_pods_ask_for_them() {
    let cluster = of(&[node(), nightly()].concat());
    let shape = cluster.nodes.keys().next().unwrap();
    assert_eq!(shape.region.as_deref(), Some("eu-central-1"));
    assert_eq!(shape.instance_type.as_deref(), Some("m5.large"));
    assert_eq!(
        (shape.allocatable.cpu_milli, shape.allocatable.gpu, shape.max_pods),
        (1_930, 1, 29)
    );
    assert_eq!(shape.taints.len(), 1);
    // What the pod asks for has the same name on both sides.
    let group = cluster.jobs.keys().next().unwrap();
    assert_eq!(group.rules.node_selector, shape.labels);
}

#[test]
fn pods_that_run_at_the_end_are_replicas_and_those_gone_before_are_not() {
    let pods = [web("web-5d9-a", NOON), web("web-5d9-b", NOON), web("web-5d9-c", NOON - HOUR)];
    let cluster = of(&[node(), pods.concat()].concat());
    let (group, services) = cluster.services.iter().next().unwrap();
    assert_eq!(group.owner, "web");
    assert_eq!(services[0].replicas, 2);
    let gone = "pods that were gone before the end, and no series tells when";
    assert_eq!(cluster.account.skipped[gone], 1);
}

#[test]
fn several_answers_and_instant_ones_are_one_cluster() {
    let instant = json!({ "status": "success", "data": { "resultType": "vector", "result": node().iter().map(|series| {
        json!({ "metric": series["metric"], "value": series["values"][1] })
    }).collect::<Vec<_>>() } });
    let text = format!("{instant}\n{}\n{}", answer(&node()), answer(&nightly()));
    let cluster = kubernetes::parse("answers", text.as_bytes()).unwrap();
    assert_eq!(cluster, {
        let mut once = of(&[node(), nightly()].concat());
        once.account = cluster.account.clone();
        once
    });
}

#[test]
fn a_pod_that_both_prometheus_and_the_api_server_tell_of_is_one_pod() {
    let dump = json!({
        "kind": "Pod",
        "metadata": { "name": "nightly-28391-x", "namespace": "batch", "uid": "u1", "resourceVersion": "7",
            "creationTimestamp": "2026-06-01T08:00:00Z",
            "ownerReferences": [{ "kind": "Job", "name": "nightly-28391000" }] },
        "spec": { "priority": 7, "containers": [] },
        "status": { "phase": "Running", "startTime": "2026-06-01T09:00:00Z" },
    });
    let series = answer(&[node(), nightly()].concat());
    // The dump was made while it ran; Prometheus knows when it ended.
    let cluster = kubernetes::parse("both", format!("{dump}{series}").as_bytes()).unwrap();
    assert_eq!(cluster.account.skipped["older copies of an object"], 1);
    let runs: Vec<_> = cluster.jobs.values().flatten().map(|run| run.duration).collect();
    assert_eq!(runs, [Span::HOUR * 2]);
}

#[test]
fn what_is_no_answer_of_prometheus_is_passed_over_or_an_error() {
    let other = answer(&[series("up", json!({}), NOON, 1.0)]);
    assert!(kubernetes::parse("answer", other.as_bytes()).is_err(), "nothing of a cluster");
    let map = r#"{"data": {"result": "x"}, "kind": "ConfigMap", "metadata": {"name": "m"}}"#;
    let text = format!("{map}\n{}", answer(&[node(), nightly()].concat()));
    let cluster = kubernetes::parse("answer", text.as_bytes()).unwrap();
    assert_eq!(cluster.account.skipped["objects of other kinds"], 1);
    let wrong = r#"{"data": {"resultType": "matrix", "result": [{"metric": 1}]}}"#;
    assert!(kubernetes::parse("answer", wrong.as_bytes()).is_err());
}

#[test]
fn a_cluster_without_names_is_the_same_cluster() {
    let named = kubernetes::parse("objects", OBJECTS.as_bytes()).unwrap();
    let anonymous = named.clone().anonymous();
    let runs = |cluster: &Cluster| {
        let mut runs: Vec<_> = cluster.jobs.values().flatten().copied().collect();
        runs.sort_unstable();
        runs
    };
    assert_eq!(runs(&named), runs(&anonymous));
    assert_eq!(named.nodes.values().sum::<u32>(), anonymous.nodes.values().sum::<u32>());
    assert_eq!(named.services.len(), anonymous.services.len());
    let text = format!("{:?}{:?}{:?}", anonymous.jobs, anonymous.services, anonymous.nodes);
    for group in named.jobs.keys().chain(named.services.keys()) {
        assert!(!text.contains(&format!("\"{}\"", group.owner)), "{} in {text}", group.owner);
        assert!(!text.contains(&format!("\"{}\"", group.namespace)), "{}", group.namespace);
    }
    // What our tables know stays: it says which grid, and how many watts.
    assert!(text.contains("eu-central-1"));
    assert_eq!(anonymous, named.anonymous(), "the same names each time");
}

#[test]
fn without_names_a_selector_still_matches_its_nodes_and_a_toleration_its_taint() {
    let cluster = of(&[node(), nightly()].concat()).anonymous();
    let shape = cluster.nodes.keys().next().unwrap();
    let group = cluster.jobs.keys().next().unwrap();
    assert_eq!(group.rules.node_selector, shape.labels);
    assert!(shape.labels.keys().all(|key| key.starts_with("label-")), "{:?}", shape.labels);
    let toleration: Value = serde_json::from_str(group.rules.tolerations.first().unwrap()).unwrap();
    assert_eq!(toleration["key"].as_str(), Some(shape.taints[0].0.as_str()));
    assert!(!format!("{cluster:?}").contains("acme"));
}
