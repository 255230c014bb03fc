//! Services whose load changes.

use carbon_kube_core::Span;

/// The load of a Deployment and the HorizontalPodAutoscaler that follows it. The class has `max`
/// pods in [`World::pods`](super::World::pods); those that aren't wanted are switched off.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// How long each value holds.
    pub step: Span,
    /// Busy cores of the whole service, from the window's start on; repeated to its end.
    pub cores: Vec<f64>,
    /// Wanted utilisation of the requested CPU, above 0 and at most 1.
    pub target: f64,
    /// Least number of replicas, at least 1.
    pub min: u32,
    /// Most replicas.
    pub max: u32,
}

impl Load {
    /// Replicas for a load, as the HorizontalPodAutoscaler counts them:
    /// `ceil(load / (request x target))`, within the bounds.
    #[must_use]
    pub fn replicas(&self, cores: f64, request_cores: f64) -> u32 {
        let exact = cores / (request_cores * self.target).max(1e-9);
        // Rounding of the division must not order a replica that nothing needs.
        ((exact - 1e-9).ceil() as u32).clamp(self.min, self.max)
    }
}
