//! What electricity costs in each zone.

use std::path::Path;
use std::sync::Arc;

use carbon_kube_core::Zone;
use carbon_kube_core::price::{self, PriceSeries};
use carbon_kube_datasets::price as file;

use super::Covered;
use crate::scenario::diagnostic::{Code, Report};
use crate::scenario::sources;
use crate::scenario::spec::{ElectricityPrice, PriceFile, PriceUnit, TimeOfUse};

/// The prices of a zone; `None` where it has none, or where they were no good.
pub(super) fn read(
    prices: Option<&ElectricityPrice>,
    zone: &Zone,
    path: &str,
    covered: &Covered,
    base_dir: &Path,
    report: &mut Report<'_>,
) -> Option<Arc<PriceSeries>> {
    let series = match prices? {
        ElectricityPrice::Constant(constant) => {
            PriceSeries::new([(covered.from, constant.usd_per_kwh)]).ok()
        }
        ElectricityPrice::TimeOfUse(hours) => time_of_use(hours, zone, covered),
        ElectricityPrice::File(file) => {
            read_file(file, &format!("{path}.file"), covered, base_dir, report)
        }
    };
    series.map(Arc::new)
}

fn time_of_use(hours: &TimeOfUse, zone: &Zone, covered: &Covered) -> Option<PriceSeries> {
    let own = hours.time_zone.as_deref().and_then(sources::clock);
    let prices = price::TimeOfUse {
        weekday: hours.weekday_usd_per_kwh,
        weekend: hours.weekend_usd_per_kwh.unwrap_or(hours.weekday_usd_per_kwh),
    };
    prices.series(&own.unwrap_or_else(|| zone.clock()), covered.from, covered.to).ok()
}

fn read_file(
    prices: &PriceFile,
    path: &str,
    covered: &Covered,
    base_dir: &Path,
    report: &mut Report<'_>,
) -> Option<PriceSeries> {
    let unit = match prices.unit {
        PriceUnit::PerKwh => 1.0,
        PriceUnit::PerMwh => 0.001,
    };
    let columns = file::Columns {
        time: prices.time_column.clone(),
        value: prices.value_column.clone(),
        usd_per_kwh: unit * prices.usd_rate,
    };
    match file::read(&base_dir.join(&prices.path), &columns) {
        Ok(series) => {
            let (first, last) = series.known();
            if first > covered.start || last < covered.end {
                let (start, end) = (covered.start, covered.end);
                let message =
                    format!("prices of {first} to {last}; the scenario needs {start} to {end}");
                report.error(Code::UnreadableTrace, path, message);
                return None;
            }
            Some(series)
        }
        Err(error) => {
            report
                .error(Code::UnreadableTrace, path, error.to_string())
                .maybe_hint(super::hint(&error));
            None
        }
    }
}
