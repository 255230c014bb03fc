//! The protocol over HTTP: one route per verb, and `/v1/explain`.
//!
//! A handler reads the state once, answers and records; it waits for nothing but the body of its
//! request. HTTP/1.1 and h2, with and without TLS.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State as Extract};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use carbon_kube_core::Time;
use serde::Deserialize;
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

type Answering = for<'s> fn(&Context<'s>, &[u8]) -> Result<Answer<'s>, Unreadable>;

/// The routes of the extender. Paths are below `urlPrefix` of the scheduler's configuration, which
/// ends in `/v1`.
pub fn router(app: App) -> Router {
    let verb = |verb: &'static str, answering: Answering| {
        post(move |Extract(app): Extract<App>, body: Bytes| async move {
            app.answer(verb, answering, &body)
        })
    };
    let limit = DefaultBodyLimit::max(app.state.config().server.max_body_bytes);
    Router::new()
        .route("/v1/filter", verb("filter", filter))
        .route("/v1/prioritize", verb("prioritize", prioritize))
        .route("/v1/preempt", verb("preempt", preempt))
        .layer(limit)
        .route("/v1/explain", get(explain))
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

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
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
