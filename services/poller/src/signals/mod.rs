//! What the tuner is shown of pods and nodes: moves and power by zone, from Prometheus or from the
//! metrics of our own services.
//!
//! Nothing here is needed: what nobody says is unknown, and the tuner takes its mean of training.

pub mod metrics;
pub mod prometheus;
pub mod samples;

use std::collections::BTreeMap;
use std::time::Duration;

use carbon_kube_core::{Time, Zone};
use carbon_kube_policies::control::Workload;

use crate::config;
use metrics::Metrics;
use prometheus::Prometheus;

/// The longest that an answer is waited for: a cycle has other things to do.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that is read, in bytes.
const LONGEST: usize = 8 << 20;

/// A value by zone.
pub type ByZone = BTreeMap<Zone, f64>;

/// Where moves and power come from.
pub enum Signals {
    /// Nobody says.
    None,
    /// The first Prometheus that is configured.
    Prometheus(Prometheus),
    /// The services themselves.
    Metrics(Metrics),
}

/// Why a source of signals says nothing.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// No connection, no answer in time, or an error status.
    #[error("{0}")]
    Unavailable(String),
    /// An answer of another form.
    #[error("the answer is not understood: {0}")]
    Malformed(String),
    /// A token that can't be read.
    #[error("tokenFile: {0}")]
    Token(std::io::Error),
}

impl Signals {
    /// What the configuration names.
    ///
    /// # Errors
    ///
    /// Where there is no HTTP client, for want of cryptography.
    pub fn new(config: &config::Signals) -> Result<Self, reqwest::Error> {
        // These are addresses inside the cluster, and a proxy is for the world outside.
        let client = || reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        Ok(match (&config.prometheus, config.metrics.as_slice()) {
            (Some(prometheus), _) => Self::Prometheus(Prometheus::new(client()?, prometheus)),
            (None, []) => Self::None,
            (None, addresses) => Self::Metrics(Metrics::new(client()?, addresses.to_vec())),
        })
    }

    /// What is known at `now`.
    pub async fn read(&mut self, now: Time) -> BTreeMap<Zone, Workload> {
        let (moves, power) = match self {
            Self::None => return BTreeMap::new(),
            Self::Prometheus(prometheus) => prometheus.read().await,
            Self::Metrics(metrics) => metrics.read(now).await,
        };
        let mut workloads: BTreeMap<Zone, Workload> = BTreeMap::new();
        for (zone, rate) in moves {
            workloads.entry(zone).or_default().migration_rate = sensible(rate);
        }
        for (zone, ratio) in power {
            workloads.entry(zone).or_default().power_ratio = sensible(ratio);
        }
        workloads
    }
}

/// Kepler and PromQL give NaN and infinities; neither rate nor ratio is below zero.
fn sensible(value: f64) -> Option<f64> {
    (value.is_finite() && value >= 0.0).then_some(value)
}

/// The body of an answer, if it is a success and not too long.
async fn body(request: reqwest::RequestBuilder) -> Result<Vec<u8>, SignalError> {
    // The address may have a password in it; whoever logs this knows which one it is.
    let unavailable =
        |error: reqwest::Error| SignalError::Unavailable(error.without_url().to_string());
    let mut response = request.send().await.map_err(unavailable)?;
    if !response.status().is_success() {
        return Err(SignalError::Unavailable(format!("status {}", response.status())));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
        if body.len() + chunk.len() > LONGEST {
            return Err(SignalError::Malformed(format!("more than {LONGEST} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
