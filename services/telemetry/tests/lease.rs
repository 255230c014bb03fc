//! Leadership against an API server in memory, on a clock that tests move.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{Method, Request, Response, StatusCode};
use carbon_kube_telemetry::lease::{Candidacy, Settings, Standing};
use futures::future::pending;
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::service_fn;

/// The one Lease of an API server, with resource versions that count.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    lease: Option<Value>,
    version: u64,
    /// How requests end: answered, refused, or never.
    mood: Mood,
    conflicts: u32,
    /// From an answer to its arrival.
    latency: Duration,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Mood {
    #[default]
    Answers,
    Fails,
    Hangs,
}

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        let service = service_fn(move |request: Request<Body>| server.clone().answer(request));
        Client::new(service, "carbon-kube")
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, std::io::Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let mood = self.0.lock().unwrap().mood;
        match mood {
            Mood::Answers => {
                let answer = self.handle(&parts.method, &body);
                let latency = self.0.lock().unwrap().latency;
                sleep(latency).await;
                Ok(answer)
            }
            Mood::Fails => Err(std::io::Error::other("connection refused")),
            Mood::Hangs => pending().await,
        }
    }

    fn handle(&self, method: &Method, body: &[u8]) -> Response<Body> {
        let mut stored = self.0.lock().unwrap();
        let sent = || serde_json::from_slice::<Value>(body).unwrap();
        let (status, answer) = match (method.as_str(), stored.lease.clone()) {
            ("GET", Some(lease)) => (StatusCode::OK, lease),
            ("GET", None) => (StatusCode::NOT_FOUND, refusal(404, "NotFound")),
            ("POST", None) => (StatusCode::CREATED, stored.put(sent())),
            ("POST", Some(_)) => (StatusCode::CONFLICT, refusal(409, "AlreadyExists")),
            ("PUT", Some(lease)) => {
                let new = sent();
                if new["metadata"]["resourceVersion"] == lease["metadata"]["resourceVersion"] {
                    (StatusCode::OK, stored.put(new))
                } else {
                    stored.conflicts += 1;
                    (StatusCode::CONFLICT, refusal(409, "Conflict"))
                }
            }
            other => panic!("unexpected: {other:?}"),
        };
        Response::builder().status(status).body(answer.to_string().into_bytes().into()).unwrap()
    }

    fn mood(&self, mood: Mood) {
        self.0.lock().unwrap().mood = mood;
    }

    fn holder(&self) -> String {
        let stored = self.0.lock().unwrap();
        let lease = stored.lease.clone().unwrap_or_default();
        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }
}

impl Stored {
    fn put(&mut self, mut lease: Value) -> Value {
        self.version += 1;
        lease["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.lease = Some(lease.clone());
        lease
    }
}

fn refusal(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": reason})
}

const DURATION: Duration = Duration::from_secs(15);

fn stand(server: &Server, identity: &str) -> Candidacy {
    let settings = Settings {
        name: "poller".into(),
        namespace: "carbon-kube".into(),
        identity: identity.into(),
        duration: DURATION,
        renew_deadline: Duration::from_secs(10),
        retry_period: Duration::from_secs(2),
    };
    Candidacy::stand(server.client(), settings)
}

fn leads(candidacy: &Candidacy) -> bool {
    candidacy.standing().borrow().may_write_until().is_some()
}

async fn until_leads(candidacy: &Candidacy) -> Duration {
    let start = Instant::now();
    while !leads(candidacy) {
        assert!(start.elapsed() < Duration::from_secs(120), "nobody leads");
        sleep(Duration::from_millis(100)).await;
    }
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn of_many_one_leads_and_stays() {
    let server = Server::default();
    let replicas: Vec<_> = (0..8).map(|i| stand(&server, &format!("replica-{i}"))).collect();
    sleep(Duration::from_secs(5)).await;
    let leader = replicas.iter().position(leads).unwrap();
    for _ in 0..3_600 {
        sleep(Duration::from_secs(1)).await;
        let leaders: Vec<usize> = (0..replicas.len()).filter(|&i| leads(&replicas[i])).collect();
        assert_eq!(leaders, [leader]);
    }
    assert_eq!(server.holder(), format!("replica-{leader}"));
}

#[tokio::test(start_paused = true)]
async fn who_resigns_is_followed_at_once_and_who_dies_within_the_duration() {
    let server = Server::default();
    let first = stand(&server, "first");
    until_leads(&first).await;
    let (second, third) = (stand(&server, "second"), stand(&server, "third"));
    sleep(Duration::from_secs(30)).await;
    assert!(!leads(&second) && !leads(&third));
    first.resign().await;
    assert_eq!(server.holder(), "");
    sleep(Duration::from_secs(3)).await;
    let (leader, other) = if leads(&second) { (second, third) } else { (third, second) };
    assert!(leads(&leader) && !leads(&other), "within one retry");
    // It is gone without a word: the other waits for the duration, and a try.
    drop(leader);
    let waited = until_leads(&other).await;
    // Between two tries, which are up to 2.4 s apart, it may have seen the last renewal late, and
    // it may see late that the duration is over.
    assert!(waited <= DURATION + Duration::from_secs(5), "{waited:?}");
    assert!(waited >= DURATION - Duration::from_secs(3), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_not_answered_stops_writing_at_its_deadline() {
    for mood in [Mood::Fails, Mood::Hangs] {
        let server = Server::default();
        let leader = stand(&server, "leader");
        until_leads(&leader).await;
        sleep(Duration::from_secs(20)).await;
        server.mood(mood);
        let away = Instant::now();
        while leads(&leader) {
            sleep(Duration::from_millis(50)).await;
        }
        assert!(away.elapsed() <= Duration::from_millis(10_100), "{:?}", away.elapsed());
        sleep(Duration::from_millis(100)).await;
        assert_eq!(*leader.standing().borrow(), Standing::Adrift);
        sleep(Duration::from_secs(3_600)).await;
        assert_eq!(*leader.standing().borrow(), Standing::Adrift, "nobody else was seen");
        server.mood(Mood::Answers);
        let waited = until_leads(&leader).await;
        assert!(waited <= Duration::from_secs(13), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_slept_through_its_lease_is_a_follower() {
    let server = Server::default();
    let sleeper = stand(&server, "sleeper");
    until_leads(&sleeper).await;
    let other = stand(&server, "other");
    sleep(Duration::from_secs(5)).await;
    // Somebody else took it, as after a long pause of the sleeper's machine.
    {
        let mut stored = server.0.lock().unwrap();
        let mut lease = stored.lease.clone().unwrap();
        lease["spec"]["holderIdentity"] = "other".into();
        stored.put(lease);
    }
    sleep(Duration::from_secs(12)).await;
    assert_eq!(*sleeper.standing().borrow(), Standing::Follower);
    assert!(leads(&other));
}

#[tokio::test(start_paused = true)]
async fn of_two_who_take_a_free_lease_at_once_one_gets_a_conflict() {
    let server = Server::default();
    {
        let mut stored = server.0.lock().unwrap();
        // So slow that everybody has seen the free lease before one has taken it.
        stored.latency = Duration::from_secs(1);
        stored.put(json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "poller", "namespace": "carbon-kube"},
            "spec": {"holderIdentity": ""}}));
    }
    let all: Vec<_> = (0..6).map(|i| stand(&server, &format!("replica-{i}"))).collect();
    sleep(DURATION * 2).await;
    assert_eq!(all.iter().filter(|one| leads(one)).count(), 1);
    assert_eq!(server.0.lock().unwrap().conflicts, 5, "all six have tried at once");
}
