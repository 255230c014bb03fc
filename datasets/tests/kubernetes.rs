//! A small cluster, as `kubectl get -o json` writes it, and what is done to such files.

#![allow(clippy::unwrap_used, reason = "test code")]

use carbon_kube_core::Span;
use carbon_kube_datasets::ReadError;
use carbon_kube_datasets::workload::kubernetes::{self, Cluster, Requests};

const OBJECTS: &str = include_str!("samples/workload/kubernetes.json");

fn read(text: &[u8]) -> Result<Cluster, ReadError> {
    kubernetes::parse("objects", text)
}

fn refused(text: &str) -> String {
    read(text.as_bytes()).unwrap_err().to_string()
}

const fn requests(cpu_milli: u64, memory: u64, gpu: u32) -> Requests {
    Requests { cpu_milli, memory, gpu }
}

fn pod(spec: &str, status: &str) -> String {
    format!(
        r#"{{"kind": "Pod", "metadata": {{"namespace": "n", "name": "p", "creationTimestamp":
           "2026-06-01T00:00:00Z"}}, "spec": {spec}, "status": {status}}}"#
    )
}

/// What a pod requests that ran for an hour.
fn of(spec: &str) -> Requests {
    let status = r#"{"phase": "Succeeded", "startTime": "2026-06-01T00:00:00Z", "containerStatuses":
        [{"state": {"terminated": {"finishedAt": "2026-06-01T01:00:00Z"}}}]}"#;
    let cluster = read(pod(spec, status).as_bytes()).unwrap();
    cluster.jobs.values().next().unwrap()[0].requests
}

#[test]
fn equal_nodes_are_a_group_and_labels_split_it_only_where_a_pod_asks() {
    let cluster = read(OBJECTS.as_bytes()).unwrap();
    let nodes: Vec<_> = cluster
        .nodes
        .iter()
        .map(|(shape, count)| {
            (shape.region.as_deref(), shape.allocatable.cpu_milli, shape.allocatable.gpu, *count)
        })
        .collect();
    // Four workers that differ in host name alone, and one with GPUs; a fifth is cordoned.
    let region = Some("eu-central-1");
    assert_eq!(nodes, [(region, 3_920, 0, 2), (region, 7_910, 4, 1)]);
    let gpu = cluster.nodes.keys().next_back().unwrap();
    assert_eq!(gpu.labels["tier"], "gpu");
    let taint = ("nvidia.com/gpu".to_owned(), "present".to_owned(), "NoSchedule".to_owned());
    assert_eq!(gpu.taints, [taint]);
    assert_eq!(cluster.account.skipped["cordoned nodes"], 1);
}

#[test]
fn pods_that_ended_are_runs_of_their_owner() {
    let cluster = read(OBJECTS.as_bytes()).unwrap();
    let jobs: Vec<_> = cluster
        .jobs
        .iter()
        .map(|(group, runs)| (group.owner.as_str(), runs.len(), runs[0].duration, runs[0].requests))
        .collect();
    let minutes = |minutes| Span::MINUTE * minutes;
    assert_eq!(
        jobs,
        [
            // Two Jobs of one CronJob, with the numbers that it gives them.
            ("nightly", 2, minutes(10), requests(250, 256 << 20, 0)),
            // Its pods are gone; the Job says that there were three.
            ("old", 3, minutes(60), requests(1_000, 1 << 30, 0)),
            ("train", 1, minutes(90), requests(2_000, 8_000_000_000, 1)),
        ]
    );
    let train = cluster.jobs.keys().find(|group| group.owner == "train").unwrap();
    assert_eq!((train.rules.priority, train.rules.node_selector["tier"].as_str()), (1_000, "gpu"));
    assert_eq!(train.rules.annotations["carbon-kube.io/max-delay"], "6h");
    assert_eq!(train.rules.tolerations.len(), 1, "without those that the API server adds");
}

#[test]
fn what_runs_is_a_service_under_the_name_of_its_deployment() {
    let cluster = read(OBJECTS.as_bytes()).unwrap();
    let services: Vec<_> = cluster
        .services
        .iter()
        .flat_map(|(group, all)| all.iter().map(|s| (group.owner.as_str(), s.replicas, s.requests)))
        .collect();
    assert_eq!(
        services,
        [
            // A ReplicaSet's pods without their Deployment, and nothing requested.
            ("api", 2, requests(100, 200 << 20, 0)),
            // The Deployment says three; its two pods in the file don't come on top.
            ("web", 3, requests(500, 512 << 20, 0)),
        ]
    );
    let skipped = &cluster.account.skipped;
    assert_eq!(skipped["pods of DaemonSets and static pods"], 1);
    assert_eq!(skipped["pods whose length nothing tells"], 1);
    assert_eq!(skipped["objects of other kinds"], 1);
    let names: Vec<_> = cluster.account.assumptions.iter().map(|a| a.name).collect();
    assert_eq!(names, ["no-cpu-request", "job-without-pods"]);
}

#[test]
fn requests_are_added_up_as_kube_scheduler_does() {
    let container = |requests: &str| format!(r#"{{"resources": {{"requests": {{{requests}}}}}}}"#);
    let two = [container(r#""cpu": "250m""#), container(r#""cpu": 1, "memory": "1Gi""#)].join(",");
    assert_eq!(of(&format!(r#"{{"containers": [{two}]}}"#)), requests(1_250, 1 << 30, 0));
    // An init container that asks for more; a sidecar that stays.
    let init = container(r#""cpu": "2""#);
    let sidecar = r#"{"restartPolicy": "Always", "resources": {"limits": {"cpu": "0.1"}}}"#;
    let with = |init: &str| {
        of(&format!(
            r#"{{"containers": [{two}], "initContainers": [{init}], "overhead": {{"cpu": "50m"}}}}"#
        ))
    };
    assert_eq!(with(&init).cpu_milli, 2_050);
    assert_eq!(with(sidecar).cpu_milli, 1_400);
    assert_eq!(with(&format!("{sidecar},{init}")).cpu_milli, 2_150);
    for (quantity, memory) in [
        ("\"128974848\"", 128_974_848),
        ("\"129e6\"", 129_000_000),
        ("\"129M\"", 129_000_000),
        ("\"128974848000m\"", 128_974_848),
        ("\"123Mi\"", 123 << 20),
        ("1000", 1_000),
    ] {
        let one = container(&format!(r#""cpu": "1", "memory": {quantity}"#));
        assert_eq!(of(&format!(r#"{{"containers": [{one}]}}"#)).memory, memory, "{quantity}");
    }
}

#[test]
fn several_documents_and_single_objects_are_one_cluster() {
    let list: serde_json::Value = serde_json::from_str(OBJECTS).unwrap();
    let single: String =
        list["items"].as_array().unwrap().iter().map(|object| format!("{object}\n\n")).collect();
    let whole = read(OBJECTS.as_bytes()).unwrap();
    assert_eq!(read(single.as_bytes()).unwrap(), whole);
    assert_eq!(read(list.to_string().as_bytes()).unwrap(), whole, "on one line");
    assert_eq!(
        read(format!("\u{feff}{}", OBJECTS.replace('\n', "\r\n")).as_bytes()).unwrap(),
        whole
    );
}

const RUNS: &str = r#"{"phase": "Running", "startTime": "2026-06-01T00:00:00Z"}"#;
const ENDED: &str = r#"{"phase": "Succeeded", "startTime": "2026-06-01T00:00:00Z", "containerStatuses":
    [{"state": {"terminated": {"finishedAt": "2026-06-01T03:00:00Z"}}}]}"#;

/// A pod as the API server had it when it gave it this version.
fn copy(uid: &str, version: &str, status: &str) -> String {
    let own = format!(r#""metadata": {{"uid": "{uid}", "resourceVersion": "{version}","#);
    pod("{}", status).replace(r#""metadata": {"#, &own)
}

fn of_files(files: &[&[String]]) -> Cluster {
    let folder = tempfile::tempdir().unwrap();
    let write = |(number, objects): (usize, &&[String])| {
        let path = folder.path().join(format!("{number}.json"));
        std::fs::write(&path, objects.concat()).unwrap();
        path
    };
    let paths: Vec<_> = files.iter().enumerate().map(write).collect();
    kubernetes::read(&paths).unwrap()
}

#[test]
fn of_the_copies_of_an_object_in_several_dumps_the_newest_counts() {
    // As numbers: as texts, 1000 would be before 999.
    let (old, new) = ([copy("a", "999", RUNS)], [copy("a", "1000", ENDED)]);
    for files in [[&old[..], &new[..]], [&new[..], &old[..]]] {
        let cluster = of_files(&files);
        assert!(cluster.services.is_empty(), "{:?}", cluster.services);
        let runs: Vec<_> = cluster.jobs.values().flatten().map(|run| run.duration).collect();
        assert_eq!(runs, [Span::HOUR * 3]);
        assert_eq!(cluster.account.skipped["older copies of an object"], 1);
        // Of the copy that does not count, nothing is told: one pod had no requests, not two.
        assert_eq!(cluster.account.assumptions[0].rows, 1);
    }
    let whole = [OBJECTS.to_owned()];
    let (once, twice) = (of_files(&[&whole]), of_files(&[&whole, &whole]));
    assert_eq!((once.nodes, once.jobs, once.services), (twice.nodes, twice.jobs, twice.services));
    assert_eq!(twice.account.skipped["older copies of an object"], 17);
}

#[test]
fn without_versions_the_copy_that_has_ended_counts() {
    for files in [[RUNS, ENDED], [ENDED, RUNS]].map(|two| two.map(|status| copy("a", "", status))) {
        let cluster = of_files(&[&files[..1], &files[1..]]);
        assert_eq!((cluster.jobs.len(), cluster.services.len()), (1, 0));
    }
}

#[test]
fn a_pod_of_the_same_name_as_one_before_it_is_another_run() {
    let both = [copy("a", "5", ENDED), copy("b", "9", ENDED)];
    assert_eq!(of_files(&[&both]).jobs.values().map(Vec::len).collect::<Vec<_>>(), [2]);
}

#[test]
fn what_can_not_be_understood_names_object_and_field_or_line_and_column() {
    let ended = r#"{"phase": "Succeeded"}"#;
    for (text, message) in [
        (String::new(), "objects: has no rows"),
        ("[1, 2]".into(), "objects: line 1: column 1: invalid type: sequence, expected a Kubernetes object or a list of them"),
        ("{\"kind\": \"Pod\"\n  \"x\": 1}".into(), "objects: line 2: column 3: expected `,` or `}`"),
        (
            pod(r#"{"containers": [{"resources": {"requests": {"cpu": "2x"}}}]}"#, ended),
            "objects: Pod `n/p`: spec.containers: cpu: `2x` is not a Kubernetes quantity such as `500m`, `2`, `1.5` or `4Gi`",
        ),
        (
            pod("{}", r#"{"phase": "Failed", "startTime": "soon"}"#),
            "objects: Pod `n/p`: status.startTime: `soon` is not an instant such as `2026-06-01T00:00:00Z`",
        ),
        (
            pod(r#"{"containers": 7}"#, ended),
            "objects: Pod `n/p`: spec: invalid type: integer `7`, expected a sequence",
        ),
        (
            r#"{"kind": "Node", "metadata": {"name": "a"}, "status": {"allocatable": {"memory": "1Gi"}}}"#.into(),
            "objects: Node `/a`: status.allocatable: has no CPU",
        ),
    ] {
        assert_eq!(refused(&text), message);
    }
}

#[test]
fn a_cut_file_is_an_error() {
    // The last byte is a line end.
    for end in (1..OBJECTS.len() - 1).step_by(7) {
        let error = read(&OBJECTS.as_bytes()[..end]).unwrap_err().to_string();
        assert!(error.starts_with("objects: line "), "{end}: {error}");
    }
    let utf16: Vec<u8> = OBJECTS.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let error = read(&utf16).unwrap_err().to_string();
    assert_eq!(error, "objects: is not a text file (it has a zero byte)");
}

#[test]
fn flipped_bits_are_an_error_or_another_cluster_never_a_panic() {
    let mut state = 3u64;
    let mut draw = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..5_000 {
        let mut bytes = OBJECTS.as_bytes().to_vec();
        let at = draw(bytes.len());
        bytes[at] ^= 1 << draw(8);
        if let Err(error) = read(&bytes) {
            assert!(error.to_string().starts_with("objects: "), "{error}");
        }
    }
}
