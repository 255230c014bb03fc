//! `forecast predict`: the next four days of a zone.

use std::process::ExitCode;

use carbon_kube_core::forecast::History;
use carbon_kube_core::{Span, Time};
use carbon_kube_policies::forecast::{Expected, Forecast, Past};
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
    let (hourly, steps) = forecast(&zone, args.model.as_deref(), at)?;
    let label = zone.series.label();
    output::print(&match args.format {
        Format::Json => {
            let document = json!({
                "zone": label.zone, "unit": "gCO2/kWh", "signal": label.signal,
                "factorSet": label.factor_set, "issuedAt": at, "forecast": json(&hourly.hours),
                "steps": json(&steps),
            });
            format!("{document:#}\n")
        }
        Format::Table if steps.is_empty() => table("HOUR", &hourly.hours),
        Format::Table => format!("{}\n{}", table("STEP", &steps), table("HOUR", &hourly.hours)),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The forecast that would have been issued at `at`, from the past alone: of the hours, and of the
/// next steps where the model knows them.
pub fn forecast(
    zone: &ZoneData,
    model: Option<&str>,
    at: Time,
) -> Result<(Forecast, Vec<Expected>), Failure> {
    let mut forecaster = super::model(model)?.forecaster;
    let name = &zone.series.label().zone;
    zone.tell(&mut forecaster);
    let past = History::new(&zone.series, at);
    let hourly = forecaster.forecast(name, &Past::of(&past)).ok_or_else(|| {
        let (first, end) = (zone.series.start(), zone.series.end());
        Failure::new(format!("zone `{name}`: nothing is known at {at}"))
            .of("--at")
            .hint(format!("choose an instant from {first} to {}", end - Span::HOUR))
    })?;
    let steps = forecaster.nowcasts.get(name).map(|nowcast| nowcast.forecast(&past, &hourly));
    Ok((hourly, steps.unwrap_or_default()))
}

fn json(expected: &[Expected]) -> Vec<Value> {
    let json = |one: &Expected| {
        json!({
            "t": one.start, "v": one.value, "low": one.low(), "high": one.high(),
            "origin": one.origin.to_string(),
        })
    };
    expected.iter().map(json).collect()
}

fn table(what: &str, expected: &[Expected]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([what, "g/kWh", "LOW", "HIGH", "BY"]);
    for hour in expected {
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
