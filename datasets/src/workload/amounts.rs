//! Fields of a row as amounts: never below zero, never more than the types can hold.

use carbon_kube_core::{Bytes, MilliCpu, Span};

use crate::error::ReadError;
use crate::table::{Column, Row};

/// One GiB.
pub(super) const GIB: u64 = 1 << 30;

/// Ten thousand years in milliseconds: beyond it an instant plus a length could overflow.
const ABSURD_MILLIS: f64 = 3.2e14;

/// A number of zero or more; `None` for an empty field.
pub(super) fn amount(row: &Row<'_>, column: &Column) -> Result<Option<f64>, ReadError> {
    let value = row.number(column)?;
    if value.is_some_and(|value| value < 0.0) {
        return Err(row.wrong(column, "is below zero"));
    }
    Ok(value)
}

/// The same for a field that every row has.
pub(super) fn required(row: &Row<'_>, column: &Column) -> Result<f64, ReadError> {
    amount(row, column)?.ok_or_else(|| row.wrong(column, "is empty"))
}

/// A whole number up to `most`.
pub(super) fn count(row: &Row<'_>, column: &Column, most: u32) -> Result<u32, ReadError> {
    let value = required(row, column)?;
    if value.fract() > 0.0 {
        return Err(row.wrong(column, "is not a whole number"));
    }
    if value > f64::from(most) {
        return Err(row.wrong(column, "is more than there can be"));
    }
    Ok(value as u32)
}

/// A length of time, from a field in a unit of so many milliseconds.
pub(super) fn span(row: &Row<'_>, column: &Column, unit: f64) -> Result<Option<Span>, ReadError> {
    let millis = amount(row, column)?.map(|value| value * unit);
    if millis.is_some_and(|millis| millis > ABSURD_MILLIS) {
        return Err(row.wrong(column, "is longer than ten thousand years"));
    }
    Ok(millis.map(|millis| Span::from_millis(millis.round() as i64)))
}

/// The same for a field that every row has.
pub(super) fn required_span(row: &Row<'_>, column: &Column, unit: f64) -> Result<Span, ReadError> {
    span(row, column, unit)?.ok_or_else(|| row.wrong(column, "is empty"))
}

/// CPU from a value in cores times `milli`.
pub(super) fn cpu(
    row: &Row<'_>,
    column: &Column,
    value: f64,
    milli: f64,
) -> Result<MilliCpu, ReadError> {
    whole(value * milli).map(MilliCpu).ok_or_else(|| row.wrong(column, "is more than any node has"))
}

/// Memory from a value in units of so many bytes.
pub(super) fn memory(
    row: &Row<'_>,
    column: &Column,
    value: f64,
    unit: f64,
) -> Result<Bytes, ReadError> {
    whole(value * unit).map(Bytes).ok_or_else(|| row.wrong(column, "is more than any node has"))
}

/// Amounts are below this, 8 PiB: an `f64` holds them exactly, and no node has so much.
const LIMIT: u64 = 1 << 53;

/// So much memory per requested core, of absurd numbers of cores the most that a reader makes.
pub(super) fn per_core(cpu: MilliCpu, memory: Bytes) -> Bytes {
    let bytes = u128::from(cpu.0) * u128::from(memory.0) / 1_000;
    Bytes(u64::try_from(bytes).unwrap_or(LIMIT).min(LIMIT))
}

/// A whole amount below the limit.
fn whole(value: f64) -> Option<u64> {
    (value < LIMIT as f64).then(|| value.round() as u64)
}

/// An amount of memory in a sentence: whole GiB where it is such.
pub(super) fn gib(bytes: Bytes) -> String {
    format!("{} GiB", bytes.0 as f64 / GIB as f64)
}
