//! Batch tasks of Alibaba's `cluster-trace-v2018` (`batch_task.csv`), with or without a header.
//! Times are seconds since the trace's beginning, without a date.
//!
//! A row is a task of a job; each of its `instance_num` instances is a pod:
//!
//! | of the pod | rule |
//! |---|---|
//! | arrival | `start_time`: when the tasks that its name waits for had ended (`R3_1_2`: task 3 after 1 and 2) |
//! | length | `end_time` - `start_time` for every instance; less than a second is one second |
//! | CPU | `plan_cpu`, 100 is a core |
//! | memory | `plan_mem`, in per cent of a machine: an assumption says of which |
//! | waiting, pausing | as the workload says |
//!
//! Only `Terminated` tasks with an end are replayed: the others have no length, and many of them no
//! requests.

use carbon_kube_core::Time;

use super::account::Account;
use super::filling::{Filling, Machine, at_least_a_second};
use super::seen::Seen;
use super::trace::{Beginning, Task, Tasks};
use super::{Arrival, amounts};
use crate::error::ReadError;
use crate::table::{Column, Row, Table, Text};

const SECOND: f64 = 1_000.0;

/// The columns of the official file, which has no header.
const COLUMNS: [&str; 9] = [
    "task_name",
    "instance_num",
    "job_name",
    "task_type",
    "status",
    "start_time",
    "end_time",
    "plan_cpu",
    "plan_mem",
];

/// Cores of a machine, as its `machine_meta.csv` says.
const MACHINE_CORES: u64 = 96;

const STATES: [&str; 6] =
    ["Terminated", "Failed", "Running", "Waiting", "Interrupted", "Cancelled"];

fn has_header(first: &str) -> bool {
    first.starts_with("task_name,")
}

/// Whether a text begins like this format.
pub(super) fn is_like(first: &str) -> bool {
    let fields: Vec<&str> = first.split(',').collect();
    fields.len() == COLUMNS.len() && (has_header(first) || STATES.contains(&fields[4]))
}

/// The tasks of a file.
pub(super) struct BatchTasks<'a> {
    table: Table<'a>,
    columns: [Column; 9],
    machine: Machine,
    names: Seen,
}

impl<'a> BatchTasks<'a> {
    pub(super) fn new(text: Text<'a>, head: &[u8], filling: Filling) -> Result<Self, ReadError> {
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        // By position: copies of the trace name the columns in many ways.
        let table = match has_header(&String::from_utf8_lossy(head)) {
            true => Table::of(text)?,
            false => Table::headless(text, &COLUMNS)?,
        };
        let machine = filling.machine(MACHINE_CORES);
        let columns = table.positions(&COLUMNS)?;
        Ok(Self { table, columns, machine, names: Seen::default() })
    }
}

impl Tasks for BatchTasks<'_> {
    fn next(&mut self, account: &mut Account) -> Result<Option<Task>, ReadError> {
        while let Some(row) = self.table.next()? {
            account.rows += 1;
            let [name, _, job, ..] = &self.columns;
            if !self.names.is_new((row.text(job), row.text(name))) {
                return Err(row.wrong(name, "is twice in its job"));
            }
            if let Some(task) = task(&row, &self.columns, self.machine, account)? {
                return Ok(Some(task));
            }
        }
        Ok(None)
    }

    fn beginning(&self) -> Beginning {
        Beginning::Zero
    }
}

fn task(
    row: &Row<'_>,
    columns: &[Column; 9],
    machine: Machine,
    account: &mut Account,
) -> Result<Option<Task>, ReadError> {
    let [_, instances, _, _, status, start, end, cpu, memory] = columns;
    match row.text(status) {
        "Terminated" => {}
        other if STATES.contains(&other) => {
            account.skip("not terminated");
            return Ok(None);
        }
        _ => return Err(row.wrong(status, "is no state of a task, such as `Terminated`")),
    }
    let started = amounts::required_span(row, start, SECOND)?;
    let ended = amounts::required_span(row, end, SECOND)?;
    if ended.millis() == 0 {
        account.skip("without an end");
        return Ok(None);
    }
    if ended < started {
        return Err(row.wrong(end, "is before the start"));
    }
    let count = amounts::count(row, instances, 1_000_000)?;
    if count == 0 {
        account.skip("without instances");
        return Ok(None);
    }
    let requests_cpu = amounts::cpu(row, cpu, amounts::required(row, cpu)?, 10.0)?;
    let percent = amounts::required(row, memory)?;
    if percent > 100.0 {
        return Err(row.wrong(memory, "is more than 100 per cent of a machine"));
    }
    account.assume("arrival-is-start", || {
        "a task arrives when it started in the trace, after those that its name waits for"
            .to_owned()
    });
    account.assume("instances", || "each instance runs as long as its whole task".to_owned());
    account.assume("machine", || {
        format!("memory is in per cent of a machine with {}", amounts::gib(machine.memory))
    });
    let pod = Arrival {
        at: Time::from_millis(started.millis()),
        duration: at_least_a_second(ended - started, account),
        cpu: requests_cpu,
        memory: amounts::memory(row, memory, percent / 100.0, machine.memory.0 as f64)?,
        ..Arrival::default()
    };
    Ok(Some(Task { pod, count }))
}
