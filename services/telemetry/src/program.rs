//! How every program of a cluster starts and ends.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::config::{ConfigError, Configuration};

/// Exit status of a program that ended in order: 0; 2 where it could not run, with the reason on
/// standard error.
#[must_use]
pub fn exit(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell where even standard error is gone.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

/// The configuration of a file; every default without one.
///
/// # Errors
///
/// [`ConfigError`], as [`Configuration::load`].
pub fn configuration<C: Configuration>(file: Option<&Path>) -> Result<C, ConfigError> {
    file.map_or_else(|| Ok(C::default()), C::load)
}

/// Prints the JSON Schema of a configuration.
///
/// # Errors
///
/// Where standard output is gone.
pub fn print_schema<C: Configuration>() -> Result<(), Box<dyn Error>> {
    let schema = schemars::schema_for!(C);
    Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&schema)?)?)
}

/// Prints a configuration with its defaults filled in.
///
/// # Errors
///
/// Where standard output is gone.
pub fn print_configuration<C: Configuration>(config: &C) -> Result<(), Box<dyn Error>> {
    Ok(write!(std::io::stdout(), "{}", serde_saphyr::to_string(config)?)?)
}
