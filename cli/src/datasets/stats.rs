//! `datasets stats FILE|ZONE`.

use std::path::Path;
use std::process::ExitCode;

use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{Time, Zone, typical_year};
use carbon_kube_datasets::bundled;
use carbon_kube_datasets::intensity::{self, Gaps, Import, stored};
use carbon_kube_datasets::stats::Stats;
use carbon_kube_sim::report::charts;

use super::{describe, read_failure, request, written, zone};
use crate::args::{Format, Signal, StatsArgs};
use crate::failure::Failure;
use crate::{output, progress};

pub fn run(args: &StatsArgs) -> Result<ExitCode, Failure> {
    let path = Path::new(&args.source);
    let (series, found) = if path.exists() {
        let Import { series, found, .. } = from_file(path, args)?;
        (series, Some(found))
    } else {
        (of_zone(args)?, None)
    };
    let stats = Stats::of(&series);
    if let Some(target) = &args.chart {
        let picture = charts::series(&series, &stats)
            .map_err(|error| Failure::new(format!("{}: {error}", target.display())))?;
        written::write(target, true, |output| {
            let written = output.write_all(picture.as_bytes());
            written.map_err(|error| written::failure(target, &error))
        })?;
    }
    let text = match args.format {
        Format::Json => format!("{:#}\n", describe::json(&series, &stats, found.as_ref())),
        Format::Table => {
            let mut text = describe::text(&series, &stats);
            if let Some(found) = &found {
                text.push_str(&describe::found(found, args.read.gaps));
            }
            text
        }
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn of_zone(args: &StatsArgs) -> Result<IntensitySeries, Failure> {
    // A misspelt file must not pass as a zone with options that nobody looks at.
    let read = &args.read;
    let for_files = args.zone.is_some()
        || args.file_format.is_some()
        || read.time_column.is_some()
        || read.area.is_some()
        || read.step.is_some()
        || read.gaps != Gaps::default();
    if for_files {
        return Err(Failure::new(format!("there is no file `{}`", args.source)).hint(
            "`--zone`, the columns, the format, gaps and steps are for files; a zone's own data \
             needs none of them",
        ));
    }
    let factors = read.factor_set.unwrap_or_default();
    let zone = zone(&args.source)?;
    let (what, series) = match read.signal {
        Signal::Average => {
            let bundled = bundled::series(&zone, factors);
            let modelled = || modelled(&zone, factors);
            ("bundled or modelled", bundled.map(|s| s.map_err(read_failure)).or_else(modelled))
        }
        Signal::Marginal => {
            ("bundled marginal", bundled::marginal(&zone).map(|s| s.map_err(read_failure)))
        }
    };
    series.unwrap_or_else(|| {
        let failure = Failure::new(format!(
            "`{}` is neither a file nor a zone with {what} data",
            args.source
        ));
        let known = zone.info().is_some();
        Err(match carbon_kube_core::zone::nearest(&args.source).filter(|_| !known) {
            Some(nearest) => failure.hint(format!("did you mean `{nearest}`?")),
            None => failure.hint("list what there is with `carbon-kube datasets list`"),
        })
    })
}

/// The model's 2020: the year of the bundled measurements.
fn modelled(zone: &Zone, factors: FactorSet) -> Option<Result<IntensitySeries, Failure>> {
    let year = |text: &str| text.parse::<Time>().ok();
    let series = typical_year::series(zone, year("2020-01-01")?, year("2021-01-01")?)?;
    if factors == FactorSet::Local {
        return Some(Ok(series));
    }
    let message = format!("`{zone}` is modelled, with local factors only");
    Some(Err(Failure::new(message).hint("leave out `--factor-set`")))
}

fn from_file(path: &Path, args: &StatsArgs) -> Result<Import, Failure> {
    let zone = match &args.zone {
        Some(name) => zone(name)?,
        // A series that was imported knows what it is.
        None => {
            stored::notes(path).ok().and_then(|notes| stored::zone(&notes)).ok_or_else(|| {
                Failure::new(format!("{}: which zone does the file stand for?", path.display()))
                    .hint("say it with `--zone`, such as `--zone EU-DE`")
            })?
        }
    };
    let request = request::request(&[path], zone, args.file_format, &args.read)?;
    let bar = progress::bytes(path.metadata().map_or(0, |file| file.len()));
    let import = intensity::read_watched(&[path], &request, &|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let import = import.map_err(read_failure)?;
    request::had_effect(path, &args.read, &import)?;
    Ok(import)
}
