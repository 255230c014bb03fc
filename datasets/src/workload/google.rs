//! Task events of Google's cluster trace of 2011 (`task_events`, format of Reiss, Wilkes,
//! Hellerstein 2011), the parts joined in their order; no header, or one behind a `#`. Times are
//! microseconds since the trace's beginning, without a date.
//!
//! Each row is an event; a task is a pod:
//!
//! ```text
//! SUBMIT --> waits --SCHEDULE--> runs --FINISH, KILL--> a pod
//!              ^                   |
//!              '-EVICT, FAIL, LOST-'    at the end of the file: a pod, of its last run
//! ```
//!
//! | of the pod | rule |
//! |---|---|
//! | arrival | the first SUBMIT; without one, the first SCHEDULE |
//! | length | the last run: evictions and failures are the simulator's own to make |
//! | CPU, memory | requests of the first event, parts of the largest machine: an assumption says of which |
//! | priority | as in the trace, 0 to 11 |
//! | waiting | from 9 on (production) never; else as the workload says |
//! | pausing | up to 1 (free) |
//!
//! A task that never ran is passed over. One that still runs at the end of the file ends there.

use std::collections::BTreeMap;

use carbon_kube_core::{Bytes, MilliCpu, Span, Time};

use super::account::Account;
use super::filling::{Filling, Machine};
use super::trace::{Beginning, Task, Tasks};
use super::{Arrival, amounts};
use crate::error::ReadError;
use crate::table::{Column, Row, Table, Text};

const COLUMNS: [&str; 13] = [
    "time",
    "missing info",
    "job ID",
    "task index",
    "machine ID",
    "event type",
    "user",
    "scheduling class",
    "priority",
    "CPU request",
    "memory request",
    "disk space request",
    "different machines restriction",
];

/// Milliseconds in a microsecond.
const MICROSECOND: f64 = 1e-3;

/// What the trace writes for events after its end: 2^63 - 1.
const AFTER_THE_END: &str = "9223372036854775807";

/// Cores of the machine with which requests are normalised, unless the user knows better: Google
/// published none.
const MACHINE_CORES: u64 = 32;

/// Priorities of the free band, which are the first to be stopped.
const FREE: i8 = 1;
/// The lowest priority of production.
const PRODUCTION: i8 = 9;

/// Whether a text begins like this format.
pub(super) fn is_like(first: &str) -> bool {
    let fields: Vec<&str> = first.split(',').map(str::trim).collect();
    let number = |index: usize| fields[index].parse::<u64>();
    fields.len() == COLUMNS.len()
        && (first.starts_with("#Time stamp (microseconds),Missing info")
            || (number(0).is_ok()
                && number(2).is_ok()
                && number(3).is_ok()
                && number(5).is_ok_and(|event| event <= 8)))
}

/// The events of a file.
pub(super) struct TaskEvents<'a> {
    table: Table<'a>,
    columns: [Column; 13],
    machine: Machine,
    /// Tasks that have not ended.
    tasks: BTreeMap<(u64, u64), State>,
    /// The event read last, and its instant.
    last: Option<(Time, u64, u64, u64)>,
    ended: bool,
}

struct State {
    pod: Arrival,
    phase: Phase,
    /// It came without a SUBMIT.
    unsubmitted: bool,
}

enum Phase {
    /// It has a last run if it ran before.
    Waits(Option<Span>),
    /// Since then.
    Runs(Time),
}

impl<'a> TaskEvents<'a> {
    pub(super) fn new(text: Text<'a>, filling: Filling) -> Result<Self, ReadError> {
        let table = Table::headless(text, &COLUMNS)?;
        let columns = table.positions(&COLUMNS)?;
        let machine = filling.machine(MACHINE_CORES);
        Ok(Self { table, columns, machine, tasks: BTreeMap::new(), last: None, ended: false })
    }

    /// The pod of a task, of its last run.
    fn task(&self, state: &State, run: Span, account: &mut Account) -> Task {
        let machine = self.machine;
        account.assume("machine", || {
            let (cores, memory) = (machine.cpu.0 / 1_000, amounts::gib(machine.memory));
            format!("requests are parts of a machine with {cores} cores and {memory}")
        });
        if state.pod.cpu.0 == 0 {
            account.assume("no-cpu-request", || {
                "a task that requests no CPU requests a thousandth of a core".to_owned()
            });
        }
        if state.unsubmitted {
            account.assume("no-submission", || {
                "a task without SUBMIT arrives when it is scheduled".to_owned()
            });
        }
        // Schedulings are told in microseconds, but no run is shorter than a millisecond here.
        let duration = run.max(Span::from_millis(1));
        let cpu = state.pod.cpu.max(MilliCpu(1));
        Task { pod: Arrival { duration, cpu, ..state.pod }, count: 1 }
    }

    /// The tasks that are left when the events are.
    fn rest(&mut self, account: &mut Account) -> Option<Task> {
        let end = self.last.map_or(Time::from_millis(0), |(at, ..)| at);
        while let Some((_, state)) = self.tasks.pop_first() {
            let run = match state.phase {
                Phase::Waits(None) => {
                    account.skip("never ran");
                    continue;
                }
                Phase::Waits(Some(run)) => run,
                Phase::Runs(since) => {
                    account.assume("until-the-end", || {
                        "a task that still runs at the end of the trace ends there".to_owned()
                    });
                    end - since
                }
            };
            return Some(self.task(&state, run, account));
        }
        None
    }
}

impl Tasks for TaskEvents<'_> {
    fn next(&mut self, account: &mut Account) -> Result<Option<Task>, ReadError> {
        while !self.ended {
            let Some(row) = self.table.next()? else {
                self.ended = true;
                break;
            };
            account.rows += 1;
            let [time, _, job, index, _, event, ..] = &self.columns;
            if row.text(time) == AFTER_THE_END {
                account.skip("an event after the end of the trace");
                continue;
            }
            let at = amounts::required_span(&row, time, MICROSECOND)?;
            let at = Time::from_millis(at.millis());
            let key = (whole(&row, job)?, whole(&row, index)?);
            let kind = whole(&row, event)?;
            if self.last.is_some_and(|(last, ..)| at < last) {
                return Err(row.wrong(time, "is before the row above: the rows are not sorted"));
            }
            if self.last.replace((at, key.0, key.1, kind)) == Some((at, key.0, key.1, kind)) {
                return Err(row.wrong(event, "is the event of the row above once more"));
            }
            let machine = self.machine;
            let new = || pod(&row, &self.columns, at, machine);
            match kind {
                0 => match self.tasks.get(&key).map(|state| &state.phase) {
                    Some(Phase::Runs(_)) => {
                        return Err(row.wrong(event, "submits a task that runs"));
                    }
                    Some(Phase::Waits(None)) => {
                        return Err(row.wrong(event, "submits a task that waits"));
                    }
                    Some(Phase::Waits(Some(_))) => {}
                    None => {
                        let phase = Phase::Waits(None);
                        let state = State { pod: new()?, phase, unsubmitted: false };
                        self.tasks.insert(key, state);
                    }
                },
                1 => match self.tasks.get_mut(&key) {
                    Some(State { phase: Phase::Runs(_), .. }) => {
                        return Err(row.wrong(event, "schedules a task that runs"));
                    }
                    Some(state) => state.phase = Phase::Runs(at),
                    None => {
                        let phase = Phase::Runs(at);
                        let state = State { pod: new()?, phase, unsubmitted: true };
                        self.tasks.insert(key, state);
                    }
                },
                // EVICT, FAIL, LOST: it may come again.
                2 | 3 | 6 => match self.tasks.get_mut(&key) {
                    Some(State { phase: phase @ Phase::Runs(_), .. }) => {
                        let Phase::Runs(since) = *phase else { continue };
                        *phase = Phase::Waits(Some(at - since));
                    }
                    Some(_) => {}
                    None => account.skip("an event of a task without a beginning"),
                },
                // FINISH, KILL.
                4 | 5 => match self.tasks.remove(&key) {
                    Some(state @ State { phase: Phase::Runs(since), .. }) => {
                        return Ok(Some(self.task(&state, at - since, account)));
                    }
                    Some(state @ State { phase: Phase::Waits(Some(run)), .. }) => {
                        return Ok(Some(self.task(&state, run, account)));
                    }
                    Some(State { phase: Phase::Waits(None), .. }) => account.skip("never ran"),
                    None => account.skip("an event of a task without a beginning"),
                },
                // UPDATE_PENDING, UPDATE_RUNNING.
                7 | 8 => {}
                _ => return Err(row.wrong(event, "is no type of event, 0 to 8")),
            }
        }
        Ok(self.rest(account))
    }

    fn beginning(&self) -> Beginning {
        Beginning::Zero
    }
}

fn pod(
    row: &Row<'_>,
    columns: &[Column; 13],
    at: Time,
    machine: Machine,
) -> Result<Arrival, ReadError> {
    let [.., priority, cpu, memory, _, _] = columns;
    let level = amounts::count(row, priority, 11)? as i8;
    let part = |column: &Column| match amounts::amount(row, column)? {
        Some(part) if part > 1.0 => Err(row.wrong(column, "is more than the largest machine")),
        part => Ok(part),
    };
    let millis = part(cpu)?.unwrap_or(0.0) * machine.cpu.0 as f64;
    Ok(Arrival {
        at,
        cpu: MilliCpu(millis.round() as u64),
        memory: Bytes((part(memory)?.unwrap_or(0.0) * machine.memory.0 as f64) as u64),
        max_delay: (level >= PRODUCTION).then_some(Span::ZERO),
        priority: Some(level),
        interruptible: Some(level <= FREE),
        ..Arrival::default()
    })
}

fn whole(row: &Row<'_>, column: &Column) -> Result<u64, ReadError> {
    row.text(column).parse().map_err(|_| row.wrong(column, "is not a whole number"))
}
