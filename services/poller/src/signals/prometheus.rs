//! Instant queries to Prometheus: `GET /api/v1/query`.

use std::path::PathBuf;

use carbon_kube_core::Zone;
use serde::Deserialize;
use tracing::warn;

use super::{ByZone, SignalError, body};
use crate::config;

/// The default queries of moves in the last hour per running migratable pod.
#[must_use]
pub fn migration_rate() -> Vec<String> {
    vec![
        "sum by (zone) (increase(carbonkube_migrations_total[1h])) \
         / clamp_min(sum by (zone) (carbonkube_pods_migratable), 1)"
            .to_owned(),
    ]
}

/// The default queries of power over power at full load. Kepler does not know what full load is: the
/// most of seven days stands in. Its label `zone` is a RAPL domain, of which package and dram don't
/// overlap; the grid zone is a label of the node, as kube-state-metrics shows it.
#[must_use]
pub fn power_ratio() -> Vec<String> {
    let by_node = "sum by (node_name) (kepler_node_cpu_watts{zone=~\"package|dram\"})";
    let grid_zone = "max by (node_name, grid_zone) (label_replace(label_replace(\
         kube_node_labels{label_carbon_kube_io_grid_zone!=\"\"}, \"node_name\", \"$1\", \"node\", \"(.+)\"), \
         \"grid_zone\", \"$1\", \"label_carbon_kube_io_grid_zone\", \"(.+)\"))";
    let watts = format!(
        "sum by (zone) (label_replace({by_node} * on (node_name) group_left (grid_zone) {grid_zone}, \
         \"zone\", \"$1\", \"grid_zone\", \"(.+)\"))"
    );
    vec![
        "avg by (zone) (avg_over_time(carbonkube_zone_power_ratio[15m]))".to_owned(),
        format!("{watts} / max_over_time(({watts})[7d:15m])"),
    ]
}

/// A Prometheus.
pub struct Prometheus {
    client: reqwest::Client,
    config: config::Prometheus,
}

impl Prometheus {
    /// Asks with `client`.
    #[must_use]
    pub fn new(client: reqwest::Client, config: &config::Prometheus) -> Self {
        Self { client, config: config.clone() }
    }

    /// Moves and power by zone; empty where a query fails.
    pub async fn read(&self) -> (ByZone, ByZone) {
        (
            self.first("migrationRate", &self.config.migration_rate).await,
            self.first("powerRatio", &self.config.power_ratio).await,
        )
    }

    /// The result of the first query that has one.
    async fn first(&self, signal: &'static str, queries: &[String]) -> ByZone {
        for query in queries {
            match self.query(query).await {
                Ok(result) if result.is_empty() => {}
                Ok(result) => return result,
                Err(error) => warn!(signal, %error, "Prometheus was asked and said nothing"),
            }
        }
        ByZone::new()
    }

    async fn query(&self, query: &str) -> Result<ByZone, SignalError> {
        let url = format!("{}/api/v1/query", self.config.url.trim_end_matches('/'));
        let mut request = self.client.get(url).query(&[("query", query)]);
        if let Some(path) = &self.config.token_file {
            request = request.bearer_auth(token(path)?);
        }
        by_zone(&body(request).await?)
    }
}

fn token(path: &PathBuf) -> Result<String, SignalError> {
    let text = std::fs::read_to_string(path).map_err(SignalError::Token)?;
    Ok(text.trim().to_owned())
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    result: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    metric: Labels,
    value: (f64, String),
}

#[derive(Deserialize)]
struct Labels {
    zone: Option<String>,
}

/// The value of each zone of a vector; what has no zone, or one that can't be, is passed over.
fn by_zone(answer: &[u8]) -> Result<ByZone, SignalError> {
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|error| SignalError::Malformed(error.to_string()))?;
    let sample = |sample: Sample| {
        Some((sample.metric.zone?.parse::<Zone>().ok()?, sample.value.1.parse().ok()?))
    };
    Ok(answer.data.result.into_iter().filter_map(sample).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_read_by_zone_and_what_has_none_is_passed_over() {
        let answer = br#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"zone":"US-CAL-CISO"},"value":[1780000000.123,"0.25"]},
            {"metric":{"zone":"package"},"value":[1780000000.123,"NaN"]},
            {"metric":{},"value":[1780000000.123,"7"]}]}}"#;
        let result = by_zone(answer).unwrap();
        let zones: Vec<&str> = result.keys().map(Zone::as_str).collect();
        assert_eq!(zones, ["US-CA", "package"]);
        assert_eq!(super::super::sensible(result[&"US-CA".parse::<Zone>().unwrap()]), Some(0.25));
        assert_eq!(super::super::sensible(f64::NAN), None);
        for wrong in ["", "<html>", r#"{"status":"error","errorType":"bad_data"}"#] {
            assert!(by_zone(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
