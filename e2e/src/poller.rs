//! The poller under test: the real binary, as its own ServiceAccount with its own rights.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use kube::Client;
use serde_json::{Value, json};

use crate::apply::apply;
use crate::cluster::Cluster;
use crate::extender::{NAMESPACE, binary};
use crate::grid_source::KEY_VARIABLE;
use crate::pki::User;
use crate::process::{Process, Program, free_port};
use crate::wait;

/// Some 100 ms on an idle machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running poller. It ends when it is dropped.
pub struct RunningPoller {
    /// The process, to be killed, paused or restarted.
    pub process: Process,
    probes: u16,
    http: reqwest::Client,
}

/// Namespace, ServiceAccount and rights, as they are shipped.
///
/// # Errors
/// When the API server refuses them.
pub async fn install(client: &Client) -> Result<()> {
    let manifests = include_str!("../../services/poller/rbac.yaml");
    let objects = serde_saphyr::from_multiple::<Value>(manifests).context("rbac.yaml")?;
    apply(client, objects).await
}

/// Who the poller is.
pub fn user() -> User {
    User::service_account(NAMESPACE, "carbon-kube-poller")
}

impl RunningPoller {
    /// Starts a poller of the cluster and waits until the API server has told it its place. `sections`
    /// are those of its configuration that say what it polls, as YAML or JSON.
    ///
    /// # Errors
    /// When it can't be built or started.
    pub async fn start(cluster: &Cluster, name: &str, sections: &str) -> Result<Self> {
        let probes = free_port()?;
        let mut config: Value = serde_saphyr::from_str(sections).context("sections")?;
        config["telemetry"] = json!({"listen": format!("127.0.0.1:{probes}")});
        config["cluster"] = json!({"namespace": NAMESPACE,
            "lease": {"duration": "6s", "renewDeadline": "4s", "retryPeriod": "1s"}});
        let kubeconfig = cluster.kubeconfig(&user())?.display().to_string();
        Self::start_with(cluster.folder(), name, probes, &config, ("KUBECONFIG", &kubeconfig)).await
    }

    /// Starts a poller that knows no cluster: its documents are files in `state` of the folder.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_without_cluster(folder: &Path, name: &str, sections: &str) -> Result<Self> {
        let probes = free_port()?;
        let mut config: Value = serde_saphyr::from_str(sections).context("sections")?;
        config["telemetry"] = json!({"listen": format!("127.0.0.1:{probes}")});
        config["output"] = json!({"file": folder.join("state")});
        Self::start_with(folder, name, probes, &config, (KEY_VARIABLE, "any")).await
    }

    async fn start_with(
        folder: &Path,
        name: &str,
        probes: u16,
        config: &Value,
        (variable, value): (&str, &str),
    ) -> Result<Self> {
        let path = folder.join(format!("{name}.yaml"));
        std::fs::write(&path, config.to_string())?;
        let arguments = ["--config".to_owned(), path.display().to_string()];
        let mut program = Program::new(name, binary("carbon-kube-poller")?, arguments);
        program.env.push((variable.to_owned(), value.to_owned()));
        program.env.push(("HOSTNAME".to_owned(), name.to_owned()));
        let process = Process::start(program, folder)?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut poller = Self { process, probes, http };
        poller.until_ready().await?;
        Ok(poller)
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// When it ends or is not ready in time.
    pub async fn until_ready(&mut self) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/readyz", self.probes);
        let (http, process) = (&self.http, &mut self.process);
        wait::until("the poller is ready", READY_WITHIN, async || {
            process.expect_running()?;
            let answer = http.get(&url).send().await;
            Ok(answer.is_ok_and(|answer| answer.status().is_success()).then_some(()))
        })
        .await
    }

    /// Where its metrics are, as host and port.
    pub fn metrics_address(&self) -> String {
        format!("127.0.0.1:{}", self.probes)
    }

    /// What `/metrics` shows.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> Result<String> {
        let url = format!("http://127.0.0.1:{}/metrics", self.probes);
        Ok(self.http.get(url).send().await?.error_for_status()?.text().await?)
    }

    /// Whether it says that it leads.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn leads(&self) -> Result<bool> {
        Ok(self.metrics().await?.contains("carbonkube_poller_leader 1"))
    }
}
