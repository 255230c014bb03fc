//! The configuration file of kube-scheduler, with at most one extender in it.
//!
//! Only what the tests set; the fields have the names and meanings of
//! `kubescheduler.config.k8s.io/v1`. The text is JSON, which the scheduler reads as YAML.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Serialize, Serializer};
use serde_json::json;

/// How the scheduler is to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    /// The share of the nodes that is scored once enough are feasible. Absent means the scheduler's
    /// own rule: all of up to 100 nodes, and fewer of more.
    pub percentage_of_nodes_to_score: Option<u8>,
    /// Who is asked besides the plugins.
    pub extender: Option<Extender>,
    /// Command line flags besides those of the fixture.
    pub flags: Vec<String>,
}

impl Configuration {
    /// The file, for a scheduler that talks to the API server with `kubeconfig`.
    ///
    /// # Errors
    /// When a path isn't UTF-8.
    pub fn to_yaml(&self, kubeconfig: &Path) -> Result<String> {
        let mut config = json!({
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": { "leaderElect": false },
            // The defaults (50 and 100) would be what a load test measures.
            "clientConnection": { "kubeconfig": kubeconfig, "qps": 1000, "burst": 2000 },
        });
        if let Some(percentage) = self.percentage_of_nodes_to_score {
            config["percentageOfNodesToScore"] = json!(percentage);
        }
        if let Some(extender) = &self.extender {
            let extender = serde_json::to_value(extender).context("the extender's entry")?;
            config["extenders"] = json!([extender]);
        }
        Ok(format!("{config:#}\n"))
    }
}

/// An entry of `extenders`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Extender {
    /// Before each verb: `http://127.0.0.1:12345`.
    pub url_prefix: String,
    /// Path of the filter call; absent means no such call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_verb: Option<String>,
    /// Path of the prioritize call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prioritize_verb: Option<String>,
    /// Path of the preempt call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preempt_verb: Option<String>,
    /// What the extender's scores are multiplied by; at least 1 with a prioritize call.
    pub weight: u32,
    /// Whether calls carry only the names of nodes.
    pub node_cache_capable: bool,
    /// Whether pods are scheduled without it when a call fails.
    pub ignorable: bool,
    /// How long the scheduler waits for an answer. Its one scheduling thread waits with it.
    #[serde(serialize_with = "go_duration")]
    pub http_timeout: Duration,
    /// Whether to use TLS. Without a [`TlsConfig`] the scheduler doesn't verify the server.
    #[serde(rename = "enableHTTPS")]
    pub enable_https: bool,
    /// Whom to trust, and as whom to appear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_config: Option<TlsConfig>,
}

impl Extender {
    /// The product's recommended entry: filter and prioritize, names only, not needed for
    /// scheduling. The one difference is the time-out of 5 s, so that a busy test machine isn't
    /// taken for a failed extender.
    pub fn recommended(url_prefix: impl Into<String>) -> Self {
        Self {
            url_prefix: url_prefix.into(),
            filter_verb: Some("filter".to_owned()),
            prioritize_verb: Some("prioritize".to_owned()),
            preempt_verb: None,
            weight: 5,
            node_cache_capable: true,
            ignorable: true,
            http_timeout: Duration::from_secs(5),
            enable_https: false,
            tls_config: None,
        }
    }
}

/// TLS towards an extender.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsConfig {
    /// The authority that signed the extender's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The scheduler's own certificate, if the extender asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The name that the certificate must have, if it isn't the URL's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

fn go_duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}ms", duration.as_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_has_the_keys_that_the_scheduler_knows() {
        let mut extender = Extender::recommended("https://127.0.0.1:1");
        extender.enable_https = true;
        extender.tls_config =
            Some(TlsConfig { ca_file: Some("ca.crt".into()), ..TlsConfig::default() });
        let configuration = Configuration {
            percentage_of_nodes_to_score: Some(100),
            extender: Some(extender),
            flags: Vec::new(),
        };
        let text = configuration.to_yaml(Path::new("k")).expect("UTF-8");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            value,
            json!({
                "apiVersion": "kubescheduler.config.k8s.io/v1",
                "kind": "KubeSchedulerConfiguration",
                "leaderElection": { "leaderElect": false },
                "clientConnection": { "kubeconfig": "k", "qps": 1000, "burst": 2000 },
                "percentageOfNodesToScore": 100,
                "extenders": [{
                    "urlPrefix": "https://127.0.0.1:1",
                    "filterVerb": "filter",
                    "prioritizeVerb": "prioritize",
                    "weight": 5,
                    "nodeCacheCapable": true,
                    "ignorable": true,
                    "httpTimeout": "5000ms",
                    "enableHTTPS": true,
                    "tlsConfig": { "caFile": "ca.crt" },
                }],
            })
        );
    }
}
