//! The files that we write ourselves, as CSV or Parquet, and any Parquet with named columns.
//!
//! Two columns: `timestamp_utc`, the start of the step, and `carbon_intensity_g_per_kwh`, empty or
//! null in a gap. What the series is, and where it came from, goes with it: in the key-value
//! metadata of a Parquet file, in `# key: value` lines before the header of a CSV file. The key
//! `carbon-kube.series` holds the [`Label`] as JSON; others are the caller's.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use bytes::Bytes;
use carbon_kube_core::intensity::{IntensitySeries, Label};
use carbon_kube_core::{GramsPerKwh, Time, Zone};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::Format;
use super::columns::{self, IntensityUnit};
use super::readings::Readings;
use super::request::Request;
use super::rule::{Ending, NO_INSTANT, Reading, Refusal, Rule, Texts};
use crate::damage;
use crate::error::ReadError;
use crate::instant;
use crate::seal;
use crate::table::{self, Column, Table};

const TIME: &str = "timestamp_utc";
const VALUE: &str = "carbon_intensity_g_per_kwh";
/// The key of the label.
const SERIES: &str = "carbon-kube.series";
/// The largest Parquet file: it is read from memory.
pub(crate) const LIMIT_BYTES: u64 = 1 << 30;

/// The keys and values that a file of ours carries beside the series, its label among them.
///
/// # Errors
///
/// [`ReadError`], also for a file that is not one of ours.
pub fn notes(path: &Path) -> Result<BTreeMap<String, String>, ReadError> {
    let name = path.display().to_string();
    let mut text = table::unpack(&name, table::open(path)?)?;
    let mut notes = BTreeMap::new();
    if table::peek(&name, &mut text)?.starts_with(b"PAR1") {
        let builder = whole_file(&name, table::whole(&name, text, LIMIT_BYTES)?)?;
        let pairs = builder.metadata().file_metadata().key_value_metadata();
        for pair in pairs.into_iter().flatten() {
            notes.insert(pair.key.clone(), pair.value.clone().unwrap_or_default());
        }
        notes.retain(|key, _| !seal::OURS.contains(&key.as_str()));
    } else {
        for line in Table::unpacked(&name, text)?.comments() {
            if let Some((key, value)) = line.split_once(": ") {
                notes.insert(key.to_owned(), value.to_owned());
            }
        }
    }
    Ok(notes)
}

/// The zone that a file of ours stands for.
#[must_use]
pub fn zone(notes: &BTreeMap<String, String>) -> Option<Zone> {
    let label: Label = serde_json::from_str(notes.get(SERIES)?).ok()?;
    Some(label.zone)
}

fn damaged(path: &str, error: &dyn std::fmt::Display) -> ReadError {
    ReadError::Parquet {
        path: path.to_owned(),
        reason: format!("the Parquet data is damaged: {error}"),
    }
}

/// Writes a series as Parquet; `notes` are keys and values that go with it.
///
/// # Errors
///
/// What the output says.
pub fn write_parquet(
    series: &IntensitySeries,
    notes: &BTreeMap<String, String>,
    output: impl Write + Send,
) -> io::Result<()> {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let fields = vec![Field::new(TIME, time, false), Field::new(VALUE, DataType::Float64, true)];
    let schema = Arc::new(Schema::new(fields));
    let times: TimestampMillisecondArray =
        series.steps().map(|(at, _)| Some(at.millis())).collect();
    let values: Float64Array =
        series.steps().map(|(_, value)| value.map(GramsPerKwh::get)).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(times.with_timezone("UTC")), Arc::new(values)];
    let pairs = pairs(series.label(), notes)?.into_iter().collect();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by("carbon-kube".to_owned());
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(io::Error::other)?;
    let mut writer = seal::Writer::new(output, schema, properties, pairs).map_err(unwrap_io)?;
    writer.write(&batch).map_err(unwrap_io)?;
    writer.finish().map_err(unwrap_io)?;
    Ok(())
}

/// Writes a series as CSV; `notes` are keys and values that go with it.
///
/// # Errors
///
/// What the output says.
pub fn write_csv(
    series: &IntensitySeries,
    notes: &BTreeMap<String, String>,
    mut output: impl Write,
) -> io::Result<()> {
    for (key, value) in pairs(series.label(), notes)? {
        writeln!(output, "# {key}: {}", value.replace(['\n', '\r'], " "))?;
    }
    writeln!(output, "{TIME},{VALUE}")?;
    for (at, value) in series.steps() {
        match value {
            Some(value) => writeln!(output, "{at},{}", value.get())?,
            None => writeln!(output, "{at},")?,
        }
    }
    output.flush()
}

fn pairs(label: &Label, notes: &BTreeMap<String, String>) -> io::Result<BTreeMap<String, String>> {
    let mut pairs = notes.clone();
    pairs.insert(SERIES.to_owned(), serde_json::to_string(label)?);
    Ok(pairs)
}

fn unwrap_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

pub(super) fn is_ours(table: &Table<'_>) -> bool {
    table.has(TIME) && table.has(VALUE)
}

/// The label of a stored series, which has to be that of the zone.
fn stored_label(path: &str, text: Option<&str>, request: &Request) -> Result<Label, ReadError> {
    let label: Option<Label> = text.and_then(|text| serde_json::from_str(text).ok());
    let label = label.ok_or_else(|| ReadError::Needs {
        path: path.to_owned(),
        what: "does not say what the series is: name the columns of time and value",
    })?;
    if label.zone != request.zone {
        return Err(ReadError::Elsewhere {
            path: path.to_owned(),
            column: SERIES.to_owned(),
            wanted: format!("`{}`", request.zone),
            present: vec![label.zone.to_string()],
        });
    }
    Ok(label)
}

/// The rows of a stored CSV file.
#[derive(Clone)]
pub(super) struct StoredRule {
    label: Label,
    time: [Column; 1],
    value: [Column; 1],
}

impl StoredRule {
    pub(super) fn bind(table: &Table<'_>, request: &Request) -> Result<Self, ReadError> {
        let label = table.comments().iter().find_map(|line| line.strip_prefix(SERIES));
        let label = label.and_then(|line| line.strip_prefix(": "));
        Ok(Self {
            label: stored_label(table.path(), label, request)?,
            time: [table.column(TIME)?],
            value: [table.column(VALUE)?],
        })
    }
}

impl Rule for StoredRule {
    fn texts(&self) -> &[Column] {
        &self.time
    }

    fn numbers(&self) -> &[Column] {
        &self.value
    }

    fn any_order(&self) -> bool {
        true
    }

    fn reading(
        &mut self,
        _at: Time,
        _texts: &Texts<'_>,
        numbers: &[Option<f64>],
    ) -> Result<Reading, Refusal> {
        columns::intensity(numbers, 0, IntensityUnit::GramsPerKwh).map(Reading::from)
    }

    fn ending(self, _path: &str) -> Result<Ending, ReadError> {
        Ok(self.label.into())
    }
}

/// Runs a part of the decoder.
fn caught<T>(path: &str, decode: impl FnOnce() -> T) -> Result<T, ReadError> {
    damage::caught(decode).map_err(|problem| damaged(path, &problem))
}

/// A Parquet file in memory, held against its seal.
fn whole_file(
    path: &str,
    bytes: Vec<u8>,
) -> Result<ParquetRecordBatchReaderBuilder<Bytes>, ReadError> {
    let bytes = Bytes::from(bytes);
    let open = || ParquetRecordBatchReaderBuilder::try_new(bytes.clone());
    let builder = caught(path, open)?.map_err(|error| damaged(path, &error))?;
    seal::check(&bytes, builder.metadata()).map_err(|problem| damaged(path, &problem))?;
    Ok(builder)
}

/// Reads a Parquet file of ours, or two named columns of any.
pub(super) fn from_parquet(
    path: &str,
    bytes: Vec<u8>,
    format: Format,
    request: &Request,
) -> Result<(Readings, Ending), ReadError> {
    let unfit = |reason: String| ReadError::Parquet { path: path.to_owned(), reason };
    let failed = |error: &dyn std::fmt::Display| damaged(path, error);
    let builder = whole_file(path, bytes)?;
    let (label, time, value, unit) = if format == Format::Columns {
        let named = columns::named(path, request)?;
        (columns::label(path, request), named.time.as_str(), named.value.as_str(), named.unit)
    } else {
        let pairs = builder.metadata().file_metadata().key_value_metadata();
        let stored = pairs.into_iter().flatten().find(|pair| pair.key == SERIES);
        let text = stored.and_then(|pair| pair.value.as_deref());
        (stored_label(path, text, request)?, TIME, VALUE, IntensityUnit::GramsPerKwh)
    };
    let mut readings = Readings::new(path, None);
    let mut reader = caught(path, || builder.build())?.map_err(|error| failed(&error))?;
    let mut row = 0;
    while let Some(batch) = caught(path, || reader.next())? {
        let batch = batch.map_err(|error| failed(&error))?;
        let column =
            |name: &str| batch.column_by_name(name).ok_or_else(|| missing(path, name, &batch));
        let times = instants(column(time)?)
            .ok_or_else(|| unfit(format!("column `{time}` holds no instants")))?;
        let values = numbers(column(value)?)
            .ok_or_else(|| unfit(format!("column `{value}` holds no numbers")))?;
        for (at, number) in times.into_iter().zip(values) {
            row += 1;
            let wrong = |column: &str, value: String, problem| ReadError::Value {
                path: path.to_owned(),
                line: row,
                column: column.to_owned(),
                value,
                problem,
            };
            let at = at.ok_or_else(|| wrong(time, String::new(), NO_INSTANT))?;
            let grams = match number.map(|number| (number, columns::grams(number, unit))) {
                Some((number, None)) => {
                    return Err(wrong(value, number.to_string(), columns::NO_INTENSITY));
                }
                Some((_, grams)) => grams,
                None => None,
            };
            readings.push(row, at, grams, false)?;
        }
    }
    Ok((readings.complete(), label.into()))
}

fn missing(path: &str, column: &str, batch: &RecordBatch) -> ReadError {
    let schema = batch.schema();
    let present: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let nearest = carbon_kube_core::zone::nearest_name(column, present.iter().map(String::as_str));
    ReadError::MissingColumn {
        path: path.to_owned(),
        column: column.to_owned(),
        nearest: nearest.map(str::to_owned),
        present: present.clone(),
    }
}

/// Instants of a column: a timestamp of any unit, or text. `None` for other columns.
fn instants(column: &ArrayRef) -> Option<Vec<Option<Time>>> {
    // Beyond this no calendar reaches, and shifting by an hour could overflow.
    let sane = |millis: i64| (millis.unsigned_abs() < 1 << 50).then(|| Time::from_millis(millis));
    macro_rules! stamps {
        ($kind:ty, $millis:expr) => {{
            let millis: fn(i64) -> i64 = $millis;
            let values = column.as_primitive_opt::<$kind>()?.iter();
            values.map(|stamp| stamp.and_then(|stamp| sane(millis(stamp)))).collect()
        }};
    }
    Some(match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            stamps!(TimestampSecondType, |stamp| stamp.saturating_mul(1_000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            stamps!(TimestampMillisecondType, |stamp| stamp)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            stamps!(TimestampMicrosecondType, |stamp| stamp.div_euclid(1_000))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            stamps!(TimestampNanosecondType, |stamp| stamp.div_euclid(1_000_000))
        }
        DataType::Utf8 => {
            column.as_string_opt::<i32>()?.iter().map(|text| instant::parse(text?)).collect()
        }
        DataType::LargeUtf8 => {
            column.as_string_opt::<i64>()?.iter().map(|text| instant::parse(text?)).collect()
        }
        _ => return None,
    })
}

/// Numbers of a column; null and NaN are gaps. `None` for other columns.
fn numbers(column: &ArrayRef) -> Option<Vec<Option<f64>>> {
    let known = |number: f64| (!number.is_nan()).then_some(number);
    Some(match column.data_type() {
        DataType::Float64 => {
            column.as_primitive_opt::<Float64Type>()?.iter().map(|v| v.and_then(known)).collect()
        }
        DataType::Float32 => {
            let values = column.as_primitive_opt::<Float32Type>()?.iter();
            values.map(|v| v.map(f64::from).and_then(known)).collect()
        }
        DataType::Int64 => {
            column.as_primitive_opt::<Int64Type>()?.iter().map(|v| v.map(|v| v as f64)).collect()
        }
        DataType::Int32 => {
            column.as_primitive_opt::<Int32Type>()?.iter().map(|v| v.map(f64::from)).collect()
        }
        _ => return None,
    })
}
