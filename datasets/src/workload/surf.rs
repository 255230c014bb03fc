//! Tasks of SURF Lisa, October 2022, as the OpenDC project has them, from Parquet to CSV. Times are
//! milliseconds since 1970: the trace has dates.
//!
//! A task is a pod of `cpu_count` cores and `mem_capacity_mb` megabytes (10^6 bytes). A `deferrable`
//! one may wait until its `deadline_ms` leaves it just its length, without a deadline as the workload
//! says; another one does not wait.

use carbon_kube_core::{Span, Time};

use super::account::Account;
use super::filling::at_least_a_second;
use super::seen::Seen;
use super::trace::{Beginning, Task, Tasks as Rows};
use super::{Arrival, amounts};
use crate::error::ReadError;
use crate::table::{Column, Row, Table, Text};

const MEGABYTE: f64 = 1e6;

/// Whether a text begins like this format.
pub(super) fn is_like(first: &str) -> bool {
    first.starts_with("id,submission_time_ms,duration_ms,cpu_count")
}

/// The tasks of a file.
pub(super) struct Tasks<'a> {
    table: Table<'a>,
    columns: [Column; 7],
    ids: Seen,
}

impl<'a> Tasks<'a> {
    pub(super) fn new(text: Text<'a>) -> Result<Self, ReadError> {
        let table = Table::of(text)?;
        let columns = table.columns([
            "id",
            "submission_time_ms",
            "duration_ms",
            "cpu_count",
            "mem_capacity_mb",
            "deferrable",
            "deadline_ms",
        ])?;
        Ok(Self { table, columns, ids: Seen::default() })
    }
}

impl Rows for Tasks<'_> {
    fn next(&mut self, account: &mut Account) -> Result<Option<Task>, ReadError> {
        let Some(row) = self.table.next()? else {
            return Ok(None);
        };
        account.rows += 1;
        let [id, submitted, length, cpus, memory, ..] = &self.columns;
        if !self.ids.is_new(row.text(id)) {
            return Err(row.wrong(id, "is there twice"));
        }
        let at = amounts::required_span(&row, submitted, 1.0)?;
        let duration = amounts::required_span(&row, length, 1.0)?;
        let duration = at_least_a_second(duration, account);
        let pod = Arrival {
            at: Time::from_millis(at.millis()),
            duration,
            cpu: amounts::cpu(&row, cpus, amounts::required(&row, cpus)?, 1_000.0)?,
            memory: amounts::memory(&row, memory, amounts::required(&row, memory)?, MEGABYTE)?,
            max_delay: max_delay(&row, &self.columns, at.saturating_add(duration), account)?,
            ..Arrival::default()
        };
        Ok(Some(Task { pod, count: 1 }))
    }

    fn beginning(&self) -> Beginning {
        Beginning::FirstRow
    }
}

/// `soonest` is the earliest possible end.
fn max_delay(
    row: &Row<'_>,
    columns: &[Column; 7],
    soonest: Span,
    account: &mut Account,
) -> Result<Option<Span>, ReadError> {
    let [.., deferrable, deadline] = columns;
    let deadline = amounts::span(row, deadline, 1.0)?;
    match row.text(deferrable) {
        "True" | "true" => {}
        "False" | "false" => return Ok(Some(Span::ZERO)),
        _ => return Err(row.wrong(deferrable, "is neither `True` nor `False`")),
    }
    Ok(deadline.map(|deadline| {
        if deadline < soonest {
            account.assume("deadline-too-soon", || {
                "a task that can't meet its deadline does not wait".to_owned()
            });
        }
        (deadline - soonest).max(Span::ZERO)
    }))
}
