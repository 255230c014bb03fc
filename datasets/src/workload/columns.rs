//! Reads a workload from named columns of any CSV file.
//!
//! Rows may come in any order: traces are often sorted by job. The pods are sorted by arrival;
//! those of one instant keep the order of the file.

use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use carbon_kube_core::{Bytes, MilliCpu, MilliGpu, Span, Time};

use super::account::Account;
use super::trace::{Beginning, Task, Tasks};
use super::{Arrival, amounts};
use crate::error::ReadError;
use crate::instant;
use crate::table::{Column, LIMIT_ROWS, LastLine, Row, Table, Text};

/// The unit of a column with times or lengths of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// `ms`.
    Milliseconds,
    /// `s`.
    #[default]
    Seconds,
    /// `min`.
    Minutes,
    /// `h`.
    Hours,
}

/// How a column tells an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InstantFormat {
    /// RFC 3339, or `YYYY-MM-DD HH:MM[:SS]`, which is then UTC.
    #[default]
    Date,
    /// A number since the start of the window that is simulated.
    SinceStart(TimeUnit),
    /// A number since 1970-01-01T00:00:00Z.
    SinceEpoch(TimeUnit),
}

/// The column that tells how long a pod runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Length {
    /// A length of time.
    Duration {
        /// The column.
        column: String,
        /// Its unit.
        unit: TimeUnit,
    },
    /// The instant of the end, in the format of the arrival.
    End {
        /// The column.
        column: String,
    },
}

/// The unit of a column with CPU requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CpuUnit {
    /// `cores`; parts of one are legal.
    #[default]
    Cores,
    /// `milli`: thousandths of a core.
    Milli,
}

/// The unit of a column with memory requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryUnit {
    /// `B`.
    Bytes,
    /// `MiB`.
    Mebibytes,
    /// `GiB`.
    #[default]
    Gibibytes,
}

/// Where the memory requests come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Memory {
    /// A column.
    Column {
        /// The column.
        column: String,
        /// Its unit.
        unit: MemoryUnit,
    },
    /// The trace has none: so much per core.
    PerCore(Bytes),
}

/// The column that tells how long a pod may wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patience {
    /// How long its end may be put off; an empty field is none given.
    MaxDelay {
        /// The column.
        column: String,
        /// Its unit.
        unit: TimeUnit,
    },
    /// The instant by which it must have ended, in the format of the arrival; an empty field is
    /// none given, one that can't be met is no delay at all.
    Deadline {
        /// The column.
        column: String,
    },
}

/// Which columns hold what.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadColumns {
    /// When the pod is created.
    pub arrival: String,
    /// How the column tells it.
    pub arrival_format: InstantFormat,
    /// How long it runs.
    pub length: Length,
    /// CPU request.
    pub cpu: String,
    /// Unit of the CPU request.
    pub cpu_unit: CpuUnit,
    /// Memory request.
    pub memory: Memory,
    /// Number of GPUs; an empty field is none.
    pub gpu: Option<String>,
    /// How long the pod may wait, where the trace says so.
    pub patience: Option<Patience>,
}

impl Default for WorkloadColumns {
    /// `arrival` and `duration` in seconds from the start, `cpu` in cores; no memory.
    fn default() -> Self {
        Self {
            arrival: "arrival".into(),
            arrival_format: InstantFormat::SinceStart(TimeUnit::Seconds),
            length: Length::Duration { column: "duration".into(), unit: TimeUnit::Seconds },
            cpu: "cpu".into(),
            cpu_unit: CpuUnit::Cores,
            memory: Memory::PerCore(Bytes(0)),
            gpu: None,
            patience: None,
        }
    }
}

impl FromStr for TimeUnit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ms" => Ok(Self::Milliseconds),
            "s" => Ok(Self::Seconds),
            "min" => Ok(Self::Minutes),
            "h" => Ok(Self::Hours),
            _ => Err(format!("`{text}` is no unit of time; there are `ms`, `s`, `min`, `h`")),
        }
    }
}

impl FromStr for CpuUnit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "cores" => Ok(Self::Cores),
            "milli" => Ok(Self::Milli),
            _ => Err(format!("`{text}` is no unit of CPU; there are `cores`, `milli`")),
        }
    }
}

impl FromStr for MemoryUnit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "B" => Ok(Self::Bytes),
            "MiB" => Ok(Self::Mebibytes),
            "GiB" => Ok(Self::Gibibytes),
            _ => Err(format!("`{text}` is no unit of memory; there are `B`, `MiB`, `GiB`")),
        }
    }
}

impl TimeUnit {
    pub(super) fn millis(self) -> f64 {
        match self {
            Self::Milliseconds => 1.0,
            Self::Seconds => 1e3,
            Self::Minutes => 6e4,
            Self::Hours => 3.6e6,
        }
    }
}

impl MemoryUnit {
    fn bytes(self) -> f64 {
        match self {
            Self::Bytes => 1.0,
            Self::Mebibytes => 1_048_576.0,
            Self::Gibibytes => 1_073_741_824.0,
        }
    }
}

/// Reads a file. `start` is the start of the window that is simulated; it matters to
/// [`InstantFormat::SinceStart`] only.
///
/// # Errors
///
/// [`ReadError`] names file, line and column.
pub fn read(
    path: &Path,
    columns: &WorkloadColumns,
    start: Time,
) -> Result<Vec<Arrival>, ReadError> {
    sorted(Text::open(path, LastLine::Open)?, columns, start)
}

/// The same from memory or a stream; `name` stands for the file in messages.
///
/// # Errors
///
/// As [`read`].
pub fn parse(
    name: &str,
    input: impl Read,
    columns: &WorkloadColumns,
    start: Time,
) -> Result<Vec<Arrival>, ReadError> {
    sorted(Text::new(name, input, LastLine::Open)?, columns, start)
}

fn sorted(
    text: Text<'_>,
    columns: &WorkloadColumns,
    start: Time,
) -> Result<Vec<Arrival>, ReadError> {
    let path = text.path.clone();
    let mut rows = Rows::new(text, columns.clone())?;
    let since_start = matches!(columns.arrival_format, InstantFormat::SinceStart(_));
    let origin = if since_start { start } else { Time::from_millis(0) };
    let mut account = Account::default();
    let mut pods = Vec::new();
    while let Some(Task { pod, .. }) = rows.next(&mut account)? {
        if pods.len() >= LIMIT_ROWS {
            return Err(ReadError::TooManyRows { path, line: account.rows, limit: LIMIT_ROWS });
        }
        pods.push(Arrival { at: origin.saturating_add(pod.at - Time::from_millis(0)), ..pod });
    }
    if pods.is_empty() {
        return Err(ReadError::Empty { path });
    }
    pods.sort_by_key(|pod: &Arrival| pod.at);
    Ok(pods)
}

/// The rows of a table whose columns are named.
pub(super) struct Rows<'a> {
    table: Table<'a>,
    found: Found,
}

impl<'a> Rows<'a> {
    pub(super) fn new(text: Text<'a>, columns: WorkloadColumns) -> Result<Self, ReadError> {
        let table = Table::of(text)?;
        let found = Found::new(&table, columns)?;
        Ok(Self { table, found })
    }
}

impl Tasks for Rows<'_> {
    fn next(&mut self, account: &mut Account) -> Result<Option<Task>, ReadError> {
        let Some(row) = self.table.next()? else {
            return Ok(None);
        };
        account.rows += 1;
        Ok(Some(Task { pod: self.found.pod(&row)?, count: 1 }))
    }

    fn beginning(&self) -> Beginning {
        match self.found.asked.arrival_format {
            InstantFormat::SinceStart(_) => Beginning::Zero,
            InstantFormat::Date | InstantFormat::SinceEpoch(_) => Beginning::FirstRow,
        }
    }
}

/// The columns by position.
struct Found {
    asked: WorkloadColumns,
    arrival: Column,
    length: Column,
    cpu: Column,
    memory: FoundMemory,
    gpu: Option<Column>,
    patience: Option<Column>,
}

enum FoundMemory {
    Column(Column, MemoryUnit),
    PerCore(Bytes),
}

impl Found {
    fn new(table: &Table<'_>, asked: WorkloadColumns) -> Result<Self, ReadError> {
        let length = match &asked.length {
            Length::Duration { column, .. } | Length::End { column } => column,
        };
        let memory = match &asked.memory {
            Memory::Column { column, unit } => FoundMemory::Column(table.column(column)?, *unit),
            Memory::PerCore(bytes) => FoundMemory::PerCore(*bytes),
        };
        let patience = asked.patience.as_ref().map(|patience| match patience {
            Patience::MaxDelay { column, .. } | Patience::Deadline { column } => column.as_str(),
        });
        Ok(Self {
            arrival: table.column(&asked.arrival)?,
            length: table.column(length)?,
            cpu: table.column(&asked.cpu)?,
            memory,
            gpu: table.optional(asked.gpu.as_deref())?,
            patience: table.optional(patience)?,
            asked,
        })
    }

    fn pod(&self, row: &Row<'_>) -> Result<Arrival, ReadError> {
        let at = self
            .instant(row, &self.arrival)?
            .ok_or_else(|| row.wrong(&self.arrival, "is empty"))?;
        let duration = self.duration(row, at)?;
        let cpu = self.cpu(row)?;
        Ok(Arrival {
            at,
            duration,
            cpu,
            memory: self.memory(row, cpu)?,
            gpu: self.gpu(row)?,
            max_delay: self.max_delay(row, at, duration)?,
            ..Arrival::default()
        })
    }

    fn instant(&self, row: &Row<'_>, column: &Column) -> Result<Option<Time>, ReadError> {
        let unit = match self.asked.arrival_format {
            InstantFormat::Date if row.text(column).is_empty() => return Ok(None),
            InstantFormat::Date => {
                return instant::parse(row.text(column)).map(Some).ok_or_else(|| {
                    row.wrong(column, "is not an instant such as `2020-06-01T00:00Z`")
                });
            }
            InstantFormat::SinceStart(unit) | InstantFormat::SinceEpoch(unit) => unit,
        };
        let since = amounts::span(row, column, unit.millis())?;
        Ok(since.map(|since| Time::from_millis(0).saturating_add(since)))
    }

    fn duration(&self, row: &Row<'_>, at: Time) -> Result<Span, ReadError> {
        let duration = match &self.asked.length {
            Length::Duration { unit, .. } => amounts::span(row, &self.length, unit.millis())?,
            Length::End { .. } => self
                .instant(row, &self.length)?
                .map(|end| Span::from_millis(end.millis().saturating_sub(at.millis()))),
        };
        match duration {
            Some(duration) if duration.is_positive() => Ok(duration),
            Some(_) => Err(row.wrong(&self.length, "leaves the pod no time to run")),
            None => Err(row.wrong(&self.length, "is empty")),
        }
    }

    fn cpu(&self, row: &Row<'_>) -> Result<MilliCpu, ReadError> {
        let milli = match self.asked.cpu_unit {
            CpuUnit::Cores => 1_000.0,
            CpuUnit::Milli => 1.0,
        };
        let value = amounts::required(row, &self.cpu)?;
        amounts::cpu(row, &self.cpu, value, milli)
    }

    fn memory(&self, row: &Row<'_>, cpu: MilliCpu) -> Result<Bytes, ReadError> {
        let (column, unit) = match &self.memory {
            FoundMemory::PerCore(bytes) => {
                return Ok(amounts::per_core(cpu, *bytes));
            }
            FoundMemory::Column(column, unit) => (column, unit),
        };
        let value = amounts::required(row, column)?;
        amounts::memory(row, column, value, unit.bytes())
    }

    fn gpu(&self, row: &Row<'_>) -> Result<MilliGpu, ReadError> {
        let Some(column) = &self.gpu else {
            return Ok(MilliGpu(0));
        };
        match amounts::amount(row, column)? {
            None => Ok(MilliGpu(0)),
            Some(value) if value.fract().abs() < 1e-9 && value <= 1e6 => {
                Ok(MilliGpu::whole(value as u32))
            }
            Some(_) => Err(row.wrong(column, "is not a whole number of GPUs")),
        }
    }

    fn max_delay(
        &self,
        row: &Row<'_>,
        at: Time,
        duration: Span,
    ) -> Result<Option<Span>, ReadError> {
        match (&self.asked.patience, &self.patience) {
            (Some(Patience::MaxDelay { unit, .. }), Some(column)) => {
                amounts::span(row, column, unit.millis())
            }
            (Some(Patience::Deadline { .. }), Some(column)) => {
                let soonest = at.saturating_add(duration);
                Ok(self.instant(row, column)?.map(|deadline| {
                    let left = deadline.millis().saturating_sub(soonest.millis());
                    Span::from_millis(left.max(0))
                }))
            }
            _ => Ok(None),
        }
    }
}
