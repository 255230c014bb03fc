//! The command line of Carbon-Kube.

mod args;
mod completions;
mod datasets;
#[cfg(feature = "train")]
mod evaluate;
mod failure;
mod forecast;
mod interrupt;
mod output;
mod policy;
mod progress;
mod report;
mod reproduce;
mod run_files;
mod scenario_schema;
mod selection;
mod sim_compare;
mod sim_run;
mod sim_validate;
mod sweep;
#[cfg(feature = "train")]
mod train;
#[cfg(feature = "train")]
mod tune;

use std::process::ExitCode;

use args::{Command, DatasetsCommand, PolicyCommand, ScenarioCommand, SimCommand};
use clap::Parser;
use failure::Failure;

fn main() -> ExitCode {
    let args = args::Args::parse();
    match run(args.command) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Sim { command: SimCommand::Run(args) } => sim_run::run(&args),
        Command::Sim { command: SimCommand::Compare(args) } => sim_compare::run(&args),
        Command::Sim { command: SimCommand::Sweep(args) } => sweep::run(&args),
        Command::Sim { command: SimCommand::Validate(args) } => sim_validate::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Policy { command: PolicyCommand::Export(args) } => policy::export::run(&args),
        Command::Policy { command: PolicyCommand::Verify(args) } => policy::verify::run(&args),
        Command::Policy { command: PolicyCommand::Inspect(args) } => policy::inspect::run(&args),
        Command::Policy { command: PolicyCommand::List(args) } => policy::list::run(&args),
        #[cfg(feature = "train")]
        Command::Evaluate(args) => evaluate::run(&args),
        #[cfg(feature = "train")]
        Command::Tune(args) => tune::run(&args),
        Command::Scenario { command: ScenarioCommand::Schema } => scenario_schema::run(),
        Command::Datasets { command: DatasetsCommand::List(args) } => datasets::list::run(&args),
        Command::Datasets { command: DatasetsCommand::Import(args) } => {
            datasets::import::run(&args)
        }
        Command::Datasets { command: DatasetsCommand::Stats(args) } => datasets::stats::run(&args),
        Command::Datasets { command: DatasetsCommand::Convert(args) } => {
            datasets::convert::run(&args)
        }
        #[cfg(feature = "download")]
        Command::Datasets { command: DatasetsCommand::Download(args) } => {
            datasets::download::run(&args)
        }
        Command::Datasets { command: DatasetsCommand::FitTypicalYear(args) } => {
            datasets::fit_typical_year::run(&args)
        }
        #[cfg(feature = "train")]
        Command::Train(args) => train::run(&args),
        Command::Forecast { command } => forecast::run(&command),
        Command::Completions { shell } => completions::run(shell),
    }
}
