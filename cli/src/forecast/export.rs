//! `forecast export`: the ConfigMap `carbon-kube-forecast`, which the poller loads.

use std::path::Path;
use std::process::ExitCode;

use carbon_kube_policies::forecast::file;
use carbon_kube_sim::forecast::files;

use super::args::ExportArgs;
use crate::failure::Failure;
use crate::output;

pub fn run(args: &ExportArgs) -> Result<ExitCode, Failure> {
    let loaded = super::model(Some(&args.model))?;
    let (yaml, weights) =
        files(&args.model, Path::new("")).map_err(|error| Failure::new(error.to_string()))?;
    let manifest = file::config_map(&loaded, &yaml, &weights, &args.namespace);
    // JSON is YAML too, and kubectl takes both.
    output::print(&format!("{manifest:#}\n"))?;
    Ok(ExitCode::SUCCESS)
}
