//! Watts of one virtual CPU by provider and architecture: `core/data/cpu_watts.csv`.
//!
//! The method is Cloud Carbon Footprint's (its methodology page, *Compute* and *Memory*): watts
//! between a minimum and a maximum by utilisation, and memory beyond what the measured servers
//! had at a constant [`WATTS_PER_GIB`].

use std::sync::OnceLock;

use serde::Deserialize;

use crate::compiled_in;

/// Power of a gigabyte of memory: the mean of Crucial's 0.375 and Micron's 0.408 W/GB, as Cloud
/// Carbon Footprint takes it.
pub const WATTS_PER_GIB: f64 = 0.392;

/// A row of the table.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct CpuWatts {
    pub(super) provider: String,
    pub(super) architecture: String,
    pub(super) min_watts_per_vcpu: f64,
    pub(super) max_watts_per_vcpu: f64,
    /// Memory per CPU package of the measured servers; its power is in the watts.
    pub(super) memory_gb_per_chip: f64,
    /// Hardware threads of one CPU package.
    pub(super) vcpu_per_chip: u32,
}

impl CpuWatts {
    /// Idle and busy watts of a machine with so many virtual CPUs and so much memory.
    pub(super) fn watts(&self, vcpu: f64, memory_gib: f64) -> (f64, f64) {
        let measured = self.memory_gb_per_chip / f64::from(self.vcpu_per_chip.max(1)) * vcpu;
        let memory = (memory_gib - measured).max(0.0) * WATTS_PER_GIB;
        (vcpu * self.min_watts_per_vcpu + memory, vcpu * self.max_watts_per_vcpu + memory)
    }

    /// CPU packages behind so many virtual CPUs.
    pub(super) fn chips(&self, vcpu: u32) -> u32 {
        vcpu.div_ceil(self.vcpu_per_chip.max(1))
    }
}

/// The provider's own row of an architecture, else that of another: the coefficients differ by a
/// few per cent, and not every provider's table has every CPU.
pub(super) fn find(provider: &str, architecture: &str) -> Option<&'static CpuWatts> {
    let rows = || table().iter().filter(|row| row.architecture == architecture);
    rows().find(|row| row.provider == provider).or_else(|| rows().next())
}

pub(super) fn table() -> &'static [CpuWatts] {
    static TABLE: OnceLock<Vec<CpuWatts>> = OnceLock::new();
    TABLE.get_or_init(|| compiled_in::rows(include_str!("../../data/cpu_watts.csv")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_the_measured_servers_had_is_not_charged_twice() {
        let row = find("gcp", "Cascade Lake").unwrap();
        // 105.97 GB per 56 threads: 8 vCPUs bring 15.1386 GB. 32 - 15.1386 = 16.8614 GB x 0.392 W =
        // 6.6097 W. Idle 8 x 0.6903 + 6.6097 = 12.1321; busy 8 x 3.7549 + 6.6097 = 36.6489.
        let (idle, busy) = row.watts(8.0, 32.0);
        assert!((idle - 12.1321).abs() < 1e-4 && (busy - 36.6489).abs() < 1e-4, "{idle} {busy}");
        // 8 GB are less than what they had.
        assert!((row.watts(8.0, 8.0).0 - 5.5224).abs() < 1e-9);
        assert_eq!((row.chips(56), row.chips(57)), (1, 2));
    }

    #[test]
    fn a_provider_without_a_row_gets_that_of_another() {
        assert_eq!(find("azure", "Ice Lake").unwrap().provider, "aws");
        assert_eq!(find("azure", "Skylake").unwrap().provider, "azure");
        assert!(find("azure", "Pentium").is_none());
    }

    #[test]
    fn the_table_is_sorted_unique_and_positive() {
        let names: Vec<_> = table().iter().map(|row| (&row.provider, &row.architecture)).collect();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
        for row in table() {
            assert!(0.0 < row.min_watts_per_vcpu, "{row:?}");
            assert!(row.min_watts_per_vcpu < row.max_watts_per_vcpu, "{row:?}");
            assert!(row.memory_gb_per_chip > 0.0 && row.vcpu_per_chip > 0, "{row:?}");
        }
    }
}
