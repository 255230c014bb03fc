//! The documents that travel between poller, tuner and extender as ConfigMaps.
//!
//! ```text
//!  poller --> carbon-kube-intensity  intensity.json --.
//!  poller --> carbon-kube-threshold  threshold.json ---+--> extender
//!  user   --> carbon-kube-policy     policy.yaml    --'     (policies::file reads that one)
//!  tuner  --> carbon-kube-status     status.json    --'     (for its metrics alone)
//!  poller --> carbon-kube-intensity  history.json   -----> poller, tuner
//! ```
//!
//! A reader refuses a document of another version, and of one that it understands it leaves out
//! the zones that make no sense and says which: one absurd value must not blind the others. New
//! fields are passed over, so that a newer poller can feed an older extender. An example of each
//! document is kept in `core/tests/documents/`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cluster::Mode;
use crate::forecast::Issue;
use crate::intensity::Signal;
use crate::time::{Span, Time};
use crate::units::GramsPerKwh;
use crate::zone::Zone;

mod history;
mod status;

pub use history::{HISTORY, HistoryDocument, HistorySeries, Scale};
pub use status::{
    Bounded, Judged, PolicyName, PolicyResult, Promotion, StatusDocument, TunerResult,
};

/// The version that is written, and the only one that is read.
pub const VERSION: u64 = 1;

/// `intensity.json`: what is known of each grid zone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IntensityDocument {
    /// [`VERSION`].
    pub version: u64,
    /// By canonical name.
    pub zones: BTreeMap<Zone, ZoneIntensity>,
}

/// The intensity of one zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneIntensity {
    /// The intensity in force.
    pub value: GramsPerKwh,
    /// Unit of every number: `g/kWh`.
    pub unit: String,
    /// Average or marginal.
    pub signal: Signal,
    /// Emission factors behind it: `local`, `global`, `lifecycle`, or the provider's own.
    pub factor_set: String,
    /// Start of the period that the value describes. What makes it old.
    pub observed_at: Time,
    /// When the value was fetched. Never a reason to call an old value new.
    pub fetched_at: Time,
    /// Who said so.
    pub source: String,
    /// Whether the source calls the value an estimate.
    pub is_estimated: bool,
    /// How far the value is to be trusted, 0 to 1.
    pub confidence: f64,
    /// What is expected, by instant; each value holds until the next one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forecast: Vec<ForecastPoint>,
    /// Who expects it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast_source: Option<String>,
}

/// One expected value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForecastPoint {
    /// From when on.
    pub t: Time,
    /// Expected intensity, in g/kWh.
    pub v: GramsPerKwh,
    /// Lower end of the interval, in g/kWh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<GramsPerKwh>,
    /// Upper end of the interval, in g/kWh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<GramsPerKwh>,
}

/// `threshold.json`: the threshold of each grid zone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ThresholdDocument {
    /// [`VERSION`].
    pub version: u64,
    /// By canonical name.
    pub zones: BTreeMap<Zone, ZoneThreshold>,
}

/// The threshold of one zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneThreshold {
    /// The threshold in force, in g/kWh.
    pub value: GramsPerKwh,
    /// The threshold before the tuner's adjustment, in g/kWh.
    pub base: GramsPerKwh,
    /// What the tuner added, in g/kWh: -50 to +50.
    pub adjustment: f64,
    /// The threshold before this decision, in g/kWh.
    #[serde(default)]
    pub previous: Option<GramsPerKwh>,
    /// When it was decided. What makes it old.
    pub decided_at: Time,
    /// A threshold that was only observed is not applied.
    pub mode: Mode,
    /// Name of the policy that decided.
    pub policy: String,
    /// Checksum of that policy's file.
    pub policy_sha256: String,
    /// Why, for people.
    pub reason: String,
}

/// Why a whole document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, or without the outer form.
    #[error("is not a document: {0}")]
    Malformed(String),
    /// Of a version that this reader doesn't know.
    #[error("has version {0}; this reader knows version {VERSION}")]
    Version(u64),
}

/// A zone that was left out of a document, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The key as written.
    pub zone: String,
    /// What is wrong with it.
    pub problem: String,
}

impl IntensityDocument {
    /// A document of the present version.
    #[must_use]
    pub fn new(zones: BTreeMap<Zone, ZoneIntensity>) -> Self {
        Self { version: VERSION, zones }
    }

    /// Reads a document, and says which zones were left out.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] where nothing of it can be used.
    pub fn parse(text: &str) -> Result<(Self, Vec<LeftOut>), DocumentError> {
        let (zones, left_out) = parse(text, ZoneIntensity::check)?;
        Ok((Self::new(zones), left_out))
    }
}

impl ThresholdDocument {
    /// A document of the present version.
    #[must_use]
    pub fn new(zones: BTreeMap<Zone, ZoneThreshold>) -> Self {
        Self { version: VERSION, zones }
    }

    /// Reads a document, and says which zones were left out.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] where nothing of it can be used.
    pub fn parse(text: &str) -> Result<(Self, Vec<LeftOut>), DocumentError> {
        let (zones, left_out) = parse(text, ZoneThreshold::check)?;
        Ok((Self::new(zones), left_out))
    }
}

impl ZoneIntensity {
    /// The unit of every number.
    pub const UNIT: &'static str = "g/kWh";

    /// The forecast as an outlook; `None` where there is none. The last point holds as long as the
    /// one before it did, a lone one for an hour.
    #[must_use]
    pub fn outlook(&self) -> Option<Issue> {
        let last = self.forecast.last()?;
        let held = match self.forecast.as_slice() {
            [.., before, last] => last.t - before.t,
            _ => Span::HOUR,
        };
        let points = self.forecast.iter().map(|point| (point.t, point.v.get())).collect();
        Some(Issue { points, end: Some(last.t + held) })
    }

    fn check(&self) -> Result<(), String> {
        grid_intensity("value", self.value)?;
        if self.unit != Self::UNIT {
            return Err(format!("unit `{}`, expected `{}`", self.unit, Self::UNIT));
        }
        if !(0.0..=1.0).contains(&self.confidence) {
            return Err(format!("confidence {} is not within 0 to 1", self.confidence));
        }
        for point in &self.forecast {
            grid_intensity("forecast", point.v)?;
        }
        if !self.forecast.is_sorted_by(|a, b| a.t < b.t) {
            return Err("the forecast is not in order of time".to_owned());
        }
        Ok(())
    }
}

impl ZoneThreshold {
    /// The most that a tuner adds or takes, in g/kWh.
    pub const MAX_ADJUSTMENT: f64 = 50.0;

    fn check(&self) -> Result<(), String> {
        grid_intensity("value", self.value)?;
        grid_intensity("base", self.base)?;
        let most = Self::MAX_ADJUSTMENT;
        if !(-most..=most).contains(&self.adjustment) {
            return Err(format!("adjustment {} is not within -{most} to {most}", self.adjustment));
        }
        Ok(())
    }
}

/// A number of JSON is taken as it is; what no grid has is refused here.
fn grid_intensity(name: &str, value: GramsPerKwh) -> Result<(), String> {
    GramsPerKwh::new(value.get())
        .map(|_| ())
        .ok_or_else(|| format!("{name} is {value}; a grid has 0 to 10,000"))
}

/// What every document has, of whatever version.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

/// What every document of this version has.
#[derive(Deserialize)]
struct Outer {
    zones: BTreeMap<String, Value>,
}

/// Refuses another version, which may have another form: it is looked at before the rest.
fn version(text: &str) -> Result<(), DocumentError> {
    let Versioned { version } =
        serde_json::from_str(text).map_err(|error| DocumentError::Malformed(error.to_string()))?;
    if version == VERSION { Ok(()) } else { Err(DocumentError::Version(version)) }
}

fn parse<T: for<'de> Deserialize<'de>>(
    text: &str,
    check: impl Fn(&T) -> Result<(), String>,
) -> Result<(BTreeMap<Zone, T>, Vec<LeftOut>), DocumentError> {
    version(text)?;
    let outer: Outer =
        serde_json::from_str(text).map_err(|error| DocumentError::Malformed(error.to_string()))?;
    let (mut zones, mut left_out) = (BTreeMap::new(), Vec::new());
    for (name, value) in outer.zones {
        match zone(&name, value, &check) {
            Ok((zone, entry)) if !zones.contains_key(&zone) => {
                zones.insert(zone, entry);
            }
            Ok((zone, _)) => {
                let problem = format!("another name of `{zone}`, which is there already");
                left_out.push(LeftOut { zone: name, problem });
            }
            Err(problem) => left_out.push(LeftOut { zone: name, problem }),
        }
    }
    Ok((zones, left_out))
}

fn zone<T: for<'de> Deserialize<'de>>(
    name: &str,
    value: Value,
    check: impl Fn(&T) -> Result<(), String>,
) -> Result<(Zone, T), String> {
    let zone: Zone = name.parse().map_err(|error| format!("{error}"))?;
    let entry: T = serde_json::from_value(value).map_err(|error| error.to_string())?;
    check(&entry)?;
    Ok((zone, entry))
}
