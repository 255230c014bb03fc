//! Measures what reading a large workload trace costs.
//!
//! ```text
//! cargo build --release -p carbon-kube-datasets --example workload_trace
//! workload_trace write swf 1000000 /tmp/jobs.swf   # or: azure
//! /usr/bin/time -v workload_trace read /tmp/jobs.swf
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use carbon_kube_datasets::workload::trace::{self, Settings};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["write", "swf", rows, file] => write(rows.parse()?, file, swf)?,
        ["write", "azure", rows, file] => write(rows.parse()?, file, azure)?,
        ["read", file] => {
            let begun = Instant::now();
            let mut trace = trace::open(Path::new(file), Settings::everything())?;
            let mut core_hours = 0.0;
            for pod in trace.by_ref() {
                let pod = pod?;
                core_hours += pod.cpu.0 as f64 / 1e3 * pod.duration.hours();
            }
            let seconds = begun.elapsed().as_secs_f64();
            let rows = trace.account().rows;
            eprintln!("{seconds:.2} s, {rows} rows, {core_hours:.0} core-hours");
        }
        _ => return Err("usage: write swf|azure ROWS FILE | read FILE".into()),
    }
    Ok(())
}

type Row = fn(&mut dyn Write, u64) -> io::Result<()>;

fn write(rows: u64, file: &str, row: Row) -> io::Result<()> {
    let mut output = BufWriter::new(File::create(file)?);
    (1..=rows).try_for_each(|number| row(&mut output, number))?;
    output.flush()
}

/// A line as long as those of real logs.
fn swf(output: &mut dyn Write, i: u64) -> io::Result<()> {
    let (run, procs) = (60 + i * 7_919 % 86_400, 1 << (i % 8));
    writeln!(
        output,
        "{i:>7} {:>9} {:>6} {run:>6} {procs:>4} -1 -1 {procs:>4} {:>6} -1 1 {:>4} 1 -1 3 -1 -1 -1",
        i * 31,
        i % 600,
        run * 2,
        i % 437
    )
}

/// A row as wide as the public table's: identifiers are hashes in base 64.
fn azure(output: &mut dyn Write, i: u64) -> io::Result<()> {
    let created = i * 3 / 300 * 300;
    let category = ["Delay-insensitive", "Interactive", "Unknown"][(i % 3) as usize];
    writeln!(
        output,
        "{i:064},{:064},{:088},{created},{},99.369869,3.4240942342446719,10.194309,{category},{},{}",
        i % 6_687,
        i % 35_941,
        created + 300 * (1 + i % 997),
        1 << (i % 4),
        [0.75, 1.75, 3.5, 7.0, 14.0][(i % 5) as usize]
    )
}
