//! The rows of one file, in order, each an intensity or none.

use carbon_kube_core::{Span, Time};

use super::glitch::Window;
use super::mix::{Generation, Mix};
use super::rule::{Reading, Refusal, Value};
use crate::error::ReadError;
use crate::table::LIMIT_ROWS;

/// A row: NaN in `grams` is a gap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) at: Time,
    pub(super) grams: f64,
    line: u32,
    /// A bit per column of the mix that has no value here.
    empty: u32,
}

/// The rows of one file and what was noticed about them.
#[derive(Debug, Default)]
pub(super) struct Readings {
    pub(super) path: String,
    pub(super) rows: Vec<Row>,
    /// Indices of rows that are glitches, in order.
    pub(super) glitches: Vec<usize>,
    /// Rows in which every fuel reads 0.
    pub(super) zero_rows: usize,
    /// Rows without the value of some fuel that others have.
    pub(super) incomplete_rows: usize,
    /// Rows that their provider calls estimated or imputed.
    pub(super) estimated_rows: usize,
    /// Length of a step, where the file says it.
    pub(super) step: Option<Span>,
    mix: Option<Mix>,
    window: Window,
    /// A bit per column of the mix that has a value in some row.
    filled: u32,
}

impl Row {
    pub(super) fn line(&self) -> u64 {
        u64::from(self.line)
    }
}

impl Readings {
    /// No rows yet; `mix` is what turns rows of a mix into intensities.
    pub(super) fn new(path: &str, mix: Option<Mix>) -> Self {
        Self { path: path.to_owned(), mix, ..Self::default() }
    }

    /// Adds a row whose intensity is known, or not known at all. Rows come sorted by time and once
    /// each.
    pub(super) fn push(
        &mut self,
        line: u64,
        at: Time,
        grams: Option<f64>,
        estimated: bool,
    ) -> Result<(), ReadError> {
        let path = || self.path.clone();
        match self.rows.last() {
            Some(last) if at == last.at => Err(ReadError::Duplicate { path: path(), line, at }),
            Some(&Row { at: before, .. }) if at < before => {
                Err(ReadError::Unsorted { path: path(), line, at, before })
            }
            _ if self.rows.len() >= LIMIT_ROWS => {
                Err(ReadError::TooManyRows { path: path(), line, limit: LIMIT_ROWS })
            }
            _ => {
                let grams = grams.unwrap_or(f64::NAN);
                self.rows.push(Row { at, grams, line: line as u32, empty: 0 });
                self.estimated_rows += usize::from(estimated);
                Ok(())
            }
        }
    }

    /// Adds what a rule read.
    pub(super) fn push_reading(
        &mut self,
        line: u64,
        at: Time,
        reading: Reading,
    ) -> Result<(), Wrong> {
        let generation = match (reading.value, &mut self.mix) {
            (Value::Mix(generation), Some(mix)) => {
                let grams = mix.grams(at.utc().year(), &generation).map_err(Wrong::Refused)?;
                self.zero_rows += usize::from(grams.is_none());
                grams.map(|grams| (grams, generation))
            }
            (Value::Grams(grams), _) => {
                return Ok(self.push(line, at, Some(grams), reading.estimated)?);
            }
            _ => None,
        };
        self.push(line, at, generation.map(|(grams, _)| grams), reading.estimated)?;
        match generation {
            Some((_, generation)) => self.watch(at, generation),
            None => self.window.interrupt(),
        }
        Ok(())
    }

    /// Looks for glitches in the row that was added last.
    fn watch(&mut self, at: Time, generation: Generation) {
        self.filled |= !generation.empty;
        if let Some(row) = self.rows.last_mut() {
            row.empty = generation.empty;
        }
        if generation.empty & self.filled != 0 {
            return self.window.interrupt();
        }
        let Some(mix) = &self.mix else { return };
        let verdict = self.window.push(at, generation, mix);
        let this = self.rows.len() - 1;
        if verdict.row_before {
            self.glitch(this.saturating_sub(1));
        }
        if verdict.this_row {
            self.glitch(this);
        }
    }

    fn glitch(&mut self, row: usize) {
        if self.glitches.last() != Some(&row) {
            self.glitches.push(row);
        }
    }

    /// The rows, now that it is known which columns the zone has at all.
    pub(super) fn complete(mut self) -> Self {
        let filled = self.filled;
        for row in self.rows.iter_mut().filter(|row| row.empty & filled != 0) {
            row.grams = f64::NAN;
            self.incomplete_rows += 1;
        }
        self.glitches.retain(|index| self.rows.get(*index).is_some_and(|row| !row.grams.is_nan()));
        self
    }
}

/// Why a row could not be added.
pub(super) enum Wrong {
    /// The row has something wrong that its fields can tell.
    Refused(Refusal),
    /// It does not fit among the others.
    Error(ReadError),
}

impl From<ReadError> for Wrong {
    fn from(error: ReadError) -> Self {
        Self::Error(error)
    }
}
