//! Zones and forecast of a trial, and what is to be known of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::forecaster::Learned;
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{Span, Time, Zone};
use carbon_kube_datasets::bundled;
use carbon_kube_policies::file::sha256;
use carbon_kube_policies::forecast::library;
use carbon_kube_trainer::evaluation::protocol::{EMBARGO, Protocol, Trial, TrialError, ZoneTest};

use super::args::TrialArgs;
use crate::datasets::read_failure;
use crate::failure::Failure;
use crate::forecast::{self, data};

/// A trial, and what it is made of.
pub struct Prepared {
    /// The weeks.
    pub trial: Trial,
    /// SHA-256 of the files by name.
    pub files: BTreeMap<String, String>,
    /// What the forecast is called.
    pub forecast: String,
    /// What a reader has to know about the data.
    pub notes: Vec<String>,
}

/// Reads what the options name and cuts it into weeks.
pub fn prepare(args: &TrialArgs, draws: u32) -> Result<Prepared, Failure> {
    refuse_what_nobody_is_told(args)?;
    let (zones, files) = zones(args)?;
    let mut notes = Vec::new();
    if args.data.intensity.is_empty() {
        let bundled = "these are the bundled traces of 2020, a year of training: a demonstration, \
                       no test; give other years with `--intensity ZONE=FILE`";
        notes.push(bundled.to_owned());
    }
    let (forecast, model) = forecast(args, &zones, &mut notes)?;
    let tests = zones.into_values().map(|(test, _)| test).collect();
    let protocol = Protocol { draws, seed: args.seed, ..Protocol::default() };
    let trial = Trial::new(protocol, tests, model).map_err(trial_failure)?;
    let left_out = trial.zones().iter().zip(trial.left_out()).filter(|(_, gaps)| **gaps > 0);
    notes.extend(left_out.map(|(zone, gaps)| {
        format!("zone {}: {gaps} weeks with gaps were left out", zone.series.label().zone)
    }));
    let weeks = |zone: usize| trial.weeks().iter().filter(|week| week.zone == zone).count();
    if (0..trial.zones().len()).any(|zone| weeks(zone) < FEW_WEEKS) {
        notes.push(format!(
            "zones with less than {FEW_WEEKS} weeks have intervals that are too narrow"
        ));
    }
    Ok(Prepared { trial, files, forecast, notes })
}

/// Weather and mix are for trained forecasts; others would not look at them.
fn refuse_what_nobody_is_told(args: &TrialArgs) -> Result<(), Failure> {
    let name = args.forecast.as_deref().filter(|name| PLAIN.contains(name));
    let told = [("--weather", &args.data.weather), ("--mix", &args.data.mix)];
    let given = told.iter().find(|(_, files)| !files.is_empty());
    let (Some(name), Some((option, _))) = (name, given) else {
        return Ok(());
    };
    Err(Failure::new(format!("the forecast `{name}` looks at none"))
        .of(option)
        .hint("leave it out, or name a trained forecast with `--forecast`"))
}

/// Forecasts that no training made.
const PLAIN: [&str; 4] = ["perfect", "persistence", "yesterday", "noisy"];

/// With fewer weeks in a zone than this, its bootstrap intervals are too narrow.
const FEW_WEEKS: usize = 10;

type Zones = BTreeMap<Zone, (ZoneTest, Option<data::ZoneData>)>;

fn zones(args: &TrialArgs) -> Result<(Zones, BTreeMap<String, String>), Failure> {
    let (from, to) = (args.from.unwrap_or(Time::from_millis(i64::MIN / 2)), args.to);
    let range = (from, to.unwrap_or(Time::MAX));
    if range.0 >= range.1 {
        return Err(Failure::new(format!("{} is not before {}", range.0, range.1)).of("--from"));
    }
    let read = data::read(&args.data)?;
    if read.is_empty() {
        return bundled_zones(range);
    }
    let mut files = BTreeMap::new();
    for file in &args.data.intensity {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(format!("{}/{name}", file.zone), checksum(&file.path)?);
    }
    let zones = read.into_iter().map(|(zone, data)| {
        let series = Arc::new(data.series.clone());
        (zone, (ZoneTest { series, range }, Some(data)))
    });
    Ok((zones.collect(), files))
}

fn checksum(path: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::new(format!("{}: can't read: {}", path.display(), error.kind()))
    })?;
    Ok(sha256(&bytes))
}

fn bundled_zones(range: (Time, Time)) -> Result<(Zones, BTreeMap<String, String>), Failure> {
    let (mut zones, mut files) = (BTreeMap::new(), BTreeMap::new());
    for entry in bundled::catalogue() {
        let zone: Zone = crate::datasets::zone(entry.zone)?;
        if zones.contains_key(&zone) {
            continue;
        }
        let Some(series) = bundled::series(&zone, FactorSet::default()) else {
            continue;
        };
        files.insert(entry.file.to_owned(), sha256(entry.bytes()));
        let series = Arc::new(series.map_err(read_failure)?);
        zones.insert(zone, (ZoneTest { series, range }, None));
    }
    Ok((zones, files))
}

fn trial_failure(error: TrialError) -> Failure {
    let hint = match &error {
        TrialError::TooShort { .. } => Some(
            "give more hours with `--intensity ZONE=FILE` (several files of a zone are joined), \
             close gaps with `--gaps`, or widen `--from` and `--to`",
        ),
        TrialError::Twice(_) | TrialError::World(_) => None,
    };
    Failure::new(error.to_string()).maybe_hint(hint)
}

/// The forecast of all policies, by the word that was given.
fn forecast(
    args: &TrialArgs,
    zones: &Zones,
    notes: &mut Vec<String>,
) -> Result<(String, ForecastModel), Failure> {
    let name = args.forecast.as_deref().unwrap_or(library::DEFAULT);
    let plain = match name {
        "perfect" => Some(ForecastModel::Perfect),
        "persistence" => Some(ForecastModel::Persistence),
        "yesterday" => Some(ForecastModel::Seasonal { period: Span::DAY }),
        "noisy" => Some(ForecastModel::Noisy),
        _ => None,
    };
    if let Some(model) = plain {
        if name == "perfect" {
            notes.push(
                "the forecast knows the future: what looks ahead gets what nobody has".into(),
            );
        }
        return Ok((name.to_owned(), model));
    }
    let loaded = forecast::model(Some(name)).map_err(|failure| {
        failure.of("--forecast").also("perfect, persistence, yesterday and noisy are there too")
    })?;
    let mut forecaster = loaded.forecaster;
    for (test, data) in zones.values() {
        if let Some(data) = data {
            data.tell(&mut forecaster);
        }
        let series = &test.series;
        // A week of past comes before the first hour that is judged.
        let from = (series.start() + EMBARGO).max(test.range.0);
        let judged = (from, series.end().min(test.range.1));
        let zone = &series.label().zone;
        let own = |card: &&_| is_of(card, zone, &loaded.file.models);
        let seen = loaded.file.models.iter().filter(own).find(|card| {
            card.training.from - EMBARGO < judged.1 && judged.0 < card.training.to + EMBARGO
        });
        notes.extend(seen.map(|card| {
            format!(
                "LEAK: the forecast's model `{}` was trained on {} to {}: what looks ahead is too \
                 good in {zone}",
                card.name, card.training.from, card.training.to,
            )
        }));
    }
    Ok((loaded.file.name, ForecastModel::Learned(Learned(Arc::new(forecaster)))))
}

/// Whether a model forecasts this zone: its own, or the general one where it has none.
fn is_of(
    card: &carbon_kube_policies::forecast::file::ModelCard,
    zone: &Zone,
    all: &[carbon_kube_policies::forecast::file::ModelCard],
) -> bool {
    let has_own = all.iter().any(|card| card.zone.as_ref() == Some(zone));
    match &card.zone {
        Some(own) => own == zone,
        None => !has_own,
    }
}
