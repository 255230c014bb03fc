//! The protocol over HTTP: one route per verb, `/v1/explain`, and the description of both.
//!
//! A handler reads the state once, answers and records; it waits for nothing but the body of its
//! request. HTTP/1.1 and h2, with and without TLS.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Query, Request, State as Extract};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use carbon_kube_core::Time;
use serde::Deserialize;
use tower::limit::GlobalConcurrencyLimitLayer;
use tracing::debug;

use crate::answer::{Answer, Context, Unreadable, filter, preempt, prioritize};
use crate::record::Recorder;
use crate::state::State;

/// Who says what time it is.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// The clock on the wall.
#[must_use]
pub fn wall_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    })
}

/// What every request needs.
#[derive(Clone)]
pub struct App {
    /// The state.
    pub state: Arc<State>,
    /// Where answers are recorded.
    pub recorder: Arc<Recorder>,
    /// The time.
    pub clock: Clock,
}

/// The description of every route, in OpenAPI 3.1. Written by hand: the types of the protocol read in
/// place and forgive what a scheduler never sends, which no derived schema says. Tests hold it to the
/// routes and the answers.
const OPENAPI: &str = include_str!("../openapi.json");

type Answering = for<'s> fn(&Context<'s>, &[u8]) -> Result<Answer<'s>, Unreadable>;

/// How many requests are read and answered at once; the others wait in their connections. A
/// scheduler asks one thing at a time. Without a bound, a thousand connections hold a thousand
/// bodies and answers: 60 MiB more, for the same number of answers a second.
const AT_ONCE: usize = 64;

/// The routes of the extender. Paths are below `urlPrefix` of the scheduler's configuration, which
/// ends in `/v1`.
pub fn router(app: App) -> Router {
    let verb = |verb: &'static str, answering: Answering| {
        post(move |Extract(app): Extract<App>, request: Request| async move {
            match read(request).await {
                Ok(body) => app.answer(verb, answering, &body),
                Err(refused) => refused,
            }
        })
    };
    let limit = DefaultBodyLimit::max(app.state.config().server.max_body_bytes);
    let at_once = GlobalConcurrencyLimitLayer::new(AT_ONCE);
    Router::new()
        .route("/v1/filter", verb("filter", filter))
        .route("/v1/prioritize", verb("prioritize", prioritize))
        .route("/v1/preempt", verb("preempt", preempt))
        .layer(limit)
        .layer(at_once)
        .route("/v1/explain", get(explain))
        .route("/openapi.json", get(describe))
        .with_state(app)
}

impl App {
    #[tracing::instrument(skip_all, fields(verb = verb, bytes = body.len()))]
    fn answer(&self, verb: &'static str, answering: Answering, body: &[u8]) -> Response {
        let start = Instant::now();
        let snapshot = self.state.current();
        let now = (self.clock)();
        let context = Context { config: self.state.config(), snapshot: &snapshot, now };
        match answering(&context, body) {
            Ok(answer) => {
                self.recorder.answered(verb, &answer, now, start.elapsed());
                json(StatusCode::OK, answer.body)
            }
            Err(unreadable) => {
                debug!(verb, %unreadable);
                self.recorder.unreadable(verb, start.elapsed());
                json(StatusCode::BAD_REQUEST, unreadable.body())
            }
        }
    }
}

/// How long a body may take to arrive. A slow sender would keep its place among those that are
/// read at once.
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// The body; or why it is not read, as an answer.
async fn read(request: Request) -> Result<Bytes, Response> {
    let refused = |status, error: String| {
        json(status, serde_json::json!({ "Error": error }).to_string().into_bytes())
    };
    match tokio::time::timeout(BODY_WITHIN, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) => Err(refused(rejection.status(), rejection.body_text())),
        Err(_) => {
            let error = format!("the request did not arrive within {BODY_WITHIN:?}");
            Err(refused(StatusCode::REQUEST_TIMEOUT, error))
        }
    }
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn describe() -> Response {
    json(StatusCode::OK, OPENAPI.into())
}

/// Which decisions are asked for; an empty name stands for any.
#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    pod: String,
}

/// The most decisions in one answer.
const MOST_EXPLAINED: usize = 100;

async fn explain(Extract(app): Extract<App>, Query(wanted): Query<Wanted>) -> Response {
    let Wanted { namespace, pod } = wanted;
    let found = app.recorder.explanations.find(&namespace, &pod, MOST_EXPLAINED);
    let decisions: Vec<_> = found.iter().map(AsRef::as_ref).collect();
    let body = serde_json::json!({ "decisions": decisions });
    json(StatusCode::OK, body.to_string().into_bytes())
}
