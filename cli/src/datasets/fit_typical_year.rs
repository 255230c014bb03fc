//! `datasets fit-typical-year FILE...`.

use std::process::ExitCode;

use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::typical_year;
use carbon_kube_datasets::intensity::{self, Format, Request};
use carbon_kube_datasets::typical_year::fit;

use super::{read_failure, zone};
use crate::args::FitArgs;
use crate::failure::Failure;
use crate::output;

pub fn run(args: &FitArgs) -> Result<ExitCode, Failure> {
    let request = Request {
        area: Some(args.area.clone()),
        factors: FactorSet::Local,
        format: Some(Format::Open),
        ..Request::of(zone(&args.zone)?)
    };
    let series = args
        .files
        .iter()
        .map(|path| {
            intensity::read(&[path], &request).map(|import| import.series).map_err(read_failure)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let months = fit(&series).map_err(|error| Failure::new(error.to_string()))?;
    let comment = format!("Fitted to {} files of {}, local factors.", series.len(), args.area);
    output::print(&typical_year::write(&comment, &months))?;
    Ok(ExitCode::SUCCESS)
}
