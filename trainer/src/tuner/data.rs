//! The zones of a training: read, and cut into training and validation.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::forecaster::Learned;
use carbon_kube_core::intensity::{IntensitySeries, Signal};
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{Span, Time, Zone};
use carbon_kube_datasets::ReadError;
use carbon_kube_datasets::bundled::{self, Bundled};
use carbon_kube_datasets::intensity::{self, Request};
use carbon_kube_policies::forecast::file::{Loaded, ModelCard};
use carbon_kube_sim::forecast::{self, LoadError};

use super::config::{ForecastKind, Range, TrainConfig, ZoneConfig};
use super::remembered::Remembered;
use super::start::{Start, StartError};
use crate::checkpoint::sha256;
use crate::environment::world::ZoneSource;

/// Zones with their ranges, in the order of the settings. A zone may be missing in one of them.
#[derive(Clone, Debug)]
pub struct Data {
    /// Where episodes of training are cut from.
    pub training: Vec<ZoneSource>,
    /// Where episodes of validation lie.
    pub validation: Vec<ZoneSource>,
    /// How the future is seen.
    pub forecast: ForecastModel,
    /// The policy that a training starts from.
    pub start: Option<Start>,
    /// What is to be known of the forecast: where it saw hours that it is asked to foresee.
    pub notes: Vec<String>,
    /// SHA-256 of the data by name: of files, or of the values of a bundled series; of `policy/NAME`, that
    /// a training starts from.
    pub sha256: BTreeMap<String, String>,
}

/// Why there is no data.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file can't be read, or is no file of intensities.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file can't be opened.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// The forecast can't be read.
    #[error(transparent)]
    Forecast(#[from] LoadError),
    /// The policy to start from can't be.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A zone without files that is not bundled either.
    #[error("zone `{0}` has no `files`, and is not among the bundled ones")]
    NotBundled(Zone),
    /// A range that is none.
    #[error("zone `{zone}`: {problem}")]
    Range {
        /// The zone.
        zone: Zone,
        /// What is wrong.
        problem: String,
    },
}

impl Data {
    /// Reads the zones of a training; paths are relative to `base`.
    ///
    /// # Errors
    ///
    /// [`DataError`] names the zone or the file. Whether the ranges hold an episode is up to the
    /// environments.
    pub fn read(config: &TrainConfig, base: &Path) -> Result<Self, DataError> {
        let mut data = Self::nothing();
        for zone in &config.zones {
            let series = Arc::new(data.series(zone, base)?);
            let (training, validation) = ranges(zone, &series, config.embargo_days)?;
            let source = |ranges: Vec<(Time, Time)>| ZoneSource { series: series.clone(), ranges };
            data.training.extend((!training.is_empty()).then(|| source(training)));
            data.validation.extend((!validation.is_empty()).then(|| source(validation)));
        }
        data.forecast = data.forecast(&config.forecast, base)?;
        if let Some(start) = &config.start {
            data.start_from(Start::read(&start.policy, base)?);
        }
        Ok(data)
    }

    /// Zones that are in memory, for a training that starts from a policy and that nobody validates. A folder
    /// of `forecast` is relative to the working directory.
    ///
    /// # Errors
    ///
    /// [`DataError::Forecast`].
    pub fn of(
        training: Vec<ZoneSource>,
        forecast: &ForecastKind,
        start: Start,
    ) -> Result<Self, DataError> {
        let mut data = Self { training, ..Self::nothing() };
        data.forecast = data.forecast(forecast, Path::new(""))?;
        data.start_from(start);
        Ok(data)
    }

    fn nothing() -> Self {
        Self {
            training: Vec::new(),
            validation: Vec::new(),
            forecast: ForecastModel::Noisy,
            start: None,
            notes: Vec::new(),
            sha256: BTreeMap::new(),
        }
    }

    fn start_from(&mut self, start: Start) {
        let policy = start.policy();
        // The file holds the checksum of the weights.
        self.sha256.insert(format!("policy/{}", policy.file.name), policy.sha256.clone());
        self.start = Some(start);
    }

    fn forecast(&mut self, kind: &ForecastKind, base: &Path) -> Result<ForecastModel, DataError> {
        Ok(match kind {
            ForecastKind::Noisy => ForecastModel::Noisy,
            ForecastKind::Seasonal => ForecastModel::Seasonal { period: Span::DAY },
            ForecastKind::Persistence => ForecastModel::Persistence,
            ForecastKind::Perfect => ForecastModel::Perfect,
            ForecastKind::Model(source) => {
                let (yaml, _) = forecast::files(source, base)?;
                let loaded = forecast::load(source, base)?;
                // The description holds the checksum of the weights.
                self.sha256.insert(loaded.file.name.clone(), sha256(yaml.as_bytes()));
                self.notes.extend(seen(&loaded, "training", &self.training));
                self.notes.extend(seen(&loaded, "validation", &self.validation));
                let remembered = Remembered::new(Arc::new(loaded.forecaster));
                ForecastModel::Learned(Learned(Arc::new(remembered)))
            }
        })
    }

    fn series(&mut self, zone: &ZoneConfig, base: &Path) -> Result<IntensitySeries, DataError> {
        if zone.files.is_empty() {
            let series = bundled::series(&zone.zone, FactorSet::default())
                .ok_or_else(|| DataError::NotBundled(zone.zone.clone()))??;
            let is_read = |entry: &&Bundled| {
                entry.zone == zone.zone.as_str() && entry.signal == Signal::Average
            };
            if let Some(entry) = bundled::catalogue().iter().find(is_read) {
                self.sha256.insert(entry.file.to_owned(), sha256(entry.bytes()));
            }
            return Ok(series);
        }
        let files: Vec<PathBuf> = zone.files.iter().map(|file| base.join(file)).collect();
        for path in &files {
            let bytes =
                fs::read(path).map_err(|source| DataError::Io { path: path.clone(), source })?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Files of two zones may have one name.
            self.sha256.insert(format!("{}/{name}", zone.zone), sha256(&bytes));
        }
        let request = Request::of(zone.zone.clone());
        Ok(intensity::read(&files, &request)?.series)
    }
}

/// The zones of a part of the data in which the forecast was fitted to hours that it foresees.
fn seen(loaded: &Loaded, part: &str, zones: &[ZoneSource]) -> Option<String> {
    let cards = &loaded.file.models;
    let knows = |source: &&ZoneSource| {
        let zone = &source.series.label().zone;
        let has_own = cards.iter().any(|card| card.zone.as_ref() == Some(zone));
        let is_asked = |card: &&ModelCard| card.zone.as_ref() == has_own.then_some(zone);
        let overlaps = |&(from, to): &(Time, Time)| {
            cards
                .iter()
                .filter(is_asked)
                .any(|card| card.training.from < to && from < card.training.to)
        };
        source.ranges.iter().any(overlaps)
    };
    let names: Vec<String> =
        zones.iter().filter(knows).map(|zone| zone.series.label().zone.to_string()).collect();
    let name = &loaded.file.name;
    (!names.is_empty()).then(|| {
        format!(
            "the forecast `{name}` was fitted to hours of {part} in {}: it is too good there",
            names.join(", ")
        )
    })
}

type Ranges = Vec<(Time, Time)>;

/// Where episodes of training and of validation lie.
fn ranges(
    zone: &ZoneConfig,
    series: &IntensitySeries,
    embargo_days: u32,
) -> Result<(Ranges, Ranges), DataError> {
    let wrong = |problem: String| DataError::Range { zone: zone.zone.clone(), problem };
    let given = |ranges: &Vec<Range>| -> Result<Ranges, DataError> {
        let backwards = ranges.iter().find(|range| range.from >= range.to);
        match backwards {
            Some(Range { from, to }) => Err(wrong(format!("the range {from} to {to} is empty"))),
            None => Ok(ranges.iter().map(|range| (range.from, range.to)).collect()),
        }
    };
    let embargo = Span::DAY * i64::from(embargo_days);
    let validation = match &zone.validation {
        Some(ranges) => given(ranges)?,
        None => vec![default_validation(series)],
    };
    let training = match &zone.training {
        Some(ranges) => given(ranges)?,
        None => {
            let first = validation.iter().map(|(from, _)| *from).min();
            let until = first.map_or(series.end(), |first| first - embargo);
            // A zone that is validated from its first day on is not trained on.
            (series.start() < until).then_some((series.start(), until)).into_iter().collect()
        }
    };
    let near = training.iter().find_map(|(from, to)| {
        let meets = |&&(other, end): &&(Time, Time)| other < *to + embargo && *from < end + embargo;
        validation.iter().find(meets).map(|(other, end)| (*from, *to, *other, *end))
    });
    match near {
        Some((from, to, other, end)) => Err(wrong(format!(
            "training {from} to {to} is within {embargo_days} days of validation {other} to {end}"
        ))),
        None => Ok((training, validation)),
    }
}

/// 2021 where the series has it after half a year of others; otherwise the last quarter, from
/// midnight on.
fn default_validation(series: &IntensitySeries) -> (Time, Time) {
    let year = |text: &str| text.parse::<Time>().expect("the first day of a year");
    let (from, to) = (year("2021-01-01"), year("2022-01-01"));
    let half_a_year = Span::DAY * 182;
    if series.start() + half_a_year <= from && to <= series.end() {
        return (from, to);
    }
    let quarter = Span::from_millis((series.end() - series.start()).millis() / 4);
    ((series.end() - quarter).floor(Span::DAY), series.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range {
        let (from, to) = text.split_once(' ').unwrap();
        Range { from: from.parse().unwrap(), to: to.parse().unwrap() }
    }

    #[test]
    fn bundled_zones_learn_until_september_and_are_validated_from_october_on() {
        let data = Data::read(&TrainConfig::default(), Path::new("")).unwrap();
        let of = |sources: &[ZoneSource]| sources.iter().map(|s| s.ranges[0]).collect::<Vec<_>>();
        // A quarter of 366 days is 91.5; the half day counts for the validation.
        let Range { from, to } = range("2020-01-01 2020-09-24");
        assert_eq!(of(&data.training), [(from, to); 5]);
        let Range { from, to } = range("2020-10-01 2021-01-01");
        assert_eq!(of(&data.validation), [(from, to); 5]);
        assert_eq!(data.sha256.len(), 5);
    }

    #[test]
    fn training_next_to_validation_and_unknown_zones_are_refused() {
        let mut zone = ZoneConfig::new("EU-DE".parse().unwrap());
        zone.training = Some(vec![range("2020-01-01 2020-06-01")]);
        zone.validation = Some(vec![range("2020-06-05 2020-09-01")]);
        let read = |zone: &ZoneConfig| {
            let config = TrainConfig { zones: vec![zone.clone()], ..TrainConfig::default() };
            Data::read(&config, Path::new("")).unwrap_err().to_string()
        };
        assert!(read(&zone).contains("is within 7 days of validation"), "{}", read(&zone));
        zone.validation = Some(vec![range("2020-06-05 2020-06-05")]);
        assert!(read(&zone).contains("is empty"), "{}", read(&zone));
        zone.zone = "EU-XX".parse().unwrap();
        assert!(read(&zone).contains("not among the bundled ones"), "{}", read(&zone));
    }
}
