//! One decision: a pod, the nodes that the scheduler offers, and the state at one instant.
//!
//! Everything that the answer depends on is an argument, the time too; the verbs of the protocol
//! only put it into their form. Whatever is missing or makes no sense ends in no opinion.

use std::borrow::Cow;

use carbon_kube_core::cluster::{Mode, Wishes};
use carbon_kube_core::view::{NodeView, PodView, ZoneIndex, ZoneSet};
use carbon_kube_core::{Bytes, Span, Time, Zone};
use carbon_kube_policies::file::Loaded;
use carbon_kube_policies::wire::Pod;
use carbon_kube_policies::{Signal, Verdict, ZoneSignal, judge};

use crate::config::Config;
use crate::nodes::{ClassIndex, NodeFacts, NodeIndex};
use crate::state::Snapshot;

/// Why there is no opinion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Neutral {
    /// The pod did not opt in.
    NotOptedIn,
    /// The request has no pod.
    NoPod,
    /// An annotation can't be understood.
    BadAnnotation,
    /// No policy was loaded.
    NoPolicy,
    /// A node that nobody knows.
    UnknownNode,
    /// A node of which nobody knows the grid zone.
    UnknownZone,
    /// A zone without data.
    NoData,
    /// A zone whose data are too old, or from the future.
    StaleData,
}

impl Neutral {
    /// The word in metrics, logs and `/v1/explain`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotOptedIn => "not-opted-in",
            Self::NoPod => "no-pod",
            Self::BadAnnotation => "bad-annotation",
            Self::NoPolicy => "no-policy",
            Self::UnknownNode => "unknown-node",
            Self::UnknownZone => "unknown-zone",
            Self::NoData => "no-data",
            Self::StaleData => "stale-data",
        }
    }
}

/// A node of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// One that the index knows.
    Known(ClassIndex),
    /// One that came whole and is described in the decision's own list.
    Described(u16),
    /// One that nobody knows.
    Unknown,
}

/// How long a zone's snapshot is said to hold: the poller's interval. It only shows in when a
/// policy would ask again, which in a scheduler's queue is the scheduler's business.
const UPDATE_INTERVAL: Span = Span::from_millis(300_000);

/// Energy of moving one gigabyte: an extender moves nothing.
const TRANSFER_KWH_PER_GB: f64 = 0.0;

/// A class of equal nodes in one request, and what the policy says of it.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// The node as the policy sees it.
    pub view: NodeView,
    /// What the policy says, whether it is enforced or not.
    pub verdict: Verdict,
    /// How many nodes of the request are of this class.
    pub count: u32,
}

/// What was decided, and on what grounds.
pub struct Decision<'s> {
    /// Whether the policy acts on the pod.
    pub mode: Mode,
    /// Why there is no opinion, if so.
    pub neutral: Option<Neutral>,
    /// Until when every node is refused.
    pub held: Option<Time>,
    /// From which instant on the pod is not refused anything.
    pub must_run_by: Option<Time>,
    /// The policy that decided.
    pub policy: Option<&'s Loaded>,
    /// The grid at the time of the decision.
    pub zones: Cow<'s, [ZoneSignal<'static>]>,
    /// Names of the zones.
    pub zone_names: &'s [Zone],
    /// The classes of the offered nodes.
    pub classes: Vec<Class>,
    /// The class of each offered node; `None` for one that nobody knows.
    class_of: Vec<Option<u16>>,
    /// What the pod looks like to a policy.
    pub pod: Option<PodView>,
}

impl Decision<'_> {
    /// What is answered of the offered node at a position: nothing that is not enforced.
    #[must_use]
    pub fn verdict(&self, node: usize) -> Verdict {
        match self.class(node) {
            Some(class) if self.mode == Mode::Enforce => self.classes[class].verdict,
            _ => Verdict::NO_OPINION,
        }
    }

    /// The class of the offered node at a position.
    #[must_use]
    pub fn class(&self, node: usize) -> Option<usize> {
        self.class_of.get(node).copied().flatten().map(usize::from)
    }

    /// Name and signal of a zone.
    #[must_use]
    pub fn zone(&self, zone: ZoneIndex) -> Option<(&Zone, &ZoneSignal<'static>)> {
        self.zone_names.get(zone).zip(self.zones.get(zone))
    }

    /// How many nodes the policy refuses, enforced or not.
    #[must_use]
    pub fn refused(&self) -> u32 {
        let refused = self.classes.iter().filter(|class| !class.verdict.feasible);
        refused.map(|class| class.count).sum()
    }

    /// How many nodes were offered.
    #[must_use]
    pub fn offered(&self) -> usize {
        self.class_of.len()
    }
}

/// Decides. `described` are the nodes that came whole and that the index does not know.
#[must_use]
pub fn decide<'s>(
    config: &Config,
    snapshot: &'s Snapshot,
    pod: Option<&Pod<'_>>,
    nodes: &[Offered],
    described: &[NodeFacts],
    now: Time,
) -> Decision<'s> {
    let mut decision = Decision {
        mode: Mode::Off,
        neutral: None,
        held: None,
        must_run_by: None,
        policy: snapshot.policy.as_deref(),
        zones: snapshot.grid.at(now),
        zone_names: &snapshot.nodes.zones,
        classes: Vec::new(),
        class_of: Vec::with_capacity(nodes.len()),
        pod: None,
    };
    decision.classify(&snapshot.nodes, nodes, described);
    decision.neutral = judged(config, snapshot, pod, now, &mut decision).err();
    decision
}

/// Fills in what the policy says, or why nobody asked it.
fn judged(
    config: &Config,
    snapshot: &Snapshot,
    pod: Option<&Pod<'_>>,
    now: Time,
    decision: &mut Decision<'_>,
) -> Result<(), Neutral> {
    let pod = pod.ok_or(Neutral::NoPod)?;
    let namespace = snapshot.namespace_mode(&pod.metadata.namespace);
    let wishes = Wishes::read(pod.metadata.annotations.iter());
    let untouched = pod.metadata.namespace == carbon_kube_core::cluster::UNTOUCHED_NAMESPACE;
    let own = wishes.ok().and_then(|wishes| wishes.mode).filter(|_| !untouched);
    decision.mode = own.or(namespace).unwrap_or(config.decisions.default_mode);
    if decision.mode == Mode::Off {
        return Err(Neutral::NotOptedIn);
    }
    let wishes = wishes.map_err(|_| Neutral::BadAnnotation)?;
    let view = pod_view(pod, &wishes, &decision.classes);
    decision.must_run_by = view.must_run_by;
    decision.pod = Some(view);
    let policy = decision.policy.ok_or(Neutral::NoPolicy)?;
    if decision.class_of.contains(&None) {
        return Err(Neutral::UnknownNode);
    }
    if decision.classes.iter().any(|class| class.view.zone.is_none()) {
        return Err(Neutral::UnknownZone);
    }
    let signal = Signal {
        now,
        next_update: now.saturating_add(UPDATE_INTERVAL),
        zones: &decision.zones,
        transfer_kwh_per_gb: TRANSFER_KWH_PER_GB,
        plans: None,
    };
    let views: Vec<NodeView> = decision.classes.iter().map(|class| class.view).collect();
    let mut verdicts = vec![Verdict::NO_OPINION; views.len()];
    let holding = config.decisions.holding();
    let policy = policy.settings.policy();
    decision.held = judge(policy, holding, &view, &views, &signal, &mut verdicts);
    for (class, verdict) in decision.classes.iter_mut().zip(&verdicts) {
        let score = verdict.score.clamp(0, Verdict::MAX_SCORE);
        class.verdict = Verdict { score, ..*verdict };
    }
    decision.blind_spot(snapshot, now).map_or(Ok(()), Err)
}

impl Decision<'_> {
    fn classify(&mut self, index: &NodeIndex, nodes: &[Offered], described: &[NodeFacts]) {
        let mut position_of = vec![None; index.classes.len()];
        for node in nodes {
            let class = match *node {
                Offered::Known(known) => {
                    let slot = &mut position_of[usize::from(known)];
                    *slot.get_or_insert_with(|| {
                        push(&mut self.classes, index.classes[usize::from(known)])
                    })
                }
                Offered::Described(at) => {
                    let view = index.view(&described[usize::from(at)]);
                    let known = self.classes.iter().position(|class| class.view == view);
                    known.unwrap_or_else(|| push(&mut self.classes, view))
                }
                Offered::Unknown => {
                    self.class_of.push(None);
                    continue;
                }
            };
            self.classes[class].count += 1;
            self.class_of.push(u16::try_from(class).ok());
        }
    }

    /// What a policy without an opinion did not know, if that is why it has none.
    fn blind_spot(&self, snapshot: &Snapshot, now: Time) -> Option<Neutral> {
        let indifferent = |class: &Class| class.verdict == Verdict::NO_OPINION;
        if !self.classes.iter().all(indifferent) {
            return None;
        }
        let zones = self.classes.iter().filter_map(|class| class.view.zone);
        let unknown = |zone: &ZoneIndex| {
            self.zones.get(*zone).is_none_or(|signal| signal.intensity.is_none())
        };
        let dark: Vec<ZoneIndex> = zones.filter(unknown).collect();
        if dark.is_empty() {
            return None;
        }
        let stale = dark.iter().any(|&zone| snapshot.grid.is_stale(zone, now));
        Some(if stale { Neutral::StaleData } else { Neutral::NoData })
    }
}

fn push(classes: &mut Vec<Class>, view: NodeView) -> usize {
    classes.push(Class { view, verdict: Verdict::NO_OPINION, count: 0 });
    classes.len() - 1
}

fn pod_view(pod: &Pod<'_>, wishes: &Wishes, classes: &[Class]) -> PodView {
    let created = pod.metadata.creation_timestamp;
    PodView {
        created: created.unwrap_or_default(),
        must_run_by: created.and_then(|created| wishes.must_run_by(created)),
        remaining: wishes.expected_duration,
        done: Span::ZERO,
        started: false,
        interruptible: wishes.interruptible,
        checkpoint: Span::ZERO,
        cpu: pod.cpu(),
        cpu_utilisation: 1.0,
        data: Bytes(0),
        zones: classes.iter().filter_map(|class| class.view.zone).collect::<ZoneSet>(),
    }
}
