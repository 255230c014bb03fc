//! Grid zones and where their carbon intensity comes from.

use carbon_kube_core::{intensity, mix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, FileFormat, Gaps, ZoneName};

/// Grid zones and their carbon intensity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Grid {
    /// Emission factors for sources that give a generation mix. Default `local`.
    #[serde(default)]
    pub factor_set: FactorSet,
    /// The zones, at most 64, in the order in which reports show them.
    pub zones: Vec<GridZone>,
}

/// Which emission factors turn a generation mix into an intensity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FactorSet {
    /// Direct emissions, with the factors of that zone and year.
    #[default]
    Local,
    /// Direct emissions, one set for the whole world.
    Global,
    /// Lifecycle emissions, one set for the whole world.
    Lifecycle,
}

impl From<FactorSet> for mix::FactorSet {
    fn from(set: FactorSet) -> Self {
        match set {
            FactorSet::Local => Self::Local,
            FactorSet::Global => Self::Global,
            FactorSet::Lifecycle => Self::Lifecycle,
        }
    }
}

/// One grid zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GridZone {
    /// Name of the zone. `US-NE` is New England, not Nebraska.
    pub zone: ZoneName,
    /// Where its carbon intensity comes from. Default: the bundled series where it covers the
    /// window, else the typical-year model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// A second intensity that the run is counted with as well, such as the marginal one beside
    /// the average; no policy sees it. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Source>,
    /// Power usage effectiveness that changes with time, such as with the weather. The pools of
    /// the zone then have none of their own. Default: each pool's `pue` at all times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pue: Option<ZonePue>,
    /// What electricity costs there. Gives the accounts `electricityUsd`; policies don't see it.
    /// Default: it has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub electricity_price: Option<ElectricityPrice>,
}

/// What electricity costs. Exactly one of the keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ElectricityPrice {
    /// The same at all times.
    Constant(ConstantPrice),
    /// By local hour, weekday and weekend.
    TimeOfUse(Box<TimeOfUse>),
    /// A file with prices, such as those of a power exchange.
    File(PriceFile),
}

/// The same price at all times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ConstantPrice {
    /// US dollars per kWh, -10 to 100.
    #[schemars(range(min = -10, max = 100))]
    pub usd_per_kwh: f64,
}

/// Prices by the local clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TimeOfUse {
    /// US dollars per kWh in each hour from midnight on, Monday to Friday.
    #[schemars(inner(range(min = -10, max = 100)))]
    pub weekday_usd_per_kwh: [f64; 24],
    /// The same for Saturday and Sunday. Default: as Monday to Friday.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(min = -10, max = 100)))]
    pub weekend_usd_per_kwh: Option<[f64; 24]>,
    /// IANA time zone of the hours. Default: that of the grid zone, UTC where nobody knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// A file with electricity prices. Each holds until the next; the first also before, the last
/// also after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PriceFile {
    /// Path of a CSV file, may end in `.gz`; relative to the scenario file.
    pub path: String,
    /// Column with the start of each price: RFC 3339, or `YYYY-MM-DD HH:MM`, which is then UTC.
    pub time_column: String,
    /// Column with the price; it may be below zero.
    pub value_column: String,
    /// Unit of the prices. Default `perMWh`, as exchanges publish them.
    #[serde(default)]
    pub unit: PriceUnit,
    /// US dollars for one unit of the file's currency. Default 1: the file is in US dollars.
    #[serde(default = "one")]
    #[schemars(range(min = 0.000_001, max = 1_000_000))]
    pub usd_rate: f64,
}

fn one() -> f64 {
    1.0
}

/// Unit of electricity prices in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PriceUnit {
    /// Money per kilowatt-hour.
    #[serde(rename = "perKWh")]
    PerKwh,
    /// Money per megawatt-hour.
    #[default]
    #[serde(rename = "perMWh")]
    PerMwh,
}

/// Power usage effectiveness from the window's start on, one value per `step`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ZonePue {
    /// How long each value holds; at least `1m`.
    pub step: Duration,
    /// Power of the building over power of its nodes. The list is repeated to the end of the run.
    #[schemars(length(min = 1), inner(range(min = 1, max = 5)))]
    pub values: Vec<f64>,
}

impl ZonePue {
    /// The mean, which the pools of the zone get as their own.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len().max(1) as f64
    }
}

/// Where a zone's carbon intensity comes from. Exactly one of the keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// Measured data that comes with the program: 2020 in UTC, for some zones.
    Bundled(Bundled),
    /// The typical-year model: the right shape, not that year's weather. Reports label it as
    /// modelled.
    Modelled(Modelled),
    /// A file of your own.
    File(IntensityFile),
    /// The same value at all times.
    Constant(Constant),
    /// Values from `start` on, one per `step`.
    Steps(Steps),
}

/// Measured data that comes with the program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Bundled {
    /// Average or marginal intensity; marginal is bundled for `US-CA` only. Default `average`.
    pub signal: Signal,
}

/// Which question an intensity answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Signal {
    /// Emissions of all generation over all energy: what an inventory counts.
    #[default]
    Average,
    /// Emissions of the plant that answers one more kWh: what a change causes.
    Marginal,
}

impl From<Signal> for intensity::Signal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Average => Self::Average,
            Signal::Marginal => Self::Marginal,
        }
    }
}

/// The typical-year model; it has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Modelled {}

/// Files with carbon intensities or a generation mix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IntensityFile {
    /// Path of a CSV, JSON or Parquet file, may end in `.gz`; relative to the scenario file.
    pub path: String,
    /// Further files of the zone in any order, such as one a month. Where files overlap they have
    /// to agree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_paths: Vec<String>,
    /// How the files are laid out. Default: detected, or `columns` where columns are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
    /// Column with the start of each step, for `columns`; required there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_column: Option<String>,
    /// Column with the intensity, for `columns`; required there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_column: Option<String>,
    /// Unit of the values, for `columns`. Default `g/kWh`.
    #[serde(default)]
    pub unit: IntensityUnit,
    /// Average or marginal, for `columns` and `carbon-aware-sdk`, which do not say it; reports and
    /// comparisons never mix the two. Default `average`.
    #[serde(default)]
    pub signal: Signal,
    /// Which place of a file about several, such as the balancing authority `CISO`; for others
    /// what was measured: one zone can have several. Default: what the file says, else the zone's
    /// name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// Emission factors for this zone's mix. Of files with both, `lifecycle` takes the lifecycle
    /// column, the others the direct one. Default: the grid's `factorSet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor_set: Option<FactorSet>,
    /// What becomes of gaps and glitches. Default `keep`: a run that needs a missing value fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gaps: Option<Gaps>,
    /// Means over steps of this length. Default: the step of the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Duration>,
}

/// Unit of carbon intensities in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IntensityUnit {
    /// Grams per kilowatt-hour.
    #[default]
    #[serde(rename = "g/kWh")]
    GramsPerKwh,
    /// Kilograms per megawatt-hour: the same number as g/kWh.
    #[serde(rename = "kg/MWh")]
    KilogramsPerMwh,
    /// Kilograms per kilowatt-hour.
    #[serde(rename = "kg/kWh")]
    KilogramsPerKwh,
    /// Pounds per megawatt-hour, as US providers publish.
    #[serde(rename = "lb/MWh")]
    PoundsPerMwh,
}

/// The same value at all times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Constant {
    /// Carbon intensity in g/kWh, 0 to below 10,000.
    #[schemars(range(min = 0, max = 9999.999))]
    pub grams_per_kwh: f64,
}

/// Values from the window's start on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Steps {
    /// How long each value holds.
    pub step: Duration,
    /// Carbon intensity of each step in g/kWh. The list is repeated to the end of the run, so that
    /// 24 hourly values make every day the same.
    #[schemars(length(min = 1), inner(range(min = 0, max = 9999.999)))]
    pub grams_per_kwh: Vec<f64>,
}
