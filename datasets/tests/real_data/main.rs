//! Holds what is committed against the real data that is not.
//!
//! Most of these tests need the folder named by `CARBON_KUBE_TEST_DATA`. Without the variable they say
//! that they were skipped; with it, a missing file is a failure.

#![allow(clippy::unwrap_used, reason = "the functions here are all parts of tests")]

mod bundled;
mod grid_formats;
mod power;
mod presets;
mod test_data;
mod typical_year;
mod workload_damage;
mod workloads;
