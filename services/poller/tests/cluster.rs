//! ConfigMaps by server-side apply, against an API server in memory.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{Request, Response, StatusCode};
use carbon_kube_core::documents::{IntensityDocument, ThresholdDocument};
use carbon_kube_poller::exporter::export;
use carbon_kube_poller::output::cluster::Cluster;
use carbon_kube_poller::output::{Documents, Left, Output, OutputError};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::service_fn;

/// ConfigMaps by name, with resource versions that count.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    maps: BTreeMap<String, Value>,
    version: u64,
    hangs: bool,
    /// A ConfigMap that is marked immutable.
    immutable: Option<&'static str>,
    /// Method and query of every request.
    seen: Vec<(String, String)>,
}

impl Server {
    fn output(&self) -> Output {
        let server = self.clone();
        let service = service_fn(move |request: Request<Body>| server.clone().answer(request));
        let client = Client::new(service, "carbon-kube");
        Output::Cluster(Box::new(Cluster::new(client, "carbon-kube")))
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, std::io::Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        if self.0.lock().unwrap().hangs {
            std::future::pending::<()>().await;
        }
        let path = parts.uri.path();
        let name = path.strip_prefix("/api/v1/namespaces/carbon-kube/configmaps/").unwrap();
        let mut stored = self.0.lock().unwrap();
        stored.seen.push((parts.method.to_string(), parts.uri.query().unwrap_or("").to_owned()));
        let present = stored.maps.get(name).cloned();
        let (status, answer) = match (parts.method.as_str(), present) {
            ("GET", Some(map)) => (StatusCode::OK, map),
            ("GET", None) => (StatusCode::NOT_FOUND, refusal(404)),
            ("PATCH", _) if stored.immutable == Some(name) => {
                (StatusCode::UNPROCESSABLE_ENTITY, refusal(422))
            }
            ("PATCH", present) => {
                assert_eq!(parts.headers["content-type"], "application/apply-patch+yaml");
                let sent: Value = serde_json::from_slice(&body).unwrap();
                let based_on = &sent["metadata"]["resourceVersion"];
                let version = present.map(|map| map["metadata"]["resourceVersion"].clone());
                match version {
                    Some(version) if !based_on.is_null() && *based_on != version => {
                        (StatusCode::CONFLICT, refusal(409))
                    }
                    None if !based_on.is_null() => (StatusCode::CONFLICT, refusal(409)),
                    _ => (StatusCode::OK, stored.put(name, sent)),
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
}

impl Stored {
    fn put(&mut self, name: &str, mut map: Value) -> Value {
        self.version += 1;
        map["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.maps.insert(name.to_owned(), map.clone());
        map
    }
}

fn refusal(code: u16) -> Value {
    let reason = if code == 404 { "NotFound" } else { "Conflict" };
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": "refused"})
}

fn documents(history: &str) -> Documents {
    let text = include_str!("../../../core/tests/documents/intensity.json");
    let intensity = IntensityDocument::parse(text).unwrap().0;
    let text = include_str!("../../../core/tests/documents/threshold.json");
    let threshold = ThresholdDocument::parse(text).unwrap().0;
    let zone = "US-CA".parse().unwrap();
    let now = "2026-06-01T12:30:00Z".parse().unwrap();
    let exported = export(&intensity, &zone, now, carbon_kube_core::Span::HOUR);
    let exported = Some(("carbon-intensity".to_owned(), exported));
    Documents { intensity, history: history.to_owned(), threshold: Some(threshold), exported }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[tokio::test]
async fn documents_are_applied_with_what_was_seen_last_and_read_by_the_next_replica() {
    let server = Server::default();
    let mut output = server.output();
    assert_eq!(output.left().await.unwrap(), Left::default());
    let written = output.write(&documents("first"), soon()).await.unwrap();
    assert_eq!(written, ["threshold", "intensity", "carbon-intensity"]);
    output.write(&documents("second"), soon()).await.unwrap();

    let intensity = server.map("carbon-kube-intensity");
    let text = intensity["data"]["intensity.json"].as_str().unwrap();
    assert_eq!(IntensityDocument::parse(text).unwrap().0, documents("").intensity);
    assert_eq!(intensity["data"]["history.json"], "second");
    let other = server.map("carbon-intensity");
    assert_eq!(other["immutable"], Value::Null);
    assert_eq!(other["data"]["numOfRecords"], "3");
    assert!(other["binaryData"]["data"].is_string());
    for (method, query) in &server.0.lock().unwrap().seen {
        let applied =
            query.contains("force=true") && query.contains("fieldManager=carbon-kube-poller");
        assert!(method == "GET" || applied, "{method} {query}: never created, never deleted");
    }

    let left = server.output().left().await.unwrap();
    assert_eq!(left.history.as_deref(), Some("second"));
    assert!(ThresholdDocument::parse(&left.threshold.unwrap()).is_ok());
}

#[tokio::test]
async fn an_immutable_map_of_the_other_exporter_keeps_nothing_else_from_being_written() {
    let server = Server::default();
    server.0.lock().unwrap().immutable = Some("carbon-intensity");
    let mut output = server.output();
    output.left().await.unwrap();
    for history in ["first", "second"] {
        let written = output.write(&documents(history), soon()).await.unwrap();
        assert_eq!(written, ["threshold", "intensity"]);
    }
    let intensity = server.map("carbon-kube-intensity");
    assert_eq!(intensity["data"]["history.json"], "second");
    assert_eq!(intensity["metadata"]["labels"], Value::Null, "labels are the installer's");
}

#[tokio::test]
async fn a_replica_that_does_not_know_that_another_one_leads_gets_a_conflict() {
    let server = Server::default();
    let (mut first, mut second) = (server.output(), server.output());
    first.left().await.unwrap();
    first.write(&documents("first"), soon()).await.unwrap();
    second.left().await.unwrap();
    second.write(&documents("second"), soon()).await.unwrap();
    let refused = first.write(&documents("first again"), soon()).await;
    assert!(matches!(refused, Err(OutputError::Fenced(_))), "{refused:?}");
    assert_eq!(server.map("carbon-kube-intensity")["data"]["history.json"], "second");
    // Once it has read what is there, it may lead again.
    assert_eq!(first.left().await.unwrap().history.as_deref(), Some("second"));
    first.write(&documents("third"), soon()).await.unwrap();
    assert_eq!(server.map("carbon-kube-intensity")["data"]["history.json"], "third");
}

#[tokio::test]
async fn a_config_map_that_somebody_deleted_is_there_again_after_the_next_try() {
    let server = Server::default();
    let mut output = server.output();
    output.left().await.unwrap();
    output.write(&documents("first"), soon()).await.unwrap();
    server.0.lock().unwrap().maps.clear();
    assert!(matches!(output.write(&documents("x"), soon()).await, Err(OutputError::Fenced(_))));
    output.left().await.unwrap();
    output.write(&documents("second"), soon()).await.unwrap();
    assert_eq!(server.map("carbon-kube-intensity")["data"]["history.json"], "second");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_the_lease_does_not_outlast_is_given_up() {
    let server = Server::default();
    let mut output = server.output();
    output.left().await.unwrap();
    server.0.lock().unwrap().hangs = true;
    let start = Instant::now();
    let refused = output.write(&documents("late"), start + Duration::from_secs(7)).await;
    assert!(matches!(refused, Err(OutputError::LeaseEnded(_))), "{refused:?}");
    assert_eq!(start.elapsed().as_secs(), 7);
}
