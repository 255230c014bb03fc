//! Nodes that come and go: pools that grow and shrink, machines that fail, spot capacity that is
//! taken back.

use carbon_kube_core::{Span, Watts};

/// How a pool grows and shrinks, after Kubernetes' Cluster Autoscaler: nodes are ordered for pods
/// that found no room, and switched off when they have been empty for a while. The pool's `count`
/// is the most it can have.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoscaling {
    /// The pool never has fewer nodes; 0 lets it vanish.
    pub min: u32,
    /// Nodes that are on as the window starts, `min` to the pool's count.
    pub initial: u32,
    /// From the order of a node to its first pod.
    pub boot_time: Span,
    /// Power of a node that boots.
    pub boot: Watts,
    /// How long a node stays empty before it is switched off.
    pub scale_down_delay: Span,
}

/// Why nodes of a pool go away without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageKind {
    /// The machine breaks and is repaired; both times are exponential.
    Failure,
    /// Spot capacity is taken back; a new node comes after a fixed time, or in a pool that scales
    /// when pods need it.
    Reclaim,
}

/// One reason, with its times. Each node has a stream of its own, so that every policy meets the
/// same outages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outage {
    /// Which reason.
    pub kind: OutageKind,
    /// Mean time from one outage's end to the next, per node; exponential.
    pub mean_between: Span,
    /// How long the node is away: the mean for a failure, exactly so long for spot capacity.
    pub away: Span,
}
