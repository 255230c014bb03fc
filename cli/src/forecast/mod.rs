//! `forecast ...`: a file per subcommand.

pub mod args;
pub mod data;
#[cfg(feature = "train")]
mod evaluate;
mod export;
mod plot;
mod predict;
#[cfg(feature = "train")]
mod train;

use std::path::Path;
use std::process::ExitCode;

use carbon_kube_policies::forecast::file::{ForecastFileError, Loaded};
use carbon_kube_policies::forecast::library;
use carbon_kube_sim::forecast::{LoadError, load};

use crate::failure::Failure;
use args::ForecastCommand;

pub fn run(command: &ForecastCommand) -> Result<ExitCode, Failure> {
    match command {
        #[cfg(feature = "train")]
        ForecastCommand::Train(args) => train::run(args),
        #[cfg(feature = "train")]
        ForecastCommand::Evaluate(args) => evaluate::run(args),
        ForecastCommand::Predict(args) => predict::run(args),
        ForecastCommand::Plot(args) => plot::run(args),
        ForecastCommand::Export(args) => export::run(args),
    }
}

/// The forecast that a command's argument means; the shipped one where there is none.
pub fn model(name: Option<&str>) -> Result<Loaded, Failure> {
    let name = name.unwrap_or(library::DEFAULT);
    load(name, Path::new("")).map_err(|error| {
        let hint = match &error {
            LoadError::Io { .. } => Some(format!(
                "name a folder that `carbon-kube forecast train` wrote, or `{}`",
                library::DEFAULT
            )),
            LoadError::Refused { error: ForecastFileError::Checksum { .. }, .. } => {
                Some("train it again; a changed file is not used".to_owned())
            }
            LoadError::Refused { .. } => None,
        };
        Failure::new(error.to_string()).maybe_hint(hint)
    })
}
