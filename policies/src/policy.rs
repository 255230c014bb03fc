//! The contract between a policy and whoever runs it.

use std::fmt::Debug;

use carbon_kube_core::forecast::History;
use carbon_kube_core::view::{JobView, NodeView, PodView};
use carbon_kube_core::{GramsPerKwh, MilliCpu, Span};

use crate::decision::{Gate, Run, Scale, Verdict};
use crate::file::Bounds;
use crate::observation::Observation;
use crate::signal::Signal;
use crate::tuner::Adjustment;

/// A policy: settings and pure functions. Each function has a default that means no opinion.
pub trait Policy: Debug + Send + Sync {
    /// The policy's name, the same in scenario, policy file and report.
    fn name(&self) -> &'static str;

    /// The base threshold of a zone from its own past; asked once per zone and control interval.
    fn threshold(&self, _history: &History<'_>) -> Option<GramsPerKwh> {
        None
    }

    /// Whether what a pod is held by is not one threshold for a zone but the forecast's price of
    /// that pod's best window. A tuner shifts all of these prices alike
    /// ([`ZoneSignal::adjustment`](crate::ZoneSignal)), and what it sees as the base is the least
    /// intensity that is expected in a day.
    fn prices_windows(&self) -> bool {
        false
    }

    /// Whether [`Policy::tune`] has an opinion; an observation is made only for those that do.
    fn tunes(&self) -> bool {
        false
    }

    /// What to add to the base threshold of a zone; whoever asks clamps it to [-50, +50] g/kWh and
    /// the sum to [`Policy::bounds`].
    fn tune(&self, _observation: &Observation) -> Adjustment {
        Adjustment::default()
    }

    /// How long an adjustment stays before [`Policy::tune`] is asked again, by the clock: at every
    /// full hour for an hour. `None` asks at each control interval.
    fn tuning_interval(&self) -> Option<Span> {
        None
    }

    /// What a threshold of this policy may be, after its adjustment.
    fn bounds(&self) -> Bounds {
        Bounds::NONE
    }

    /// Whether a new or paused pod goes to the scheduler now.
    fn gate(&self, _pod: &PodView, _signal: &Signal<'_>) -> Gate {
        Gate::Release
    }

    /// Whether a pod that may wait goes at once, and there, where a node has room that is paid for
    /// whether it is used or not. Who holds pods sees to it.
    fn takes_prepaid_room(&self) -> bool {
        false
    }

    /// What the policy thinks of each node. `verdicts` has an entry per node, all of them
    /// [`Verdict::NO_OPINION`] at first.
    ///
    /// A view may stand for one node or for a class of equal ones, so a verdict must depend on
    /// which views there are and never on how many are equal.
    fn place(
        &self,
        _pod: &PodView,
        _nodes: &[NodeView],
        _signal: &Signal<'_>,
        _verdicts: &mut [Verdict],
    ) {
    }

    /// Whether a running, interruptible pod on `node` goes on.
    fn run(&self, _pod: &PodView, _node: &NodeView, _signal: &Signal<'_>) -> Run {
        Run::Continue
    }

    /// How many workers a job with a scaling profile should have; `None` leaves it as it is, and
    /// to [`Policy::gate`] whether it waits. Whoever asks gives it no more than its node has room
    /// for, and no break once all of its workers are needed to be done in time.
    fn scale(&self, _job: &JobView<'_>, _signal: &Signal<'_>) -> Option<Scale> {
        None
    }

    /// Which of `candidates` a running, migratable pod should move to from `from`.
    fn migrate(
        &self,
        _pod: &PodView,
        _from: &NodeView,
        _candidates: &[NodeView],
        _signal: &Signal<'_>,
    ) -> Option<usize> {
        None
    }

    /// The most CPU that deferrable pods may hold together; `None` is no limit. Over it, pods that
    /// may still wait do; running ones go on.
    fn quota(&self, _signal: &Signal<'_>) -> Option<MilliCpu> {
        None
    }
}
