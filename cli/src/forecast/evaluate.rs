//! `forecast evaluate`: errors by day ahead, and the saving of planning with the forecast.

use std::process::ExitCode;

use carbon_kube_core::{Span, Time};
use carbon_kube_policies::Policy;
use carbon_kube_policies::baselines::Plan;
use carbon_kube_policies::forecast::nowcast::is_step;
use carbon_kube_policies::forecast::{Forecaster, PAST_HOURS};
use carbon_kube_trainer::forecast::accuracy::{self, DayAhead};
use carbon_kube_trainer::forecast::fit::{self, Split};
use carbon_kube_trainer::forecast::noise::{self, Noise};
use carbon_kube_trainer::forecast::nowcast::{self, StepErrors};
use carbon_kube_trainer::forecast::planning::{self, Saving};
use carbon_kube_trainer::forecast::{Issues, TrainError, ZoneHours, issues};
use comfy_table::{Table, presets};
use serde::Serialize;

use super::args::EvaluateArgs;
use super::data::{self, ZoneData};
use crate::args::Format;
use crate::failure::Failure;
use crate::output;

/// What came of one zone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Evaluated {
    zone: String,
    test_from: Time,
    test_to: Time,
    /// Hours ahead by who forecast them.
    origins: std::collections::BTreeMap<String, usize>,
    by_day: Vec<DayAhead>,
    /// Mean absolute error by hour ahead.
    mae_by_hour_grams_per_kwh: Vec<f64>,
    /// Of a grid with steps within an hour.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nowcast: Vec<StepErrors>,
    noise: Option<Noise>,
    same_hour_yesterday: Option<Saving>,
    plan: Option<Saving>,
}

pub fn run(args: &EvaluateArgs) -> Result<ExitCode, Failure> {
    let mut evaluated = Vec::new();
    for zone in data::read(&args.data)?.into_values() {
        evaluated.push(evaluate(&zone, args)?);
    }
    output::print(&match args.format {
        Format::Json => format!("{:#}\n", serde_json::json!({ "zones": evaluated })),
        Format::Table => table(&evaluated),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn evaluate(data: &ZoneData, args: &EvaluateArgs) -> Result<Evaluated, Failure> {
    let zone = ZoneHours::of(&data.series, data.weather.clone(), data.mix.clone());
    // A job of the last day needs two more days of truth.
    let warm = zone.start + Span::HOUR * PAST_HOURS as i64;
    let from = args.validate_until.or(args.train_until).unwrap_or(warm);
    let to = zone.end() - Span::DAY * 2;
    if from >= to {
        return Err(Failure::new(format!("zone `{}`: nothing to test from {from} on", zone.zone))
            .hint(format!("its data end at {}; give more files", zone.end())));
    }
    let (issues, forecaster) = issued(&zone, args, from)?;
    let jobs = planning::jobs(args.seed, args.jobs as usize, from, to);
    let saving =
        |outlooks| planning::saving(&Plan::default() as &dyn Policy, &zone, &outlooks, &jobs);
    let mut origins = std::collections::BTreeMap::new();
    for hour in issues.forecasts.iter().flat_map(|(_, forecast)| &forecast.hours[1..]) {
        *origins.entry(hour.origin.to_string()).or_default() += 1;
    }
    Ok(Evaluated {
        zone: zone.zone.to_string(),
        test_from: from,
        test_to: zone.end(),
        origins,
        by_day: accuracy::by_day(&issues),
        nowcast: nowcast(data, forecaster, args, from)?,
        mae_by_hour_grams_per_kwh: accuracy::by_hour(&issues),
        noise: noise::fit(&issues),
        same_hour_yesterday: saving(planning::same_hour_yesterday(&zone, from, zone.end())),
        plan: saving(planning::outlooks(&issues, args.delay)),
    })
}

/// A forecast per hour of the test, by a given model or by one that is trained on the hours before;
/// and who made the first of them.
fn issued<'a>(
    zone: &'a ZoneHours,
    args: &EvaluateArgs,
    from: Time,
) -> Result<(Issues<'a>, Forecaster), Failure> {
    let Some(until) = args.train_until else {
        let forecaster = super::model(args.model.as_deref())?.forecaster;
        return Ok((Issues::of(&forecaster, zone, from, zone.end()), forecaster));
    };
    let split = Split {
        zone,
        training: (zone.start, until),
        validation: args.validate_until.map(|validate| (until, validate)),
    };
    let failure = |error: TrainError| Failure::new(format!("zone `{}`: {error}", zone.zone));
    let fitted = fit::zone(&split, zone.features(), args.learners.chosen()).map_err(failure)?;
    let forecaster = issues::alone(zone, fitted.model.clone());
    let issues = match args.refit {
        Some(refit) => Issues::refitted(&fitted, zone, from, zone.end(), refit).map_err(failure)?,
        None => Issues::of(&forecaster, zone, from, zone.end()),
    };
    Ok((issues, forecaster))
}

/// How far the steps of the next hours are off, where the grid has any and there is a nowcast.
fn nowcast(
    data: &ZoneData,
    mut forecaster: Forecaster,
    args: &EvaluateArgs,
    from: Time,
) -> Result<Vec<StepErrors>, Failure> {
    let (series, name) = (&data.series, &data.series.label().zone);
    if !is_step(series.step()) {
        return Ok(Vec::new());
    }
    data.tell(&mut forecaster);
    if let Some(until) = args.train_until {
        let failure = |error: TrainError| Failure::new(format!("zone `{name}`: {error}"));
        let quarter = Span::from_millis((until - series.start()).millis() / 4);
        let (training, validation) = match args.validate_until {
            Some(validate) => ((series.start(), until), (until, validate)),
            None => ((series.start(), until - quarter), (until - quarter, until)),
        };
        let fitted = nowcast::fit(series, &forecaster, training, validation).map_err(failure)?;
        forecaster.nowcasts.insert(name.clone(), fitted);
    }
    let own = forecaster.nowcasts.get(name).filter(|own| own.step() == series.step());
    let errors = |own| nowcast::errors(series, &forecaster, own, (from, series.end()));
    Ok(own.map(errors).unwrap_or_default())
}

/// Minutes ahead that the table shows; the rest is in the JSON.
const SHOWN_MINUTES: [i64; 7] = [5, 10, 15, 30, 60, 120, 180];

fn nowcasts(evaluated: &[Evaluated]) -> Option<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "ZONE",
        "MINUTES",
        "NOWCAST g/kWh",
        "HOURLY g/kWh",
        "LATEST g/kWh",
    ]);
    for zone in evaluated {
        for row in zone.nowcast.iter().filter(|row| SHOWN_MINUTES.contains(&row.ahead_minutes)) {
            table.add_row([
                zone.zone.clone(),
                row.ahead_minutes.to_string(),
                format!("{:.2}", row.nowcast_grams_per_kwh),
                format!("{:.2}", row.hourly_grams_per_kwh),
                format!("{:.2}", row.latest_grams_per_kwh),
            ]);
        }
    }
    (!table.is_empty()).then(|| format!("\n{}\n", table.trim_fmt()))
}

fn table(evaluated: &[Evaluated]) -> String {
    let mut errors = Table::new();
    errors.load_style(presets::NOTHING).set_header([
        "ZONE",
        "DAY",
        "MAE g/kWh",
        "MAPE %",
        "PINBALL g/kWh",
        "IN 80 %",
        "IN 90 %",
    ]);
    let mut plans = Table::new();
    plans.load_style(presets::NOTHING).set_header([
        "ZONE",
        "BOUND %",
        "SAME HOUR YESTERDAY %",
        "PLAN %",
        "SHARE OF BOUND %",
        "NOISE",
        "CORRELATION",
    ]);
    for zone in evaluated {
        for day in &zone.by_day {
            errors.add_row([
                zone.zone.clone(),
                day.day.to_string(),
                format!("{:.2}", day.mae_grams_per_kwh),
                format!("{:.2}", day.mape_percent),
                format!("{:.2}", day.pinball_grams_per_kwh),
                format!("{:.1}", day.coverage80_percent),
                format!("{:.1}", day.coverage90_percent),
            ]);
        }
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
        };
        plans.add_row([
            zone.zone.clone(),
            number(zone.plan.map(|plan| plan.bound_percent), 1),
            number(zone.same_hour_yesterday.map(|plan| plan.policy_percent), 1),
            number(zone.plan.map(|plan| plan.policy_percent), 1),
            number(zone.plan.map(|plan| plan.share_percent), 1),
            number(zone.noise.map(|noise| noise.error), 3),
            number(zone.noise.map(|noise| noise.correlation), 3),
        ]);
    }
    let mut text = format!("{}\n\n{}\n", errors.trim_fmt(), plans.trim_fmt());
    let shares: Vec<f64> =
        evaluated.iter().filter_map(|zone| Some(zone.plan?.share_percent)).collect();
    if shares.len() > 1 {
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        text.push_str(&format!("\nmean share of the bound: {mean:.1} %\n"));
    }
    text.push_str(&nowcasts(evaluated).unwrap_or_default());
    for zone in evaluated {
        let origins: Vec<String> =
            zone.origins.iter().map(|(origin, hours)| format!("{origin} {hours}")).collect();
        text.push_str(&format!("{}: hours forecast by {}\n", zone.zone, origins.join(", ")));
    }
    text
}
