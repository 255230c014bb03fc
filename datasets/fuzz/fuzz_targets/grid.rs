//! A byte that picks a format, one that picks the options, and a file.
//!
//! Every reader of grid data and of weather is reached: a format by its number, detection and named
//! columns beyond them. Whatever is read is written and read again, and has to be the same; an
//! error has to name the file.

#![no_main]

use std::collections::BTreeMap;

use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{Span, Zone};
use carbon_kube_datasets::intensity::columns::{Columns, IntensityUnit};
use carbon_kube_datasets::intensity::{self, Format, Gaps, Request, stored};
use carbon_kube_datasets::{ReadError, weather};
use libfuzzer_sys::fuzz_target;

/// With a year, which AVERT takes from the name.
const NAME: &str = "fuzz_2023";
const ZONES: [&str; 8] = ["US-TX", "US-CA", "EU-DE", "EU-FR", "EU-UK", "US-NE", "XX", "US-NY"];

fuzz_target!(|input: &[u8]| {
    let [format, options, file @ ..] = input else {
        return;
    };
    let format = usize::from(*format) % (Format::ALL.len() + 2);
    if format == Format::ALL.len() + 1 {
        if let Err(error) = weather::parse(NAME, file) {
            named(&error);
        }
        return;
    }
    let request = request(Format::ALL.get(format).copied(), *options);
    match intensity::parse(NAME, file, &request) {
        Err(error) => named(&error),
        // A stray date makes a long series of nothing: true, and slow to write.
        Ok(import) if import.series.steps().len() < 10_000 => same(&import.series, &request),
        Ok(_) => {}
    }
});

fn request(format: Option<Format>, options: u8) -> Request {
    let zone: Zone = ZONES[usize::from(options & 7)].parse().expect("a zone");
    let columns = Columns {
        time: "timestamp_utc".to_owned(),
        value: "carbon_intensity_g_per_kwh".to_owned(),
        unit: IntensityUnit::GramsPerKwh,
    };
    Request {
        factors: FactorSet::Global,
        columns: (format == Some(Format::Columns)).then_some(columns),
        format,
        gaps: Gaps::ALL[usize::from(options >> 3) % Gaps::ALL.len()],
        step: (options & 128 != 0).then_some(Span::HOUR),
        ..Request::of(zone)
    }
}

fn named(error: &ReadError) {
    let message = error.to_string();
    assert!(message.starts_with(NAME), "{message}");
    let _ = error.hint();
}

fn same(series: &IntensitySeries, request: &Request) {
    let values = |series: &IntensitySeries| -> Vec<_> {
        series.steps().map(|(at, grams)| (at, grams.map(|grams| grams.get().to_bits()))).collect()
    };
    let mut text = Vec::new();
    stored::write_csv(series, &BTreeMap::new(), &mut text).expect("memory takes it");
    let request = Request { format: Some(Format::Series), ..Request::of(request.zone.clone()) };
    // Which step a series has can't be told from a single row.
    if let Ok(back) = intensity::parse(NAME, text.as_slice(), &request) {
        assert_eq!(values(&back.series), values(series));
        assert_eq!(back.series.label(), series.label());
    } else {
        panic!("we read what we write");
    }
}
