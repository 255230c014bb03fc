//! The carbon intensity of each zone.

use std::iter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carbon_kube_core::forecast::RecordedForecasts;
use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance, Signal};
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{Span, Time, Zone, typical_year};
use carbon_kube_datasets::ReadError;
use carbon_kube_datasets::bundled;
use carbon_kube_datasets::intensity::columns::{self, Columns};
use carbon_kube_datasets::intensity::{self, Import, Request};

use super::{Covered, prices};
use crate::scenario::diagnostic::{Code, Report};
use crate::scenario::schema::quoted;
use crate::scenario::spec::{self, Grid, IntensityFile, IntensityUnit, Source, ZonePue};
use crate::world::{GridZone, Overhead};

/// The most values of one zone from `steps`: beyond them the list is not repeated.
const MOST_STEPS: i64 = 24_000_000;

/// Why a zone has no series.
struct Problem {
    code: Code,
    message: String,
    hint: Option<String>,
}

/// What one source holds.
struct Data {
    series: IntensitySeries,
    forecasts: RecordedForecasts,
}

impl From<IntensitySeries> for Data {
    fn from(series: IntensitySeries) -> Self {
        Self { series, forecasts: RecordedForecasts::default() }
    }
}

/// What the sources of the zones hold.
pub(super) struct Read {
    pub(super) zones: Vec<GridZone>,
    /// The forecasts that came with the first zone, as they were issued.
    pub(super) forecasts: RecordedForecasts,
}

/// Reads the series of every zone and reports those that are missing, don't cover the window, or
/// can't be compared with the others.
pub(super) fn read(
    grid: &Grid,
    covered: &Covered,
    base_dir: &Path,
    report: &mut Report<'_>,
) -> Read {
    let data = |zone: &spec::GridZone| {
        from_data(&zone.zone.0, zone.source.as_ref()?, grid, covered, base_dir)
    };
    let mut data: Vec<Option<Result<Data, Problem>>> = grid.zones.iter().map(data).collect();
    let signal = data.iter().flatten().flatten().map(|data| data.series.label().signal).next();
    let signal = signal.unwrap_or_default();
    let mut read = Read { zones: Vec::new(), forecasts: RecordedForecasts::default() };
    for (i, (zone, data)) in grid.zones.iter().zip(&mut data).enumerate() {
        let name = &zone.zone.0;
        let series = match (data.take(), &zone.source) {
            (Some(data), _) => data.map(|data| {
                if i == 0 {
                    read.forecasts = data.forecasts;
                }
                data.series
            }),
            (None, Some(source)) => values(name, source, signal, grid, covered),
            (None, None) => Err(no_source(name)),
        };
        let beside = zone.beside.as_ref().map(|source| {
            from_data(name, source, grid, covered, base_dir)
                .map_or_else(
                    || values(name, source, signal, grid, covered),
                    |data| data.map(|data| data.series),
                )
                .and_then(|series| covering(series, name, covered))
        });
        let mut or_report = |key: &str, series: Result<IntensitySeries, Problem>| match series {
            Ok(series) => Some(Arc::new(series)),
            Err(problem) => {
                let path = format!("spec.grid.zones[{i}].{key}");
                report.error(problem.code, &path, problem.message).maybe_hint(problem.hint);
                None
            }
        };
        let series = series.and_then(|series| covering(series, name, covered));
        let series = or_report("source", series);
        let beside = beside.and_then(|series| or_report("beside", series));
        let path = format!("spec.grid.zones[{i}].electricityPrice");
        let price = zone.electricity_price.as_ref();
        let electricity = prices::read(price, name, &path, covered, base_dir, report);
        read.zones.extend(series.map(|series| GridZone {
            zone: name.clone(),
            series,
            overhead: zone.pue.as_ref().map(overhead),
            beside,
            electricity,
        }));
    }
    comparable(&read.zones, grid, report);
    read
}

/// Factors on the mean, which the zone's pools have as their own.
fn overhead(pue: &ZonePue) -> Overhead {
    let mean = pue.mean();
    Overhead { step: pue.step.0, factors: pue.values.iter().map(|value| value / mean).collect() }
}

fn no_source(zone: &Zone) -> Problem {
    Problem {
        code: Code::NoIntensity,
        message: format!("no carbon intensity for zone `{zone}`"),
        hint: Some("import measured data with `source: {file: {path: ...}}`".to_owned()),
    }
}

/// The data of a source; `None` where the scenario has the values itself.
fn from_data(
    name: &Zone,
    source: &Source,
    grid: &Grid,
    covered: &Covered,
    base_dir: &Path,
) -> Option<Result<Data, Problem>> {
    let factors = grid.factor_set.into();
    match source {
        Source::Bundled(source) => Some(read_bundled(name, source.signal, factors).map(Data::from)),
        Source::Modelled(_) => Some(modelled(name, factors, covered).map(Data::from)),
        Source::File(file) => Some(read_file(name, file, factors, base_dir)),
        Source::Constant(_) | Source::Steps(_) => None,
    }
}

/// Values in the scenario are what its other zones are: they say nothing themselves.
fn values(
    zone: &Zone,
    source: &Source,
    signal: Signal,
    grid: &Grid,
    covered: &Covered,
) -> Result<IntensitySeries, Problem> {
    match source {
        Source::Constant(constant) => {
            repeated(zone, &[constant.grams_per_kwh], Span::HOUR, signal, grid, covered)
        }
        Source::Steps(steps) => {
            repeated(zone, &steps.grams_per_kwh, steps.step.0, signal, grid, covered)
        }
        _ => Err(no_source(zone)),
    }
}

fn read_bundled(
    zone: &Zone,
    signal: spec::Signal,
    factors: FactorSet,
) -> Result<IntensitySeries, Problem> {
    let series = match signal {
        spec::Signal::Average => bundled::series(zone, factors),
        spec::Signal::Marginal => bundled::marginal(zone),
    };
    let signal = Signal::from(signal);
    series
        .ok_or_else(|| Problem {
            code: Code::NoIntensity,
            message: format!("no {signal} intensity is bundled for zone `{zone}`"),
            hint: Some(format!(
                "bundled are {}; others have `source: {{modelled: {{}}}}` or a `file`",
                quoted(
                    bundled::catalogue()
                        .iter()
                        .filter(|row| row.signal == signal)
                        .map(|row| row.zone)
                )
            )),
        })?
        .map_err(unreadable)
}

fn modelled(
    zone: &Zone,
    factors: FactorSet,
    covered: &Covered,
) -> Result<IntensitySeries, Problem> {
    if factors == FactorSet::Lifecycle {
        return Err(Problem {
            code: Code::MixedSignals,
            message: "the typical-year model knows direct emissions only".to_owned(),
            hint: Some("use `factorSet: local`, or import lifecycle data".to_owned()),
        });
    }
    typical_year::series(zone, covered.from, covered.to).ok_or_else(|| {
        let known: Vec<&str> = typical_year::zones().map(Zone::as_str).collect();
        Problem {
            hint: Some(format!(
                "modelled are {}; import others with `source: {{file: {{path: ...}}}}`",
                quoted(known)
            )),
            ..no_source(zone)
        }
    })
}

fn read_file(
    zone: &Zone,
    file: &IntensityFile,
    factors: FactorSet,
    base_dir: &Path,
) -> Result<Data, Problem> {
    let paths: Vec<PathBuf> =
        iter::once(&file.path).chain(&file.more_paths).map(|path| base_dir.join(path)).collect();
    let columns = match (&file.time_column, &file.value_column) {
        (Some(time), Some(value)) => {
            Some(Columns { time: time.clone(), value: value.clone(), unit: unit(file.unit) })
        }
        _ => None,
    };
    let request = Request {
        area: file.area.clone(),
        factors: file.factor_set.map_or(factors, FactorSet::from),
        format: file.format.map(|format| format.0),
        columns,
        signal: file.signal.into(),
        gaps: file.gaps.map(|gaps| gaps.0).unwrap_or_default(),
        step: file.step.as_ref().map(|step| step.0),
        source: Some(source(file)),
        ..Request::of(zone.clone())
    };
    let Import { series, forecasts, .. } = intensity::read(&paths, &request).map_err(unreadable)?;
    Ok(Data { series, forecasts })
}

/// The files as the scenario names them: a report must not depend on where it was run.
fn source(file: &IntensityFile) -> String {
    match file.more_paths.len() {
        0 => file.path.clone(),
        more => format!("{} and {more} more", file.path),
    }
}

fn unit(unit: IntensityUnit) -> columns::IntensityUnit {
    match unit {
        IntensityUnit::GramsPerKwh | IntensityUnit::KilogramsPerMwh => {
            columns::IntensityUnit::GramsPerKwh
        }
        IntensityUnit::KilogramsPerKwh => columns::IntensityUnit::KilogramsPerKwh,
        IntensityUnit::PoundsPerMwh => columns::IntensityUnit::PoundsPerMwh,
    }
}

fn unreadable(error: ReadError) -> Problem {
    Problem { code: Code::UnreadableTrace, hint: super::hint(&error), message: error.to_string() }
}

/// A list of values that begins with the window and is repeated, before it as well as after it.
fn repeated(
    zone: &Zone,
    values: &[f64],
    step: Span,
    signal: Signal,
    grid: &Grid,
    covered: &Covered,
) -> Result<IntensitySeries, Problem> {
    let before = (covered.start - covered.from).millis() / step.millis();
    let after = (covered.to - covered.start).millis() / step.millis() + 1;
    let count = (before + after).min(MOST_STEPS);
    let length = values.len() as i64;
    let value = |i: i64| values[(i - before).rem_euclid(length) as usize];
    let scope = FactorSet::from(grid.factor_set).scope();
    let label = Label {
        zone: zone.clone(),
        area: zone.to_string(),
        signal,
        scope,
        factor_set: "the scenario's own".to_owned(),
        provenance: Provenance::Modelled,
        source: "values in the scenario".to_owned(),
    };
    let start = covered.start - step * before;
    IntensitySeries::new(label, start, step, (0..count).map(|i| Some(value(i)))).map_err(|error| {
        Problem { code: Code::NoIntensity, message: error.to_string(), hint: None }
    })
}

/// The series, if it is known everywhere in the window.
fn covering(
    series: IntensitySeries,
    zone: &Zone,
    covered: &Covered,
) -> Result<IntensitySeries, Problem> {
    let Err(error) = series.integral_hours(covered.start, covered.end) else {
        return Ok(series);
    };
    let Covered { start, end, .. } = covered;
    let typical = typical_year::zones().any(|known| known == zone);
    let ranges = overlap(&series, *start, *end);
    let instead = if typical { "use `source: {modelled: {}}`" } else { "import data that does" };
    Err(Problem {
        code: Code::NoIntensity,
        message: format!("{error}; the scenario needs {start} to {end}"),
        hint: Some(format!("{ranges}{instead}")),
    })
}

/// Advice about the window, where another one of the same length would do.
fn overlap(series: &IntensitySeries, start: Time, end: Time) -> String {
    let fits = series.end() - series.start() >= end - start;
    if fits && (start < series.start() || end > series.end()) {
        return format!("move the window into {} to {}, or ", series.start(), series.end());
    }
    String::new()
}

/// Average and marginal, direct and lifecycle numbers answer different questions; zones that
/// differ in them can't be compared, so no policy may choose between them.
fn comparable(zones: &[GridZone], grid: &Grid, report: &mut Report<'_>) {
    if zones.len() < grid.zones.len() {
        return;
    }
    let kind = |zone: &GridZone| (zone.series.label().signal, zone.series.label().scope);
    let Some(first) = zones.first() else { return };
    for (i, zone) in zones.iter().enumerate() {
        if kind(zone) != kind(first) {
            let (signal, scope) = kind(zone);
            let (first_signal, first_scope) = kind(first);
            let message = format!(
                "{signal} {scope} intensity, where zone `{}` has {first_signal} {first_scope}",
                first.zone
            );
            report
                .error(Code::MixedSignals, &format!("spec.grid.zones[{i}].source"), message)
                .hint("give all zones the same kind of intensity");
        }
    }
}
