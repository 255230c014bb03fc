//! Pages of EIA's hourly grid monitor.

#![no_main]

mod sane;

use carbon_kube_core::Zone;
use carbon_kube_providers::eia;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let zone: Zone = "US-CA".parse().expect("a name");
    sane::check(eia::parse(body, "CISO").and_then(|page| eia::values(&page.rows, &zone)));
});
