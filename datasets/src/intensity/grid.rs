//! From rows with instants to a series with a constant step.

use std::collections::BTreeMap;

use carbon_kube_core::intensity::{IntensitySeries, Label};
use carbon_kube_core::{Span, Time};

use crate::error::ReadError;
use crate::table::LIMIT_ROWS;

/// The most steps of one series: 40 years of 30-second values. Beyond it a date is wrong.
const LIMIT_STEPS: u64 = LIMIT_ROWS as u64;

/// Rows as they come.
#[derive(Default)]
pub(crate) struct Grid {
    rows: Vec<(Time, Option<f64>, u64)>,
}

impl Grid {
    /// Adds a row. Rows come sorted by time and once each.
    pub(crate) fn push(
        &mut self,
        path: &str,
        line: u64,
        at: Time,
        value: Option<f64>,
    ) -> Result<(), ReadError> {
        let path = || path.to_owned();
        match self.rows.last() {
            Some((before, ..)) if at == *before => {
                Err(ReadError::Duplicate { path: path(), line, at })
            }
            Some(&(before, ..)) if at < before => {
                Err(ReadError::Unsorted { path: path(), line, at, before })
            }
            _ if self.rows.len() >= LIMIT_ROWS => {
                Err(ReadError::TooManyRows { path: path(), line, limit: LIMIT_ROWS })
            }
            _ => {
                self.rows.push((at, value, line));
                Ok(())
            }
        }
    }

    /// The series: its step is the most common difference of neighbours, missing rows are gaps.
    pub(crate) fn series(self, path: &str, label: Label) -> Result<IntensitySeries, ReadError> {
        let path = || path.to_owned();
        let (Some(&(first, ..)), Some(&(last, _, line))) = (self.rows.first(), self.rows.last())
        else {
            return Err(ReadError::Empty { path: path() });
        };
        let step = self.step();
        let index = |at: Time| ((at - first).millis() / step.millis()) as u64;
        if index(last) >= LIMIT_STEPS {
            return Err(ReadError::TooLong {
                path: path(),
                line,
                steps: index(last).saturating_add(1),
                limit: LIMIT_STEPS,
            });
        }
        let mut values = vec![None; index(last) as usize + 1];
        for &(at, value, line) in &self.rows {
            if (at - first).millis() % step.millis() != 0 {
                return Err(ReadError::OffGrid { path: path(), line, at, step });
            }
            values[index(at) as usize] = value;
        }
        IntensitySeries::new(label, first, step, values)
            .map_err(|source| ReadError::Series { path: path(), source })
    }

    /// The most common difference; of equally common ones the shortest. A single row is an hour.
    fn step(&self) -> Span {
        let mut counts: BTreeMap<Span, usize> = BTreeMap::new();
        for pair in self.rows.windows(2) {
            *counts.entry(pair[1].0 - pair[0].0).or_default() += 1;
        }
        let most = counts.values().max().copied();
        counts
            .into_iter()
            .find(|(_, count)| Some(*count) == most)
            .map_or(Span::HOUR, |(step, _)| step)
    }
}
