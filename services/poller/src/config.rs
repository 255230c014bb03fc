//! The configuration file: one YAML document, whose doc comments are its reference.

use std::net::SocketAddr;
use std::path::PathBuf;

use carbon_kube_core::cluster::{INTENSITY, Mode, POLICY, THRESHOLD};
use carbon_kube_core::{Span, Zone, typical_year};
use carbon_kube_providers::config::ProvidersConfig;
pub use carbon_kube_telemetry::config::{Configuration, Duration, OutputName};
use carbon_kube_telemetry::logs::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle::{Bundle, FORECAST_FORM, POLICY_FORM};

/// Configuration of `carbon-kube-poller`. Every field has a default; an empty file polls the zones
/// that have a typical year, from whatever needs no key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Config {
    /// Time between two looks at the grid. Default 5m. A source is asked less often where its
    /// values can't have changed.
    pub interval: Duration,
    /// Where the documents go; `--output` wins over it. Default `cluster`.
    pub output: OutputName,
    /// Which zones are polled, from which sources, in which order. Without zones: those that have a
    /// typical year.
    pub providers: ProvidersConfig,
    /// Folder in which answers of sources are kept with their validators, so that a restart asks for
    /// nothing twice. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_folder: Option<PathBuf>,
    /// Days of each zone's past that are kept, in memory and beside `intensity.json`; what rules and
    /// forecasts look back on. Default 14.
    #[schemars(range(min = 1, max = 60))]
    pub history_days: u32,
    /// Where the policy comes from. Default: the ConfigMap `carbon-kube-policy` where the output is
    /// the cluster, and no policy elsewhere.
    pub policy: Files,
    /// Where the forecast model comes from. Default: the ConfigMap `carbon-kube-forecast` where the
    /// output is the cluster, and no model elsewhere.
    pub forecast: Files,
    /// How thresholds are set.
    pub tune: Tune,
    /// Writes the ConfigMap of kubernetes-carbon-intensity-exporter too. Default: not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carbon_intensity_exporter: Option<Exporter>,
    /// The cluster that is written to.
    pub cluster: Cluster,
    /// Where probes and Prometheus come in, and what is logged.
    pub telemetry: Telemetry,
}

/// Where a policy or a forecast model comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Files {
    /// A folder as `carbon-kube policy export` or `carbon-kube forecast train` writes it. Looked at
    /// anew at every interval; what can't be read leaves the one before in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// A shipped one by name, where neither a folder nor a ConfigMap has one: `percentile-v1`, or for
    /// forecasts `forecast-open-v1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
}

/// How thresholds are set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Tune {
    /// `enforce`: thresholds are for the extender to apply. `observe`: they say what would be, and
    /// nothing is applied. `off`: none are written. Default `enforce`.
    #[schemars(with = "ModeName")]
    pub mode: Mode,
    /// An adjustment is kept at least for so long, beyond the policy's own control interval. Default
    /// 0s: what was simulated.
    pub minimum_dwell: Duration,
    /// A zone whose newest value is older has no threshold. Default 3h, as the extender's.
    pub max_age: Duration,
    /// A zone whose value is trusted less has no threshold, 0 to 1. Default 0.5: neither a typical
    /// year nor a value that has long decayed.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_confidence: f64,
    /// Where moves and power come from. Without any the tuner has their means of training.
    pub signals: Signals,
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

/// Where moves and power come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Signals {
    /// A Prometheus, or whatever answers its queries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Prometheus>,
    /// Addresses of `/metrics`, such as those of the extender and the controller, for clusters
    /// without Prometheus. Where both are given, Prometheus wins.
    pub metrics: Vec<String>,
}

/// A Prometheus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Prometheus {
    /// Its address, such as `http://prometheus.monitoring:9090`.
    pub url: String,
    /// File with a bearer token, read anew for each query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Moves in the last hour per running migratable pod, by the label `zone`. The first query that
    /// has a result counts. Default: from `carbonkube_migrations_total`.
    #[serde(default = "crate::signals::prometheus::migration_rate")]
    pub migration_rate: Vec<String>,
    /// Mean power over power at full load, by the label `zone`. The first query that has a result
    /// counts. Default: from `carbonkube_zone_power_ratio`, then from Kepler.
    #[serde(default = "crate::signals::prometheus::power_ratio")]
    pub power_ratio: Vec<String>,
}

/// The ConfigMap `carbon-intensity` of kubernetes-carbon-intensity-exporter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Exporter {
    /// The zone; the format has room for one.
    #[schemars(with = "String")]
    pub zone: Zone,
    /// Name of the ConfigMap. Default `carbon-intensity`.
    #[serde(default = "exporter_name")]
    pub name: String,
}

impl Exporter {
    /// The zone by its canonical name.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.zone.as_str().parse().unwrap_or_else(|_| self.zone.clone())
    }
}

fn exporter_name() -> String {
    "carbon-intensity".to_owned()
}

/// The cluster that is written to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Cluster {
    /// Namespace of the ConfigMaps and of the Lease. Default: the pod's own, `carbon-kube` outside of
    /// one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// How one of several replicas becomes the one that writes.
    pub lease: Lease,
}

/// How one of several replicas becomes the one that writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Lease {
    /// Name of the Lease. Default `carbon-kube-poller`.
    pub name: String,
    /// How long others wait after the last renewal that they saw. Default 15s.
    pub duration: Duration,
    /// How long the leader writes after its last renewal; less than `duration`. Default 10s.
    pub renew_deadline: Duration,
    /// Time between two tries; less than `renewDeadline`. Default 2s.
    pub retry_period: Duration,
}

/// Where probes and Prometheus come in, and what is logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Telemetry {
    /// Address and port of `/livez`, `/readyz` and `/metrics`. Default `0.0.0.0:8080`.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Which log lines are written, as `RUST_LOG` has it. Default `info`. The one field that is read
    /// anew while the poller runs, within ten seconds.
    pub log_filter: String,
    /// `json` or `text`. Default `json`.
    pub log_format: Format,
    /// Address of an OpenTelemetry collector (OTLP over HTTP), such as
    /// `http://otel-collector:4318`. Needs a binary with the feature `otlp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
}

impl Config {
    /// The zones that are polled.
    #[must_use]
    pub fn zones(&self) -> Vec<Zone> {
        if self.providers.zones.is_empty() {
            return typical_year::zones().cloned().collect();
        }
        self.providers.zones.keys().cloned().collect()
    }
}

impl Configuration for Config {
    const PROGRAM: &'static str = "carbon-kube-poller";

    fn check(&self) -> Result<(), (String, String)> {
        self.providers
            .check()
            .map_err(|error| (format!("providers.{}", error.field), error.problem))?;
        let within = |field: &str, value: Duration, low: Span, high: Span| {
            if (low..=high).contains(&value.0) {
                return Ok(());
            }
            let problem = format!("is {}; expected {low} to {high}", value.0);
            Err((field.to_owned(), problem))
        };
        within("interval", self.interval, Span::MINUTE, Span::HOUR)?;
        within("tune.minimumDwell", self.tune.minimum_dwell, Span::ZERO, Span::DAY)?;
        within("tune.maxAge", self.tune.max_age, Span::MINUTE, Span::DAY * 7)?;
        let lease = &self.cluster.lease;
        let second = Span::SECOND;
        within("cluster.lease.duration", lease.duration, second * 3, Span::HOUR)?;
        let longest = lease.duration.0 - second;
        within("cluster.lease.renewDeadline", lease.renew_deadline, second * 2, longest)?;
        let longest = lease.renew_deadline.0 - second;
        within("cluster.lease.retryPeriod", lease.retry_period, second, longest)?;
        let own = [INTENSITY.0, THRESHOLD.0, POLICY.0, FORECAST_FORM.config_map];
        if let Some(exporter) = &self.carbon_intensity_exporter
            && own.contains(&exporter.name.as_str())
        {
            let problem = format!("`{}` is a ConfigMap of ours; name another one", exporter.name);
            return Err(("carbonIntensityExporter.name".to_owned(), problem));
        }
        for (field, files, form) in
            [("policy", &self.policy, POLICY_FORM), ("forecast", &self.forecast, FORECAST_FORM)]
        {
            if let Some(name) = &files.library
                && Bundle::of_library(form, name).is_none()
            {
                let shipped = form.shipped().join("`, `");
                let problem = format!("`{name}` is not shipped; there is `{shipped}`");
                return Err((format!("{field}.library"), problem));
            }
        }
        if !(1..=60).contains(&self.history_days) {
            let problem = format!("is {}; expected 1 to 60", self.history_days);
            return Err(("historyDays".to_owned(), problem));
        }
        if !(0.0..=1.0).contains(&self.tune.min_confidence) {
            let problem = format!("is {}; expected 0 to 1", self.tune.min_confidence);
            return Err(("tune.minConfidence".to_owned(), problem));
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration(Span::MINUTE * 5),
            output: OutputName::default(),
            providers: ProvidersConfig::default(),
            cache_folder: None,
            history_days: 14,
            policy: Files::default(),
            forecast: Files::default(),
            tune: Tune::default(),
            carbon_intensity_exporter: None,
            cluster: Cluster::default(),
            telemetry: Telemetry::default(),
        }
    }
}

impl Default for Tune {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            minimum_dwell: Duration(Span::ZERO),
            max_age: Duration(Span::HOUR * 3),
            min_confidence: 0.5,
            signals: Signals::default(),
        }
    }
}

impl Default for Lease {
    fn default() -> Self {
        Self {
            name: "carbon-kube-poller".to_owned(),
            duration: Duration(Span::SECOND * 15),
            renew_deadline: Duration(Span::SECOND * 10),
            retry_period: Duration(Span::SECOND * 2),
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            log_filter: "info".to_owned(),
            log_format: Format::Json,
            otlp_endpoint: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_a_working_configuration() {
        for text in ["", "# nothing\n\n", "{}"] {
            assert_eq!(Config::parse("c.yaml", text).unwrap(), Config::default());
        }
    }

    #[test]
    fn what_is_given_wins_over_the_defaults() {
        let text = "output: {file: state}\ntune: {mode: observe, signals: {prometheus: {url: 'http://p'}}}\n\
                    carbonIntensityExporter: {zone: US-CAL-CISO}";
        let config = Config::parse("c.yaml", text).unwrap();
        assert_eq!(config.output, OutputName::File("state".into()));
        assert_eq!(config.tune.mode, Mode::Observe);
        assert_eq!(config.tune.signals.prometheus.unwrap().power_ratio.len(), 2);
        let exporter = config.carbon_intensity_exporter.unwrap();
        assert_eq!(
            (exporter.name.as_str(), exporter.zone().as_str()),
            ("carbon-intensity", "US-CA")
        );
        assert_eq!(Config::parse("c.yaml", "output: stdout").unwrap().output, OutputName::Stdout);
    }

    #[test]
    fn a_wrong_file_says_where_and_what() {
        for (text, expected) in [
            ("intervall: 5m", "c.yaml: line 1 column 1: unknown field `intervall`"),
            ("interval: soon", "`soon` is not a duration"),
            ("interval: 5s", "c.yaml: interval: is 5s; expected 1m to 1h"),
            (
                "carbonIntensityExporter: {zone: US-CA, name: carbon-kube-policy}",
                "c.yaml: carbonIntensityExporter.name: `carbon-kube-policy` is a ConfigMap of ours",
            ),
            ("historyDays: 0", "c.yaml: historyDays: is 0; expected 1 to 60"),
            ("tune: {minConfidence: 2}", "c.yaml: tune.minConfidence: is 2; expected 0 to 1"),
            (
                "cluster: {lease: {renewDeadline: 15s}}",
                "c.yaml: cluster.lease.renewDeadline: is 15s; expected 2s to 14s",
            ),
        ] {
            let message = Config::parse("c.yaml", text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
