//! The extender under test: the real binary, as its own ServiceAccount with its own rights.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use carbon_kube_core::cluster::{INTENSITY, POLICY, THRESHOLD};
use carbon_kube_core::documents::{
    IntensityDocument, ThresholdDocument, ZoneIntensity, ZoneThreshold,
};
use carbon_kube_policies::file::{self, Loaded};
use kube::Client;
use serde_json::{Value, json};

use crate::apply::apply;
use crate::cluster::Cluster;
use crate::pki::User;
use crate::process::{Process, Program, free_port};
use crate::wait;

/// Namespace of the extender and its ConfigMaps.
pub const NAMESPACE: &str = "carbon-kube";

/// Some 50 ms on an idle machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running extender. It ends when it is dropped.
pub struct RunningExtender {
    /// The process, to be killed, paused or restarted.
    pub process: Process,
    api: u16,
    probes: u16,
    http: reqwest::Client,
}

/// Namespace, ServiceAccount and rights, as they are shipped.
///
/// # Errors
/// When the API server refuses them.
pub async fn install(client: &Client) -> Result<()> {
    let manifests = include_str!("../../services/extender/rbac.yaml");
    let objects = serde_saphyr::from_multiple::<Value>(manifests).context("rbac.yaml")?;
    apply(client, objects).await
}

/// Who the extender is.
pub fn user() -> User {
    User::service_account(NAMESPACE, "carbon-kube-extender")
}

impl RunningExtender {
    /// Starts an extender of the cluster and waits until it is ready. `sections` are those of its
    /// configuration that say how it decides, as YAML or JSON.
    ///
    /// # Errors
    /// When it can't be built or started.
    pub async fn start(cluster: &Cluster, name: &str, sections: &str) -> Result<Self> {
        let (api, probes) = (free_port()?, free_port()?);
        let mut config: Value = serde_saphyr::from_str(sections).context("sections")?;
        config["server"] = json!({"listen": format!("127.0.0.1:{api}"), "drain": "1s"});
        let listen = format!("127.0.0.1:{probes}");
        config["telemetry"] = json!({"listen": listen, "logDecisions": true});
        config["source"] = json!({"kubernetes": {"namespace": NAMESPACE}});
        let path = cluster.folder().join(format!("{name}.yaml"));
        std::fs::write(&path, config.to_string())?;
        let arguments = ["--config".to_owned(), path.display().to_string()];
        let mut program = Program::new(name, binary("carbon-kube-extender")?, arguments);
        let kubeconfig = cluster.kubeconfig(&user())?;
        program.env.push(("KUBECONFIG".to_owned(), kubeconfig.display().to_string()));
        let process = Process::start(program, cluster.folder())?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut extender = Self { process, api, probes, http };
        extender.until_ready().await?;
        Ok(extender)
    }

    /// Waits until it is ready: it knows the nodes.
    ///
    /// # Errors
    /// When it ends or is not ready in time.
    pub async fn until_ready(&mut self) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/readyz", self.probes);
        let (http, process) = (&self.http, &mut self.process);
        wait::until("the extender is ready", READY_WITHIN, async || {
            process.expect_running()?;
            let answer = http.get(&url).send().await;
            Ok(answer.is_ok_and(|answer| answer.status().is_success()).then_some(()))
        })
        .await
    }

    /// `urlPrefix` of the scheduler's configuration.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.api)
    }

    /// Host and port of `/metrics`.
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

    /// The last decisions on a pod, the newest first.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn explain(&self, namespace: &str, pod: &str) -> Result<Vec<Value>> {
        let url = format!("{}/explain?namespace={namespace}&pod={pod}", self.url());
        let answer: Value = self.http.get(url).send().await?.error_for_status()?.json().await?;
        Ok(answer["decisions"].as_array().cloned().unwrap_or_default())
    }

    /// Asks as the scheduler would.
    ///
    /// # Errors
    /// When it does not answer with success.
    pub async fn ask(&self, verb: &str, request: &Value) -> Result<Value> {
        let url = format!("{}/{verb}", self.url());
        let answer = self.http.post(url).body(request.to_string()).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }
}

/// A binary of the project: in the folder `CARBON_KUBE_E2E_BINARIES`, or built in the profile of the
/// tests.
///
/// # Errors
/// When the build fails.
pub fn binary(name: &str) -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("CARBON_KUBE_E2E_BINARIES") {
        return Ok(PathBuf::from(folder).join(name));
    }
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    let folder = folder.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(folder.join(name))
}

/// Builds what is tested, into the folder above the one of the test binaries.
fn build() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let profile = test.parent().and_then(Path::parent).context("no target folder")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--quiet"]);
    for package in
        ["carbon-kube-extender", "carbon-kube-poller", "carbon-kube-tuner", "carbon-kube"]
    {
        cargo.args(["-p", package]);
    }
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status()?;
    ensure!(built.success(), "cargo build: {built}");
    Ok(profile.to_owned())
}

/// Puts a policy in force: a rule with its settings, as the rest of a policy file.
///
/// # Errors
/// When it is no policy, or the API server refuses it.
pub async fn publish_policy(client: &Client, rule: &str) -> Result<()> {
    let yaml = format!("version: 1\nname: e2e\n{rule}\n");
    let policy = Loaded::parse(&yaml, None)?;
    apply(client, [file::config_map(&policy, &yaml, NAMESPACE)]).await
}

/// Publishes intensity and threshold of each zone, as the poller does.
///
/// # Errors
/// When the API server refuses them.
pub async fn publish_grid(
    client: &Client,
    intensity: &IntensityDocument,
    threshold: &ThresholdDocument,
) -> Result<()> {
    let maps = [
        config_map(THRESHOLD, &serde_json::to_string(threshold)?),
        config_map(INTENSITY, &serde_json::to_string(intensity)?),
    ];
    apply(client, maps).await
}

/// A ConfigMap of ours with whatever text.
pub fn config_map((name, key): (&str, &str), text: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": {key: text},
    })
}

/// The policy's ConfigMap with whatever text.
pub fn policy_map(text: &str) -> Value {
    config_map(POLICY, text)
}

/// Both documents of zones that were observed and decided now: zone, intensity, threshold.
///
/// # Errors
/// When a number is none of a grid.
pub fn grid(zones: &[(&str, f64, f64)]) -> Result<(IntensityDocument, ThresholdDocument)> {
    let now = jiff::Timestamp::now().to_string().parse()?;
    let (mut intensities, mut thresholds) = (Vec::new(), Vec::new());
    for (zone, value, threshold) in zones {
        let grams = |value| carbon_kube_core::GramsPerKwh::new(value).context("not of a grid");
        let zone: carbon_kube_core::Zone = zone.parse()?;
        let entry = ZoneIntensity {
            value: grams(*value)?,
            unit: ZoneIntensity::UNIT.to_owned(),
            signal: Default::default(),
            factor_set: "local".to_owned(),
            observed_at: now,
            fetched_at: now,
            source: "e2e".to_owned(),
            is_estimated: false,
            confidence: 1.0,
            forecast: Vec::new(),
            forecast_source: None,
        };
        intensities.push((zone.clone(), entry));
        let entry = ZoneThreshold {
            value: grams(*threshold)?,
            base: grams(*threshold)?,
            adjustment: 0.0,
            previous: None,
            decided_at: now,
            mode: carbon_kube_core::cluster::Mode::Enforce,
            policy: "e2e".to_owned(),
            policy_sha256: String::new(),
            reason: "the test".to_owned(),
        };
        thresholds.push((zone, entry));
    }
    Ok((
        IntensityDocument::new(intensities.into_iter().collect()),
        ThresholdDocument::new(thresholds.into_iter().collect()),
    ))
}
