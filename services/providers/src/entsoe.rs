//! ENTSO-E's transparency platform: actual generation per type of European zones (document A75,
//! process A16), and from it the average, direct intensity, without imports.
//!
//! What to know: XML; "no data" is an acknowledgement with status 200 or 400; a position that is
//! missing in a period repeats the one before it (curve type A03); a series may come in quarters of
//! an hour beside one in hours; series with an `outBiddingZone` are consumption, such as pumping.

use std::collections::BTreeMap;

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::mix::Fuel;
use carbon_kube_core::{Span, Time, Zone};
use futures::future::FutureExt;
use serde::Deserialize;

use crate::answer::{self, Values, malformed};
use crate::config::{EntsoeConfig, ProviderName};
use crate::error::ProviderError;
use crate::guard::{Call, Context, Guard};
use crate::mix::Hours;
use crate::provider::{Health, Pending, Provider};
use crate::range;
use crate::reading::{Reading, Source};
use crate::secret::KeySource;
use crate::transport::Request;

/// The longest range of one call: the platform takes a year, our limit of bytes a week.
const RANGE: Span = Span::from_millis(7 * 86_400_000);

/// The most positions of one period: a year of quarter-hours.
const MOST_POSITIONS: i64 = 36_000;

/// Measured, but without imports, and corrected later.
const CONFIDENCE: f64 = 0.9;

/// Bidding zones that are known: zone, and its energy identification code. The names are ours, and
/// those of Electricity Maps.
const AREAS: [(&str, &str); 22] = [
    ("EU-DE", "10Y1001A1001A82H"),
    ("EU-FR", "10YFR-RTE------C"),
    ("AT", "10YAT-APG------L"),
    ("BE", "10YBE----------2"),
    ("CH", "10YCH-SWISSGRIDZ"),
    ("CZ", "10YCZ-CEPS-----N"),
    ("DK-DK1", "10YDK-1--------W"),
    ("DK-DK2", "10YDK-2--------M"),
    ("ES", "10YES-REE------0"),
    ("FI", "10YFI-1--------U"),
    ("IE", "10Y1001A1001A59C"),
    ("NL", "10YNL----------L"),
    ("NO-NO1", "10YNO-1--------2"),
    ("NO-NO2", "10YNO-2--------T"),
    ("NO-NO3", "10YNO-3--------J"),
    ("NO-NO4", "10YNO-4--------9"),
    ("PL", "10YPL-AREA-----S"),
    ("PT", "10YPT-REN------W"),
    ("SE-SE1", "10Y1001A1001A44P"),
    ("SE-SE2", "10Y1001A1001A45N"),
    ("SE-SE3", "10Y1001A1001A46L"),
    ("SE-SE4", "10Y1001A1001A47J"),
];

/// ENTSO-E's transparency platform.
#[derive(Debug)]
pub struct Entsoe {
    config: EntsoeConfig,
    key: KeySource,
    guard: Guard,
}

/// Either document that the platform answers with.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "TimeSeries", default)]
    series: Vec<Series>,
    #[serde(rename = "Reason", default)]
    reasons: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    code: String,
}

#[derive(Deserialize)]
struct Series {
    #[serde(rename = "inBiddingZone_Domain.mRID")]
    produced_in: Option<Text>,
    #[serde(rename = "quantity_Measure_Unit.name")]
    unit: Option<Text>,
    #[serde(rename = "MktPSRType")]
    kind: Kind,
    #[serde(rename = "Period", default)]
    periods: Vec<Period>,
}

/// The text of an element, whatever its attributes.
#[derive(Deserialize)]
struct Text {
    #[serde(rename = "$text", default)]
    text: String,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "psrType")]
    code: String,
}

#[derive(Deserialize)]
struct Period {
    #[serde(rename = "timeInterval")]
    interval: Interval,
    resolution: String,
    #[serde(rename = "Point", default)]
    points: Vec<Position>,
}

#[derive(Deserialize)]
struct Interval {
    start: String,
    end: String,
}

#[derive(Deserialize)]
struct Position {
    position: i64,
    quantity: f64,
}

impl Entsoe {
    /// The source of a section.
    #[must_use]
    pub fn new(config: &EntsoeConfig, context: &Context) -> Self {
        let guard = Guard::new(ProviderName::Entsoe.as_str(), &config.guard, context);
        Self { config: config.clone(), key: config.key(), guard }
    }

    async fn ask_latest(&self, zone: &Zone) -> Result<Reading, ProviderError> {
        let now = self.guard.now();
        // Two days, so that the usual types of an hour are known, and a late day is bridged.
        let (from, to) = (now.floor(Span::HOUR) - Span::DAY * 2, now.ceil(Span::HOUR));
        let area = self.area(zone)?;
        let request = self.request(zone, &area, (from, to))?;
        let call = Call { zone, name: Some("latest"), optional: false, request };
        // An hour comes out an hour after it ended, by law and at the earliest.
        let fresh = |values: &Values, now: Time| values.are_current(now, Span::HOUR);
        let parse = |body: &[u8]| parse(body, &area)?.values(zone);
        let stored = self.guard.fetch(call, fresh, parse).await?;
        Ok(stored.reading(zone, Source::Entsoe, Signal::Average, CONFIDENCE))
    }

    async fn ask_history(
        &self,
        zone: &Zone,
        from: Time,
        to: Time,
    ) -> Result<Reading, ProviderError> {
        let whole = (from.floor(Span::HOUR), to.ceil(Span::HOUR));
        let ask = |from, to| self.ask_range(zone, from, to);
        range::in_parts(whole.0, whole.1, RANGE, ask).await?.within(from, to)
    }

    async fn ask_range(&self, zone: &Zone, from: Time, to: Time) -> Result<Reading, ProviderError> {
        let area = self.area(zone)?;
        let request = self.request(zone, &area, (from, to))?;
        let call = Call { zone, name: None, optional: true, request };
        let parse = |body: &[u8]| parse(body, &area)?.values(zone);
        let stored = self.guard.fetch(call, |_, _| false, parse).await?;
        Ok(stored.reading(zone, Source::Entsoe, Signal::Average, CONFIDENCE))
    }

    fn request(
        &self,
        zone: &Zone,
        area: &str,
        (from, to): (Time, Time),
    ) -> Result<Request, ProviderError> {
        let key = self.key.read().map_err(|problem| self.guard.unasked(zone, problem))?;
        let minute = |at: Time| at.utc().strftime("%Y%m%d%H%M").to_string();
        Ok(Request::get(self.config.base_url.as_str())
            .secret_query("securityToken", key)
            .query("documentType", "A75")
            .query("processType", "A16")
            .query("in_Domain", area)
            .query("periodStart", minute(from))
            .query("periodEnd", minute(to)))
    }

    fn area(&self, zone: &Zone) -> Result<String, ProviderError> {
        let listed =
            || AREAS.iter().find(|(name, _)| *name == zone.as_str()).map(|(_, area)| *area);
        let given = self.config.zones.get(zone).map(String::as_str).or_else(listed);
        given
            .map(str::to_owned)
            .ok_or_else(|| ProviderError::NoData(format!("no code of an area for `{zone}`")))
    }
}

impl Provider for Entsoe {
    fn name(&self) -> &'static str {
        ProviderName::Entsoe.as_str()
    }

    fn signal(&self) -> Signal {
        Signal::Average
    }

    fn serves(&self, zone: &Zone) -> bool {
        self.area(zone).is_ok()
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

/// Reads a document into hours of generation of the area that was asked for.
///
/// # Errors
///
/// [`ProviderError::NoData`] for an acknowledgement that there is none, [`ProviderError::Malformed`]
/// for anything that is no such document.
pub fn parse(body: &[u8], area: &str) -> Result<Hours, ProviderError> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("no text"))?;
    let root = root_name(text);
    if !matches!(root, "GL_MarketDocument" | "Acknowledgement_MarketDocument") {
        return Err(malformed("no document of the platform"));
    }
    let document: Document = quick_xml::de::from_str(text)
        .map_err(|_| malformed("the XML breaks off or has another form"))?;
    if root == "Acknowledgement_MarketDocument" {
        // 999 is both "no matching data" and "the request is wrong"; only the words differ.
        let code = document.reasons.first().map_or("", |reason| reason.code.as_str());
        return Err(ProviderError::NoData(match code {
            "999" => "the platform has none for the zone and time".to_owned(),
            _ => "the platform refuses, without a reason that is known".to_owned(),
        }));
    }
    let mut hours = Hours::default();
    for series in &document.series {
        add(series, area, &mut hours)?;
    }
    Ok(hours)
}

/// The name of the first element, without its prefix.
fn root_name(text: &str) -> &str {
    let elements = text.split('<').skip(1);
    let first = elements.into_iter().find(|rest| !rest.starts_with(['?', '!']));
    let name = first.unwrap_or_default();
    let end = name.find(|c: char| c.is_whitespace() || c == '>' || c == '/').unwrap_or(name.len());
    name[..end].rsplit(':').next().unwrap_or_default()
}

fn add(series: &Series, area: &str, hours: &mut Hours) -> Result<(), ProviderError> {
    // Without a zone that it is produced in, it is consumption.
    let Some(produced_in) = &series.produced_in else { return Ok(()) };
    if produced_in.text.trim() != area {
        return Err(malformed("of another area than was asked for"));
    }
    if series.unit.as_ref().is_some_and(|unit| unit.text.trim() != "MAW") {
        return Err(malformed("of another unit than megawatts"));
    }
    let Some(fuel) = fuel(series.kind.code.trim()) else { return Ok(()) };
    for period in &series.periods {
        add_period(period, &series.kind.code, fuel, hours)?;
    }
    Ok(())
}

fn add_period(
    period: &Period,
    code: &str,
    fuel: Fuel,
    hours: &mut Hours,
) -> Result<(), ProviderError> {
    let (start, end) =
        (answer::instant(&period.interval.start)?, answer::instant(&period.interval.end)?);
    let step = resolution(&period.resolution)?;
    let length = end - start;
    let count = length.millis() / step.millis();
    if !(1..=MOST_POSITIONS).contains(&count) {
        return Err(malformed("a period without length, or of more than a year"));
    }
    let mut known: BTreeMap<i64, f64> = BTreeMap::new();
    for Position { position, quantity } in &period.points {
        if !(1..=count).contains(position) || !quantity.is_finite() {
            return Err(malformed("a position outside of its period, or no number"));
        }
        known.insert(*position, *quantity);
    }
    let mut last = None;
    for position in 1..=count {
        last = known.get(&position).copied().or(last);
        let Some(power) = last else { continue };
        hours.add(code, fuel, start + step * (position - 1), step, power);
    }
    Ok(())
}

fn resolution(text: &str) -> Result<Span, ProviderError> {
    match text.trim() {
        "PT15M" => Ok(Span::MINUTE * 15),
        "PT30M" => Ok(Span::MINUTE * 30),
        "PT60M" | "PT1H" => Ok(Span::HOUR),
        _ => Err(malformed("a resolution that is not 15, 30 or 60 minutes")),
    }
}

/// The fuel of a code; `None` for storage, which makes nothing.
fn fuel(code: &str) -> Option<Fuel> {
    Some(match code {
        "B01" | "B15" => Fuel::Biomass,
        "B02" | "B08" => Fuel::Lignite,
        "B04" => Fuel::Gas,
        "B05" => Fuel::Coal,
        "B06" | "B07" => Fuel::Oil,
        "B09" => Fuel::Geothermal,
        "B10" | "B11" | "B12" | "B13" => Fuel::Hydro,
        "B14" => Fuel::Nuclear,
        "B16" => Fuel::Solar,
        "B18" | "B19" => Fuel::Wind,
        // Coal-derived gas, waste, and what has no name.
        "B03" | "B17" | "B20" => Fuel::Other,
        _ => return None,
    })
}
