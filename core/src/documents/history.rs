//! `history.json`: what is known of each zone's past, beside `intensity.json`.

use serde::{Deserialize, Serialize};

use super::{DocumentError, VERSION, version};
use crate::intensity::Signal;
use crate::time::{Span, Time};
use crate::units::GramsPerKwh;
use crate::zone::Zone;

/// The key beside `intensity.json` in its ConfigMap, and the name of the file.
pub const HISTORY: &str = "history.json";

/// The longest step: what is longer is no signal of hours.
const LONGEST_STEP: Span = Span::DAY;

/// `history.json`: a series per zone, signal and factor set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryDocument {
    /// [`VERSION`].
    pub version: u64,
    /// The series, each scale once.
    pub series: Vec<HistorySeries>,
}

/// What may be put into one series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scale {
    /// The zone.
    pub zone: Zone,
    /// Average or marginal.
    pub signal: Signal,
    /// Emission factors behind the values.
    pub factor_set: String,
}

/// The past on one scale: equal steps, `null` for what is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistorySeries {
    /// Whose past, and in which numbers.
    #[serde(flatten)]
    pub scale: Scale,
    /// Who spoke last.
    pub source: String,
    /// How far it was trusted then, 0 to 1. 1 of a document that does not say.
    #[serde(default = "full")]
    pub confidence: f64,
    /// Start of the first step.
    pub from: Time,
    /// Length of a step, in minutes.
    pub step_minutes: u32,
    /// When the last of the values was computed or fetched.
    pub updated_at: Time,
    /// The intensity of each step, in g/kWh.
    pub values: Vec<Option<f64>>,
    /// Positions of the estimates among the values, in order.
    #[serde(default)]
    pub estimated: Vec<u32>,
}

fn full() -> f64 {
    1.0
}

impl HistoryDocument {
    /// A document of the present version.
    #[must_use]
    pub fn new(series: Vec<HistorySeries>) -> Self {
        Self { version: VERSION, series }
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] for what is none, and for a step of no length or of more than a day. A value that no
    /// grid has is no error: see [`HistorySeries::steps`].
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        version(text)?;
        let document: Self = serde_json::from_str(text)
            .map_err(|error| DocumentError::Malformed(error.to_string()))?;
        for series in &document.series {
            let step = series.step();
            if !step.is_positive() || step > LONGEST_STEP {
                let zone = &series.scale.zone;
                return Err(DocumentError::Malformed(format!("zone `{zone}`: a step of {step}")));
            }
        }
        Ok(document)
    }
}

impl HistorySeries {
    /// Length of a step.
    #[must_use]
    pub fn step(&self) -> Span {
        Span::from_millis(i64::from(self.step_minutes) * 60_000)
    }

    /// Start and value of each step; `None` where nothing is known, or what is written no grid has.
    pub fn steps(&self) -> impl Iterator<Item = (Time, Option<GramsPerKwh>)> + '_ {
        let start = move |at: i64| self.from.saturating_add(self.step() * at);
        (0..)
            .zip(&self.values)
            .map(move |(at, value)| (start(at), value.and_then(GramsPerKwh::new)))
    }
}
