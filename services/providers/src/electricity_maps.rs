//! Electricity Maps, v3: average intensity with imports, most of the world. The primary source.
//!
//! The value of an hour is published when the hour begins, as an estimate, and corrected later. So it
//! is asked for once the newest value's hour is over, and `history` brings the corrections. Two traps:
//! without `shouldUseFallbackCallerLookup=false` an unknown zone is answered with the zone of the
//! *caller*, and what is counted depends on the plan, so both are read from the answer.

use std::collections::BTreeMap;

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{Span, Time, Zone};
use futures::future::FutureExt;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::answer::{self, Values, malformed};
use crate::config::{ElectricityMapsConfig, EmissionFactorType, ProviderName};
use crate::error::ProviderError;
use crate::guard::{Call, Context, Guard, Stored};
use crate::provider::{Health, Pending, Provider};
use crate::range;
use crate::reading::{Point, Reading, Source};
use crate::secret::KeySource;
use crate::transport::Request;

/// How far back `history` goes, which every plan has: 24 values, and the hour that has begun.
const RECENT: Span = Span::from_millis(25 * 3_600_000);

/// The most hours of one call of `past-range`.
const RANGE: Span = Span::from_millis(240 * 3_600_000);

/// How far a measured value and an estimate are trusted. A judgement: an estimate is corrected later, by
/// how much nobody says.
const MEASURED: f64 = 1.0;
const ESTIMATED: f64 = 0.8;

/// Electricity Maps.
#[derive(Debug)]
pub struct ElectricityMaps {
    config: ElectricityMapsConfig,
    key: KeySource,
    guard: Guard,
}

/// What makes the power of a zone, in megawatts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PowerBreakdown {
    /// The zone as Electricity Maps names it.
    pub zone: String,
    /// Start of the period.
    pub datetime: Option<String>,
    /// Production by the name of the fuel; what is unknown is null.
    pub power_production_breakdown: BTreeMap<String, Option<f64>>,
    /// Consumption, imports included, by the name of the fuel.
    pub power_consumption_breakdown: BTreeMap<String, Option<f64>>,
    /// Imports by zone.
    pub power_import_breakdown: BTreeMap<String, Option<f64>>,
    /// Exports by zone.
    pub power_export_breakdown: BTreeMap<String, Option<f64>>,
    /// Part of the consumption, in per cent.
    pub fossil_free_percentage: Option<f64>,
    /// Part of the consumption, in per cent.
    pub renewable_percentage: Option<f64>,
    /// Whether it is an estimate.
    pub is_estimated: Option<bool>,
}

/// One value, alone as in `latest` or in a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    zone: Option<String>,
    carbon_intensity: Option<f64>,
    datetime: String,
    updated_at: Option<String>,
    emission_factor_type: Option<String>,
    is_estimated: Option<bool>,
    temporal_granularity: Option<String>,
}

/// `history`, `forecast` and `past-range`: the same list under three names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    zone: Option<String>,
    #[serde(alias = "forecast", alias = "data")]
    history: Vec<Item>,
    updated_at: Option<String>,
    emission_factor_type: Option<String>,
    temporal_granularity: Option<String>,
}

impl ElectricityMaps {
    /// The source of a section.
    #[must_use]
    pub fn new(config: &ElectricityMapsConfig, context: &Context) -> Self {
        let name = ProviderName::ElectricityMaps.as_str();
        let guard = Guard::new(name, &config.guard, context);
        Self { config: config.clone(), key: config.key(), guard }
    }

    /// What makes the power of a zone now.
    ///
    /// # Errors
    ///
    /// [`ProviderError`].
    pub async fn power_breakdown(&self, zone: &Zone) -> Result<PowerBreakdown, ProviderError> {
        let request = self.request("power-breakdown/latest", zone)?;
        let asked = self.name_of(zone);
        let call = Call { zone, name: Some("power-breakdown"), optional: true, request };
        let parse = |body: &[u8]| {
            let breakdown: PowerBreakdown = answer::json(body)?;
            same_zone(&asked, Some(&breakdown.zone))?;
            Ok(breakdown)
        };
        let stored = self.guard.fetch(call, |_, _| false, parse).await?;
        Ok(stored.value)
    }

    async fn ask_latest(&self, zone: &Zone) -> Result<Reading, ProviderError> {
        let request = self.request("carbon-intensity/latest", zone)?;
        let (asked, counted) = (self.name_of(zone), self.config.emission_factor_type);
        let call = Call { zone, name: Some("latest"), optional: false, request };
        let parse = |body: &[u8]| parse_latest(body, &asked, counted);
        let stored = self.guard.fetch(call, Values::cover, parse).await?;
        Ok(self.reading(zone, stored))
    }

    async fn ask_history(
        &self,
        zone: &Zone,
        from: Time,
        to: Time,
    ) -> Result<Reading, ProviderError> {
        if from >= self.guard.now() - RECENT {
            let request = self.request("carbon-intensity/history", zone)?;
            let stored = self.ask_list(zone, Some("history"), request, Values::cover).await?;
            return self.reading(zone, stored).within(from, to);
        }
        range::in_parts(from, to, RANGE, |from, to| self.ask_range(zone, from, to)).await
    }

    async fn ask_range(&self, zone: &Zone, from: Time, to: Time) -> Result<Reading, ProviderError> {
        let request = self
            .request("carbon-intensity/past-range", zone)?
            .query("start", from.to_string())
            .query("end", to.to_string());
        let stored = self.ask_list(zone, None, request, |_, _| false).await?;
        Ok(self.reading(zone, stored))
    }

    async fn ask_forecast(&self, zone: &Zone) -> Result<Reading, ProviderError> {
        if !self.config.forecast {
            return Err(ProviderError::NotOffered);
        }
        let request = self.request("carbon-intensity/forecast", zone)?;
        // It begins with the hour in which it was made, and the next one is made in the next.
        let stored = self.ask_list(zone, Some("forecast"), request, Values::begin_now).await?;
        let mut reading = self.reading(zone, stored);
        reading.points.iter_mut().for_each(|point| point.is_estimated = true);
        Ok(reading)
    }

    async fn ask_list(
        &self,
        zone: &Zone,
        name: Option<&str>,
        request: Request,
        fresh: impl Fn(&Values, Time) -> bool,
    ) -> Result<Stored<Values>, ProviderError> {
        let (asked, counted) = (self.name_of(zone), self.config.emission_factor_type);
        // A plan that lacks a list still has `latest`.
        let call = Call { zone, name, optional: true, request };
        self.guard.fetch(call, fresh, |body| parse_list(body, &asked, counted)).await
    }

    fn request(&self, path: &str, zone: &Zone) -> Result<Request, ProviderError> {
        let counted = match self.config.emission_factor_type {
            EmissionFactorType::Direct => "direct",
            EmissionFactorType::Lifecycle => "lifecycle",
        };
        Ok(Request::get(format!("{}/{path}", self.config.base_url.trim_end_matches('/')))
            .query("zone", self.name_of(zone))
            .query("shouldUseFallbackCallerLookup", "false")
            .query("emissionFactorType", counted)
            .secret_header("auth-token", self.key(zone)?))
    }

    fn key(&self, zone: &Zone) -> Result<SecretString, ProviderError> {
        self.key.read().map_err(|problem| self.guard.unasked(zone, problem))
    }

    /// What Electricity Maps calls the zone.
    fn name_of(&self, zone: &Zone) -> String {
        let listed = || zone.info().map(|info| info.electricity_maps.as_str());
        let given = self.config.zones.get(zone).map(String::as_str);
        given.or_else(listed).filter(|name| !name.is_empty()).unwrap_or(zone.as_str()).to_owned()
    }

    fn reading(&self, zone: &Zone, stored: Stored<Values>) -> Reading {
        let estimated = stored.value.points.last().is_none_or(|point| point.is_estimated);
        let confidence = if estimated { ESTIMATED } else { MEASURED };
        stored.reading(zone, Source::ElectricityMaps, Signal::Average, confidence)
    }
}

impl Provider for ElectricityMaps {
    fn name(&self) -> &'static str {
        ProviderName::ElectricityMaps.as_str()
    }

    fn signal(&self) -> Signal {
        Signal::Average
    }

    fn serves(&self, _: &Zone) -> bool {
        true
    }

    fn latest<'a>(&'a self, zone: &'a Zone) -> Pending<'a> {
        self.ask_latest(zone).boxed()
    }

    fn history<'a>(&'a self, zone: &'a Zone, from: Time, to: Time) -> Pending<'a> {
        self.ask_history(zone, from, to).boxed()
    }

    fn forecast<'a>(&'a self, zone: &'a Zone) -> Pending<'a> {
        self.ask_forecast(zone).boxed()
    }

    fn health(&self) -> Health {
        self.guard.health()
    }
}

/// Reads the answer of `latest`.
///
/// # Errors
///
/// [`ProviderError::NoData`] for a null, [`ProviderError::Malformed`] for anything that is no answer
/// about the zone that was `asked` for.
pub fn parse_latest(
    body: &[u8],
    asked: &str,
    counted: EmissionFactorType,
) -> Result<Values, ProviderError> {
    let item: Item = answer::json(body)?;
    same_zone(asked, item.zone.as_deref())?;
    let span = granularity(item.temporal_granularity.as_deref())?;
    let updated_at = item.updated_at.as_deref().map(answer::instant).transpose()?;
    let set = factor_set(item.emission_factor_type.as_deref(), counted);
    Values::new(point(&item, span)?, updated_at, set)
}

/// Reads the answer of `history`, `forecast` or `past-range`; nulls are left out.
///
/// # Errors
///
/// As [`parse_latest`]; no value at all is [`ProviderError::NoData`].
pub fn parse_list(
    body: &[u8],
    asked: &str,
    counted: EmissionFactorType,
) -> Result<Values, ProviderError> {
    let list: List = answer::json(body)?;
    same_zone(asked, list.zone.as_deref())?;
    for item in list.history.iter().filter(|item| item.zone.is_some()) {
        same_zone(asked, item.zone.as_deref())?;
    }
    let first = list.history.first();
    let of_list = list.temporal_granularity.as_deref();
    let span = granularity(of_list.or(first.and_then(|i| i.temporal_granularity.as_deref())))?;
    let of_first = first.and_then(|item| item.emission_factor_type.as_deref());
    let set = factor_set(list.emission_factor_type.as_deref().or(of_first), counted);
    let updated_at = list.updated_at.as_deref().map(answer::instant).transpose()?;
    let points = list.history.iter().map(|item| point(item, span));
    let points = points.collect::<Result<Vec<_>, _>>()?;
    Values::new(points.into_iter().flatten(), updated_at, set)
}

/// The point of an item; `None` for a null.
fn point(item: &Item, span: Span) -> Result<Option<Point>, ProviderError> {
    let Some(value) = item.carbon_intensity else { return Ok(None) };
    Ok(Some(Point {
        start: answer::instant(&item.datetime)?,
        span,
        value: answer::grams(value)?,
        // Nothing said is no promise of a measurement.
        is_estimated: item.is_estimated.unwrap_or(true),
    }))
}

fn same_zone(asked: &str, got: Option<&str>) -> Result<(), ProviderError> {
    match got {
        Some(got) if got == asked => Ok(()),
        Some(_) => Err(malformed(format!("of another zone than `{asked}`"))),
        None => Err(malformed("without a zone")),
    }
}

fn granularity(name: Option<&str>) -> Result<Span, ProviderError> {
    match name {
        None | Some("hourly") => Ok(Span::HOUR),
        Some("15_minutes") => Ok(Span::MINUTE * 15),
        Some("5_minutes") => Ok(Span::MINUTE * 5),
        Some(_) => Err(malformed("of another granularity than an hour or less")),
    }
}

/// What was counted: as the answer says, else as was asked for.
fn factor_set(said: Option<&str>, asked: EmissionFactorType) -> &'static str {
    match (said, asked) {
        (Some("direct"), _) | (None, EmissionFactorType::Direct) => "electricity-maps-direct",
        (Some("lifecycle"), _) | (None, EmissionFactorType::Lifecycle) => {
            "electricity-maps-lifecycle"
        }
        (Some(_), _) => "electricity-maps",
    }
}
