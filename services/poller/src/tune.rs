//! The threshold of each zone: the rule's, shifted by the tuner, by the code that the simulator runs.
//!
//! ```text
//!  history, intensity, outlook ----.   policies::deployed   base
//!  Workload (signals) -------------+-> policies::control -> adjustment: clamp, hysteresis --> dwell --> bounds
//!  the last threshold -------------'   policies::tuner
//! ```
//!
//! A tuner is asked once per control interval of its policy, at the same instants as in the
//! simulator; in between its threshold stays, and is confirmed for as long as the grid is known. What
//! is stale, missing or not trusted has no threshold: the extender then has no opinion.

use std::collections::BTreeMap;

use carbon_kube_core::cluster::Mode;
use carbon_kube_core::documents::{ThresholdDocument, ZoneIntensity, ZoneThreshold};
use carbon_kube_core::forecast::{History, Issue};
use carbon_kube_core::intensity::{IntensitySeries, Signal};
use carbon_kube_core::{GramsPerKwh, Span, Time, Zone};
use carbon_kube_policies::Policy;
use carbon_kube_policies::control::{self, Grid, Workload};
use carbon_kube_policies::file::Loaded;
use carbon_kube_policies::observation::{ForecastSummary, Input, ZoneScale};
use carbon_kube_policies::tuner::Fallback;

use crate::config::Tune;

/// What is known of a zone's grid.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The entry of `intensity.json`.
    pub entry: &'a ZoneIntensity,
    /// Its past, on the scale of the entry; `None` where not even that of now is known.
    pub past: Option<Known<'a>>,
    /// What is expected from now on.
    pub outlook: Option<&'a Issue>,
    /// What is known of the zone's pods and nodes.
    pub workload: Workload,
}

/// What is known of a zone's past.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The values.
    pub series: &'a IntensitySeries,
    /// The instant up to which they are known.
    pub until: Time,
}

/// What came of a zone, for metrics: the outcome of `carbonkube_tuner_decisions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The policy is a rule, and set the threshold.
    Rule,
    /// The tuner was asked, and its adjustment is in force.
    Adjusted,
    /// The threshold before stays: the control interval is not over.
    Confirmed,
    /// The tuner was asked, and the adjustment before has to stay for a while.
    Dwelt,
    /// An input was beyond the range of training: the rule alone.
    OutOfRange,
    /// The network's answer was no number: the rule alone.
    NotFinite,
    /// The newest value is too old: no threshold.
    Stale,
    /// The value is not trusted enough: no threshold.
    NotTrusted,
    /// Too little is known of the past, or the policy sets no thresholds: none.
    NoBase,
}

impl Outcome {
    /// The word in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Adjusted => "adjusted",
            Self::Confirmed => "confirmed",
            Self::Dwelt => "dwelt",
            Self::OutOfRange => "out-of-range",
            Self::NotFinite => "not-finite",
            Self::Stale => "stale",
            Self::NotTrusted => "not-trusted",
            Self::NoBase => "no-base",
        }
    }
}

/// What was decided of every zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The document.
    pub document: ThresholdDocument,
    /// What came of each zone.
    pub outcomes: BTreeMap<Zone, Outcome>,
    /// Inputs of the network that were unknown, over all zones that were asked about.
    pub unknown: Vec<Input>,
}

/// The tune step, with what it remembers from one cycle to the next.
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    zones: BTreeMap<Zone, Remembered>,
}

/// The last decision on a zone.
#[derive(Clone, Debug)]
struct Remembered {
    threshold: ZoneThreshold,
    /// When the tuner was asked; the threshold may have been confirmed since.
    asked_at: Time,
    /// When the adjustment changed last.
    changed_at: Time,
    /// Signal and factor set of the values that it was made from. `None` of what another replica has
    /// left, which does not say and is taken to fit.
    scale: Option<(Signal, String)>,
}

impl Remembered {
    /// Whether it is on the scale of a value: 150 g/kWh of one set of factors are not those of another.
    fn fits(&self, entry: &ZoneIntensity) -> bool {
        self.scale.as_ref().is_none_or(|(signal, factor_set)| {
            *signal == entry.signal && *factor_set == entry.factor_set
        })
    }
}

/// What a threshold that is made from a value can be compared with.
fn scale(entry: &ZoneIntensity) -> Option<(Signal, String)> {
    Some((entry.signal, entry.factor_set.clone()))
}

/// What a policy says of a zone's threshold.
struct Answer {
    base: GramsPerKwh,
    adjustment: f64,
    outcome: Outcome,
}

impl Tuning {
    /// Goes on from the thresholds that another replica, or the last run, has left. What is
    /// remembered of a zone stays where it is later.
    pub fn resume(&mut self, document: &ThresholdDocument) {
        for (zone, threshold) in &document.zones {
            let decided_at = threshold.decided_at;
            let own = self.zones.get(zone).map(|last| last.threshold.decided_at);
            if own.is_some_and(|own| own >= decided_at) {
                continue;
            }
            let last = Remembered {
                threshold: threshold.clone(),
                asked_at: decided_at,
                changed_at: decided_at,
                scale: None,
            };
            self.zones.insert(zone.clone(), last);
        }
    }

    /// Whether nothing is remembered, and so nothing in force.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }

    /// Takes every threshold back.
    pub fn clear(&mut self) {
        self.zones.clear();
    }

    /// Decides on every zone.
    pub fn decide(
        &mut self,
        settings: &Tune,
        policy: &Loaded,
        looks: &BTreeMap<Zone, Look<'_>>,
        now: Time,
    ) -> Decided {
        let mut outcomes = BTreeMap::new();
        let mut unknown = Vec::new();
        // Another policy starts anew, as a simulation does; so does a zone whose source counts otherwise.
        self.zones.retain(|zone, last| {
            looks.get(zone).is_some_and(|look| last.fits(look.entry))
                && last.threshold.policy_sha256 == policy.sha256
        });
        for (zone, look) in looks {
            let outcome = self.decide_one(settings, policy, zone, look, now, &mut unknown);
            outcomes.insert(zone.clone(), outcome);
        }
        let zones = self.zones.iter().map(|(zone, last)| (zone.clone(), last.threshold.clone()));
        Decided { document: ThresholdDocument::new(zones.collect()), outcomes, unknown }
    }

    fn decide_one(
        &mut self,
        settings: &Tune,
        policy: &Loaded,
        zone: &Zone,
        look: &Look<'_>,
        now: Time,
        unknown: &mut Vec<Input>,
    ) -> Outcome {
        // From the end of the period, as the limit of a source's own values: an hour that is published
        // two hours late would else come and go with each hour.
        let step = look.past.map_or(Span::ZERO, |past| past.series.step());
        let blind = if now - look.entry.observed_at.saturating_add(step) > settings.max_age.0 {
            Some(Outcome::Stale)
        } else if look.entry.confidence < settings.min_confidence {
            Some(Outcome::NotTrusted)
        } else {
            None
        };
        if let Some(outcome) = blind {
            self.zones.remove(zone);
            return outcome;
        }
        if let Some(last) = self.zones.get_mut(zone)
            && is_in_force(policy, last.asked_at, now)
        {
            last.threshold.decided_at = now;
            last.threshold.mode = settings.mode;
            last.scale = scale(look.entry);
            return Outcome::Confirmed;
        }
        let last = self.zones.get(zone);
        let Some(answer) = ask(settings, policy, zone, look, last, now, unknown) else {
            self.zones.remove(zone);
            return Outcome::NoBase;
        };
        let threshold = entry(settings.mode, policy, &answer, last, now);
        let is_kept = last.is_some_and(|last| same(last.threshold.adjustment, answer.adjustment));
        let changed_at = last.filter(|_| is_kept).map_or(now, |last| last.changed_at);
        let outcome = answer.outcome;
        let scale = scale(look.entry);
        self.zones.insert(zone.clone(), Remembered { threshold, asked_at: now, changed_at, scale });
        outcome
    }
}

/// Whether the control interval of a tuner's last answer is not over. A rule is asked every time.
fn is_in_force(policy: &Loaded, asked_at: Time, now: Time) -> bool {
    policy.tuner.as_ref().is_some_and(|tuner| {
        asked_at.floor(tuner.control_interval) == now.floor(tuner.control_interval)
    })
}

fn ask(
    settings: &Tune,
    policy: &Loaded,
    zone: &Zone,
    look: &Look<'_>,
    last: Option<&Remembered>,
    now: Time,
    unknown: &mut Vec<Input>,
) -> Option<Answer> {
    let past = look.past?;
    let history = History::new(past.series, past.until);
    let deployed = policy.policy();
    let forecast = look.outlook.map_or_else(ForecastSummary::default, |outlook| {
        ForecastSummary::of(outlook, history.now())
    });
    let base = control::base(&deployed, &history, &forecast)?;
    let Some(tuner) = &policy.tuner else {
        return Some(Answer { base, adjustment: 0.0, outcome: Outcome::Rule });
    };
    let grid = Grid { intensity: look.entry.value, base, scale: ZoneScale::of(&history), forecast };
    let previous = last.map_or(0.0, |last| last.threshold.adjustment);
    let seen = control::observe(grid, look.workload, &zone.clock(), previous, now);
    let inputs = tuner.observation.inputs.iter().map(|input| input.name);
    unknown.extend(inputs.filter(|input| input.value(&seen).is_none()));
    let answered = deployed.tune(&seen);
    let adjustment = control::adjustment(answered.grams_per_kwh);
    let outcome = match answered.fallback {
        Some(Fallback::OutOfRange) => Outcome::OutOfRange,
        Some(Fallback::NotFinite) => Outcome::NotFinite,
        None => Outcome::Adjusted,
    };
    // A fallback does not wait: the rule alone is always safe.
    let dwelling = last.filter(|last| {
        outcome == Outcome::Adjusted
            && !same(last.threshold.adjustment, adjustment)
            && now - last.changed_at < settings.minimum_dwell.0
    });
    Some(match dwelling {
        Some(last) => {
            Answer { base, adjustment: last.threshold.adjustment, outcome: Outcome::Dwelt }
        }
        None => Answer { base, adjustment, outcome },
    })
}

fn entry(
    mode: Mode,
    policy: &Loaded,
    answer: &Answer,
    last: Option<&Remembered>,
    now: Time,
) -> ZoneThreshold {
    let value = control::threshold(answer.base, answer.adjustment, policy.file.bounds);
    ZoneThreshold {
        value,
        base: answer.base,
        adjustment: answer.adjustment,
        previous: last.map(|last| last.threshold.value),
        decided_at: now,
        mode,
        policy: policy.file.name.clone(),
        policy_sha256: policy.sha256.clone(),
        reason: reason(policy, answer, value),
    }
}

/// Why, for people.
fn reason(policy: &Loaded, answer: &Answer, value: GramsPerKwh) -> String {
    let rule = policy.settings.name();
    let (base, added) = (answer.base.get(), answer.adjustment);
    let mut reason = format!("{rule} says {base:.1} g/kWh");
    reason.push_str(&match answer.outcome {
        Outcome::Adjusted => format!(", the tuner adds {added:+.1}"),
        Outcome::Dwelt => format!(", the tuner's last adjustment {added:+.1} has to stay a while"),
        Outcome::OutOfRange => ", alone: an input is beyond the range of training".to_owned(),
        Outcome::NotFinite => ", alone: the tuner's answer is no number".to_owned(),
        _ => String::new(),
    });
    if !same(value.get(), base + added) {
        reason.push_str("; cut to the policy's bounds");
    }
    reason
}

/// Whether two numbers are one to whoever reads them.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}
