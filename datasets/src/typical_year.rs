//! Fits the typical-year model of [`carbon_kube_core::typical_year`] to real series.

use std::collections::BTreeMap;

use carbon_kube_core::intensity::{IntensitySeries, Label};
use carbon_kube_core::typical_year::Month;
use carbon_kube_core::{Span, Time, Zone};

/// Why no model could be fitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// Two series stand for different things; their mean would stand for nothing.
    #[error("zone `{zone}`: can't mix `{first}` and `{second}` in one model")]
    Mixed {
        /// The zone of both.
        zone: String,
        /// What the first series is.
        first: String,
        /// What the other one is.
        second: String,
    },
    /// Hours that are given twice would count twice.
    #[error("zone `{zone}`: {at} is in two series; give one of them")]
    Overlap {
        /// The zone of both.
        zone: String,
        /// The first such hour.
        at: Time,
    },
    /// Too little data to know a spread.
    #[error(
        "zone `{zone}`: month {month} has {days} known values at {hour:02}:00 UTC; {MIN_DAYS} are needed"
    )]
    TooFew {
        /// The zone.
        zone: String,
        /// 1 to 12.
        month: u8,
        /// UTC hour.
        hour: u8,
        /// Known values of that hour.
        days: usize,
    },
}

/// Days that a month and hour need: two thirds of one month.
const MIN_DAYS: usize = 20;

/// The values of one zone by hour.
type Hours = BTreeMap<Time, f64>;

/// Fits the model: twelve months for each zone, zones in order of first appearance. Several
/// series of a zone (one per year, say) become one model.
///
/// # Errors
///
/// [`FitError`] where series of one zone differ in area or kind, overlap, or leave a month and
/// hour with fewer than 20 values.
pub fn fit(series: &[IntensitySeries]) -> Result<Vec<Month>, FitError> {
    let mut zones: Vec<&Zone> = Vec::new();
    for one in series {
        if !zones.contains(&&one.label().zone) {
            zones.push(&one.label().zone);
        }
    }
    let mut months = Vec::with_capacity(zones.len() * 12);
    for zone in zones {
        let own: Vec<&IntensitySeries> =
            series.iter().filter(|one| one.label().zone == *zone).collect();
        months.extend(fit_zone(&own)?);
    }
    Ok(months)
}

fn fit_zone(series: &[&IntensitySeries]) -> Result<Vec<Month>, FitError> {
    let hours = hours(series)?;
    let years = years(&hours);
    (1..=12).map(|month| fit_month(series[0].label(), &years, &hours, month)).collect()
}

/// Hourly means of all series, each hour once.
fn hours(series: &[&IntensitySeries]) -> Result<Hours, FitError> {
    let mut hours = Hours::new();
    for one in series {
        same_kind(series[0], one)?;
        let mut at = one.start().ceil(Span::HOUR);
        while at + Span::HOUR <= one.end() {
            if let Ok(mean) = one.mean(at, at + Span::HOUR)
                && hours.insert(at, mean.get()).is_some()
            {
                return Err(FitError::Overlap { zone: one.label().zone.to_string(), at });
            }
            at += Span::HOUR;
        }
    }
    Ok(hours)
}

fn same_kind(first: &IntensitySeries, other: &IntensitySeries) -> Result<(), FitError> {
    let kind = |series: &IntensitySeries| {
        let label = series.label();
        format!("{}, {} {}, {} factors", label.area, label.signal, label.scope, label.factor_set)
    };
    if kind(first) == kind(other) {
        return Ok(());
    }
    Err(FitError::Mixed {
        zone: first.label().zone.to_string(),
        first: kind(first),
        second: kind(other),
    })
}

/// The values of a month by UTC hour.
fn cells(hours: &Hours, month: u8) -> [Vec<f64>; 24] {
    let mut cells: [Vec<f64>; 24] = Default::default();
    for (at, value) in hours {
        if month_of(*at) == month {
            cells[hour_of(*at)].push(*value);
        }
    }
    cells
}

fn fit_month(label: &Label, years: &str, hours: &Hours, month: u8) -> Result<Month, FitError> {
    let cells = cells(hours, month);
    let (mut mean, mut sd) = ([0.0; 24], [0.0; 24]);
    for (hour, cell) in cells.iter().enumerate() {
        if cell.len() < MIN_DAYS {
            return Err(FitError::TooFew {
                zone: label.zone.to_string(),
                month,
                hour: hour as u8,
                days: cell.len(),
            });
        }
        let count = cell.len() as f64;
        mean[hour] = cell.iter().sum::<f64>() / count;
        let squares: f64 = cell.iter().map(|v| (v - mean[hour]).powi(2)).sum();
        sd[hour] = (squares / count).sqrt();
    }
    let all = || cells.iter().flatten().copied();
    Ok(Month {
        zone: label.zone.clone(),
        area: label.area.clone(),
        years: years.to_owned(),
        month,
        correlation: correlation(hours, month, &mean, &sd),
        min: all().fold(f64::INFINITY, f64::min),
        max: all().fold(0.0, f64::max),
        mean,
        sd,
    })
}

/// Lag-1 correlation of the standardised residual, over hours whose hour before is known and in
/// the same month.
fn correlation(hours: &Hours, month: u8, mean: &[f64; 24], sd: &[f64; 24]) -> f64 {
    let residual = |at: Time| -> Option<f64> {
        let value = hours.get(&at)?;
        let hour = hour_of(at);
        (month_of(at) == month && sd[hour] > 0.0).then(|| (value - mean[hour]) / sd[hour])
    };
    let (mut products, mut squares) = (0.0, 0.0);
    for at in hours.keys() {
        if let (Some(now), Some(before)) = (residual(*at), residual(*at - Span::HOUR)) {
            products += now * before;
            squares += (now * now + before * before) / 2.0;
        }
    }
    if squares > 0.0 { products / squares } else { 0.0 }
}

fn month_of(at: Time) -> u8 {
    at.utc().month() as u8
}

fn hour_of(at: Time) -> usize {
    at.utc().hour() as usize
}

fn years(hours: &Hours) -> String {
    let year = |at: Option<&Time>| at.map_or(0, |at| at.utc().year());
    let (first, last) = (year(hours.keys().next()), year(hours.keys().next_back()));
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}
