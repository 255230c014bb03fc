//! `reproduce STUDY`: the numbers of a paper, from the engine, beside the published ones.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use carbon_kube_sim::engine::RunError;
use carbon_kube_sim::reproduce::{
    self, Check, Filters, Options, Reference, ReproduceError, Study, Table,
};
use comfy_table::presets;

use crate::args::{Format, ReproduceArgs};
use crate::datasets::written;
use crate::failure::{CHECK_FAILED, Failure, INTERRUPTED};
use crate::interrupt::stop_on_interrupt;
use crate::output;
use crate::progress::Overall;

pub fn run(args: &ReproduceArgs) -> Result<ExitCode, Failure> {
    let study = args.study.0;
    let reference = Reference::new(&args.reference);
    let published = match (reference.published(study).map_err(failure)?, args.check) {
        (None, true) => {
            let missing = args.reference.join(study.file());
            return Err(Failure::new(format!("{}: is missing", missing.display()))
                .hint("`--check` compares with it; without `--check` it isn't needed"));
        }
        (published, _) => published,
    };
    if let Some(out) = &args.out {
        may_be_written(out, &args.reference, study)?;
    }
    let table = match rows(args, &reference)? {
        Some(table) => table,
        None => {
            output::remark("interrupted; nothing was written");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    if let Some(out) = &args.out {
        written::write(out, true, |file| {
            table.write(file).map_err(|error| written::failure(out, &error))
        })?;
    }
    let published = published.as_ref().filter(|_| args.check);
    let own_noise = study.has_own_noise(&reference);
    let check = published.map(|published| reproduce::check(study, &table, published, own_noise));
    show(args, &table, check.as_ref())?;
    let failed = check.is_some_and(|check| {
        let lacks = check.absent > 0 && options(args).filters == Filters::default();
        !check.misses.is_empty() || check.rows == 0 || lacks
    });
    Ok(if failed { ExitCode::from(CHECK_FAILED) } else { ExitCode::SUCCESS })
}

/// The rows of the study; `None` where it was interrupted.
fn rows(args: &ReproduceArgs, reference: &Reference) -> Result<Option<Table>, Failure> {
    let stop = stop_on_interrupt()?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.jobs.unwrap_or(0).into())
        .build()
        .map_err(|error| Failure::new(format!("can't start threads: {error}")))?;
    let bar = std::sync::OnceLock::new();
    let progress =
        |_: u64, all: u64| bar.get_or_init(|| Overall::new(all, 0, args.quiet)).advance();
    let options = options(args);
    let table =
        pool.install(|| reproduce::reproduce(args.study.0, reference, &options, &stop, &progress));
    if let Some(bar) = bar.get() {
        bar.finish();
    }
    match table {
        Ok(table) if table.rows.is_empty() => {
            Err(Failure::new("the filters select no case of this study")
                .hint("leave one of them out, and see which rows there are"))
        }
        Ok(table) => Ok(Some(table)),
        Err(ReproduceError::Run(RunError::Interrupted)) => Ok(None),
        Err(error) => Err(failure(error)),
    }
}

fn options(args: &ReproduceArgs) -> Options {
    Options {
        filters: Filters {
            regions: args.region.clone(),
            traces: args.trace.clone(),
            start_hours: args.start_hour.clone(),
            deadlines: args.deadline.clone(),
            interruptible: args.interruptible,
            errors: args.error.clone(),
            policies: args.policy.clone(),
            windows_h: args.window_h.clone(),
            profiles: args.profile.clone(),
            reserved: args.reserved.clone(),
        },
        strict: args.strict,
        seed: args.seed,
    }
}

fn failure(error: ReproduceError) -> Failure {
    let hint = match &error {
        ReproduceError::File { .. } => "docs/reproduction.md says what a reference folder holds",
        ReproduceError::Unknown { .. } | ReproduceError::Nothing { .. } => {
            "`carbon-kube reproduce --help` says what each filter takes"
        }
        ReproduceError::Run(_) => return Failure::new(error.to_string()),
    };
    Failure::new(error.to_string()).hint(hint)
}

/// Rows replace rows of an earlier run of the same study, and nothing else: neither a published file
/// nor anything that isn't such a table.
fn may_be_written(out: &Path, reference: &Path, study: Study) -> Result<(), Failure> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let Ok(folder) = folder.canonicalize() else {
        return Err(Failure::new(format!("{}: its folder does not exist", out.display()))
            .hint("make the folder first, or name another"));
    };
    if reference.canonicalize().is_ok_and(|reference| folder.starts_with(reference)) {
        let message = format!("{}: is in the reference folder", out.display());
        return Err(Failure::new(message).hint("choose a name outside of that folder"));
    }
    if !out.exists() || starts_with(out, &study.columns().join(",")) {
        return Ok(());
    }
    Err(Failure::new(format!("{}: exists and is no table of this study", out.display()))
        .hint("choose another name"))
}

/// Whether the first line of a file is this one.
fn starts_with(path: &Path, line: &str) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4_096).read_to_end(&mut head));
    read.is_ok() && head.split(|&byte| byte == b'\n').next() == Some(line.as_bytes())
}

fn show(args: &ReproduceArgs, table: &Table, check: Option<&Check>) -> Result<(), Failure> {
    if args.format == Format::Json {
        return output::print(&json(table, check));
    }
    if args.out.is_none() {
        output::print(&drawn(&table.columns, &table.rows))?;
    }
    let Some(check) = check else {
        return match &args.out {
            Some(out) if !args.quiet => {
                output::print(&format!("{} rows: {}\n", table.rows.len(), out.display()))
            }
            _ => Ok(()),
        };
    };
    output::print(&verdict(check, options(args).filters != Filters::default()))
}

/// What the check found, the misses one by one.
fn verdict(check: &Check, is_filtered: bool) -> String {
    let mut text = String::new();
    if !check.misses.is_empty() {
        let columns = ["row", "column", "ours", "published", "may differ by"];
        let row = |miss: &reproduce::Miss| {
            let miss = miss.clone();
            vec![miss.row, miss.column, miss.ours, miss.published, miss.tolerance]
        };
        let rows: Vec<Vec<String>> = check.misses.iter().map(row).collect();
        text += &drawn(&columns.map(str::to_owned), &rows);
    }
    // Writing to a string can't fail.
    let _ = writeln!(
        text,
        "{} published rows compared, {} numbers, {} outside of the tolerance",
        check.rows,
        check.numbers,
        check.misses.len()
    );
    let why = if is_filtered {
        "the filters leave them out, or the folder lacks their trace"
    } else {
        "the folder lacks their trace, or they are no case of this study"
    };
    if check.absent > 0 {
        let _ = writeln!(text, "{} published rows were not run: {why}", check.absent);
    }
    text
}

fn drawn(columns: &[String], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING).set_header(columns).add_rows(rows);
    format!("{table}\n")
}

fn json(table: &Table, check: Option<&Check>) -> String {
    let misses = |check: &Check| {
        let one = |miss: &reproduce::Miss| {
            serde_json::json!({
                "row": miss.row, "column": miss.column, "ours": miss.ours,
                "published": miss.published, "tolerance": miss.tolerance,
            })
        };
        check.misses.iter().map(one).collect::<Vec<_>>()
    };
    let check = check.map(|check| {
        serde_json::json!({
            "rows": check.rows, "numbers": check.numbers, "notRun": check.absent,
            "misses": misses(check),
        })
    });
    let document =
        serde_json::json!({"columns": table.columns, "rows": table.rows, "check": check});
    format!("{document:#}\n")
}
