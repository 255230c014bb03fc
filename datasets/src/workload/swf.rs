//! Standard Workload Format, version 2, of the Parallel Workloads Archive (Feitelson, Tsafrir,
//! Krakov 2014; <https://www.cs.huji.ac.il/labs/parallel/workload/swf.html>).
//!
//! `;` begins a comment, of which `; UnixStartTime:` dates the trace; then 18 fields between
//! blanks, `-1` for unknown. A job is a pod:
//!
//! | of the pod | field |
//! |---|---|
//! | arrival | submit time; the wait is the simulator's to find, so that of the log is not used |
//! | length | run time; less than a second is one second |
//! | CPU | a core for each processor requested, else for each one allocated |
//! | memory | requested, else used, KB per processor; else so much per core, an assumption |
//!
//! A job that ran is replayed whatever became of it, as its run drew power: failed (status 0) and
//! cancelled while it ran (5). Cancelled before it began, or without run time or processors, it is
//! passed over; so are the parts of a job that was checkpointed (2, 3, 4), which has a line for the
//! whole. Job numbers rise from line to line.

use carbon_kube_core::Time;
use csv::StringRecord;

use super::Arrival;
use super::account::Account;
use super::amounts;
use super::filling::{Filling, at_least_a_second};
use super::trace::{Beginning, Task, Tasks};
use crate::error::ReadError;
use crate::table::{Column, Row, Text};

/// The fields, in their order.
const FIELDS: [&str; 18] = [
    "job number",
    "submit time",
    "wait time",
    "run time",
    "allocated processors",
    "average CPU time",
    "used memory",
    "requested processors",
    "requested time",
    "requested memory",
    "status",
    "user",
    "group",
    "executable",
    "queue",
    "partition",
    "preceding job",
    "think time",
];

const JOB: usize = 0;
const SUBMIT: usize = 1;
const RUN: usize = 3;
const ALLOCATED: usize = 4;
const USED_MEMORY: usize = 6;
const REQUESTED: usize = 7;
const REQUESTED_MEMORY: usize = 9;
const STATUS: usize = 10;

/// Milliseconds in the unit of every time.
const SECOND: f64 = 1_000.0;

/// Whether a text begins like this format: with a comment, or with 18 numbers.
pub(super) fn is_like(first: &str) -> bool {
    let numbers = || first.split_ascii_whitespace().map(str::parse::<f64>);
    first.starts_with(';') || (numbers().count() == FIELDS.len() && numbers().all(|n| n.is_ok()))
}

/// The jobs of a file.
pub(super) struct Jobs<'a> {
    text: Text<'a>,
    columns: Vec<Column>,
    filling: Filling,
    line: Vec<u8>,
    number: u64,
    fields: StringRecord,
    /// The first row was read with the comments before it.
    waiting: bool,
    begins: Option<Time>,
    job: f64,
}

impl<'a> Jobs<'a> {
    pub(super) fn new(text: Text<'a>, filling: Filling) -> Result<Self, ReadError> {
        let columns = FIELDS.iter().enumerate();
        let mut jobs = Self {
            text,
            columns: columns
                .map(|(index, name)| Column { index, name: (*name).to_owned() })
                .collect(),
            filling,
            line: Vec::new(),
            number: 0,
            fields: StringRecord::new(),
            waiting: false,
            begins: None,
            job: f64::NEG_INFINITY,
        };
        jobs.waiting = jobs.advance()?;
        Ok(jobs)
    }

    /// Reads up to the next row, and the comments before it.
    fn advance(&mut self) -> Result<bool, ReadError> {
        while self.text.line(&mut self.line)? {
            self.number += 1;
            let Ok(line) = std::str::from_utf8(&self.line) else {
                let path = self.text.path.clone();
                return Err(ReadError::Binary { path, what: "bytes that are not UTF-8" });
            };
            let line = line.trim_start_matches('\u{feff}').trim();
            if let Some(comment) = line.strip_prefix(';') {
                if let Some((key, value)) = comment.split_once(':')
                    && key.trim() == "UnixStartTime"
                    && self.begins.is_none()
                {
                    self.begins = start_time(value.trim(), self.number, &self.text.path)?;
                }
                continue;
            }
            if line.is_empty() {
                continue;
            }
            self.fields.clear();
            line.split_ascii_whitespace().for_each(|field| self.fields.push_field(field));
            if self.fields.len() != FIELDS.len() {
                return Err(ReadError::Fields {
                    path: self.text.path.clone(),
                    line: self.number,
                    expected: FIELDS.len() as u64,
                    found: self.fields.len() as u64,
                });
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn job(&mut self, account: &mut Account) -> Result<Option<Task>, ReadError> {
        let row = Row::new(&self.text.path, self.number, &self.fields);
        let column = |field: usize| &self.columns[field];
        let value = |field: usize| known(&row, column(field));
        let number = value(JOB)?.ok_or_else(|| row.wrong(column(JOB), "is empty"))?;
        let status = value(STATUS)?;
        if status.is_some_and(|status| (2.0..5.0).contains(&status)) {
            account.skip("a part of a checkpointed job");
            return Ok(None);
        }
        if number <= self.job {
            let problem = "is not above the job before: a line comes twice or is out of order";
            return Err(row.wrong(column(JOB), problem));
        }
        value(SUBMIT)?.ok_or_else(|| row.wrong(column(SUBMIT), "is unknown"))?;
        let at = amounts::required_span(&row, column(SUBMIT), SECOND)?;
        let run = value(RUN)?;
        let cancelled = status.is_some_and(|status| (status - 5.0).abs() < 0.5);
        let processors = match value(REQUESTED)?.filter(|processors| *processors > 0.0) {
            Some(requested) => Some((REQUESTED, requested)),
            None => value(ALLOCATED)?.filter(|n| *n > 0.0).map(|n| (ALLOCATED, n)),
        };
        let memory = match value(REQUESTED_MEMORY)?.filter(|memory| *memory > 0.0) {
            Some(requested) => Some((REQUESTED_MEMORY, requested)),
            None => value(USED_MEMORY)?.filter(|n| *n > 0.0).map(|n| (USED_MEMORY, n)),
        };
        self.job = number;
        let (field, processors) = match (run, processors) {
            (run, _) if cancelled && run.is_none_or(|run| run <= 0.0) => {
                account.skip("cancelled before it began");
                return Ok(None);
            }
            (None, _) => {
                account.skip("the run time is unknown");
                return Ok(None);
            }
            (_, None) => {
                account.skip("the number of processors is unknown");
                return Ok(None);
            }
            (Some(_), Some(processors)) => processors,
        };
        let cpu = amounts::cpu(&row, column(field), processors, 1_000.0)?;
        let duration = amounts::required_span(&row, column(RUN), SECOND)?;
        let duration = at_least_a_second(duration, account);
        let memory = match memory {
            Some((field, kb)) => amounts::memory(&row, column(field), kb * processors, 1_024.0)?,
            None => self.filling.memory(cpu, account),
        };
        let at = self.begins.unwrap_or(Time::from_millis(0)).saturating_add(at);
        let pod = Arrival { at, duration, cpu, memory, ..Arrival::default() };
        Ok(Some(Task { pod, count: 1 }))
    }
}

impl Tasks for Jobs<'_> {
    fn next(&mut self, account: &mut Account) -> Result<Option<Task>, ReadError> {
        loop {
            if !std::mem::take(&mut self.waiting) && !self.advance()? {
                return Ok(None);
            }
            account.rows += 1;
            if let Some(task) = self.job(account)? {
                return Ok(Some(task));
            }
        }
    }

    fn beginning(&self) -> Beginning {
        self.begins.map_or(Beginning::Zero, Beginning::Dated)
    }
}

/// The value of `; UnixStartTime:`, seconds since 1970; -1 is unknown.
fn start_time(value: &str, line: u64, path: &str) -> Result<Option<Time>, ReadError> {
    match value.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(seconds @ 0..=100_000_000_000) => Ok(Some(Time::from_millis(seconds * 1_000))),
        _ => Err(ReadError::Value {
            path: path.to_owned(),
            line,
            column: "UnixStartTime".into(),
            value: crate::error::shorten(value),
            problem: "is not a number of seconds since 1970",
        }),
    }
}

/// A number; `None` for -1, which is unknown. Nothing else is below zero.
fn known(row: &Row<'_>, column: &Column) -> Result<Option<f64>, ReadError> {
    match row.number(column)? {
        Some(value) if (value + 1.0).abs() < 1e-9 => Ok(None),
        Some(value) if value < 0.0 => Err(row.wrong(column, "is below zero")),
        value => Ok(value),
    }
}
