//! Parquet files that were damaged on their way, or were never ours: an error that names the file,
//! or exactly the right numbers.
//!
//! One bit of a page changes one number, and Parquet itself has nothing against it. Ours are
//! sealed ([`carbon_kube_datasets::seal`]), so every bit of a file is flipped here, one by one.

#![allow(clippy::unwrap_used, reason = "the functions here are all parts of tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::{GramsPerKwh, Zone};
use carbon_kube_datasets::intensity::columns::{Columns, IntensityUnit};
use carbon_kube_datasets::intensity::{self, Request, stored};
use parquet::arrow::ArrowWriter;

fn zone() -> Zone {
    "EU-FR".parse().unwrap()
}

/// The sample of two kinds of rows, known ones and a gap.
fn series() -> IntensitySeries {
    let text = include_bytes!("samples/series.csv");
    intensity::parse("series.csv", text.as_slice(), &Request::of(zone())).unwrap().series
}

fn sealed() -> Vec<u8> {
    let notes = BTreeMap::from([("source".to_owned(), "a file, sha256 12ab".to_owned())]);
    let mut bytes = Vec::new();
    stored::write_parquet(&series(), &notes, &mut bytes).unwrap();
    bytes
}

/// A file of somebody else: no seal, no label.
fn foreign(columns: &[(&str, ArrayRef)]) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns.iter().cloned()).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn named() -> Request {
    let columns =
        Columns { time: "when".into(), value: "grams".into(), unit: IntensityUnit::GramsPerKwh };
    Request { columns: Some(columns), ..Request::of(zone()) }
}

fn two_columns() -> Vec<u8> {
    let times = StringArray::from(vec!["2020-01-01T00:00Z", "2020-01-01T01:00Z"]);
    let grams = Float64Array::from(vec![30.5, 40.25]);
    foreign(&[("when", Arc::new(times)), ("grams", Arc::new(grams))])
}

/// The series, or the message, which has to name the file.
fn read(bytes: &[u8], request: &Request) -> Result<IntensitySeries, String> {
    intensity::parse("x.parquet", bytes, request).map(|import| import.series).map_err(|error| {
        let message = error.to_string();
        assert!(message.starts_with("x.parquet: "), "{message}");
        message
    })
}

fn values(series: &IntensitySeries) -> Vec<Option<f64>> {
    series.steps().map(|(_, grams)| grams.map(GramsPerKwh::get)).collect()
}

/// The bytes with each bit flipped in turn, and where.
fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> + '_ {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit, flipped)
    })
}

#[test]
fn no_flipped_bit_of_a_sealed_file_changes_a_number() {
    let truth = series();
    let (mut refused, mut bits) = (0, 0);
    for (bit, flipped) in flips(&sealed()) {
        bits += 1;
        match read(&flipped, &Request::of(zone())) {
            Ok(series) => assert_eq!(
                (series.start(), series.step(), values(&series), series.label()),
                (truth.start(), truth.step(), values(&truth), truth.label()),
                "bit {bit}"
            ),
            Err(_) => refused += 1,
        }
    }
    // What is left says nothing about the content: statistics, the name of the writer.
    assert!(refused * 2 > bits, "{refused} of {bits}");
}

#[test]
fn no_flipped_bit_of_a_file_of_others_is_a_panic() {
    for (_, flipped) in flips(&two_columns()) {
        let _ = read(&flipped, &named());
    }
}

#[test]
fn a_file_that_is_cut_off_is_refused_wherever_it_is_cut() {
    for (bytes, request) in [(sealed(), Request::of(zone())), (two_columns(), named())] {
        read(&bytes, &request).unwrap();
        for end in 0..bytes.len() {
            read(&bytes[..end], &request).unwrap_err();
        }
    }
}

#[test]
fn the_message_says_what_is_wrong() {
    let mut bytes = sealed();
    // The first page begins after `PAR1` and its header; byte 40 is a part of it.
    bytes[40] ^= 1;
    let message = read(&bytes, &Request::of(zone())).unwrap_err();
    let expected =
        "x.parquet: the Parquet data is damaged: its checksum is not that of its content";
    assert_eq!(message, expected);
    let times: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let words: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
    for (columns, expected) in [
        (vec![("when", &times), ("grams", &numbers)], "column `when` holds no instants"),
        (vec![("when", &words), ("grams", &words)], "column `grams` holds no numbers"),
        (vec![("when", &words), ("gram", &numbers)], "no column `grams`; there are"),
        (vec![("when", &words), ("grams", &numbers)], "column `when`: `` "),
    ] {
        let columns: Vec<(&str, ArrayRef)> =
            columns.into_iter().map(|(name, column)| (name, Arc::clone(column))).collect();
        let message = read(&foreign(&columns), &named()).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
    let nothing: ArrayRef = Arc::new(StringArray::from(Vec::<&str>::new()));
    let none: ArrayRef = Arc::new(Float64Array::from(Vec::<f64>::new()));
    let empty = foreign(&[("when", nothing), ("grams", none)]);
    assert_eq!(read(&empty, &named()).unwrap_err(), "x.parquet: has no rows");
    let unlabelled = read(&two_columns(), &Request::of(zone())).unwrap_err();
    assert!(unlabelled.contains("name the columns of time and value"), "{unlabelled}");
}

#[test]
fn nothing_and_a_folder_are_errors_that_name_the_path() {
    let folder = tempfile::Builder::new().suffix(".parquet").tempdir().unwrap();
    let error = intensity::read(&[folder.path()], &Request::of(zone())).unwrap_err();
    let expected = format!("{}: is a directory, not a file", folder.path().display());
    assert_eq!(error.to_string(), expected);
    let empty = folder.path().join("empty.parquet");
    std::fs::write(&empty, "").unwrap();
    let error = intensity::read(&[&empty], &Request::of(zone())).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: has no rows", empty.display()));
}
