//! Pods that arrive: when, for how long, and what they ask for.
//!
//! [`generated`] draws them, [`presets`] are generators with the figures of real traces, and
//! [`columns`] reads users' own traces.

pub mod columns;
pub mod generated;
pub mod presets;

use carbon_kube_core::{Bytes, MilliCpu, MilliGpu, Span, Time};

/// One pod of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it is created.
    pub at: Time,
    /// How long it runs at full speed.
    pub duration: Span,
    /// Requested CPU.
    pub cpu: MilliCpu,
    /// Requested memory.
    pub memory: Bytes,
    /// Requested GPUs.
    pub gpu: MilliGpu,
    /// How long its end may be put off; `None` where the trace does not say.
    pub max_delay: Option<Span>,
}
