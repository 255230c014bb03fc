//! From options to a request, and back: an option without effect is refused.

use std::path::Path;

use carbon_kube_core::Zone;
use carbon_kube_core::intensity::Signal;
use carbon_kube_datasets::intensity::columns::Columns;
use carbon_kube_datasets::intensity::{Format, Import, Request};

use crate::args::{self, ReadArgs};
use crate::failure::Failure;

/// What the options ask of these files.
pub fn request<P: AsRef<Path>>(
    files: &[P],
    zone: Zone,
    format: Option<Format>,
    args: &ReadArgs,
) -> Result<Request, Failure> {
    let columns = match (&args.time_column, &args.value_column) {
        (Some(time), Some(value)) => {
            let unit = args.unit.parse();
            let unit = unit.map_err(|error: String| Failure::new(error).of("--unit"))?;
            Some(Columns { time: time.clone(), value: value.clone(), unit })
        }
        _ => None,
    };
    if let Some(format) = format.filter(|format| columns.is_some() && *format != Format::Columns) {
        return Err(Failure::new(format!("the format `{format}` has columns of its own"))
            .hint("leave out `--time-column` and `--value-column`"));
    }
    Ok(Request {
        area: args.area.clone(),
        factors: args.factor_set.unwrap_or_default(),
        format,
        columns,
        signal: args.signal.into(),
        gaps: args.gaps,
        step: args.step,
        source: source(files),
        ..Request::of(zone)
    })
}

/// The names of the files without their folders, which say nothing about the data.
fn source<P: AsRef<Path>>(files: &[P]) -> Option<String> {
    let (first, more) = files.split_first()?;
    let name = first.as_ref().file_name()?.to_string_lossy();
    Some(match more.len() {
        0 => name.into_owned(),
        more => format!("{name} and {more} more"),
    })
}

/// Refuses what was asked for and could not be given.
pub fn had_effect(path: &Path, args: &ReadArgs, import: &Import) -> Result<(), Failure> {
    let (label, path) = (import.series.label(), path.display());
    if args.signal == args::Signal::Marginal && label.signal != Signal::Marginal {
        let message = format!("{path} has {} intensities", label.signal);
        return Err(Failure::new(message).of("--signal").hint(
            "name the columns of a file of marginal ones with `--time-column` and \
             `--value-column`",
        ));
    }
    let chosen = |format: &Format| {
        format.is_mix()
            || matches!(format, Format::ElectricityMaps | Format::Columns | Format::CarbonAwareSdk)
    };
    if args.factor_set.is_some() && !import.found.formats.iter().any(chosen) {
        let message = format!("{path} has intensities by {}", label.factor_set);
        return Err(Failure::new(message).of("--factor-set").hint("leave it out"));
    }
    Ok(())
}
