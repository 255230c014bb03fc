//! `scenario schema`.

use std::process::ExitCode;

use carbon_kube_sim::scenario;

use crate::failure::Failure;
use crate::output;

pub fn run() -> Result<ExitCode, Failure> {
    output::print(&format!("{:#}\n", scenario::json_schema()))?;
    Ok(ExitCode::SUCCESS)
}
