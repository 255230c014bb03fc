//! One policy of a scenario: a rule with its settings, or a policy file.

use carbon_kube_policies::Settings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A policy: the name of a rule, `{name: {settings}}`, or `{tuner: {file: NAME|DIR}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PolicyEntry {
    /// A policy file.
    File(FileEntry),
    /// A rule.
    Rule(Settings),
}

/// A policy file, by the name of its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FileEntry {
    /// A tuner.
    pub tuner: TunerFile,
}

/// Where a tuner is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TunerFile {
    /// A shipped policy, such as `sac-v1`, or a folder with `policy.yaml` and `actor.safetensors`,
    /// relative to the scenario.
    pub file: String,
}

impl PolicyEntry {
    /// The name of the rule, or that of the file as it is written.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Rule(settings) => settings.name(),
            Self::File(FileEntry { tuner }) => &tuner.file,
        }
    }
}

impl From<Settings> for PolicyEntry {
    fn from(rule: Settings) -> Self {
        Self::Rule(rule)
    }
}
