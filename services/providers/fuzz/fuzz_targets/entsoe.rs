//! Documents of ENTSO-E's transparency platform.

#![no_main]

mod sane;

use carbon_kube_core::Zone;
use carbon_kube_providers::entsoe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let zone: Zone = "EU-DE".parse().expect("a name");
    sane::check(entsoe::parse(body, "10Y1001A1001A82H").and_then(|hours| hours.values(&zone)));
});
