//! WattTime, v3: marginal intensity in steps of five minutes. Never joined with an average.
//!
//! A name and a password are good for a token, and a token for half an hour. Values are pounds per
//! megawatt-hour. The free plan has one region, `CAISO_NORTH`; elsewhere the API says 403.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{Span, Time, Zone};
use futures::future::FutureExt;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::answer::{self, Values, malformed};
use crate::config::{ProviderName, WatttimeConfig};
use crate::error::ProviderError;
use crate::guard::{Call, Context, Guard, Stored};
use crate::provider::{Health, Pending, Provider};
use crate::range;
use crate::reading::{Point, Reading, Source};
use crate::secret::KeySource;
use crate::transport::Request;

/// Grams in a pound over kilowatt-hours in a megawatt-hour.
const POUNDS_PER_MWH: f64 = 453.592_37 / 1_000.0;

/// A token lives for 30 minutes; another one is taken a little earlier.
const TOKEN: Span = Span::from_millis(25 * 60_000);

/// Name of the call for the live value.
const LATEST: &str = "latest";

/// The longest range of one call: the API takes 32 days.
const RANGE: Span = Span::from_millis(30 * 86_400_000);

/// A model's estimate of a thing that can't be measured.
const CONFIDENCE: f64 = 0.8;

/// The one region that stands for a zone: other zones have several, and a person has to choose.
const REGIONS: [(&str, &str); 1] = [("US-CA", "CAISO_NORTH")];

/// WattTime.
pub struct Watttime {
    config: WatttimeConfig,
    guard: Guard,
    token: Mutex<Option<(SecretString, Time)>>,
}

impl fmt::Debug for Watttime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watttime").field("config", &self.config).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Login {
    token: String,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
    meta: Meta,
}

#[derive(Deserialize)]
struct Item {
    point_time: String,
    value: Option<f64>,
}

#[derive(Deserialize)]
struct Meta {
    region: String,
    signal_type: String,
    units: String,
    data_point_period_seconds: Option<u32>,
    generated_at: Option<String>,
}

impl Watttime {
    /// The source of a section.
    #[must_use]
    pub fn new(config: &WatttimeConfig, context: &Context) -> Self {
        let guard = Guard::new(ProviderName::Watttime.as_str(), &config.guard, context);
        Self { config: config.clone(), guard, token: Mutex::default() }
    }

    async fn ask_latest(&self, zone: &Zone) -> Result<Reading, ProviderError> {
        let now = self.guard.now();
        self.ask_range(zone, Some(LATEST), now - Span::HOUR * 2, now).await
    }

    async fn ask_history(
        &self,
        zone: &Zone,
        from: Time,
        to: Time,
    ) -> Result<Reading, ProviderError> {
        range::in_parts(from, to, RANGE, |from, to| self.ask_range(zone, None, from, to)).await
    }

    async fn ask_range(
        &self,
        zone: &Zone,
        name: Option<&str>,
        from: Time,
        to: Time,
    ) -> Result<Reading, ProviderError> {
        let stored = self.ask(zone, name, &self.region(zone)?, Some((from, to))).await?;
        Ok(stored.reading(zone, Source::Watttime, Signal::Marginal, CONFIDENCE))
    }

    async fn ask_forecast(&self, zone: &Zone) -> Result<Reading, ProviderError> {
        let stored = self.ask(zone, Some("forecast"), &self.region(zone)?, None).await?;
        Ok(stored.reading(zone, Source::Watttime, Signal::Marginal, CONFIDENCE))
    }

    /// A range of the past, or else the forecast.
    async fn ask(
        &self,
        zone: &Zone,
        name: Option<&str>,
        region: &str,
        range: Option<(Time, Time)>,
    ) -> Result<Stored<Values>, ProviderError> {
        let path = if range.is_some() { "v3/historical" } else { "v3/forecast" };
        let mut request = Request::get(self.url(path))
            .query("region", region)
            .query("signal_type", "co2_moer")
            .secret_header("authorization", self.token(zone).await?);
        if let Some((from, to)) = range {
            request = request.query("start", from.to_string()).query("end", to.to_string());
        }
        let call = Call { zone, name, optional: name != Some(LATEST), request };
        self.guard.fetch(call, |_, _| false, |body| parse(body, region)).await
    }

    /// A header's value that is still good.
    async fn token(&self, zone: &Zone) -> Result<SecretString, ProviderError> {
        let now = self.guard.now();
        let kept = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((token, _)) = kept.filter(|(_, until)| now < *until) {
            return Ok(token);
        }
        let read =
            |source: KeySource| source.read().map_err(|problem| self.guard.unasked(zone, problem));
        let (user, password) = (read(self.config.user())?, read(self.config.password())?);
        let pair = format!("{}:{}", user.expose_secret(), password.expose_secret());
        let basic: SecretString = format!("Basic {}", STANDARD.encode(pair)).into();
        let request = Request::get(self.url("login")).secret_header("authorization", basic);
        let call = Call { zone, name: None, optional: false, request };
        let login = self.guard.fetch(call, |_, _| false, parse_login).await?;
        let token: SecretString = format!("Bearer {}", login.value).into();
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((token.clone(), now + TOKEN));
        Ok(token)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.config.base_url.trim_end_matches('/'))
    }

    fn region(&self, zone: &Zone) -> Result<String, ProviderError> {
        let listed =
            || REGIONS.iter().find(|(name, _)| *name == zone.as_str()).map(|(_, name)| *name);
        let given = self.config.zones.get(zone).map(String::as_str).or_else(listed);
        given
            .map(str::to_owned)
            .ok_or_else(|| ProviderError::NoData(format!("no region of WattTime for `{zone}`")))
    }
}

impl Provider for Watttime {
    fn name(&self) -> &'static str {
        ProviderName::Watttime.as_str()
    }

    fn signal(&self) -> Signal {
        Signal::Marginal
    }

    fn serves(&self, zone: &Zone) -> bool {
        self.region(zone).is_ok()
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

/// Reads the token of a login.
fn parse_login(body: &[u8]) -> Result<String, ProviderError> {
    let Login { token } = answer::json(body)?;
    // A header can't carry anything else, and its error would show the value.
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(malformed("a login without a token"));
    }
    Ok(token)
}

/// Reads `historical` or `forecast`; nulls are left out.
///
/// # Errors
///
/// [`ProviderError::Malformed`] for anything that is no answer about the region in pounds per
/// megawatt-hour, [`ProviderError::NoData`] where there is no value.
pub fn parse(body: &[u8], region: &str) -> Result<Values, ProviderError> {
    let Answer { data, meta } = answer::json(body)?;
    if meta.region != region {
        return Err(malformed(format!("of another region than `{region}`")));
    }
    if meta.signal_type != "co2_moer" || meta.units != "lbs_co2_per_mwh" {
        return Err(malformed("of another signal or unit than `co2_moer` in pounds per MWh"));
    }
    let period = meta.data_point_period_seconds.unwrap_or(300);
    if !(1..=86_400).contains(&period) {
        return Err(malformed("of steps that are no part of a day"));
    }
    let span = Span::SECOND * i64::from(period);
    let updated_at = meta.generated_at.as_deref().map(answer::instant).transpose()?;
    let points = data.iter().filter_map(|item| Some((item, item.value?)));
    let points = points.map(|(item, value)| {
        let start = answer::instant(&item.point_time)?;
        let value = answer::grams(value * POUNDS_PER_MWH)?;
        Ok(Point { start, span, value, is_estimated: true })
    });
    Values::new(points.collect::<Result<Vec<_>, _>>()?, updated_at, "watttime-moer")
}
