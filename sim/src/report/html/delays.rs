//! What the page takes from `pods.parquet`: how long jobs waited, and how much work was done.

use std::path::Path;

use arrow_array::Array;
use carbon_kube_core::Span;

use super::super::Summary;
use super::super::charts::DelayCurve;
use super::PageError;
use super::columns::{Batch, Table};

/// The pods of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Pods {
    /// The delays of completed jobs.
    pub delays: DelayCurve,
    /// Requested cores x length of the pods that ran to their end, in core-hours: work that does
    /// not depend on when or where it was done.
    pub core_hours: f64,
}

const COLUMNS: [&str; 5] = ["policy", "delay_hours", "state", "cpu_cores", "length_hours"];

/// Reads the pods of each policy of the summary.
pub fn read(path: &Path, summary: &Summary) -> Result<Vec<Pods>, PageError> {
    let policies: Vec<String> = summary.runs.iter().map(|run| run.policy.clone()).collect();
    let longest = summary.runs.iter().filter_map(|run| run.delay_hours.max).fold(0.0, f64::max);
    let none = Pods { delays: DelayCurve::until(Span::from_hours(longest)), core_hours: 0.0 };
    let mut pods = vec![none; policies.len()];
    Table::open(path, &COLUMNS, summary)?.read(|batch| add(batch, &policies, &mut pods))?;
    Ok(pods)
}

fn add(batch: &Batch<'_>, policies: &[String], pods: &mut [Pods]) -> Result<(), PageError> {
    let policy = batch.positions("policy", policies)?;
    let completed = batch.is("state", "Completed")?;
    let delays = batch.numbers("delay_hours")?;
    let (cores, lengths) = (batch.numbers("cpu_cores")?, batch.numbers("length_hours")?);
    for (row, (policy, completed)) in policy.into_iter().zip(completed).enumerate() {
        let Some(pods) = pods.get_mut(policy) else { continue };
        if delays.is_valid(row) {
            pods.delays.add(Span::from_hours(delays.value(row)));
        }
        if completed {
            pods.core_hours += cores.value(row) * lengths.value(row);
        }
    }
    Ok(())
}
