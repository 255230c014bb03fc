//! One row of a table to one reading: what the formats with rows differ in, and what they share.
//!
//! A [`Rule`] is a format that has found its columns in a header. [`rows`] drives it over a table
//! row by row; with the feature `frames`, `bulk` drives the same rule over the columns of a large
//! file. Both push into the same [`Readings`].

use carbon_kube_core::forecast::Issue;
use carbon_kube_core::intensity::Label;
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{Time, Zone};

use super::mix::{Generation, Mix};
use super::readings::{Readings, Wrong};
use crate::error::ReadError;
use crate::instant;
use crate::table::number::Notation;
use crate::table::{Column, Row, Table};

/// The most columns of text that a rule looks at.
pub(crate) const TEXTS: usize = 4;

/// The texts of a row, in the order of [`Rule::texts`].
pub(crate) type Texts<'a> = [&'a str; TEXTS];

/// What a row means.
pub(crate) trait Rule: Clone + Send + Sync {
    /// The columns with text: the time, the place, at most [`TEXTS`].
    fn texts(&self) -> &[Column];

    /// The columns with numbers, in the order in which [`Rule::reading`] takes them; if not said,
    /// those of the mix.
    fn numbers(&self) -> &[Column] {
        self.mix().map_or(&[], |mix| &mix.columns)
    }

    /// How the numbers are written.
    fn notation(&self) -> Notation {
        Notation::Plain
    }

    /// Whether a row is read the same whatever came before it.
    #[cfg_attr(not(feature = "frames"), allow(dead_code, reason = "asked in bulk only"))]
    fn any_order(&self) -> bool {
        false
    }

    /// What turns a mix into an intensity, for rules that give one.
    fn mix(&self) -> Option<&Mix> {
        None
    }

    /// The start of the row's step; `None` for a row that is not for us. If not said, the first
    /// text is it.
    fn at(&mut self, texts: &Texts<'_>) -> Result<Option<Time>, Refusal> {
        instant::parse(texts[0]).map(Some).ok_or(Refusal::Text(0, NO_INSTANT))
    }

    /// What the row says. The numbers are finite; an empty field is `None`. If not said, they are
    /// the mix; a rule without one has to say it.
    fn reading(
        &mut self,
        _at: Time,
        _texts: &Texts<'_>,
        numbers: &[Option<f64>],
    ) -> Result<Reading, Refusal> {
        self.mix().map_or(Ok(Value::Gap), |mix| mix.value(numbers)).map(Reading::from)
    }

    /// What the series is, and the forecasts that came with it, once all rows are read.
    fn ending(self, path: &str) -> Result<Ending, ReadError>;
}

/// What a row says about its step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) value: Value,
    /// Whether the provider calls it estimated.
    pub(crate) estimated: bool,
}

/// A value, in one form or another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    /// Nothing is known.
    Gap,
    /// An intensity in g/kWh.
    Grams(f64),
    /// A mix, in the columns of the rule's [`Mix`].
    Mix(Generation),
}

/// What a file is, known at its end.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) label: Label,
    pub(crate) issues: Vec<(Time, Issue)>,
}

impl From<Value> for Reading {
    fn from(value: Value) -> Self {
        Self { value, estimated: false }
    }
}

impl From<Option<f64>> for Value {
    fn from(grams: Option<f64>) -> Self {
        grams.map_or(Self::Gap, Self::Grams)
    }
}

impl From<Label> for Ending {
    fn from(label: Label) -> Self {
        Self { label, issues: Vec::new() }
    }
}

/// Why a row can't be meant as it stands.
pub(crate) enum Refusal {
    /// A text, by its place in [`Rule::texts`]; the message ends the sentence about it.
    Text(usize, &'static str),
    /// A number, by its place in [`Rule::numbers`].
    Number(usize, &'static str),
    /// The emission factors for the mix of the row are not known.
    NoFactors(FactorSet, Zone),
}

/// The problem of a text that is no instant.
pub(crate) const NO_INSTANT: &str = "is not an instant such as `2020-06-01T00:00Z`";

/// Reads row by row.
pub(super) fn rows(
    mut table: Table<'_>,
    mut rule: impl Rule,
) -> Result<(Readings, Ending), ReadError> {
    let path = table.path().to_owned();
    let (texts, columns) = (rule.texts().to_vec(), rule.numbers().to_vec());
    let notation = rule.notation();
    let mut numbers = vec![None; columns.len()];
    let mut readings = Readings::new(&path, rule.mix().cloned());
    while let Some(row) = table.next()? {
        let refused = |refusal| error_of(&row, refusal, &texts, &columns);
        let mut fields = [""; TEXTS];
        for (field, column) in fields.iter_mut().zip(&texts) {
            *field = row.text(column);
        }
        let Some(at) = rule.at(&fields).map_err(refused)? else {
            continue;
        };
        for (number, column) in numbers.iter_mut().zip(&columns) {
            *number = row.number_in(column, notation)?;
        }
        let reading = rule.reading(at, &fields, &numbers).map_err(refused)?;
        readings.push_reading(row.line, at, reading).map_err(|wrong| match wrong {
            Wrong::Refused(refusal) => refused(refusal),
            Wrong::Error(error) => error,
        })?;
    }
    Ok((readings.complete(), rule.ending(&path)?))
}

fn error_of(row: &Row<'_>, refusal: Refusal, texts: &[Column], numbers: &[Column]) -> ReadError {
    let (column, problem) = match refusal {
        Refusal::Text(index, problem) => (texts.get(index), problem),
        Refusal::Number(index, problem) => (numbers.get(index), problem),
        Refusal::NoFactors(set, zone) => {
            let path = row.path().to_owned();
            return ReadError::NoFactors { path, set, zone: zone.to_string() };
        }
    };
    let anonymous = Column { index: usize::MAX, name: String::new() };
    row.wrong(column.unwrap_or(&anonymous), problem)
}
