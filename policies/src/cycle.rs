//! One scheduling cycle: where holding and placing meet.
//!
//! ```text
//!  Holding::Gate     a controller asks `gate` before the scheduler sees the pod,
//!                    a cycle only asks `place`
//!  Holding::Filter   nothing but the scheduler's own queue can hold a pod: a cycle asks `gate`,
//!                    and a pod that is held finds every node refused
//! ```
//!
//! The simulator and the extender both call [`judge`]: this is the decision that is the same in
//! both.

use carbon_kube_core::view::{NodeView, PodView, ZoneSet};
use carbon_kube_core::{Span, Time};

use crate::decision::{Gate, Verdict};
use crate::policy::Policy;
use crate::signal::Signal;

/// Where pods that should wait are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holding {
    /// Before the scheduler, by a controller: a cycle only places.
    #[default]
    Gate,
    /// In the scheduler, by refusing every node.
    Filter {
        /// The longest that the scheduler leaves a refused pod alone. A pod with less time than
        /// this before its limit is not refused any more, or it could start too late.
        retry: Span,
    },
}

/// What kube-scheduler leaves a refused pod alone at most, when nothing happens in the cluster:
/// pods that are unschedulable for five minutes are tried again, and it looks for them every
/// thirty seconds (`pkg/scheduler/backend/queue/scheduling_queue.go`).
pub const SCHEDULER_RETRY: Span = Span::from_millis(330_000);

/// What a policy says of a pod and the nodes that have room for it. `verdicts` has an entry per
/// node and is overwritten. Returns until when the pod is held, every node refused; `None` where
/// it may run on what is feasible.
///
/// Whatever the policy answers, a pod that may not wait, or not any more, is never held.
pub fn judge(
    policy: &dyn Policy,
    holding: Holding,
    pod: &PodView,
    nodes: &[NodeView],
    signal: &Signal<'_>,
    verdicts: &mut [Verdict],
) -> Option<Time> {
    verdicts.fill(Verdict::NO_OPINION);
    let (pod, held) = match holding {
        Holding::Gate => (*pod, None),
        Holding::Filter { retry } => {
            let pod = in_the_queue(pod, nodes, retry);
            (pod, hold(policy, &pod, nodes, signal))
        }
    };
    match held {
        Some(_) => verdicts.fill(Verdict { feasible: false, ..Verdict::NO_OPINION }),
        None => policy.place(&pod, nodes, signal, verdicts),
    }
    // A policy may choose among the nodes, but who refuses them all makes the pod wait.
    let may_wait = pod.must_run_by.is_some_and(|limit| limit > signal.now);
    if !may_wait && verdicts.iter().all(|verdict| !verdict.feasible) {
        verdicts.iter_mut().for_each(|verdict| verdict.feasible = true);
    }
    held
}

/// The pod as it looks from the scheduler's queue: it must be let go one retry before its limit,
/// and its zones are those that have room for it now.
fn in_the_queue(pod: &PodView, nodes: &[NodeView], retry: Span) -> PodView {
    PodView {
        must_run_by: pod.must_run_by.map(|limit| limit - retry),
        zones: nodes.iter().filter_map(|node| node.zone).collect::<ZoneSet>(),
        ..*pod
    }
}

/// Until when the policy holds the pod. Not where a node's zone is unknown: it might be the
/// cleanest.
fn hold(
    policy: &dyn Policy,
    pod: &PodView,
    nodes: &[NodeView],
    signal: &Signal<'_>,
) -> Option<Time> {
    let limit = pod.must_run_by.filter(|&limit| limit > signal.now)?;
    if nodes.iter().any(|node| node.zone.is_none()) {
        return None;
    }
    match policy.gate(pod, signal) {
        // Nothing here remembers a plan: it is made again when its time has come.
        Gate::Hold { until } | Gate::Start { at: until } => Some(until.min(limit)),
        Gate::Release => None,
    }
}

#[cfg(test)]
mod tests {
    use carbon_kube_core::{Bytes, GramsPerKwh, MilliCpu, Watts};

    use super::*;
    use crate::ZoneSignal;
    use crate::baselines::{Percentile, PercentileLowestZone};

    const FILTER: Holding = Holding::Filter { retry: Span::from_millis(300_000) };

    fn minute(minute: i64) -> Time {
        Time::from_millis(0) + Span::MINUTE * minute
    }

    /// A pod that may wait until minute 60.
    fn pod() -> PodView {
        PodView {
            created: minute(0),
            must_run_by: Some(minute(60)),
            remaining: None,
            done: Span::ZERO,
            started: false,
            interruptible: false,
            checkpoint: Span::ZERO,
            cpu: MilliCpu(1_000),
            cpu_utilisation: 1.0,
            data: Bytes(0),
            zones: ZoneSet::default(),
        }
    }

    fn node(zone: Option<usize>) -> NodeView {
        NodeView {
            zone,
            watts_per_core: Watts::new(10.0).unwrap(),
            usd_per_core_hour: 0.0,
            free: None,
        }
    }

    /// Zone 0 is over its threshold, zone 1 under its own.
    fn zones() -> [ZoneSignal<'static>; 2] {
        [300.0, 100.0].map(|intensity| ZoneSignal {
            intensity: GramsPerKwh::new(intensity),
            threshold: GramsPerKwh::new(200.0),
            adjustment: 0.0,
            outlook: None,
            clock: None,
            rank: 0,
        })
    }

    fn check(
        policy: &dyn Policy,
        holding: Holding,
        at: i64,
        nodes: &[Option<usize>],
    ) -> (bool, Vec<bool>) {
        let zones = zones();
        let nodes: Vec<NodeView> = nodes.iter().copied().map(node).collect();
        let signal = Signal {
            now: minute(at),
            next_update: minute(at + 5),
            zones: &zones,
            transfer_kwh_per_gb: 0.06,
            plans: None,
        };
        let mut verdicts = vec![Verdict { feasible: false, score: 3 }; nodes.len()];
        let held = judge(policy, holding, &pod(), &nodes, &signal, &mut verdicts);
        (held.is_some(), verdicts.iter().map(|verdict| verdict.feasible).collect())
    }

    #[test]
    fn a_held_pod_finds_every_node_refused_only_where_the_filter_holds() {
        let both = PercentileLowestZone::default();
        assert_eq!(check(&both, FILTER, 0, &[Some(0), Some(0)]), (true, vec![false, false]));
        assert_eq!(check(&both, Holding::Gate, 0, &[Some(0)]), (false, vec![true]));
        assert_eq!(check(&both, FILTER, 0, &[Some(0), Some(1)]), (false, vec![true, true]));
    }

    #[test]
    fn a_dirty_node_is_refused_while_a_cleaner_one_is_there() {
        let nodes = [Some(0), Some(1)];
        assert_eq!(check(&Percentile::default(), FILTER, 0, &nodes), (false, vec![false, true]));
    }

    #[test]
    fn a_pod_is_let_go_one_retry_before_its_limit() {
        let policy = Percentile::default();
        assert!(check(&policy, FILTER, 54, &[Some(0)]).0);
        // 60 - 5 = 55: from here on the scheduler may look again only after the limit.
        assert_eq!(check(&policy, FILTER, 55, &[Some(0), Some(1)]), (false, vec![true, true]));
        assert_eq!(check(&policy, FILTER, 90, &[Some(0)]), (false, vec![true]));
    }

    /// Refuses whatever it is shown.
    #[derive(Debug)]
    struct Refuses;

    impl Policy for Refuses {
        fn name(&self) -> &'static str {
            "refuses"
        }

        fn place(&self, _: &PodView, _: &[NodeView], _: &Signal<'_>, verdicts: &mut [Verdict]) {
            verdicts.iter_mut().for_each(|verdict| verdict.feasible = false);
        }
    }

    #[test]
    fn a_policy_that_refuses_everything_cannot_keep_a_pod_past_its_limit() {
        for (holding, limit) in [(Holding::Gate, 60), (FILTER, 55)] {
            assert_eq!(check(&Refuses, holding, limit - 1, &[Some(0)]).1, [false]);
            assert_eq!(check(&Refuses, holding, limit, &[Some(0)]).1, [true]);
        }
    }

    #[test]
    fn one_node_of_an_unknown_zone_makes_the_whole_answer_neutral() {
        let nodes = [Some(0), None];
        assert_eq!(check(&Percentile::default(), FILTER, 0, &nodes), (false, vec![true, true]));
        // A zone that the signal lacks is as unknown as none.
        let nodes = [Some(0), Some(7)];
        assert_eq!(check(&Percentile::default(), FILTER, 0, &nodes), (false, vec![true, true]));
    }
}
