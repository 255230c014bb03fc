//! What happens to files on their way: each is an error that names the file, or gives exactly the
//! right numbers.
//!
//! Every sample of `tests/samples/`, and with `CARBON_KUBE_TEST_DATA` every real one, is cut off at every
//! byte, has bits flipped, is encoded anew, and has rows doubled and swapped. Two things no reader
//! can tell from the truth: a number in the last line that is cut to a shorter number, and a digit
//! that became another. So of a cut file the last value is not looked at, and of a flipped bit at
//! most the one row that it is in may differ.

#![allow(clippy::unwrap_used, reason = "the functions here are all parts of tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use carbon_kube_core::Time;
use carbon_kube_core::mix::FactorSet;
use carbon_kube_datasets::intensity::columns::{Columns, IntensityUnit};
use carbon_kube_datasets::intensity::{self, Request};

struct Sample {
    name: String,
    bytes: Vec<u8>,
    request: Request,
    /// What the untouched file says.
    truth: BTreeMap<Time, u64>,
}

/// Known values by instant, or the message.
fn read(name: &str, bytes: &[u8], request: &Request) -> Result<BTreeMap<Time, u64>, String> {
    match intensity::parse(name, bytes, request) {
        Ok(import) => Ok(import
            .series
            .steps()
            .filter_map(|(at, grams)| Some((at, grams?.get().to_bits())))
            .collect()),
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with(&format!("{name}: ")), "{message}");
            Err(message)
        }
    }
}

/// Zones by what the names of samples begin with.
const ZONES: [(&str, &str); 16] = [
    ("avert", "US-TX"),
    ("eia-balance-2024", "US-CA"),
    ("eia-balance", "US-TX"),
    ("eia-grid-monitor", "US-NE"),
    ("eia930_gridmonitor", "US-NE"),
    ("entsoe-py", "EU-FR"),
    ("entsoe_py", "EU-FR"),
    ("electricity-maps-legacy", "EU-DE"),
    ("electricitymaps_legacy", "EU-DE"),
    ("electricitymaps_portal_hourly_2021", "EU-UK"),
    ("electricitymaps_portal_hourly_2024", "KR"),
    ("electricitymaps_portal_hourly_2023", "JP-TK"),
    ("electricitymaps_v3_history", "NL"),
    ("electricitymaps_v3_forecast", "NL"),
    ("series", "EU-FR"),
    ("neso", "EU-UK"),
];

fn samples() -> Vec<Sample> {
    let mut folders = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples"))];
    folders.extend(
        std::env::var_os("CARBON_KUBE_TEST_DATA")
            .map(|data| PathBuf::from(data).join("data/formats")),
    );
    let mut samples = Vec::new();
    for path in folders.iter().flat_map(|folder| folder.read_dir().unwrap()) {
        let path = path.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let zone = ZONES.iter().find(|(prefix, _)| name.starts_with(prefix));
        let zone = zone.map_or("EU-FR", |(_, zone)| *zone).parse().unwrap();
        let mut request = Request { factors: FactorSet::Global, ..Request::of(zone) };
        if name == "columns.csv" {
            let unit = IntensityUnit::PoundsPerMwh;
            request.columns = Some(Columns { time: "when".into(), value: "lbs".into(), unit });
        }
        if name == "carbon-aware-sdk-object.json" {
            request.area = Some("eastus".into());
        }
        let bytes = std::fs::read(&path).unwrap();
        match read(&name, &bytes, &request) {
            Ok(truth) => samples.push(Sample { name, bytes, request, truth }),
            // Headers alone, forecasts alone, and the folder's own README.
            Err(message) => assert!(
                message.ends_with("has no rows")
                    || message.contains("forecasts only")
                    || name == "README.md",
                "{message}"
            ),
        }
    }
    assert!(samples.len() >= 25, "{}", samples.len());
    samples
}

impl Sample {
    fn read(&self, bytes: &[u8]) -> Result<BTreeMap<Time, u64>, String> {
        read(&self.name, bytes, &self.request)
    }

    fn is_table(&self) -> bool {
        self.name.ends_with(".csv")
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }

    /// An error, or the same numbers.
    fn holds(&self, what: &str, bytes: &[u8]) {
        if let Ok(values) = self.read(bytes) {
            assert_eq!(values, self.truth, "{}, {what}", self.name);
        }
    }
}

#[test]
fn a_file_that_is_cut_off_has_the_right_numbers_up_to_there() {
    for sample in samples() {
        for end in 0..sample.bytes.len() {
            let Ok(values) = sample.read(&sample.bytes[..end]) else { continue };
            let last = values.keys().last().copied();
            for (at, grams) in values.iter().filter(|(at, _)| Some(**at) != last) {
                assert_eq!(sample.truth.get(at), Some(grams), "{} cut at {end}", sample.name);
            }
        }
    }
}

/// A stream of numbers that is the same everywhere: Knuth's MMIX.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn a_flipped_bit_spoils_one_row_at_most() {
    let mut numbers = Numbers(5);
    for sample in samples() {
        for _ in 0..400 {
            let mut bytes = sample.bytes.clone();
            let at = numbers.below(bytes.len());
            bytes[at] ^= 1 << numbers.below(8);
            let Ok(values) = sample.read(&bytes) else { continue };
            let lost =
                sample.truth.iter().filter(|(at, grams)| values.get(at) != Some(grams)).count();
            let line = sample.bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!(
                lost <= 1,
                "{}: {lost} rows lost by byte {at}, line {line}: {:?}",
                sample.name,
                String::from_utf8_lossy(&bytes).lines().nth(line - 1)
            );
        }
    }
}

#[test]
fn other_encodings_are_read_or_refused() {
    for sample in samples() {
        let text = sample.text();
        for big in [false, true] {
            let order = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            let utf16: Vec<u8> =
                "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(order).collect();
            sample.read(&utf16).unwrap_err();
        }
        let marked = format!("\u{feff}{}", text.trim_start_matches('\u{feff}'));
        let windows = text.replace('\n', "\r\n");
        // What says it is ours has to come first.
        if sample.name != "series.csv" {
            assert_eq!(
                sample.read(marked.as_bytes()).as_ref(),
                Ok(&sample.truth),
                "{}",
                sample.name
            );
        }
        assert_eq!(sample.read(windows.as_bytes()).as_ref(), Ok(&sample.truth), "{}", sample.name);
        sample.holds("one line", text.replace('\n', " ").as_bytes());
        sample.holds(
            "latin-1",
            &text.bytes().map(|byte| if byte > 127 { 0xe9 } else { byte }).collect::<Vec<_>>(),
        );
    }
}

#[test]
fn decimal_commas_and_semicolons_are_no_other_numbers() {
    for sample in samples().iter().filter(|sample| sample.is_table()) {
        let text = sample.text();
        // As a spreadsheet in Berlin writes it: the separator first, then the point in numbers.
        let mut quoted = false;
        let semicolons: String = text
            .chars()
            .map(|c| {
                quoted ^= c == '"';
                if c == ',' && !quoted { ';' } else { c }
            })
            .collect();
        sample.holds("semicolons", semicolons.as_bytes());
        sample.holds("decimal commas", semicolons.replace('.', ",").as_bytes());
        sample.holds("commas for semicolons", text.replace(';', ",").as_bytes());
        sample.holds("tabs", semicolons.replace(';', "\t").as_bytes());
    }
}

/// Whether both rows are labelled with one local time, in the hour that comes twice: which of them
/// was first is then known from their order alone.
fn twice(one: &str, other: &str) -> bool {
    let label = |row: &str| row.split_once(" (CET/CEST)").map(|(label, _)| label.to_owned());
    label(one).is_some() && label(one) == label(other)
}

#[test]
fn doubled_and_swapped_rows_are_refused() {
    for sample in samples().iter().filter(|sample| sample.is_table()) {
        let text = sample.text();
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.iter().position(|line| !line.starts_with('#')).unwrap() + 1;
        for row in first..lines.len() {
            let mut doubled = lines.clone();
            doubled.insert(row, lines[row]);
            sample.holds("a doubled row", doubled.join("\n").as_bytes());
            if row + 1 < lines.len() && !twice(lines[row], lines[row + 1]) {
                let mut swapped = lines.clone();
                swapped.swap(row, row + 1);
                sample.holds("swapped rows", swapped.join("\n").as_bytes());
            }
            // Of the hour that comes twice, one that is left counts as the first.
            if lines.get(row + 1).is_some_and(|next| twice(lines[row], next)) {
                continue;
            }
            let mut missing = lines.clone();
            missing.remove(row);
            if let Ok(values) = sample.read(missing.join("\n").as_bytes()) {
                let others = values.iter().all(|(at, grams)| sample.truth.get(at) == Some(grams));
                assert!(others, "{}: row {row} is missing", sample.name);
            }
        }
    }
}
