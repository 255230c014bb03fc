//! The state that requests are answered from: an immutable snapshot, swapped by whoever watches.
//!
//! ```text
//!  watchers --change--> Parts (behind a lock that no request takes)
//!                         |  rebuild
//!                         v
//!                      Snapshot  --load--> requests: no lock, no wait, one consistent view
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use carbon_kube_core::cluster::{Mode, UNTOUCHED_NAMESPACE};
use carbon_kube_core::documents::{
    IntensityDocument, StatusDocument, ThresholdDocument, ZoneThreshold,
};
use carbon_kube_core::forecast::{History, Outlook};
use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance, Scope};
use carbon_kube_core::{GramsPerKwh, Span, Time, Zone};
use carbon_kube_policies::ZoneSignal;
use carbon_kube_policies::file::{Bounds, Loaded};
use carbon_kube_policies::observation::MAX_ADJUSTMENT;

use crate::config::Config;
use crate::nodes::{NodeFacts, NodeIndex};

/// Everything a request may look at.
#[derive(Default)]
pub struct Snapshot {
    /// Known nodes.
    pub nodes: Arc<NodeIndex>,
    /// Modes of the namespaces that name one.
    pub namespaces: Arc<HashMap<String, Mode>>,
    /// The policy in force.
    pub policy: Option<Arc<Loaded>>,
    /// The grid, in the order of [`NodeIndex::zones`].
    pub grid: Grid,
    /// `intensity.json` as it was read, for the metrics.
    pub intensity: Option<Arc<IntensityDocument>>,
    /// `threshold.json` as it was read, for the metrics.
    pub threshold: Option<Arc<ThresholdDocument>>,
}

/// What is known of the grid, and for how long.
#[derive(Default)]
pub struct Grid {
    zones: Vec<ZoneSignal<'static>>,
    validity: Vec<Validity>,
    /// From the first to the second instant nothing of `zones` becomes too old.
    fresh: Option<(Time, Time)>,
}

/// When the values of a zone count.
#[derive(Clone, Copy)]
struct Validity {
    intensity: (Time, Time),
    threshold: (Time, Time),
}

/// How far in the future a value may have been observed: two clocks differ a little.
const CLOCK_SKEW: Span = Span::from_millis(120_000);

/// Always, and never.
const ALWAYS: (Time, Time) = (Time::from_millis(i64::MIN), Time::MAX);

impl Grid {
    /// The zones at `now`, without what is too old. Borrowed in nearly every case.
    #[must_use]
    pub fn at(&self, now: Time) -> std::borrow::Cow<'_, [ZoneSignal<'static>]> {
        let holds = |(from, until): (Time, Time)| from <= now && now <= until;
        if self.fresh.is_none_or(holds) {
            return self.zones.as_slice().into();
        }
        let known = self.zones.iter().zip(&self.validity).map(|(zone, validity)| {
            let is_known = holds(validity.intensity);
            ZoneSignal {
                intensity: zone.intensity.filter(|_| is_known),
                threshold: zone.threshold.filter(|_| holds(validity.threshold)),
                adjustment: if holds(validity.threshold) { zone.adjustment } else { 0.0 },
                outlook: zone.outlook.clone().filter(|_| is_known),
                clock: zone.clock.clone(),
                rank: zone.rank,
            }
        });
        known.collect::<Vec<_>>().into()
    }

    /// Whether the zone at a position has a value that is too old at `now`.
    #[must_use]
    pub fn is_stale(&self, zone: usize, now: Time) -> bool {
        let value = self.zones.get(zone).zip(self.validity.get(zone));
        value.is_some_and(|(zone, validity)| {
            let (from, until) = validity.intensity;
            zone.intensity.is_some() && !(from..=until).contains(&now)
        })
    }
}

/// What watchers have seen last.
#[derive(Default)]
pub struct Parts {
    /// Nodes by name.
    pub nodes: BTreeMap<String, NodeFacts>,
    /// Modes of the namespaces that name one.
    pub namespaces: HashMap<String, Mode>,
    /// `intensity.json`.
    pub intensity: Option<Arc<IntensityDocument>>,
    /// `threshold.json`.
    pub threshold: Option<Arc<ThresholdDocument>>,
    /// The policy in force.
    pub policy: Option<Arc<Loaded>>,
}

/// What a change touched, and so what has to be built anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Nodes, and so the index.
    Nodes,
    /// Namespaces.
    Namespaces,
    /// A document or the policy: the grid alone.
    Documents,
}

/// The snapshot in force, and what it is made from.
pub struct State {
    config: Arc<Config>,
    current: ArcSwap<Snapshot>,
    parts: Mutex<Parts>,
    /// `status.json`, for the metrics. Beside the snapshot: nothing that decides can see it.
    status: ArcSwapOption<StatusDocument>,
}

impl State {
    /// A state that knows nothing: every answer is neutral.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            current: ArcSwap::default(),
            parts: Mutex::default(),
            status: ArcSwapOption::empty(),
        }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What the tuner job has said last.
    #[must_use]
    pub fn status(&self) -> Option<Arc<StatusDocument>> {
        self.status.load_full()
    }

    /// Takes up what the tuner job says; nothing that is decided changes.
    pub fn set_status(&self, status: Option<Arc<StatusDocument>>) {
        self.status.store(status);
    }

    /// The snapshot in force.
    #[must_use]
    pub fn current(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// Changes what watchers have seen, and puts a new snapshot in force.
    pub fn change(&self, changed: Changed, change: impl FnOnce(&mut Parts)) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut parts);
        let before = self.current.load();
        let measured = || parts.intensity.iter().flat_map(|document| document.zones.keys());
        let is_new = |zone: &Zone| before.nodes.zones.binary_search(zone).is_err();
        let nodes = if changed == Changed::Nodes || measured().any(is_new) {
            Arc::new(NodeIndex::new(&parts.nodes, measured()))
        } else {
            Arc::clone(&before.nodes)
        };
        let namespaces = match changed {
            Changed::Namespaces => Arc::new(parts.namespaces.clone()),
            _ => Arc::clone(&before.namespaces),
        };
        self.current.store(Arc::new(Snapshot {
            grid: grid(&self.config, &parts, &nodes.zones),
            nodes,
            namespaces,
            policy: parts.policy.clone(),
            intensity: parts.intensity.clone(),
            threshold: parts.threshold.clone(),
        }));
    }
}

impl Snapshot {
    /// The mode of a namespace; `None` where it names none.
    #[must_use]
    pub fn namespace_mode(&self, namespace: &str) -> Option<Mode> {
        if namespace == UNTOUCHED_NAMESPACE {
            return Some(Mode::Off);
        }
        self.namespaces.get(namespace).copied()
    }
}

/// The signal of each zone, and when it stops being one.
fn grid(config: &Config, parts: &Parts, zones: &[Zone]) -> Grid {
    let (mut zones, validity): (Vec<_>, Vec<_>) =
        zones.iter().map(|zone| zone_signal(config, parts, zone)).unzip();
    // They are listed by name.
    for (rank, zone) in zones.iter_mut().enumerate() {
        zone.rank = rank;
    }
    let fresh = validity.iter().flat_map(|v: &Validity| [v.intensity, v.threshold]).reduce(
        |(from, until), (other_from, other_until)| (from.max(other_from), until.min(other_until)),
    );
    Grid { zones, validity, fresh }
}

fn zone_signal(config: &Config, parts: &Parts, zone: &Zone) -> (ZoneSignal<'static>, Validity) {
    let entry = parts
        .intensity
        .as_ref()
        .and_then(|document| document.zones.get(zone))
        .filter(|entry| entry.confidence >= config.grid.min_confidence);
    let decided = parts
        .threshold
        .as_ref()
        .and_then(|document| document.zones.get(zone))
        .filter(|entry| entry.mode == Mode::Enforce);
    let intensity = entry.map(|entry| entry.value);
    // Where a tuner writes thresholds its document has the last word, also where that is to observe,
    // or to withhold a zone's threshold. Without a tuner a fixed threshold needs nobody.
    let is_tuned = parts.threshold.is_some();
    let own = || own_threshold(parts, zone, entry?.value, entry?.observed_at);
    let threshold = if is_tuned { decided.map(|entry| entry.value) } else { own() };
    let bounds = parts.policy.as_ref().map_or(Bounds::NONE, |policy| policy.file.bounds);
    // Bounds of the policy hold for what a document adds to a price, too.
    let added = |entry: &ZoneThreshold| bounds.clamp(entry.value).get() - entry.base.get();
    let signal = ZoneSignal {
        intensity,
        threshold: threshold.map(|value| bounds.clamp(value)),
        adjustment: decided.map_or(0.0, added).clamp(-MAX_ADJUSTMENT, MAX_ADJUSTMENT),
        outlook: entry
            .and_then(|entry| entry.outlook())
            .map(|outlook| Arc::new(outlook) as Arc<dyn Outlook + Send + Sync>),
        clock: Some(zone.clock()),
        rank: 0,
    };
    let valid = |since: Time, max_age: Span| (since - CLOCK_SKEW, since.saturating_add(max_age));
    let validity = Validity {
        intensity: entry.map_or(ALWAYS, |e| valid(e.observed_at, config.grid.max_age.0)),
        threshold: decided.map_or(ALWAYS, |e: &ZoneThreshold| {
            valid(e.decided_at, config.grid.threshold_max_age.0)
        }),
    };
    (signal, validity)
}

/// The threshold of a policy that needs no more history than the present hour, such as a fixed
/// one, where no tuner writes a document. Any other has no opinion until that is there.
fn own_threshold(
    parts: &Parts,
    zone: &Zone,
    value: GramsPerKwh,
    observed_at: Time,
) -> Option<GramsPerKwh> {
    let policy = parts.policy.as_ref()?.settings.policy();
    let label = Label {
        zone: zone.clone(),
        area: String::new(),
        signal: Default::default(),
        scope: Scope::Direct,
        factor_set: String::new(),
        provenance: Provenance::Measured,
        source: String::new(),
    };
    let series = IntensitySeries::new(label, observed_at, Span::HOUR, [Some(value.get())]).ok()?;
    policy.threshold(&History::new(&series, observed_at))
}
