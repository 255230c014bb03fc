//! Bulk files through polars: two columns of tens of millions of rows, read on every core.
//!
//! The careful reader ([`crate::intensity::columns`]) remains the one that decides: polars splits
//! the text, the same functions give the instants, the numbers and the grid. Whatever is odd about a
//! file (a value that is none, a row out of order, a comment inside) makes this reader stand back, and
//! the careful one then gives the same series or the error that names the line.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use carbon_kube_core::GramsPerKwh;
use carbon_kube_core::intensity::{IntensitySeries, Label};
use polars::prelude::*;

use crate::instant;
use crate::intensity::Grid;
use crate::intensity::columns::Columns;
use crate::table;

/// Files from this size on are read in bulk: below it the careful reader takes under a second.
pub(crate) const BULK_BYTES: u64 = 64 << 20;

/// Reads a file in bulk if it is large enough and has nothing odd about it.
pub(crate) fn bulk(path: &Path, label: &Label, columns: &Columns) -> Option<IntensitySeries> {
    let large =
        std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() >= BULK_BYTES);
    if large { read(path, label, columns) } else { None }
}

/// Reads a file of any size; `None` where the careful reader has to look at it.
pub(crate) fn read(path: &Path, label: &Label, columns: &Columns) -> Option<IntensitySeries> {
    let mut head = [0; 4_096];
    let length = File::open(path).and_then(|mut file| file.read(&mut head)).ok()?;
    let head = &head[..length];
    if head.starts_with(b"\x1f\x8b") {
        return None;
    }
    let frame = LazyCsvReader::new(PlRefPath::try_from_path(path).ok()?)
        .with_separator(table::delimiter(head))
        .with_comment_prefix(Some("#".into()))
        // No schema is guessed: every field stays the text that it is.
        .with_infer_schema_length(Some(0))
        .with_glob(false)
        .finish()
        .and_then(|frame| {
            frame.select([col(columns.time.as_str()), col(columns.value.as_str())]).collect()
        })
        .ok()?;
    let times = frame.column(&columns.time).ok()?.str().ok()?;
    let values = frame.column(&columns.value).ok()?.str().ok()?;
    series(times, values, label, columns)
}

fn series(
    times: &StringChunked,
    values: &StringChunked,
    label: &Label,
    columns: &Columns,
) -> Option<IntensitySeries> {
    let name = "bulk";
    let factor = columns.unit.grams_per_kwh();
    let mut grid = Grid::default();
    for (line, (time, value)) in times.iter().zip(values.iter()).enumerate() {
        let at = instant::parse(time?.trim())?;
        let grams = table::number(value.unwrap_or_default().trim()).ok()?.map(|n| n * factor);
        if grams.is_some_and(|grams| GramsPerKwh::new(grams).is_none()) {
            return None;
        }
        grid.push(name, line as u64, at, grams).ok()?;
    }
    grid.series(name, label.clone()).ok()
}

#[cfg(test)]
mod tests {
    use carbon_kube_core::intensity::{Provenance, Scope, Signal};
    use proptest::prelude::*;

    use super::*;
    use crate::intensity::columns::{self, IntensityUnit};

    fn label() -> Label {
        Label {
            zone: "EU-DE".parse().unwrap(),
            area: "test".into(),
            signal: Signal::Average,
            scope: Scope::Direct,
            factor_set: "local".into(),
            provenance: Provenance::Measured,
            source: "test".into(),
        }
    }

    fn both(text: &str) -> (Option<IntensitySeries>, Option<IntensitySeries>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.csv");
        std::fs::write(&path, text).unwrap();
        let columns = Columns {
            time: "time".into(),
            value: "value".into(),
            unit: IntensityUnit::PoundsPerMwh,
        };
        let careful = columns::parse("trace.csv", text.as_bytes(), label(), &columns).ok();
        (read(&path, &label(), &columns), careful)
    }

    #[test]
    fn a_clean_file_gives_the_same_series_both_ways() {
        let mut text = "# a comment\nother;time;value\n".to_owned();
        for hour in 0..2_000 {
            // Each seventh field is empty, and an hour is missing: gaps both ways.
            let value = if hour % 7 == 0 { String::new() } else { format!("{}.25", 500 + hour) };
            if hour != 1_000 {
                let day = 1 + hour / 24;
                text.push_str(&format!(
                    "x;2020-{:02}-{:02} {:02}:00;{value}\n",
                    1 + day / 29,
                    1 + day % 28,
                    hour % 24
                ));
            }
        }
        // Days repeat after four weeks of a month: keep the rows that go forward.
        let mut last = String::new();
        let rows: Vec<&str> = text
            .lines()
            .filter(|line| {
                let forward = !line.starts_with("x;") || *line > last.as_str();
                if forward && line.starts_with("x;") {
                    last = (*line).to_owned();
                }
                forward
            })
            .collect();
        let (bulk, careful) = both(&format!("{}\n", rows.join("\n")));
        assert!(careful.is_some());
        assert_eq!(format!("{bulk:?}"), format!("{careful:?}"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..Default::default() })]

        /// Where the bulk reader has an answer, it is the careful one's.
        #[test]
        fn odd_rows_are_left_to_the_careful_reader(
            fields in prop::collection::vec(
                prop::sample::select(vec!["300", "0", "", " 12.5 ", "-1", "NaN", "x", "\"7\"", "99999"]), 1..30),
            shift in prop::sample::select(vec![0usize, 3]),
        ) {
            let mut text = "time,value\n".to_owned();
            for (hour, field) in fields.iter().enumerate() {
                let hour = if hour == shift && shift > 0 { 1 } else { hour };
                text.push_str(&format!("2020-01-{:02}T{:02}:00Z,{field}\n", 1 + hour / 24, hour % 24));
            }
            let (bulk, careful) = both(&text);
            if bulk.is_some() {
                prop_assert_eq!(format!("{bulk:?}"), format!("{careful:?}"));
            }
        }
    }
}
