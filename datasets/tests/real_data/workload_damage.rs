//! The real traces, damaged on their way: an error that names the file, or the right pods.
//!
//! Each is cut to its head and some hundred rows, so that it can be cut at every byte. Two things
//! no reader can tell from the truth: a digit that became another, so a flipped bit may spoil the
//! pods of one row, and a file that ends between two lines, which has fewer.

use std::collections::BTreeMap;
use std::io::Read;

use carbon_kube_datasets::ReadError;
use carbon_kube_datasets::workload::Arrival;
use carbon_kube_datasets::workload::trace::{self, Format, Settings};

use crate::test_data;

/// Rows that are looked at.
const ROWS: usize = 200;

struct Sample {
    file: &'static str,
    format: Format,
    /// Lines before the rows.
    head: usize,
    text: String,
    truth: Vec<Arrival>,
}

/// Every real trace that has a reader.
const FILES: [(&str, Format); 13] = [
    ("NASA-iPSC-1993-3.1-cln.swf.gz", Format::Swf),
    ("lublin_256.swf.gz", Format::Swf),
    ("CTC-SP2-1996_excerpt.swf", Format::Swf),
    ("alibaba_openb_pod_list_default.csv", Format::Openb),
    ("alibaba_openb_pod_list_gpuspec33.csv", Format::Openb),
    ("alibaba_2018_batch_task_subset.csv", Format::AlibabaBatch),
    ("gaia_azure-100k.csv.gz", Format::Gaia),
    ("gaia_mustang-trace-2015-100k.csv.gz", Format::Gaia),
    ("gaia_pai_1k.csv", Format::Gaia),
    ("surf_lisa_2022_month_tasks.csv.gz", Format::Surf),
    ("azure_v1_vmtable_sample.csv.gz", Format::AzureVm),
    ("google_2011_task-events_tiny_sample.csv", Format::GoogleTaskEvents),
    ("gwf_sample.gwf", Format::Gwf),
];

/// The samples; `None` where there is no test data.
fn samples() -> Option<Vec<Sample>> {
    FILES.into_iter().map(|(file, format)| sample(file, format)).collect()
}

fn sample(file: &'static str, format: Format) -> Option<Sample> {
    let bytes = std::fs::read(test_data::file(&format!("workloads/{file}"))?).unwrap();
    let mut whole = String::new();
    if file.ends_with(".gz") {
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut whole).unwrap();
    } else {
        whole = String::from_utf8(bytes).unwrap();
    }
    let is_head =
        |line: &&str| line.starts_with([';', '#']) || !line.contains(|c: char| c.is_ascii_digit());
    let named = [Format::Openb, Format::AlibabaBatch, Format::Gaia, Format::Surf, Format::Gwf];
    let comments = whole.lines().take_while(is_head).count();
    let head = if named.contains(&format) { comments.max(1) } else { comments };
    let lines = whole.lines().take(head + ROWS);
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let truth = read(text.as_bytes(), format).unwrap();
    assert!(!truth.is_empty(), "{file}");
    Some(Sample { file, format, head, text, truth })
}

fn read(bytes: &[u8], format: Format) -> Result<Vec<Arrival>, ReadError> {
    let settings = Settings { format: Some(format), ..Settings::everything() };
    trace::parse("trace", bytes, settings)?.collect()
}

impl Sample {
    /// The pods, or nothing after a message that names the file.
    fn read(&self, bytes: &[u8]) -> Option<Vec<Arrival>> {
        match read(bytes, self.format) {
            Ok(pods) => Some(pods),
            Err(error) => {
                let message = error.to_string();
                assert!(message.starts_with("trace: "), "{}: {message}", self.file);
                None
            }
        }
    }

    /// An error, or the same pods.
    fn holds(&self, what: &str, bytes: &[u8]) {
        if let Some(pods) = self.read(bytes) {
            assert!(pods == self.truth, "{}: {what}", self.file);
        }
    }

    fn lines(&self) -> Vec<&str> {
        self.text.split_inclusive('\n').collect()
    }

    /// The pods of the row that has most.
    fn most_of_a_row(&self) -> usize {
        let lines = self.lines();
        let (head, rows) = lines.split_at(self.head);
        let of_row = |row: &&str| read([head, &[row]].concat().concat().as_bytes(), self.format);
        rows.iter().filter_map(|row| of_row(row).ok()).map(|pods| pods.len()).max().unwrap_or(1)
    }
}

/// Pods of the first that the second has not.
fn lost(truth: &[Arrival], pods: &[Arrival]) -> usize {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    pods.iter().for_each(|pod| *counts.entry(format!("{pod:?}")).or_default() += 1);
    truth.iter().for_each(|pod| *counts.entry(format!("{pod:?}")).or_default() -= 1);
    counts.values().filter(|count| **count < 0).map(|count| count.unsigned_abs() as usize).sum()
}

#[test]
fn a_real_trace_that_is_cut_off_is_refused_unless_between_two_lines() {
    for sample in samples().unwrap_or_default() {
        let bytes = sample.text.as_bytes();
        for end in 1..bytes.len() {
            let Some(pods) = sample.read(&bytes[..end]) else { continue };
            assert_eq!(bytes[end - 1], b'\n', "{} cut at {end}", sample.file);
            // Google's tasks end with the file; of all others there are just fewer.
            let fewer = sample.truth.starts_with(&pods);
            assert!(fewer || sample.format == Format::GoogleTaskEvents, "{}: {end}", sample.file);
        }
    }
}

#[test]
fn a_flipped_bit_of_a_real_trace_spoils_the_pods_of_one_row_at_most() {
    let mut state = 11u64;
    let mut draw = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for sample in samples().unwrap_or_default() {
        let mut readable = 0;
        let most = sample.most_of_a_row();
        let head: usize = sample.lines().iter().take(sample.head).map(|line| line.len()).sum();
        for _ in 0..1_000 {
            let mut bytes = sample.text.clone().into_bytes();
            let at = head + draw(bytes.len() - head);
            bytes[at] ^= 1 << draw(8);
            let Some(pods) = sample.read(&bytes) else { continue };
            readable += 1;
            let lost = lost(&sample.truth, &pods);
            let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count();
            assert!(
                lost <= most,
                "{}: {lost} pods lost by byte {at}: {:?}",
                sample.file,
                String::from_utf8_lossy(&bytes).lines().nth(line)
            );
        }
        assert!((1..1_000).contains(&readable), "{}: {readable}", sample.file);
    }
}

#[test]
fn what_programs_do_to_a_real_trace_changes_no_pod() {
    for sample in samples().unwrap_or_default() {
        let text = &sample.text;
        for same in [text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
            let pods = sample.read(same.as_bytes());
            assert!(pods.as_ref() == Some(&sample.truth), "{}", sample.file);
        }
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(order).collect();
            assert!(sample.read(&utf16).is_none(), "{} in UTF-16", sample.file);
        }
        // As a spreadsheet in Berlin writes it: the separator, then the point in numbers.
        let semicolons = text.replace(',', ";");
        sample.holds("semicolons", semicolons.as_bytes());
        sample.holds("tabs", text.replace(',', "\t").as_bytes());
        if text.contains('.') {
            sample.holds("decimal commas", semicolons.replace('.', ",").as_bytes());
        }
        sample.holds("one line", format!("{}\n", text.replace('\n', " ")).as_bytes());
    }
}

#[test]
fn doubled_and_unsorted_rows_of_a_real_trace_are_refused_or_are_pods_of_their_own() {
    for sample in samples().unwrap_or_default() {
        let lines = sample.lines();
        for row in sample.head..lines.len() {
            let mut doubled = lines.clone();
            doubled.insert(row, lines[row]);
            let Some(pods) = sample.read(doubled.concat().as_bytes()) else { continue };
            match sample.format {
                // Jobs without names: two equal rows are two jobs.
                Format::Gaia => assert_eq!(pods.len(), sample.truth.len() + 1),
                _ => assert!(pods == sample.truth, "{}: {}", sample.file, lines[row]),
            }
        }
        let (head, rows) = lines.split_at(sample.head);
        let reversed: Vec<&str> = head.iter().chain(rows.iter().rev()).copied().collect();
        if let Some(pods) = sample.read(reversed.concat().as_bytes()) {
            assert_eq!(lost(&sample.truth, &pods), 0, "{} reversed", sample.file);
        }
    }
}

#[test]
fn a_packed_real_trace_that_is_damaged_ends_with_an_error() {
    for (file, format) in FILES.into_iter().filter(|(file, _)| file.ends_with(".gz")) {
        let Some(path) = test_data::file(&format!("workloads/{file}")) else { return };
        let bytes = std::fs::read(path).unwrap();
        for part in 1..8 {
            let cut = &bytes[..bytes.len() * part / 8];
            assert!(read(cut, format).is_err(), "{file} cut to {part} eighths");
            let mut flipped = bytes.clone();
            flipped[bytes.len() * part / 8] ^= 16;
            assert!(read(&flipped, format).is_err(), "{file} with a bit flipped at {part} eighths");
        }
    }
}
