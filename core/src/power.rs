//! What a cloud instance draws and what building it cost: `core/data/instances.csv`.
//!
//! The watts are those of CPU package, memory and the instance's share of the rest of its server
//! (the columns `PkgWatt` + `RAMWatt` + `Delta Full Machine` of the Teads table), idle and at
//! 100 %, measured on bare-metal instances and shared out by vCPU. GPUs are not in them: a GPU
//! draws by its own use, not by the CPU's. No PUE either: that is the data centre's.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::units::{MilliCpu, Watts};
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
    /// Draw without work.
    pub idle_watts: Watts,
    /// Draw with every CPU busy.
    pub busy_watts: Watts,
    /// Virtual CPUs of the whole server behind the instance.
    pub server_vcpu: u32,
    /// Emissions of making the whole server, its GPUs included, in kg CO2e.
    pub server_embodied_kg: f64,
}

/// What one node draws, and what its building adds to that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodePower {
    /// Draw without work.
    pub idle: Watts,
    /// Draw with every allocatable core busy.
    pub busy: Watts,
    /// Power usage effectiveness: facility power over node power, 1 or more.
    pub pue: f64,
}

impl NodePower {
    /// Watts at the meter that one more busy core adds to a node with so much allocatable CPU:
    /// (busy - idle) / cores x PUE. None where there is no core. Simulator and cluster both ask
    /// here, so that equal nodes have equal numbers to the last bit.
    #[must_use]
    pub fn watts_per_core(&self, allocatable: MilliCpu) -> Watts {
        let cores = allocatable.0 as f64 / 1_000.0;
        let watts = (self.busy - self.idle).get() / cores * self.pue;
        Watts::new(watts).unwrap_or(Watts::ZERO)
    }
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

/// The instance type of that name.
#[must_use]
pub fn instance(name: &str) -> Option<&'static Instance> {
    table().iter().find(|row| row.instance_type == name)
}

/// Every name in the table, in its order.
pub fn names() -> impl Iterator<Item = &'static str> {
    table().iter().map(|row| row.instance_type.as_str())
}

/// The known name nearest to a misspelt one, for hints.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    nearest_name(name, names())
}

fn table() -> &'static [Instance] {
    static TABLE: OnceLock<Vec<Instance>> = OnceLock::new();
    TABLE.get_or_init(|| {
        csv::Reader::from_reader(include_str!("../data/instances.csv").as_bytes())
            .deserialize()
            .collect::<Result<_, _>>()
            .expect("the compiled-in instance table is read by a test")
    })
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
            let (idle, busy) = watts(name);
            assert!(0.0 < idle && idle < busy, "{name}: {idle} to {busy}");
        }
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 621);
        assert_eq!(nearest("m5.xlrage"), Some("m5.xlarge"));
    }
}
