//! `datasets import FILE... -o OUT`: files of others in forms of ours. A file per family: grid data
//! become a series, a workload trace a table, a cluster a scenario and a table of its pods.
//!
//! Without `--format`, objects are known by being Kubernetes' JSON; of the others, grid data have a
//! `--zone` and traces have none.

mod grid;
mod kubernetes;
pub mod storage;
mod workload;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use carbon_kube_datasets::intensity;
use carbon_kube_datasets::workload::account::Account;
use carbon_kube_datasets::workload::trace;

use super::written;
use crate::args::ImportArgs;
use crate::failure::Failure;
use crate::output;

/// What can be imported, by family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportFormat {
    /// Carbon intensity, or a generation mix.
    Grid(intensity::Format),
    /// A workload trace.
    Workload(trace::Format),
    /// A cluster.
    Cluster(Told),
}

/// What tells of a cluster. One reader takes both, and a file of each together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Its objects, as `kubectl get -o json` prints them.
    Kubernetes,
    /// Series of kube-state-metrics, as Prometheus answers.
    Prometheus,
}

impl Told {
    const ALL: [Self; 2] = [Self::Kubernetes, Self::Prometheus];

    const fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Prometheus => "prometheus",
        }
    }
}

impl FromStr for ImportFormat {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(told) = Told::ALL.into_iter().find(|told| told.name() == text) {
            return Ok(Self::Cluster(told));
        }
        if let Ok(format) = text.parse() {
            return Ok(Self::Workload(format));
        }
        let cluster = Told::ALL.map(|told| format!("`{}`", told.name())).join(", ");
        let problem = |problem| format!("{problem}, {}, {cluster}", trace::Format::names());
        text.parse().map(Self::Grid).map_err(problem)
    }
}

impl fmt::Display for ImportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grid(format) => format.fmt(f),
            Self::Workload(format) => f.write_str(format.name()),
            Self::Cluster(told) => f.write_str(told.name()),
        }
    }
}

pub fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    written::refuse_existing(&args.out, args.overwrite)?;
    match args.format {
        Some(ImportFormat::Grid(format)) => grid::run(args, Some(format)),
        // Both families have tables with named columns; only grid data have a zone.
        Some(ImportFormat::Workload(trace::Format::Columns)) if args.zone.is_some() => {
            grid::run(args, Some(intensity::Format::Columns))
        }
        Some(ImportFormat::Workload(format)) => workload::run(args, Some(format)),
        Some(ImportFormat::Cluster(_)) => kubernetes::run(args),
        None if args.files.iter().any(|file| has_objects(file)) => kubernetes::run(args),
        None if args.zone.is_some() => grid::run(args, None),
        None => workload::run(args, None)
            .map_err(|failure| failure.also("grid data need `--zone`, such as `--zone EU-DE`")),
    }
}

/// Kubernetes' JSON says what each object is, and Prometheus' what kind of result; that of grid data
/// says neither.
fn has_objects(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4_096).read_to_end(&mut head));
    let text = String::from_utf8_lossy(&head);
    read.is_ok() && ["\"apiVersion\"", "\"resultType\""].iter().any(|key| text.contains(key))
}

/// What was left out and what was assumed, a line each.
fn remarks(account: &Account) -> Vec<String> {
    let skipped = account.skipped.iter().map(|(why, rows)| format!("left out: {why} ({rows})"));
    let assumed = account.assumptions.iter();
    let assumed = assumed.map(|a| format!("assumed, {}: {} ({})", a.name, a.text, a.rows));
    skipped.chain(assumed).collect()
}

fn names(files: &[PathBuf]) -> String {
    let name = |file: &PathBuf| {
        file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
    };
    files.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn done(target: &Path, what: &str, lines: &[String]) {
    output::remark(&format!("{}: {what}", target.display()));
    for line in lines {
        output::remark(&format!("  {line}"));
    }
}
