//! `datasets stats FILE|ZONE`.

use std::path::Path;
use std::process::ExitCode;

use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance};
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{Time, Zone, typical_year};
use carbon_kube_datasets::bundled;
use carbon_kube_datasets::intensity::columns::{self, Columns};
use carbon_kube_datasets::intensity::open::{self, Mix};
use carbon_kube_datasets::stats::Stats;
use serde_json::json;

use super::{read_failure, zone};
use crate::args::{Format, Signal, StatsArgs};
use crate::failure::Failure;
use crate::output;

pub fn run(args: &StatsArgs) -> Result<ExitCode, Failure> {
    let series = series(args)?;
    let stats = Stats::of(&series);
    let text = match args.format {
        Format::Json => json(&series, &stats),
        Format::Table => table(&series, &stats),
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn series(args: &StatsArgs) -> Result<IntensitySeries, Failure> {
    let path = Path::new(&args.source);
    if path.exists() {
        return from_file(path, args);
    }
    // A misspelt file must not pass as a zone with options that nobody looks at.
    if args.zone.is_some() || args.time_column.is_some() {
        return Err(Failure::new(format!("there is no file `{}`", args.source))
            .hint("`--zone` and the columns are for files; a zone's own data needs neither"));
    }
    let zone = zone(&args.source)?;
    let (what, series) = match args.signal {
        Signal::Average => {
            let bundled = bundled::series(&zone, args.factor_set);
            let modelled = || modelled(&zone, args.factor_set);
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

fn from_file(path: &Path, args: &StatsArgs) -> Result<IntensitySeries, Failure> {
    let name = args.zone.as_deref().ok_or_else(|| {
        Failure::new(format!("{}: which zone does the file stand for?", path.display()))
            .hint("say it with `--zone`, such as `--zone EU-DE`")
    })?;
    let zone = zone(name)?;
    let area = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (Some(time), Some(value)) = (&args.time_column, &args.value_column) else {
        if args.signal == Signal::Marginal {
            return Err(Failure::new(
                "--signal: a file in the open format has average intensities",
            )
            .hint(
                "name the columns of a file of marginal ones with `--time-column` and \
                       `--value-column`",
            ));
        }
        let mix = Mix { zone, area, factors: args.factor_set };
        return open::read(path, &mix).map_err(read_failure);
    };
    let label = Label {
        zone,
        source: area.clone(),
        area,
        signal: args.signal.into(),
        scope: args.factor_set.scope(),
        factor_set: "as published".into(),
        provenance: Provenance::Measured,
    };
    let unit =
        args.unit.parse().map_err(|error: String| Failure::new(format!("--unit: {error}")))?;
    let columns = Columns { time: time.clone(), value: value.clone(), unit };
    columns::read(path, label, &columns).map_err(read_failure)
}

fn json(series: &IntensitySeries, stats: &Stats) -> String {
    let json = json!({
        "label": series.label(),
        "start": stats.start.to_string(),
        "end": stats.end.to_string(),
        "stepSeconds": stats.step.seconds(),
        "hours": stats.hours,
        "gaps": stats.gaps,
        "meanGramsPerKwh": stats.mean,
        "sdGramsPerKwh": stats.sd,
        "minGramsPerKwh": stats.min,
        "maxGramsPerKwh": stats.max,
        "meanDailySwingGramsPerKwh": stats.mean_daily_swing,
    });
    format!("{json:#}\n")
}

fn table(series: &IntensitySeries, stats: &Stats) -> String {
    let label = series.label();
    let modelled = match label.provenance {
        Provenance::Measured => "measured",
        Provenance::Modelled => "MODELLED, not measured",
    };
    format!(
        "zone          {} ({})\n\
         signal        {}, {}, factors {}, {modelled}\n\
         source        {}\n\
         period        {} to {}, step {}\n\
         known         {:.0} h, {} gaps\n\
         mean          {:.1} g/kWh\n\
         spread        {:.1} g/kWh (standard deviation)\n\
         range         {:.1} to {:.1} g/kWh\n\
         daily swing   {:.1} g/kWh (mean of highest - lowest of a UTC day)\n",
        label.zone,
        label.area,
        label.signal,
        label.scope,
        label.factor_set,
        label.source,
        stats.start,
        stats.end,
        stats.step,
        stats.hours,
        stats.gaps,
        stats.mean.get(),
        stats.sd.get(),
        stats.min.get(),
        stats.max.get(),
        stats.mean_daily_swing.get(),
    )
}
