//! `/livez`, `/readyz` and `/metrics`, on a port of their own: probes and Prometheus have no client
//! certificate, and a busy API port must not fail a probe.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::health::Health;

/// What the endpoints show.
#[derive(Clone)]
struct Shown {
    registry: Arc<Registry>,
    health: Health,
}

/// The three endpoints.
pub fn router(registry: Arc<Registry>, health: Health) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Shown { registry, health })
}

async fn ready(State(shown): State<Shown>) -> (StatusCode, String) {
    let unmet = shown.health.unmet();
    if unmet.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", unmet.join(", ")))
}

async fn metrics(State(shown): State<Shown>) -> impl IntoResponse {
    let mut text = String::new();
    // A string takes every text.
    let _ = encode(&mut text, &shown.registry);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text)
}
