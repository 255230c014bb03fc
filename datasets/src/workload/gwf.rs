//! Workflows of the Grid Workloads Archive, as the OpenDC project has them: a table of jobs with
//! times in seconds, undated.
//!
//! A job is a pod of `ReqNProcs` cores, where that is unknown (-1) of `NProcs`; memory is an
//! assumption. It arrives at its `SubmitTime`, whatever it depends on.

use carbon_kube_core::Time;

use super::account::Account;
use super::filling::{Filling, at_least_a_second};
use super::seen::Seen;
use super::trace::{Beginning, Task, Tasks};
use super::{Arrival, amounts};
use crate::error::ReadError;
use crate::table::{Column, Table, Text};

const SECOND: f64 = 1_000.0;

/// Whether a text begins like this format.
pub(super) fn is_like(first: &str) -> bool {
    let mut names = first.split(',').map(str::trim);
    names.next() == Some("WorkflowID") && names.next() == Some("JobID")
}

/// The jobs of a file.
pub(super) struct Jobs<'a> {
    table: Table<'a>,
    columns: [Column; 7],
    filling: Filling,
    ids: Seen,
}

impl<'a> Jobs<'a> {
    pub(super) fn new(text: Text<'a>, filling: Filling) -> Result<Self, ReadError> {
        let table = Table::of(text)?;
        let columns = table.columns([
            "WorkflowID",
            "JobID",
            "SubmitTime",
            "RunTime",
            "NProcs",
            "ReqNProcs",
            "Dependencies",
        ])?;
        Ok(Self { table, columns, filling, ids: Seen::default() })
    }
}

impl Tasks for Jobs<'_> {
    fn next(&mut self, account: &mut Account) -> Result<Option<Task>, ReadError> {
        let Some(row) = self.table.next()? else {
            return Ok(None);
        };
        account.rows += 1;
        let [workflow, job, submitted, run, allocated, requested, dependencies] = &self.columns;
        if !self.ids.is_new((row.text(workflow), row.text(job))) {
            return Err(row.wrong(job, "is twice in its workflow"));
        }
        if !row.text(dependencies).is_empty() {
            account.assume("arrival-is-submission", || {
                "a job arrives when it was submitted, whatever it depends on".to_owned()
            });
        }
        let unknown = row.text(requested) == "-1";
        let processors = if unknown { allocated } else { requested };
        let cores = amounts::required(&row, processors)?;
        let cpu = amounts::cpu(&row, processors, cores, 1_000.0)?;
        let at = amounts::required_span(&row, submitted, SECOND)?;
        let run = amounts::required_span(&row, run, SECOND)?;
        let pod = Arrival {
            at: Time::from_millis(at.millis()),
            duration: at_least_a_second(run, account),
            cpu,
            memory: self.filling.memory(cpu, account),
            ..Arrival::default()
        };
        Ok(Some(Task { pod, count: 1 }))
    }

    fn beginning(&self) -> Beginning {
        Beginning::Zero
    }
}
