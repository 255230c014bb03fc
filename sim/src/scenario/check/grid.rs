//! Grid zones and their sources, as far as no file is needed.

use carbon_kube_core::Span;
use carbon_kube_core::view::ZoneSet;
use carbon_kube_datasets::intensity::Format;

use super::names;
use crate::scenario::diagnostic::{Code, Report};
use crate::scenario::spec::{ElectricityPrice, Grid, IntensityFile, Source};

/// The most values of one zone: 20 years of minutes.
const MOST_STEPS: i64 = 12_000_000;

pub(super) fn check(grid: &Grid, duration: &Span, report: &mut Report<'_>) {
    let zones = grid.zones.iter().map(|zone| zone.zone.0.as_str());
    names::unique("spec.grid.zones", "zone", zones, report);
    if grid.zones.len() > ZoneSet::MAX_ZONES {
        let message = format!("{} zones; at most 64 take part in one run", grid.zones.len());
        report.error(Code::TooManyZones, "spec.grid.zones", message);
    }
    for (i, zone) in grid.zones.iter().enumerate() {
        if let Some(pue) = zone.pue.as_ref().filter(|pue| pue.step.0 < Span::MINUTE) {
            let message = format!("expected at least 1m, found {}", pue.step);
            report.error(Code::OutOfRange, &format!("spec.grid.zones[{i}].pue.step"), message);
        }
        let path = format!("spec.grid.zones[{i}].source");
        match &zone.source {
            Some(Source::File(file)) => check_file(file, &format!("{path}.file"), report),
            Some(Source::Steps(steps)) => {
                let path = format!("{path}.steps.step");
                let step = steps.step.0;
                if step < Span::SECOND {
                    let message = format!("expected at least 1s, found {step}");
                    report.error(Code::OutOfRange, &path, message);
                } else if duration.millis() / step.millis() > MOST_STEPS {
                    let message = format!("a window of {duration} has too many steps of {step}");
                    report
                        .error(Code::OutOfRange, &path, message)
                        .hint("12 million are held at most; grid data rarely has steps below 5m");
                }
            }
            _ => {}
        }
        if let Some(ElectricityPrice::TimeOfUse(hours)) = &zone.electricity_price
            && let Some(name) = &hours.time_zone
        {
            let path = format!("spec.grid.zones[{i}].electricityPrice.timeOfUse.timeZone");
            names::time_zone(name, &path, report);
        }
    }
}

fn check_file(file: &IntensityFile, path: &str, report: &mut Report<'_>) {
    let columns = [("timeColumn", &file.time_column), ("valueColumn", &file.value_column)];
    let any = columns.iter().any(|(_, column)| column.is_some());
    let named = file.format.map_or(any, |format| format.0 == Format::Columns);
    for (key, column) in columns {
        let path = format!("{path}.{key}");
        match (named, column, file.format) {
            (true, None, _) => {
                report.error(Code::MissingKey, &path, "`format: columns` needs this key");
            }
            (false, Some(_), Some(format)) => {
                let message = format!("`format: {}` has no use for this key", format.0);
                report
                    .error(Code::UnknownKey, &path, message)
                    .hint("its columns have fixed names; use `format: columns` for other files");
            }
            _ => {}
        }
    }
}
