//! Columns of a Parquet file that a run wrote, batch by batch: ten million pods never are in
//! memory at once.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, TimestampMillisecondType};
use arrow_array::{Array, Float64Array, PrimitiveArray, RecordBatch, StringArray};
use carbon_kube_datasets::{damage, seal};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::KeyValue;

use super::super::{Summary, tables};
use super::PageError;

/// Some columns of a table.
pub struct Table {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
}

impl Table {
    /// Opens the named columns of a table of the run that `summary` is about.
    pub fn open(path: &Path, columns: &[&str], summary: &Summary) -> Result<Self, PageError> {
        let file = File::open(path).map_err(|source| not_read(path, source))?;
        let broken = |error| PageError::broken(path, format!("not a table of a run: {error}"));
        let again = file.try_clone().map_err(|source| not_read(path, source))?;
        let builder = caught(path, || ParquetRecordBatchReaderBuilder::try_new(file))?;
        let builder = builder.map_err(broken)?;
        seal::check(&again, builder.metadata())
            .map_err(|problem| PageError::broken(path, problem))?;
        let pairs = builder.metadata().file_metadata().key_value_metadata();
        same_run(path, pairs.map_or(&[][..], Vec::as_slice), summary)?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let builder = builder.with_projection(mask).with_batch_size(tables::ROW_GROUP);
        let reader = caught(path, || builder.build())?.map_err(broken)?;
        Ok(Self { path: path.to_owned(), reader })
    }

    /// Calls `read` for each batch, in the order of the file.
    pub fn read(
        mut self,
        mut read: impl FnMut(&Batch<'_>) -> Result<(), PageError>,
    ) -> Result<(), PageError> {
        let path = &self.path;
        while let Some(rows) = caught(path, || self.reader.next())? {
            let rows = rows.map_err(|error| PageError::broken(path, error))?;
            read(&Batch { path, rows: &rows })?;
        }
        Ok(())
    }
}

/// Runs a part of the decoder.
fn caught<T>(path: &Path, decode: impl FnOnce() -> T) -> Result<T, PageError> {
    damage::caught(decode).map_err(|problem| PageError::broken(path, problem))
}

/// A missing file is told as such; everything else as the operating system tells it.
pub fn not_read(path: &Path, source: std::io::Error) -> PageError {
    let path = path.to_owned();
    match source.kind() {
        std::io::ErrorKind::NotFound => PageError::Missing { path, what: "file" },
        _ => PageError::Io { path, source },
    }
}

/// Tables carry scenario and seed: a folder put together from two runs would be believed.
fn same_run(path: &Path, pairs: &[KeyValue], summary: &Summary) -> Result<(), PageError> {
    let expected = [("scenario", summary.scenario.clone()), ("seed", summary.seed.to_string())];
    for (key, expected) in expected {
        let found =
            pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_deref());
        if found != Some(expected.as_str()) {
            let found = found.unwrap_or("none");
            let reason = format!("its {key} is `{found}`, that of summary.json `{expected}`");
            return Err(PageError::OtherRun { path: path.to_owned(), reason });
        }
    }
    Ok(())
}

/// Rows that are in memory together.
pub struct Batch<'a> {
    path: &'a Path,
    rows: &'a RecordBatch,
}

impl Batch<'_> {
    pub fn rows(&self) -> usize {
        self.rows.num_rows()
    }

    fn column<T>(
        &self,
        name: &str,
        as_type: impl FnOnce(&dyn Array) -> Option<&T>,
    ) -> Result<&T, PageError> {
        let column = self.rows.column_by_name(name);
        let column = column
            .ok_or_else(|| PageError::broken(self.path, format!("there is no column `{name}`")))?;
        as_type(column.as_ref()).ok_or_else(|| {
            let kind = column.data_type();
            PageError::broken(self.path, format!("column `{name}` is of another type: {kind}"))
        })
    }

    /// A column of numbers; nulls are for the caller to look at.
    pub fn numbers(&self, name: &str) -> Result<&Float64Array, PageError> {
        self.column(name, |array| array.as_primitive_opt::<Float64Type>())
    }

    /// A column of instants.
    pub fn instants(
        &self,
        name: &str,
    ) -> Result<&PrimitiveArray<TimestampMillisecondType>, PageError> {
        self.column(name, |array| array.as_primitive_opt::<TimestampMillisecondType>())
    }

    /// The word of each row as its position in `known`; an error where it is not there.
    pub fn positions(&self, name: &str, known: &[String]) -> Result<Vec<usize>, PageError> {
        let column = self.column(name, |array| array.as_dictionary_opt::<Int32Type>())?;
        let words = column.values().as_any().downcast_ref::<StringArray>();
        let words = words
            .ok_or_else(|| PageError::broken(self.path, format!("column `{name}` has no words")))?;
        // Looked up once per word, not once per row.
        let position = |word: Option<&str>| known.iter().position(|k| Some(k.as_str()) == word);
        let of_word: Vec<Option<usize>> = words.iter().map(position).collect();
        let row = |key: Option<usize>| {
            key.and_then(|key| of_word.get(key).copied().flatten()).ok_or_else(|| {
                let word = key.filter(|key| *key < words.len()).map_or("", |key| words.value(key));
                let reason = format!("summary.json has no {name} `{word}`");
                PageError::OtherRun { path: self.path.to_owned(), reason }
            })
        };
        column.keys_iter().map(row).collect()
    }

    /// Whether the word of each row is `word`.
    pub fn is(&self, name: &str, word: &str) -> Result<Vec<bool>, PageError> {
        let column = self.column(name, |array| array.as_dictionary_opt::<Int32Type>())?;
        let words = column.values().as_any().downcast_ref::<StringArray>();
        let key = words.and_then(|words| words.iter().position(|found| found == Some(word)));
        Ok(column.keys_iter().map(|found| found.is_some() && found == key).collect())
    }
}
