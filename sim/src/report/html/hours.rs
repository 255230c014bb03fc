//! What the page takes from `zones.parquet`: intensity and power of each zone over time.

use std::path::Path;

use arrow_array::Array;
use carbon_kube_core::{Span, Time};

use super::super::Summary;
use super::PageError;
use super::columns::{Batch, Table};

/// Points of a line that can still be told apart in a picture as wide as a hand.
const POINTS: usize = 400;

/// One zone under one policy, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Start of each row.
    pub starts: Vec<Time>,
    /// Intensity in g/kWh; NaN beyond the trace.
    pub intensity: Vec<f64>,
    /// Mean power of the pods, in watts.
    pub pod_watts: Vec<f64>,
}

/// The lines of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    /// By policy, then by zone, in the order of the summary.
    lines: Vec<Vec<Line>>,
    /// Length of a row.
    interval: Span,
    /// Rows that make one point of a picture.
    rows_per_point: usize,
}

/// A line with its last edge: `values[i]` holds from `edges[i]` to `edges[i + 1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Steps {
    pub edges: Vec<Time>,
    pub values: Vec<f64>,
}

const COLUMNS: [&str; 5] = ["policy", "zone", "start", "intensity_g_per_kwh", "pod_watts"];

/// Reads the lines of each policy of the summary.
pub fn read(path: &Path, summary: &Summary) -> Result<Hours, PageError> {
    let policies: Vec<String> = summary.runs.iter().map(|run| run.policy.clone()).collect();
    let zones: Vec<String> = summary.grid.iter().map(|source| source.zone.clone()).collect();
    let mut lines = vec![vec![Line::default(); zones.len()]; policies.len()];
    Table::open(path, &COLUMNS, summary)?
        .read(|batch| add(batch, &policies, &zones, &mut lines))?;
    Ok(Hours::new(lines))
}

fn add(
    batch: &Batch<'_>,
    policies: &[String],
    zones: &[String],
    lines: &mut [Vec<Line>],
) -> Result<(), PageError> {
    let policy = batch.positions("policy", policies)?;
    let zone = batch.positions("zone", zones)?;
    let starts = batch.instants("start")?;
    let (intensity, watts) = (batch.numbers("intensity_g_per_kwh")?, batch.numbers("pod_watts")?);
    for row in 0..batch.rows() {
        let line = policy.get(row).and_then(|&policy| lines.get_mut(policy));
        let line = line.zip(zone.get(row)).and_then(|(lines, &zone)| lines.get_mut(zone));
        let Some(line) = line else { continue };
        line.starts.push(Time::from_millis(starts.value(row)));
        line.intensity.push(if intensity.is_valid(row) { intensity.value(row) } else { f64::NAN });
        line.pod_watts.push(watts.value(row));
    }
    Ok(())
}

impl Hours {
    fn new(lines: Vec<Vec<Line>>) -> Self {
        let longest = lines.iter().flatten().max_by_key(|line| line.starts.len());
        let interval = longest
            .and_then(|line| Some(*line.starts.get(1)? - *line.starts.first()?))
            .unwrap_or(Span::HOUR);
        let rows = longest.map_or(0, |line| line.starts.len());
        // Whole hours and days where rows are hours: 24 for a year, not 22.
        let rows_per_point = [1, 2, 3, 4, 6, 12, 24, 48, 168, 336, 672]
            .into_iter()
            .find(|per_point| rows / per_point <= POINTS)
            .unwrap_or(rows / POINTS + 1);
        Self { lines, interval, rows_per_point }
    }

    /// Time that one point of a picture stands for.
    pub fn step(&self) -> Span {
        self.interval * self.rows_per_point as i64
    }

    /// First and last instant of all lines; `None` where there are no rows.
    pub fn window(&self) -> Option<(Time, Time)> {
        let lines = || self.lines.iter().flatten();
        let first = lines().filter_map(|line| line.starts.first()).min()?;
        let last = lines().filter_map(|line| line.starts.last()).max()?;
        Some((*first, *last + self.interval))
    }

    /// Mean intensity of a zone in g/kWh, from the run that saw the most of it.
    pub fn intensity(&self, zone: usize) -> Steps {
        let lines = self.lines.iter().filter_map(|lines| lines.get(zone));
        let longest = lines.max_by_key(|line| line.starts.len());
        longest.map_or(Steps { edges: Vec::new(), values: Vec::new() }, |line| {
            self.steps(line, &line.intensity)
        })
    }

    /// Mean power of the pods of a zone under a policy, in watts.
    pub fn pod_watts(&self, policy: usize, zone: usize) -> Steps {
        let line = self.lines.get(policy).and_then(|lines| lines.get(zone));
        line.map_or(Steps { edges: Vec::new(), values: Vec::new() }, |line| {
            self.steps(line, &line.pod_watts)
        })
    }

    fn steps(&self, line: &Line, values: &[f64]) -> Steps {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let starts = line.starts.iter().step_by(self.rows_per_point).copied();
        let end = line.starts.last().map(|last| *last + self.interval);
        Steps {
            edges: starts.chain(end).collect(),
            values: values.chunks(self.rows_per_point).map(mean).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_of_hours_becomes_days() {
        let starts: Vec<Time> =
            (0..8_784).map(|hour| Time::from_millis(0) + Span::HOUR * hour).collect();
        let watts: Vec<f64> = (0..8_784).map(|hour| f64::from(hour % 24)).collect();
        let line = Line { intensity: watts.clone(), pod_watts: watts, starts };
        let hours = Hours::new(vec![vec![line]]);
        assert_eq!(hours.step(), Span::DAY);
        let steps = hours.pod_watts(0, 0);
        // 0 + 1 + ... + 23 = 276, over 24.
        assert_eq!((steps.values.len(), steps.edges.len()), (366, 367));
        assert!(steps.values.iter().all(|mean| (mean - 11.5).abs() < 1e-12));
    }

    #[test]
    fn no_rows_have_no_window() {
        assert_eq!(Hours::new(vec![vec![Line::default()]]).window(), None);
        assert_eq!(Hours::new(Vec::new()).window(), None);
    }
}
