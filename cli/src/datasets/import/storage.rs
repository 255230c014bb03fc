//! Where a series is kept, and what goes with it.

use std::collections::BTreeMap;
use std::path::Path;

use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_datasets::intensity::stored;

use crate::datasets::written;
use crate::failure::Failure;

/// As what a series is written, by the end of the file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    Csv,
    Parquet,
}

impl Storage {
    /// Refuses names that say neither.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        match path.extension().and_then(|end| end.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            _ => {
                Err(Failure::new(format!("{}: ends in neither .parquet nor .csv", path.display()))
                    .of("--out"))
            }
        }
    }

    /// Writes a series with notes about it.
    pub fn write(
        self,
        path: &Path,
        overwrite: bool,
        series: &IntensitySeries,
        notes: &BTreeMap<String, String>,
    ) -> Result<(), Failure> {
        written::write(path, overwrite, |output| {
            let written = match self {
                Self::Csv => stored::write_csv(series, notes, output),
                Self::Parquet => stored::write_parquet(series, notes, output),
            };
            written.map_err(|error| written::failure(path, &error))
        })
    }
}
