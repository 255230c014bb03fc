//! Carbon intensity from files.
//!
//! [`open`] computes it from a generation mix with our emission factors; [`columns`] takes a
//! column that already holds it. Both give the same kind of series: constant over equal steps,
//! missing rows as gaps.

pub mod columns;
mod grid;
pub mod open;

/// Values by instant, in the order of the file, before they become a series.
pub(crate) use grid::Grid;
