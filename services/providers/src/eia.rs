//! US EIA, v2: the hourly generation mix of US zones (form 930), and from it the average, direct
//! intensity, without imports.
//!
//! What to know: values are *texts*, may be negative (a plant's own use) or null; a label is the end
//! of its hour but for PJM; an hour comes one to two hours late, at times a day, and fuel by fuel. The
//! answer echoes the key, so the bytes are never kept, and no error shows a part of them.

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::mix::Fuel;
use carbon_kube_core::{Span, Time, Zone};
use futures::future::FutureExt;
use serde::{Deserialize, Serialize};

use crate::answer::{self, Values, malformed};
use crate::config::{EiaConfig, ProviderName};
use crate::error::ProviderError;
use crate::guard::{Call, Context, Guard, Stored};
use crate::mix::Hours;
use crate::provider::{Health, Pending, Provider};
use crate::reading::{Reading, Source};
use crate::secret::KeySource;
use crate::transport::Request;

/// Rows of one page, the most that the API gives.
const PAGE: usize = 5_000;
/// The most pages of one call: ten years of nine fuels.
const MOST_PAGES: usize = 160;

/// Until then CISO's labels were the start of the hour (found by lag correlation: the sun rises an
/// hour too early else).
const CISO_CHANGE: Time = Time::from_millis(1_655_164_800_000); // 2022-06-14T00:00:00Z

/// Measured, but without imports, and corrected later.
const CONFIDENCE: f64 = 0.9;

/// US EIA.
#[derive(Debug)]
pub struct Eia {
    config: EiaConfig,
    key: KeySource,
    guard: Guard,
}

/// The rows of a page, and how many there are on all pages together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// How many rows the whole answer has.
    pub total: usize,
    /// The rows that make sense to us.
    pub rows: Vec<Row>,
    /// How many rows the page had, unknown fuels included.
    pub read: usize,
}

/// One fuel in one hour, in megawatt-hours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Start of the hour.
    pub start: Time,
    /// EIA's code of the fuel.
    pub code: String,
    /// The fuel.
    pub fuel: Fuel,
    /// What it made; `None` where EIA has nothing yet.
    pub megawatt_hours: Option<f64>,
}

#[derive(Deserialize)]
struct Answer {
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    total: Number,
    data: Vec<RawRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawRow {
    period: String,
    respondent: String,
    fueltype: String,
    value: Option<Number>,
    value_units: Option<String>,
}

/// A number, or a text that is one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(f64),
    Text(String),
}

impl Number {
    fn get(&self) -> Result<f64, ProviderError> {
        let number = match self {
            Self::Plain(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
        };
        number
            .filter(|number| number.is_finite())
            .ok_or_else(|| malformed("a value that is no number"))
    }
}

impl Eia {
    /// The source of a section.
    #[must_use]
    pub fn new(config: &EiaConfig, context: &Context) -> Self {
        let guard = Guard::new(ProviderName::Eia.as_str(), &config.guard, context);
        Self { config: config.clone(), key: config.key(), guard }
    }

    async fn ask_latest(&self, zone: &Zone) -> Result<Reading, ProviderError> {
        let now = self.guard.now();
        // Two days, so that the usual fuels of an hour are known, and a late day is bridged.
        let (from, to) = (now.floor(Span::HOUR) - Span::DAY * 2, now.ceil(Span::HOUR));
        let respondent = self.respondent(zone)?;
        let request = self.request(zone, &respondent, (from, to), 0)?;
        let call = Call { zone, name: Some("latest"), optional: false, request };
        let parse = |body: &[u8]| values(&parse(body, &respondent)?.rows, zone);
        // The hour after the newest one comes out an hour after it ended, at the earliest.
        let fresh = |values: &Values, now: Time| values.are_current(now, Span::HOUR * 2);
        let stored = self.guard.fetch(call, fresh, parse).await?;
        Ok(stored.reading(zone, Source::Eia, Signal::Average, CONFIDENCE))
    }

    async fn ask_history(
        &self,
        zone: &Zone,
        from: Time,
        to: Time,
    ) -> Result<Reading, ProviderError> {
        let respondent = self.respondent(zone)?;
        let (mut rows, mut read, mut is_whole) = (Vec::new(), 0, false);
        for _ in 0..MOST_PAGES {
            let request = self.request(zone, &respondent, (from, to), read)?;
            let call = Call { zone, name: None, optional: true, request };
            let parse = |body: &[u8]| parse(body, &respondent);
            let Stored { value: page, .. } = self.guard.fetch(call, |_, _| false, parse).await?;
            rows.extend(page.rows);
            read += page.read;
            is_whole = page.read == 0 || read >= page.total;
            if is_whole {
                break;
            }
        }
        if !is_whole {
            return Err(malformed(format!("more than {MOST_PAGES} pages; ask for less")));
        }
        let value = values(&rows, zone)?;
        let fetched_at = self.guard.now();
        let stored = Stored { value, fetched_at, etag: None, last_modified: None };
        stored.reading(zone, Source::Eia, Signal::Average, CONFIDENCE).within(from, to)
    }

    /// The hours that start in `[from, to)`, by their labels.
    fn request(
        &self,
        zone: &Zone,
        respondent: &str,
        (from, to): (Time, Time),
        offset: usize,
    ) -> Result<Request, ProviderError> {
        let key = self.key.read().map_err(|problem| self.guard.unasked(zone, problem))?;
        let base = self.config.base_url.trim_end_matches('/');
        let hour = |at: Time| at.utc().strftime("%Y-%m-%dT%H").to_string();
        Ok(Request::get(format!("{base}/electricity/rto/fuel-type-data/data/"))
            .secret_query("api_key", key)
            .query("frequency", "hourly")
            .query("data[0]", "value")
            .query("facets[respondent][]", respondent)
            .query("start", hour(from))
            // The last hour's label is its end.
            .query("end", hour(to.ceil(Span::HOUR)))
            .query("sort[0][column]", "period")
            .query("sort[0][direction]", "asc")
            // Rows of one hour in an order of their own, so that no page cuts between two.
            .query("sort[1][column]", "fueltype")
            .query("sort[1][direction]", "asc")
            .query("length", PAGE.to_string())
            .query("offset", offset.to_string()))
    }

    fn respondent(&self, zone: &Zone) -> Result<String, ProviderError> {
        let listed = || zone.info().map(|info| info.eia.as_str());
        let given = self.config.zones.get(zone).map(String::as_str).or_else(listed);
        let name = given.filter(|name| !name.is_empty());
        name.map(str::to_owned)
            .ok_or_else(|| ProviderError::NoData(format!("EIA has no respondent for `{zone}`")))
    }
}

impl Provider for Eia {
    fn name(&self) -> &'static str {
        ProviderName::Eia.as_str()
    }

    fn signal(&self) -> Signal {
        Signal::Average
    }

    fn serves(&self, zone: &Zone) -> bool {
        self.respondent(zone).is_ok()
    }

    fn latest<'a>(&'a self, zone: &'a Zone) -> Pending<'a> {
        self.ask_latest(zone).boxed()
    }

    fn history<'a>(&'a self, zone: &'a Zone, from: Time, to: Time) -> Pending<'a> {
        self.ask_history(zone, from, to).boxed()
    }

    fn health(&self) -> Health {
        self.guard.health()
    }
}

/// Reads a page. Fuels that are not generation (batteries, pumped storage) and codes that are newer
/// than this are left out.
///
/// # Errors
///
/// [`ProviderError::Malformed`] for anything that is no page about the respondent.
pub fn parse(body: &[u8], respondent: &str) -> Result<Page, ProviderError> {
    let Answer { response } = answer::json(body)?;
    let total = response.total.get()?;
    let mut rows = Vec::with_capacity(response.data.len());
    for raw in &response.data {
        if raw.respondent != respondent {
            return Err(malformed(format!("of another respondent than `{respondent}`")));
        }
        if raw.value_units.as_deref().is_some_and(|unit| unit != "megawatthours") {
            return Err(malformed("of another unit than megawatt-hours"));
        }
        let (Some(fuel), Some(start)) = (fuel(&raw.fueltype), hour_start(respondent, &raw.period)?)
        else {
            continue;
        };
        let megawatt_hours = raw.value.as_ref().map(Number::get).transpose()?;
        rows.push(Row { start, code: raw.fueltype.clone(), fuel, megawatt_hours });
    }
    Ok(Page { total: total.clamp(0.0, 1e9) as usize, rows, read: response.data.len() })
}

/// The intensities of the hours that are complete.
///
/// # Errors
///
/// [`ProviderError::NoData`] where none is.
pub fn values(rows: &[Row], zone: &Zone) -> Result<Values, ProviderError> {
    let mut hours = Hours::default();
    for row in rows {
        if let Some(amount) = row.megawatt_hours {
            hours.add(&row.code, row.fuel, row.start, Span::HOUR, amount);
        }
    }
    hours.values(zone)
}

fn fuel(code: &str) -> Option<Fuel> {
    Some(match code {
        "COL" => Fuel::Coal,
        "NG" => Fuel::Gas,
        "OIL" => Fuel::Oil,
        "NUC" => Fuel::Nuclear,
        "WAT" => Fuel::Hydro,
        // With a battery beside the plant, it is still the plant's.
        "WND" | "WNB" => Fuel::Wind,
        "SUN" | "SNB" => Fuel::Solar,
        "GEO" => Fuel::Geothermal,
        "OTH" => Fuel::Other,
        _ => return None,
    })
}

/// The start of the hour that a label such as `2026-05-12T00` is about; `None` for the one that is
/// about the same hour as the label before it.
fn hour_start(respondent: &str, label: &str) -> Result<Option<Time>, ProviderError> {
    let label = answer::instant(&format!("{label}:00Z"))?;
    Ok(match respondent {
        "PJM" => Some(label),
        "CISO" if label < CISO_CHANGE => Some(label),
        "CISO" if label == CISO_CHANGE => None,
        _ => Some(label - Span::HOUR),
    })
}
