//! The forecast file, version 1: what `carbon-kube forecast train` writes, and simulator and poller
//! load.
//!
//! ```text
//!  forecast-open-v1/
//!    forecast.yaml          version, models: zone, inputs, level, training range, validation error
//!    forecast.safetensors   MODEL.weights, MODEL.constants, MODEL.errors: float 32, by hour ahead;
//!                           MODEL.trees.*: the learners of what the line misses
//!    SHA256SUMS             checksum of forecast.yaml, which holds that of the weights
//! ```
//!
//! As a ConfigMap (`carbon-kube-forecast`) the first is a key of `data`, the second of `binaryData`.
//! Reading is strict: a shape that does not fit, a number that is not finite or a checksum that
//! differs refuses the file. Nothing here touches the disk.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use carbon_kube_core::{Time, Zone};
use safetensors::SafeTensors;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::chain::Forecaster;
use super::correction::{Correction, DAYS, Learner};
use super::linear::LinearError;
use super::{Features, HORIZON_HOURS, PROBABILITIES, tensors};
use crate::file::sha256;
use crate::network::NetworkError;

/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// Largest weights: with base64 and the YAML they fit into a ConfigMap of 1 MiB.
pub const MAX_BYTES: usize = 750_000;

/// Name of the description in a folder and in a ConfigMap.
pub const YAML: &str = "forecast.yaml";

/// Name of the weights in a folder and in a ConfigMap.
pub const WEIGHTS: &str = "forecast.safetensors";

/// Name of the ConfigMap.
pub const CONFIG_MAP: &str = "carbon-kube-forecast";

/// The annotation with the checksum of the description.
pub const SHA256_ANNOTATION: &str = "carbon-kube.io/forecast-sha256";

/// `forecast.yaml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ForecastFile {
    /// 1.
    pub version: u32,
    /// How reports call the forecast.
    pub name: String,
    /// What it is, for people.
    #[serde(default)]
    pub description: String,
    /// Hours ahead: 96.
    pub horizon_hours: usize,
    /// The probabilities of the quantiles of the error.
    pub probabilities: Vec<f64>,
    /// SHA-256 of the weights, in hex.
    pub weights_sha256: String,
    /// Version of Carbon-Kube that made the file.
    #[serde(default)]
    pub code_version: String,
    /// The command that makes it again.
    #[serde(default)]
    pub command: String,
    /// The models, in the order of the chain.
    pub models: Vec<ModelCard>,
    /// Models of the next steps, at most one of a zone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nowcasts: Vec<NowcastCard>,
}

/// The model of a zone's next three hours, step by step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NowcastCard {
    /// Prefix of its tensors.
    pub name: String,
    /// The zone.
    #[schemars(with = "String")]
    pub zone: Zone,
    /// The step of its grid, in minutes: a part of an hour.
    pub step_minutes: u32,
    /// What intensities are divided by, in g/kWh.
    pub level_grams_per_kwh: f64,
    /// What it was trained on.
    pub training: Range,
    /// What the quantiles of its error, and the number below, were taken from.
    pub validation: Range,
    /// Mean absolute error in validation over the three hours, in g/kWh.
    pub validation_mae_grams_per_kwh: f64,
}

/// One model of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ModelCard {
    /// Name, and the prefix of its tensors.
    pub name: String,
    /// The zone; absent in the general model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub zone: Option<Zone>,
    /// Its inputs, in the order of version 1.
    pub features: Features,
    /// What intensities are divided by, in g/kWh: the mean in training. Absent in the general
    /// model, which takes the mean of the last `meanHours`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_grams_per_kwh: Option<f64>,
    /// What it was trained on.
    pub training: Range,
    /// What the quantiles of its error, and the numbers below, were taken from.
    pub validation: Range,
    /// Mean absolute error in validation over the whole horizon, in g/kWh.
    pub validation_mae_grams_per_kwh: f64,
    /// Where the data come from.
    pub data: Vec<String>,
    /// What is added to the line, in order; see [`Correction`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<CorrectionCard>,
}

/// A learner of the errors of the line, and how much of it is believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CorrectionCard {
    /// What it is.
    pub kind: CorrectionKind,
    /// By day ahead, 0 to 1.
    pub shares: [f32; DAYS],
}

impl CorrectionCard {
    /// The card of a correction.
    #[must_use]
    pub fn of(correction: &Correction) -> Self {
        let kind = match correction.learner {
            Learner::Trees(_) => CorrectionKind::Trees,
            Learner::Network(_) => CorrectionKind::Network,
        };
        Self { kind, shares: correction.shares }
    }
}

/// The kinds of learners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CorrectionKind {
    /// Boosted symmetric trees: `NAME.trees.inputs`, `.thresholds` (tree, level), `.leaves` (tree, leaf).
    Trees,
    /// A network: `NAME.network.layers.N.weight` (outputs, inputs) and `.bias`.
    Network,
}

/// A range of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Range {
    /// First instant.
    #[schemars(with = "String")]
    pub from: Time,
    /// First instant after it.
    #[schemars(with = "String")]
    pub to: Time,
}

/// A forecast file that was read and found to be right.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The description.
    pub file: ForecastFile,
    /// The models, without weather.
    pub forecaster: Forecaster,
    /// SHA-256 of the description, in hex.
    pub sha256: String,
}

/// Why a forecast file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForecastFileError {
    /// Larger than a ConfigMap can be.
    #[error("{0} bytes of weights are more than the {MAX_BYTES} that fit into a ConfigMap")]
    TooLarge(usize),
    /// Not YAML, or not of this form.
    #[error("{YAML}: {0}")]
    Malformed(String),
    /// Of another version.
    #[error("forecast file version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// Another horizon or other quantiles than those of version 1.
    #[error("{YAML}: expected {HORIZON_HOURS} hours ahead and the probabilities {PROBABILITIES:?}")]
    Horizon,
    /// A file is not the one that was exported.
    #[error("{file}: checksum {found} is not the expected {expected}: it was changed after export")]
    Checksum {
        /// Which file.
        file: &'static str,
        /// What was promised.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Not a safetensors file.
    #[error("{WEIGHTS}: {0}")]
    Weights(String),
    /// The numbers of a model.
    #[error("model `{model}`: {error}")]
    Model {
        /// Its name.
        model: String,
        /// What is wrong.
        error: LinearError,
    },
    /// The network of a model.
    #[error("model `{model}`: {error}")]
    Network {
        /// Its name.
        model: String,
        /// What is wrong.
        error: NetworkError,
    },
    /// A learner that is believed in parts that are none.
    #[error("model `{0}`: expected shares of 0 to 1")]
    Shares(String),
    /// A level that nothing can be divided by.
    #[error("model `{0}`: expected a level above 0 g/kWh of a zone, and none of the general model")]
    Level(String),
    /// Two learners of a kind: a model has tensors for one.
    #[error("model `{0}`: at most one learner of a kind corrects it")]
    Learner(String),
    /// Two general models, two of a name, or two nowcasts of a zone.
    #[error("model `{0}` is there twice")]
    Twice(String),
}

impl Loaded {
    /// Reads a forecast file. `expected` is the checksum of the description, where one was promised.
    ///
    /// # Errors
    ///
    /// [`ForecastFileError`] says what is wrong; the forecast that was in force before stays so.
    pub fn parse(
        yaml: &str,
        weights: &[u8],
        expected: Option<&str>,
    ) -> Result<Self, ForecastFileError> {
        if yaml.len() + weights.len() > MAX_BYTES {
            return Err(ForecastFileError::TooLarge(weights.len()));
        }
        let found = sha256(yaml.as_bytes());
        if let Some(expected) = expected {
            same_checksum(YAML, expected, &found)?;
        }
        let Versioned { version } = read(yaml)?;
        if version != VERSION {
            return Err(ForecastFileError::Version(version));
        }
        let file: ForecastFile = read(yaml)?;
        same_checksum(WEIGHTS, &file.weights_sha256, &sha256(weights))?;
        if file.horizon_hours != HORIZON_HOURS || file.probabilities != PROBABILITIES {
            return Err(ForecastFileError::Horizon);
        }
        let read = SafeTensors::deserialize(weights)
            .map_err(|error| ForecastFileError::Weights(error.to_string()))?;
        let mut forecaster = forecaster(&file.models, &read)?;
        for (at, card) in file.nowcasts.iter().enumerate() {
            let names = file.models.iter().map(|model| &model.name);
            let mut names = names.chain(file.nowcasts[..at].iter().map(|other| &other.name));
            if names.any(|name| *name == card.name) {
                return Err(ForecastFileError::Twice(card.name.clone()));
            }
            let nowcast = tensors::nowcast(card, &read)?;
            if forecaster.nowcasts.insert(card.zone.clone(), nowcast).is_some() {
                return Err(ForecastFileError::Twice(card.name.clone()));
            }
        }
        Ok(Self { file, forecaster, sha256: found })
    }
}

/// The forecast as a ConfigMap's manifest, ready to be applied. `yaml` and `weights` are the files
/// that it was read from.
#[must_use]
pub fn config_map(forecast: &Loaded, yaml: &str, weights: &[u8], namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": CONFIG_MAP,
            "namespace": namespace,
            "labels": {
                "app.kubernetes.io/name": "carbon-kube",
                "app.kubernetes.io/component": "forecast",
                "app.kubernetes.io/part-of": "carbon-kube",
                "carbon-kube.io/forecast": forecast.file.name,
            },
            "annotations": { SHA256_ANNOTATION: forecast.sha256 },
        },
        "data": { YAML: yaml },
        "binaryData": { WEIGHTS: BASE64_STANDARD.encode(weights) },
    })
}

/// The text of [`YAML`].
#[must_use]
pub fn yaml(file: &ForecastFile) -> String {
    serde_saphyr::to_string(file).expect("numbers, texts and lists are YAML")
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn read<T: serde::de::DeserializeOwned>(yaml: &str) -> Result<T, ForecastFileError> {
    serde_saphyr::from_str(yaml).map_err(|error| {
        let message = error.to_string();
        let line = message.lines().next().unwrap_or_default();
        ForecastFileError::Malformed(line.trim_start_matches("error: ").to_owned())
    })
}

fn same_checksum(file: &'static str, expected: &str, found: &str) -> Result<(), ForecastFileError> {
    if expected.eq_ignore_ascii_case(found) {
        return Ok(());
    }
    let expected = expected.chars().take(64).collect();
    Err(ForecastFileError::Checksum { file, expected, found: found.to_owned() })
}

fn forecaster(
    cards: &[ModelCard],
    read: &SafeTensors<'_>,
) -> Result<Forecaster, ForecastFileError> {
    let mut forecaster = Forecaster::default();
    for (at, card) in cards.iter().enumerate() {
        let twice = || Err(ForecastFileError::Twice(card.name.clone()));
        if cards[..at].iter().any(|other| other.name == card.name) {
            return twice();
        }
        let kinds = || card.corrections.iter().map(|correction| correction.kind);
        if kinds().enumerate().any(|(at, kind)| kinds().take(at).any(|other| other == kind)) {
            return Err(ForecastFileError::Learner(card.name.clone()));
        }
        let model = tensors::model(card, read)?;
        match &card.zone {
            Some(zone) => forecaster.zones.entry(zone.clone()).or_default().push(model),
            None if forecaster.general.is_none() => forecaster.general = Some(model),
            None => return twice(),
        }
    }
    Ok(forecaster)
}
