//! The VM table of the Azure public dataset (`vmtable.csv`, Cortez et al., SOSP 2017), V1 of 2017
//! and V2 of 2019, both without a header. Times are seconds since the trace's beginning, without a
//! date; the trace has 30 days.
//!
//! A VM is a pod:
//!
//! | of the pod | rule |
//! |---|---|
//! | arrival | `vmcreated` |
//! | length | `vmdeleted` - `vmcreated`; without `vmdeleted`, to the end of the 30 days |
//! | CPU, memory | `vmcorecount`, `vmmemory` in GB; of V2's buckets the upper bound, and for the open ones (`>24` cores, `>64` GB) one of Azure's next sizes, drawn |
//! | `Delay-insensitive` | priority 0, may be paused, waits as the workload says |
//! | `Interactive` | priority 10, never waits |
//! | `Unknown` | priority 10, never waits: it ran too shortly to be told from the others |
//!
//! Times are steps of five minutes, so a VM that was gone in the step of its creation ran for one.

use carbon_kube_core::{Bytes, MilliCpu, Span, Time, seed};

use super::Arrival;
use super::account::Account;
use super::amounts;
use super::filling::Filling;
use super::seen::Seen;
use super::trace::{Beginning, Task, Tasks};
use crate::error::ReadError;
use crate::table::{Column, Row, Table, Text};

const SECOND: f64 = 1_000.0;
const GIBIBYTE: f64 = 1_073_741_824.0;

const COLUMNS: [&str; 11] = [
    "vmid",
    "subscriptionid",
    "deploymentid",
    "vmcreated",
    "vmdeleted",
    "maxcpu",
    "avgcpu",
    "p95maxcpu",
    "vmcategory",
    "vmcorecount",
    "vmmemory",
];

const CATEGORY: usize = 8;

/// The last instant of the trace, in seconds: 30 days.
const END: Span = Span::from_millis(30 * 86_400_000);

/// One step of the trace.
const STEP: Span = Span::from_millis(300_000);

/// Cores of the sizes above the largest bucket of V2.
const LARGE_CORES: [u64; 3] = [32, 48, 64];

/// Memory per core of those sizes.
const LARGE_GIB_PER_CORE: u64 = 4;

/// Whether VMs of the category may be put off and paused; `None` for what is no category. `Unkown`
/// is how V1 writes it.
fn is_deferrable(category: &str) -> Option<bool> {
    match category {
        "Delay-insensitive" => Some(true),
        "Interactive" | "Unknown" | "Unkown" => Some(false),
        _ => None,
    }
}

/// Whether a text begins like this format.
pub(super) fn is_like(first: &str) -> bool {
    let fields: Vec<&str> = first.split(',').collect();
    fields.len() == COLUMNS.len() && is_deferrable(fields[CATEGORY]).is_some()
}

/// The VMs of a file.
pub(super) struct Vms<'a> {
    table: Table<'a>,
    columns: [Column; 11],
    seed: u64,
    ids: Seen,
}

impl<'a> Vms<'a> {
    pub(super) fn new(text: Text<'a>, filling: Filling) -> Result<Self, ReadError> {
        let table = Table::headless(text, &COLUMNS)?;
        let columns = table.positions(&COLUMNS)?;
        Ok(Self { table, columns, seed: filling.seed, ids: Seen::default() })
    }
}

impl Tasks for Vms<'_> {
    fn next(&mut self, account: &mut Account) -> Result<Option<Task>, ReadError> {
        let Some(row) = self.table.next()? else {
            return Ok(None);
        };
        account.rows += 1;
        let [id, ..] = &self.columns;
        if !self.ids.is_new(row.text(id)) {
            return Err(row.wrong(id, "is there twice"));
        }
        let draw = seed::hash(self.seed, BUCKET_STREAM, account.rows);
        let pod = vm(&row, &self.columns, draw, account)?;
        Ok(Some(Task { pod, count: 1 }))
    }

    fn beginning(&self) -> Beginning {
        Beginning::Zero
    }
}

/// Names the stream of what stands for open buckets.
const BUCKET_STREAM: u64 = 0xa207_e000;

fn vm(
    row: &Row<'_>,
    columns: &[Column; 11],
    draw: u64,
    account: &mut Account,
) -> Result<Arrival, ReadError> {
    let [_, _, _, created, deleted, .., category, cores, memory] = columns;
    let Some(deferrable) = is_deferrable(row.text(category)) else {
        let problem = "is not `Delay-insensitive`, `Interactive` or `Unknown`";
        return Err(row.wrong(category, problem));
    };
    let at = amounts::required_span(row, created, SECOND)?;
    let end = match amounts::span(row, deleted, SECOND)? {
        Some(end) if end < at => {
            return Err(row.wrong(deleted, "is before the VM was created"));
        }
        Some(end) => end,
        None => {
            account.assume("until-the-end", || {
                "a VM that was not deleted runs to the end of the trace's 30 days".to_owned()
            });
            END.max(at)
        }
    };
    let large = LARGE_CORES[(draw % LARGE_CORES.len() as u64) as usize];
    let cpu = cpu(row, cores, large, account)?;
    if row.text(category).starts_with("Unk") {
        account.assume("unknown-category", || "a VM of unknown category does not wait".to_owned());
    }
    Ok(Arrival {
        at: Time::from_millis(at.millis()),
        duration: at_least_a_step(end - at, account),
        cpu,
        memory: size(row, memory, cpu, account)?,
        max_delay: (!deferrable).then_some(Span::ZERO),
        priority: Some(if deferrable { 0 } else { 10 }),
        interruptible: Some(deferrable),
        ..Arrival::default()
    })
}

fn at_least_a_step(run: Span, account: &mut Account) -> Span {
    if run.is_positive() {
        return run;
    }
    account.assume("under-five-minutes", || {
        "a VM that was gone in the step of its creation ran for five minutes".to_owned()
    });
    STEP
}

fn cpu(
    row: &Row<'_>,
    column: &Column,
    large: u64,
    account: &mut Account,
) -> Result<MilliCpu, ReadError> {
    if row.text(column) == ">24" {
        account.assume("open-core-bucket", || {
            "a VM of `>24` cores has 32, 48 or 64, drawn from the seed".to_owned()
        });
        return Ok(MilliCpu(large * 1_000));
    }
    amounts::cpu(row, column, amounts::required(row, column)?, 1_000.0)
}

fn size(
    row: &Row<'_>,
    column: &Column,
    cpu: MilliCpu,
    account: &mut Account,
) -> Result<Bytes, ReadError> {
    if row.text(column) == ">64" {
        account.assume("open-memory-bucket", || {
            format!("a VM of `>64` GB has {LARGE_GIB_PER_CORE} GiB per core, 112 GiB at the least")
        });
        let per_core = amounts::per_core(cpu, Bytes(LARGE_GIB_PER_CORE * amounts::GIB));
        return Ok(per_core.max(Bytes(112 * amounts::GIB)));
    }
    amounts::memory(row, column, amounts::required(row, column)?, GIBIBYTE)
}
