//! `latest`, and the lists of Electricity Maps.

#![no_main]

mod sane;

use carbon_kube_providers::config::EmissionFactorType;
use carbon_kube_providers::electricity_maps;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let direct = EmissionFactorType::Direct;
    sane::check(electricity_maps::parse_latest(body, "DE", direct));
    sane::check(electricity_maps::parse_list(body, "DE", direct));
});
