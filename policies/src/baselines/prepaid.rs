//! Room that is paid for anyway: what the rules that start early for it share.

use carbon_kube_core::view::{NodeView, PodView};

use crate::decision::Verdict;
use crate::signal::Signal;

/// A pod that may still wait, and was let go because such a node has room, goes to such a node: it
/// refuses the others while there is one.
pub(super) fn place(
    pod: &PodView,
    nodes: &[NodeView],
    signal: &Signal<'_>,
    verdicts: &mut [Verdict],
) {
    let may_wait = pod.must_run_by.is_some_and(|limit| limit > signal.now);
    if !may_wait || !nodes.iter().any(|node| node.prepaid) {
        return;
    }
    for (node, verdict) in nodes.iter().zip(verdicts) {
        verdict.feasible &= node.prepaid;
    }
}
