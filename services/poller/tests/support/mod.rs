//! A local Electricity Maps, and the poller's binary.

#![allow(dead_code, clippy::unwrap_used, reason = "test code; each test binary uses its part")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use carbon_kube_core::{Span, Time};
use carbon_kube_providers::Clock;
use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::matchers::{any, header, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// The key that tests use, and look for where it must not be.
pub const KEY: &str = "sesame-4711-do-not-tell";

/// The variable that has it.
pub const KEY_VARIABLE: &str = "TEST_ELECTRICITY_MAPS_KEY";

/// The hour in which the tests began: the newest value's, also where another one begins meanwhile.
static HOUR: LazyLock<Time> = LazyLock::new(|| now().floor(Span::HOUR));

/// A day of hourly values around 200 g/kWh, the last of which is of this hour.
pub fn hourly(hours_ago: i64) -> f64 {
    let hour = *HOUR - Span::HOUR * hours_ago;
    200.0 + (hour.millis() / Span::HOUR.millis() % 24) as f64
}

pub fn now() -> Time {
    Clock::system().now()
}

/// Electricity Maps on loopback: whoever has the key is told the values of [`hourly`].
pub async fn electricity_maps() -> MockServer {
    let server = MockServer::start().await;
    let zone = |request: &Request| {
        let zone = request.url.query_pairs().find(|(name, _)| name == "zone");
        zone.map(|(_, zone)| zone.into_owned()).unwrap_or_default()
    };
    let item = |hours_ago: i64| {
        let hour = *HOUR - Span::HOUR * hours_ago;
        json!({"carbonIntensity": hourly(hours_ago), "datetime": hour, "updatedAt": now(),
            "emissionFactorType": "direct", "isEstimated": hours_ago < 2,
            "temporalGranularity": "hourly"})
    };
    let latest = move |request: &Request| {
        let mut latest = item(0);
        latest["zone"] = zone(request).into();
        // A careless server: what it was sent comes back.
        latest["token"] = KEY.into();
        ResponseTemplate::new(200).set_body_json(latest)
    };
    let history = move |request: &Request| {
        let items: Vec<Value> = (0..24).rev().map(item).collect();
        let body = json!({"zone": zone(request), "history": items});
        ResponseTemplate::new(200).set_body_json(body)
    };
    let with_key = || header("auth-token", KEY);
    Mock::given(path("/carbon-intensity/latest"))
        .and(with_key())
        .respond_with(latest)
        .mount(&server)
        .await;
    Mock::given(path("/carbon-intensity/history"))
        .and(with_key())
        .respond_with(history)
        .mount(&server)
        .await;
    let refused = ResponseTemplate::new(401).set_body_string(format!("bad token {KEY}"));
    Mock::given(any()).respond_with(refused).with_priority(200).mount(&server).await;
    server
}

/// The providers' section of a configuration: that server, and these zones.
pub fn providers(server: &MockServer, zones: &[&str]) -> String {
    let zones: Vec<String> = zones.iter().map(|zone| format!("{zone}: {{}}")).collect();
    format!(
        "providers:\n  electricityMaps: {{baseUrl: '{}', keyEnv: {KEY_VARIABLE}}}\n  zones: {{{}}}\n",
        server.uri(),
        zones.join(", ")
    )
}

pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carbon-kube-poller"));
    command.env_remove("KUBECONFIG").env(KEY_VARIABLE, KEY);
    command
}

/// Runs the binary to its end without blocking the mock server.
pub async fn run(arguments: &[&str]) -> Output {
    let mut command = command();
    command.args(arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

pub fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// A running poller that writes into a folder.
pub struct Running {
    child: Child,
    pub folder: TempDir,
    pub port: u16,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts the binary; `sections` are of its configuration, but for output and telemetry. Its
    /// documents are in `state` of the folder, its log is `log`. Its second cycle is an hour away, so
    /// that what the first one counts can be compared.
    pub async fn start(folder: TempDir, sections: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let state = folder.path().join("state");
        let config = format!(
            "{sections}interval: 1h\noutput: {{file: {}}}\ntelemetry: {{listen: '127.0.0.1:{port}', logFilter: trace}}\n",
            state.display()
        );
        let path = write(folder.path(), "config.yaml", &config);
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = command();
        let child = command.arg("--config").arg(path).stderr(Stdio::from(log)).spawn().unwrap();
        let running = Self { child, folder, port };
        running
            .until(|metrics| metrics.contains("poller_cycles_total{result=\"written\"} 1"))
            .await;
        running
    }

    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer =
            client.get(format!("http://127.0.0.1:{}/{path}", self.port)).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// Waits until the metrics are as wanted.
    pub async fn until(&self, wanted: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            if let Some((200, metrics)) = self.get("metrics").await
                && wanted(&metrics)
            {
                return metrics;
            }
            let log =
                || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < Duration::from_secs(30), "not as wanted\n{}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the end.
    pub async fn ended(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < Duration::from_secs(30), "it does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The most memory that it has used, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        let kilobytes: u64 = line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes * 1024
    }
}

/// Every file below a folder, with its bytes.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    found
}
