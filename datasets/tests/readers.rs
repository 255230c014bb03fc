//! What users' files do to the readers: every mistake has its message, and none is a panic.

#![allow(clippy::unwrap_used, reason = "the functions here are all parts of tests")]

use std::io::Write;

use carbon_kube_core::forecast::Outlook;
use carbon_kube_core::intensity::{IntensitySeries, Label};
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{Bytes, MilliCpu, MilliGpu, Span, Time, Zone};
use carbon_kube_datasets::ReadError;
use carbon_kube_datasets::intensity::columns::{Columns, IntensityUnit};
use carbon_kube_datasets::intensity::{self, Format, Request};
use carbon_kube_datasets::stats::Stats;
use carbon_kube_datasets::typical_year::{FitError, fit};
use carbon_kube_datasets::workload::columns::{
    self as workload, CpuUnit, InstantFormat, Length, Memory, MemoryUnit, Patience, TimeUnit,
    WorkloadColumns,
};
use carbon_kube_datasets::workload::{generated, presets};
use proptest::prelude::*;

fn zone() -> Zone {
    "US-CA".parse().unwrap()
}

fn two_columns(unit: IntensityUnit) -> Request {
    let columns = Columns { time: "time".into(), value: "value".into(), unit };
    Request { columns: Some(columns), ..Request::of(zone()) }
}

fn parse(name: &str, bytes: &[u8], request: &Request) -> Result<IntensitySeries, ReadError> {
    intensity::parse(name, bytes, request).map(|import| import.series)
}

fn read(text: &str) -> Result<IntensitySeries, ReadError> {
    parse("trace.csv", text.as_bytes(), &two_columns(IntensityUnit::GramsPerKwh))
}

fn values(series: &IntensitySeries) -> Vec<Option<f64>> {
    series.steps().map(|(_, value)| value.map(|v| v.get())).collect()
}

/// The message of a file that can't be read, and that there is a hint where one is expected.
fn check(text: &str, message: &str) {
    let error = read(text).unwrap_err();
    assert_eq!(error.to_string(), message);
    assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{error}");
}

#[test]
fn missing_rows_and_empty_fields_are_gaps() {
    let series = read(
        "time,value\n2020-01-01 00:00,1\n2020-01-01 01:00,2\n2020-01-01 04:00,\n2020-01-01 05:00,3\n",
    );
    let series = series.unwrap();
    assert_eq!(values(&series), [Some(1.0), Some(2.0), None, None, None, Some(3.0)]);
    assert_eq!(Stats::of(&series).gaps, 3);
}

#[test]
fn the_step_is_the_most_common_difference() {
    let series = read(
        "time,value\n2020-01-01T00:00Z,1\n2020-01-01T00:05Z,2\n2020-01-01T00:10Z,2\n2020-01-01T01:00Z,3\n",
    );
    assert_eq!(series.unwrap().step(), Span::MINUTE * 5);
    // One row says nothing about its length: an hour.
    assert_eq!(read("time,value\n2020-01-01,1\n").unwrap().step(), Span::HOUR);
}

#[test]
fn a_unit_is_turned_into_grams_per_kilowatt_hour() {
    for (unit, value, grams) in [
        ("g/kWh", 412.0, 412.0),
        ("kg/MWh", 412.0, 412.0),
        ("kg/kWh", 0.412, 412.0),
        ("tonnes/MWh", 0.412, 412.0),
        // 1,000 lb/MWh = 1,000 x 453.59237 g / 1,000 kWh.
        ("lb/MWh", 1_000.0, 453.592_37),
    ] {
        let columns = two_columns(unit.parse().unwrap());
        let text = format!("time,value\n2020-01-01T00:00Z,{value}\n");
        let series = parse("x", text.as_bytes(), &columns).unwrap();
        let got = values(&series)[0].unwrap();
        assert!((got - grams).abs() < 1e-9, "{unit}: {got}");
    }
    assert!("gCO2".parse::<IntensityUnit>().is_err());
}

#[test]
fn a_mistake_is_named_with_file_line_and_column() {
    check(
        "time,values\n2020-01-01,1\n",
        "trace.csv: line 1: no column `value`; there are `time`, `values`",
    );
    assert_eq!(read("time,values\n").unwrap_err().hint().unwrap(), "did you mean `values`?");
    check("", "trace.csv: has no rows");
    check("time,value\n", "trace.csv: has no rows");
    check(
        "time,value\n2020-01-01,1\n01.02.2020,1\n",
        "trace.csv: line 3: column `time`: `01.02.2020` is not an instant such as `2020-06-01T00:00Z`",
    );
    check(
        "time,value\n2020-01-01,ten\n",
        "trace.csv: line 2: column `value`: `ten` is not a number",
    );
    check(
        "time,value\n2020-01-01,NaN\n",
        "trace.csv: line 2: column `value`: `NaN` is not a finite number",
    );
    for value in ["-1", "412000"] {
        check(
            &format!("time,value\n2020-01-01,{value}\n"),
            &format!(
                "trace.csv: line 2: column `value`: `{value}` is no carbon intensity: a grid has 0 to 10,000 g/kWh"
            ),
        );
    }
    check("time,value\n2020-01-01,1,2\n", "trace.csv: line 2: has 3 fields, the header has 2");
}

#[test]
fn a_disorder_in_time_is_named_with_its_line() {
    check(
        "time,value\n2020-01-01,1\n2020-01-01T00:00Z,1\n",
        "trace.csv: line 3: 2020-01-01T00:00:00Z is there twice",
    );
    check(
        "time,value\n2020-01-02,1\n2020-01-01,1\n",
        "trace.csv: line 3: 2020-01-01T00:00:00Z comes after 2020-01-02T00:00:00Z: the rows are not sorted by time",
    );
    check(
        "time,value\n2020-01-01T00:00Z,1\n2020-01-01T01:00Z,1\n2020-01-01T02:00Z,1\n2020-01-01T03:30Z,1\n",
        "trace.csv: line 5: 2020-01-01T03:30:00Z is not a multiple of 1h after the first row",
    );
    check(
        "time,value\n2020-01-01T00:00:00Z,1\n2020-01-01T00:00:01Z,1\n9999-01-01T00:00:00Z,1\n",
        "trace.csv: line 4: the file would have 251792928001 steps; the most is 100000",
    );
}

/// Found by fuzzing: three hours became 8.9 million steps, 270 MB of gaps.
#[test]
fn a_date_of_another_millennium_is_refused() {
    check(
        "time,value\n1010-02-28T23:00Z,1\n2020-02-29T00:00Z,2\n2020-02-29T01:00Z,3\n",
        "trace.csv: line 4: the file would have 8853483 steps; the most is 100000",
    );
}

#[test]
fn what_is_no_text_is_refused() {
    let columns = two_columns(IntensityUnit::GramsPerKwh);
    let error = |bytes: &[u8]| parse("trace.csv", bytes, &columns).unwrap_err().to_string();
    assert_eq!(error(b"PK\x03\x04\x00\x00"), "trace.csv: is not a text file (it has a zero byte)");
    assert_eq!(
        error(b"time,value\n\xff\xfe,1\n"),
        "trace.csv: is not a text file (bytes that are not UTF-8)"
    );
    assert!(error(b"\x1f\x8b\x08\x07 no gzip at all").contains("gzip data"));
}

#[test]
fn gzip_is_read_and_a_truncated_file_says_so() {
    let text = "time,value\n2020-01-01T00:00Z,1\n2020-01-01T01:00Z,2\n";
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(text.as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    let columns = two_columns(IntensityUnit::GramsPerKwh);
    let parse = |bytes: &[u8]| parse("trace.csv.gz", bytes, &columns);
    assert_eq!(values(&parse(&packed).unwrap()), [Some(1.0), Some(2.0)]);
    // Two gzip members one after the other are one text: `cat a.gz b.gz`.
    let twice = [&packed[..], &packed[..]].concat();
    assert!(parse(&twice).unwrap_err().to_string().contains("line 4"));
    for end in [12, packed.len() / 2, packed.len() - 1] {
        assert_eq!(
            parse(&packed[..end]).unwrap_err().to_string(),
            "trace.csv.gz: the gzip data ends too early: the file is truncated",
            "{end} bytes"
        );
    }
}

#[test]
fn a_folder_and_a_missing_file_are_errors_that_name_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let columns = two_columns(IntensityUnit::GramsPerKwh);
    let message =
        |path: &std::path::Path| intensity::read(&[path], &columns).unwrap_err().to_string();
    assert_eq!(
        message(folder.path()),
        format!("{}: is a directory, not a file", folder.path().display())
    );
    let missing = folder.path().join("none.csv");
    assert!(message(&missing).starts_with(&missing.display().to_string()));
}

const MIX_HEADER: &str = "timestamp_utc,coal_mw,lignite_mw,gas_mw,oil_mw,nuclear_mw,hydro_mw,\
    wind_mw,solar_mw,biomass_mw,geothermal_mw,other_mw,quality\n";

fn mix(zone: &str, factors: FactorSet) -> Request {
    Request { factors, format: Some(Format::Open), ..Request::of(zone.parse().unwrap()) }
}

fn read_mix(rows: &str) -> Result<IntensitySeries, ReadError> {
    let text = format!("{MIX_HEADER}{rows}");
    parse("mix.csv", text.as_bytes(), &mix("US-CA", FactorSet::Global))
}

#[test]
fn a_mix_becomes_an_intensity() {
    // Half gas at 370 g, half wind: 185. An hour without numbers or of zeros is a gap.
    let series = read_mix(
        "2020-01-01T00:00Z,0,0,500,0,0,0,500,0,0,0,0,0\n2020-01-01T01:00Z,,,,,,,,,,,,\n2020-01-01T02:00Z,0,0,0,0,0,0,0,0,0,0,0,0\n2020-01-01T03:00Z,0,0,1,0,0,0,0,0,0,0,0,0\n",
    );
    assert_eq!(values(&series.unwrap()), [Some(185.0), None, None, Some(370.0)]);
}

#[test]
fn a_mix_that_is_none_is_refused() {
    let check = |rows: &str, message: &str| {
        assert_eq!(read_mix(rows).unwrap_err().to_string(), message);
    };
    check(
        "2020-01-01T00:00Z,0,0,500,0,,0,500,0,0,0,0,0\n",
        "mix.csv: line 2: column `nuclear_mw`: `` is empty while other fuels of the row are not",
    );
    check(
        "2020-01-01T00:00Z,0,0,1e9,0,0,0,0,0,0,0,0,0\n",
        "mix.csv: line 2: column `gas_mw`: `1e9` is more megawatts than the world has",
    );
    let unknown = parse(
        "mix.csv",
        format!("{MIX_HEADER}2020-01-01T00:00Z,0,0,1,0,0,0,0,0,0,0,0,0\n").as_bytes(),
        &mix("SG", FactorSet::Local),
    );
    assert_eq!(
        unknown.unwrap_err().to_string(),
        "mix.csv: no `local` emission factors for zone `SG`"
    );
}

#[test]
fn statistics_are_those_of_the_known_steps() {
    // Two complete days of 12-hour steps, then a half one: swings 4 and 2, mean 3.
    let series = read(
        "time,value\n2020-01-01T00:00Z,1\n2020-01-01T12:00Z,5\n2020-01-02T00:00Z,2\n2020-01-02T12:00Z,4\n2020-01-03T00:00Z,3\n",
    );
    let stats = Stats::of(&series.unwrap());
    assert!((stats.hours - 60.0).abs() < 1e-9);
    assert!((stats.mean.get() - 3.0).abs() < 1e-9);
    // Variance (4 + 4 + 1 + 1 + 0) / 5 = 2.
    assert!((stats.sd.get() - 2f64.sqrt()).abs() < 1e-9);
    assert!((stats.mean_daily_swing.get() - 3.0).abs() < 1e-9);
    assert!((stats.max.get() - 5.0).abs() < 1e-9 && (stats.min.get() - 1.0).abs() < 1e-9);
}

#[test]
fn a_fit_refuses_to_count_an_hour_twice_or_to_mix_areas() {
    let series = read("time,value\n2020-01-01T00:00Z,1\n2020-01-01T01:00Z,2\n").unwrap();
    assert!(matches!(fit(&[series.clone(), series.clone()]), Err(FitError::Overlap { .. })));
    assert!(matches!(fit(std::slice::from_ref(&series)), Err(FitError::TooFew { .. })));
    let other = IntensitySeries::new(
        Label { area: "other".into(), ..series.label().clone() },
        series.end(),
        Span::HOUR,
        [Some(1.0)],
    );
    assert!(matches!(fit(&[series, other.unwrap()]), Err(FitError::Mixed { .. })));
    assert_eq!(fit(&[]), Ok(vec![]));
}

fn pods() -> WorkloadColumns {
    WorkloadColumns {
        arrival: "at".into(),
        arrival_format: InstantFormat::SinceStart(TimeUnit::Hours),
        length: Length::Duration { column: "length".into(), unit: TimeUnit::Minutes },
        cpu: "cpu".into(),
        cpu_unit: CpuUnit::Cores,
        memory: Memory::Column { column: "memory".into(), unit: MemoryUnit::Gibibytes },
        gpu: Some("gpu".into()),
        patience: Some(Patience::MaxDelay { column: "delay".into(), unit: TimeUnit::Hours }),
    }
}

#[test]
fn a_workload_is_read_in_its_units_and_sorted() {
    let text = "at,length,cpu,memory,gpu,delay\n2,30,0.5,1,,\n1.5,90,2,0.5,1,24\n";
    let start: Time = "2020-01-01".parse().unwrap();
    let read = workload::parse("pods.csv", text.as_bytes(), &pods(), start).unwrap();
    assert_eq!(read[0].at.to_string(), "2020-01-01T01:30:00Z");
    assert_eq!(read[0].duration, Span::MINUTE * 90);
    assert_eq!((read[0].cpu, read[0].memory), (MilliCpu(2_000), Bytes(1 << 29)));
    assert_eq!((read[0].gpu, read[0].max_delay), (MilliGpu::ONE, Some(Span::DAY)));
    assert_eq!((read[1].gpu, read[1].max_delay), (MilliGpu(0), None));
}

#[test]
fn a_deadline_leaves_what_the_run_does_not_need() {
    let text = "at,end,cpu,due\n2020-01-01 00:00,2020-01-01 02:00,1,2020-01-01 05:00\n2020-01-01 00:00,2020-01-01 02:00,1,2020-01-01 01:00\n";
    let columns = WorkloadColumns {
        arrival_format: InstantFormat::Date,
        length: Length::End { column: "end".into() },
        memory: Memory::PerCore(Bytes(4 << 30)),
        gpu: None,
        patience: Some(Patience::Deadline { column: "due".into() }),
        ..pods()
    };
    let read =
        workload::parse("pods.csv", text.as_bytes(), &columns, Time::from_millis(0)).unwrap();
    // Two hours of work, due after five: three are left. One that comes too late has none.
    assert_eq!(read[0].max_delay, Some(Span::HOUR * 3));
    assert_eq!(read[1].max_delay, Some(Span::ZERO));
    assert_eq!(read[0].memory, Bytes(4 << 30));
}

#[test]
fn a_mistake_in_a_workload_is_named_with_line_and_column() {
    let check = |row: &str, message: &str| {
        let text = format!("at,length,cpu,memory,gpu,delay\n{row}\n");
        let error = workload::parse("pods.csv", text.as_bytes(), &pods(), Time::from_millis(0));
        assert_eq!(error.unwrap_err().to_string(), format!("pods.csv: line 2: column {message}"));
    };
    check("1,0,1,1,0,0", "`length`: `0` leaves the pod no time to run");
    check("1,,1,1,0,0", "`length`: `` is empty");
    check("-1,1,1,1,0,0", "`at`: `-1` is below zero");
    check("1,1,-2,1,0,0", "`cpu`: `-2` is below zero");
    check("1,1,1e300,1,0,0", "`cpu`: `1e300` is more than any node has");
    check("1,1,1,1,0.5,0", "`gpu`: `0.5` is not a whole number of GPUs");
    check("1e30,1,1,1,0,0", "`at`: `1e30` is longer than ten thousand years");
}

#[test]
fn an_issued_forecast_covers_four_hours() {
    let issued = carbon_kube_datasets::bundled::marginal_forecasts(&zone()).unwrap().unwrap();
    let (at, first) = &issued.issues[0];
    // The first line of the file: 220.9 now, then 302.6, 324.5 and 336.1.
    let area = first.integral_hours(*at, *at + Span::HOUR * 2).unwrap();
    assert!((area - (220.9 + 302.6)).abs() < 1e-9);
    assert!(first.integral_hours(*at, *at + Span::HOUR * 5).is_none());
}

#[test]
fn a_preset_gives_the_same_pods_for_the_same_seed_only() {
    let preset = presets::get("openb-2023").unwrap();
    let draw = |seed, name| {
        let start: Time = "2020-06-01".parse().unwrap();
        generated::arrivals(&preset, start, start + Span::DAY, &zone().clock(), seed, name)
    };
    assert_eq!(draw(7, "a"), draw(7, "a"));
    assert_ne!(draw(7, "a"), draw(8, "a"));
    assert_ne!(draw(7, "a"), draw(7, "b"));
}

/// Every reader on the same bytes: an error or a value, never a panic.
fn read_all(bytes: &[u8]) {
    let columns = two_columns(IntensityUnit::PoundsPerMwh);
    let mix = mix("US-CA", FactorSet::Local);
    let _ = parse("noise", bytes, &columns).map(|series| Stats::of(&series));
    let _ = parse("noise", bytes, &mix).map(|series| Stats::of(&series));
    let _ = workload::parse("noise", bytes, &pods(), Time::from_millis(0));
}

const REAL: &[&str] = &[
    "time,value\n2020-01-01T00:00Z,412.5\n2020-01-01T01:00Z,\n2020-01-01T02:00+01:00,3e2\n",
    "at,length,cpu,memory,gpu,delay\n2,30,0.5,1,,\n1.5,90,2,0.5,1,24\n",
    "timestamp_utc,coal_mw,lignite_mw,gas_mw,oil_mw,nuclear_mw,hydro_mw,wind_mw,solar_mw,biomass_mw,geothermal_mw,other_mw,quality\n2020-01-01T00:00Z,1825,9419,4542,454,8090,1358,6990,0,5036,30,877,0\n2020-01-01T01:00Z,1797,9426,4368,454,8082,1384,7371,0,5035,30,870,0\n",
];

proptest! {
    #[test]
    fn random_bytes_never_panic(
        gzip in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        read_all(&bytes);
        read_all(&[if gzip { &b"\x1f\x8b\x08\0"[..] } else { b"time,value\n" }, &bytes].concat());
    }

    #[test]
    fn mutated_real_lines_never_panic(
        which in 0..REAL.len(),
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<bool>(), prop::sample::select(
                b"0123456789-+.,eEZT:\n\"#;\t\xff\0naif".to_vec()
            )),
            1..8,
        ),
    ) {
        let mut bytes = REAL[which].as_bytes().to_vec();
        for (index, insert, byte) in edits {
            let at = index.index(bytes.len());
            if insert { bytes.insert(at, byte) } else { bytes[at] = byte }
        }
        read_all(&bytes);
    }
}
