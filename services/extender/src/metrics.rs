//! The metrics: counters and histograms of what was answered, and the state as it is at a scrape.
//!
//! `docs/metrics.md` has them in one table; a test holds it to what a running extender exposes.

use std::fmt;
use std::sync::Arc;

use carbon_kube_core::documents::{PolicyResult, StatusDocument};
use carbon_kube_core::{Time, Zone};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

use crate::ledger::Ledger;
use crate::server::Clock;
use crate::state::{Snapshot, State};

/// A sum of fractions.
type Sum = Counter<f64, AtomicU64>;

/// Labels of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Request {
    /// `filter`, `prioritize` or `preempt`.
    pub verb: &'static str,
    /// `ok` or `unreadable`.
    pub result: &'static str,
}

/// The verb alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Verb {
    /// `filter`, `prioritize` or `preempt`.
    pub verb: &'static str,
}

/// Labels of a decision on a pod that opted in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Decided {
    /// `filter`, `prioritize` or `preempt`.
    pub verb: &'static str,
    /// `observe` or `enforce`.
    pub mode: &'static str,
    /// `passed`, `refused-some`, `refused-all` or `neutral`.
    pub outcome: &'static str,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// One of a few words.
    pub reason: &'static str,
}

/// Which ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Document {
    /// `intensity`, `threshold`, `policy` or `status`.
    pub document: &'static str,
}

/// Whose emissions, and how they were estimated.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Estimate {
    /// The pods' namespace. Not `namespace`, which Prometheus takes for the extender's own.
    pub workload_namespace: String,
    /// How: see `docs/metrics.md`.
    pub method: &'static str,
}

/// Whose energy, from which grid, and how it was estimated.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Drawn {
    /// The pods' namespace.
    pub workload_namespace: String,
    /// The grid zone.
    pub zone: String,
    /// How: see `docs/metrics.md`.
    pub method: &'static str,
}

/// Everything that is counted.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Requests by verb and result.
    pub requests: Family<Request, Counter>,
    /// From the last byte of a request to the first of its answer.
    pub duration: Family<Verb, Histogram>,
    /// Nodes per request.
    pub nodes: Family<Verb, Histogram>,
    /// Decisions on pods that opted in.
    pub decisions: Family<Decided, Counter>,
    /// Decisions without an opinion, by reason.
    pub fallbacks: Family<Reason, Counter>,
    /// Pods that were refused everywhere and are not any more, by reason.
    pub released: Family<Reason, Counter>,
    /// How long those waited.
    pub waited: Histogram,
    /// Estimated emissions of placed pods.
    pub emissions: Family<Estimate, Sum>,
    /// What they would have emitted without the policy.
    pub counterfactual: Family<Estimate, Sum>,
    /// Estimated energy of placed pods.
    pub energy: Family<Drawn, Sum>,
    /// Documents that were refused.
    pub refused: Family<Document, Counter>,
}

/// 0.1 ms to 1 s: a scheduler waits for each of these.
const SECONDS: [f64; 12] =
    [1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 1.0];

/// What can be refused.
const DOCUMENTS: [&str; 4] = ["intensity", "threshold", "policy", "status"];

/// Why pods that waited may run.
const RELEASES: [&str; 3] = ["clean", "deadline", "failopen"];

/// One node to the largest clusters.
const NODES: [f64; 8] = [1.0, 5.0, 20.0, 100.0, 250.0, 500.0, 1_000.0, 5_000.0];

/// A minute to a day.
const WAITS: [f64; 9] =
    [60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 43_200.0, 86_400.0];

impl Metrics {
    /// Makes the metrics and puts them into a registry. `prefix` of every name: `carbonkube`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            nodes: Family::new_with_constructor(|| Histogram::new(NODES)),
            decisions: Family::default(),
            fallbacks: Family::default(),
            released: Family::default(),
            waited: Histogram::new(WAITS),
            emissions: Family::default(),
            counterfactual: Family::default(),
            energy: Family::default(),
            refused: Family::default(),
        };
        // A counter that is born with its first event never rises for whoever asks by how much it has.
        for document in DOCUMENTS {
            metrics.refused.get_or_create(&Document { document }).inc_by(0);
        }
        for reason in RELEASES {
            metrics.released.get_or_create(&Reason { reason }).inc_by(0);
        }
        let m = metrics.clone();
        registry.register("extender_requests", "Requests of the scheduler", m.requests);
        let help = "From the last byte of a request to the first of its answer";
        registry.register_with_unit("extender_request_duration", help, Unit::Seconds, m.duration);
        registry.register("extender_nodes_evaluated", "Nodes per request", m.nodes);
        let help = "Decisions on pods that opted in, also where they are only observed";
        registry.register("extender_decisions", help, m.decisions);
        registry.register("extender_fallbacks", "Decisions without an opinion", m.fallbacks);
        let help = "Pods that every node was refused and that may run now";
        registry.register("gate_released", help, m.released);
        let help = "From the first refusal of a pod to its release";
        registry.register_with_unit("gate_wait", help, Unit::Seconds, m.waited);
        let help = "Estimated emissions of placed pods";
        registry.register_with_unit("emissions", help, Unit::Grams, m.emissions);
        let help = "Estimated emissions of the same pods without the policy";
        registry.register_with_unit(
            "counterfactual_emissions",
            help,
            Unit::Grams,
            m.counterfactual,
        );
        let help = "Estimated energy of placed pods";
        registry.register_with_unit("energy", help, Unit::Joules, m.energy);
        let help = "ConfigMaps that were refused; the policy and the status before stay";
        registry.register("document_refused", help, m.refused);
        metrics
    }
}

/// What is read off the state at a scrape.
pub struct Observed {
    /// The state.
    pub state: Arc<State>,
    /// The pods that wait.
    pub ledger: Arc<Ledger>,
    /// The time.
    pub clock: Clock,
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observed")
    }
}

/// Gauges with labels, as a collector writes them.
struct Gauges<'e, 'd>(&'e mut DescriptorEncoder<'d>);

impl Gauges<'_, '_> {
    fn write<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl Iterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let kind = ConstGauge::new(0.0).metric_type();
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in rows {
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Collector for Observed {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = self.state.current();
        let now = (self.clock)();
        let mut gauges = Gauges(&mut encoder);
        intensities(&mut gauges, &snapshot, now)?;
        thresholds(&mut gauges, &snapshot)?;
        let zones = snapshot.nodes.zones.iter().zip(&snapshot.nodes.nodes_per_zone);
        let rows = zones.map(|(zone, nodes)| (in_zone(zone), *nodes as f64));
        gauges.write("extender_nodes", "Known nodes by grid zone", rows)?;
        let policy = snapshot.policy.iter().map(|policy| {
            let labels = [
                ("name", policy.file.name.clone()),
                ("kind", policy.file.kind.clone()),
                ("version", policy.file.version.to_string()),
                ("sha256", policy.sha256.clone()),
            ];
            (labels, 1.0)
        });
        gauges.write("policy_info", "The policy in force", policy)?;
        let waiting = self.ledger.waiting(now) as f64;
        let rows = std::iter::once(([] as [(&str, &str); 0], waiting));
        gauges.write("pods_gated", "Pods that every node is refused", rows)?;
        tuner(&mut gauges, self.state.status().as_deref())
    }
}

/// What the tuner job has said last; no rows where it has said nothing.
fn tuner(gauges: &mut Gauges<'_, '_>, status: Option<&StatusDocument>) -> fmt::Result {
    let alone = |value: fn(&StatusDocument) -> f64| {
        status.into_iter().map(move |status| ([] as [(&str, &str); 0], value(status)))
    };
    let finished = alone(|status| status.finished_at.millis() as f64 / 1e3);
    let help = "When the tuner job ended last, whatever came of it";
    gauges.write("tuner_last_run_timestamp_seconds", help, finished)?;
    let promotions = alone(|status| status.promotions as f64);
    gauges.write("tuner_promotions", "Policies that the tuner job has put in force", promotions)?;
    let results = status.into_iter().map(|status| ([("result", status.result.to_string())], 1.0));
    gauges.write("tuner_result", "1 for what came of the last run of the tuner job", results)?;
    let policies = |value: fn(&PolicyResult) -> f64| {
        let all = status.into_iter().flat_map(|status| &status.policies);
        all.map(move |policy| ([("policy", policy.policy.clone())], value(policy)))
    };
    let help = "What a policy would have saved on the held-out days against the default scheduler";
    gauges.write("tuner_saving_ratio", help, policies(|policy| policy.saving_ratio))?;
    let help = "Mean delay that a policy would have given the jobs of the held-out days";
    gauges.write("tuner_delay_seconds", help, policies(|policy| policy.delay().seconds()))?;
    let help = "Jobs that would have missed their limit";
    gauges.write("tuner_missed_ratio", help, policies(|policy| policy.missed_ratio))
}

fn in_zone(zone: &Zone) -> [(&'static str, String); 1] {
    [("zone", zone.to_string())]
}

fn intensities(gauges: &mut Gauges<'_, '_>, snapshot: &Snapshot, now: Time) -> fmt::Result {
    let entries = || snapshot.intensity.iter().flat_map(|document| &document.zones);
    let rows = entries().map(|(zone, entry)| {
        let labels = [
            ("zone", zone.to_string()),
            ("source", entry.source.clone()),
            ("signal", entry.signal.to_string()),
            ("estimated", entry.is_estimated.to_string()),
        ];
        (labels, entry.value.get())
    });
    let help = "Carbon intensity in force";
    gauges.write("grid_carbon_intensity_grams_per_kwh", help, rows)?;
    let rows = entries().map(|(zone, e)| (in_zone(zone), e.observed_at.millis() as f64 / 1e3));
    let help = "Start of the period that the intensity describes";
    gauges.write("grid_carbon_intensity_observed_timestamp_seconds", help, rows)?;
    let rows = entries().map(|(zone, entry)| (in_zone(zone), (now - entry.observed_at).seconds()));
    let help = "Time since the start of that period";
    gauges.write("grid_carbon_intensity_age_seconds", help, rows)?;
    let rows = entries().map(|(zone, entry)| (in_zone(zone), entry.confidence));
    let help = "How far the intensity is to be trusted";
    gauges.write("grid_carbon_intensity_confidence_ratio", help, rows)
}

fn thresholds(gauges: &mut Gauges<'_, '_>, snapshot: &Snapshot) -> fmt::Result {
    let entries = || snapshot.threshold.iter().flat_map(|document| &document.zones);
    let rows = entries().map(|(zone, entry)| (in_zone(zone), entry.value.get()));
    gauges.write("threshold_grams_per_kwh", "Threshold of a grid zone", rows)?;
    let rows = entries().map(|(zone, entry)| (in_zone(zone), entry.adjustment));
    let help = "What the tuner added to the base threshold";
    gauges.write("threshold_adjustment_grams_per_kwh", help, rows)
}
