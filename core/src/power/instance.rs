//! What a cloud instance draws and what building it cost.
//!
//! AWS types are in `core/data/instances.csv`. Their watts are those of CPU package, memory and the instance's share of the rest of its server
//! (the columns `PkgWatt` + `RAMWatt` + `Delta Full Machine` of the Teads table), idle and at
//! 100 %, measured on bare-metal instances and shared out by vCPU. Types of Google Cloud and Azure
//! are modelled by their family ([`super::family`]). GPUs are in none of the watts: a GPU draws by
//! its own use, not by the CPU's ([`super::gpu`]). No PUE either: that is the data centre's.

use std::sync::OnceLock;

use serde::Deserialize;

use super::family;
use crate::compiled_in;
use crate::units::Watts;
use crate::zone::nearest_name;

/// One instance type.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Instance {
    /// The provider's name, such as `m5.xlarge`.
    pub instance_type: String,
    /// Virtual CPUs: hardware threads.
    pub vcpu: u32,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// GPUs of the instance; their power is not in the watts.
    pub gpu: u32,
    /// Which: a name that [`super::gpu::find`] knows; `None` where there are none.
    pub gpu_model: Option<String>,
    /// Draw without work.
    pub idle_watts: Watts,
    /// Draw with every CPU busy.
    pub busy_watts: Watts,
    /// Virtual CPUs of the whole server behind the instance.
    pub server_vcpu: u32,
    /// Emissions of making the whole server, its GPUs included, in kg CO2e.
    pub server_embodied_kg: f64,
}

impl Instance {
    /// The instance's part of making its server, by its part of the server's virtual CPUs, in kg
    /// CO2e over the server's whole life.
    #[must_use]
    pub fn embodied_kg(&self) -> f64 {
        let part = f64::from(self.vcpu) / f64::from(self.server_vcpu.max(1));
        self.server_embodied_kg * part.min(1.0)
    }
}

/// The instance type of that name, of any of the three providers.
#[must_use]
pub fn instance(name: &str) -> Option<Instance> {
    let measured = table().iter().find(|row| row.instance_type == name).cloned();
    measured.or_else(|| family::instance(name))
}

/// Every name in the table of AWS, in its order.
pub fn names() -> impl Iterator<Item = &'static str> {
    table().iter().map(|row| row.instance_type.as_str())
}

/// The known name nearest to a misspelt one, for hints.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    nearest_name(name, names().chain(family::examples()))
}

fn table() -> &'static [Instance] {
    static TABLE: OnceLock<Vec<Instance>> = OnceLock::new();
    TABLE.get_or_init(|| compiled_in::rows(include_str!("../../data/instances.csv")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watts(name: &str) -> (f64, f64) {
        let row = instance(name).unwrap();
        (row.idle_watts.get(), row.busy_watts.get())
    }

    fn check(name: &str, idle: f64, busy: f64) {
        let (got_idle, got_busy) = watts(name);
        assert!((got_idle - idle).abs() < 0.006, "{name}: {got_idle}");
        assert!((got_busy - busy).abs() < 0.006, "{name}: {got_busy}");
    }

    #[test]
    fn watts_are_cpu_and_memory_and_platform_without_gpu() {
        // Idle 2.41 + 2.41 + 4.0 = 8.82 (published total 8.8); busy 19.92 + 15.99 + 4.0 = 39.91.
        check("m5.xlarge", 8.82, 39.91);
        // 3.89 + 12.20 + 6.4 = 22.49 and 31.24 + 36.60 + 6.4 = 74.24; its V100 is not in them.
        check("p3.2xlarge", 22.49, 74.24);
        assert_eq!(instance("p3.2xlarge").unwrap().gpu, 1);
    }

    #[test]
    fn an_instance_has_its_part_of_the_servers_making() {
        // 4 of 96 vCPUs of a server of 1,610.79 kg: 67.1 kg.
        let row = instance("m5.xlarge").unwrap();
        assert!((row.embodied_kg() - 67.116).abs() < 0.001);
    }

    #[test]
    fn every_instance_is_there_once_and_draws_more_when_busy() {
        let mut all: Vec<_> = names().collect();
        assert_eq!(all.len(), 621);
        for name in &all {
            let row = instance(name).unwrap();
            assert!(row.vcpu > 0 && row.memory_gib > 0.0, "{name}");
            assert!(row.server_embodied_kg >= 1_000.0, "{name}");
            let model = row.gpu_model.as_deref().and_then(super::super::gpu::find);
            assert_eq!(model.is_some(), row.gpu > 0, "{name}");
            let (idle, busy) = watts(name);
            assert!(0.0 < idle && idle < busy, "{name}: {idle} to {busy}");
        }
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 621);
        assert_eq!(nearest("m5.xlrage"), Some("m5.xlarge"));
        assert_eq!(nearest("n2-standrad-4"), Some("n2-standard-4"));
    }
}
