//! Carbon intensity from files.
//!
//! [`open`] computes it from a generation mix with our emission factors; [`columns`] takes a
//! column that already holds it. Both give the same kind of series: constant over equal steps,
//! missing rows as gaps.
//!
//! With the cargo feature `frames`, `read` takes files of at least 64 MiB through polars: the
//! same numbers and the same messages, sooner. Without it, and for smaller files and streams, the
//! rows are read one by one.

#[cfg(feature = "frames")]
mod bulk;
pub mod columns;
mod grid;
pub mod open;
mod rule;
