//! The tuner job under test: the real binary, as its own ServiceAccount with its own rights, and a history for it.

use std::process::{Command, Output};

use anyhow::{Context, Result};
use carbon_kube_core::documents::{HistoryDocument, HistorySeries, Scale};
use carbon_kube_core::{Span, Time, Zone};
use kube::Client;
use serde_json::{Value, json};

use crate::apply::apply;
use crate::cluster::Cluster;
use crate::extender::{NAMESPACE, binary};
use crate::pki::User;

/// Namespace, ServiceAccount and rights, as they are shipped.
///
/// # Errors
/// When the API server refuses them.
pub async fn install(client: &Client) -> Result<()> {
    let manifests = include_str!("../../services/tuner/rbac.yaml");
    let objects = serde_saphyr::from_multiple::<Value>(manifests).context("rbac.yaml")?;
    apply(client, objects).await
}

/// Who the tuner is.
pub fn user() -> User {
    User::service_account(NAMESPACE, "carbon-kube-tuner")
}

/// Runs the job to its end. `sections` are those of its configuration, as YAML or JSON.
///
/// # Errors
/// When it can't be built or started.
pub fn run(cluster: &Cluster, sections: &str) -> Result<Output> {
    let mut config: Value = serde_saphyr::from_str(sections).context("sections")?;
    config["cluster"] = json!({"namespace": NAMESPACE});
    config["telemetry"] = json!({"logFormat": "text"});
    let path = cluster.folder().join("tuner.yaml");
    std::fs::write(&path, config.to_string())?;
    let mut tuner = Command::new(binary("carbon-kube-tuner")?);
    tuner.arg("--config").arg(&path).env("KUBECONFIG", cluster.kubeconfig(&user())?);
    tuner.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    tuner.output().context("running the tuner")
}

/// A fortnight up to the last full hour, clean at noon and dirty at night, each day a little other than the one
/// before.
///
/// # Errors
/// When a name is none of a zone.
pub fn history(zones: &[&str], now: Time) -> Result<HistoryDocument> {
    let to = now.floor(Span::HOUR);
    let from = to - Span::DAY * 14;
    let series = zones.iter().map(|zone| {
        let value = |hour: i64| {
            let at = from + Span::HOUR * hour;
            let of_day = (at.millis() / Span::HOUR.millis()).rem_euclid(24) as f64;
            let day = (hour / 24 % 5) as f64;
            Some(300.0 - 150.0 * ((of_day - 12.0) / 24.0 * std::f64::consts::TAU).cos() + day)
        };
        Ok(HistorySeries {
            scale: Scale {
                zone: zone.parse::<Zone>()?,
                signal: Default::default(),
                factor_set: "e2e".to_owned(),
            },
            source: "eia".to_owned(),
            confidence: 1.0,
            from,
            step_minutes: 60,
            updated_at: to,
            values: (0..14 * 24).map(value).collect(),
            estimated: Vec::new(),
        })
    });
    Ok(HistoryDocument::new(series.collect::<Result<_>>()?))
}
