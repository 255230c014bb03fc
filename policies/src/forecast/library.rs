//! The forecasts that are shipped: `policies/library/forecast-*`, compiled in.

use super::file::{ForecastFileError, Loaded};
use crate::file::promised_sha256_of;

/// A shipped forecast, as its files.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Name of its folder, and of the forecast.
    pub name: &'static str,
    /// `forecast.yaml`.
    pub yaml: &'static str,
    /// `forecast.safetensors`.
    pub weights: &'static [u8],
    /// `SHA256SUMS`.
    pub checksums: &'static str,
}

macro_rules! shipped {
    ($name:literal) => {
        Shipped {
            name: $name,
            yaml: include_str!(concat!("../../library/", $name, "/forecast.yaml")),
            weights: include_bytes!(concat!("../../library/", $name, "/forecast.safetensors")),
            checksums: include_str!(concat!("../../library/", $name, "/SHA256SUMS")),
        }
    };
}

/// The one that is taken where none is named.
pub const DEFAULT: &str = "forecast-open-v1";

/// Every shipped forecast.
pub const ALL: [Shipped; 1] = [shipped!("forecast-open-v1")];

/// The shipped forecast of that name.
#[must_use]
pub fn find(name: &str) -> Option<Shipped> {
    ALL.into_iter().find(|forecast| forecast.name == name)
}

impl Shipped {
    /// The forecast itself.
    ///
    /// # Errors
    ///
    /// Never, as a test shows.
    pub fn load(&self) -> Result<Loaded, ForecastFileError> {
        Loaded::parse(
            self.yaml,
            self.weights,
            promised_sha256_of(self.checksums, super::file::YAML),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_forecast_is_right_and_has_the_name_of_its_folder() {
        for shipped in ALL {
            assert!(promised_sha256_of(shipped.checksums, super::super::file::YAML).is_some());
            assert_eq!(shipped.load().unwrap().file.name, shipped.name);
        }
        assert!(find(DEFAULT).is_some());
    }
}
