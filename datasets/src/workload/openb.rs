//! Alibaba's `cluster-trace-gpu-v2023` ("openb"; Weng et al., ATC 2023): pods and nodes of a
//! Kubernetes cluster with GPUs. Times are seconds since the trace's beginning, without a date.
//!
//! | of the pod | rule |
//! |---|---|
//! | arrival | `creation_time` |
//! | length | `deletion_time` - `scheduled_time`; less than a second is one second |
//! | CPU, memory | `cpu_milli`, `memory_mib` |
//! | GPU | `num_gpu` x `gpu_milli`: 460 is a share of one GPU, 8 x 1000 are eight |
//! | priority | by `qos`: `LS` (latency-sensitive) 100, `Guaranteed` 75, `Burstable` 50, `BE` (best effort) 0 |
//! | waiting | `LS` never waits; the others as the workload says |
//! | pausing | `BE` may be paused |
//!
//! A pod that was never scheduled, or not deleted, has no length and is passed over: of the trace's
//! 8,152 pods 897. The GPU model that some lists ask for (`gpu_spec`) is not read.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use carbon_kube_core::{Bytes, MilliCpu, MilliGpu, Span, Time};

use super::account::Account;
use super::filling::at_least_a_second;
use super::seen::Seen;
use super::trace::{Beginning, Task, Tasks};
use super::{Arrival, amounts};
use crate::error::ReadError;
use crate::table::{Column, LastLine, Row, Table, Text};

const SECOND: f64 = 1_000.0;
const MEBIBYTE: f64 = 1_048_576.0;

/// Whether a text begins like this format.
pub(super) fn is_like(first: &str) -> bool {
    first.starts_with("name,cpu_milli,memory_mib,num_gpu,gpu_milli")
}

/// The pods of a file.
pub(super) struct Pods<'a> {
    table: Table<'a>,
    columns: PodColumns,
    names: Seen,
}

struct PodColumns {
    name: Column,
    cpu: Column,
    memory: Column,
    gpus: Column,
    gpu_milli: Column,
    qos: Column,
    created: Column,
    deleted: Column,
    scheduled: Column,
}

impl<'a> Pods<'a> {
    pub(super) fn new(text: Text<'a>) -> Result<Self, ReadError> {
        let table = Table::of(text)?;
        let [name, cpu, memory, gpus, gpu_milli, qos, created, deleted, scheduled] = table
            .columns([
                "name",
                "cpu_milli",
                "memory_mib",
                "num_gpu",
                "gpu_milli",
                "qos",
                "creation_time",
                "deletion_time",
                "scheduled_time",
            ])?;
        let columns =
            PodColumns { name, cpu, memory, gpus, gpu_milli, qos, created, deleted, scheduled };
        Ok(Self { table, columns, names: Seen::default() })
    }
}

impl Tasks for Pods<'_> {
    fn next(&mut self, account: &mut Account) -> Result<Option<Task>, ReadError> {
        while let Some(row) = self.table.next()? {
            account.rows += 1;
            if !self.names.is_new(row.text(&self.columns.name)) {
                return Err(row.wrong(&self.columns.name, "is there twice"));
            }
            if let Some(pod) = self.columns.pod(&row, account)? {
                return Ok(Some(Task { pod, count: 1 }));
            }
        }
        Ok(None)
    }

    fn beginning(&self) -> Beginning {
        Beginning::Zero
    }
}

impl PodColumns {
    fn pod(&self, row: &Row<'_>, account: &mut Account) -> Result<Option<Arrival>, ReadError> {
        let created = amounts::required_span(row, &self.created, SECOND)?;
        let (priority, waits, interruptible) = self.class(row)?;
        let cpu = amounts::cpu(row, &self.cpu, amounts::required(row, &self.cpu)?, 1.0)?;
        let memory = amounts::required(row, &self.memory)?;
        let memory = amounts::memory(row, &self.memory, memory, MEBIBYTE)?;
        let gpu = self.gpu(row)?;
        let Some(scheduled) = amounts::span(row, &self.scheduled, SECOND)? else {
            account.skip("never scheduled, so without a length");
            return Ok(None);
        };
        let Some(deleted) = amounts::span(row, &self.deleted, SECOND)? else {
            account.skip("not deleted, so without a length");
            return Ok(None);
        };
        if scheduled < created {
            return Err(row.wrong(&self.scheduled, "is before the pod was created"));
        }
        if deleted < scheduled {
            return Err(row.wrong(&self.deleted, "is before the pod was scheduled"));
        }
        Ok(Some(Arrival {
            at: Time::from_millis(created.millis()),
            duration: at_least_a_second(deleted - scheduled, account),
            cpu,
            memory,
            max_delay: (!waits).then_some(Span::ZERO),
            gpu,
            priority: Some(priority),
            interruptible: Some(interruptible),
        }))
    }

    fn class(&self, row: &Row<'_>) -> Result<(i8, bool, bool), ReadError> {
        match row.text(&self.qos) {
            "LS" => Ok((100, false, false)),
            "Guaranteed" => Ok((75, true, false)),
            "Burstable" => Ok((50, true, false)),
            "BE" => Ok((0, true, true)),
            _ => Err(row.wrong(&self.qos, "is not `LS`, `Guaranteed`, `Burstable` or `BE`")),
        }
    }

    fn gpu(&self, row: &Row<'_>) -> Result<MilliGpu, ReadError> {
        let gpus = amounts::count(row, &self.gpus, 1_024)?;
        let milli = amounts::count(row, &self.gpu_milli, 1_000)?;
        if gpus > 1 && milli != 1_000 {
            return Err(row.wrong(&self.gpu_milli, "is a share of several GPUs"));
        }
        Ok(MilliGpu(gpus * milli))
    }
}

/// Equal nodes of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nodes {
    /// Model of the GPUs; empty where there are none, or where the list does not say.
    pub model: String,
    /// Whole GPUs of a node.
    pub gpu: u32,
    /// CPU of a node.
    pub cpu: MilliCpu,
    /// Memory of a node.
    pub memory: Bytes,
}

/// The nodes of a list, as groups of equal ones and how many each has.
///
/// # Errors
///
/// [`ReadError`] names file, line and column.
pub fn nodes(path: &Path) -> Result<BTreeMap<Nodes, u32>, ReadError> {
    groups(Text::open(path, LastLine::Closed)?)
}

/// The same from memory or a stream; `name` stands for the file in messages.
///
/// # Errors
///
/// As [`nodes`].
pub fn parse_nodes(name: &str, input: impl Read) -> Result<BTreeMap<Nodes, u32>, ReadError> {
    groups(Text::new(name, input, LastLine::Closed)?)
}

fn groups(text: Text<'_>) -> Result<BTreeMap<Nodes, u32>, ReadError> {
    let mut table = Table::of(text)?;
    let [name, cpu, memory, gpu, model] =
        table.columns(["sn", "cpu_milli", "memory_mib", "gpu", "model"])?;
    let mut names = Seen::default();
    let mut groups = BTreeMap::new();
    while let Some(row) = table.next()? {
        if !names.is_new(row.text(&name)) {
            return Err(row.wrong(&name, "is there twice"));
        }
        let nodes = Nodes {
            model: row.text(&model).to_owned(),
            gpu: amounts::count(&row, &gpu, 1_024)?,
            cpu: amounts::cpu(&row, &cpu, amounts::required(&row, &cpu)?, 1.0)?,
            memory: amounts::memory(&row, &memory, amounts::required(&row, &memory)?, MEBIBYTE)?,
        };
        *groups.entry(nodes).or_insert(0) += 1;
    }
    if groups.is_empty() {
        return Err(ReadError::Empty { path: table.path().to_owned() });
    }
    Ok(groups)
}
