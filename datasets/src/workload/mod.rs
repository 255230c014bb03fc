//! Pods that arrive: when, for how long, and what they ask for.
//!
//! [`generated`] draws them, [`presets`] are generators with the figures of real traces, and
//! [`trace`] reads users' own traces, one pod at a time:
//!
//! ```text
//! file --format--> rows --cut, scale, shift--> Arrival, Arrival, ...
//!                    \--> Account: rows passed over, assumptions made
//! ```
//!
//! A file per format holds its rule: which row is a pod, and what each column becomes.
//!
//! | module | format |
//! |---|---|
//! | [`swf`] | Standard Workload Format of the Parallel Workloads Archive |
//! | [`openb`] | pods and nodes of Alibaba's `cluster-trace-gpu-v2023` |
//! | [`alibaba`] | batch tasks of Alibaba's `cluster-trace-v2018` |
//! | [`azure`] | VM table of the Azure public dataset, V1 and V2 |
//! | [`google`] | task events of Google's cluster trace of 2011 |
//! | [`gaia`] | the samples of the GAIA simulator |
//! | [`surf`] | tasks of SURF Lisa, as OpenDC has them |
//! | [`gwf`] | workflows of the Grid Workloads Archive, as OpenDC has them |
//! | [`stored`] | the form in which `datasets import` writes traces |
//! | [`columns`] | any CSV file whose columns are named |
//! | [`kubernetes`] | objects of a cluster, as `kubectl get -o json` writes them |

pub mod account;
pub mod alibaba;
mod amounts;
pub mod azure;
pub mod columns;
pub mod filling;
pub mod gaia;
pub mod generated;
pub mod google;
pub mod gwf;
pub mod kubernetes;
pub mod openb;
pub mod presets;
mod seen;
pub mod stored;
pub mod surf;
pub mod swf;
pub mod trace;

use carbon_kube_core::{Bytes, MilliCpu, MilliGpu, Span, Time};

/// One pod of a workload: 56 bytes, as millions of them may be in memory at once.
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
    /// Requested GPUs, whole ones or a part of one.
    pub gpu: MilliGpu,
    /// How long its end may be put off; `None` where the trace does not say.
    pub max_delay: Option<Span>,
    /// Scheduling priority, higher goes first; `None` where the trace does not say. Traces have
    /// few and small ones.
    pub priority: Option<i8>,
    /// Whether it may be paused; `None` where the trace does not say.
    pub interruptible: Option<bool>,
}

impl Default for Arrival {
    fn default() -> Self {
        Self {
            at: Time::from_millis(0),
            duration: Span::ZERO,
            cpu: MilliCpu(0),
            memory: Bytes(0),
            gpu: MilliGpu(0),
            max_delay: None,
            priority: None,
            interruptible: None,
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_arrival_is_small() {
        assert_eq!(size_of::<super::Arrival>(), 56);
    }
}
