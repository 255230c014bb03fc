//! The table of a sweep: a row per run, with the values of its cell, in the order of the cells.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{Float64Builder, StringBuilder, UInt64Builder};
use arrow_schema::{DataType, Field, Schema};
use carbon_kube_datasets::{damage, seal};
use parquet::basic::Type;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field as Cell, reader::RowIter};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Shard, Stamp, SweepError};
use crate::report::Summary;
use crate::report::summary::Run;
use crate::report::tables::{self, ROW_GROUP};

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole number.
    Count(u64),
    /// Any number.
    Number(f64),
    /// A text.
    Text(String),
    /// Nothing.
    None,
}

/// The values of a run, in the order of the columns.
pub type Row = Vec<Value>;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers, 0 or more.
    Count,
    /// Any numbers.
    Number,
    /// Texts.
    Text,
}

/// A column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name; that of a swept path is the path.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// What a run has in a column.
type OfRun = fn(&Run) -> Value;

/// Columns after those of the swept paths, and what a run has in them.
const RUN: [(&str, Kind, OfRun); 25] = [
    ("policy", Kind::Text, |run| Value::Text(run.policy.clone())),
    ("saving_percent", Kind::Number, |run| number(run.saving_percent)),
    ("emissions_grams", Kind::Number, |run| Value::Number(run.emissions_grams.total)),
    ("operational_grams", Kind::Number, |run| Value::Number(run.emissions_grams.operational)),
    ("idle_grams", Kind::Number, |run| Value::Number(run.emissions_grams.idle)),
    ("embodied_grams", Kind::Number, |run| Value::Number(run.emissions_grams.embodied)),
    ("transfer_grams", Kind::Number, |run| Value::Number(run.emissions_grams.transfer)),
    ("headroom_percent", Kind::Number, |run| number(run.headroom.and_then(|h| h.percent))),
    ("energy_kwh", Kind::Number, |run| Value::Number(run.energy_kwh)),
    ("cost_usd", Kind::Number, |run| Value::Number(run.cost_usd)),
    ("electricity_usd", Kind::Number, |run| number(run.electricity_usd)),
    ("node_hours", Kind::Number, |run| Value::Number(run.node_hours)),
    ("unserved_core_hours", Kind::Number, |run| Value::Number(run.unserved_core_hours)),
    ("delay_mean_hours", Kind::Number, |run| number(run.delay_hours.mean)),
    ("delay_p50_hours", Kind::Number, |run| number(run.delay_hours.p50)),
    ("delay_p95_hours", Kind::Number, |run| number(run.delay_hours.p95)),
    ("delay_max_hours", Kind::Number, |run| number(run.delay_hours.max)),
    ("pods_submitted", Kind::Count, |run| Value::Count(run.pods.submitted)),
    ("pods_completed", Kind::Count, |run| Value::Count(run.pods.completed)),
    ("deadline_misses", Kind::Count, |run| Value::Count(run.pods.deadline_misses)),
    ("migrations", Kind::Count, |run| Value::Count(run.pods.migrations)),
    ("evictions", Kind::Count, |run| Value::Count(run.pods.evictions)),
    ("events", Kind::Count, |run| Value::Count(run.events)),
    ("charged_beyond_trace", Kind::Count, |run| Value::Count(run.charged_beyond_trace)),
    ("digest", Kind::Text, |run| Value::Text(run.digest.clone())),
];

fn number(value: Option<f64>) -> Value {
    value.map_or(Value::None, Value::Number)
}

/// The columns of a sweep over these paths: cell, seed, paths, and what is known of a run.
/// A path whose values are all numbers is a column of numbers.
#[must_use]
pub fn columns(axes: &[(String, Vec<Json>)]) -> Vec<Column> {
    let column = |name: &str, kind| Column { name: name.to_owned(), kind };
    let axis = |(path, values): &(String, Vec<Json>)| {
        let numbers = values.iter().all(Json::is_number);
        column(path, if numbers { Kind::Number } else { Kind::Text })
    };
    let first = [column("cell", Kind::Count), column("seed", Kind::Count)];
    let run = RUN.iter().map(|(name, kind, _)| column(name, *kind));
    first.into_iter().chain(axes.iter().map(axis)).chain(run).collect()
}

/// The rows of one cell. `values` are those of the swept paths, in the order of `columns`.
#[must_use]
pub fn rows(columns: &[Column], cell: u64, values: &[Json], summary: &Summary) -> Vec<Row> {
    let axes: Row = columns.iter().skip(2).zip(values).map(|(c, value)| swept(c, value)).collect();
    let row = |run: &Run| {
        let first = [Value::Count(cell), Value::Count(summary.seed)];
        let known = RUN.iter().map(|(_, _, value)| value(run));
        first.into_iter().chain(axes.iter().cloned()).chain(known).collect()
    };
    summary.runs.iter().map(row).collect()
}

fn swept(column: &Column, value: &Json) -> Value {
    match (column.kind, value) {
        (Kind::Number, value) => number(value.as_f64()),
        (_, Json::String(text)) => Value::Text(text.clone()),
        (_, other) => Value::Text(other.to_string()),
    }
}

/// A table in the making.
pub struct Table<W: Write + Send> {
    file: tables::Table<W>,
    columns: Vec<Builder>,
    rows: usize,
}

enum Builder {
    Count(UInt64Builder),
    Number(Float64Builder),
    Text(StringBuilder),
}

impl<W: Write + Send> Table<W> {
    /// An empty table that goes to `output`; `path` is what errors call it.
    ///
    /// # Errors
    ///
    /// [`SweepError::Table`].
    pub fn new(
        output: W,
        path: &Path,
        columns: &[Column],
        stamp: &Stamp,
    ) -> Result<Self, SweepError> {
        let kind = |column: &Column| match column.kind {
            Kind::Count => DataType::UInt64,
            Kind::Number => DataType::Float64,
            Kind::Text => DataType::Utf8,
        };
        let fields = columns.iter().map(|column| Field::new(&column.name, kind(column), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let known = [("sweep", stamp.sweep.clone()), ("shard", stamp.shard.to_string())];
        let file = tables::Table::new(&known, output, path, schema)?;
        let builder = |column: &Column| match column.kind {
            Kind::Count => Builder::Count(UInt64Builder::new()),
            Kind::Number => Builder::Number(Float64Builder::new()),
            Kind::Text => Builder::Text(StringBuilder::new()),
        };
        Ok(Self { file, columns: columns.iter().map(builder).collect(), rows: 0 })
    }

    /// Adds a row. What is of another kind than its column is left out.
    ///
    /// # Errors
    ///
    /// [`SweepError::Table`].
    pub fn write(&mut self, row: &Row) -> Result<(), SweepError> {
        for (column, value) in self.columns.iter_mut().zip(row) {
            match (column, value) {
                (Builder::Count(column), Value::Count(count)) => column.append_value(*count),
                (Builder::Number(column), Value::Number(number)) => column.append_value(*number),
                (Builder::Number(column), Value::Count(count)) => {
                    column.append_value(*count as f64);
                }
                (Builder::Text(column), Value::Text(text)) => column.append_value(text),
                (Builder::Count(column), _) => column.append_null(),
                (Builder::Number(column), _) => column.append_null(),
                (Builder::Text(column), _) => column.append_null(),
            }
        }
        self.rows += 1;
        if self.rows == ROW_GROUP { self.flush() } else { Ok(()) }
    }

    /// Writes what is left and the footer.
    ///
    /// # Errors
    ///
    /// [`SweepError::Table`].
    pub fn finish(mut self) -> Result<W, SweepError> {
        self.flush()?;
        Ok(self.file.finish()?)
    }

    fn flush(&mut self) -> Result<(), SweepError> {
        let array = |column: &mut Builder| -> ArrayRef {
            match column {
                Builder::Count(column) => Arc::new(column.finish()),
                Builder::Number(column) => Arc::new(column.finish()),
                Builder::Text(column) => Arc::new(column.finish()),
            }
        };
        self.rows = 0;
        Ok(self.file.write(self.columns.iter_mut().map(array).collect())?)
    }
}

/// A table that is read row by row.
struct Read {
    path: PathBuf,
    stamp: Stamp,
    columns: Vec<Column>,
    rows: RowIter<'static>,
    next: Option<(u64, Row)>,
}

impl Read {
    fn open(path: &Path) -> Result<Self, SweepError> {
        let wrong = |why: String| SweepError::Merge(format!("{}: {why}", path.display()));
        let file = File::open(path).map_err(SweepError::io(path, "can't read the table"))?;
        let again = file.try_clone().map_err(SweepError::io(path, "can't read the table"))?;
        let reader = damage::caught(|| SerializedFileReader::new(file))
            .map_err(wrong)?
            .map_err(|error| wrong(format!("this is no Parquet file: {error}")))?;
        seal::check(&again, reader.metadata()).map_err(wrong)?;
        let metadata = reader.metadata().file_metadata();
        let pairs = metadata.key_value_metadata().cloned().unwrap_or_default();
        let known = |key: &str| {
            let pair = pairs.iter().find(|pair| pair.key == key);
            pair.and_then(|pair| pair.value.clone())
        };
        let shard = known("shard").and_then(|shard| shard.parse().ok());
        let (Some(sweep), Some(shard)) = (known("sweep"), shard) else {
            return Err(wrong("this is no table of a sweep".into()));
        };
        let columns = metadata.schema_descr().columns().iter().map(|column| Column {
            name: column.name().to_owned(),
            kind: match column.physical_type() {
                Type::INT64 => Kind::Count,
                Type::DOUBLE => Kind::Number,
                _ => Kind::Text,
            },
        });
        let columns = columns.collect();
        let stamp = Stamp { sweep, shard };
        let rows = RowIter::from_file_into(Box::new(reader));
        let mut read = Self { path: path.to_owned(), stamp, columns, rows, next: None };
        read.advance()?;
        Ok(read)
    }

    fn advance(&mut self) -> Result<Option<(u64, Row)>, SweepError> {
        let wrong = |why: String| SweepError::Merge(format!("{}: {why}", self.path.display()));
        let next = match damage::caught(|| self.rows.next()).map_err(wrong)? {
            None => None,
            Some(Err(error)) => return Err(wrong(error.to_string())),
            Some(Ok(row)) => {
                let row: Row = row.get_column_iter().map(|(_, cell)| value(cell)).collect();
                match row.first() {
                    Some(Value::Count(cell)) => Some((*cell, row)),
                    _ => return Err(wrong("a row has no number of its cell".into())),
                }
            }
        };
        Ok(std::mem::replace(&mut self.next, next))
    }
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::ULong(count) => Value::Count(*count),
        Cell::Double(number) => Value::Number(*number),
        Cell::Str(text) => Value::Text(text.clone()),
        _ => Value::None,
    }
}

/// Writes the tables of all shards of a sweep as the table of the whole, the same to the byte as a
/// sweep without shards gives. Returns the number of rows.
///
/// # Errors
///
/// [`SweepError::Merge`] where they are not the shards of one sweep, each once; [`SweepError::Io`] and
/// [`SweepError::Table`].
pub fn merge<W: Write + Send>(
    files: &[PathBuf],
    output: W,
    path: &Path,
) -> Result<u64, SweepError> {
    let mut parts = files.iter().map(|file| Read::open(file)).collect::<Result<Vec<_>, _>>()?;
    are_one_sweep(&parts)?;
    let Some(first) = parts.first() else {
        return Err(SweepError::Merge("there is nothing to merge".into()));
    };
    let stamp = Stamp { sweep: first.stamp.sweep.clone(), shard: Shard::WHOLE };
    let mut table = Table::new(output, path, &first.columns, &stamp)?;
    let mut rows = 0;
    loop {
        let cell = |part: &Read| part.next.as_ref().map(|(cell, _)| *cell);
        let next =
            parts.iter_mut().filter(|part| part.next.is_some()).min_by_key(|part| cell(part));
        let Some((_, row)) = next.map(Read::advance).transpose()?.flatten() else { break };
        table.write(&row)?;
        rows += 1;
    }
    table.finish()?;
    Ok(rows)
}

fn are_one_sweep(parts: &[Read]) -> Result<(), SweepError> {
    let Some(first) = parts.first() else { return Ok(()) };
    for (position, part) in parts.iter().enumerate() {
        let other = |what: &str, than: &Read| {
            let (this, that) = (part.path.display(), than.path.display());
            Err(SweepError::Merge(format!("{this}: {what} {that}")))
        };
        if part.stamp.sweep != first.stamp.sweep || part.columns != first.columns {
            return other("of another sweep than", first);
        }
        if part.stamp.shard.of != first.stamp.shard.of {
            return other("of another number of shards than", first);
        }
        let earlier = parts.iter().take(position).find(|e| e.stamp.shard == part.stamp.shard);
        if let Some(earlier) = earlier {
            return other("the same shard as", earlier);
        }
    }
    let has = |index: u64| parts.iter().any(|part| part.stamp.shard.index == index);
    let missing: Vec<String> = (0..first.stamp.shard.of)
        .filter(|&index| !has(index))
        .map(|index| Shard { index, of: first.stamp.shard.of }.to_string())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(SweepError::Merge(format!("shards are missing: {}", missing.join(", "))))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::outcome::Outcome;
    use crate::report::{fixture, summary};

    fn axes() -> Vec<(String, Vec<Json>)> {
        vec![("a".into(), vec![json!(1), json!(2.5)]), ("b".into(), vec![json!("x"), json!(2)])]
    }

    fn table(cells: impl Iterator<Item = u64>, shard: Shard, sweep: &str) -> Vec<u8> {
        let (world, outcomes) = fixture::tiny();
        let summary = summary(&world, &outcomes.iter().collect::<Vec<&Outcome>>(), true);
        let columns = columns(&axes());
        let stamp = Stamp { sweep: sweep.into(), shard };
        let mut table = Table::new(Vec::new(), Path::new("t"), &columns, &stamp).unwrap();
        for cell in cells {
            let values = [json!(2.5), json!(cell)];
            for row in rows(&columns, cell, &values, &summary) {
                table.write(&row).unwrap();
            }
        }
        table.finish().unwrap()
    }

    #[test]
    fn shards_merge_to_the_bytes_of_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for index in [2, 0, 1] {
            let shard = Shard { index, of: 3 };
            let file = folder.path().join(format!("{index}.parquet"));
            fs::write(&file, table((0..10).filter(|&n| shard.has(n)), shard, "s")).unwrap();
            files.push(file);
        }
        let out = folder.path().join("whole");
        let rows = merge(&files, File::create(&out).unwrap(), &out).unwrap();
        assert_eq!(rows, 20);
        assert_eq!(fs::read(&out).unwrap(), table(0..10, Shard::WHOLE, "s"));
        let refused =
            |files: &[PathBuf]| merge(files, Vec::new(), Path::new("t")).unwrap_err().to_string();
        assert_eq!(refused(&files[..2]), "shards are missing: 1/3");
        assert!(refused(&[&files[..], &files[..1]].concat()).contains("the same shard as"));
        assert_eq!(refused(&[]), "there is nothing to merge");
        fs::write(&out, table(1..2, Shard { index: 1, of: 3 }, "other")).unwrap();
        assert!(refused(&[files[0].clone(), out.clone()]).contains("of another sweep than"));
        fs::write(&out, "no table").unwrap();
        assert!(refused(&[out]).contains("this is no Parquet file"));
    }

    #[test]
    fn a_damaged_table_is_refused_or_merges_to_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("part.parquet");
        let bytes = table(0..3, Shard::WHOLE, "s");
        let merged = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            let mut merged = Vec::new();
            let parts = [file.clone()];
            merge(&parts, &mut merged, Path::new("t")).map(|_| merged).map_err(|e| e.to_string())
        };
        let truth = merged(&bytes).unwrap();
        let mut refused = 0;
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            match merged(&flipped) {
                Ok(merged) => assert!(merged == truth, "byte {at}"),
                Err(error) => {
                    // A number that says how many shards there are may itself be the damaged one.
                    let named = error.contains("part.parquet") || error.contains("shards are");
                    assert!(named, "{error}");
                    refused += 1;
                }
            }
        }
        // The statistics of 29 columns, which nobody reads here, are half of so small a file.
        assert!(refused * 3 > bytes.len(), "{refused} of {}", bytes.len());
        for end in (0..bytes.len()).step_by(11) {
            assert!(merged(&bytes[..end]).unwrap_err().contains("part.parquet"));
        }
    }

    #[test]
    fn a_row_goes_through_json_without_a_change() {
        let (world, outcomes) = fixture::tiny();
        let summary = summary(&world, &outcomes.iter().collect::<Vec<&Outcome>>(), true);
        let columns = columns(&axes());
        let rows = rows(&columns, 3, &[json!(1), json!("x")], &summary);
        assert!(rows.iter().all(|row| row.len() == columns.len()));
        let again: Vec<Row> = serde_json::from_str(&serde_json::to_string(&rows).unwrap()).unwrap();
        assert_eq!(again, rows);
    }
}
