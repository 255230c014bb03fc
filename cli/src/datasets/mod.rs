//! `datasets ...`: a file per subcommand.

pub mod convert;
mod describe;
#[cfg(feature = "download")]
pub mod download;
pub mod fit_typical_year;
pub mod import;
pub mod list;
pub mod request;
pub mod stats;
pub mod written;

use carbon_kube_core::Zone;
use carbon_kube_datasets::ReadError;

use crate::failure::Failure;

pub fn read_failure(error: ReadError) -> Failure {
    let hint = error.hint();
    Failure::new(error.to_string()).maybe_hint(hint)
}

pub fn zone(name: &str) -> Result<Zone, Failure> {
    name.parse()
        .map_err(|error: carbon_kube_core::zone::ZoneNameError| Failure::new(error.to_string()))
}
