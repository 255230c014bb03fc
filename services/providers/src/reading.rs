//! What a source says: values of one zone, with everything that has to be known of them.

use std::fmt;

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{GramsPerKwh, Span, Time, Zone};
use serde::{Deserialize, Serialize};

use crate::error::ProviderError;

/// Who says so: the word that goes into documents and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Electricity Maps, average, with imports.
    ElectricityMaps,
    /// The weather of the US National Weather Service, moved onto a typical hour: a proxy.
    NwsProxy,
    /// AWS's own accounts, monthly: a static factor.
    Aws,
    /// NESO's Carbon Intensity API for Great Britain, average.
    GbCarbonIntensity,
    /// The hourly generation mix of the US EIA, average.
    Eia,
    /// WattTime, marginal.
    Watttime,
    /// The generation per type of ENTSO-E, average.
    Entsoe,
    /// A carbon-aware-sdk web API, and whatever is behind it.
    CarbonAwareSdk,
    /// The last known value on its way to what the zone is like at that hour.
    Decay,
    /// The typical-year model of `core`.
    TypicalYear,
}

/// What one source says of one zone, as one signal with one set of factors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reading {
    /// The zone, by its canonical name.
    pub zone: Zone,
    /// Who says so.
    pub source: Source,
    /// Average or marginal.
    pub signal: Signal,
    /// Emission factors behind it: `local`, or the provider's own, such as
    /// `electricity-maps-direct`. Values of two sets are never joined.
    pub factor_set: String,
    /// In order of time, no instant twice, at least one. Without gaps only where the source has none.
    pub points: Vec<Point>,
    /// When it was fetched.
    pub fetched_at: Time,
    /// When the source computed it, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Time>,
    /// How far it is to be trusted, 0 to 1.
    pub confidence: f64,
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// Start of the period that the value describes.
    pub start: Time,
    /// Length of the period, in milliseconds.
    #[serde(with = "millis")]
    pub span: Span,
    /// The intensity.
    pub value: GramsPerKwh,
    /// Whether the source calls it an estimate, or it is one of ours.
    pub is_estimated: bool,
}

impl Point {
    /// First instant after the period.
    #[must_use]
    pub fn end(&self) -> Time {
        self.start.saturating_add(self.span)
    }
}

impl Reading {
    /// Adds what comes later, such as the next part of a long range.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Malformed`] where the part counts with other factors.
    pub fn append(&mut self, later: Reading) -> Result<(), ProviderError> {
        if later.factor_set != self.factor_set || later.signal != self.signal {
            let problem = "the factors change within the range".to_owned();
            return Err(ProviderError::Malformed(problem));
        }
        let last = self.points.last().map(|point| point.start);
        let new = later.points.into_iter().filter(|point| Some(point.start) > last);
        self.points.extend(new);
        self.updated_at = later.updated_at;
        Ok(())
    }

    /// Only the values whose periods start in `[from, to)`.
    ///
    /// # Errors
    ///
    /// [`ProviderError::NoData`] where there is none.
    pub fn within(mut self, from: Time, to: Time) -> Result<Self, ProviderError> {
        self.points.retain(|point| (from..to).contains(&point.start));
        if self.points.is_empty() {
            return Err(ProviderError::NoData(format!("nothing from {from} to {to}")));
        }
        Ok(self)
    }

    /// The newest point.
    #[must_use]
    pub fn last(&self) -> Option<&Point> {
        self.points.last()
    }
}

impl Source {
    /// The word in documents, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ElectricityMaps => "electricity-maps",
            Self::NwsProxy => "nws-proxy",
            Self::Aws => "aws",
            Self::GbCarbonIntensity => "gb-carbon-intensity",
            Self::Eia => "eia",
            Self::Watttime => "watttime",
            Self::Entsoe => "entsoe",
            Self::CarbonAwareSdk => "carbon-aware-sdk",
            Self::Decay => "decay",
            Self::TypicalYear => "typical-year",
        }
    }

    /// Whether somebody measured or published the value: not a proxy, a decay or a model of ours.
    #[must_use]
    pub fn is_observation(self) -> bool {
        !matches!(self, Self::NwsProxy | Self::Aws | Self::Decay | Self::TypicalYear)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

mod millis {
    use carbon_kube_core::Span;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(span.millis())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        i64::deserialize(deserializer).map(Span::from_millis)
    }
}
