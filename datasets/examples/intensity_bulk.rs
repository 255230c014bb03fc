//! Measures what reading a large intensity file costs: row by row, or as `read` does it.
//!
//! ```text
//! cargo build --release -p carbon-kube-datasets --features frames --example intensity_bulk
//! intensity_bulk write 10000000 /tmp/trace.csv   # every 5 seconds
//! /usr/bin/time -v intensity_bulk rows /tmp/trace.csv
//! /usr/bin/time -v intensity_bulk read /tmp/trace.csv
//! ```
//!
//! `mix` after the file makes it a generation mix in the open format.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Instant;

use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::mix::{FactorSet, Fuel};
use carbon_kube_core::{Span, Time};
use carbon_kube_datasets::ReadError;
use carbon_kube_datasets::intensity::columns::{Columns, IntensityUnit};
use carbon_kube_datasets::intensity::{self, Request};
use carbon_kube_datasets::stats::Stats;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["write", rows, file] => write(rows.parse()?, file, false)?,
        ["write", rows, file, "mix"] => write(rows.parse()?, file, true)?,
        [how @ ("rows" | "read"), file, ref kind @ ..] if kind.is_empty() || kind == ["mix"] => {
            let begun = Instant::now();
            let series = series(file, how == "read", !kind.is_empty())?;
            let seconds = begun.elapsed().as_secs_f64();
            let mean = Stats::of(&series).mean;
            eprintln!("{how}: {seconds:.2} s, {} steps, mean {mean:?}", series.steps().count());
        }
        _ => return Err("usage: write ROWS FILE [mix] | rows FILE [mix] | read FILE [mix]".into()),
    }
    Ok(())
}

fn series(file: &str, by_path: bool, mix: bool) -> Result<IntensitySeries, ReadError> {
    let columns =
        Columns { time: "time".into(), value: "value".into(), unit: IntensityUnit::GramsPerKwh };
    let zone = "US-CA".parse().expect("the zone is one of the table of zones");
    let request = Request {
        factors: FactorSet::Global,
        columns: (!mix).then_some(columns),
        ..Request::of(zone)
    };
    let import = if by_path {
        intensity::read(&[file], &request)
    } else {
        // A stream is always read row by row.
        let io_error = |source| ReadError::Io { path: file.to_owned(), source };
        intensity::parse(file, File::open(file).map_err(io_error)?, &request)
    };
    import.map(|import| import.series)
}

/// Values with one decimal that repeat only after a long time.
fn write(rows: i64, file: &str, mix: bool) -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(File::create(file)?);
    if mix {
        let fuels: Vec<String> =
            Fuel::ALL.iter().map(|fuel| format!("{}_mw", fuel.name())).collect();
        writeln!(out, "timestamp_utc,{}", fuels.join(","))?;
    } else {
        writeln!(out, "time,value")?;
    }
    let start: Time = "2020-01-01".parse()?;
    for row in 0..rows {
        write!(out, "{}", start + Span::SECOND * (5 * row))?;
        for fuel in 0..if mix { Fuel::ALL.len() as i64 } else { 1 } {
            let tenths = 1 + (row * (7_919 + fuel)) % 9_973;
            write!(out, ",{}.{}", tenths / 10, tenths % 10)?;
        }
        writeln!(out)?;
    }
    Ok(out.flush()?)
}
