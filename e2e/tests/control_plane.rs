//! The fixture itself: if these fail, no other end-to-end test means anything.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use carbon_kube_e2e::cluster::{self, Cluster, ClusterOptions, Need};
use carbon_kube_e2e::kubelet::{Kubelet, RUNS_FOR};
use carbon_kube_e2e::nodes::{self, FakeNode};
use carbon_kube_e2e::pki::User;
use carbon_kube_e2e::scheduler::Configuration;
use carbon_kube_e2e::wait;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod};
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_becomes_available_on_fake_nodes() {
    let name = "a_deployment_becomes_available_on_fake_nodes";
    if cluster::skips(name, &[Need::ControllerManager, Need::OwnScheduler]) {
        return;
    }
    let started = Instant::now();
    let mut cluster = Cluster::start(ClusterOptions::default()).await.unwrap();
    let control_plane = started.elapsed();
    cluster.start_scheduler(&Configuration::default()).await.unwrap();
    let scheduler = started.elapsed();
    let client = cluster.client();
    nodes::create(&client, &FakeNode::numbered(10)).await.unwrap();
    let nodes = started.elapsed();
    let _kubelet = Kubelet::start(client.clone());
    let api: Api<Deployment> = Api::default_namespaced(client);
    api.create(&PostParams::default(), &deployment("web", 3)).await.unwrap();
    wait::until("3 pods are available", SOON, async || {
        let status = api.get("web").await?.status.unwrap_or_default();
        Ok((status.available_replicas == Some(3)).then_some(()))
    })
    .await
    .unwrap();
    eprintln!(
        "since the start: control plane {control_plane:.1?}, scheduler {scheduler:.1?}, 10 nodes \
         {nodes:.1?}, available {:.1?}",
        started.elapsed()
    );
}

fn deployment(name: &str, replicas: u32) -> Deployment {
    serde_json::from_value(json!({
        "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "main", "image": "example.test/none" }] },
            },
        },
    }))
    .unwrap()
}
