//! `sim sweep --merge FILES -o OUT`: the tables of all shards as one.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use carbon_kube_sim::sweep::{self, SweepError};

use super::run::replace;
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
    let rows = replace(out, |file| {
        let mut buffer = BufWriter::new(file);
        let rows = sweep::merge(&args.merge, &mut buffer, out)?;
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
