//! Large files through polars: a block of text becomes columns on all cores.
//!
//! This path is only ever a faster one. It takes what is plain and in order; of everything else,
//! from a quoted field to a duplicate row, [`read`] makes `None`, and the caller reads the file
//! row by row for the precise message. Nothing is decided here: fields are cut by
//! [`Blocks`]' rules, instants are read by [`instant`], numbers are judged by the [`Rule`], and
//! steps and gaps are found by the [`Grid`].

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use carbon_kube_core::Time;
use carbon_kube_core::intensity::IntensitySeries;
use polars::prelude::{
    CsvParseOptions, CsvReadOptions, DataFrame, DataType, Field, Float64Chunked, Schema, SchemaRef,
    SerReader, StringChunked,
};

use super::grid::Grid;
use super::rule::{self, Rule};
use crate::instant;
use crate::table::blocks::Blocks;
use crate::table::{Column, Table};

/// Files of at least this size on the disk are read in bulk. Below it a file takes less than a
/// second row by row, and the second reading that a mistake costs here would not pay.
const BULK_BYTES: u64 = 64 << 20;

/// Whether a file is large enough.
pub(super) fn is_bulk(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.len() >= BULK_BYTES)
}

/// The series of a file; `None` where only reading it row by row can tell.
pub(super) fn read(path: &Path, rule: impl Rule) -> Option<IntensitySeries> {
    let table = Table::open(path).ok()?;
    let (time, numbers) = rule::columns(&table, &rule).ok()?;
    let mut blocks = Blocks::open(path, &table).ok()?;
    let frame = Frame::new(&blocks, time, numbers)?;
    let name = table.path();
    let mut grid = Grid::default();
    while let Some((block, lines)) = blocks.next().ok()? {
        for (at, grams) in frame.rows(block, lines, &rule)? {
            // The line is for messages, and those come from the other path.
            grid.push(name, 0, at, grams).ok()?;
        }
    }
    grid.series(name, rule.label(name)).ok()
}

/// Which columns to cut out of a block.
struct Frame {
    options: CsvReadOptions,
    time: String,
    numbers: Vec<String>,
}

impl Frame {
    /// `None` where one column is to be read as two things.
    fn new(blocks: &Blocks, time: Column, numbers: Vec<Column>) -> Option<Self> {
        let mut projection: Vec<usize> = numbers.iter().map(|column| column.index).collect();
        projection.push(time.index);
        projection.sort_unstable();
        if projection.windows(2).any(|pair| pair[0] == pair[1]) {
            return None;
        }
        // By position: a header may name two columns the same.
        let name = |column: &Column| column.index.to_string();
        let schema: Schema = (0..blocks.width)
            .map(|index| {
                let number = numbers.iter().any(|column| column.index == index);
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
        Some(Self { options, time: name(&time), numbers: numbers.iter().map(name).collect() })
    }

    /// The rows of a block; `None` where there is something wrong with one.
    fn rows<R: Rule>(
        &self,
        block: &[u8],
        lines: usize,
        rule: &R,
    ) -> Option<Vec<(Time, Option<f64>)>> {
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
                    scope.spawn(move || self.part(&frame, rule))
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

    fn part(&self, frame: &DataFrame, mut rule: impl Rule) -> Option<Vec<(Time, Option<f64>)>> {
        let time: &StringChunked = frame.column(&self.time).ok()?.str().ok()?;
        let mut columns = Vec::with_capacity(self.numbers.len());
        for name in &self.numbers {
            let column: &Float64Chunked = frame.column(name).ok()?.f64().ok()?;
            columns.push(column.iter());
        }
        let mut numbers = vec![None; columns.len()];
        let mut rows = Vec::with_capacity(frame.height());
        for at in time.iter() {
            let at = instant::parse(at?.trim())?;
            for (number, column) in numbers.iter_mut().zip(&mut columns) {
                *number = column.next()?;
                // `inf` is a number for polars.
                if number.is_some_and(|number| !number.is_finite()) {
                    return None;
                }
            }
            rows.push((at, rule.grams(at, &numbers).ok()?));
        }
        Some(rows)
    }
}

#[cfg(test)]
mod tests;
