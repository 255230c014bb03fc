//! `forecast plot`: a forecast with its interval, and what came of it where that is known.

use std::process::ExitCode;

use carbon_kube_core::Span;
use carbon_kube_sim::report::charts;

use super::args::PlotArgs;
use super::{data, predict};
use crate::datasets::written;
use crate::failure::Failure;

pub fn run(args: &PlotArgs) -> Result<ExitCode, Failure> {
    let zone = data::one(&args.data)?;
    let at = args.at.unwrap_or(zone.series.end() - Span::DAY * 4);
    let (forecast, _) = predict::forecast(&zone, args.model.as_deref(), at)?;
    let points: Vec<_> = forecast
        .hours
        .iter()
        .map(|hour| (hour.start, hour.value, hour.low(), hour.high()))
        .collect();
    let picture = charts::forecast(&zone.series, &points)
        .map_err(|error| Failure::new(format!("{}: {error}", args.out.display())))?;
    written::write(&args.out, true, |output| {
        let done = output.write_all(picture.as_bytes());
        done.map_err(|error| written::failure(&args.out, &error))
    })?;
    Ok(ExitCode::SUCCESS)
}
