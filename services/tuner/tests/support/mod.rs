//! Histories and inputs whose answer is known.

#![allow(dead_code, reason = "each test takes a part of it")]

use carbon_kube_core::documents::{HistoryDocument, HistorySeries, Scale};
use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{Span, Time};
use carbon_kube_tuner::candidates::Files;
use carbon_kube_tuner::config::{Config, Configuration};
use carbon_kube_tuner::history;
use carbon_kube_tuner::judge::{InForce, Inputs};
use carbon_kube_tuner::workload::Workload;

/// End of every history here; a midnight.
pub fn end() -> Time {
    "2026-06-15T00:00:00Z".parse().unwrap()
}

/// Waits for nothing: the grids here have at most 454 g/kWh. Its bounds are wide.
pub const NEVER_WAITS: &str = "kind: threshold\nsettings: {gramsPerKwh: 900}\n\
                               bounds: {minGramsPerKwh: 0, maxGramsPerKwh: 9000}";

/// A fortnight of hours: clean at noon and dirty at midnight, each day a little other than the one before.
pub fn sunny(zone: &str) -> HistorySeries {
    hours(zone, sun)
}

/// The same over so many days.
pub fn sunny_days(zone: &str, days: i64) -> HistorySeries {
    days_of(zone, days, sun)
}

fn sun(hour: i64, day: i64) -> f64 {
    let angle = (hour as f64 - 12.0) / 24.0 * std::f64::consts::TAU;
    300.0 - 150.0 * angle.cos() + (day % 5) as f64
}

/// The same at all hours: nothing can be saved.
pub fn flat(zone: &str) -> HistorySeries {
    hours(zone, |_, _| 300.0)
}

/// A fortnight of a zone, by hour of the day and number of the day.
pub fn hours(zone: &str, value: impl Fn(i64, i64) -> f64) -> HistorySeries {
    days_of(zone, 14, value)
}

fn days_of(zone: &str, days: i64, value: impl Fn(i64, i64) -> f64) -> HistorySeries {
    let values = (0..days * 24).map(|hour| Some(value(hour % 24, hour / 24)));
    HistorySeries {
        scale: Scale {
            zone: zone.parse().unwrap(),
            signal: Signal::Average,
            factor_set: "lifecycle".to_owned(),
        },
        source: "electricity-maps".to_owned(),
        confidence: 1.0,
        from: end() - Span::DAY * days,
        step_minutes: 60,
        updated_at: end(),
        values: values.collect(),
        estimated: Vec::new(),
    }
}

/// A policy by the rest of its file.
pub fn policy(rest: &str) -> InForce {
    let yaml = format!("version: 1\nname: old\n{rest}\n");
    InForce::Policy(Box::new(Files::parse(yaml, None, None).unwrap()))
}

/// Inputs with the built-in workload, an hour after the history ends.
pub fn inputs(series: Vec<HistorySeries>, in_force: InForce) -> Inputs {
    let document = HistoryDocument::new(series);
    Inputs {
        history: history::series(&document).map_err(|error| error.to_string()),
        history_sha256: Some("00".repeat(32)),
        in_force,
        workload: Workload::BuiltIn,
        others: Vec::new(),
        before: None,
        now: end() + Span::HOUR,
    }
}

pub fn config(text: &str) -> Config {
    Config::parse("test.yaml", text).unwrap()
}
