//! A web API of the Green Software Foundation's carbon-aware-sdk, and whatever source is behind it.
//!
//! The API says neither whether its values are average or marginal nor what they count, so the
//! configuration has to.

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{Span, Time, Zone};
use futures::future::FutureExt;
use serde::Deserialize;

use crate::answer::{self, Values, malformed};
use crate::config::{CarbonAwareSdkConfig, ProviderName};
use crate::error::ProviderError;
use crate::guard::{Call, Context, Guard};
use crate::provider::{Health, Pending, Provider};
use crate::reading::{Point, Reading, Source};
use crate::transport::Request;

/// What is behind it is unknown.
const CONFIDENCE: f64 = 0.8;

/// The longest length of a value that is believed.
const LONGEST: Span = Span::DAY;

/// A carbon-aware-sdk web API.
#[derive(Debug)]
pub struct CarbonAwareSdk {
    config: CarbonAwareSdkConfig,
    guard: Guard,
}

/// One value of `emissions/bylocation`.
#[derive(Deserialize)]
struct Emission {
    #[serde(alias = "Location")]
    location: String,
    #[serde(alias = "Time")]
    time: String,
    #[serde(alias = "Rating")]
    rating: Option<Rating>,
    #[serde(alias = "Duration", default)]
    duration: Option<String>,
}

/// A number, or a text that is one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Rating {
    Number(f64),
    Text(String),
}

/// One forecast of `emissions/forecasts/current`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Forecast {
    generated_at: Option<String>,
    location: String,
    forecast_data: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    timestamp: String,
    /// Minutes.
    duration: f64,
    value: Option<f64>,
}

impl CarbonAwareSdk {
    /// The source of a section.
    #[must_use]
    pub fn new(config: &CarbonAwareSdkConfig, context: &Context) -> Self {
        let guard = Guard::new(ProviderName::CarbonAwareSdk.as_str(), &config.guard, context);
        Self { config: config.clone(), guard }
    }

    async fn ask_range(
        &self,
        zone: &Zone,
        name: Option<&str>,
        from: Time,
        to: Time,
    ) -> Result<Reading, ProviderError> {
        let location = self.location(zone)?;
        let request = Request::get(self.url("emissions/bylocation"))
            .query("location", location)
            .query("time", from.to_string())
            .query("toTime", to.to_string());
        // Without a name it is a range of the past.
        let call = Call { zone, name, optional: name.is_none(), request };
        let parse = |body: &[u8]| parse(body, location, &self.config.factor_set);
        let stored = self.guard.fetch(call, Values::cover, parse).await?;
        Ok(stored.reading(zone, Source::CarbonAwareSdk, self.config.signal, CONFIDENCE))
    }

    async fn ask_latest(&self, zone: &Zone) -> Result<Reading, ProviderError> {
        let now = self.guard.now();
        let mut reading = self.ask_range(zone, Some("latest"), now - Span::DAY, now).await?;
        reading.points.retain(|point| point.start <= now);
        Ok(reading)
    }

    async fn ask_history(
        &self,
        zone: &Zone,
        from: Time,
        to: Time,
    ) -> Result<Reading, ProviderError> {
        self.ask_range(zone, None, from, to).await?.within(from, to)
    }

    async fn ask_forecast(&self, zone: &Zone) -> Result<Reading, ProviderError> {
        let location = self.location(zone)?;
        let request =
            Request::get(self.url("emissions/forecasts/current")).query("location", location);
        let call = Call { zone, name: Some("forecast"), optional: true, request };
        let parse = |body: &[u8]| parse_forecast(body, location, &self.config.factor_set);
        let stored = self.guard.fetch(call, |_, _| false, parse).await?;
        Ok(stored.reading(zone, Source::CarbonAwareSdk, self.config.signal, CONFIDENCE))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.config.base_url.trim_end_matches('/'))
    }

    fn location(&self, zone: &Zone) -> Result<&str, ProviderError> {
        let location = self.config.locations.get(zone).map(String::as_str);
        location.ok_or_else(|| ProviderError::NoData(format!("no location for `{zone}`")))
    }
}

impl Provider for CarbonAwareSdk {
    fn name(&self) -> &'static str {
        ProviderName::CarbonAwareSdk.as_str()
    }

    fn signal(&self) -> Signal {
        self.config.signal
    }

    fn serves(&self, zone: &Zone) -> bool {
        self.config.locations.contains_key(zone)
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

/// Reads the answer of `emissions/bylocation`; nulls are left out.
///
/// # Errors
///
/// [`ProviderError::Malformed`] for anything that is no answer about the location,
/// [`ProviderError::NoData`] where there is no value.
pub fn parse(body: &[u8], location: &str, factor_set: &str) -> Result<Values, ProviderError> {
    let mut emissions: Vec<Emission> = answer::json(body)?;
    if emissions.iter().any(|emission| !emission.location.eq_ignore_ascii_case(location)) {
        return Err(malformed(format!("of another location than `{location}`")));
    }
    emissions.retain(|emission| emission.rating.is_some());
    let mut points = Vec::with_capacity(emissions.len());
    for Emission { time, rating, duration, .. } in &emissions {
        let value = match rating {
            Some(Rating::Number(number)) => *number,
            Some(Rating::Text(text)) => {
                text.trim().parse().map_err(|_| malformed("a rating that is no number"))?
            }
            None => continue,
        };
        let start = answer::instant(time)?;
        let span = duration.as_deref().map(clock_time).transpose()?.unwrap_or(Span::HOUR);
        points.push(Point { start, span, value: answer::grams(value)?, is_estimated: true });
    }
    Values::new(points, None, factor_set)
}

/// Reads the answer of `emissions/forecasts/current`; nulls are left out.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_forecast(
    body: &[u8],
    location: &str,
    factor_set: &str,
) -> Result<Values, ProviderError> {
    let forecasts: Vec<Forecast> = answer::json(body)?;
    let none = || ProviderError::NoData("no forecast in the answer".to_owned());
    let forecast = forecasts.first().ok_or_else(none)?;
    if !forecast.location.eq_ignore_ascii_case(location) {
        return Err(malformed(format!("of another location than `{location}`")));
    }
    let updated_at = forecast.generated_at.as_deref().map(answer::instant).transpose()?;
    let points = forecast.forecast_data.iter().filter_map(|item| Some((item, item.value?)));
    let points = points.map(|(item, value)| {
        let start = answer::instant(&item.timestamp)?;
        let span = length(Span::from_seconds(item.duration * 60.0))?;
        Ok(Point { start, span, value: answer::grams(value)?, is_estimated: true })
    });
    Values::new(points.collect::<Result<Vec<_>, _>>()?, updated_at, factor_set)
}

/// A length as .NET writes it: `00:30:00`, or `01:00` in files.
fn clock_time(text: &str) -> Result<Span, ProviderError> {
    let no_length = || malformed("a duration that is none");
    let parts: Vec<u32> = text
        .split(':')
        .map(|part| part.parse())
        .collect::<Result<_, _>>()
        .map_err(|_| no_length())?;
    let seconds = match parts.as_slice() {
        [hours, minutes] => i64::from(*hours) * 3_600 + i64::from(*minutes) * 60,
        [hours, minutes, seconds] => {
            i64::from(*hours) * 3_600 + i64::from(*minutes) * 60 + i64::from(*seconds)
        }
        _ => return Err(no_length()),
    };
    length(Span::SECOND * seconds)
}

fn length(span: Span) -> Result<Span, ProviderError> {
    let fits = span.is_positive() && span <= LONGEST;
    if fits { Ok(span) } else { Err(malformed("a duration of nothing, or of more than a day")) }
}
