//! The samples of the GAIA simulator (Hanafy et al., ASPLOS 2024): `arrival_time,length,cpus`,
//! undated, of some files in hours and of others in seconds.
//!
//! A job is a pod of `cpus` cores; memory is an assumption. GAIA keeps jobs of five minutes to
//! three days, which are 0.08 to 72 hours or 300 to 259,200 seconds: no number is in both ranges,
//! so the first length tells the unit, and every other one has to be in the same range. A unit that
//! is named is taken as it is.

use carbon_kube_core::Time;

use super::account::Account;
use super::columns::TimeUnit;
use super::filling::{Filling, at_least_a_second};
use super::trace::{Beginning, Task, Tasks};
use super::{Arrival, amounts};
use crate::error::ReadError;
use crate::table::{Column, Row, Table, Text};

/// Whether a text begins like this format.
pub(super) fn is_like(first: &str) -> bool {
    first == "arrival_time,length,cpus"
}

/// The jobs of a file.
pub(super) struct Jobs<'a> {
    table: Table<'a>,
    columns: [Column; 3],
    filling: Filling,
    /// The unit that the first row has.
    found: Option<TimeUnit>,
}

impl<'a> Jobs<'a> {
    pub(super) fn new(text: Text<'a>, filling: Filling) -> Result<Self, ReadError> {
        let table = Table::of(text)?;
        let columns = table.columns(["arrival_time", "length", "cpus"])?;
        Ok(Self { table, columns, filling, found: None })
    }
}

impl Tasks for Jobs<'_> {
    fn next(&mut self, account: &mut Account) -> Result<Option<Task>, ReadError> {
        let Some(row) = self.table.next()? else {
            return Ok(None);
        };
        account.rows += 1;
        let [arrival, length, cpus] = &self.columns;
        let unit = match self.filling.time_unit {
            Some(unit) => unit,
            None => {
                let unit = unit_of(&row, length)?;
                if *self.found.get_or_insert(unit) != unit {
                    let problem = "is not in the unit of the rows before; name it with `timeUnit`";
                    return Err(row.wrong(length, problem));
                }
                unit
            }
        };
        let at = amounts::required_span(&row, arrival, unit.millis())?;
        let run = amounts::required_span(&row, length, unit.millis())?;
        let cpu = amounts::cpu(&row, cpus, amounts::required(&row, cpus)?, 1_000.0)?;
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

fn unit_of(row: &Row<'_>, length: &Column) -> Result<TimeUnit, ReadError> {
    match amounts::required(row, length)? {
        0.08..=72.0 => Ok(TimeUnit::Hours),
        300.0..=259_200.0 => Ok(TimeUnit::Seconds),
        _ => Err(row.wrong(
            length,
            "is neither 5 minutes to 3 days in hours nor in seconds; name the unit with `timeUnit`",
        )),
    }
}
