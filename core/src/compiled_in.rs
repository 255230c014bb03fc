//! Reads the tables of `core/data/` that are compiled into the program.

use serde::de::DeserializeOwned;

/// The rows of a CSV table; lines that begin with `#` say where it comes from.
///
/// # Panics
///
/// Where a row can't be read, which a test of each table rules out.
pub(crate) fn rows<T: DeserializeOwned>(text: &'static str) -> Vec<T> {
    csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_reader(text.as_bytes())
        .deserialize()
        .collect::<Result<_, _>>()
        .expect("each compiled-in table is read by a test")
}
