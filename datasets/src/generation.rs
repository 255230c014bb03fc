//! Hourly generation of a zone by fuel: the columns `coal_mw` to `other_mw` of the open files.
//!
//! [`crate::intensity`] makes an intensity of them; a forecast wants to know the fuels themselves.

use std::io::Read;
use std::path::Path;

use carbon_kube_core::mix::Fuel;
use carbon_kube_core::{Span, Time};

use crate::error::ReadError;
use crate::instant;
use crate::table::{self, Column, Table};

/// The most hours of one file: a hundred years.
const LIMIT_HOURS: u64 = 880_000;

/// Generation in MW by [`Fuel::ALL`].
pub type Hour = [f64; Fuel::ALL.len()];

/// Hours from `start` on; `None` is a gap.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// Start of the first hour.
    pub start: Time,
    /// By hour.
    pub hours: Vec<Option<Hour>>,
}

/// Reads a file in the open format.
///
/// # Errors
///
/// [`ReadError`] names file, line and column; also where a fuel has no column.
pub fn read(path: &Path) -> Result<Generation, ReadError> {
    parse(&path.display().to_string(), table::open(path)?)
}

/// The same from memory or a stream; `name` stands for the file in messages.
///
/// # Errors
///
/// As [`read`].
pub fn parse(name: &str, input: impl Read) -> Result<Generation, ReadError> {
    let mut table = Table::new(name, input)?;
    let time = table.column("timestamp_utc")?;
    let columns: Vec<Column> = Fuel::ALL
        .iter()
        .map(|fuel| table.column(&format!("{}_mw", fuel.name())))
        .collect::<Result<_, _>>()?;
    let mut generation: Option<Generation> = None;
    while let Some(row) = table.next()? {
        let at = instant::parse(row.text(&time))
            .ok_or_else(|| row.wrong(&time, "is not an instant such as `2020-06-01T00:00Z`"))?;
        if at != at.floor(Span::HOUR) {
            return Err(row.wrong(&time, "is not a full hour"));
        }
        let generation =
            generation.get_or_insert_with(|| Generation { start: at, hours: Vec::new() });
        let index = (at - generation.start).millis() / Span::HOUR.millis();
        let (path, line) = (name.to_owned(), row.line);
        let before = generation.start + Span::HOUR * (generation.hours.len() as i64 - 1);
        if index < generation.hours.len() as i64 {
            return Err(match at == before {
                true => ReadError::Duplicate { path, line, at },
                false => ReadError::Unsorted { path, line, at, before },
            });
        }
        let steps = index.unsigned_abs() + 1;
        if steps > LIMIT_HOURS {
            return Err(ReadError::TooLong { path, line, steps, limit: LIMIT_HOURS });
        }
        let mut hour = [0.0; Fuel::ALL.len()];
        let mut known = true;
        for (value, column) in hour.iter_mut().zip(&columns) {
            match row.number(column)? {
                // Pumps and station use are counted against generation by some sources.
                Some(megawatts) => *value = megawatts.max(0.0),
                None => known = false,
            }
        }
        generation.hours.resize(index as usize, None);
        generation.hours.push(known.then_some(hour));
    }
    generation.ok_or_else(|| ReadError::Empty { path: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "timestamp_utc,coal_mw,lignite_mw,gas_mw,oil_mw,nuclear_mw,hydro_mw,\
                          wind_mw,solar_mw,biomass_mw,geothermal_mw,other_mw\n";

    #[test]
    fn hours_are_read_with_their_gaps_and_nothing_else_is() {
        let read = |rows: &str| parse("mix.csv", format!("{HEADER}{rows}").as_bytes());
        let found =
            read("2020-01-01T00:00Z,1,2,3,4,5,6,7,8,9,10,-11\n2020-01-01T02:00Z,,2,3,4,5,6,7,8,9,10,11\n")
                .unwrap();
        let first = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 0.0];
        assert_eq!(found.hours, [Some(first), None, None]);
        assert!(read("2020-01-01T00:30Z,1,2,3,4,5,6,7,8,9,10,11\n").is_err());
        let twice = "2020-01-01T00:00Z,1,2,3,4,5,6,7,8,9,10,11\n".repeat(2);
        assert!(matches!(read(&twice), Err(ReadError::Duplicate { .. })));
        assert!(matches!(read(""), Err(ReadError::Empty { .. })));
        assert!(parse("mix.csv", "timestamp_utc,coal_mw\n".as_bytes()).is_err());
    }
}
