//! Runs the cells of a sweep that are not finished yet, and writes the table.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use carbon_kube_sim::comparison;
use carbon_kube_sim::engine::RunError;
use carbon_kube_sim::sweep::{self, Cell, Column, Journal, Row, Shard, Stamp, SweepError};
use rayon::prelude::*;

use super::store::Store;
use super::{Sweep, sweep_failure};
use crate::args::SweepArgs;
use crate::failure::{CHECK_FAILED, Failure, INTERRUPTED};
use crate::interrupt::stop_on_interrupt;
use crate::output;
use crate::progress::Overall;
use crate::sim_run::{diagnostics_text, load_text};

/// Failed cells that are shown in full.
const SHOWN: usize = 3;

pub(super) fn run(args: &SweepArgs, sweep: &Sweep) -> Result<ExitCode, Failure> {
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let out = args.out.clone().unwrap_or_else(|| default_out(&sweep.path, shard));
    let stamp = Stamp { sweep: sweep.digest()?, shard };
    let store = args.store.as_deref().map(Store::open).transpose()?;
    let columns = sweep::columns(sweep.plan.axes());
    let mut journal = open(&out, &stamp)?;
    let cells: Vec<u64> = (0..sweep.plan.cells()).filter(|&cell| shard.has(cell)).collect();
    let left: Vec<u64> = cells.iter().copied().filter(|&cell| !journal.has(cell)).collect();
    if !args.quiet {
        output::remark(&plan_text(sweep, shard, cells.len(), left.len()));
    }
    let stop = stop_on_interrupt()?;
    let progress = Overall::new(cells.len() as u64, (cells.len() - left.len()) as u64, args.quiet);
    let work = Work { sweep, columns: &columns, stop: &stop, journal: Mutex::new(&mut journal) };
    let results = work.all(args.jobs.unwrap_or(0).into(), &left, &progress)?;
    progress.finish();
    let (failed, broken) = sorted(results);
    if let Some(error) = broken {
        return Err(sweep_failure(error));
    }
    tell(&failed);
    let open = cells.iter().filter(|&&cell| !journal.has(cell)).count() - failed.len();
    if open > 0 {
        let (done, all) = (cells.len() - open - failed.len(), cells.len());
        output::remark(&format!(
            "interrupted: {done} of {all} combinations are kept; the same command goes on"
        ));
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if failed.len() == cells.len() {
        return Err(Failure::new("no combination could be run, so there is no table"));
    }
    let rows = write(&out, &columns, &stamp, &cells, &mut journal)?;
    output::print(&format!("{}: {rows} rows\n", out.display()))?;
    if let Some(store) = store {
        output::print(&format!("stored: {}\n", store.put(&out)?))?;
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(CHECK_FAILED) })
}

/// `sweep.yaml` gives `sweep.parquet`, and shard 0/4 of it `sweep-0-of-4.parquet`.
fn default_out(sweep: &Path, shard: Shard) -> PathBuf {
    let stem = sweep.file_stem().unwrap_or_default().to_string_lossy();
    match shard {
        Shard::WHOLE => format!("{stem}.parquet").into(),
        Shard { index, of } => format!("{stem}-{index}-of-{of}.parquet").into(),
    }
}

/// The journal beside the table. A table without one is somebody's result, and stays.
fn open(out: &Path, stamp: &Stamp) -> Result<Journal, Failure> {
    let path = journal_path(out);
    if out.exists() && !path.exists() {
        let message = format!("{}: exists, and there is no {}", out.display(), path.display());
        return Err(Failure::new(message).hint("name another `--out`, or remove the file"));
    }
    let (journal, damaged) = Journal::open(&path, stamp).map_err(sweep_failure)?;
    for what in damaged {
        output::remark(&format!("warning: {}: {what}", path.display()));
    }
    Ok(journal)
}

fn journal_path(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".journal");
    out.with_file_name(name)
}

fn plan_text(sweep: &Sweep, shard: Shard, cells: usize, left: usize) -> String {
    let each = sweep.plan.runs / sweep.plan.cells().max(1);
    let part = if shard == Shard::WHOLE { String::new() } else { format!(", shard {shard}") };
    let kept = match cells - left {
        0 => String::new(),
        kept => format!("; {kept} were finished before"),
    };
    format!("{cells} combinations of {each} policies{part}{kept}")
}

/// What the threads share.
struct Work<'a> {
    sweep: &'a Sweep,
    columns: &'a [Column],
    stop: &'a AtomicBool,
    journal: Mutex<&'a mut Journal>,
}

/// Why a cell has no rows.
enum Problem {
    Interrupted,
    /// It can't be run; others can.
    Cell(u64, String),
    /// Nothing can be kept any more.
    Sweep(SweepError),
}

impl Work<'_> {
    fn all(
        &self,
        threads: usize,
        cells: &[u64],
        progress: &Overall,
    ) -> Result<Vec<Result<(), Problem>>, Failure> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|error| Failure::new(format!("can't start threads: {error}")))?;
        let one = |&number: &u64| {
            let result = self.one(&self.sweep.plan.cell(number));
            progress.advance();
            result
        };
        Ok(pool.install(|| cells.par_iter().with_max_len(1).map(one).collect()))
    }

    /// Runs one cell and keeps its rows.
    fn one(&self, cell: &Cell) -> Result<(), Problem> {
        if self.stop.load(Ordering::SeqCst) {
            return Err(Problem::Interrupted);
        }
        let rows = self.rows(cell)?;
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.keep(cell.number, rows).map_err(|error| {
            // On a full disk nothing more can be kept.
            self.stop.store(true, Ordering::SeqCst);
            Problem::Sweep(error)
        })
    }

    fn rows(&self, cell: &Cell) -> Result<Vec<Row>, Problem> {
        let overrides = self.sweep.plan.overrides(cell);
        let failed = |why: String| Problem::Cell(cell.number, named(&overrides, &why));
        let Sweep { scenario, scenario_path, .. } = self.sweep;
        let (parsed, world) = load_text(scenario, scenario_path, &overrides)
            .map_err(|diagnostics| failed(diagnostics_text(&diagnostics)))?;
        let entries = self.sweep.entries(&parsed.spec.spec.policies);
        let entries = entries.map_err(|failure| failed(failure.text()))?;
        match comparison::summarised(&world, &entries, self.stop) {
            Ok(summary) => Ok(sweep::rows(self.columns, cell.number, &cell.values, &summary)),
            Err(RunError::Interrupted) => Err(Problem::Interrupted),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

fn named(overrides: &[(String, String)], why: &str) -> String {
    let values: Vec<String> =
        overrides.iter().map(|(path, value)| format!("{path}={value}")).collect();
    format!("{}:\n{}", values.join(" "), why.trim_end())
}

/// The cells that failed, and what ended the sweep.
fn sorted(results: Vec<Result<(), Problem>>) -> (Vec<String>, Option<SweepError>) {
    let (mut failed, mut broken) = (Vec::new(), None);
    for problem in results.into_iter().filter_map(Result::err) {
        match problem {
            Problem::Interrupted => {}
            Problem::Cell(number, why) => failed.push(format!("combination {number}, {why}")),
            Problem::Sweep(error) => broken = broken.or(Some(error)),
        }
    }
    (failed, broken)
}

fn tell(failed: &[String]) {
    for why in failed.iter().take(SHOWN) {
        output::remark(why);
    }
    if !failed.is_empty() {
        let count = failed.len();
        output::remark(&format!("error: {count} combinations could not be run and have no rows"));
    }
}

/// Writes the table from the journal, all of it or nothing.
fn write(
    out: &Path,
    columns: &[Column],
    stamp: &Stamp,
    cells: &[u64],
    journal: &mut Journal,
) -> Result<u64, Failure> {
    replace(out, |file| {
        let mut table = sweep::Table::new(BufWriter::new(file), out, columns, stamp)?;
        let mut rows = 0;
        for &cell in cells {
            for row in journal.rows(cell)? {
                table.write(&row)?;
                rows += 1;
            }
        }
        let flushed = table.finish()?.flush();
        flushed.map_err(|source| io(out, source)).map(|()| rows)
    })
}

/// Gives a file its name once all of it is written.
pub(super) fn replace(
    out: &Path,
    write: impl FnOnce(&mut File) -> Result<u64, SweepError>,
) -> Result<u64, Failure> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let failure = |error| sweep_failure(io(out, error));
    let mut whole = tempfile::Builder::new()
        .permissions(permissions())
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(failure)?;
    let rows = write(whole.as_file_mut()).map_err(sweep_failure)?;
    whole.persist(out).map_err(|error| failure(error.error))?;
    Ok(rows)
}

/// As the user's other files have, after their mask: a temporary file is for its owner alone.
#[cfg(unix)]
fn permissions() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

fn io(path: &Path, source: std::io::Error) -> SweepError {
    SweepError::Io { path: path.to_owned(), action: "can't write", source }
}
