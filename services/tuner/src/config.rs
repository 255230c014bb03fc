//! The configuration file: one YAML document, whose doc comments are its reference.

use std::collections::BTreeMap;
use std::path::PathBuf;

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{Span, Zone};
use carbon_kube_policies::Settings;
use carbon_kube_policies::baselines::{LowestWindow, Percentile, Plan};
pub use carbon_kube_telemetry::config::{Configuration, Duration, OutputName};
use carbon_kube_telemetry::logs::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of `carbon-kube-tuner`. Every field has a default; an empty file judges the policy of the
/// cluster on the history of the cluster, and changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Config {
    /// Where the status goes, and the policy where one is promoted; `--output` wins over it. Default
    /// `cluster`.
    pub output: OutputName,
    /// The intensity of the days that are judged on.
    pub history: History,
    /// The policy in force.
    pub policy: PolicySource,
    /// The pods that are simulated.
    pub workload: Workload,
    /// Which days are held out.
    pub split: Split,
    /// What is tried beside the policy in force.
    pub candidates: Candidates,
    /// How policies that plan see the future. Default `model`.
    pub forecast: Forecast,
    /// When another policy takes the place of the one in force.
    pub promotion: Promotion,
    /// Root of every draw: the same seed and the same inputs give the same result. Default 1.
    pub seed: u64,
    /// Policies that are simulated at once; 0: one per core. The result does not depend on it. Default 0.
    #[schemars(range(max = 256))]
    pub threads: usize,
    /// The cluster that is read and written.
    pub cluster: Cluster,
    /// What is logged.
    pub telemetry: Telemetry,
}

/// The intensity of the days that are judged on. Without `folder` and `files`: the ConfigMap
/// `carbon-kube-intensity`, where the poller keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct History {
    /// A folder with `history.json`, as a poller with `output: {file: DIR}` writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Files with intensities by zone, in any format that `carbon-kube datasets import` reads.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Vec<PathBuf>>")]
    pub files: BTreeMap<Zone, Vec<PathBuf>>,
    /// `average` or `marginal`: only values of this signal count. Default: of whichever covers most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SignalName>")]
    pub signal: Option<Signal>,
    /// Only values with these emission factors count, such as `electricity-maps-lifecycle`. Default: those
    /// that cover most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor_set: Option<String>,
    /// The longest gap within which the value before it stays in force, as it does in a cluster. A longer one
    /// ends what can be judged on. Default 3h.
    pub longest_gap: Duration,
    /// A history that ends longer ago is not judged on; 0s: however old it is. Default 3d, and `0s` fits
    /// files of other years.
    pub max_age: Duration,
}

/// `average` or `marginal`.
#[derive(Clone, Copy, Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[allow(dead_code, reason = "only its schema is used")]
enum SignalName {
    Average,
    Marginal,
}

/// The policy in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct PolicySource {
    /// A folder as `carbon-kube policy export` writes it. Default: the ConfigMap `carbon-kube-policy` where
    /// the history comes from the cluster, and no policy elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
}

/// The pods that are simulated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Workload {
    /// A scenario, as `carbon-kube datasets import --format kubernetes` makes it of a cluster's objects. Its nodes
    /// and pods count; its days are laid on those of the history, by weekday where it has a week. Default:
    /// the built-in workload, 150 jobs a day in each zone that may wait half a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<PathBuf>,
    /// How pods are held: `filter` is a cluster with the extender alone, `gate` one with a controller too, and
    /// `scenario` is what the scenario says. Default `filter`.
    pub holding: Holding,
}

/// How pods are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Holding {
    /// In the scheduler, by refusing.
    #[default]
    Filter,
    /// Before the scheduler, by a controller.
    Gate,
    /// As the scenario has it.
    Scenario,
}

/// Which days are held out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Split {
    /// The last so many days of the history are held out: nothing is fitted on them, and the judgement is about
    /// them alone. Default 7.
    #[schemars(range(min = 2, max = 366))]
    pub held_out_days: u32,
    /// The least number of days before them: what rules look back on, and settings are chosen on. Default 5;
    /// the poller keeps 14 days in all.
    #[schemars(range(min = 2, max = 366))]
    pub least_days_before: u32,
}

/// What is tried beside the policy in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Candidates {
    /// Rules, each a bare name or `{name: {settings}}` as in a scenario. Default `percentile`, `plan` and
    /// `lowest-window`: rules that wait and leave the place to others.
    #[schemars(length(max = 16))]
    pub rules: Vec<Settings>,
    /// Folders as `carbon-kube policy export` and `carbon-kube train` write them, such as a tuner that was trained
    /// elsewhere. Default: none.
    #[schemars(length(max = 8))]
    pub folders: Vec<PathBuf>,
    /// Percentiles, 0 to 100: the best of them on the days before the held-out ones is a candidate. An empty list
    /// tunes nothing. Default 10, 20, 30, 40 and 50.
    #[schemars(length(max = 16), inner(range(min = 0.0, max = 100.0)))]
    pub percentiles: Vec<f64>,
    /// The network of the policy in force, trained on from where it is on the days before the held-out ones, is a
    /// candidate. It has to be a `kind: tuner` with `output: tanh`, such as `sac-v1`, and there have to be 16 days
    /// before the held-out ones; otherwise the job goes on without it and says why. `{}` takes every default.
    /// Default: off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fine_tune: Option<FineTune>,
}

/// How the network of the policy in force is trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct FineTune {
    /// Steps of the training, each an hour of a zone; the first eighth only looks. Default 4,000.
    #[schemars(range(min = 100, max = 1_000_000))]
    pub steps: u64,
    /// Learning rate, above 0. Default 0.0001.
    #[schemars(range(min = 1e-6, max = 0.01))]
    pub learning_rate: f64,
    /// Updates per step; in the first quarter of them only the critics learn. Default 0.5.
    #[schemars(range(min = 0.1, max = 10.0))]
    pub updates_per_step: f64,
}

/// How policies that plan see the future. None of these sees more than the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Forecast {
    /// The shipped model `forecast-open-v1`, without weather.
    #[default]
    Model,
    /// The same hour yesterday.
    Seasonal,
    /// The value of now.
    Persistence,
}

/// When another policy takes the place of the one in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Promotion {
    /// `recommend`: the status says what would be done, and nothing is. `promote`: it is done. Default
    /// `recommend`.
    pub mode: PromotionMode,
    /// The least that the other policy saves, in parts of the grams of the one in force. Default 0.01.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub margin: f64,
    /// By how much the mean delay of jobs may rise. Default 1h.
    pub most_more_delay: Duration,
    /// By how much the part of the jobs that miss their limit may rise. Default 0.001.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub most_more_missed: f64,
}

/// What is done about a better policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PromotionMode {
    /// It is said.
    #[default]
    Recommend,
    /// It is put in force.
    Promote,
}

/// The cluster that is read and written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Cluster {
    /// Namespace of the ConfigMaps. Default: the pod's own, `carbon-kube` outside of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Telemetry {
    /// Which log lines are written, as `RUST_LOG` has it. Default `info`.
    pub log_filter: String,
    /// `json` or `text`. Default `json`.
    pub log_format: Format,
    /// Address of an OpenTelemetry collector (OTLP over HTTP), such as
    /// `http://otel-collector:4318`. Needs a binary with the feature `otlp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
}

impl Configuration for Config {
    const PROGRAM: &'static str = "carbon-kube-tuner";

    fn check(&self) -> Result<(), (String, String)> {
        let wrong = |field: &str, problem: String| Err((field.to_owned(), problem));
        let within = |field: &str, value: f64, low: f64, high: f64| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err((field.to_owned(), format!("is {value}; expected {low} to {high}")))
        };
        let length = |field: &str, value: Duration, high: Span| {
            if (Span::ZERO..=high).contains(&value.0) {
                return Ok(());
            }
            Err((field.to_owned(), format!("is {}; expected {} to {high}", value.0, Span::ZERO)))
        };
        if self.history.folder.is_some() && !self.history.files.is_empty() {
            return wrong("history", "give either `folder` or `files`".to_owned());
        }
        if let Some((zone, _)) = self.history.files.iter().find(|(_, files)| files.is_empty()) {
            return wrong(&format!("history.files.{zone}"), "names no file".to_owned());
        }
        within("threads", self.threads as f64, 0.0, 256.0)?;
        within("split.heldOutDays", f64::from(self.split.held_out_days), 2.0, 366.0)?;
        within("split.leastDaysBefore", f64::from(self.split.least_days_before), 2.0, 366.0)?;
        within("promotion.margin", self.promotion.margin, 0.0, 1.0)?;
        within("promotion.mostMoreMissed", self.promotion.most_more_missed, 0.0, 1.0)?;
        length("promotion.mostMoreDelay", self.promotion.most_more_delay, Span::DAY * 7)?;
        length("history.longestGap", self.history.longest_gap, Span::DAY)?;
        length("history.maxAge", self.history.max_age, Span::DAY * 366)?;
        let candidates = &self.candidates;
        within("candidates.rules", candidates.rules.len() as f64, 0.0, 16.0)?;
        within("candidates.folders", candidates.folders.len() as f64, 0.0, 8.0)?;
        within("candidates.percentiles", candidates.percentiles.len() as f64, 0.0, 16.0)?;
        for (i, value) in candidates.percentiles.iter().enumerate() {
            within(&format!("candidates.percentiles[{i}]"), *value, 0.0, 100.0)?;
        }
        if let Some(FineTune { steps, learning_rate, updates_per_step }) = candidates.fine_tune {
            within("candidates.fineTune.steps", steps as f64, 100.0, 1e6)?;
            within("candidates.fineTune.learningRate", learning_rate, 1e-6, 0.01)?;
            within("candidates.fineTune.updatesPerStep", updates_per_step, 0.1, 10.0)?;
        }
        Ok(())
    }
}

impl Config {
    /// Whether anything is read from the API server, or written to it.
    #[must_use]
    pub fn needs_cluster(&self) -> bool {
        self.output == OutputName::Cluster || self.history.is_of_cluster()
    }
}

impl History {
    /// Whether it comes from the cluster.
    #[must_use]
    pub fn is_of_cluster(&self) -> bool {
        self.folder.is_none() && self.files.is_empty()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            output: OutputName::default(),
            history: History::default(),
            policy: PolicySource::default(),
            workload: Workload::default(),
            split: Split::default(),
            candidates: Candidates::default(),
            forecast: Forecast::default(),
            promotion: Promotion::default(),
            seed: 1,
            threads: 0,
            cluster: Cluster::default(),
            telemetry: Telemetry::default(),
        }
    }
}

impl Default for History {
    fn default() -> Self {
        Self {
            folder: None,
            files: BTreeMap::new(),
            signal: None,
            factor_set: None,
            longest_gap: Duration(Span::HOUR * 3),
            max_age: Duration(Span::DAY * 3),
        }
    }
}

impl Default for Split {
    fn default() -> Self {
        Self { held_out_days: 7, least_days_before: 5 }
    }
}

impl Default for Candidates {
    fn default() -> Self {
        let rules = vec![
            Percentile::default().into(),
            Plan::default().into(),
            LowestWindow::default().into(),
        ];
        let percentiles = vec![10.0, 20.0, 30.0, 40.0, 50.0];
        Self { rules, folders: Vec::new(), percentiles, fine_tune: None }
    }
}

impl Default for FineTune {
    fn default() -> Self {
        Self { steps: 4_000, learning_rate: 1e-4, updates_per_step: 0.5 }
    }
}

impl Default for Promotion {
    fn default() -> Self {
        Self {
            mode: PromotionMode::Recommend,
            margin: 0.01,
            most_more_delay: Duration(Span::HOUR),
            most_more_missed: 0.001,
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { log_filter: "info".to_owned(), log_format: Format::Json, otlp_endpoint: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_judges_and_changes_nothing() {
        for text in ["", "# nothing\n\n", "{}"] {
            assert_eq!(Config::parse("c.yaml", text).unwrap(), Config::default());
        }
        assert_eq!(Config::default().promotion.mode, PromotionMode::Recommend);
        assert_eq!(Config::default().candidates.fine_tune, None);
        let on = Config::parse("c.yaml", "candidates: {fineTune: {}}").unwrap();
        assert_eq!(on.candidates.fine_tune, Some(FineTune::default()));
    }

    #[test]
    fn what_is_given_wins_over_the_defaults() {
        let text = "output: {file: state}\nhistory: {files: {NO: [no.csv]}, signal: marginal}\n\
                    candidates: {rules: [plan, {threshold: {gramsPerKwh: 90}}], percentiles: []}\n\
                    promotion: {mode: promote, margin: 0.05, mostMoreDelay: 2h}";
        let config = Config::parse("c.yaml", text).unwrap();
        assert_eq!(config.output, OutputName::File("state".into()));
        assert_eq!(config.history.signal, Some(Signal::Marginal));
        // Norway, not the `false` of YAML 1.1.
        assert_eq!(config.history.files.keys().next().unwrap().as_str(), "NO");
        assert_eq!(config.candidates.rules[1].name(), "threshold");
        assert_eq!(config.promotion.most_more_delay, Duration(Span::HOUR * 2));
        assert!(!config.needs_cluster() && Config::default().needs_cluster());
    }

    #[test]
    fn a_wrong_file_says_where_and_what() {
        for (text, expected) in [
            ("promotoin: {}", "c.yaml: line 1 column 1: unknown field `promotoin`"),
            ("promotion: {margin: 2}", "c.yaml: promotion.margin: is 2; expected 0 to 1"),
            ("split: {heldOutDays: 1}", "c.yaml: split.heldOutDays: is 1; expected 2 to 366"),
            ("history: {longestGap: 2d}", "c.yaml: history.longestGap: is 2d; expected 0s to 1d"),
            ("history: {folder: a, files: {NO: [b]}}", "give either `folder` or `files`"),
            ("history: {files: {NO: []}}", "c.yaml: history.files.NO: names no file"),
            ("candidates: {percentiles: [30, 101]}", "candidates.percentiles[1]: is 101"),
            ("candidates: {rules: [percentle]}", "c.yaml: line 1"),
            ("candidates: {fineTune: {stepps: 1}}", "unknown field `stepps`"),
            (
                "candidates: {fineTune: {steps: 99}}",
                "c.yaml: candidates.fineTune.steps: is 99; expected 100 to 1000000",
            ),
            (
                "candidates: {fineTune: {learningRate: 0}}",
                "learningRate: is 0; expected 0.000001 to",
            ),
            (
                "candidates: {fineTune: {updatesPerStep: 11}}",
                "updatesPerStep: is 11; expected 0.1 to",
            ),
        ] {
            let message = Config::parse("c.yaml", text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
