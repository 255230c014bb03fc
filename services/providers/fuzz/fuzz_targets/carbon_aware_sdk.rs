//! Emissions and forecasts of a carbon-aware-sdk web API.

#![no_main]

mod sane;

use carbon_kube_providers::carbon_aware_sdk;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    sane::check(carbon_aware_sdk::parse(body, "x", "y"));
    sane::check(carbon_aware_sdk::parse_forecast(body, "x", "y"));
});
