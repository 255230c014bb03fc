//! Which sources are asked, in which order, with which keys. A service's own configuration embeds
//! [`ProvidersConfig`]; the doc comments are its reference.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::str::FromStr;

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{Span, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::KeySource;
use crate::span_text;

/// The sources of carbon intensity. A source without a section is not asked; without any, the
/// typical year speaks for the zones that it knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ProvidersConfig {
    /// Electricity Maps: average intensity of most of the world, with imports. Needs a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub electricity_maps: Option<ElectricityMapsConfig>,
    /// US EIA: average intensity of US zones from the hourly generation mix. Needs a free key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eia: Option<EiaConfig>,
    /// ENTSO-E: average intensity of European zones from generation per type. Needs a free key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entsoe: Option<EntsoeConfig>,
    /// NESO: average intensity of Great Britain, with a forecast of two days. Needs no key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gb_carbon_intensity: Option<GbCarbonIntensityConfig>,
    /// WattTime: marginal intensity. Needs an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watttime: Option<WatttimeConfig>,
    /// A carbon-aware-sdk web API of yours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carbon_aware_sdk: Option<CarbonAwareSdkConfig>,
    /// US National Weather Service: a proxy of low confidence for US zones. Needs no key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nws: Option<NwsConfig>,
    /// The AWS Sustainability API: monthly accounts, to hold ours against. Never in a chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsConfig>,
    /// The order of the sources, what is plausible, and what comes after the last source.
    pub chain: ChainConfig,
    /// The zones, each with what differs from `chain`. Canonical names, such as `US-CA`.
    #[schemars(with = "BTreeMap<String, ZoneConfig>")]
    pub zones: BTreeMap<Zone, ZoneConfig>,
}

/// Electricity Maps, v3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ElectricityMapsConfig {
    /// Where the API is. Default `https://api.electricitymaps.com/v3`.
    pub base_url: String,
    /// Variable of the environment with the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// File with the key, such as one of a mounted Secret; wins over `keyEnv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// What is counted. Default `direct`, as the rest of the project counts.
    pub emission_factor_type: EmissionFactorType,
    /// Whether the plan has forecasts; else none is asked for. Default false.
    pub forecast: bool,
    /// Zone to Electricity Maps' name, before the built-in table. A zone that neither has is asked
    /// for by its own name.
    #[schemars(with = "BTreeMap<String, String>")]
    pub zones: BTreeMap<Zone, String>,
    /// How the source is treated.
    pub guard: GuardConfig,
}

/// What Electricity Maps counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EmissionFactorType {
    /// What leaves the stack.
    #[default]
    Direct,
    /// With building the plant and bringing the fuel.
    Lifecycle,
}

/// The US EIA's hourly grid monitor, v2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct EiaConfig {
    /// Where the API is. Default `https://api.eia.gov/v2`.
    pub base_url: String,
    /// Variable of the environment with the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// File with the key; wins over `keyEnv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Zone to EIA's respondent, such as `CISO`, before the built-in table.
    #[schemars(with = "BTreeMap<String, String>")]
    pub zones: BTreeMap<Zone, String>,
    /// How the source is treated.
    pub guard: GuardConfig,
}

/// ENTSO-E's transparency platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct EntsoeConfig {
    /// Where the API is. Default `https://web-api.tp.entsoe.eu/api`.
    pub base_url: String,
    /// Variable of the environment with the security token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// File with the security token; wins over `keyEnv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Zone to the code of its area (EIC), such as `10Y1001A1001A82H`, before the built-in table.
    #[schemars(with = "BTreeMap<String, String>")]
    pub zones: BTreeMap<Zone, String>,
    /// How the source is treated.
    pub guard: GuardConfig,
}

/// NESO's Carbon Intensity API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct GbCarbonIntensityConfig {
    /// Where the API is. Default `https://api.carbonintensity.org.uk`.
    pub base_url: String,
    /// How the source is treated.
    pub guard: GuardConfig,
}

/// WattTime, v3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct WatttimeConfig {
    /// Where the API is. Default `https://api.watttime.org`.
    pub base_url: String,
    /// Variable of the environment with the user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_env: Option<String>,
    /// File with the user's name; wins over `userEnv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_file: Option<PathBuf>,
    /// Variable of the environment with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// File with the password; wins over `passwordEnv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Zone to WattTime's region, such as `CAISO_NORTH`, before the built-in table.
    #[schemars(with = "BTreeMap<String, String>")]
    pub zones: BTreeMap<Zone, String>,
    /// How the source is treated.
    pub guard: GuardConfig,
}

/// A web API of the Green Software Foundation's carbon-aware-sdk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CarbonAwareSdkConfig {
    /// Where the API is, such as `http://carbon-aware-sdk.carbon.svc`.
    pub base_url: String,
    /// Whether the source behind it is average or marginal: the API doesn't say.
    #[schemars(with = "SignalName")]
    pub signal: Signal,
    /// Emission factors behind it, for the label. Default `carbon-aware-sdk`.
    #[serde(default = "carbon_aware_sdk")]
    pub factor_set: String,
    /// Zone to the API's location, such as `westeurope`. Only these zones are served.
    #[schemars(with = "BTreeMap<String, String>")]
    pub locations: BTreeMap<Zone, String>,
    /// How the source is treated.
    #[serde(default)]
    pub guard: GuardConfig,
}

fn carbon_aware_sdk() -> String {
    "carbon-aware-sdk".to_owned()
}

/// `average` or `marginal`.
#[derive(Clone, Copy, Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[allow(dead_code, reason = "only its schema is used")]
enum SignalName {
    Average,
    Marginal,
}

/// The US National Weather Service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct NwsConfig {
    /// Where the API is. Default `https://api.weather.gov`.
    pub base_url: String,
    /// How the service can reach you, such as a mail address: it asks every caller to say so.
    pub contact: String,
    /// How the source is treated.
    pub guard: GuardConfig,
}

/// The AWS Sustainability API. Credentials come as AWS's own tools take them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct AwsConfig {
    /// Where the API is. Default: that of `region`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The region that answers. Default `us-east-1`.
    pub region: String,
    /// File with the access key's id; else the variable `AWS_ACCESS_KEY_ID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id_file: Option<PathBuf>,
    /// File with the secret access key; else the variable `AWS_SECRET_ACCESS_KEY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_access_key_file: Option<PathBuf>,
    /// File with the session token; else the variable `AWS_SESSION_TOKEN`, where that is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_token_file: Option<PathBuf>,
    /// How the source is treated.
    pub guard: GuardConfig,
}

/// How a source is treated, so that neither its failures nor our mistakes cost more than they must.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct GuardConfig {
    /// The longest that one request takes, its body included. Default 10s.
    #[serde(with = "span_text")]
    #[schemars(with = "String")]
    pub timeout: Span,
    /// How often one call tries again after a failure that may pass. Default 2.
    #[schemars(range(max = 10))]
    pub retries: u32,
    /// How often all calls of a source together try again in an hour. Default 30.
    #[schemars(range(min = 1, max = 10_000))]
    pub retries_per_hour: u32,
    /// The wait before the first retry; it doubles, and a part of it is random. Default 500ms.
    #[serde(with = "span_text")]
    #[schemars(with = "String")]
    pub retry_after: Span,
    /// Requests per day, UTC; no limit where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_day: Option<u32>,
    /// Failed calls in a row that open the circuit of a zone. Default 3.
    #[schemars(range(min = 1, max = 100))]
    pub failures: u32,
    /// How long an open circuit stays so before one request tries again; doubled each time that
    /// fails, up to `openMost`. Default 5m.
    #[serde(with = "span_text")]
    #[schemars(with = "String")]
    pub open: Span,
    /// The longest that a circuit stays open, and so the longest that a source which is back goes
    /// unnoticed. Default 30m. So long it is also left alone after a refused key: only a person can
    /// mend that.
    #[serde(with = "span_text")]
    #[schemars(with = "String")]
    pub open_most: Span,
    /// The shortest time between two calls for the same thing. Default 5m.
    #[serde(with = "span_text")]
    #[schemars(with = "String")]
    pub refresh: Span,
}

/// The order of the sources, what is plausible, and what comes after the last source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ChainConfig {
    /// The sources in the order in which they are asked. Default: those with a section, in the order
    /// electricity-maps, eia, entsoe, gb-carbon-intensity, watttime, carbon-aware-sdk, nws. AWS is
    /// not one: its data are monthly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<ProviderName>>,
    /// Average or marginal; sources of the other are passed over. Default average.
    #[schemars(with = "SignalName")]
    pub signal: Signal,
    /// What is believed.
    pub plausibility: PlausibilityConfig,
    /// What is said when no source is believed.
    pub fallback: FallbackConfig,
}

/// A source that a chain can ask.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are those of the sections")]
pub enum ProviderName {
    ElectricityMaps,
    Eia,
    Entsoe,
    GbCarbonIntensity,
    Watttime,
    CarbonAwareSdk,
    Nws,
}

/// What a zone has that differs from `chain`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ZoneConfig {
    /// The sources of this zone, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<ProviderName>>,
    /// Average or marginal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SignalName>")]
    pub signal: Option<Signal>,
    /// What is believed of this zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plausibility: Option<PlausibilityConfig>,
}

/// What is believed. A value that is not is left out, and the next source is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct PlausibilityConfig {
    /// The lowest average value, in g/kWh. Default 1: no grid of the bundled years has been below 2,
    /// and a nothing that is an error would release every pod. A grid of water alone needs 0. A
    /// marginal value may always be 0: the next kWh may be wind that is thrown away.
    #[schemars(range(min = 0.0, max = 10_000.0))]
    pub min_grams_per_kwh: f64,
    /// The highest value, in g/kWh. Default 1500, above a grid of lignite alone.
    #[schemars(range(min = 0.0, max = 10_000.0))]
    pub max_grams_per_kwh: f64,
    /// The largest change in an hour, in g/kWh, against the last value of the same source; a
    /// change over several hours may be as many times as large. Default 250.
    #[schemars(range(min = 0.0, max = 10_000.0))]
    pub max_jump_grams_per_kwh: f64,
    /// The longest since the end of the period that the value describes. Default 3h.
    #[serde(with = "span_text")]
    #[schemars(with = "String")]
    pub max_age: Span,
    /// How far a source's clock may be ahead of ours. Default 10m.
    #[serde(with = "span_text")]
    #[schemars(with = "String")]
    pub max_skew: Span,
}

/// What is said when no source is believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct FallbackConfig {
    /// After this time 37 % of what set the last known value apart from its hour is left, and as
    /// much of its confidence. Default 12h.
    #[serde(with = "span_text")]
    #[schemars(with = "String")]
    pub time_constant: Span,
    /// Below this confidence a decayed value says no more than the typical year, which then speaks;
    /// it has this confidence itself. Default 0.1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_confidence: f64,
    /// How long values are kept for the zone's own mean of each hour of the day. Default 14d.
    #[serde(with = "span_text")]
    #[schemars(with = "String")]
    pub memory: Span,
}

/// A setting that can't be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ConfigError {
    /// The field's path below the providers' configuration.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl ProviderName {
    /// Every one, in the default order.
    pub const ALL: [Self; 7] = [
        Self::ElectricityMaps,
        Self::Eia,
        Self::Entsoe,
        Self::GbCarbonIntensity,
        Self::Watttime,
        Self::CarbonAwareSdk,
        Self::Nws,
    ];

    /// The word in configuration, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ElectricityMaps => "electricity-maps",
            Self::Eia => "eia",
            Self::Entsoe => "entsoe",
            Self::GbCarbonIntensity => "gb-carbon-intensity",
            Self::Watttime => "watttime",
            Self::CarbonAwareSdk => "carbon-aware-sdk",
            Self::Nws => "nws",
        }
    }
}

impl FromStr for ProviderName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.into_iter().map(Self::as_str).collect();
            format!("`{text}` is no source; there are {}", names.join(", "))
        })
    }
}

impl ProvidersConfig {
    /// Whether a source has a section.
    #[must_use]
    pub fn has(&self, name: ProviderName) -> bool {
        match name {
            ProviderName::ElectricityMaps => self.electricity_maps.is_some(),
            ProviderName::Eia => self.eia.is_some(),
            ProviderName::Entsoe => self.entsoe.is_some(),
            ProviderName::GbCarbonIntensity => self.gb_carbon_intensity.is_some(),
            ProviderName::Watttime => self.watttime.is_some(),
            ProviderName::CarbonAwareSdk => self.carbon_aware_sdk.is_some(),
            ProviderName::Nws => self.nws.is_some(),
        }
    }

    /// The sources of a zone, in order; a zone that has no entry has the chain's.
    #[must_use]
    pub fn order(&self, zone: &Zone) -> Vec<ProviderName> {
        let own = self.zones.get(zone).and_then(|zone| zone.order.as_ref());
        let order = own.or(self.chain.order.as_ref());
        order.cloned().unwrap_or_else(|| {
            ProviderName::ALL.into_iter().filter(|name| self.has(*name)).collect()
        })
    }

    /// Average or marginal, for a zone.
    #[must_use]
    pub fn signal(&self, zone: &Zone) -> Signal {
        self.zones.get(zone).and_then(|zone| zone.signal).unwrap_or(self.chain.signal)
    }

    /// What is believed of a zone.
    #[must_use]
    pub fn plausibility(&self, zone: &Zone) -> &PlausibilityConfig {
        let own = self.zones.get(zone).and_then(|zone| zone.plausibility.as_ref());
        own.unwrap_or(&self.chain.plausibility)
    }

    /// Checks what the types let through.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first field that can't be.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_zones()?;
        self.check_order("chain.order", self.chain.order.as_ref())?;
        check_plausibility("chain.plausibility", &self.chain.plausibility)?;
        for (zone, config) in &self.zones {
            self.check_order(&format!("zones.{zone}.order"), config.order.as_ref())?;
            if let Some(plausibility) = &config.plausibility {
                check_plausibility(&format!("zones.{zone}.plausibility"), plausibility)?;
            }
        }
        let fallback = &self.chain.fallback;
        let field = |name: &str| format!("chain.fallback.{name}");
        within(&field("minConfidence"), fallback.min_confidence, 0.0, 1.0)?;
        above_zero(&field("timeConstant"), fallback.time_constant)?;
        above_zero(&field("memory"), fallback.memory)?;
        for (section, guard) in self.guards() {
            guard.check(section)?;
        }
        Ok(())
    }

    /// An alias in place of a name would be another zone than the one that documents know.
    fn check_zones(&self) -> Result<(), ConfigError> {
        for zone in self.zones.keys() {
            let field = || format!("zones.{zone}");
            let canonical: Zone =
                zone.as_str().parse().map_err(|error| refused(field(), format!("{error}")))?;
            if canonical != *zone {
                let problem = format!("is another name of `{canonical}`; use that one");
                return Err(refused(field(), problem));
            }
        }
        Ok(())
    }

    fn check_order(
        &self,
        field: &str,
        order: Option<&Vec<ProviderName>>,
    ) -> Result<(), ConfigError> {
        let mut seen = BTreeSet::new();
        for name in order.into_iter().flatten() {
            let word = name.as_str();
            if !self.has(*name) {
                return Err(refused(field.to_owned(), format!("`{word}` has no section")));
            }
            if !seen.insert(name) {
                return Err(refused(field.to_owned(), format!("`{word}` is there twice")));
            }
        }
        Ok(())
    }

    /// The guards of all sections.
    fn guards(&self) -> impl Iterator<Item = (&'static str, &GuardConfig)> {
        [
            ("electricityMaps", self.electricity_maps.as_ref().map(|section| &section.guard)),
            ("eia", self.eia.as_ref().map(|section| &section.guard)),
            ("entsoe", self.entsoe.as_ref().map(|section| &section.guard)),
            ("gbCarbonIntensity", self.gb_carbon_intensity.as_ref().map(|section| &section.guard)),
            ("watttime", self.watttime.as_ref().map(|section| &section.guard)),
            ("carbonAwareSdk", self.carbon_aware_sdk.as_ref().map(|section| &section.guard)),
            ("nws", self.nws.as_ref().map(|section| &section.guard)),
            ("aws", self.aws.as_ref().map(|section| &section.guard)),
        ]
        .into_iter()
        .filter_map(|(name, guard)| Some((name, guard?)))
    }
}

impl GuardConfig {
    fn check(&self, section: &str) -> Result<(), ConfigError> {
        let field = |name: &str| format!("{section}.guard.{name}");
        within(&field("retries"), f64::from(self.retries), 0.0, 10.0)?;
        within(&field("retriesPerHour"), f64::from(self.retries_per_hour), 1.0, 1e4)?;
        within(&field("failures"), f64::from(self.failures), 1.0, 100.0)?;
        above_zero(&field("timeout"), self.timeout)?;
        above_zero(&field("retryAfter"), self.retry_after)?;
        above_zero(&field("open"), self.open)?;
        if self.open_most < self.open {
            let problem = format!("is {}; expected at least `open`, {}", self.open_most, self.open);
            return Err(refused(field("openMost"), problem));
        }
        Ok(())
    }
}

fn check_plausibility(path: &str, config: &PlausibilityConfig) -> Result<(), ConfigError> {
    let field = |name: &str| format!("{path}.{name}");
    let (low, high) = (config.min_grams_per_kwh, config.max_grams_per_kwh);
    within(&field("minGramsPerKwh"), low, 0.0, 1e4)?;
    within(&field("maxGramsPerKwh"), high, low, 1e4)?;
    within(&field("maxJumpGramsPerKwh"), config.max_jump_grams_per_kwh, 0.0, 1e4)?;
    above_zero(&field("maxAge"), config.max_age)
}

fn within(field: &str, value: f64, low: f64, high: f64) -> Result<(), ConfigError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(refused(field.to_owned(), format!("is {value}; expected {low} to {high}")))
}

fn above_zero(field: &str, span: Span) -> Result<(), ConfigError> {
    if span.is_positive() {
        return Ok(());
    }
    Err(refused(field.to_owned(), format!("is {span}; expected more than nothing")))
}

fn refused(field: String, problem: String) -> ConfigError {
    ConfigError { field, problem }
}

impl ElectricityMapsConfig {
    /// Where the key comes from.
    #[must_use]
    pub fn key(&self) -> KeySource {
        KeySource { env: self.key_env.clone(), file: self.key_file.clone() }
    }
}

impl EiaConfig {
    /// Where the key comes from.
    #[must_use]
    pub fn key(&self) -> KeySource {
        KeySource { env: self.key_env.clone(), file: self.key_file.clone() }
    }
}

impl EntsoeConfig {
    /// Where the security token comes from.
    #[must_use]
    pub fn key(&self) -> KeySource {
        KeySource { env: self.key_env.clone(), file: self.key_file.clone() }
    }
}

impl WatttimeConfig {
    /// Where the user's name comes from.
    #[must_use]
    pub fn user(&self) -> KeySource {
        KeySource { env: self.user_env.clone(), file: self.user_file.clone() }
    }

    /// Where the password comes from.
    #[must_use]
    pub fn password(&self) -> KeySource {
        KeySource { env: self.password_env.clone(), file: self.password_file.clone() }
    }
}

impl Default for ElectricityMapsConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.electricitymaps.com/v3".to_owned(),
            key_env: None,
            key_file: None,
            emission_factor_type: EmissionFactorType::Direct,
            forecast: false,
            zones: BTreeMap::new(),
            guard: GuardConfig::default(),
        }
    }
}

impl Default for EiaConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.eia.gov/v2".to_owned(),
            key_env: None,
            key_file: None,
            zones: BTreeMap::new(),
            guard: GuardConfig::default(),
        }
    }
}

impl Default for EntsoeConfig {
    fn default() -> Self {
        Self {
            base_url: "https://web-api.tp.entsoe.eu/api".to_owned(),
            key_env: None,
            key_file: None,
            zones: BTreeMap::new(),
            guard: GuardConfig::default(),
        }
    }
}

impl Default for GbCarbonIntensityConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.carbonintensity.org.uk".to_owned(),
            guard: GuardConfig::default(),
        }
    }
}

impl Default for WatttimeConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.watttime.org".to_owned(),
            user_env: None,
            user_file: None,
            password_env: None,
            password_file: None,
            zones: BTreeMap::new(),
            guard: GuardConfig::default(),
        }
    }
}

impl Default for NwsConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.weather.gov".to_owned(),
            contact: String::new(),
            guard: GuardConfig::default(),
        }
    }
}

impl Default for AwsConfig {
    fn default() -> Self {
        Self {
            base_url: None,
            region: "us-east-1".to_owned(),
            access_key_id_file: None,
            secret_access_key_file: None,
            session_token_file: None,
            guard: GuardConfig::default(),
        }
    }
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            timeout: Span::SECOND * 10,
            retries: 2,
            retries_per_hour: 30,
            retry_after: Span::from_millis(500),
            requests_per_day: None,
            failures: 3,
            open: Span::MINUTE * 5,
            open_most: Span::MINUTE * 30,
            refresh: Span::MINUTE * 5,
        }
    }
}

impl Default for PlausibilityConfig {
    fn default() -> Self {
        Self {
            min_grams_per_kwh: 1.0,
            max_grams_per_kwh: 1_500.0,
            max_jump_grams_per_kwh: 250.0,
            max_age: Span::HOUR * 3,
            max_skew: Span::MINUTE * 10,
        }
    }
}

impl Default for FallbackConfig {
    fn default() -> Self {
        Self { time_constant: Span::HOUR * 12, min_confidence: 0.1, memory: Span::DAY * 14 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn parse(text: &str) -> ProvidersConfig {
        serde_saphyr::from_str(text).unwrap()
    }

    fn problem(text: &str) -> String {
        match serde_saphyr::from_str::<ProvidersConfig>(text) {
            Ok(config) => config.check().unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_empty_section_is_a_source_with_its_defaults() {
        let config =
            parse("electricityMaps: {keyEnv: EM}\ngbCarbonIntensity: {}\nzones: {EU-UK: {}}");
        config.check().unwrap();
        assert_eq!(config.electricity_maps.as_ref().unwrap().guard.timeout, Span::SECOND * 10);
        let order = config.order(&"EU-UK".parse().unwrap());
        assert_eq!(order, [ProviderName::ElectricityMaps, ProviderName::GbCarbonIntensity]);
    }

    #[test]
    fn a_zone_has_an_order_and_a_signal_of_its_own() {
        let config = parse(
            "watttime: {userEnv: U, passwordEnv: P}\nnws: {}\nchain: {order: [nws]}\n\
             zones: {US-CA: {order: [watttime], signal: marginal}, US-TX: {}}",
        );
        config.check().unwrap();
        let zone = |name: &str| name.parse::<Zone>().unwrap();
        assert_eq!(config.order(&zone("US-CA")), [ProviderName::Watttime]);
        assert_eq!(config.signal(&zone("US-CA")), Signal::Marginal);
        assert_eq!(config.order(&zone("US-TX")), [ProviderName::Nws]);
        assert_eq!(config.signal(&zone("US-TX")), Signal::Average);
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (text, expected) in [
            ("electricityMap: {}", "unknown field `electricityMap`"),
            ("electricityMaps: {key: abc}", "unknown field `key`"),
            ("chain: {order: [aws]}", "unknown variant `aws`"),
            ("chain: {order: [nws]}", "chain.order: `nws` has no section"),
            ("nws: {}\nchain: {order: [nws, nws]}", "chain.order: `nws` is there twice"),
            ("zones: {US-CAL-CISO: {}}", "zones.US-CAL-CISO: is another name of `US-CA`"),
            ("eia: {guard: {timeout: 0s}}", "eia.guard.timeout: is 0s"),
            ("eia: {guard: {open: 2h}}", "eia.guard.openMost: is 30m; expected at least"),
            (
                "chain: {plausibility: {maxGramsPerKwh: 0}}",
                "chain.plausibility.maxGramsPerKwh: is 0; expected 1 to 10000",
            ),
            ("chain: {fallback: {minConfidence: 2}}", "is 2; expected 0 to 1"),
        ] {
            let message = problem(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let config = parse(
            "electricityMaps: {keyFile: /keys/em, guard: {requestsPerDay: 500, refresh: 10m}}\n\
             carbonAwareSdk: {baseUrl: 'http://sdk', signal: marginal, locations: {EU-DE: germanywestcentral}}\n\
             zones: {EU-DE: {}}",
        );
        let text = serde_saphyr::to_string(&config).unwrap();
        assert_eq!(parse(&text), config);
    }
}
