//! `forecast: {kind: model}`: a trained model, and the weather that it is told.

use std::path::Path;
use std::sync::Arc;

use carbon_kube_core::Zone;
use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::forecaster::Learned;
use carbon_kube_datasets::weather;
use carbon_kube_policies::forecast::library;

use crate::forecast;
use crate::scenario::diagnostic::{Code, Report};
use crate::scenario::spec::Forecast;

/// The model with its weather, or the truth after a report of what is wrong.
pub(super) fn read(spec: &Forecast, base_dir: &Path, report: &mut Report<'_>) -> ForecastModel {
    let source = spec.file.as_deref().unwrap_or(library::DEFAULT);
    let mut forecaster = match forecast::load(source, base_dir) {
        Ok(loaded) => loaded.forecaster,
        Err(error) => {
            let names: Vec<&str> = library::ALL.iter().map(|shipped| shipped.name).collect();
            report.error(Code::UnreadableTrace, "spec.forecast.file", error.to_string()).hint(
                format!("name a folder that `forecast train` wrote, or {}", names.join(", ")),
            );
            return ForecastModel::Perfect;
        }
    };
    for (name, path) in spec.weather.iter().flatten() {
        let key = format!("spec.forecast.weather.{name}");
        let zone = match name.parse::<Zone>() {
            Ok(zone) => zone,
            Err(error) => {
                report.error(Code::UnreadableTrace, &key, error.to_string());
                continue;
            }
        };
        match weather::read(&base_dir.join(path)) {
            Ok(hours) => {
                forecaster.weather.insert(zone, Arc::new(forecast::weather(&hours)));
            }
            Err(error) => {
                report
                    .error(Code::UnreadableTrace, &key, error.to_string())
                    .maybe_hint(super::hint(&error));
            }
        }
    }
    ForecastModel::Learned(Learned(Arc::new(forecaster)))
}
