//! `forecast train`: a folder with models of zones and a general one.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use carbon_kube_core::{Span, Time};
use carbon_kube_policies::file::sha256;
use carbon_kube_policies::forecast::chain::Model;
use carbon_kube_policies::forecast::file::{
    self, CorrectionCard, ForecastFile, Loaded, ModelCard, NowcastCard, Range, VERSION, WEIGHTS,
    YAML,
};
use carbon_kube_policies::forecast::nowcast::is_step;
use carbon_kube_policies::forecast::{
    Features, Forecaster, HORIZON_HOURS, Nowcast, PROBABILITIES, tensors,
};
use carbon_kube_sim::report::{OutputDirectory, ReportError};
use carbon_kube_trainer::forecast::fit::{self, Fitted, Split};
use carbon_kube_trainer::forecast::{TrainError, ZoneHours, accuracy, issues, nowcast};

use super::args::TrainArgs;
use super::data::{self, ZoneData};
use crate::failure::Failure;
use crate::output;

/// A trained model and its card.
type Trained = (ModelCard, Model);

pub fn run(args: &TrainArgs) -> Result<ExitCode, Failure> {
    let data = data::read(&args.data)?;
    let zones: Vec<(ZoneHours, Vec<String>)> = data
        .values()
        .map(|zone| {
            let hours = ZoneHours::of(&zone.series, zone.weather.clone(), zone.mix.clone());
            (hours, zone.files.clone())
        })
        .collect();
    let mut nowcasts = Vec::new();
    let mut trained: Vec<Trained> = Vec::new();
    for ((zone, files), data) in zones.iter().zip(data.values()) {
        let split = split(zone, args.validate_from);
        // The models as they were before they learned the validation.
        let mut validated = Vec::new();
        // The chain of the zone: with all that there is, without the mix, without the weather.
        let all = zone.features();
        let mut chain = vec![all, Features { mix: false, ..all }, Features::ZONE];
        chain.dedup();
        for features in chain {
            let mix = if features.mix { "-mix" } else { "" };
            let weather = if features.weather { "-weather" } else { "" };
            let name = format!("{}{mix}{weather}", zone.zone);
            let fitted =
                fit_all(&[split], |split| fit::zone(&split[0], features, args.learners.chosen()))?;
            validated.push(fitted.0.clone());
            trained.push(card(name, &[split], files.clone(), fitted));
        }
        if is_step(data.series.step()) {
            nowcasts.push(nowcast(data, &split, validated)?);
        }
    }
    let splits: Vec<Split<'_>> =
        zones.iter().map(|(zone, _)| split(zone, args.validate_from)).collect();
    let fitted = fit_all(&splits, fit::general)?;
    let files = zones.iter().flat_map(|(_, files)| files.clone()).collect();
    trained.push(card("general".to_owned(), &splits, files, fitted));
    write(args, trained, nowcasts)?;
    Ok(ExitCode::SUCCESS)
}

/// A zone with less than this after `--validate-from` gives its last quarter instead.
const LEAST_VALIDATION: Span = Span::from_millis(90 * 86_400_000);

/// Learn up to the validation, take the errors from it.
fn split(zone: &ZoneHours, validate_from: Option<Time>) -> Split<'_> {
    let quarter = Span::from_millis((zone.end() - zone.start).millis() / 4);
    let enough = |from: &Time| (zone.start + quarter..zone.end() - LEAST_VALIDATION).contains(from);
    let middle =
        validate_from.filter(enough).unwrap_or_else(|| (zone.end() - quarter).floor(Span::HOUR));
    Split { zone, training: (zone.start, middle), validation: Some((middle, zone.end())) }
}

/// A fit of the first part with the errors of the second, then one of all hours with those errors.
fn fit_all(
    splits: &[Split<'_>],
    fit: impl Fn(&[Split<'_>]) -> Result<Fitted, TrainError>,
) -> Result<(Model, Model), Failure> {
    let names = || splits.iter().map(|split| split.zone.zone.to_string()).collect::<Vec<_>>();
    let failure = |error: TrainError| Failure::new(format!("{}: {error}", names().join(", ")));
    let mut fitted = fit(splits).map_err(failure)?;
    for split in splits {
        if let Some((from, to)) = split.validation {
            fitted.ridge.learn(split.zone, from, to);
        }
    }
    let all = fitted.ridge.model(carbon_kube_trainer::forecast::ridge::PENALTY);
    let all = all.and_then(|all| fit::with_line_of(&all, &fitted.model)).map_err(failure)?;
    Ok((fitted.model, all))
}

fn card(
    name: String,
    splits: &[Split<'_>],
    data: Vec<String>,
    (validated, model): (Model, Model),
) -> Trained {
    let zone =
        splits.first().filter(|_| model.level.is_some()).map(|split| split.zone.zone.clone());
    let validations = splits.iter().filter_map(|split| Some((split.zone, split.validation?)));
    let errors: Vec<f64> = validations
        .clone()
        .flat_map(|(zone, (from, to))| {
            let issues =
                issues::Issues::of(&issues::alone(zone, validated.clone()), zone, from, to);
            accuracy::by_day(&issues)
        })
        .map(|day| day.mae_grams_per_kwh)
        .collect();
    let range = |of: &dyn Fn(&Split<'_>) -> (Time, Time)| Range {
        from: splits.iter().map(|split| of(split).0).min().unwrap_or(Time::from_millis(0)),
        to: splits.iter().map(|split| of(split).1).max().unwrap_or(Time::from_millis(0)),
    };
    let card = ModelCard {
        name,
        zone,
        features: *model.linear.features(),
        level_grams_per_kwh: model.level.map(f64::from),
        training: range(&|split| (split.training.0, split.zone.end())),
        validation: range(&|split| split.validation.unwrap_or(split.training)),
        validation_mae_grams_per_kwh: errors.iter().sum::<f64>() / errors.len().max(1) as f64,
        data,
        corrections: model.corrections.iter().map(CorrectionCard::of).collect(),
    };
    (card, model)
}

/// The next hours step by step, on top of models of the zone that have not seen the validation.
fn nowcast(
    data: &ZoneData,
    split: &Split<'_>,
    models: Vec<Model>,
) -> Result<(NowcastCard, Nowcast), Failure> {
    let zone = &split.zone.zone;
    let mut forecaster = Forecaster::default();
    forecaster.zones.insert(zone.clone(), models);
    data.tell(&mut forecaster);
    let validation = split.validation.unwrap_or(split.training);
    let nowcast = nowcast::fit(&data.series, &forecaster, split.training, validation)
        .map_err(|error| Failure::new(format!("{zone}: {error}")))?;
    let errors = nowcast::errors(&data.series, &forecaster, &nowcast, validation);
    let range = |(from, to)| Range { from, to };
    let card = NowcastCard {
        name: format!("{zone}-nowcast"),
        zone: zone.clone(),
        step_minutes: (data.series.step().millis() / Span::MINUTE.millis()) as u32,
        level_grams_per_kwh: f64::from(nowcast.level()),
        training: range(split.training),
        validation: range(validation),
        validation_mae_grams_per_kwh: errors
            .iter()
            .map(|row| row.nowcast_grams_per_kwh)
            .sum::<f64>()
            / errors.len().max(1) as f64,
    };
    Ok((card, nowcast))
}

fn write(
    args: &TrainArgs,
    trained: Vec<Trained>,
    nowcasts: Vec<(NowcastCard, Nowcast)>,
) -> Result<(), Failure> {
    let (cards, models): (Vec<ModelCard>, Vec<Model>) = trained.into_iter().unzip();
    let by_name: BTreeMap<String, Model> =
        cards.iter().map(|card| card.name.clone()).zip(models).collect();
    let refused = |error: file::ForecastFileError| Failure::new(error.to_string());
    let (of_nowcasts, nowcasts): (Vec<NowcastCard>, Vec<Nowcast>) = nowcasts.into_iter().unzip();
    let names = of_nowcasts.iter().map(|card| card.name.clone());
    let nowcasts = names.zip(nowcasts).collect();
    let weights = tensors::write(&by_name, &nowcasts).map_err(refused)?;
    let file = ForecastFile {
        version: VERSION,
        name: args.name.clone(),
        description: args.description.clone(),
        horizon_hours: HORIZON_HOURS,
        probabilities: PROBABILITIES.to_vec(),
        weights_sha256: sha256(&weights),
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
        command: "carbon-kube forecast train".to_owned(),
        models: cards,
        nowcasts: of_nowcasts,
    };
    let yaml = file::yaml(&file);
    // What is written can be read: the limits of the file are those of a ConfigMap.
    let loaded = Loaded::parse(&yaml, &weights, None).map_err(|error| {
        refused(error).hint("train fewer zones: one file has room for about seven with weather")
    })?;
    write_folder(&args.out, &yaml, &weights, &loaded.sha256)
        .map_err(|error| Failure::new(error.to_string()).maybe_hint(error.hint()))?;
    for card in &file.models {
        output::remark(&format!(
            "{}: mean absolute error {:.1} g/kWh in validation",
            card.name, card.validation_mae_grams_per_kwh
        ));
    }
    Ok(())
}

fn write_folder(out: &Path, yaml: &str, weights: &[u8], sha256: &str) -> Result<(), ReportError> {
    let directory = OutputDirectory::create(out, false)?;
    directory.write(YAML, yaml.as_bytes())?;
    directory.write(WEIGHTS, weights)?;
    directory.write("SHA256SUMS", format!("{sha256}  {YAML}\n").as_bytes())?;
    directory.commit().map(|_| ())
}
