//! `forecast: {kind: model}`: a trained model, and the weather and generation mix that it is told.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use carbon_kube_core::Zone;
use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::forecaster::Learned;
use carbon_kube_datasets::{ReadError, generation, weather};
use carbon_kube_policies::forecast::{Mix, library};

use crate::forecast;
use crate::scenario::diagnostic::{Code, Report};
use crate::scenario::spec::Forecast;

/// The model with what it is told, or the truth after a report of what is wrong.
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
    let weather =
        |path: &Path| weather::read(path).map(|hours| Arc::new(forecast::weather(&hours)));
    forecaster.weather.extend(by_zone("weather", spec.weather.as_ref(), base_dir, report, weather));
    let mix =
        |path: &Path| generation::read(path).map(|mix| Arc::new(Mix::new(mix.start, mix.hours)));
    forecaster.mix.extend(by_zone("mix", spec.mix.as_ref(), base_dir, report, mix));
    ForecastModel::Learned(Learned(Arc::new(forecaster)))
}

/// What is told of each zone, read from its file; what can't be read is reported and left out.
fn by_zone<T>(
    key: &str,
    files: Option<&BTreeMap<String, String>>,
    base_dir: &Path,
    report: &mut Report<'_>,
    read: impl Fn(&Path) -> Result<T, ReadError>,
) -> BTreeMap<Zone, T> {
    let mut told = BTreeMap::new();
    for (name, path) in files.into_iter().flatten() {
        let key = format!("spec.forecast.{key}.{name}");
        let zone = match name.parse::<Zone>() {
            Ok(zone) => zone,
            Err(error) => {
                report.error(Code::UnreadableTrace, &key, error.to_string());
                continue;
            }
        };
        match read(&base_dir.join(path)) {
            Ok(hours) => {
                told.insert(zone, hours);
            }
            Err(error) => {
                report
                    .error(Code::UnreadableTrace, &key, error.to_string())
                    .maybe_hint(super::hint(&error));
            }
        }
    }
    told
}
