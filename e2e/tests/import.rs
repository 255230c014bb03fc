//! `datasets import` on objects as a real API server keeps them: with its defaults, admission's
//! additions and the controllers' status, none of which a sample that somebody wrote has.

use std::process::Command;
use std::time::Duration;

use carbon_kube_core::Span;
use carbon_kube_datasets::workload::kubernetes;
use carbon_kube_e2e::cluster::{self, Cluster, ClusterOptions, Need};
use carbon_kube_e2e::extender::binary;
use carbon_kube_e2e::kubelet::{Kubelet, RUNS_FOR};
use carbon_kube_e2e::nodes::{self, FakeNode};
use carbon_kube_e2e::scheduler::Configuration;
use carbon_kube_e2e::{apply, wait};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use kube::Client;
use kube::api::{Api, GetParams, Request};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

fn objects() -> Vec<Value> {
    let container = json!({
        "name": "main", "image": "example.test/none",
        "resources": { "requests": { "cpu": "750m", "memory": "1Gi" } },
    });
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": { "name": "batch" }, "value": 100,
    });
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "report", "namespace": "default" },
        "spec": {
            "completions": 2, "parallelism": 2,
            "template": {
                "metadata": { "annotations": { RUNS_FOR: "3s", "carbon-kube.io/max-delay": "6h" } },
                "spec": {
                    "restartPolicy": "Never",
                    "priorityClassName": "batch",
                    "nodeSelector": { "example.test/tier": "batch" },
                    "tolerations": [{ "key": "example.test/batch", "operator": "Exists" }],
                    "containers": [container],
                },
            },
        },
    });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": "default" },
        "spec": {
            "replicas": 3,
            "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [container] } },
        },
    });
    vec![class, job, deployment]
}

/// What `kubectl get KINDS -A -o json` prints: lists of the API server have no kind in their items.
async fn exported(client: &Client) -> String {
    let mut items = Vec::new();
    for (kind, path) in [
        ("Node", "api/v1/nodes"),
        ("Pod", "api/v1/pods"),
        ("Job", "apis/batch/v1/jobs"),
        ("Deployment", "apis/apps/v1/deployments"),
        ("StatefulSet", "apis/apps/v1/statefulsets"),
    ] {
        let request = Request::new("").get(path, &GetParams::default()).expect("a path");
        let list: Value = client.request(request).await.expect("the list");
        items.extend(list["items"].as_array().expect("a list").iter().map(|item| {
            let mut item = item.clone();
            item["kind"] = kind.into();
            item
        }));
    }
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}

/// The program itself makes a scenario and the file of its pods of the same objects; a second, later dump
/// of the cluster changes nothing.
fn it_becomes_two_files_that_run(cluster: &Cluster, objects: &str) {
    let folder = cluster.folder();
    std::fs::write(folder.join("objects.json"), objects).expect("the first dump");
    std::fs::write(folder.join("later.json"), objects).expect("the second dump");
    let carbon_kube = |words: &str| {
        let mut program = Command::new(binary("carbon-kube").expect("the program"));
        let output = program.args(words.split(' ')).current_dir(folder).output().expect("it runs");
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{words}: {}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    };
    let (_, said) = carbon_kube("datasets import objects.json later.json -o mine.yaml");
    assert!(said.contains("older copies of an object"), "{said}");
    let scenario = std::fs::read_to_string(folder.join("mine.yaml")).expect("the scenario");
    for kept in
        ["example.test/tier: batch", "key: example.test/batch", "priority: 100", "max-delay: 6h"]
    {
        assert!(scenario.contains(kept), "{kept} is not in {scenario}");
    }
    let pods = std::fs::read_to_string(folder.join("mine.workload.csv")).expect("the pods");
    assert_eq!(pods.matches(",750,1073741824,0,,,,default-report\n").count(), 2, "{pods}");
    // Two pods of the Job, three of the Deployment.
    let (valid, _) = carbon_kube("sim validate mine.yaml");
    assert!(valid.contains("1 zone, 2 nodes, 5 pods"), "{valid}");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_a_real_api_server_become_the_cluster_that_they_are() {
    let name = "objects_of_a_real_api_server_become_the_cluster_that_they_are";
    if cluster::skips(name, &[Need::ControllerManager, Need::OwnScheduler]) {
        return;
    }
    let mut cluster = Cluster::start(ClusterOptions::default()).await.expect("a control plane");
    cluster.start_scheduler(&Configuration::default()).await.expect("a scheduler");
    let client = cluster.client();
    let node =
        |node: FakeNode| node.with_label("example.test/tier", "batch").in_zone("eu-west-3", "a");
    let nodes: Vec<FakeNode> = FakeNode::numbered(2).into_iter().map(node).collect();
    nodes::create(&client, &nodes).await.expect("nodes");
    let kubelet = Kubelet::start(client.clone());
    apply::apply(&client, objects()).await.expect("objects");
    kubelet.finished(2, SOON, |pod| pod.name.starts_with("report-")).await.expect("both runs");
    let (jobs, deployments): (Api<Job>, Api<Deployment>) =
        (Api::default_namespaced(client.clone()), Api::default_namespaced(client.clone()));
    wait::until("the controllers have seen it", SOON, async || {
        let job = jobs.get("report").await?.status.unwrap_or_default();
        let web = deployments.get("web").await?.status.unwrap_or_default();
        Ok((job.completion_time.is_some() && web.available_replicas == Some(3)).then_some(()))
    })
    .await
    .expect("the controllers");

    let text = exported(&client).await;
    let imported =
        kubernetes::parse("objects", text.as_bytes()).expect("objects that we understand");

    let (shape, count) = imported.nodes.iter().next().expect("a group of nodes");
    assert_eq!((imported.nodes.len(), *count), (1, 2), "{:?}", imported.nodes);
    assert_eq!(shape.region.as_deref(), Some("eu-west-3"));
    assert_eq!((shape.allocatable.cpu_milli, shape.max_pods), (32_000, 110));
    assert_eq!(shape.labels["example.test/tier"], "batch");

    // The Job and its two pods are two runs, not three.
    let (group, runs) = imported.jobs.iter().next().expect("a job");
    assert_eq!((imported.jobs.len(), runs.len()), (1, 2), "{:?}", imported.jobs);
    assert_eq!(group.owner, "report");
    assert_eq!(group.rules.priority, 100);
    assert_eq!(group.rules.node_selector["example.test/tier"], "batch");
    // The API server adds tolerations of its own, for taints that come and go.
    assert_eq!(group.rules.tolerations.len(), 1, "{:?}", group.rules.tolerations);
    assert_eq!(group.rules.annotations["carbon-kube.io/max-delay"], "6h");
    for run in runs {
        assert_eq!((run.requests.cpu_milli, run.requests.memory), (750, 1 << 30));
        assert!(
            (Span::SECOND * 2..=Span::SECOND * 30).contains(&run.duration),
            "{:?}",
            run.duration
        );
    }

    // A Deployment and its three pods are three replicas.
    let (group, services) = imported.services.iter().next().expect("a service");
    assert_eq!(
        (imported.services.len(), group.owner.as_str()),
        (1, "web"),
        "{:?}",
        imported.services
    );
    assert_eq!(services[0].replicas, 3);

    it_becomes_two_files_that_run(&cluster, &text);

    let anonymous = format!("{:?}", imported.anonymous());
    for name in ["report", "web", "example.test"] {
        assert!(!anonymous.contains(name), "{name} in {anonymous}");
    }
}
