//! `historical` and `forecast` of WattTime.

#![no_main]

mod sane;

use carbon_kube_providers::watttime;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    sane::check(watttime::parse(body, "CAISO_NORTH"));
});
