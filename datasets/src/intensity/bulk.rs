//! Large files through polars: a block of text becomes columns on all cores.
//!
//! This path is only ever a faster one. It takes what is plain and in order, of rules that read a
//! row the same whatever came before it; of everything else, from a quoted field to a duplicate
//! row, [`read`] makes `None`, and the caller reads the file row by row for the precise message.
//! Nothing is decided here: fields are cut by [`Blocks`]' rules, texts and numbers are judged by the
//! [`Rule`], glitches, steps and gaps are found by the [`Readings`].

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use carbon_kube_core::Time;
use polars::prelude::{
    CsvParseOptions, CsvReadOptions, DataFrame, DataType, Field, Float64Chunked, Schema, SchemaRef,
    SerReader, StringChunked,
};

use super::readings::Readings;
use super::rule::{Ending, Reading, Rule, TEXTS};
use crate::table::blocks::Blocks;
use crate::table::number::Notation;
use crate::table::{Column, Table};

/// Files of at least this size on the disk are read in bulk. Below it a file takes less than a
/// second row by row, and the second reading that a mistake costs here would not pay.
const BULK_BYTES: u64 = 64 << 20;

/// Whether a file is large enough.
pub(super) fn is_bulk(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.len() >= BULK_BYTES)
}

/// The rows of a file; `None` where only reading it row by row can tell.
pub(super) fn read(path: &Path, rule: impl Rule) -> Option<(Readings, Ending)> {
    if !rule.any_order() || rule.notation() != Notation::Plain {
        return None;
    }
    let table = Table::open(path).ok()?;
    let mut blocks = Blocks::open(path, &table).ok()?;
    let frame = Frame::new(&blocks, &rule)?;
    let mut readings = Readings::new(table.path(), rule.mix().cloned());
    let mut first = blocks.first_line;
    while let Some((block, lines)) = blocks.next().ok()? {
        for (row, at, reading) in frame.rows(block, lines, &rule)? {
            readings.push_reading(first + row, at, reading).ok()?;
        }
        first += lines as u64;
    }
    let name = table.path().to_owned();
    Some((readings.complete(), rule.ending(&name).ok()?))
}

/// Which columns to cut out of a block, by position: a header may name two columns the same.
struct Frame {
    options: CsvReadOptions,
    texts: Vec<String>,
    numbers: Vec<String>,
}

impl Frame {
    /// `None` where one column is to be read as two things.
    fn new(blocks: &Blocks, rule: &impl Rule) -> Option<Self> {
        let columns = || rule.texts().iter().chain(rule.numbers());
        let mut projection: Vec<usize> = columns().map(|column| column.index).collect();
        projection.sort_unstable();
        if projection.windows(2).any(|pair| pair[0] == pair[1]) {
            return None;
        }
        let schema: Schema = (0..blocks.width)
            .map(|index| {
                let number = rule.numbers().iter().any(|column| column.index == index);
                let kind = if number { DataType::Float64 } else { DataType::String };
                Field::new(index.to_string().into(), kind)
            })
            .collect();
        let parse =
            CsvParseOptions::default().with_separator(blocks.delimiter).with_quote_char(None);
        let options = CsvReadOptions::default()
            .with_has_header(false)
            .with_infer_schema_length(Some(1))
            .with_schema(Some(SchemaRef::new(schema)))
            .with_projection(Some(Arc::new(projection)))
            .with_parse_options(parse);
        let names = |columns: &[Column]| -> Vec<String> {
            columns.iter().map(|column| column.index.to_string()).collect()
        };
        Some(Self { options, texts: names(rule.texts()), numbers: names(rule.numbers()) })
    }

    /// The rows of a block by number; `None` where there is something wrong with one.
    fn rows<R: Rule>(
        &self,
        block: &[u8],
        lines: usize,
        rule: &R,
    ) -> Option<Vec<(u64, Time, Reading)>> {
        let frame =
            self.options.clone().into_reader_with_file_handle(Cursor::new(block)).finish().ok()?;
        if frame.height() != lines {
            return None;
        }
        // Parsing the instants costs more than cutting the fields: it is spread as well.
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let part = lines.div_ceil(threads).max(1);
        let parts = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..lines)
                .step_by(part)
                .map(|from| {
                    let frame = frame.slice(from as i64, part);
                    let rule = rule.clone();
                    scope.spawn(move || self.part(&frame, from, rule))
                })
                .collect();
            handles
                .into_iter()
                .map(|handle| {
                    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect::<Option<Vec<_>>>()
        })?;
        Some(parts.concat())
    }

    fn part(
        &self,
        frame: &DataFrame,
        from: usize,
        mut rule: impl Rule,
    ) -> Option<Vec<(u64, Time, Reading)>> {
        let mut texts = Vec::with_capacity(self.texts.len());
        for name in &self.texts {
            let column: &StringChunked = frame.column(name).ok()?.str().ok()?;
            texts.push(column.iter());
        }
        let mut columns = Vec::with_capacity(self.numbers.len());
        for name in &self.numbers {
            let column: &Float64Chunked = frame.column(name).ok()?.f64().ok()?;
            columns.push(column.iter());
        }
        let mut numbers = vec![None; columns.len()];
        let mut rows = Vec::with_capacity(frame.height());
        for row in from..from + frame.height() {
            let mut fields = [""; TEXTS];
            for (field, column) in fields.iter_mut().zip(&mut texts) {
                // An empty field is null for polars.
                *field = column.next()?.unwrap_or("").trim();
            }
            for (number, column) in numbers.iter_mut().zip(&mut columns) {
                *number = column.next()?;
                // `inf` is a number for polars.
                if number.is_some_and(|number| !number.is_finite()) {
                    return None;
                }
            }
            if let Some(at) = rule.at(&fields).ok()? {
                rows.push((row as u64, at, rule.reading(at, &fields, &numbers).ok()?));
            }
        }
        Some(rows)
    }
}

#[cfg(test)]
mod tests;
