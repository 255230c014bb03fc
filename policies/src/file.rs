//! The policy file, version 1: what a simulation exports and a cluster loads.
//!
//! ```text
//!  percentile-v1/
//!    policy.yaml          version, kind, settings, bounds, fallback, provenance
//!    actor.safetensors    the weights of a `kind: tuner`; policy.yaml has their checksum
//!    SHA256SUMS           the checksum of policy.yaml, as `sha256sum -c` reads it
//! ```
//!
//! As a ConfigMap the first is a key of `data`, the second of `binaryData`, and the checksum an
//! annotation. Reading is strict:
//! a key that nobody knows, a setting out of its range or a checksum that differs refuses the
//! file, and whoever had a policy before keeps that one. Nothing here touches the disk.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use carbon_kube_core::GramsPerKwh;
use carbon_kube_core::cluster::{POLICY, POLICY_SHA256};
use carbon_kube_core::zone::nearest_name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::deployed::Deployed;
use crate::network::NetworkError;
use crate::ranges;
use crate::settings::Settings;
use crate::tuner::Tuner;

mod tuner;

pub use tuner::{ACTOR, TunerCard};

/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// The largest policy: what fits into a ConfigMap.
pub const MAX_BYTES: usize = 1 << 20;

/// The kind whose threshold is a rule's, shifted by a network.
pub const TUNER: &str = "tuner";

/// `policy.yaml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PolicyFile {
    /// 1.
    pub version: u32,
    /// How reports, metrics and logs call the policy: lower-case letters, digits and, between them,
    /// `-`.
    pub name: String,
    /// The rule, such as `percentile`, or `tuner`.
    pub kind: String,
    /// Settings of the rule; what is not given has its default. Those of a tuner are in `tuner`.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// What a tuner needs; only and always with `kind: tuner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuner: Option<TunerCard>,
    /// What a threshold of this policy may be.
    #[serde(default)]
    pub bounds: Bounds,
    /// The rule that takes over where this one can't decide.
    #[serde(default = "default_fallback")]
    pub fallback: String,
    /// Where the policy comes from.
    #[serde(default)]
    pub provenance: Provenance,
}

/// Limits of the threshold, in g/kWh. A threshold beyond them is cut to them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Bounds {
    /// The least, in g/kWh.
    pub min_grams_per_kwh: f64,
    /// The most, in g/kWh.
    pub max_grams_per_kwh: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        // 1,000 g/kWh is hard coal and nothing else: no threshold above it means anything.
        Self { min_grams_per_kwh: 0.0, max_grams_per_kwh: 1_000.0 }
    }
}

impl Bounds {
    /// What any grid can have: no bounds at all.
    pub const NONE: Self = Self { min_grams_per_kwh: 0.0, max_grams_per_kwh: GramsPerKwh::ABSURD };

    /// The threshold, cut to the bounds.
    #[must_use]
    pub fn clamp(&self, threshold: GramsPerKwh) -> GramsPerKwh {
        let within = threshold.get().max(self.min_grams_per_kwh).min(self.max_grams_per_kwh);
        GramsPerKwh::saturating(within)
    }
}

/// Where a policy comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Provenance {
    /// What the policy does, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The scenario behind the validation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scenario: String,
    /// Seeds of training or validation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<u64>,
    /// SHA-256 of the data by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub datasets: BTreeMap<String, String>,
    /// Version of Carbon-Kube that made the file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub code_version: String,
    /// The command that makes the validation again.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// What came of the validation, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub validation: BTreeMap<String, f64>,
}

fn default_fallback() -> String {
    "default-scheduler".to_owned()
}

/// A policy that was read and found to be right.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The file.
    pub file: PolicyFile,
    /// Its rule with its settings; of a tuner, the rule whose threshold it shifts.
    pub settings: Settings,
    /// What shifts the threshold; `None` of a plain rule.
    pub tuner: Option<Arc<Tuner>>,
    /// The bytes of the weights; `None` of a plain rule.
    pub actor: Option<Arc<[u8]>>,
    /// SHA-256 of the file's bytes, in hex.
    pub sha256: String,
}

/// Why a policy is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Larger than a ConfigMap can be.
    #[error("{0} bytes are more than the 1 MiB that a ConfigMap holds")]
    TooLarge(usize),
    /// Not YAML, or not of this form.
    #[error("not a policy file: {0}")]
    Malformed(String),
    /// Of another version.
    #[error("policy file version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// A name that labels and metrics can't carry.
    #[error(
        "`{0}` can't name a policy: use 1 to 63 lower-case letters, digits and, between them, `-`"
    )]
    Name(String),
    /// A rule that this program lacks.
    #[error("no rule is called `{kind}`{hint}")]
    Kind {
        /// The kind as written.
        kind: String,
        /// The nearest known one, as a half-sentence, or nothing.
        hint: String,
    },
    /// A setting that the rule doesn't have, or a value out of its range.
    #[error("settings of `{kind}`: {problem}")]
    Settings {
        /// The rule.
        kind: String,
        /// What is wrong.
        problem: String,
    },
    /// Bounds that no threshold can keep.
    #[error("bounds {min} to {max} g/kWh: expected 0 <= min <= max < 10,000")]
    Bounds {
        /// The least, as written.
        min: String,
        /// The most, as written.
        max: String,
    },
    /// The file is not the one that was exported.
    #[error(
        "checksum {found} is not the expected {expected}: the file was changed after its export"
    )]
    Checksum {
        /// What was promised.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A ConfigMap without the file.
    #[error("the ConfigMap has no key `{}`", POLICY.1)]
    NoFile,
    /// A tuner without its weights.
    #[error("a policy of `kind: tuner` needs `{ACTOR}` beside `{}`", POLICY.1)]
    NoActor,
    /// The weights are not those that were exported.
    #[error(
        "{ACTOR}: checksum {found} is not the expected {expected}: it was changed after export"
    )]
    ActorChecksum {
        /// What was promised.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Weights that can't be used.
    #[error("{ACTOR}: {0}")]
    Actor(NetworkError),
    /// `tuner` is missing, superfluous or wrong.
    #[error("tuner: {0}")]
    Tuner(String),
}

impl Loaded {
    /// Reads a policy that has no weights from the text of `policy.yaml`. `expected` is its
    /// checksum, where one was promised.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] says what is wrong; the policy that was in force before should stay so.
    pub fn parse(yaml: &str, expected: Option<&str>) -> Result<Self, PolicyError> {
        Self::parse_with(yaml, None, expected)
    }

    /// Reads a policy from the text of `policy.yaml` and the bytes of [`ACTOR`], where there are
    /// any; only a tuner's are looked at.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn parse_with(
        yaml: &str,
        actor: Option<&[u8]>,
        expected: Option<&str>,
    ) -> Result<Self, PolicyError> {
        if yaml.len() > MAX_BYTES {
            return Err(PolicyError::TooLarge(yaml.len()));
        }
        let sha256 = sha256(yaml.as_bytes());
        if let Some(expected) = expected.filter(|expected| !expected.eq_ignore_ascii_case(&sha256))
        {
            let expected = expected.chars().take(64).collect();
            return Err(PolicyError::Checksum { expected, found: sha256 });
        }
        // The version first: a later one may have another form.
        let Versioned { version } = read(yaml)?;
        if version != VERSION {
            return Err(PolicyError::Version(version));
        }
        let file: PolicyFile = read(yaml)?;
        let settings = file.check()?;
        let tuner = file.tuner.as_ref().map(|card| card.tuner(actor, yaml.len())).transpose()?;
        let actor = actor.filter(|_| tuner.is_some()).map(Arc::from);
        Ok(Self { file, settings, tuner: tuner.map(Arc::new), actor, sha256 })
    }

    /// The policy itself, as a simulation runs it and a cluster would.
    #[must_use]
    pub fn policy(&self) -> Deployed {
        let (rule, bounds) = (self.settings.clone(), self.file.bounds);
        Deployed { rule, bounds, tuner: self.tuner.clone() }
    }

    /// Reads a policy from the data and annotations of a ConfigMap. `actor` is [`ACTOR`] of its
    /// `binaryData`, decoded, where it has that.
    ///
    /// # Errors
    ///
    /// [`PolicyError`], as [`Self::parse`], and where the file or its checksum's match is missing.
    pub fn from_config_map(
        data: &BTreeMap<String, String>,
        actor: Option<&[u8]>,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Self, PolicyError> {
        let yaml = data.get(POLICY.1).ok_or(PolicyError::NoFile)?;
        Self::parse_with(yaml, actor, annotations.get(POLICY_SHA256).map(String::as_str))
    }
}

/// The weights in the `binaryData` of a ConfigMap, as its manifest has them; `None` where it has
/// none.
///
/// # Errors
///
/// [`PolicyError::Actor`] where they are not base64.
pub fn actor_of(binary_data: &BTreeMap<String, String>) -> Result<Option<Vec<u8>>, PolicyError> {
    let decode = |text: &String| {
        let bytes = BASE64_STANDARD.decode(text.trim_ascii());
        bytes.map_err(|error| PolicyError::Actor(NetworkError::Malformed(error.to_string())))
    };
    binary_data.get(ACTOR).map(decode).transpose()
}

/// The policy as a ConfigMap's manifest, ready to be applied.
#[must_use]
pub fn config_map(policy: &Loaded, yaml: &str, namespace: &str) -> Value {
    let mut manifest = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": POLICY.0,
            "namespace": namespace,
            "labels": {
                "app.kubernetes.io/name": "carbon-kube",
                "app.kubernetes.io/component": "policy",
                "app.kubernetes.io/part-of": "carbon-kube",
                "carbon-kube.io/policy": policy.file.name,
                "carbon-kube.io/policy-kind": policy.file.kind,
            },
            "annotations": { POLICY_SHA256: policy.sha256 },
        },
        "data": { POLICY.1: yaml },
    });
    if let Some(actor) = &policy.actor {
        manifest["binaryData"] = json!({ ACTOR: BASE64_STANDARD.encode(actor) });
    }
    manifest
}

/// The checksum of `policy.yaml` in a file of checksums, as `sha256sum` writes it.
#[must_use]
pub fn promised_sha256(checksums: &str) -> Option<&str> {
    promised_sha256_of(checksums, POLICY.1)
}

/// The checksum of a file in a file of checksums, as `sha256sum` writes it.
#[must_use]
pub fn promised_sha256_of<'a>(checksums: &'a str, file: &str) -> Option<&'a str> {
    checksums.lines().find_map(|line| {
        let (sum, name) = line.split_once(char::is_whitespace)?;
        (name.trim_start_matches([' ', '*']).trim_end() == file).then_some(sum)
    })
}

/// SHA-256 in hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What every policy file has, of whatever version.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn read<T: serde::de::DeserializeOwned>(yaml: &str) -> Result<T, PolicyError> {
    // As in a scenario: `NO` is Norway, not false.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
        // The first line says what and where; below it is a copy of the file.
        let message = error.to_string();
        let line = message.lines().next().unwrap_or_default();
        PolicyError::Malformed(line.trim_start_matches("error: ").to_owned())
    })
}

impl PolicyFile {
    fn check(&self) -> Result<Settings, PolicyError> {
        if !is_label(&self.name) {
            return Err(PolicyError::Name(self.name.chars().take(80).collect()));
        }
        let Bounds { min_grams_per_kwh: min, max_grams_per_kwh: max } = self.bounds;
        if !(min >= 0.0 && min <= max && max < GramsPerKwh::ABSURD) {
            return Err(PolicyError::Bounds { min: min.to_string(), max: max.to_string() });
        }
        known_rule(&self.fallback)?;
        match &self.tuner {
            Some(card) if self.kind == TUNER => {
                let other = (!self.settings.is_empty())
                    .then(|| PolicyError::Tuner("its settings belong into `tuner`".to_owned()));
                return other.map_or(Ok(card.base.clone()), Err);
            }
            Some(_) => {
                let problem = format!("`kind: {}` has none", self.kind);
                return Err(PolicyError::Tuner(problem));
            }
            None if self.kind == TUNER => {
                return Err(PolicyError::Tuner("`kind: tuner` needs it".to_owned()));
            }
            None => known_rule(&self.kind)?,
        }
        let settings_error =
            |problem: String| PolicyError::Settings { kind: self.kind.clone(), problem };
        let tagged = json!({ &self.kind: self.settings });
        ranges::check(&tagged).map_err(settings_error)?;
        Settings::from_tagged(tagged).map_err(|error| settings_error(error.to_string()))
    }
}

/// Whether the API server takes `name` as the value of a label, which it is in the ConfigMap.
fn is_label(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let outer = |b: Option<&u8>| b.is_some_and(|&b| inner(b) && b != b'-');
    let bytes = name.as_bytes();
    bytes.len() <= 63
        && bytes.iter().all(|&b| inner(b))
        && outer(bytes.first())
        && outer(bytes.last())
}

fn known_rule(kind: &str) -> Result<(), PolicyError> {
    if Settings::by_name(kind).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = Settings::all().iter().map(Settings::name).chain([TUNER]).collect();
    let hint = nearest_name(kind, known.iter().copied())
        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    Err(PolicyError::Kind { kind: kind.chars().take(80).collect(), hint })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines::Percentile;
    use crate::{Policy, network};

    const GOOD: &str = "version: 1\nname: mine\nkind: percentile\nsettings: {percentile: 25}\n";

    fn refused(yaml: &str) -> String {
        Loaded::parse(yaml, None).unwrap_err().to_string()
    }

    #[test]
    fn a_rule_with_its_settings_is_read_and_the_rest_has_defaults() {
        let policy = Loaded::parse(GOOD, None).unwrap();
        let expected = Percentile { percentile: 25.0, ..Percentile::default() };
        assert_eq!(policy.settings, Settings::from(expected));
        assert_eq!(policy.file.fallback, "default-scheduler");
        let clamp = |value| policy.file.bounds.clamp(GramsPerKwh::new(value).unwrap()).get();
        assert!((clamp(5_000.0) - 1_000.0).abs() < 1e-9 && (clamp(5.0) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn no_and_on_are_texts_as_in_a_scenario() {
        let named = GOOD.replace("name: mine", "name: no");
        assert_eq!(Loaded::parse(&named, None).unwrap().file.name, "no");
        // In YAML 1.1 this would be false, and so a zone `NO` in settings.
        let text = refused(&GOOD.replace("percentile: 25", "percentile: NO"));
        assert!(text.contains("\"NO\""), "{text}");
    }

    #[test]
    fn a_bad_file_is_refused_and_says_why() {
        for (from, to, problem) in [
            ("version: 1", "version: 2", "policy file version 2; this program reads version 1"),
            ("version: 1", "version: one", "not a policy file: "),
            ("name: mine", "name: My Policy", "`My Policy` can't name a policy"),
            ("name: mine", "name: mine-", "`mine-` can't name a policy"),
            ("name: mine", "name: \"\"", "`` can't name a policy"),
            ("kind: percentile", "kind: percentil", "did you mean `percentile`?"),
            ("kind: percentile", "kind: tuner", "tuner: `kind: tuner` needs it"),
            ("kind: percentile", "kind: tune", "no rule is called `tune`; did you mean `tuner`?"),
            ("percentile: 25", "percentil: 25", "settings of `percentile`: unknown field"),
            ("percentile: 25", "percentile: 101", "`percentile` is 101; expected 0 to 100"),
            ("percentile: 25", "percentile: .nan", "non-finite float"),
            (
                "name: mine",
                "name: mine\nbounds: {minGramsPerKwh: 9, maxGramsPerKwh: 3}",
                "bounds 9 to 3",
            ),
            ("name: mine", "name: mine\nbounds: {minGramsPerKwh: -1}", "bounds -1 to 1000"),
            ("name: mine", "name: mine\nfallback: none", "no rule is called `none`"),
            ("name: mine", "name: mine\ncolour: green", "unknown field `colour`"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let message = refused(&GOOD.replacen(from, to, 1));
            assert!(message.contains(problem), "{to}: {message}");
        }
        for text in ["", "[]", "\u{0}", "version: 1", "{", "a: &a [*a]"] {
            assert!(refused(text).starts_with("not a policy file: "), "{text}");
        }
        assert!(refused(&" ".repeat(MAX_BYTES + 1)).contains("1 MiB"));
    }

    #[test]
    fn a_file_that_was_changed_after_its_export_is_refused() {
        let sum = sha256(GOOD.as_bytes());
        assert!(Loaded::parse(GOOD, Some(&sum)).is_ok());
        let changed = GOOD.replace("25", "26");
        let error = Loaded::parse(&changed, Some(&sum)).unwrap_err();
        assert!(matches!(error, PolicyError::Checksum { .. }));
        let sums = format!("{sum}  policy.yaml\n{}  other\n", "0".repeat(64));
        assert_eq!(promised_sha256(&sums), Some(sum.as_str()));
        assert_eq!(promised_sha256("nonsense"), None);
    }

    #[test]
    fn the_exported_config_map_is_read_back() {
        let policy = Loaded::parse(GOOD, None).unwrap();
        let manifest = config_map(&policy, GOOD, "carbon-kube");
        let map = |pointer: &str| -> BTreeMap<String, String> {
            serde_json::from_value(manifest.pointer(pointer).unwrap().clone()).unwrap()
        };
        let again =
            Loaded::from_config_map(&map("/data"), None, &map("/metadata/annotations")).unwrap();
        assert_eq!(again, policy);
        assert!(manifest.to_string().len() < MAX_BYTES);
        let nothing = BTreeMap::new();
        assert_eq!(Loaded::from_config_map(&nothing, None, &nothing), Err(PolicyError::NoFile));
    }

    #[test]
    fn the_digest_is_sha_256() {
        // FIPS 180-4, the empty message.
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), empty);
    }

    /// A tuner over `percentile` that always answers tanh(0.5).
    fn tuner() -> (String, Vec<u8>) {
        let actor = network::to_bytes(1, &[(vec![0.0], vec![0.5])]).unwrap();
        let yaml = format!(
            "version: 1
name: tuned
kind: tuner
bounds: {{minGramsPerKwh: 10, maxGramsPerKwh: 400}}
tuner:
  base: {{percentile: {{percentile: 40}}}}
  observation:
    version: 1
    inputs:
    - {{name: powerRatio, mean: 0.5, min: 0, max: 1}}
  controlMinutes: 60
  actorSha256: {}
",
            sha256(&actor)
        );
        (yaml, actor)
    }

    #[test]
    fn a_tuner_is_its_rule_and_a_network() {
        let (yaml, actor) = tuner();
        let loaded = Loaded::parse_with(&yaml, Some(&actor), None).unwrap();
        let base = Percentile { percentile: 40.0, ..Percentile::default() };
        assert_eq!(loaded.settings, Settings::from(base));
        let policy = loaded.policy();
        assert_eq!((policy.name(), policy.tunes()), ("tuner", true));
        assert!((policy.bounds().max_grams_per_kwh - 400.0).abs() < 1e-9);
        assert_eq!(loaded.file.tuner.as_ref().unwrap().action, Default::default());
        let again = serde_saphyr::to_string(&loaded.file).unwrap();
        assert_eq!(Loaded::parse_with(&again, Some(&actor), None).unwrap().file, loaded.file);
    }

    #[test]
    fn the_config_map_of_a_tuner_holds_its_weights() {
        let (yaml, actor) = tuner();
        let loaded = Loaded::parse_with(&yaml, Some(&actor), None).unwrap();
        let manifest = config_map(&loaded, &yaml, "carbon-kube");
        let map = |pointer: &str| -> BTreeMap<String, String> {
            serde_json::from_value(manifest.pointer(pointer).unwrap().clone()).unwrap()
        };
        let weights = actor_of(&map("/binaryData")).unwrap();
        assert_eq!(weights.as_deref(), Some(&*actor));
        let annotations = map("/metadata/annotations");
        let again = Loaded::from_config_map(&map("/data"), weights.as_deref(), &annotations);
        assert_eq!(again.unwrap(), loaded);
        let broken = BTreeMap::from([(ACTOR.to_owned(), "%".to_owned())]);
        assert!(matches!(actor_of(&broken), Err(PolicyError::Actor(_))));
    }

    #[test]
    fn a_bad_tuner_is_refused_and_says_why() {
        let (yaml, actor) = tuner();
        let refused = |yaml: &str, actor: Option<&[u8]>| {
            Loaded::parse_with(yaml, actor, None).unwrap_err().to_string()
        };
        assert!(refused(&yaml, None).contains("needs `actor.safetensors` beside `policy.yaml`"));
        assert!(refused(&yaml, Some(b"other")).contains("is not the expected"));
        let large = vec![0; 900_000];
        assert!(refused(&yaml, Some(&large)).contains("1 MiB"));
        for (from, to, problem) in [
            ("version: 1\n    inputs", "version: 2\n    inputs", "observation version 2"),
            ("powerRatio", "powerRation", "not a policy file: "),
            ("mean: 0.5", "mean: 2", "expected min <= mean <= max"),
            ("controlMinutes: 60", "controlMinutes: 90", "controlMinutes 90"),
            ("percentile: 40", "percentile: 140", "settings of `percentile`"),
            ("kind: tuner", "kind: percentile", "tuner: `kind: percentile` has none"),
            ("kind: tuner", "kind: tuner\nsettings: {percentile: 3}", "belong into `tuner`"),
            (
                "controlMinutes: 60",
                "controlMinutes: 60\n  action: {gramsPerKwh: 80}",
                "gramsPerKwh 80",
            ),
            (
                "    - {name: powerRatio",
                "    - {name: slack, mean: 0, min: 0, max: 1}\n    - {name: powerRatio",
                "actor.safetensors: tensor `layers.0.weight` has the shape [1, 1], expected [1, 2]",
            ),
        ] {
            assert!(yaml.contains(from), "{from}");
            let message = refused(&yaml.replacen(from, to, 1), Some(&actor));
            assert!(message.contains(problem), "{to}: {message}");
        }
    }
}
