//! ConfigMaps against an API server in memory: what is read, what is written, and what a change meanwhile does. The
//! end-to-end tests do the same on a real one.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use axum::http::{Request, Response, StatusCode};
use carbon_kube_core::documents::{HistoryDocument, StatusDocument, TunerResult};
use carbon_kube_tuner::config::PromotionMode;
use carbon_kube_tuner::judge::{InForce, Judgement, judge};
use carbon_kube_tuner::output::Output;
use carbon_kube_tuner::output::cluster::Cluster;
use carbon_kube_tuner::run::conclude;
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use support::{NEVER_WAITS, config, inputs, sunny};
use tower::service_fn;

/// ConfigMaps by name, with resource versions that count.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    maps: BTreeMap<String, Value>,
    version: u64,
    /// Method and path of every request.
    seen: Vec<String>,
}

impl Server {
    /// With a policy, as the chart installs it.
    fn with(policy: &str) -> Self {
        let server = Self::default();
        server.put(
            "carbon-kube-policy",
            &json!({"policy.yaml": format!("version: 1\nname: old\n{policy}\n")}),
        );
        server
    }

    fn put(&self, name: &str, data: &Value) {
        let mut stored = self.0.lock().unwrap();
        stored.version += 1;
        let version = stored.version.to_string();
        let map = json!({"metadata": {"name": name, "resourceVersion": version}, "data": data});
        stored.maps.insert(name.to_owned(), map);
    }

    fn cluster(&self) -> Cluster {
        let server = self.clone();
        let service = service_fn(move |request: Request<Body>| server.clone().answer(request));
        Cluster::new(Client::new(service, "carbon-kube"), "carbon-kube")
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, std::io::Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let path = parts.uri.path();
        let name = path.strip_prefix("/api/v1/namespaces/carbon-kube/configmaps/").unwrap();
        let present = self.0.lock().unwrap().maps.get(name).cloned();
        self.0.lock().unwrap().seen.push(format!("{} {name}", parts.method));
        let refusal = |code: u16| {
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
            "code": code, "reason": if code == 404 { "NotFound" } else { "Conflict" }, "message": "refused"})
        };
        let (status, answer) = match (parts.method.as_str(), present) {
            ("GET", Some(map)) => (StatusCode::OK, map),
            ("GET", None) => (StatusCode::NOT_FOUND, refusal(404)),
            ("PATCH", present) => {
                assert_eq!(parts.headers["content-type"], "application/apply-patch+yaml");
                let query = parts.uri.query().unwrap();
                assert!(query.contains("fieldManager=carbon-kube-tuner"), "{query}");
                let sent: Value = serde_json::from_slice(&body).unwrap();
                let based_on = sent["metadata"]["resourceVersion"].clone();
                let version = present.map(|map| map["metadata"]["resourceVersion"].clone());
                if !based_on.is_null() && version != Some(based_on) {
                    (StatusCode::CONFLICT, refusal(409))
                } else {
                    let mut stored = self.0.lock().unwrap();
                    stored.version += 1;
                    let mut map = sent;
                    map["metadata"]["resourceVersion"] = stored.version.to_string().into();
                    stored.maps.insert(name.to_owned(), map.clone());
                    (StatusCode::OK, map)
                }
            }
            other => panic!("unexpected: {other:?}"),
        };
        let body = answer.to_string().into_bytes().into();
        Ok(Response::builder().status(status).body(body).unwrap())
    }

    fn map(&self, name: &str) -> Value {
        self.0.lock().unwrap().maps.get(name).cloned().unwrap_or_default()
    }

    fn status(&self) -> StatusDocument {
        let map = self.map("carbon-kube-status");
        StatusDocument::parse(map["data"]["status.json"].as_str().unwrap()).unwrap()
    }

    /// Reads the policy and judges it; what is left is to conclude.
    async fn judged(&self) -> (Output, Judgement, InForce) {
        let cluster = self.cluster();
        let in_force = cluster.policy().await.unwrap();
        let inputs = inputs(vec![sunny("US-CA")], in_force.clone());
        let text =
            "{candidates: {rules: [percentile], percentiles: []}, promotion: {mostMoreDelay: 12h}}";
        let judgement = judge(&inputs, &config(text), &AtomicBool::new(false)).unwrap();
        (Output::Cluster(Box::new(cluster)), judgement, in_force)
    }
}

async fn concluded(judged: &(Output, Judgement, InForce), mode: PromotionMode) {
    let (output, judgement, in_force) = judged;
    let InForce::Policy(files) = in_force else { panic!("no policy") };
    conclude(output, judgement.clone(), mode, Some(&files.loaded)).await.unwrap();
}

#[tokio::test]
async fn a_recommendation_writes_the_status_and_nothing_else() {
    let server = Server::with(NEVER_WAITS);
    let before = server.map("carbon-kube-policy");
    concluded(&server.judged().await, PromotionMode::Recommend).await;
    assert_eq!(server.status().result, TunerResult::Recommended);
    assert_eq!(server.map("carbon-kube-policy"), before);
    assert_eq!(
        server.0.lock().unwrap().seen,
        ["GET carbon-kube-policy", "PATCH carbon-kube-status"]
    );
}

#[tokio::test]
async fn a_promotion_is_read_back_as_the_policy_that_was_judged() {
    let server = Server::with(NEVER_WAITS);
    concluded(&server.judged().await, PromotionMode::Promote).await;
    let status = server.status();
    assert_eq!((status.result, status.promotions), (TunerResult::Promoted, 1));
    let InForce::Policy(files) = server.cluster().policy().await.unwrap() else {
        panic!("no policy")
    };
    assert_eq!(files.loaded.file.kind, "percentile");
    let map = server.map("carbon-kube-policy");
    assert_eq!(
        map["metadata"]["annotations"]["carbon-kube.io/policy-sha256"],
        files.loaded.sha256.as_str()
    );
    // Labels of the application are of whoever installed it.
    let labels = map["metadata"]["labels"].as_object().unwrap();
    assert!(labels.keys().all(|name| name.starts_with("carbon-kube.io/")), "{labels:?}");
    assert_eq!(status.last_promotion.unwrap().policy.sha256, files.loaded.sha256);
}

#[tokio::test]
async fn a_policy_that_was_changed_or_deleted_meanwhile_stays_so() {
    for theirs in [Some("version: 1\nname: theirs\nkind: plan\n"), None] {
        let server = Server::with(NEVER_WAITS);
        let judged = server.judged().await;
        match theirs {
            Some(yaml) => server.put("carbon-kube-policy", &json!({"policy.yaml": yaml})),
            None => drop(server.0.lock().unwrap().maps.remove("carbon-kube-policy")),
        }
        let changed = server.map("carbon-kube-policy");
        concluded(&judged, PromotionMode::Promote).await;
        assert_eq!(server.map("carbon-kube-policy"), changed);
        let status = server.status();
        assert_eq!((status.result, status.promotions), (TunerResult::Conflict, 0));
        assert!(status.reason.ends_with("and stays what it is now"), "{}", status.reason);
    }
}

#[tokio::test]
async fn what_the_cluster_lacks_or_garbles_is_no_error() {
    let server = Server::default();
    let cluster = server.cluster();
    assert_eq!(cluster.policy().await.unwrap(), InForce::None);
    assert_eq!((cluster.history().await.unwrap(), cluster.status().await.unwrap()), (None, None));
    for (data, problem) in [
        (json!({}), "has no key `policy.yaml`"),
        (json!({"policy.yaml": "version: 9"}), "version 9"),
        (json!({"policy.yaml": "version: 1\nname: a\nkind: tuner\n"}), "tuner"),
    ] {
        server.put("carbon-kube-policy", &data);
        let InForce::Unreadable(found) = cluster.policy().await.unwrap() else { panic!("{data}") };
        assert!(found.contains(problem), "{found}");
    }
    // What the chart installs before the poller has written: no key, not an empty document.
    server.put("carbon-kube-intensity", &json!({"intensity.json": "{}"}));
    assert_eq!(cluster.history().await.unwrap(), None);
    let text = serde_json::to_string(&HistoryDocument::new(vec![sunny("US-CA")])).unwrap();
    server.put("carbon-kube-intensity", &json!({"history.json": text}));
    assert_eq!(cluster.history().await.unwrap(), Some(text));
}
