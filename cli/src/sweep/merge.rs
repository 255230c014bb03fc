//! `sim sweep --merge FILES|URL -o OUT`: the tables of all shards as one.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use carbon_kube_sim::sweep::{self, SweepError};

use super::run::replace;
use super::store::Store;
use crate::args::SweepArgs;
use crate::failure::Failure;
use crate::output;

pub(super) fn run(args: &SweepArgs) -> Result<ExitCode, Failure> {
    let Some(out) = &args.out else {
        return Err(Failure::new("--merge: name the table to write with `--out`"));
    };
    if out.exists() {
        let message = format!("{}: exists", out.display());
        return Err(Failure::new(message).hint("name another `--out`, or remove the file"));
    }
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::new(format!("can't make a temporary folder: {error}")))?;
    let tables = tables(&args.merge, folder.path())?;
    let rows = replace(out, |file| {
        let mut buffer = BufWriter::new(file);
        let rows = sweep::merge(&tables, &mut buffer, out)?;
        let flushed = buffer.flush().map(|()| rows);
        flushed.map_err(|source| SweepError::Io {
            path: out.clone(),
            action: "can't write",
            source,
        })
    })?;
    output::print(&format!("{}: {rows} rows\n", out.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Files as they are named; of a place in an object store, all tables there.
fn tables(named: &[PathBuf], folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut tables = Vec::new();
    for (number, path) in named.iter().enumerate() {
        match path.to_str().filter(|text| text.contains("://")) {
            None => tables.push(path.clone()),
            Some(url) => {
                // Two places may have tables of one name.
                let folder = folder.join(number.to_string());
                std::fs::create_dir(&folder).map_err(|error| {
                    Failure::new(format!("{}: can't make the folder: {error}", folder.display()))
                })?;
                tables.extend(Store::open(url)?.fetch(&folder)?);
            }
        }
    }
    Ok(tables)
}
