//! A folder of reference results and the traces behind them.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carbon_kube_core::forecast::StatedForecast;
use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance, Scope, Signal};
use carbon_kube_core::{Span, Time, Zone};

use jiff::civil::DateTime;

use super::{ReproduceError, Study, Table};

/// A folder with the layout that `docs/reproduction.md` describes.
#[derive(Clone, Debug)]
pub struct Reference {
    folder: PathBuf,
}

/// A column of numbers and what they can be.
#[derive(Clone, Debug)]
pub(super) struct Column<'a> {
    pub name: &'a str,
    pub range: RangeInclusive<f64>,
}

impl<'a> Column<'a> {
    pub fn new(name: &'a str, range: RangeInclusive<f64>) -> Self {
        Self { name, range }
    }
}

/// Intensities that a trace can have, in g/kWh; a series refuses some of them itself.
const INTENSITIES: RangeInclusive<f64> = -1e5..=1e5;

/// A trace of the folder: equal steps from an instant on.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    pub name: String,
    pub step: Span,
    pub values: Vec<f64>,
}

impl Reference {
    /// The folder; nothing of it is read yet.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The results that were published for a study; `None` where the folder lacks the file.
    ///
    /// # Errors
    ///
    /// [`ReproduceError::File`] where the file can't be read or isn't a table.
    pub fn published(&self, study: Study) -> Result<Option<Table>, ReproduceError> {
        if self.folder.join(study.file()).exists() {
            self.table(study.file()).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The published numbers of a column within a range; none where there is no such file or column.
    pub(super) fn column(
        &self,
        study: Study,
        name: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Vec<f64>, ReproduceError> {
        let mut numbers =
            self.published(study)?.map(|table| table.numbers(name)).unwrap_or_default();
        numbers.retain(|number| range.contains(number));
        Ok(numbers)
    }

    /// Whether the folder has a file.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.folder.join(name).exists()
    }

    /// A table of the folder; names that end with `.gz` are unpacked.
    pub(super) fn table(&self, name: &str) -> Result<Table, ReproduceError> {
        let path = self.folder.join(name);
        let failed =
            |reason: String| ReproduceError::File { path: path.display().to_string(), reason };
        let file = File::open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => failed("is missing; the study needs it".to_owned()),
            _ => failed(error.to_string()),
        })?;
        let bytes: Box<dyn Read> = if path.extension().is_some_and(|end| end == "gz") {
            Box::new(flate2::read::GzDecoder::new(file))
        } else {
            Box::new(file)
        };
        let mut reader = csv::Reader::from_reader(bytes);
        let header = reader.headers().map_err(|error| failed(error.to_string()))?;
        let columns = header.iter().map(str::to_owned).collect();
        let rows: Result<Vec<Vec<String>>, csv::Error> = reader
            .records()
            .map(|row| row.map(|row| row.iter().map(str::to_owned).collect()))
            .collect();
        Ok(Table { columns, rows: rows.map_err(|error| failed(error.to_string()))? })
    }

    /// Numbers of some columns of a table, row by row; each within its column's range.
    pub(super) fn numbers<const N: usize>(
        &self,
        name: &str,
        columns: [Column<'_>; N],
    ) -> Result<Vec<[f64; N]>, ReproduceError> {
        let table = self.table(name)?;
        let failed = |reason: String| ReproduceError::File {
            path: self.folder.join(name).display().to_string(),
            reason,
        };
        let mut positions = [0; N];
        for (position, column) in positions.iter_mut().zip(&columns) {
            let found = table.column(column.name);
            *position = found.ok_or_else(|| failed(format!("has no column `{}`", column.name)))?;
        }
        let mut rows = Vec::with_capacity(table.rows.len());
        for (line, row) in (2..).zip(&table.rows) {
            let mut numbers = [0.0; N];
            for ((number, &position), column) in numbers.iter_mut().zip(&positions).zip(&columns) {
                let text = row[position].trim();
                let value = text.parse().ok().filter(|value| column.range.contains(value));
                *number = value.ok_or_else(|| {
                    let Column { name, range } = &column;
                    let (low, high) = (range.start(), range.end());
                    let wanted = format!("is not a number from {low} to {high}");
                    failed(format!("line {line}, column `{name}`: `{text}` {wanted}"))
                })?;
            }
            rows.push(numbers);
        }
        if rows.is_empty() {
            return Err(failed("has no rows".to_owned()));
        }
        Ok(rows)
    }

    /// Names of the traces that have this beginning and end, without them, in order.
    pub(super) fn traces(&self, begin: &str, end: &str) -> Result<Vec<String>, ReproduceError> {
        let folder = self.folder.join("traces");
        let failed =
            |reason: String| ReproduceError::File { path: folder.display().to_string(), reason };
        let entries = std::fs::read_dir(&folder).map_err(|error| match error.kind() {
            ErrorKind::NotFound => failed("is missing: is this the reference folder?".to_owned()),
            _ => failed(error.to_string()),
        })?;
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| Some(name.strip_prefix(begin)?.strip_suffix(end)?.to_owned()))
            .collect();
        names.sort();
        if names.is_empty() {
            return Err(failed(format!("has no file `{begin}...{end}`; the study needs some")));
        }
        Ok(names)
    }

    /// A trace of hours, `traces/hourly_<name>.csv`.
    pub(super) fn hourly(&self, name: &str) -> Result<Trace, ReproduceError> {
        self.trace(name, &format!("traces/hourly_{name}.csv"), Span::HOUR)
    }

    /// A trace of half hours of "Let's Wait Awhile", by region as its file has it.
    pub(super) fn half_hourly(&self, region: &str) -> Result<Trace, ReproduceError> {
        let file = format!("traces/lwa_{region}_2020_30min.csv");
        self.trace(&region.to_uppercase(), &file, Span::MINUTE * 30)
    }

    fn trace(&self, name: &str, file: &str, step: Span) -> Result<Trace, ReproduceError> {
        let rows = self.numbers(file, [Column::new("gco2_per_kwh", INTENSITIES)])?;
        let values = rows.into_iter().map(|[value]| value).collect();
        Ok(Trace { name: name.to_owned(), step, values })
    }

    /// The values of one zone of a table of several, in steps as its timestamps have them.
    pub(super) fn of_zone(&self, file: &str, zone: &str) -> Result<Trace, ReproduceError> {
        let table = self.table(file)?;
        let values = self.numbers(file, [Column::new("gco2_per_kwh", INTENSITIES)])?;
        let wrong = |reason: &str| ReproduceError::File {
            path: self.folder.join(file).display().to_string(),
            reason: reason.to_owned(),
        };
        let column = |name: &str| table.column(name);
        let columns = column("zone").zip(column("timestamp"));
        let (zones, times) = columns.ok_or_else(|| wrong("needs columns `zone`, `timestamp`"))?;
        let rows = || table.rows.iter().zip(&values).filter(|(row, _)| row[zones] == zone);
        let stamps: Vec<_> = rows().map(|(row, _)| row[times].parse::<DateTime>()).collect();
        let (Some(Ok(first)), Some(Ok(second))) = (stamps.first(), stamps.get(1)) else {
            return Err(wrong("needs two instants per zone, such as `2022-01-01T00:00`"));
        };
        let step = second.duration_since(*first).as_millis();
        let step = i64::try_from(step).ok().filter(|step| *step > 0);
        Ok(Trace {
            name: zone.to_owned(),
            step: Span::from_millis(step.ok_or_else(|| wrong("has instants that don't rise"))?),
            values: rows().map(|(_, [value])| *value).collect(),
        })
    }
}

impl Trace {
    /// Mean of all values.
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    /// Some of its values.
    pub fn part(&self, from: usize, count: usize) -> Trace {
        let values = self.values.iter().skip(from).take(count).copied().collect();
        Trace { values, ..self.clone() }
    }

    /// As what is accounted with.
    pub fn series(&self, start: Time) -> Result<Arc<IntensitySeries>, ReproduceError> {
        let wrong = |reason: String| ReproduceError::File { path: self.name.clone(), reason };
        let zone: Zone = "XX".parse().map_err(|error| wrong(format!("{error}")))?;
        let label = Label {
            zone,
            area: self.name.clone(),
            signal: Signal::Average,
            scope: Scope::Lifecycle,
            factor_set: "as published".into(),
            provenance: Provenance::Measured,
            source: "reference folder".into(),
        };
        let values = self.values.iter().copied().map(Some);
        IntensitySeries::new(label, start, self.step, values)
            .map(Arc::new)
            .map_err(|error| wrong(error.to_string()))
    }

    /// As what is expected, with an error per step where there is one.
    pub fn forecast(&self, start: Time, errors: Option<&[f64]>) -> StatedForecast {
        let errors = errors.unwrap_or_default().iter().copied().chain(std::iter::repeat(0.0));
        let values = self.values.iter().zip(errors).map(|(value, error)| value + error);
        StatedForecast::new(start, self.step, values)
    }
}
