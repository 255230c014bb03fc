//! From the rows of one or more files to one series with a constant step.
//!
//! ```text
//! files --> joined by instant --> steps, gaps --> repaired as asked --> means over longer steps
//! ```

use std::collections::{BTreeMap, BTreeSet};

use carbon_kube_core::forecast::{Issue, RecordedForecasts};
use carbon_kube_core::intensity::{IntensitySeries, Label};
use carbon_kube_core::{Span, Time};
use serde::Serialize;

use super::Format;
use super::readings::{Readings, Row};
use super::repair::{self, Steps};
use super::request::Request;
use crate::error::ReadError;
use crate::table::LIMIT_ROWS;

/// The most steps of one series: 40 years of 30-second values. Beyond it a date is wrong.
const LIMIT_STEPS: u64 = LIMIT_ROWS as u64;

/// The most steps for each row, beyond the first eleven years of hours: a series of which less than
/// a thousandth is known has a wrong date.
const LIMIT_STEPS_PER_ROW: u64 = 1_000;
const FEW_STEPS: u64 = 100_000;

/// A file that was read.
pub(super) struct FileRead {
    pub(super) format: Format,
    pub(super) readings: Readings,
    pub(super) label: Label,
    pub(super) issues: Vec<(Time, Issue)>,
}

/// What came out of files.
#[derive(Clone, Debug)]
pub struct Import {
    /// The intensity of the zone.
    pub series: IntensitySeries,
    /// The forecasts that the files hold, as they were issued; empty for most formats.
    pub forecasts: RecordedForecasts,
    /// What was noticed.
    pub found: Found,
}

/// What was noticed while reading. Steps are counted as the files have them, before any mean over
/// longer ones.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// The format of each file.
    pub formats: Vec<Format>,
    /// Rows of our place.
    pub rows: usize,
    /// Rows that a second file has as well, with the same value.
    pub repeated_rows: usize,
    /// Rows in which every fuel reads 0: gaps.
    pub zero_rows: usize,
    /// Rows without the value of some fuel that other rows have: gaps.
    pub incomplete_rows: usize,
    /// Rows that their provider calls estimated or imputed.
    pub estimated_rows: usize,
    /// Rows of which a fuel fell to zero for one step, or all thermal plant did.
    pub glitches: usize,
    /// Steps without a value.
    pub gap_steps: usize,
    /// The longest run of them, in hours.
    pub longest_gap_hours: f64,
    /// Hours of gaps and glitches that were filled in.
    pub repaired_hours: f64,
    /// Issued forecasts.
    pub issues: usize,
    /// The step of the files, in seconds.
    pub step_seconds: f64,
}

/// Joins the files of one zone.
pub(super) fn import(mut files: Vec<FileRead>, request: &Request) -> Result<Import, ReadError> {
    let label = common_label(&files)?;
    let mut issues = Vec::new();
    for file in &mut files {
        issues.append(&mut file.issues);
    }
    issues.sort_by_key(|(at, _)| *at);
    files.sort_by_key(|file| file.readings.rows.first().map(|row| row.at));
    let mut found = found(&files, &issues);
    let name = names(&files);
    let stated = files.iter().find_map(|file| file.readings.step);
    let joined = join(files, &mut found)?;
    if joined.rows.is_empty() && !issues.is_empty() {
        let what = "holds forecasts only: read it together with a file of the series";
        return Err(ReadError::Needs { path: name, what });
    }
    let mut steps = joined.steps(&name, stated)?;
    found.step_seconds = steps.step.seconds();
    found.gap_steps = steps.values.iter().filter(|value| value.is_none()).count();
    found.longest_gap_hours = repair::longest_gap(&steps).hours();
    let repaired = repair::repair(&mut steps, request.gaps, &name)?;
    found.repaired_hours = (steps.step * repaired as i64).hours();
    if let Some(wanted) = request.step {
        steps = repair::means(&steps, wanted, &name)?;
    }
    let mut label = label;
    if repaired > 0 {
        let hours = found.repaired_hours;
        label.source = format!("{}; {hours} h repaired ({})", label.source, request.gaps);
    }
    let series = IntensitySeries::new(label, steps.start, steps.step, steps.values)
        .map_err(|source| ReadError::Series { path: name, source })?;
    Ok(Import { series, forecasts: RecordedForecasts { issues }, found })
}

/// Files that are one series: they agree in everything but their names.
fn common_label(files: &[FileRead]) -> Result<Label, ReadError> {
    let Some(first) = files.first() else {
        return Err(ReadError::Empty { path: "no file".to_owned() });
    };
    let what = |label: &Label| {
        format!("{} {}, factors {}, of {}", label.signal, label.scope, label.factor_set, label.area)
    };
    if let Some(other) = files.iter().find(|file| what(&file.label) != what(&first.label)) {
        return Err(ReadError::Mixed {
            path: other.readings.path.clone(),
            found: what(&other.label),
            other_path: first.readings.path.clone(),
            other: what(&first.label),
        });
    }
    let mut label = first.label.clone();
    if files.len() > 1 && label.source == first.readings.path {
        label.source = names(files);
    }
    Ok(label)
}

/// The files for messages and reports.
fn names(files: &[FileRead]) -> String {
    match files {
        [] => String::new(),
        [one] => one.readings.path.clone(),
        [first, more @ ..] => format!("{} and {} more", first.readings.path, more.len()),
    }
}

fn found(files: &[FileRead], issues: &[(Time, Issue)]) -> Found {
    let sum = |what: fn(&Readings) -> usize| files.iter().map(|file| what(&file.readings)).sum();
    Found {
        formats: files.iter().map(|file| file.format).collect(),
        rows: sum(|readings| readings.rows.len()),
        repeated_rows: 0,
        zero_rows: sum(|readings| readings.zero_rows),
        incomplete_rows: sum(|readings| readings.incomplete_rows),
        estimated_rows: sum(|readings| readings.estimated_rows),
        glitches: sum(|readings| readings.glitches.len()),
        gap_steps: 0,
        longest_gap_hours: 0.0,
        repaired_hours: 0.0,
        issues: issues.len(),
        step_seconds: 0.0,
    }
}

/// The rows of all files, sorted, each instant once.
struct Joined {
    rows: Vec<Row>,
    glitches: BTreeSet<Time>,
}

fn join(files: Vec<FileRead>, found: &mut Found) -> Result<Joined, ReadError> {
    let mut glitches = BTreeSet::new();
    for Readings { glitches: indices, rows, .. } in files.iter().map(|file| &file.readings) {
        glitches.extend(indices.iter().filter_map(|index| rows.get(*index)).map(|row| row.at));
    }
    let mut rows: Vec<(u32, Row)> = Vec::new();
    if let [_] = files.as_slice() {
        let rows = files.into_iter().next().map(|file| file.readings.rows).unwrap_or_default();
        return Ok(Joined { rows, glitches });
    }
    for (index, file) in files.iter().enumerate() {
        rows.extend(file.readings.rows.iter().map(|row| (index as u32, *row)));
    }
    // Stable: of one instant the row of the file that begins first comes first.
    rows.sort_by_key(|(_, row)| row.at);
    let mut joined: Vec<(u32, Row)> = Vec::with_capacity(rows.len());
    for (file, row) in rows {
        match joined.last_mut() {
            Some((other_file, other)) if other.at == row.at => {
                found.repeated_rows += 1;
                if other.grams.is_nan() {
                    (*other_file, *other) = (file, row);
                } else if !row.grams.is_nan() && (row.grams - other.grams).abs() > 1e-9 {
                    let path =
                        |file: u32| files.get(file as usize).map(|file| file.readings.path.clone());
                    return Err(ReadError::Conflict {
                        path: path(file).unwrap_or_default(),
                        line: row.line(),
                        at: row.at,
                        value: row.grams,
                        other: other.grams,
                        other_path: path(*other_file).unwrap_or_default(),
                    });
                }
            }
            _ => joined.push((file, row)),
        }
    }
    Ok(Joined { rows: joined.into_iter().map(|(_, row)| row).collect(), glitches })
}

impl Joined {
    /// Steps of equal length: the most common difference of neighbours, or what the file says it
    /// is where it has one row only. Missing rows are gaps.
    fn steps(&self, path: &str, stated: Option<Span>) -> Result<Steps, ReadError> {
        let path = || path.to_owned();
        let (Some(first), Some(last)) = (self.rows.first(), self.rows.last()) else {
            return Err(ReadError::Empty { path: path() });
        };
        let step = self.step().or(stated).unwrap_or(Span::HOUR);
        let start = first.at;
        let index = |at: Time| ((at - start).millis() / step.millis()) as u64;
        let limit = (self.rows.len() as u64 * LIMIT_STEPS_PER_ROW).clamp(FEW_STEPS, LIMIT_STEPS);
        if index(last.at) >= limit {
            return Err(ReadError::TooLong {
                path: path(),
                line: last.line(),
                steps: index(last.at).saturating_add(1),
                limit,
            });
        }
        let mut values = vec![None; index(last.at) as usize + 1];
        for row in &self.rows {
            let (at, line) = (row.at, row.line());
            if (at - start).millis() % step.millis() != 0 {
                return Err(ReadError::OffGrid { path: path(), line, at, step });
            }
            if let Some(value) = values.get_mut(index(at) as usize) {
                *value = Some(row.grams).filter(|grams| !grams.is_nan());
            }
        }
        let glitches = self.glitches.iter().map(|at| index(*at) as usize).collect();
        Ok(Steps { start, step, values, glitches })
    }

    /// The most common difference; of equally common ones the shortest.
    fn step(&self) -> Option<Span> {
        let mut counts: BTreeMap<Span, usize> = BTreeMap::new();
        for (row, next) in self.rows.iter().zip(self.rows.iter().skip(1)) {
            *counts.entry(next.at - row.at).or_default() += 1;
        }
        let most = counts.values().max().copied();
        counts.into_iter().find(|(_, count)| Some(*count) == most).map(|(step, _)| step)
    }
}
