//! `openapi.json` against what the router has and answers. `openapi-check` beside it lets a generator
//! of requests loose on a running extender.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use carbon_kube_core::cluster::Mode;
use carbon_kube_extender::server::router;
use serde_json::{Value, json};
use support::{Extender, NOON};
use tower::ServiceExt;

fn description() -> Value {
    serde_json::from_str(include_str!("../openapi.json")).unwrap()
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Holds the keys of an answer to a schema: none that it doesn't know, each that it demands.
fn fits(answer: &Value, schema: &str) {
    let description = description();
    let schema = &description["components"]["schemas"][schema];
    let demanded = schema["required"].as_array().unwrap();
    let demanded: BTreeSet<&str> = demanded.iter().map(|key| key.as_str().unwrap()).collect();
    let there = keys(answer);
    assert!(there.is_subset(&keys(&schema["properties"])), "{there:?} beside {schema}");
    assert!(demanded.is_subset(&there), "{there:?} lacks some of {demanded:?}");
}

async fn status(extender: &Extender, method: &Method, path: &str) -> StatusCode {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    router(extender.service.app.clone()).oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn each_path_has_the_methods_of_its_description_and_no_other() {
    let extender = Extender::empty("");
    for (path, operations) in description()["paths"].as_object().unwrap() {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
            let described = operations.get(method.as_str().to_lowercase()).is_some();
            let refused = status(&extender, &method, path).await == StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(described, !refused, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_description_is_served() {
    let (status, served) = Extender::empty("").get("/openapi.json").await;
    assert_eq!((status, served), (StatusCode::OK, description()));
}

#[tokio::test]
async fn examples_are_answered_and_the_answers_have_the_keys_of_their_schemas() {
    let extender = Extender::with(
        "",
        "kind: percentile",
        2,
        &[("EU-DE", 450.0, 200.0), ("EU-FR", 30.0, 200.0)],
    );
    extender.namespace("batch", Mode::Enforce);
    extender.at(NOON);
    let description = description();
    for verb in ["filter", "prioritize", "preempt"] {
        let operation = &description["paths"][format!("/v1/{verb}")]["post"];
        let mut example =
            operation["requestBody"]["content"]["application/json"]["example"].clone();
        if verb != "preempt" {
            example["NodeNames"] = json!(["node-0000", "node-0001"]);
        }
        let (status, answer) = extender.post(verb, example.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{verb}");
        match verb {
            "filter" => fits(&answer, "FilterResult"),
            "preempt" => fits(&answer, "PreemptionResult"),
            _ => {
                let element = &description["components"]["schemas"]["HostPriorityList"]["items"];
                assert_eq!(keys(&answer[0]), keys(&element["properties"]));
            }
        }
    }
    let (_, explained) = extender.get("/v1/explain?namespace=batch").await;
    fits(&explained, "Explanations");
    let decisions = explained["decisions"].as_array().unwrap();
    assert_eq!(decisions.len(), 3);
    for decision in decisions {
        fits(decision, "Decision");
        decision["nodes"].as_array().unwrap().iter().for_each(|class| fits(class, "DecisionNodes"));
    }
    let (status, refused) = extender.post("filter", "[]").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    fits(&refused, "Failure");
}
