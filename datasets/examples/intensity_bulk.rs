//! Measures what reading a large intensity file costs: row by row, or as `read` does it.
//!
//! ```text
//! cargo build --release -p carbon-kube-datasets --features frames --example intensity_bulk
//! intensity_bulk write 10000000 /tmp/trace.csv   # every 5 seconds
//! /usr/bin/time -v intensity_bulk rows /tmp/trace.csv
//! /usr/bin/time -v intensity_bulk read /tmp/trace.csv
//! ```
//!
//! `mix` after the file makes it a generation mix in the open format. `write-eia FILE` writes half a
//! year of EIA's form 930 in its layout of 2020: 60 balancing authorities by 4,380 hours; `read FILE
//! eia` takes one of them out of it.

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
        ["write-eia", file] => write_eia(file)?,
        [how @ ("rows" | "read"), file, ref kind @ ..]
            if kind.is_empty() || kind == ["mix"] || kind == ["eia"] =>
        {
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
    let zone = "US-TX".parse().expect("the zone is one of the table of zones");
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

/// Numbers of up to five digits with thousands commas, quoted where they have one.
fn write_eia(file: &str) -> Result<(), Box<dyn Error>> {
    const FUELS: [&str; 9] = [
        "Coal",
        "Natural Gas",
        "Nuclear",
        "All Petroleum Products",
        "Hydropower and Pumped Storage",
        "Solar",
        "Wind",
        "Other Fuel Sources",
        "Unknown Fuel Sources",
    ];
    const TOTALS: [&str; 3] = ["Demand", "Net Generation", "Total Interchange"];
    let mut out = BufWriter::new(File::create(file)?);
    write!(
        out,
        "Balancing Authority,Data Date,Hour Number,Local Time at End of Hour,UTC Time at End of Hour,\
         Demand Forecast (MW),Demand (MW),Net Generation (MW),Total Interchange (MW),Sum(Valid DIBAs) (MW)"
    )?;
    for suffix in ["(Imputed)", "(Adjusted)"] {
        for total in TOTALS {
            write!(out, ",{total} (MW) {suffix}")?;
        }
    }
    for suffix in ["", " (Imputed)", " (Adjusted)"] {
        for fuel in FUELS {
            write!(out, ",Net Generation (MW) from {fuel}{suffix}")?;
        }
    }
    writeln!(out, ",Region")?;
    let start: Time = "2020-01-01".parse()?;
    for authority in 0..60_i64 {
        let name = if authority == 0 { "ERCO".to_owned() } else { format!("BA{authority:02}") };
        for hour in 1..=4_380_i64 {
            let us = |at: Time| {
                let at = at.utc();
                let half = if at.hour() < 12 { "AM" } else { "PM" };
                let twelve = (at.hour() + 11) % 12 + 1;
                format!("{:02}/{:02}/{} {twelve}:00:00 {half}", at.month(), at.day(), at.year())
            };
            let end = start + Span::HOUR * hour;
            let local = us(end - Span::HOUR * 6);
            let date = local.split(' ').next().unwrap_or_default().to_owned();
            write!(out, "{name},{date},{},{local},{}", (hour - 1) % 24 + 1, us(end))?;
            let number = |column: i64| match (hour * (7_919 + column) + authority) % 43_651 {
                small if small < 1_000 => small.to_string(),
                large => format!("\"{},{:03}\"", large / 1_000, large % 1_000),
            };
            for column in 0..5 {
                write!(out, ",{}", number(column))?;
            }
            write!(out, ",,,")?;
            for column in 1..4 {
                write!(out, ",{}", number(column))?;
            }
            for fuel in 0..9 {
                write!(out, ",{}", number(10 + fuel))?;
            }
            write!(out, ",,,,,,,,,")?;
            for fuel in 0..9 {
                write!(out, ",{}", number(10 + fuel))?;
            }
            writeln!(out, ",TEX")?;
        }
    }
    Ok(out.flush()?)
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
