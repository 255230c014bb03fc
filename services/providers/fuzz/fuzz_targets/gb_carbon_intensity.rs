//! Ranges of NESO's Carbon Intensity API.

#![no_main]

mod sane;

use carbon_kube_providers::gb_carbon_intensity::{self, Wanted};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    sane::check(gb_carbon_intensity::parse(body, Wanted::Actual));
    sane::check(gb_carbon_intensity::parse(body, Wanted::Forecast));
});
