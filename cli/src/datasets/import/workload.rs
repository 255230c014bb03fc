//! A workload trace in a format of others, as a table of ours with its provenance.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use carbon_kube_datasets::workload::stored::Writer;
use carbon_kube_datasets::workload::trace::{self, Format, Settings, Trace};
use sha2::{Digest, Sha256};

use super::{done, names, remarks};
use crate::args::ImportArgs;
use crate::datasets::{read_failure, written};
use crate::failure::Failure;

/// Every pod of the trace, at its own time.
pub fn run(args: &ImportArgs, format: Option<Format>) -> Result<ExitCode, Failure> {
    let [source] = args.files.as_slice() else {
        return Err(Failure::new("a trace is one file").hint("import one after the other"));
    };
    if args.zone.is_some() {
        return Err(Failure::new("--zone: a workload trace is in no grid"));
    }
    if format == Some(Format::Columns) {
        return Err(Failure::new("--format: a table with named columns needs no import")
            .hint("name its columns in the scenario, under `workloads[].trace.columns`"));
    }
    if args.out.extension().is_none_or(|extension| extension != "csv") {
        return Err(Failure::new(format!("{}: a table is written as CSV", args.out.display()))
            .hint("name a file that ends in `.csv`"));
    }
    // The head of the table says what the whole trace took, so that is read before.
    let open = || trace::open(source, Settings { format, ..Settings::everything() });
    let mut first = open().map_err(read_failure)?;
    let mut pods = 0u64;
    for pod in first.by_ref() {
        pod.map_err(read_failure)?;
        pods += 1;
    }
    let lines = remarks(first.account());
    let name = names(&args.files);
    let checksum =
        checksum(source).map_err(|error| Failure::new(format!("{}: {error}", source.display())))?;
    let rows = first.account().rows;
    let mut provenance = vec![
        format!("source: {name}, sha256 {checksum}"),
        format!("format: {}, {pods} pods of {rows} rows", first.format().name()),
    ];
    provenance.extend(lines.iter().cloned());
    let trace = open().map_err(read_failure)?;
    written::write(&args.out, args.overwrite, |file| table(trace, file, &provenance, &args.out))?;
    let what = format!("{pods} pods of {rows} rows ({})", first.format().name());
    done(&args.out, &what, &lines);
    Ok(ExitCode::SUCCESS)
}

fn table(
    trace: Trace<'_>,
    file: &mut (dyn Write + Send),
    provenance: &[String],
    target: &Path,
) -> Result<(), Failure> {
    let failure = |error: io::Error| written::failure(target, &error);
    let mut writer = Writer::new(file, trace.is_dated(), provenance).map_err(failure)?;
    for pod in trace {
        writer.pod(&pod.map_err(read_failure)?).map_err(failure)?;
    }
    writer.into_inner().flush().map_err(failure)
}

fn checksum(path: &Path) -> io::Result<String> {
    struct Hashed(Sha256);
    impl Write for Hashed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hashed = Hashed(Sha256::new());
    io::copy(&mut File::open(path)?, &mut hashed)?;
    Ok(hashed.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
