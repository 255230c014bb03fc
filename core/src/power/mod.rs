//! What nodes draw: curves from CPU use to watts, and tables of machines and GPUs.
//!
//! ```text
//!  instance type --> instance --> watts, memory, GPUs, embodied carbon
//!                       |
//!                       +-- AWS: a table of measurements, shared out by vCPU
//!                       '-- Google Cloud, Azure: family x watts per vCPU of its CPU
//! ```
//!
//! Sources and licences are in `core/data/README.md`, the choice between models in
//! `docs/power.md`.

mod cpu;
mod curve;
mod family;
pub mod gpu;
mod instance;

pub use cpu::WATTS_PER_GIB;
pub use curve::{Curve, CurveError, Shape};
pub use gpu::Gpu;
pub use instance::{Instance, instance, names, nearest};

use crate::units::{MilliCpu, Watts};

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
