//! One row to one intensity: what the readers of this module differ in, and what they share.
//!
//! A [`Rule`] says which columns it needs and what their numbers mean. [`read`] and [`rows`] drive
//! it over a file row by row; with the feature `frames`, `bulk` drives the same rule over the
//! columns of a large file. Both push into the same [`Grid`], which alone knows steps and gaps.

use std::path::Path;

use carbon_kube_core::intensity::{IntensitySeries, Label};
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{Time, Zone};

use super::grid::Grid;
use crate::error::ReadError;
use crate::instant;
use crate::table::{Column, Table};

/// What a row means.
pub(crate) trait Rule: Clone + Send + Sync {
    /// The column with the start of the step.
    fn time(&self) -> &str;

    /// The columns with numbers, in the order in which [`Rule::grams`] takes them.
    fn numbers(&self) -> Vec<String>;

    /// The intensity of a row in g/kWh; `None` is a gap. The numbers are finite; an empty field
    /// is `None`.
    fn grams(&mut self, at: Time, numbers: &[Option<f64>]) -> Result<Option<f64>, Refusal>;

    /// What the series is; `path` is its source where the caller has not named another.
    fn label(self, path: &str) -> Label;
}

/// Why a row has no intensity and is no gap either.
pub(crate) enum Refusal {
    /// A number that can't be meant, by its place in [`Rule::numbers`]; the text ends the sentence
    /// about it.
    Number(usize, &'static str),
    /// The emission factors for the mix of the row are not known.
    NoFactors(FactorSet, Zone),
}

/// Reads a file; a bulk file in bulk, where that is compiled in.
pub(crate) fn read(path: &Path, rule: impl Rule) -> Result<IntensitySeries, ReadError> {
    // What is not to be read in bulk comes back as nothing, and the rows below say what is wrong.
    #[cfg(feature = "frames")]
    if super::bulk::is_bulk(path)
        && let Some(series) = super::bulk::read(path, rule.clone())
    {
        return Ok(series);
    }
    rows(Table::open(path)?, rule)
}

/// Reads row by row.
pub(crate) fn rows(
    mut table: Table<'_>,
    mut rule: impl Rule,
) -> Result<IntensitySeries, ReadError> {
    let (time, columns) = columns(&table, &rule)?;
    let path = table.path().to_owned();
    let mut numbers = vec![None; columns.len()];
    let mut grid = Grid::default();
    while let Some(row) = table.next()? {
        let at = instant::parse(row.text(&time))
            .ok_or_else(|| row.wrong(&time, "is not an instant such as `2020-06-01T00:00Z`"))?;
        for (number, column) in numbers.iter_mut().zip(&columns) {
            *number = row.number(column)?;
        }
        let grams = rule.grams(at, &numbers).map_err(|refusal| match refusal {
            Refusal::Number(index, problem) => row.wrong(&columns[index], problem),
            Refusal::NoFactors(set, zone) => {
                ReadError::NoFactors { path: path.clone(), set, zone: zone.to_string() }
            }
        })?;
        grid.push(&path, row.line, at, grams)?;
    }
    grid.series(&path, rule.label(&path))
}

/// The column of the time, and those of the numbers.
pub(crate) fn columns(
    table: &Table<'_>,
    rule: &impl Rule,
) -> Result<(Column, Vec<Column>), ReadError> {
    let time = table.column(rule.time())?;
    let numbers = rule.numbers().iter().map(|name| table.column(name)).collect::<Result<_, _>>()?;
    Ok((time, numbers))
}
