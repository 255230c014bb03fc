//! `forecast predict`: the next four days of a zone.

use std::process::ExitCode;
use std::sync::Arc;

use carbon_kube_core::forecast::History;
use carbon_kube_core::{Span, Time};
use carbon_kube_policies::forecast::{Forecast, Past};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::args::PredictArgs;
use super::data::{self, ZoneData};
use crate::args::Format;
use crate::failure::Failure;
use crate::output;

pub fn run(args: &PredictArgs) -> Result<ExitCode, Failure> {
    let zone = data::one(&args.data)?;
    let at = args.at.unwrap_or(zone.series.end() - zone.series.step());
    let forecast = forecast(&zone, args.model.as_deref(), at)?;
    let label = zone.series.label();
    output::print(&match args.format {
        Format::Json => {
            let hours: Vec<Value> = forecast
                .hours
                .iter()
                .map(|hour| {
                    json!({
                        "t": hour.start, "v": hour.value, "low": hour.low(), "high": hour.high(),
                        "origin": hour.origin.to_string(),
                    })
                })
                .collect();
            let document = json!({
                "zone": label.zone, "unit": "gCO2/kWh", "signal": label.signal,
                "factorSet": label.factor_set, "issuedAt": at, "forecast": hours,
            });
            format!("{document:#}\n")
        }
        Format::Table => table(&forecast),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The forecast that would have been issued at `at`, from the past alone.
pub fn forecast(zone: &ZoneData, model: Option<&str>, at: Time) -> Result<Forecast, Failure> {
    let mut forecaster = super::model(model)?.forecaster;
    let name = &zone.series.label().zone;
    if let Some(weather) = &zone.weather {
        forecaster.weather.insert(name.clone(), Arc::clone(weather));
    }
    if let Some(mix) = &zone.mix {
        forecaster.mix.insert(name.clone(), Arc::clone(mix));
    }
    let past = Past::of(&History::new(&zone.series, at));
    forecaster.forecast(name, &past).ok_or_else(|| {
        let (first, end) = (zone.series.start(), zone.series.end());
        Failure::new(format!("zone `{name}`: nothing is known at {at}"))
            .of("--at")
            .hint(format!("choose an instant from {first} to {}", end - Span::HOUR))
    })
}

fn table(forecast: &Forecast) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["HOUR", "g/kWh", "LOW", "HIGH", "BY"]);
    for hour in &forecast.hours {
        let number = |value: f64| format!("{value:.1}");
        table.add_row([
            hour.start.to_string(),
            number(hour.value),
            number(hour.low()),
            number(hour.high()),
            hour.origin.to_string(),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}
