//! `sim compare SCENARIO`: policies over several seeds, with intervals, paired by seed.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use carbon_kube_sim::comparison;
use carbon_kube_sim::engine::RunError;
use carbon_kube_sim::ensemble::{self, Ensemble};
use carbon_kube_sim::report::{OutputDirectory, Summary};
use carbon_kube_sim::sweep::{self, Shard, Stamp};
use rayon::prelude::*;

use crate::args::{CompareArgs, Format};
use crate::failure::{Failure, INTERRUPTED};
use crate::interrupt::stop_on_interrupt;
use crate::output;
use crate::progress::Overall;
use crate::selection::selected;
use crate::sim_run::{
    diagnostics_text, folder, load_text, report_failure, reported, scenario_text,
};
use crate::sweep::sweep_failure;

pub fn run(args: &CompareArgs) -> Result<ExitCode, Failure> {
    let text = scenario_text(&args.scenario)?;
    // The whole scenario first: what is wrong with it is said once, not once a seed.
    let (parsed, world) = load_text(&text, &args.scenario, &args.set).map_err(reported)?;
    drop(world);
    if !args.quiet && !parsed.warnings.is_empty() {
        output::remark(diagnostics_text(&parsed.warnings).trim_end());
    }
    let spec = &parsed.spec.spec;
    selected(&spec.policies, folder(&args.scenario), &args.policies)
        .map_err(|failure| failure.of("--policies"))?;
    let stop = stop_on_interrupt()?;
    let directory = args.out.as_deref().map(|out| OutputDirectory::create(out, false));
    let directory = directory.transpose().map_err(report_failure)?;
    let seeds: Vec<u64> = (0..args.seeds).map(|number| spec.seed.wrapping_add(number)).collect();
    let summaries = summaries(args, &text, &seeds, &stop)?;
    if summaries.is_empty() {
        output::remark("interrupted before a seed was finished; nothing was kept");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let complete = summaries.len() == seeds.len();
    let ensemble = ensemble::ensemble(&summaries, complete);
    let target = directory.map(|directory| keep(directory, &ensemble, &summaries)).transpose()?;
    show(args, &ensemble, target.as_deref())?;
    if complete {
        return Ok(ExitCode::SUCCESS);
    }
    let (finished, all) = (summaries.len(), seeds.len());
    output::remark(&format!("interrupted: {finished} of {all} seeds were finished and kept"));
    Ok(ExitCode::from(INTERRUPTED))
}

/// The summaries of the seeds that were finished, in their order.
fn summaries(
    args: &CompareArgs,
    text: &[u8],
    seeds: &[u64],
    stop: &AtomicBool,
) -> Result<Vec<Summary>, Failure> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.jobs.unwrap_or(0).into())
        .build()
        .map_err(|error| Failure::new(format!("can't start threads: {error}")))?;
    let progress = Overall::new(seeds.len() as u64, 0, args.quiet);
    let one = |&seed: &u64| {
        // A small run ends before the engine looks at the flag: without this, Ctrl-C would be
        // heard by none of ten thousand of them.
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let summary = of_seed(args, text, seed, stop);
        progress.advance();
        summary
    };
    let found: Result<Vec<Option<Summary>>, Failure> =
        pool.install(|| seeds.par_iter().with_max_len(1).map(one).collect());
    progress.finish();
    Ok(found?.into_iter().flatten().collect())
}

/// Every policy under one seed; `None` where it was interrupted.
fn of_seed(
    args: &CompareArgs,
    text: &[u8],
    seed: u64,
    stop: &AtomicBool,
) -> Result<Option<Summary>, Failure> {
    let mut overrides = args.set.clone();
    overrides.push(("spec.seed".to_owned(), seed.to_string()));
    let (parsed, world) = load_text(text, &args.scenario, &overrides).map_err(reported)?;
    let entries = selected(&parsed.spec.spec.policies, folder(&args.scenario), &args.policies)?;
    match comparison::summarised(&world, &entries, stop) {
        Ok(summary) => Ok(Some(summary)),
        Err(RunError::Interrupted) => Ok(None),
        Err(error) => Err(Failure::new(format!("seed {seed}: {error}"))),
    }
}

/// Writes the comparison, and a row per run.
fn keep(
    directory: OutputDirectory,
    ensemble: &Ensemble,
    summaries: &[Summary],
) -> Result<std::path::PathBuf, Failure> {
    let json = ensemble::to_json(ensemble);
    directory.write("comparison.json", json.as_bytes()).map_err(report_failure)?;
    let path = directory.target().join("runs.parquet");
    let columns = sweep::columns(&[]);
    let stamp = Stamp { sweep: format!("compare {}", ensemble.scenario), shard: Shard::WHOLE };
    let file = directory.open("runs.parquet").map_err(report_failure)?;
    let mut table = sweep::Table::new(file, &path, &columns, &stamp).map_err(sweep_failure)?;
    for (cell, summary) in (0..).zip(summaries) {
        for row in sweep::rows(&columns, cell, &[], summary) {
            table.write(&row).map_err(sweep_failure)?;
        }
    }
    table.finish().map_err(sweep_failure)?.into_inner().map_err(|error| {
        Failure::new(format!("{}: can't write: {}", path.display(), error.error()))
    })?;
    directory.commit().map_err(report_failure)
}

fn show(args: &CompareArgs, ensemble: &Ensemble, target: Option<&Path>) -> Result<(), Failure> {
    let json = args.json || args.format == Format::Json;
    output::print(&if json { ensemble::to_json(ensemble) } else { ensemble::table(ensemble) })?;
    match target.map(|target| format!("results: {}", target.display())) {
        Some(place) if !args.quiet && json => output::remark(&place),
        Some(place) if !args.quiet => output::print(&format!("{place}\n"))?,
        _ => {}
    }
    Ok(())
}
