//! A trace of ten million rows is read in constant memory. A process of its own: what it measures
//! is the peak of all its memory.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "test code")]

use std::io::{self, Read};

use carbon_kube_datasets::workload::trace::{self, Settings};

/// Half a gigabyte of jobs that were never written anywhere.
struct Rows {
    next: u64,
    last: u64,
    row: io::Cursor<String>,
}

impl Read for Rows {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.row.read(buffer)?;
        if count > 0 || self.next > self.last {
            return Ok(count);
        }
        // Thousands at a time: a call per row would be most of the work.
        let rows = self.next..(self.next + 1_000).min(self.last + 1);
        self.next = rows.end;
        let row = |i| format!("{i} {i} -1 3600 4 -1 -1 8 -1 -1 1 1 1 1 -1 -1 -1 -1\n");
        self.row = io::Cursor::new(rows.map(row).collect());
        self.row.read(buffer)
    }
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn ten_million_rows_are_read_in_constant_memory() {
    let read = |last| {
        let rows = Rows { next: 1, last, row: io::Cursor::new(String::new()) };
        let pods = trace::parse("rows", rows, Settings::everything()).unwrap();
        pods.fold(0u64, |sum, pod| sum + pod.unwrap().cpu.0)
    };
    assert_eq!(read(1_000), 8_000 * 1_000);
    let before = peak_kib();
    assert_eq!(read(10_000_000), 8_000 * 10_000_000);
    let grown = peak_kib() - before;
    assert!(grown < 4_096, "the peak grew by {grown} KiB");
}
