//! NESO's Carbon Intensity API: average intensity of Great Britain by half-hours, without a key.
//!
//! It counts what leaves the stacks, imports included. A half-hour has a `forecast` and, once it is
//! over, an `actual`, which is null until then: the forecast of the present half-hour is what the
//! operator expects it to be, and counts as an estimate. Data under CC BY 4.0.

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{Span, Time, Zone};
use futures::future::FutureExt;
use serde::Deserialize;

use crate::answer::{self, Values, malformed};
use crate::config::{GbCarbonIntensityConfig, ProviderName};
use crate::error::ProviderError;
use crate::guard::{Call, Context, Guard};
use crate::provider::{Health, Pending, Provider};
use crate::range;
use crate::reading::{Point, Reading, Source};
use crate::transport::Request;

/// The one zone.
const ZONE: &str = "EU-UK";

/// The longest range of one call.
const RANGE: Span = Span::from_millis(14 * 86_400_000);

/// What the operator's own figure is worth, and its expectation of the present half-hour.
const MEASURED: f64 = 1.0;
const ESTIMATED: f64 = 0.8;

/// NESO's Carbon Intensity API.
#[derive(Debug)]
pub struct GbCarbonIntensity {
    base_url: String,
    guard: Guard,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<HalfHour>,
}

#[derive(Deserialize)]
struct HalfHour {
    from: String,
    to: String,
    intensity: Intensity,
}

#[derive(Deserialize)]
struct Intensity {
    forecast: Option<f64>,
    actual: Option<f64>,
}

/// Which of the two values of a half-hour is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// What was, else what is expected.
    Actual,
    /// What is expected.
    Forecast,
}

impl GbCarbonIntensity {
    /// The source of a section.
    #[must_use]
    pub fn new(config: &GbCarbonIntensityConfig, context: &Context) -> Self {
        let name = ProviderName::GbCarbonIntensity.as_str();
        let base_url = config.base_url.trim_end_matches('/').to_owned();
        Self { base_url, guard: Guard::new(name, &config.guard, context) }
    }

    async fn ask_latest(&self, zone: &Zone) -> Result<Reading, ProviderError> {
        let now = self.guard.now();
        let from = now.floor(Span::MINUTE * 30) - Span::DAY;
        let url = self.range(from, now.floor(Span::MINUTE * 30) + Span::MINUTE * 30);
        let call = Call { zone, name: Some("latest"), optional: false, request: Request::get(url) };
        // Without what is still to come, the newest value is that of the present half-hour.
        let parse = |body: &[u8]| {
            let Values { points, updated_at, factor_set } = parse(body, Wanted::Actual)?;
            let begun = points.into_iter().filter(|point| point.start <= now);
            Values::new(begun, updated_at, factor_set)
        };
        let stored = self.guard.fetch(call, Values::cover, parse).await?;
        let mut reading =
            stored.reading(zone, Source::GbCarbonIntensity, Signal::Average, MEASURED);
        if reading.last().is_none_or(|point| point.is_estimated) {
            reading.confidence = ESTIMATED;
        }
        Ok(reading)
    }

    async fn ask_history(
        &self,
        zone: &Zone,
        from: Time,
        to: Time,
    ) -> Result<Reading, ProviderError> {
        // What is still to come is no history.
        let to = to.min(self.guard.now());
        range::in_parts(from, to, RANGE, |from, to| self.ask_range(zone, from, to)).await
    }

    async fn ask_range(&self, zone: &Zone, from: Time, to: Time) -> Result<Reading, ProviderError> {
        let request = Request::get(self.range(from, to));
        let call = Call { zone, name: None, optional: true, request };
        let parse = |body: &[u8]| parse(body, Wanted::Actual);
        let stored = self.guard.fetch(call, |_, _| false, parse).await?;
        Ok(stored.reading(zone, Source::GbCarbonIntensity, Signal::Average, MEASURED))
    }

    async fn ask_forecast(&self, zone: &Zone) -> Result<Reading, ProviderError> {
        let from = minute(self.guard.now().floor(Span::MINUTE * 30));
        let url = format!("{}/intensity/{from}/fw48h", self.base_url);
        let call =
            Call { zone, name: Some("forecast"), optional: true, request: Request::get(url) };
        let parse = |body: &[u8]| parse(body, Wanted::Forecast);
        let stored = self.guard.fetch(call, Values::begin_now, parse).await?;
        Ok(stored.reading(zone, Source::GbCarbonIntensity, Signal::Average, ESTIMATED))
    }

    fn range(&self, from: Time, to: Time) -> String {
        format!("{}/intensity/{}/{}", self.base_url, minute(from), minute(to))
    }
}

impl Provider for GbCarbonIntensity {
    fn name(&self) -> &'static str {
        ProviderName::GbCarbonIntensity.as_str()
    }

    fn signal(&self) -> Signal {
        Signal::Average
    }

    fn serves(&self, zone: &Zone) -> bool {
        zone.as_str() == ZONE
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

/// Reads an answer; half-hours without a value are left out.
///
/// # Errors
///
/// [`ProviderError::Malformed`], and [`ProviderError::NoData`] where no half-hour has a value.
pub fn parse(body: &[u8], wanted: Wanted) -> Result<Values, ProviderError> {
    let answer: Answer = answer::json(body)?;
    let points = answer.data.iter().map(|half_hour| point(half_hour, wanted));
    let points = points.collect::<Result<Vec<_>, _>>()?;
    Values::new(points.into_iter().flatten(), None, "gb-carbon-intensity")
}

fn point(half_hour: &HalfHour, wanted: Wanted) -> Result<Option<Point>, ProviderError> {
    let (start, end) = (answer::instant(&half_hour.from)?, answer::instant(&half_hour.to)?);
    if start >= end {
        return Err(malformed("a period that ends before it starts"));
    }
    let Intensity { forecast, actual } = half_hour.intensity;
    let actual = actual.filter(|_| wanted == Wanted::Actual);
    let Some(value) = actual.or(forecast) else { return Ok(None) };
    let (value, is_estimated) = (answer::grams(value)?, actual.is_none());
    Ok(Some(Point { start, span: end - start, value, is_estimated }))
}

/// An instant as the API wants it: to the minute.
fn minute(at: Time) -> String {
    at.utc().strftime("%Y-%m-%dT%H:%MZ").to_string()
}
