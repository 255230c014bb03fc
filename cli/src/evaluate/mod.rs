//! `evaluate`: what policies are worth, by the protocol of `docs/evaluation.md`, or on a scenario.

pub mod args;
pub mod candidates;
pub mod document;
pub mod html;
mod text;
mod training;
pub mod zones;

use std::process::ExitCode;

use carbon_kube_trainer::evaluation::protocol::Watch;
use carbon_kube_trainer::evaluation::table::{EvaluationError, evaluate};

use crate::args::{CompareArgs, Format};
use crate::failure::{Failure, INTERRUPTED};
use crate::interrupt::stop_on_interrupt;
use crate::progress::Overall;
use crate::{output, report, sim_compare};
use args::EvaluateArgs;
use document::Document;
use zones::Prepared;

pub fn run(args: &EvaluateArgs) -> Result<ExitCode, Failure> {
    if args.scenario.is_some() {
        return on_scenario(args);
    }
    if let Some(folder) = &args.training {
        return training::run(args, folder);
    }
    if let Some(target) = &args.html {
        // Known before the work, not after it.
        report::may_be_written(target).map_err(|failure| failure.of("--html"))?;
    }
    let Prepared { trial, files, forecast, mut notes } =
        zones::prepare(&args.trial, args.seeds.unwrap_or(1))?;
    let (candidates, leaks) = candidates::candidates(&args.policy, &files)?;
    notes.extend(leaks);
    let stop = stop_on_interrupt()?;
    let progress = Overall::new(trial.weeks().len() as u64, 0, args.trial.quiet);
    let watch = Watch { stop: &stop, progress: &|| progress.advance() };
    let judged = threads(args.trial.jobs)?
        .install(|| evaluate(&trial, &candidates, args.against.as_deref(), &watch));
    progress.finish();
    let evaluation = match judged {
        Ok(evaluation) => evaluation,
        Err(EvaluationError::Interrupted(_)) => {
            output::remark(
                "interrupted: half a table would compare different weeks; nothing was kept",
            );
            return Ok(ExitCode::from(INTERRUPTED));
        }
        Err(error @ EvaluationError::NoRival(_)) => {
            let names: Vec<&str> = candidates.iter().map(|one| one.name.as_str()).collect();
            return Err(Failure::new(error.to_string())
                .of("--against")
                .hint(format!("there are {}", names.join(", "))));
        }
    };
    let document = Document { evaluation, forecast, notes };
    if let Some(target) = &args.html {
        report::write(target, &html::page(&document))?;
    }
    output::print(&match args.format {
        Format::Json => document.json(),
        Format::Table => text::text(&document),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The threads that an evaluation runs on.
pub fn threads(jobs: Option<u16>) -> Result<rayon::ThreadPool, Failure> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(jobs.unwrap_or(0).into())
        .build()
        .map_err(|error| Failure::new(format!("can't start threads: {error}")))
}

/// As `sim compare` does it: one way to compare on a scenario.
fn on_scenario(args: &EvaluateArgs) -> Result<ExitCode, Failure> {
    let Some(scenario) = args.scenario.clone() else {
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(group) = args.policy.iter().find(|policy| policy.contains('=')) {
        return Err(Failure::new(format!("`{group}`: a scenario takes one policy at a time"))
            .of("--policy")
            .hint("name each folder with a `--policy` of its own"));
    }
    sim_compare::run(&CompareArgs {
        scenario,
        policies: args.policy.clone(),
        seeds: args.seeds.map_or(10, u64::from),
        set: Vec::new(),
        out: None,
        format: args.format,
        json: false,
        jobs: args.trial.jobs,
        quiet: args.trial.quiet,
    })
}
