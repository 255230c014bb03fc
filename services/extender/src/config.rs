//! The configuration file: one YAML document, whose doc comments are its reference.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use carbon_kube_core::cluster::Mode;
use carbon_kube_core::{Span, Zone};
use carbon_kube_policies::cycle::SCHEDULER_RETRY;
pub use carbon_kube_telemetry::config::{Configuration, Duration};
use carbon_kube_telemetry::logs::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of `carbon-kube-extender`. Every field has a default; an empty file is a
/// working configuration inside a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Config {
    /// Where the scheduler's requests come in.
    pub server: Server,
    /// Where probes and Prometheus come in, without TLS. Default `0.0.0.0:8080`.
    pub telemetry: Telemetry,
    /// Where nodes, namespaces and ConfigMaps come from.
    pub source: Source,
    /// What pods may ask for, and how they are held.
    pub decisions: Decisions,
    /// When grid data is too old.
    pub grid: Grid,
    /// What nodes draw.
    pub power: Power,
    /// How much is remembered for `/v1/explain` and the metrics of held pods.
    pub memory: Memory,
}

/// Where the scheduler's requests come in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Server {
    /// Address and port. Default `0.0.0.0:8443` with TLS as without.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Certificate and key; without them it is plain HTTP.
    pub tls: Option<Tls>,
    /// Threads that answer. Default 2: a scheduler asks one thing at a time.
    #[schemars(range(min = 1, max = 64))]
    pub threads: usize,
    /// The largest request in bytes. Default 64 MiB: 25,000 whole nodes.
    pub max_body_bytes: usize,
    /// How long requests are still answered after SIGTERM, while the endpoints forget this
    /// replica. Default 5s.
    pub drain: Duration,
}

/// Certificate and key of the server. Files that change are read anew within five seconds; a pair
/// that can't be used leaves the old one in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tls {
    /// PEM file of the certificate chain, the server's own first.
    pub certificate: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
    /// PEM file of the authorities whose client certificates are accepted. Where it is given,
    /// nobody without such a certificate is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

/// Where probes and Prometheus come in, and what is logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Telemetry {
    /// Address and port of `/livez`, `/readyz` and `/metrics`.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Which log lines are written, as `RUST_LOG` has it. Default `info`.
    pub log_filter: String,
    /// `json` or `text`. Default `json`.
    pub log_format: Format,
    /// Whether each decision on a pod that opted in is a log line. Default false.
    pub log_decisions: bool,
    /// Address of an OpenTelemetry collector (OTLP over HTTP), such as
    /// `http://otel-collector:4318`. Needs a binary with the feature `otlp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
}

/// Where the state of the cluster comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Source {
    /// Watches of the API server that this pod runs under, or of `KUBECONFIG`.
    Kubernetes {
        /// Namespace of the ConfigMaps. Default: the pod's own, `carbon-kube` outside of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
    },
    /// A folder with `nodes.json` and `namespaces.json` (as `kubectl get -o json` prints them),
    /// `intensity.json`, `threshold.json`, `policy.yaml` and `status.json`, each of them optional and
    /// read anew when it changes. To try the extender without a cluster.
    Folder(PathBuf),
}

/// What pods may ask for, and how they are held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Decisions {
    /// Mode of pods whose namespace and annotations name none. Default `off`: opt in.
    #[schemars(with = "ModeName")]
    pub default_mode: Mode,
    /// How pods that should wait are held. `filter`: every node is refused, and the scheduler
    /// tries again; nothing else is needed. `gate`: a controller holds pods before they reach the
    /// scheduler, and the extender only places. Default `filter`.
    pub holding: HoldingName,
    /// With `filter`: the longest that the scheduler leaves a refused pod alone. A pod with less
    /// time than this before its limit is not refused any more. Default 5m30s, what kube-scheduler
    /// does when nothing happens in the cluster.
    pub retry_interval: Duration,
}

/// `off`, `observe` or `enforce`.
#[derive(Clone, Copy, Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[allow(dead_code, reason = "only its schema is used")]
enum ModeName {
    Off,
    Observe,
    Enforce,
}

/// How pods are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HoldingName {
    /// Before the scheduler, by a controller.
    Gate,
    /// In the scheduler, by refusing.
    #[default]
    Filter,
}

/// When grid data is too old, and which grid a node draws from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Grid {
    /// An intensity that was observed longer ago is unknown. Default 3h: hourly data that is
    /// published an hour late stays in force.
    pub max_age: Duration,
    /// A threshold that was decided longer ago is unknown. Default 1h.
    pub threshold_max_age: Duration,
    /// An intensity that is trusted less is unknown, 0 to 1. Default 0.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_confidence: f64,
    /// Cloud region (`topology.kubernetes.io/region`) to grid zone, before the built-in table. The
    /// node label `carbon-kube.io/grid-zone` wins over both.
    #[schemars(with = "BTreeMap<String, String>")]
    pub regions: BTreeMap<String, Zone>,
}

/// What nodes draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Power {
    /// Power usage effectiveness where no class says another. Default 1.2.
    #[schemars(range(min = 1.0, max = 10.0))]
    pub pue: f64,
    /// Watts that one busy core adds, for nodes that neither a class nor the table of instance
    /// types knows. Default 6.5: the median of that table.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub default_watts_per_core: f64,
    /// Nodes by label; the first class that fits a node counts.
    pub classes: Vec<NodeClass>,
}

/// Nodes that have all of these labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NodeClass {
    /// Labels and their values.
    pub labels: BTreeMap<String, String>,
    /// Power of one node without load, in watts.
    #[schemars(range(min = 0.0))]
    pub idle_watts: f64,
    /// Power of one node with every allocatable core busy, in watts; at least `idleWatts`.
    #[schemars(range(min = 0.0))]
    pub busy_watts: f64,
    /// Power usage effectiveness; `power.pue` where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1.0, max = 10.0))]
    pub pue: Option<f64>,
    /// Price of one node, in US dollars per hour. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub usd_per_hour: f64,
    /// Work per hour over that of the other nodes: half the speed draws power for twice as long.
    /// Default 1.
    #[serde(default = "full_speed")]
    #[schemars(range(min = 0.01, max = 100.0))]
    pub speed: f64,
}

fn full_speed() -> f64 {
    1.0
}

/// How much is remembered. Nothing that matters depends on it: a pod's limit follows from its own
/// annotations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Memory {
    /// Decisions that `/v1/explain` can show. Default 4096.
    #[schemars(range(max = 1_000_000))]
    pub decisions: usize,
    /// Pods that are followed for the metrics of held pods and savings. Default 16384.
    #[schemars(range(max = 1_000_000))]
    pub pods: usize,
}

impl Configuration for Config {
    const PROGRAM: &'static str = "carbon-kube-extender";

    fn check(&self) -> Result<(), (String, String)> {
        let within = |field: &str, value: f64, low: f64, high: f64| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err((field.to_owned(), format!("is {value}; expected {low} to {high}")))
        };
        within("server.threads", self.server.threads as f64, 1.0, 64.0)?;
        within("server.maxBodyBytes", self.server.max_body_bytes as f64, 1e4, 1e9)?;
        within("memory.decisions", self.memory.decisions as f64, 0.0, 1e6)?;
        within("memory.pods", self.memory.pods as f64, 0.0, 1e6)?;
        within("grid.minConfidence", self.grid.min_confidence, 0.0, 1.0)?;
        within("power.pue", self.power.pue, 1.0, 10.0)?;
        within("power.defaultWattsPerCore", self.power.default_watts_per_core, 0.0, 1e3)?;
        for (i, class) in self.power.classes.iter().enumerate() {
            let field = |name: &str| format!("power.classes[{i}].{name}");
            within(&field("pue"), class.pue.unwrap_or(1.0), 1.0, 10.0)?;
            within(&field("idleWatts"), class.idle_watts, 0.0, 1e6)?;
            within(&field("busyWatts"), class.busy_watts, class.idle_watts, 1e6)?;
            within(&field("usdPerHour"), class.usd_per_hour, 0.0, 1e6)?;
            within(&field("speed"), class.speed, 0.01, 100.0)?;
        }
        Ok(())
    }
}

impl Decisions {
    /// How the shared decision code has it.
    #[must_use]
    pub fn holding(&self) -> carbon_kube_policies::Holding {
        match self.holding {
            HoldingName::Gate => carbon_kube_policies::Holding::Gate,
            HoldingName::Filter => {
                carbon_kube_policies::Holding::Filter { retry: self.retry_interval.0 }
            }
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            tls: None,
            threads: 2,
            max_body_bytes: 64 << 20,
            drain: Duration(Span::from_millis(5_000)),
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            log_filter: "info".to_owned(),
            log_format: Format::Json,
            log_decisions: false,
            otlp_endpoint: None,
        }
    }
}

impl Default for Source {
    fn default() -> Self {
        Self::Kubernetes { namespace: None }
    }
}

impl Default for Decisions {
    fn default() -> Self {
        Self {
            default_mode: Mode::Off,
            holding: HoldingName::Filter,
            retry_interval: Duration(SCHEDULER_RETRY),
        }
    }
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            max_age: Duration(Span::HOUR * 3),
            threshold_max_age: Duration(Span::HOUR),
            min_confidence: 0.0,
            regions: BTreeMap::new(),
        }
    }
}

impl Default for Power {
    fn default() -> Self {
        Self { pue: 1.2, default_watts_per_core: 6.5, classes: Vec::new() }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self { decisions: 4_096, pods: 16_384 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        Config::parse("c.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_is_a_working_configuration() {
        for text in ["", "# nothing\n\n", "{}"] {
            assert_eq!(Config::parse("c.yaml", text).unwrap(), Config::default());
        }
    }

    #[test]
    fn what_is_given_wins_over_the_defaults() {
        let text = "decisions: {holding: gate, retryInterval: 10s, defaultMode: observe}\n\
                    source: {folder: state}\ngrid: {regions: {moon-1: EU-DE, no: NO}}";
        let config = Config::parse("c.yaml", text).unwrap();
        assert_eq!(config.decisions.holding(), carbon_kube_policies::Holding::Gate);
        assert_eq!(config.source, Source::Folder("state".into()));
        assert_eq!(config.grid.regions["moon-1"].as_str(), "EU-DE");
        // Norway, and a region of that name: not the `false` of YAML 1.1.
        assert_eq!(config.grid.regions["no"].as_str(), "NO");
    }

    #[test]
    fn a_wrong_file_says_where_and_what() {
        for (text, expected) in [
            ("decision: {}", "c.yaml: line 1 column 1: unknown field `decision`"),
            ("grid: {maxAge: soon}", "`soon` is not a duration"),
            ("server: {listen: here}", "c.yaml: line 1 column"),
            ("power: {pue: 0.9}", "c.yaml: power.pue: is 0.9; expected 1 to 10"),
            ("server: {threads: 0}", "c.yaml: server.threads: is 0; expected 1 to 64"),
            (
                "power: {classes: [{labels: {a: b}, idleWatts: 9, busyWatts: 3}]}",
                "power.classes[0].busyWatts: is 3; expected 9 to",
            ),
        ] {
            let message = problem(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
        assert!(problem("a: b: c").contains("hint: "));
    }
}
