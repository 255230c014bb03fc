//! Points, grids, hours and observations of the weather service.

#![no_main]

use carbon_kube_providers::nws::weather;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(seen) = weather::observation(body) {
        assert!(seen.wind.is_none_or(|wind| (0.0..120.0).contains(&wind)));
        assert!(seen.cover.is_none_or(|cover| (0.0..=1.0).contains(&cover)));
    }
    if let Ok(grid) = weather::grid(body) {
        assert!(grid.wind.iter().chain(&grid.cover).all(|held| held.from < held.to));
    }
    if let Ok(square) = weather::square(body) {
        assert!(square.office.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
    let _ = weather::hourly_wind(body);
});
