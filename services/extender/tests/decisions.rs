//! What the extender answers, by pod, node, policy and what is known.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use axum::http::StatusCode;
use carbon_kube_core::cluster::Mode;
use serde_json::{Value, json};
use support::{Extender, NOON, ZoneValues, intensity, names, patient, pod};

const PERCENTILE: &str = "kind: percentile";
const LOWEST: &str = "kind: lowest-zone";

/// Texas is over its threshold, California under its own.
const MIXED: [ZoneValues<'static>; 2] = [("US-TX", 412.0, 350.0), ("US-CA", 180.0, 200.0)];
const DIRTY: [ZoneValues<'static>; 2] = [("US-TX", 412.0, 350.0), ("US-CA", 280.0, 200.0)];
const NODES: [&str; 2] = ["node-0000", "node-0001"];

#[tokio::test]
async fn a_dirty_node_is_refused_with_a_reason_that_a_person_understands() {
    let extender = Extender::with("", PERCENTILE, 2, &MIXED);
    let (passed, failed) = extender.filter(&patient(), &NODES).await;
    assert_eq!(passed, ["node-0001"]);
    let reason = "US-TX 412 g/kWh is over the threshold 350 g/kWh; no later than 17:00 UTC";
    assert_eq!(failed["node-0000"], reason);
}

#[tokio::test]
async fn a_pod_that_may_wait_is_held_until_its_limit_is_one_retry_away() {
    let extender = Extender::with("", PERCENTILE, 2, &DIRTY);
    let passed = async |now: &str| {
        extender.at(now).grid(now, &DIRTY);
        extender.filter(&patient(), &NODES).await.0.len()
    };
    assert_eq!(passed(NOON).await, 0);
    // Created at 11:00, six hours: 17:00. The scheduler may leave it alone for 5 min 30 s.
    assert_eq!(passed("2026-06-01T16:54:29Z").await, 0);
    assert_eq!(passed("2026-06-01T16:54:30Z").await, 2);
    assert_eq!(passed("2026-06-02T00:00:00Z").await, 2);
}

#[tokio::test]
async fn a_second_replica_answers_as_the_first() {
    let body = names(&patient(), &NODES);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let extender = Extender::with("", PERCENTILE, 2, &DIRTY);
        // The first has been asked before, the second has just started.
        for _ in 0..=answers.len() {
            answers.push(extender.post("filter", body.clone()).await.1);
        }
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn the_namespace_opts_in_and_the_pod_overrides_it() {
    let extender = Extender::with("", PERCENTILE, 2, &DIRTY);
    let passed = async |mode: Option<Mode>, annotations: &[(&str, &str)]| {
        extender.namespace("team-a", mode.unwrap_or_default());
        extender.filter(&pod(annotations), &NODES).await.0.len()
    };
    let delay = ("max-delay", "6h");
    assert_eq!(passed(None, &[delay]).await, 2, "nobody opted in");
    assert_eq!(passed(Some(Mode::Enforce), &[delay]).await, 0);
    assert_eq!(passed(Some(Mode::Enforce), &[delay, ("mode", "off")]).await, 2);
    assert_eq!(passed(Some(Mode::Off), &[delay, ("mode", "enforce")]).await, 0);
    assert_eq!(passed(Some(Mode::Enforce), &[]).await, 2, "a pod that does not wait");
    assert_eq!(passed(Some(Mode::Enforce), &[("max-delay", "soon")]).await, 2);
}

#[tokio::test]
async fn kube_system_is_never_touched() {
    let extender = Extender::with("decisions: {defaultMode: enforce}", PERCENTILE, 2, &DIRTY);
    let mut system = patient();
    system["metadata"]["namespace"] = json!("kube-system");
    assert_eq!(extender.filter(&system, &NODES).await.0.len(), 2);
    assert_eq!(extender.filter(&patient(), &NODES).await.0.len(), 0);
}

#[tokio::test]
async fn observing_changes_nothing_and_says_what_it_would_do() {
    let extender = Extender::with("", PERCENTILE, 2, &MIXED);
    let observed = pod(&[("mode", "observe"), ("max-delay", "6h")]);
    assert_eq!(extender.filter(&observed, &NODES).await.0.len(), 2);
    let (_, explained) = extender.get("/v1/explain?namespace=team-a&pod=batch-1").await;
    let decision = &explained["decisions"][0];
    assert_eq!(decision["mode"], "observe");
    assert_eq!(decision["outcome"], "refused-some");
    let texas = &decision["nodes"][0];
    assert_eq!(texas["zone"], "US-TX");
    assert!(texas["reason"].as_str().unwrap().starts_with("US-TX 412 g/kWh is over"));
    let lowest = Extender::with("", LOWEST, 2, &MIXED);
    assert_eq!(lowest.scores(&observed, &NODES).await, [0, 0]);
    assert_eq!(lowest.scores(&patient(), &NODES).await, [0, 10]);
}

#[tokio::test]
async fn equal_nodes_score_equal() {
    let extender = Extender::with("", LOWEST, 3, &[("EU-DE", 300.0, 350.0)]);
    let nodes = ["node-0000", "node-0001", "node-0002"];
    assert_eq!(extender.scores(&patient(), &nodes).await, [0, 0, 0]);
}

#[tokio::test]
async fn whatever_is_not_known_is_no_opinion() {
    let fresh = || Extender::with("", PERCENTILE, 2, &MIXED);
    let all_pass = async |extender: &Extender, nodes: &[&str], why: &str| {
        assert_eq!(extender.filter(&patient(), nodes).await.0, nodes, "{why}");
        assert!(extender.scores(&patient(), nodes).await.iter().all(|score| *score == 0), "{why}");
        let (_, explained) = extender.get("/v1/explain").await;
        assert_eq!(explained["decisions"][0]["neutral"], why);
    };
    all_pass(&fresh(), &["node-0000", "ghost"], "unknown-node").await;
    let extender = fresh();
    extender.service.documents.policy(None);
    all_pass(&extender, &NODES, "no-policy").await;
    let extender = fresh();
    extender.service.documents.intensity(None);
    all_pass(&extender, &NODES, "no-data").await;
    let extender = fresh();
    extender.service.documents.intensity(Some("{\"version\": 1"));
    all_pass(&extender, &NODES, "no-data").await;
    // Data three hours and a minute old, and data of the day after tomorrow.
    let extender = fresh();
    all_pass(extender.at("2026-06-01T15:01:00Z"), &NODES, "stale-data").await;
    let extender = fresh();
    extender.grid("2026-06-03T12:00:00Z", &MIXED);
    all_pass(&extender, &NODES, "stale-data").await;
    let extender = fresh();
    let half = json!({"version": 1, "zones": {"US-TX": intensity(412.0, NOON)}});
    extender.service.documents.intensity(Some(&half.to_string()));
    all_pass(&extender, &NODES, "no-data").await;
    let extender = fresh();
    extender.service.documents.threshold(None);
    assert_eq!(extender.filter(&patient(), &NODES).await.0, NODES, "no threshold");
}

#[tokio::test]
async fn a_bad_policy_leaves_the_one_before_in_force() {
    let extender = Extender::with("", PERCENTILE, 2, &DIRTY);
    extender.policy("kind: percentile\nsettings: {percentile: 400}");
    assert_eq!(extender.filter(&patient(), &NODES).await.0.len(), 0);
    extender.policy("kind: default-scheduler");
    assert_eq!(extender.filter(&patient(), &NODES).await.0.len(), 2);
}

#[tokio::test]
async fn a_fixed_threshold_needs_no_document_and_keeps_the_bounds_of_the_policy() {
    let extender = Extender::with("", PERCENTILE, 2, &MIXED);
    extender.service.documents.threshold(None);
    let passed = async |policy: &str| {
        extender.policy(policy);
        extender.filter(&patient(), &NODES).await.0.len()
    };
    assert_eq!(passed("kind: threshold\nsettings: {gramsPerKwh: 300}").await, 1);
    assert_eq!(passed("kind: threshold\nsettings: {gramsPerKwh: 100}").await, 0);
    let bounds = "bounds: {minGramsPerKwh: 200}";
    assert_eq!(
        passed(&format!("kind: threshold\nsettings: {{gramsPerKwh: 100}}\n{bounds}")).await,
        1
    );
}

#[tokio::test]
async fn where_a_tuner_writes_thresholds_its_document_has_the_last_word() {
    let fixed = "kind: threshold\nsettings: {gramsPerKwh: 100}";
    let extender = Extender::with("", fixed, 2, &DIRTY);
    let passed = async |document: Option<&str>| {
        extender.service.documents.threshold(document);
        extender.filter(&patient(), &NODES).await.0.len()
    };
    assert_eq!(passed(None).await, 0, "no tuner: the fixed threshold holds");
    let none = r#"{"version": 1, "zones": {}}"#;
    assert_eq!(passed(Some(none)).await, 2, "the tuner withholds both thresholds");
    let entry = |mode: &str| {
        json!({"value": 100, "base": 100, "adjustment": 0, "decidedAt": NOON, "mode": mode,
            "policy": "test", "policySha256": "", "reason": "a test"})
    };
    let document = |mode: &str| {
        let zones = json!({"US-TX": entry(mode), "US-CA": entry(mode)});
        json!({"version": 1, "zones": zones}).to_string()
    };
    assert_eq!(passed(Some(document("observe").as_str())).await, 2, "it is only observed");
    assert_eq!(passed(Some(document("enforce").as_str())).await, 0);
}

#[tokio::test]
async fn with_a_gate_before_the_scheduler_nothing_is_held_here() {
    let config = "decisions: {holding: gate}";
    let both = "kind: percentile-lowest-zone";
    let extender = Extender::with(config, both, 2, &DIRTY);
    assert_eq!(extender.filter(&patient(), &NODES).await.0.len(), 2);
    let extender = Extender::with("", both, 2, &DIRTY);
    assert_eq!(extender.filter(&patient(), &NODES).await.0.len(), 0);
}

#[tokio::test]
async fn the_answer_is_in_the_field_that_was_asked() {
    let extender = Extender::with("", PERCENTILE, 2, &MIXED);
    let whole = |name: &str| json!({"metadata": {"name": name}, "spec": {"providerID": "x"}});
    let body = json!({"Pod": patient(), "NodeNames": null,
        "Nodes": {"metadata": {}, "items": [whole("node-0000"), whole("node-0001")]}});
    let (_, answer) = extender.post("filter", body.to_string()).await;
    assert_eq!(answer["NodeNames"], Value::Null);
    assert_eq!(answer["Nodes"]["items"], json!([whole("node-0001")]), "as it came");
    let (_, answer) = extender.post("prioritize", body.to_string()).await;
    assert_eq!(answer[0], json!({"Host": "node-0000", "Score": 0}));
}

#[tokio::test]
async fn a_whole_node_that_no_watch_has_seen_is_read_from_the_request() {
    let extender = Extender::empty("");
    extender.policy(PERCENTILE);
    extender.grid(NOON, &MIXED);
    let whole = |name: &str, zone: &str| {
        json!({"metadata": {"name": name, "labels": {"carbon-kube.io/grid-zone": zone}},
               "status": {"allocatable": {"cpu": "4"}}})
    };
    let body = json!({"Pod": patient(), "NodeNames": null,
        "Nodes": {"items": [whole("a", "US-TX"), whole("b", "CAISO")]}});
    let (_, answer) = extender.post("filter", body.to_string()).await;
    assert_eq!(answer["Nodes"]["items"].as_array().unwrap().len(), 1);
    assert!(answer["FailedAndUnresolvableNodes"]["a"].as_str().unwrap().contains("US-TX"));
}

#[tokio::test]
async fn preemption_keeps_the_victims_and_leaves_out_forbidden_nodes() {
    let extender = Extender::with("", PERCENTILE, 2, &MIXED);
    let victims = |uid: &str| json!({"Pods": [{"UID": uid}], "NumPDBViolations": 1});
    let body = json!({"Pod": patient(), "NodeNameToVictims": null, "NodeNameToMetaVictims":
        {"node-0000": victims("v-0"), "node-0001": victims("v-1")}});
    let (status, answer) = extender.post("preempt", body.to_string()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer, json!({"NodeNameToMetaVictims": {"node-0001": victims("v-1")}}));
    let mut off = body;
    off["Pod"] = pod(&[]);
    let (_, answer) = extender.post("preempt", off.to_string()).await;
    assert_eq!(answer["NodeNameToMetaVictims"], off["NodeNameToMetaVictims"]);
}

#[tokio::test]
async fn what_can_not_be_read_is_400_with_an_error_and_nothing_else_is() {
    let extender = Extender::with("", PERCENTILE, 2, &MIXED);
    for verb in ["filter", "prioritize", "preempt"] {
        for body in ["", "{", "[]", "7", "{\"Pod\":7}", "\u{feff}{}", "{\"NodeNames\":[1]}"] {
            if verb == "preempt" && body.contains("NodeNames") {
                continue;
            }
            let (status, answer) = extender.post(verb, body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{verb} {body}");
            assert!(answer["Error"].as_str().unwrap().starts_with("not a request"), "{answer}");
        }
        let (status, _) = extender.post(verb, "{}").await;
        assert_eq!(status, StatusCode::OK, "{verb}");
    }
    let (_, answer) = extender.post("filter", "{\"Pod\":null,\"Nodes\":null}").await;
    assert_eq!(answer["Nodes"], Value::Null);
    assert_eq!(answer["NodeNames"], Value::Null);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_with_an_error() {
    let extender = Extender::with("server: {maxBodyBytes: 10000}", PERCENTILE, 2, &MIXED);
    let (status, answer) = extender.post("filter", " ".repeat(10_001)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer["Error"].is_string(), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_arrives_is_given_up() {
    let extender = Extender::with("", PERCENTILE, 2, &MIXED);
    let never = futures::stream::pending::<Result<String, std::io::Error>>();
    let (status, answer) = extender.post("filter", axum::body::Body::from_stream(never)).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(answer["Error"], "the request did not arrive within 5s");
}
