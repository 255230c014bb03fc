//! The binary as an operator runs it: configuration, TLS, h2, probes, metrics, an orderly end.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Certificate, Client, ClientBuilder, Identity, StatusCode, Version};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A running extender that takes its state from a folder.
struct Running {
    child: Child,
    folder: TempDir,
    api: u16,
    probes: u16,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Running {
    /// Starts the binary; `server` are more fields of `server`.
    async fn start(server: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, server).await
    }

    async fn start_in(folder: TempDir, server: &str) -> Self {
        let (api, probes) = (free_port(), free_port());
        let config = format!(
            "server: {{listen: '127.0.0.1:{api}', drain: 1s{server}}}\n\
             telemetry: {{listen: '127.0.0.1:{probes}'}}\nsource: {{folder: {}}}\n",
            folder.path().display()
        );
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, config).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_carbon-kube-extender"))
            .arg("--config")
            .arg(&path)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let running = Self { child, folder, api, probes };
        running.until_ready().await;
        running
    }

    async fn until_ready(&self) {
        let start = Instant::now();
        while self.probe("readyz").await.is_none_or(|(status, _)| status != StatusCode::OK) {
            assert!(start.elapsed() < Duration::from_secs(30), "not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn probe(&self, path: &str) -> Option<(StatusCode, String)> {
        let url = format!("http://127.0.0.1:{}/{path}", self.probes);
        let response = client().build().unwrap().get(url).send().await.ok()?;
        Some((response.status(), response.text().await.ok()?))
    }

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}/v1/filter", self.api)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }
}

fn client() -> ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy()
}

const REQUEST: &str = r#"{"Pod":{},"Nodes":null,"NodeNames":["a"]}"#;

async fn ask(client: &Client, url: &str) -> reqwest::Result<(Version, Value)> {
    let response = client.post(url).body(REQUEST).send().await?;
    Ok((response.version(), response.json().await?))
}

/// An authority, and certificates that it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key for `localhost`.
    fn sign(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

fn write_pair(folder: &Path, (certificate, key): &(String, String)) -> (PathBuf, PathBuf) {
    let (at, key_at) = (folder.join("tls.crt"), folder.join("tls.key"));
    std::fs::write(&at, certificate).unwrap();
    std::fs::write(&key_at, key).unwrap();
    (at, key_at)
}

fn trusting(authority: &Authority) -> ClientBuilder {
    let root = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    client().tls_certs_only([root])
}

async fn with_tls(authority: &Authority, client_ca: Option<&Authority>) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = write_pair(folder.path(), &authority.sign());
    let client_ca = client_ca.map_or_else(String::new, |authority| {
        let path = folder.path().join("client-ca.crt");
        std::fs::write(&path, authority.pem()).unwrap();
        format!(", clientCa: {}", path.display())
    });
    let tls = format!(
        ", tls: {{certificate: {}, key: {}{client_ca}}}",
        certificate.display(),
        key.display()
    );
    Running::start_in(folder, &tls).await
}

#[tokio::test]
async fn plain_http_speaks_both_versions() {
    let running = Running::start("").await;
    let url = running.url("http");
    let (version, answer) = ask(&client().build().unwrap(), &url).await.unwrap();
    assert_eq!((version, &answer["NodeNames"]), (Version::HTTP_11, &json!(["a"])));
    let h2 = client().http2_prior_knowledge().build().unwrap();
    assert_eq!(ask(&h2, &url).await.unwrap().0, Version::HTTP_2);
}

#[tokio::test]
async fn https_is_h2_by_alpn_and_needs_no_restart_for_a_new_certificate() {
    let (first, second) = (Authority::new(), Authority::new());
    let running = with_tls(&first, None).await;
    let url = running.url("https");
    let (version, answer) = ask(&trusting(&first).build().unwrap(), &url).await.unwrap();
    assert_eq!((version, &answer["Error"]), (Version::HTTP_2, &json!("")));
    let old = trusting(&first).http1_only().build().unwrap();
    assert_eq!(ask(&old, &url).await.unwrap().0, Version::HTTP_11);
    // Half a pair is refused, the old one stays.
    running.write("tls.crt", "no certificate");
    tokio::time::sleep(Duration::from_secs(6)).await;
    ask(&trusting(&first).build().unwrap(), &url).await.unwrap();
    write_pair(running.folder.path(), &second.sign());
    let start = Instant::now();
    while ask(&trusting(&second).build().unwrap(), &url).await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(30), "the new certificate is not served");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn with_client_authorities_nobody_without_a_certificate_is_answered() {
    let (server, clients) = (Authority::new(), Authority::new());
    let running = with_tls(&server, Some(&clients)).await;
    let url = running.url("https");
    assert!(ask(&trusting(&server).build().unwrap(), &url).await.is_err());
    let identity = |authority: &Authority| {
        let (certificate, key) = authority.sign();
        Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap()
    };
    let known = trusting(&server).identity(identity(&clients)).build().unwrap();
    ask(&known, &url).await.unwrap();
    let stranger = trusting(&server).identity(identity(&server)).build().unwrap();
    assert!(ask(&stranger, &url).await.is_err());
    // Probes and Prometheus have no certificate.
    assert_eq!(running.probe("livez").await.unwrap().0, StatusCode::OK);
}

#[tokio::test]
async fn the_folder_is_read_anew_when_it_changes() {
    let running = Running::start("").await;
    let client = client().build().unwrap();
    let node = json!({"metadata": {"name": "a", "labels": {"carbon-kube.io/grid-zone": "EU-DE"}}});
    running.write("nodes.json", &json!({"items": [node]}).to_string());
    let team = json!({"metadata": {"name": "t", "labels": {"carbon-kube.io/mode": "enforce"}}});
    running.write("namespaces.json", &json!({"items": [team]}).to_string());
    running.write("policy.yaml", "version: 1\nname: mine\nkind: threshold\n");
    let now = jiff::Timestamp::now();
    let zone = json!({"value": 400, "unit": "g/kWh", "signal": "average", "factorSet": "local",
        "observedAt": now.to_string(), "fetchedAt": now.to_string(), "source": "test",
        "isEstimated": false, "confidence": 1});
    let document = json!({"version": 1, "zones": {"EU-DE": zone}});
    running.write("intensity.json", &document.to_string());
    let pod = json!({"metadata": {"name": "p", "namespace": "t", "uid": "u",
        "creationTimestamp": now.to_string(), "annotations": {"carbon-kube.io/max-delay": "6h"}}});
    let body = json!({"Pod": pod, "NodeNames": ["a"]}).to_string();
    let failed = async || -> Value {
        let response = client.post(running.url("http")).body(body.clone()).send().await.unwrap();
        response.json::<Value>().await.unwrap()["FailedAndUnresolvableNodes"].clone()
    };
    let start = Instant::now();
    while failed().await == json!({}) {
        assert!(start.elapsed() < Duration::from_secs(20), "the folder has no effect");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let reason = failed().await["a"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("EU-DE 400 g/kWh is over the threshold 250 g/kWh; no later than"));
    let (_, metrics) = running.probe("metrics").await.unwrap();
    for line in [
        "carbonkube_grid_carbon_intensity_grams_per_kwh{zone=\"EU-DE\",source=\"test\",signal=\"average\",estimated=\"false\"} 400",
        "carbonkube_pods_gated 1",
        "carbonkube_extender_nodes{zone=\"EU-DE\"} 1",
        "carbonkube_extender_decisions_total{verb=\"filter\",mode=\"enforce\",outcome=\"refused-all\"}",
        "carbonkube_policy_info{name=\"mine\",kind=\"threshold\",version=\"1\",sha256=",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn it_serves_on_while_endpoints_forget_it_and_then_ends() {
    let mut running = Running::start("").await;
    let client = client().build().unwrap();
    running.signal("-TERM");
    let start = Instant::now();
    while running.probe("readyz").await.is_none_or(|(status, _)| status == StatusCode::OK) {
        assert!(start.elapsed() < Duration::from_secs(10), "still ready");
    }
    ask(&client, &running.url("http")).await.unwrap();
    let status = loop {
        if let Some(status) = running.child.try_wait().unwrap() {
            break status;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "it does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(status.success(), "{status}");
}

#[test]
fn what_is_wrong_with_the_configuration_is_said_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str, expected: &str| {
        let path = folder.path().join("c.yaml");
        std::fs::write(&path, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_carbon-kube-extender"))
            .arg("--config")
            .arg(&path)
            .output()
            .unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}: {message}");
        assert!(message.contains(expected), "{text}: {message}");
    };
    check("grids: {}", "unknown field `grids`");
    check("telemetry: {logFilter: 'a=b=c'}", "log filter `a=b=c`");
    check(
        "telemetry: {listen: '127.0.0.1:1'}\nserver: {listen: '192.0.2.1:1'}",
        "server.listen: can't listen",
    );
    let tls = "server: {listen: '127.0.0.1:0', tls: {certificate: /none, key: /none}}\n\
               telemetry: {listen: '127.0.0.1:0'}\nsource: {folder: .}";
    check(tls, "server.tls: /none: ");
}

#[test]
fn the_checked_configuration_is_printed_with_its_defaults_and_the_schema_is_current() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_carbon-kube-extender"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    insta::assert_snapshot!("defaults", run(&["--check"]));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/extender.schema.json");
    let schema = run(&["--schema"]);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &schema).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), schema, "make golden");
}
