//! `datasets import FILE... -o OUT`: files of others in forms of ours. A cluster's objects become a
//! scenario, a workload trace a table with its provenance.

mod kubernetes;
mod workload;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use carbon_kube_datasets::workload::account::Account;
use carbon_kube_datasets::workload::trace::Format;

use crate::args::ImportArgs;
use crate::failure::Failure;
use crate::output;

/// The name of the format that is none of a trace.
const KUBERNETES: &str = "kubernetes";

pub fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let format = args.format.as_deref();
    if args.out.exists() {
        return Err(Failure::new(format!("{}: exists already", args.out.display()))
            .hint("name another file; nothing is overwritten"));
    }
    let is_cluster = match format {
        Some(name) => name == KUBERNETES,
        None => args.files.iter().any(|file| begins_with_brace(file)),
    };
    if is_cluster {
        kubernetes::run(args)
    } else {
        let format = format.map(format_named).transpose()?;
        workload::run(args, format)
    }
}

fn format_named(name: &str) -> Result<Format, Failure> {
    name.parse()
        .map_err(|problem: String| Failure::new(format!("--format: {problem}, `{KUBERNETES}`")))
}

/// Objects are JSON; no trace is.
fn begins_with_brace(path: &Path) -> bool {
    let mut head = [0; 64];
    let read = File::open(path).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
    let blank = |byte: &&u8| byte.is_ascii_whitespace() || [0xef, 0xbb, 0xbf].contains(*byte);
    head[..read].iter().find(|byte| !blank(byte)) == Some(&b'{')
}

/// Writes a file beside its final name, and gives it that name when it is whole.
fn write(
    target: &Path,
    content: impl FnOnce(&mut File) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failure = |error: io::Error| Failure::new(format!("{}: {error}", target.display()));
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failure)?;
    content(file.as_file_mut())?;
    file.as_file_mut().flush().map_err(failure)?;
    file.persist_noclobber(target).map_err(|error| failure(error.error))?;
    Ok(())
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
