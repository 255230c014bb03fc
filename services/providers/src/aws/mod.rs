//! AWS's own accounts of what its use emitted: by month, region and service, some weeks late.
//!
//! That is no live signal, and no [`Provider`](crate::Provider): it can't say when to run what. Two
//! things it is good for. *Reconciliation*: what we say a month emitted against what AWS says, by
//! region. And a *static factor*: AWS's grams over our kilowatt-hours, for reports on regions whose
//! grid nobody publishes. AWS gives grams, never energy, so the factor is only as good as our meter,
//! and it has all of AWS's overheads in it.
//!
//! The files are Data Exports of the table `CARBON_EMISSIONS`, CSV or (feature `parquet`) Parquet;
//! `api` (feature `aws-api`) asks the Sustainability API.

#[cfg(feature = "aws-api")]
pub mod api;
#[cfg(feature = "parquet")]
mod parquet_file;

use std::collections::BTreeMap;

use carbon_kube_core::{GramsCo2e, GramsPerKwh, KilowattHours, Time};
use serde::Deserialize;

use crate::answer::malformed;
use crate::error::ProviderError;

#[cfg(feature = "parquet")]
pub use parquet_file::read_parquet;

/// What one account, service and region emitted in one month.
#[derive(Clone, Debug, PartialEq)]
pub struct Emissions {
    /// AWS's region, such as `us-east-1`; may be empty for what has none.
    pub region: String,
    /// First instant of the month.
    pub start: Time,
    /// First instant after it.
    pub end: Time,
    /// By the grid where it runs: what ours is held against.
    pub location_based: GramsCo2e,
    /// By contracts for energy; never joined with the other.
    pub market_based: Option<GramsCo2e>,
    /// AWS's method, such as `v3.0.0`. Two of them are not comparable.
    pub model_version: String,
}

/// What we and AWS say of one region and month.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconciliation {
    /// AWS's region.
    pub region: String,
    /// First instant of the month.
    pub start: Time,
    /// What we say.
    pub ours: GramsCo2e,
    /// What AWS says, location-based.
    pub theirs: GramsCo2e,
}

/// A row of an export; other columns are passed over.
#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    region_code: String,
    #[serde(default)]
    model_version: String,
    total_lbm_emissions_unit: String,
    total_lbm_emissions_value: Option<f64>,
    #[serde(default)]
    total_mbm_emissions_unit: String,
    total_mbm_emissions_value: Option<f64>,
    usage_period_start: String,
    usage_period_end: String,
}

impl Reconciliation {
    /// AWS's figure over ours; `None` where we have nothing.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (self.ours.get() > 0.0).then(|| self.theirs / self.ours)
    }
}

/// Reads an export in CSV.
///
/// # Errors
///
/// [`ProviderError::Malformed`] names the line of the first row that makes no sense.
pub fn read_csv(bytes: &[u8]) -> Result<Vec<Emissions>, ProviderError> {
    let mut reader = csv::Reader::from_reader(bytes);
    let mut rows = Vec::new();
    for (line, row) in (2..).zip(reader.deserialize::<Row>()) {
        let row =
            row.map_err(|_| malformed(format!("line {line} is no row of CARBON_EMISSIONS")))?;
        rows.push(emissions(&row).map_err(|what| malformed(format!("line {line}: {what}")))?);
    }
    Ok(rows)
}

fn emissions(row: &Row) -> Result<Emissions, &'static str> {
    let location = row.total_lbm_emissions_value.unwrap_or(0.0);
    let market = row.total_mbm_emissions_value;
    let of_market = |value| grams(value, &row.total_mbm_emissions_unit);
    let (start, end) = (month(&row.usage_period_start)?, month(&row.usage_period_end)?);
    if start >= end {
        return Err("a period that ends before it starts");
    }
    Ok(Emissions {
        region: row.region_code.clone(),
        start,
        end,
        location_based: grams(location, &row.total_lbm_emissions_unit)?,
        market_based: market.map(of_market).transpose()?,
        model_version: row.model_version.clone(),
    })
}

/// Metric tons, the one unit that AWS has.
fn grams(value: f64, unit: &str) -> Result<GramsCo2e, &'static str> {
    if !unit.eq_ignore_ascii_case("MTCO2e") {
        return Err("emissions in another unit than MTCO2e");
    }
    if !value.is_finite() || value < 0.0 {
        return Err("emissions that are negative or no number");
    }
    Ok(GramsCo2e::from_grams(value * 1e6))
}

/// `2026-01-01T00:00:00.000Z`, `2026-01-01 00:00:00.000` or `2026-01-01`.
fn month(text: &str) -> Result<Time, &'static str> {
    let date = text.get(.."2026-01-01".len()).unwrap_or_default();
    date.parse().map_err(|_| "a period that is no date")
}

/// Our months against AWS's: `ours` by region and first instant of the month. A month that either
/// lacks is left out, and so are regions without emissions on both sides.
#[must_use]
pub fn reconcile(
    ours: &BTreeMap<(String, Time), GramsCo2e>,
    theirs: &[Emissions],
) -> Vec<Reconciliation> {
    let mut months: BTreeMap<(String, Time), GramsCo2e> = BTreeMap::new();
    for row in theirs {
        *months.entry((row.region.clone(), row.start)).or_default() += row.location_based;
    }
    ours.iter()
        .filter_map(|(key, ours)| {
            let theirs = *months.get(key)?;
            let (region, start) = key.clone();
            Some(Reconciliation { region, start, ours: *ours, theirs })
        })
        .collect()
}

/// The static factor of a region: AWS's location-based grams over the energy that we measured in the
/// same months. `None` without rows or energy, and for a factor that no grid has.
#[must_use]
pub fn static_factor(
    theirs: &[Emissions],
    region: &str,
    energy: KilowattHours,
) -> Option<GramsPerKwh> {
    let mut rows = theirs.iter().filter(|row| row.region == region).peekable();
    rows.peek()?;
    let grams: GramsCo2e = rows.map(|row| row.location_based).sum();
    (energy.get() > 0.0).then(|| GramsPerKwh::new(grams.get() / energy.get())).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    const EXPORT: &str = "\
last_refresh_timestamp,location,model_version,payer_account_id,product_code,region_code,total_lbm_emissions_unit,\
total_lbm_emissions_value,total_mbm_emissions_unit,total_mbm_emissions_value,usage_account_id,usage_period_start,usage_period_end
2026-02-20T00:00:00Z,US East (N. Virginia),v3.0.0,1,AmazonEC2,us-east-1,MTCO2e,0.5,MTCO2e,0.1,2,2026-01-01T00:00:00.000Z,2026-02-01T00:00:00.000Z
2026-02-20T00:00:00Z,US East (N. Virginia),v3.0.0,1,AmazonS3,us-east-1,MTCO2e,0.25,MTCO2e,,2,2026-01-01 00:00:00.000,2026-02-01 00:00:00.000
2026-02-20T00:00:00Z,EU (Stockholm),v3.0.0,1,AmazonEC2,eu-north-1,MTCO2e,0.001,MTCO2e,0,2,2026-01-01,2026-02-01
";

    fn january() -> Time {
        "2026-01-01".parse().unwrap()
    }

    #[test]
    fn an_export_is_read_in_grams() {
        let rows = read_csv(EXPORT.as_bytes()).unwrap();
        assert_eq!(rows.len(), 3);
        assert!((rows[0].location_based.kilograms() - 500.0).abs() < 1e-9);
        assert!((rows[0].market_based.unwrap().kilograms() - 100.0).abs() < 1e-9);
        assert_eq!(rows[1].market_based, None);
        assert_eq!((rows[1].start, rows[1].model_version.as_str()), (january(), "v3.0.0"));
    }

    #[test]
    fn a_month_is_held_against_ours_and_gives_a_factor() {
        let rows = read_csv(EXPORT.as_bytes()).unwrap();
        let key = |region: &str| (region.to_owned(), january());
        let ours = [
            (key("us-east-1"), GramsCo2e::from_grams(600_000.0)),
            (key("eu-west-1"), GramsCo2e::from_grams(1.0)),
        ];
        let found = reconcile(&ours.into(), &rows);
        // 500 + 250 kg over 600 kg; Ireland is in one of the two only.
        assert_eq!(found.len(), 1);
        assert!((found[0].ratio().unwrap() - 1.25).abs() < 1e-9);
        // 750 kg over 2,000 kWh is 375 g/kWh.
        let factor = static_factor(&rows, "us-east-1", KilowattHours::from_kwh(2_000.0)).unwrap();
        assert!((factor.get() - 375.0).abs() < 1e-9);
        assert!(static_factor(&rows, "us-east-1", KilowattHours::ZERO).is_none());
        assert!(static_factor(&rows, "us-west-2", KilowattHours::from_kwh(1.0)).is_none());
    }

    #[test]
    fn another_unit_and_nonsense_are_refused_with_their_line() {
        for (old, new, expected) in [
            (
                "AmazonS3,us-east-1,MTCO2e",
                "AmazonS3,us-east-1,kgCO2e",
                "line 3: emissions in another unit",
            ),
            ("0.25", "-0.25", "line 3: emissions that are negative"),
            ("0.25", "NaN", "line 3: emissions that are negative or no number"),
            ("2026-01-01 00:00", "soon", "line 3: a period that is no date"),
            ("0.25", "x", "line 3 is no row of CARBON_EMISSIONS"),
        ] {
            let error = read_csv(EXPORT.replacen(old, new, 1).as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(read_csv(b"a,b\n1,2\n").is_err());
        assert_eq!(read_csv(b"").unwrap(), []);
    }
}
