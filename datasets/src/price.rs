//! Reads electricity prices from a named column of any CSV file.
//!
//! Each price holds until the next row: hourly prices of an exchange have a row per hour, a tariff
//! has one per change. Rows are sorted; there is no such thing as a missing price.

use std::io::Read;
use std::path::Path;

use carbon_kube_core::Time;
use carbon_kube_core::price::{PriceError, PriceSeries};

use crate::error::ReadError;
use crate::instant;
use crate::table::{LIMIT_ROWS, Table};

/// What prices can be, in USD/kWh. The highest that markets allow are 4 EUR in Europe, 9 USD in
/// Texas, 17 AUD in Australia: beyond it a value is taken for a mix-up of units.
const POSSIBLE: std::ops::RangeInclusive<f64> = -10.0..=100.0;

/// Which columns hold what.
#[derive(Clone, Debug)]
pub struct Columns {
    /// Start of the price: RFC 3339, or `YYYY-MM-DD HH:MM[:SS]`, which is then UTC.
    pub time: String,
    /// The price.
    pub value: String,
    /// US dollars per kWh in one unit of the column: 0.001 for USD/MWh.
    pub usd_per_kwh: f64,
}

/// Reads a file.
///
/// # Errors
///
/// [`ReadError`] names file, line and column: of an empty field, of rows out of order, and of what
/// no market pays.
pub fn read(path: &Path, columns: &Columns) -> Result<PriceSeries, ReadError> {
    rows(Table::open(path)?, columns)
}

/// The same from memory or a stream; `name` stands for the file in messages.
///
/// # Errors
///
/// As [`read`].
pub fn parse(name: &str, input: impl Read, columns: &Columns) -> Result<PriceSeries, ReadError> {
    rows(Table::new(name, input)?, columns)
}

fn rows(mut table: Table<'_>, columns: &Columns) -> Result<PriceSeries, ReadError> {
    let time = table.column(&columns.time)?;
    let value = table.column(&columns.value)?;
    let path = table.path().to_owned();
    let mut prices: Vec<(Time, f64)> = Vec::new();
    while let Some(row) = table.next()? {
        let line = row.line;
        let at = instant::parse(row.text(&time))
            .ok_or_else(|| row.wrong(&time, "is not an instant such as `2020-06-01T00:00:00Z`"))?;
        let number = row.number(&value)?.ok_or_else(|| row.wrong(&value, "is no price"))?;
        let price = number * columns.usd_per_kwh;
        if !POSSIBLE.contains(&price) {
            return Err(row.wrong(&value, "is no price of electricity; is the unit right?"));
        }
        match prices.last() {
            Some((before, _)) if *before == at => {
                return Err(ReadError::Duplicate { path, line, at });
            }
            Some((before, _)) if *before > at => {
                return Err(ReadError::Unsorted { path, line, at, before: *before });
            }
            _ => prices.push((at, price)),
        }
        if prices.len() > LIMIT_ROWS {
            return Err(ReadError::TooManyRows { path, line, limit: LIMIT_ROWS });
        }
    }
    PriceSeries::new(prices).map_err(|error| match error {
        // Order and numbers have been looked at above.
        PriceError::Empty | PriceError::Order(_) | PriceError::NotFinite(_) => {
            ReadError::Empty { path }
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<PriceSeries, String> {
        let columns = Columns { time: "t".into(), value: "EUR".into(), usd_per_kwh: 0.0011 };
        parse("p.csv", text.as_bytes(), &columns).map_err(|error| error.to_string())
    }

    #[test]
    fn prices_of_an_exchange_become_dollars_per_kwh() {
        let text = "t;EUR\n2020-06-01 00:00;50\n2020-06-01 01:00;-20\n";
        let series = parsed(text).unwrap();
        let at = |text: &str| text.parse::<Time>().unwrap();
        // 50 EUR/MWh at 1.1 USD are 0.055 USD/kWh, -20 are -0.022: an hour of each costs 0.033.
        let (from, to) = (at("2020-06-01T00:00:00Z"), at("2020-06-01T02:00:00Z"));
        assert!((series.integral(from, to) - 0.033).abs() < 1e-12);
        assert_eq!(series.known(), (from, to));
    }

    #[test]
    fn bad_rows_are_refused_by_line() {
        for (rows, expected) in [
            ("", "p.csv: has no rows"),
            (
                "soon,1\n",
                "p.csv: line 2: column `t`: `soon` is not an instant such as `2020-06-01T00:00:00Z`",
            ),
            ("2020-06-01T00:00Z,\n", "p.csv: line 2: column `EUR`: `` is no price"),
            ("2020-06-01T00:00Z,x\n", "p.csv: line 2: column `EUR`: `x` is not a number"),
            (
                "2020-06-01T00:00Z,inf\n",
                "p.csv: line 2: column `EUR`: `inf` is not a finite number",
            ),
            (
                "2020-06-01T00:00Z,1e9\n",
                "p.csv: line 2: column `EUR`: `1e9` is no price of electricity; is the unit right?",
            ),
            (
                "2020-06-01T00:00Z,1\n2020-06-01T00:00Z,2\n",
                "p.csv: line 3: 2020-06-01T00:00:00Z is there twice",
            ),
        ] {
            assert_eq!(parsed(&format!("t,EUR\n{rows}")).unwrap_err(), expected);
        }
        let unsorted = "t,EUR\n2020-06-01T01:00Z,1\n2020-06-01T00:00Z,2\n";
        assert!(parsed(unsorted).unwrap_err().contains("not sorted"));
    }

    proptest! {
        #[test]
        fn no_text_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let columns = Columns { time: "t".into(), value: "EUR".into(), usd_per_kwh: 1.0 };
            let text = [b"t,EUR\n2020-06-01T00:00Z,".as_slice(), &bytes].concat();
            if let Ok(series) = parse("p.csv", text.as_slice(), &columns) {
                let (first, last) = series.known();
                prop_assert!(first <= last && series.integral(first, last).is_finite());
            }
        }
    }
}
