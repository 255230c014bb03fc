//! Requests recorded from a real kube-scheduler (1.37.2): each is accepted, and the answer keeps
//! the rules that were recorded with them.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use axum::http::StatusCode;
use flate2::read::GzDecoder;
use serde_json::Value;
use support::{Extender, test_data};

/// A recorded call.
struct Recorded {
    name: String,
    verb: String,
    body: String,
}

fn recorded(test: &str) -> Vec<Recorded> {
    let Some(data) = test_data(test) else {
        return Vec::new();
    };
    let folder = data.join("extender-golden/requests");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Recorded {
    let mut text = String::new();
    let mut reader = File::open(file).unwrap();
    if file.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(reader).read_to_string(&mut text).unwrap();
    } else {
        reader.read_to_string(&mut text).unwrap();
    }
    let call: Value = serde_json::from_str(&text).unwrap();
    let path = call["request"]["path"].as_str().unwrap();
    Recorded {
        name: file.file_name().unwrap().to_string_lossy().into_owned(),
        verb: path.rsplit('/').next().unwrap().to_owned(),
        body: call["request"]["body"].as_str().unwrap().to_owned(),
    }
}

fn names_of(nodes: &Value) -> Vec<String> {
    let name = |node: &Value| node["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    nodes["items"].as_array().into_iter().flatten().map(name).collect()
}

/// What was offered, in whichever field.
fn offered(request: &Value) -> Vec<String> {
    match &request["NodeNames"] {
        Value::Array(names) => names.iter().map(|n| n.as_str().unwrap().to_owned()).collect(),
        _ => names_of(&request["Nodes"]),
    }
}

/// The recorded nodes lie in four regions of the table; the third is over its threshold.
fn extender() -> Extender {
    let zones = [
        ("SE-SE3", 30.0, 100.0),
        ("IE", 280.0, 300.0),
        ("US-MIDA-PJM", 420.0, 350.0),
        ("IN-WE", 640.0, 700.0),
    ];
    let config =
        "decisions: {defaultMode: enforce}\ngrid: {maxAge: 87600h, thresholdMaxAge: 87600h}";
    let extender = Extender::empty(config);
    extender.policy("kind: percentile-lowest-zone");
    extender.nodes(1_000, &zones.map(|zone| zone.0));
    extender.grid("2026-11-23T11:00:00Z", &zones);
    extender.at("2026-11-23T12:10:00Z");
    extender
}

fn check_filter(call: &Recorded, request: &Value, answer: &Value) {
    let name = &call.name;
    assert_eq!(answer["Nodes"].is_null(), request["Nodes"].is_null(), "{name}: the field asked");
    assert_eq!(answer["NodeNames"].is_null(), request["NodeNames"].is_null(), "{name}");
    assert_eq!(answer["Error"], "", "{name}");
    assert_eq!(answer["FailedNodes"], serde_json::json!({}), "{name}: the trap with preemption");
    let passed = offered(answer);
    let failed = answer["FailedAndUnresolvableNodes"].as_object().unwrap();
    assert!(failed.values().all(|reason| reason.as_str().is_some_and(|r| !r.is_empty())));
    let answered: BTreeSet<&String> = passed.iter().chain(failed.keys()).collect();
    let offered = offered(request);
    assert_eq!(answered, offered.iter().collect(), "{name}: each node passes or has a reason");
    assert_eq!(passed.len() + failed.len(), offered.len(), "{name}: and not both");
    if let Value::Array(items) = &answer["Nodes"]["items"] {
        let came = request["Nodes"]["items"].as_array().unwrap();
        assert!(items.iter().all(|node| came.contains(node)), "{name}: nodes as they came");
    }
}

fn check_prioritize(call: &Recorded, request: &Value, answer: &Value) {
    let scores = answer.as_array().expect("a bare array");
    let hosts: Vec<&str> = scores.iter().map(|host| host["Host"].as_str().unwrap()).collect();
    assert_eq!(hosts, offered(request), "{}", call.name);
    let score = |host: &Value| host["Score"].as_i64().expect("an integer");
    assert!(scores.iter().all(|host| (0..=10).contains(&score(host))), "{}", call.name);
    // Nodes of the cleanest zone are every fourth, from 0 on; of the dirtiest, from 3 on.
    let of = |host: &str| score(&scores[hosts.iter().position(|h| *h == host).unwrap()]);
    assert_eq!((of("node-0000"), of("node-0003")), (10, 0), "{}", call.name);
}

fn check_preempt(call: &Recorded, request: &Value, answer: &Value) {
    let kept = answer["NodeNameToMetaVictims"].as_object().unwrap();
    assert_eq!(answer.as_object().unwrap().len(), 1);
    let (field, whole) = match request["NodeNameToMetaVictims"].is_null() {
        true => ("NodeNameToVictims", true),
        false => ("NodeNameToMetaVictims", false),
    };
    let candidates = request[field].as_object().unwrap();
    assert!(!kept.is_empty(), "{}", call.name);
    for (node, victims) in kept {
        let came = &candidates[node];
        assert_eq!(victims["NumPDBViolations"], came["NumPDBViolations"]);
        let uid = |pod: &Value| match whole {
            true => pod["metadata"]["uid"].clone(),
            false => pod["UID"].clone(),
        };
        let uids: Vec<Value> = came["Pods"].as_array().unwrap().iter().map(uid).collect();
        let kept: Vec<Value> =
            victims["Pods"].as_array().unwrap().iter().map(|pod| pod["UID"].clone()).collect();
        assert_eq!(kept, uids, "{}: the victims as they were", call.name);
    }
}

#[tokio::test]
async fn every_recorded_request_is_answered_by_the_recorded_rules() {
    let extender = extender();
    for call in recorded("every_recorded_request_is_answered_by_the_recorded_rules") {
        if call.verb == "bind" {
            // An extender that binds is another kind: the configuration never asks for it.
            continue;
        }
        let request: Value = serde_json::from_str(&call.body).unwrap();
        let (status, answer) = extender.post(&call.verb, call.body.clone()).await;
        assert_eq!(status, StatusCode::OK, "{}", call.name);
        match call.verb.as_str() {
            "filter" => check_filter(&call, &request, &answer),
            "prioritize" => check_prioritize(&call, &request, &answer),
            "preempt" => check_preempt(&call, &request, &answer),
            verb => panic!("{}: {verb}", call.name),
        }
    }
}

#[tokio::test]
async fn recorded_pods_that_may_wait_are_refused_by_zone() {
    let extender = extender();
    extender.policy("kind: percentile");
    for call in recorded("recorded_pods_that_may_wait_are_refused_by_zone") {
        if call.verb != "filter" {
            continue;
        }
        let mut request: Value = serde_json::from_str(&call.body).unwrap();
        request["Pod"]["metadata"]["annotations"]["carbon-kube.io/max-delay"] = "6h".into();
        let (_, answer) = extender.post("filter", request.to_string()).await;
        check_filter(&call, &request, &answer);
        let failed = answer["FailedAndUnresolvableNodes"].as_object().unwrap();
        let number = |node: &str| node.rsplit('-').next().unwrap().parse::<usize>().unwrap();
        assert!(failed.keys().all(|node| number(node) % 4 == 2), "{}", call.name);
        let dirty = offered(&request).iter().filter(|node| number(node) % 4 == 2).count();
        assert_eq!(failed.len(), dirty, "{}", call.name);
    }
}

#[tokio::test]
async fn recorded_requests_to_an_extender_that_knows_nothing_pass_every_node() {
    let extender = Extender::empty("decisions: {defaultMode: enforce}");
    for call in recorded("recorded_requests_to_an_extender_that_knows_nothing_pass_every_node") {
        let request: Value = serde_json::from_str(&call.body).unwrap();
        match call.verb.as_str() {
            "filter" => {
                let (_, answer) = extender.post("filter", call.body.clone()).await;
                assert_eq!(offered(&answer), offered(&request), "{}", call.name);
            }
            "prioritize" => {
                let (_, answer) = extender.post("prioritize", call.body.clone()).await;
                let equal = |host: &Value| host["Score"] == 0;
                assert!(answer.as_array().unwrap().iter().all(equal), "{}", call.name);
            }
            _ => {}
        }
    }
}
