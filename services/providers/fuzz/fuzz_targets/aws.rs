//! Exports of AWS in CSV.

#![no_main]

use carbon_kube_providers::aws;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for row in aws::read_csv(body).unwrap_or_default() {
        assert!(row.start < row.end && row.location_based.get() >= 0.0);
    }
});
