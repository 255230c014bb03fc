//! Files of carbon intensity or of a generation mix.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use carbon_kube_datasets::intensity::{self, Format, Import};
use carbon_kube_datasets::stats::Stats;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::storage::Storage;
use crate::args::ImportArgs;
use crate::datasets::{describe, read_failure, request, zone};
use crate::failure::Failure;
use crate::output;
use crate::progress;

/// The key of the checksums in what is written.
const INPUTS: &str = "carbon-kube.inputs";
/// The key of what was noticed, and of the options that changed numbers.
const IMPORT: &str = "carbon-kube.import";

/// A file that went in.
#[derive(Debug, Serialize)]
struct Input {
    file: String,
    bytes: u64,
    sha256: String,
}

pub fn run(args: &ImportArgs, format: Option<Format>) -> Result<ExitCode, Failure> {
    let storage = Storage::of(&args.out)?;
    let Some(name) = &args.zone else {
        return Err(Failure::new("--zone: grid data need the zone that they stand for")
            .hint("such as `--zone EU-DE`"));
    };
    let request = request::request(&args.files, zone(name)?, format, &args.read)?;
    let bar = progress::bytes(args.files.iter().map(|path| length(path)).sum());
    let import = intensity::read_watched(&args.files, &request, &|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let import = import.map_err(read_failure)?;
    if let Some(path) = args.files.first() {
        request::had_effect(path, &args.read, &import)?;
    }
    let inputs = args.files.iter().map(input).collect::<Result<Vec<_>, _>>()?;
    let options = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "gaps": request.gaps.to_string(),
        "step": request.step.map(|step| step.to_string()),
        "found": import.found,
    });
    let notes: BTreeMap<String, String> =
        [(INPUTS.to_owned(), json!(inputs).to_string()), (IMPORT.to_owned(), options.to_string())]
            .into();
    storage.write(&args.out, args.overwrite, &import.series, &notes)?;
    report(args, &import, &inputs)?;
    Ok(ExitCode::SUCCESS)
}

fn report(args: &ImportArgs, import: &Import, inputs: &[Input]) -> Result<(), Failure> {
    let stats = Stats::of(&import.series);
    if args.json {
        let mut json = describe::json(&import.series, &stats, Some(&import.found));
        json["inputs"] = json!(inputs);
        json["written"] = json!(args.out.display().to_string());
        return output::print(&format!("{json:#}\n"));
    }
    let mut text = describe::text(&import.series, &stats);
    text.push_str(&describe::found(&import.found, args.read.gaps));
    for Input { file, bytes, sha256 } in inputs {
        text.push_str(&format!("input         {file}, {bytes} bytes, SHA-256 {sha256}\n"));
    }
    text.push_str(&format!("written       {}\n", args.out.display()));
    output::print(&text)
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |file| file.len())
}

fn input(path: &PathBuf) -> Result<Input, Failure> {
    let failure = |error: io::Error| Failure::new(format!("{}: {error}", path.display()));
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(failure)?);
    loop {
        let part = file.fill_buf().map_err(failure)?;
        let length = part.len();
        if length == 0 {
            break;
        }
        digest.update(part);
        bytes += length as u64;
        file.consume(length);
    }
    let sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    // The name alone: where it lay says nothing about what it is.
    let name = path.file_name().unwrap_or(path.as_os_str());
    Ok(Input { file: name.to_string_lossy().into_owned(), bytes, sha256 })
}
