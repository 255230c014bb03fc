//! Both paths on the same bytes: the same series, or none from here and an error from the rows.

#![allow(clippy::unwrap_used, reason = "the functions here are all parts of tests")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use carbon_kube_core::Zone;
use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::mix::FactorSet;
use proptest::prelude::*;

use super::*;
use crate::error::ReadError;
use crate::intensity::columns::{ColumnRule, Columns, IntensityUnit};
use crate::intensity::open::OpenRule;
use crate::intensity::series::{self, FileRead};
use crate::intensity::{Format, Request, rule};

fn columns() -> Request {
    let columns =
        Columns { time: "time".into(), value: "value".into(), unit: IntensityUnit::PoundsPerMwh };
    named(columns)
}

fn named(columns: Columns) -> Request {
    Request { columns: Some(columns), ..Request::of("US-CA".parse().unwrap()) }
}

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

/// What both paths made of a file.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// Both gave this many steps, the same ones.
    Both(usize),
    /// The bulk path gave up, the rows are readable.
    RowsOnly,
    /// The bulk path gave up, and the rows say why.
    Error(String),
}

/// Both paths with the rule of a format.
fn compare(path: &Path, request: &Request) -> Outcome {
    let mix = request.columns.is_none();
    let table = Table::open(path);
    let by_row = || -> Result<(Readings, Ending), ReadError> {
        let table = table?;
        if mix {
            let rule = OpenRule::bind(&table, request)?;
            rule::rows(table, rule)
        } else {
            let rule = ColumnRule::bind(&table, request)?;
            rule::rows(table, rule)
        }
    };
    let bulk = || {
        let table = Table::open(path).ok()?;
        if mix {
            read(path, OpenRule::bind(&table, request).ok()?)
        } else {
            read(path, ColumnRule::bind(&table, request).ok()?)
        }
    };
    let series = |(readings, Ending { label, issues })| {
        let format = if mix { Format::Open } else { Format::Columns };
        let file = FileRead { format, readings, label, issues };
        series::import(vec![file], request).map(|import| import.series)
    };
    let bulk = bulk().and_then(|read| series(read).ok());
    match (bulk, by_row().and_then(series)) {
        (Some(bulk), Ok(by_row)) => {
            assert_eq!(bulk.label(), by_row.label(), "{}", path.display());
            assert_eq!((bulk.start(), bulk.step()), (by_row.start(), by_row.step()));
            let bits = |series: &IntensitySeries| -> Vec<(Time, Option<u64>)> {
                series
                    .steps()
                    .map(|(at, grams)| (at, grams.map(|grams| grams.get().to_bits())))
                    .collect()
            };
            let (bulk, by_row) = (bits(&bulk), bits(&by_row));
            assert_eq!(bulk.len(), by_row.len());
            let other = bulk.iter().zip(&by_row).find(|(bulk, by_row)| bulk != by_row);
            assert_eq!(other, None, "{}", path.display());
            Outcome::Both(bulk.len())
        }
        (None, Ok(_)) => Outcome::RowsOnly,
        (None, Err(error)) => Outcome::Error(error.to_string()),
        (Some(_), Err(error)) => panic!("read in bulk, but not by row: {error}"),
    }
}

fn compare_text(text: &str) -> Outcome {
    compare(file(text.as_bytes()).path(), &columns())
}

#[test]
fn plain_text_gives_the_same_series_in_bulk() {
    for (rows, steps) in [
        ("2020-01-01T00:00Z,1\n2020-01-01T01:00Z,2.5\n", 2),
        // A missing row and an empty field are gaps; the last line has no end.
        ("2020-01-01 00:00,1\n2020-01-01 01:00,\n2020-01-01 04:00,3\n2020-01-01 05:00,4", 6),
        // Spaces around fields, line ends of Windows, every way to write a number.
        (" 2020-01-01T00:00Z,  1\r\n2020-01-01T01:00Z ,+2e2\r\n2020-01-01T02:00Z,.5\r\n", 3),
        ("2020-01-01T00:00Z,3.\n2020-01-01T01:00Z,1E-3\n2020-01-01T02:00Z,-0\n", 3),
        ("2020-01-01T00:00Z,0.1000000000000000055511151231257827\n", 1),
        ("2020-01-01T01:00+01:00,123.456789012345678\n", 1),
    ] {
        assert_eq!(compare_text(&format!("time,value\n{rows}")), Outcome::Both(steps), "{rows}");
    }
    // Two columns of one name, others in between and after, a comment before the header.
    let text = "# by hand; once\nvalue;note;time;value\n1;ä,b;2020-01-01T00:00Z;7\n";
    assert_eq!(compare_text(text), Outcome::Both(1));
}

#[test]
fn text_that_is_not_plain_is_left_to_the_rows() {
    for rows in [
        "\"2020-01-01T00:00Z\",1\n",
        "2020-01-01T00:00Z,1\n\n2020-01-01T01:00Z,1\n",
        "2020-01-01T00:00Z,1\n# \"a comment\n2020-01-01T01:00Z,1\n",
        "2020-01-01T00:00Z,1\r2020-01-01T01:00Z,1\r",
        // A space after the number: polars takes none there.
        "2020-01-01T00:00Z,1 \n",
    ] {
        assert_eq!(compare_text(&format!("time,value\n{rows}")), Outcome::RowsOnly, "{rows:?}");
    }
}

#[test]
fn a_mistake_is_left_to_the_rows_which_name_its_line() {
    for (rows, problem) in [
        ("2020-01-02T00:00Z,1\n2020-01-01T00:00Z,1\n", "line 3: 2020-01-01T00:00:00Z comes after"),
        ("2020-01-01T00:00Z,1\n2020-01-01T00:00Z,1\n", "line 3: 2020-01-01T00:00:00Z is there"),
        ("2020-01-01T00:00Z,1\n2020-01-01T01:00Z,99999\n", "line 3: column `value`: `99999` is no"),
        ("2020-01-01T00:00Z,-1\n", "line 2: column `value`: `-1` is no carbon"),
        ("2020-01-01T00:00Z,ten\n", "line 2: column `value`: `ten` is not a number"),
        ("2020-01-01T00:00Z,inf\n", "line 2: column `value`: `inf` is not a finite"),
        ("2020-01-01T00:00Z,NaN\n", "line 2: column `value`: `NaN` is not a finite"),
        ("2020-01-01T00:00Z,1,2\n2020-01-01T01:00Z\n", "line 2: has 3 fields, the header has 2"),
        ("2020-01-01T00:00Z\n", "line 2: has 1 fields, the header has 2"),
        (",1\n", "line 2: column `time`: `` is not an instant"),
        ("9999-12-32,1\n", "line 2: column `time`: `9999-12-32` is not an instant"),
        ("", "has no rows"),
    ] {
        let Outcome::Error(message) = compare_text(&format!("time,value\n{rows}")) else {
            panic!("no error: {rows}");
        };
        assert!(message.contains(problem), "{message}");
    }
    assert!(matches!(compare_text("time,values\n2020-01-01,1\n"), Outcome::Error(_)));
    let invalid = file(b"time,value,note\n2020-01-01T00:00Z,1,\xff\n");
    assert!(matches!(compare(invalid.path(), &columns()), Outcome::Error(_)));
}

#[test]
fn one_column_for_both_is_left_to_the_rows() {
    let unit = IntensityUnit::PoundsPerMwh;
    let columns = named(Columns { time: "value".into(), value: "value".into(), unit });
    let file = file(b"time,value\n2020,1\n");
    assert!(matches!(compare(file.path(), &columns), Outcome::Error(_)));
}

#[test]
fn rows_on_both_sides_of_a_block_are_read_once() {
    // 40 bytes a row: two blocks of 16 MiB; every 97th row is missing, every 89th is empty.
    let mut text = String::from("time,note,value\n");
    let start: Time = "2020-01-01".parse().unwrap();
    let mut steps = 0;
    for row in (0..500_000_i64).filter(|row| row % 97 != 1) {
        let at = start + carbon_kube_core::Span::SECOND * (5 * row);
        match row % 89 {
            3 => writeln!(text, "{at},0123456789,").unwrap(),
            _ => writeln!(text, "{at},0123456789,{}.{}", row * 7 % 997, row % 10).unwrap(),
        }
        steps = row as usize + 1;
    }
    assert!(text.len() > 17 << 20);
    assert_eq!(compare_text(&text), Outcome::Both(steps));
}

#[test]
fn only_large_files_are_bulk() {
    let file = file(b"time,value\n");
    assert!(!is_bulk(file.path()));
    file.as_file().set_len(BULK_BYTES).unwrap();
    assert!(is_bulk(file.path()));
    assert!(!is_bulk(file.path().parent().unwrap()));
    assert!(!is_bulk(Path::new("/no such file")));
}

/// The gzip and CSV files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "csv" || end == "gz"))
        .collect();
    files.sort();
    files
}

fn compare_mix(path: &Path, factors: FactorSet) -> Outcome {
    let name = path.file_name().unwrap().to_str().unwrap();
    let zone: Zone =
        name.split(['_', '.']).next().unwrap().trim_end_matches("-region").parse().unwrap();
    let mix = Request { factors, ..Request::of(zone) };
    compare(path, &mix)
}

#[test]
fn every_bundled_file_gives_the_same_series_in_bulk() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let mut mixes = 0;
    for path in files(&folder) {
        if path.display().to_string().contains("moer") {
            let forecasts = path.display().to_string().contains("forecasts");
            let columns = named(Columns {
                time: if forecasts { "issued_utc" } else { "timestamp_utc" }.into(),
                value: if forecasts {
                    "value_g_per_kwh"
                } else {
                    "marginal_intensity_gco2_per_kwh"
                }
                .into(),
                unit: IntensityUnit::GramsPerKwh,
            });
            assert_eq!(compare(&path, &columns), Outcome::Both(8_784));
            continue;
        }
        for factors in [FactorSet::Global, FactorSet::Lifecycle, FactorSet::Local] {
            assert_eq!(compare_mix(&path, factors), Outcome::Both(8_784), "{}", path.display());
        }
        mixes += 1;
    }
    assert_eq!(mixes, 5);
}

#[test]
fn every_real_trace_gives_the_same_series_in_bulk() {
    let Some(data) = std::env::var_os("CARBON_KUBE_TEST_DATA") else {
        eprintln!("skipped: CARBON_KUBE_TEST_DATA is not set");
        return;
    };
    let mut traces = 0;
    for path in files(&Path::new(&data).join("data/intensity/open")) {
        // The table of factors beside the traces.
        if path.file_name().is_some_and(|name| name == "local_factors_gco2_per_kwh.csv") {
            continue;
        }
        match compare_mix(&path, FactorSet::Global) {
            Outcome::Both(steps) => assert!(steps >= 8_000, "{}: {steps}", path.display()),
            other => panic!("{}: {other:?}", path.display()),
        }
        traces += 1;
    }
    eprintln!("{traces} traces");
    assert!(traces > 20);
}

proptest! {
    #[test]
    fn edited_rows_never_differ(
        rows in prop::collection::vec((0_i64..40, prop::option::of(0_u32..30_000), 0_u8..40), 1..30),
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<bool>(), prop::sample::select(
                b"0123456789-+.,eEZT:\n\r\"#; \t\xffnaif".to_vec()
            )),
            0..3,
        ),
    ) {
        let mut text = String::from("time,value,note\n");
        let mut at: Time = "2020-01-01".parse().unwrap();
        for (index, (ahead, value, kind)) in rows.iter().enumerate() {
            // Mostly the next step; now and then a hole, the same instant or an earlier one.
            at += carbon_kube_core::Span::HOUR * match kind { 0 => ahead - 20, 1 => *ahead, _ => 1 };
            let value = value.map(|value| (f64::from(value) / 3.0).to_string()).unwrap_or_default();
            writeln!(text, "{at},{value},n{index}").unwrap();
        }
        let mut bytes = text.into_bytes();
        for (index, insert, byte) in edits {
            let at = index.index(bytes.len());
            if insert { bytes.insert(at, byte) } else { bytes[at] = byte }
        }
        compare(file(&bytes).path(), &columns());
    }
}
