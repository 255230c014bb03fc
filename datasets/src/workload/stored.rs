//! A trace in the form of ours: a row for each pod, every unit in the name of its column, and where it
//! came from in comments at its head.
//!
//! ```text
//! # carbon-kube workload trace, version 1
//! # source: log.swf.gz, sha256 6f2c...
//! arrival_unix_ms,duration_ms,cpu_milli,memory_bytes,gpu_milli,max_delay_ms,priority,interruptible
//! 749458803000,1000,8000,34359738368,0,,,
//! ```
//!
//! Without dates the first column is `arrival_ms`, since the trace's beginning. An empty field is
//! what the source did not say. Reading it back gives the same pods.
//!
//! The pods of a cluster have a column `workload` more, at the end: whose pods they are. A scenario gives
//! each workload rules of its own, and names the rows that are its pods.

use std::io::{self, Write};

use carbon_kube_core::{Bytes, MilliCpu, MilliGpu, Time};

use super::account::Account;
use super::trace::{Beginning, Task, Tasks};
use super::{Arrival, amounts};
use crate::error::ReadError;
use crate::table::{Column, Row, Table, Text};

/// The first line.
const MARK: &str = "# carbon-kube workload trace, version 1";

const DATED: &str = "arrival_unix_ms";
const UNDATED: &str = "arrival_ms";

/// The columns after the first.
const COLUMNS: [&str; 7] = [
    "duration_ms",
    "cpu_milli",
    "memory_bytes",
    "gpu_milli",
    "max_delay_ms",
    "priority",
    "interruptible",
];

/// The last column, where pods are of several workloads.
const WORKLOAD: &str = "workload";

/// Whether a text begins like this format.
pub(super) fn is_like(first: &str) -> bool {
    first == MARK
}

/// Writes pods, one after the other.
pub struct Writer<W> {
    output: W,
}

/// Writes pods of several workloads.
pub struct WorkloadsWriter<W>(Writer<W>);

impl<W: Write> WorkloadsWriter<W> {
    /// Writes the head; the pods have dates, and `provenance` is a line each.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn new(mut output: W, provenance: &[String]) -> io::Result<Self> {
        head(&mut output, provenance)?;
        writeln!(output, "{DATED},{},{WORKLOAD}", COLUMNS.join(","))?;
        Ok(Self(Writer { output }))
    }

    /// Writes a pod; `workload` has neither commas nor quotes nor line ends.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn pod(&mut self, pod: &Arrival, workload: &str) -> io::Result<()> {
        self.0.fields(pod)?;
        writeln!(self.0.output, ",{workload}")
    }
}

fn head(output: &mut impl Write, provenance: &[String]) -> io::Result<()> {
    writeln!(output, "{MARK}")?;
    for line in provenance {
        // A file's name may have a line end.
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        writeln!(output, "# {line}")?;
    }
    Ok(())
}

impl<W: Write> Writer<W> {
    /// Writes the head; `provenance` is a line each.
    ///
    /// # Errors
    ///
    /// What the output says.
    pub fn new(mut output: W, is_dated: bool, provenance: &[String]) -> io::Result<Self> {
        head(&mut output, provenance)?;
        let arrival = if is_dated { DATED } else { UNDATED };
        writeln!(output, "{arrival},{}", COLUMNS.join(","))?;
        Ok(Self { output })
    }

    /// Writes a pod.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn pod(&mut self, pod: &Arrival) -> io::Result<()> {
        self.fields(pod)?;
        self.output.write_all(b"\n")
    }

    fn fields(&mut self, pod: &Arrival) -> io::Result<()> {
        let Arrival { at, duration, cpu, memory, gpu, .. } = pod;
        write!(
            self.output,
            "{},{},{},{},{},",
            at.millis(),
            duration.millis(),
            cpu.0,
            memory.0,
            gpu.0
        )?;
        if let Some(delay) = pod.max_delay {
            write!(self.output, "{}", delay.millis())?;
        }
        self.output.write_all(b",")?;
        if let Some(priority) = pod.priority {
            write!(self.output, "{priority}")?;
        }
        self.output.write_all(b",")?;
        if let Some(interruptible) = pod.interruptible {
            write!(self.output, "{interruptible}")?;
        }
        Ok(())
    }

    /// The output, when the last pod was written.
    pub fn into_inner(self) -> W {
        self.output
    }
}

/// The pods of a file.
pub(super) struct Pods<'a> {
    table: Table<'a>,
    is_dated: bool,
    arrival: Column,
    columns: [Column; 7],
    /// The column of workloads, and whose pods are asked for.
    only: Option<(Column, String)>,
}

impl<'a> Pods<'a> {
    /// All pods, or those of one workload.
    pub(super) fn new(text: Text<'a>, workload: Option<&str>) -> Result<Self, ReadError> {
        let table = Table::of(text)?;
        let dated = table.column(DATED).ok();
        let is_dated = dated.is_some();
        let arrival = dated.map_or_else(|| table.column(UNDATED), Ok)?;
        let columns = table.columns(COLUMNS)?;
        let only = match workload {
            Some(name) => Some((table.column(WORKLOAD)?, name.to_owned())),
            None => None,
        };
        Ok(Self { table, is_dated, arrival, columns, only })
    }
}

impl Tasks for Pods<'_> {
    fn next(&mut self, account: &mut Account) -> Result<Option<Task>, ReadError> {
        let Some(row) = self.table.next()? else {
            return Ok(None);
        };
        let at = Time::from_millis(amounts::required_span(&row, &self.arrival, 1.0)?.millis());
        if self.only.as_ref().is_some_and(|(column, name)| row.text(column) != name) {
            return Ok(Some(Task { pod: Arrival { at, ..Arrival::default() }, count: 0 }));
        }
        account.rows += 1;
        let [duration, cpu, memory, gpu, delay, priority, interruptible] = &self.columns;
        let length = amounts::required_span(&row, duration, 1.0)?;
        if !length.is_positive() {
            return Err(row.wrong(duration, "leaves the pod no time to run"));
        }
        let pod = Arrival {
            at,
            duration: length,
            cpu: MilliCpu(whole(&row, cpu)?),
            memory: Bytes(whole(&row, memory)?),
            max_delay: amounts::span(&row, delay, 1.0)?,
            gpu: MilliGpu(amounts::count(&row, gpu, 1_024_000)?),
            priority: parsed(&row, priority, "is not a priority of -128 to 127")?,
            interruptible: parsed(&row, interruptible, "is neither `true` nor `false`")?,
        };
        Ok(Some(Task { pod, count: 1 }))
    }

    fn beginning(&self) -> Beginning {
        if self.is_dated { Beginning::FirstRow } else { Beginning::Zero }
    }
}

fn whole(row: &Row<'_>, column: &Column) -> Result<u64, ReadError> {
    let value: Option<u64> = row.text(column).parse().ok();
    // Twice as much as any amount that a reader makes: sums of some never overflow.
    value
        .filter(|value| *value <= 1 << 54)
        .ok_or_else(|| row.wrong(column, "is not a whole number that a node could have"))
}

fn parsed<T: std::str::FromStr>(
    row: &Row<'_>,
    column: &Column,
    problem: &'static str,
) -> Result<Option<T>, ReadError> {
    match row.text(column) {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| row.wrong(column, problem)),
    }
}
