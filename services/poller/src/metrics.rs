//! The metrics: counters of what was asked, decided and written, and the documents as they are.
//!
//! `docs/metrics.md` has them in one table; a test holds it to what a running poller exposes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use carbon_kube_core::Zone;
use carbon_kube_core::documents::{IntensityDocument, ThresholdDocument};
use carbon_kube_policies::file::Loaded;
use carbon_kube_policies::observation::Input;
use carbon_kube_providers::{Health, Observer};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::history::Taken;
use crate::tune::Decided;

/// An instant, in seconds since 1970.
type Instant = Gauge<f64, AtomicU64>;

/// One label and its value.
type Labelled<M> = Family<[(&'static str, &'static str); 1], M>;

/// Labels of a request to a source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Request {
    /// Such as `electricity-maps`.
    pub source: &'static str,
    /// Grid zone.
    pub zone: String,
    /// `success`, `not-modified` or the kind of error.
    pub result: &'static str,
}

/// Everything that is counted, and what is read off at a scrape.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<Request, Counter>,
    request_duration: Labelled<Histogram>,
    leader: Gauge,
    last_write: Labelled<Instant>,
    cycle_duration: Histogram,
    cycles: Labelled<Counter>,
    history_points: Labelled<Counter>,
    decisions: Labelled<Counter>,
    unknown_inputs: Family<[(&'static str, String); 1], Counter>,
    refused: Labelled<Counter>,
    shown: Arc<Mutex<Shown>>,
}

/// The state as it is after the last cycle.
#[derive(Debug, Default)]
struct Shown {
    intensity: Option<IntensityDocument>,
    threshold: Option<ThresholdDocument>,
    policy: Option<Arc<Loaded>>,
    sources: BTreeMap<&'static str, Health>,
}

/// What can be refused.
const DOCUMENTS: [&str; 5] = ["policy", "forecast", "history", "threshold", "carbon-intensity"];

/// 10 ms to half a minute: a source on the other side of the world, and one that hangs.
const SECONDS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

impl Metrics {
    /// Makes the metrics and puts them into a registry. `prefix` of every name: `carbonkube`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            request_duration: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            leader: Gauge::default(),
            last_write: Family::default(),
            cycle_duration: Histogram::new(SECONDS),
            cycles: Family::default(),
            history_points: Family::default(),
            decisions: Family::default(),
            unknown_inputs: Family::default(),
            refused: Family::default(),
            shown: Arc::default(),
        };
        // A counter that is born with its first refusal never rises for whoever asks by how much it has.
        for document in DOCUMENTS {
            metrics.refused.get_or_create(&[("document", document)]).inc_by(0);
        }
        let m = metrics.clone();
        registry.register("source_requests", "Requests to a source of grid data", m.requests);
        let help = "From a request to a source to the end of its answer";
        let (unit, duration) = (Unit::Seconds, m.request_duration);
        registry.register_with_unit("source_request_duration", help, unit, duration);
        let help = "Whether this replica is the one that writes";
        registry.register("poller_leader", help, m.leader);
        let help = "When a document was written last";
        registry.register_with_unit(
            "poller_last_write_timestamp",
            help,
            Unit::Seconds,
            m.last_write,
        );
        let help = "From the first question to the last write of a cycle";
        registry.register_with_unit("poller_cycle_duration", help, Unit::Seconds, m.cycle_duration);
        registry.register("poller_cycles", "Looks at the grid", m.cycles);
        let help = "Values that came into the history, or changed in it";
        registry.register("poller_history_points", help, m.history_points);
        let help = "What came of a zone in a tune step";
        registry.register("tuner_decisions", help, m.decisions);
        let help = "Inputs of the tuner that were unknown, and the mean of training stood in";
        registry.register("tuner_unknown_inputs", help, m.unknown_inputs);
        let help =
            "Policies, models and documents that were refused; the one before stays in force";
        registry.register("document_refused", help, m.refused);
        registry.register_collector(Box::new(Observed(Arc::clone(&metrics.shown))));
        metrics
    }

    /// Whether this replica leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// This replica writes nothing: what it has seen and written last is another one's to show.
    pub fn stand_by(&self) {
        self.last_write.clear();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Shown::default();
    }

    /// A cycle ended: `written`, `not-written` or `adrift`.
    pub fn cycle(&self, result: &'static str, took: Duration) {
        self.cycles.get_or_create(&[("result", result)]).inc();
        self.cycle_duration.observe(took.as_secs_f64());
    }

    /// A document was written at `seconds` since 1970.
    pub fn written(&self, document: &'static str, seconds: f64) {
        self.last_write.get_or_create(&[("document", document)]).set(seconds);
    }

    /// A policy, a model or a document of the last cycle was refused.
    pub fn refused(&self, document: &'static str) {
        self.refused.get_or_create(&[("document", document)]).inc();
    }

    /// Values came into the history.
    pub fn history(&self, taken: Taken) {
        let Taken { new, measured, revised } = taken;
        for (change, count) in [("new", new), ("measured", measured), ("revised", revised)] {
            self.history_points.get_or_create(&[("change", change)]).inc_by(count as u64);
        }
    }

    /// Thresholds were decided on.
    pub fn decided(&self, decided: &Decided) {
        for outcome in decided.outcomes.values() {
            self.decisions.get_or_create(&[("outcome", outcome.word())]).inc();
        }
        for input in &decided.unknown {
            self.unknown_inputs.get_or_create(&[("input", name(*input))]).inc();
        }
    }

    /// The state after a cycle.
    pub fn show(
        &self,
        intensity: &IntensityDocument,
        threshold: Option<&ThresholdDocument>,
        policy: Option<&Arc<Loaded>>,
        sources: BTreeMap<&'static str, Health>,
    ) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = Shown {
            intensity: Some(intensity.clone()),
            threshold: threshold.cloned(),
            policy: policy.cloned(),
            sources,
        };
    }
}

/// The name of an input as a policy file has it.
fn name(input: Input) -> String {
    serde_json::to_value(input)
        .ok()
        .and_then(|name| Some(name.as_str()?.to_owned()))
        .unwrap_or_default()
}

impl Observer for Metrics {
    fn request(&self, source: &'static str, zone: &Zone, result: &'static str, took: Duration) {
        self.requests.get_or_create(&Request { source, zone: zone.to_string(), result }).inc();
        let took = took.as_secs_f64();
        self.request_duration.get_or_create(&[("source", source)]).observe(took);
    }

    fn unasked(&self, source: &'static str, zone: &Zone, result: &'static str) {
        self.requests.get_or_create(&Request { source, zone: zone.to_string(), result }).inc();
    }
}

/// What is read off the last cycle at a scrape.
#[derive(Debug)]
struct Observed(Arc<Mutex<Shown>>);

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
        let shown: MutexGuard<'_, Shown> = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gauges = Gauges(&mut encoder);
        intensities(&mut gauges, &shown)?;
        thresholds(&mut gauges, &shown)?;
        sources(&mut gauges, &shown)?;
        let policy = shown.policy.iter().map(|policy| {
            let labels = [
                ("name", policy.file.name.clone()),
                ("kind", policy.file.kind.clone()),
                ("version", policy.file.version.to_string()),
                ("sha256", policy.sha256.clone()),
            ];
            (labels, 1.0)
        });
        gauges.write("policy_info", "The policy in force", policy)
    }
}

fn in_zone(zone: &Zone) -> [(&'static str, String); 1] {
    [("zone", zone.to_string())]
}

fn intensities(gauges: &mut Gauges<'_, '_>, shown: &Shown) -> fmt::Result {
    let entries = || shown.intensity.iter().flat_map(|document| &document.zones);
    let rows = entries().map(|(zone, entry)| {
        let labels = [
            ("zone", zone.to_string()),
            ("source", entry.source.clone()),
            ("signal", entry.signal.to_string()),
            ("estimated", entry.is_estimated.to_string()),
        ];
        (labels, entry.value.get())
    });
    gauges.write("grid_carbon_intensity_grams_per_kwh", "Carbon intensity in force", rows)?;
    let rows = entries().map(|(zone, e)| (in_zone(zone), e.observed_at.millis() as f64 / 1e3));
    let help = "Start of the period that the intensity describes";
    gauges.write("grid_carbon_intensity_observed_timestamp_seconds", help, rows)?;
    let rows = entries().map(|(zone, entry)| (in_zone(zone), entry.confidence));
    let help = "How far the intensity is to be trusted";
    gauges.write("grid_carbon_intensity_confidence_ratio", help, rows)
}

fn thresholds(gauges: &mut Gauges<'_, '_>, shown: &Shown) -> fmt::Result {
    let entries = || shown.threshold.iter().flat_map(|document| &document.zones);
    let rows = entries().map(|(zone, entry)| (in_zone(zone), entry.value.get()));
    gauges.write("threshold_grams_per_kwh", "Threshold of a grid zone", rows)?;
    let rows = entries().map(|(zone, entry)| (in_zone(zone), entry.adjustment));
    let help = "What the tuner added to the base threshold";
    gauges.write("threshold_adjustment_grams_per_kwh", help, rows)
}

fn sources(gauges: &mut Gauges<'_, '_>, shown: &Shown) -> fmt::Result {
    let circuits = shown.sources.iter().flat_map(|(source, health)| {
        health.zones.iter().map(|(zone, health)| {
            let labels = [("source", (*source).to_owned()), ("zone", zone.to_string())];
            (labels, f64::from(health.circuit.level()))
        })
    });
    let help = "Circuit of a source and zone: 0 closed, 1 half-open, 2 open";
    gauges.write("source_circuit_state", help, circuits)?;
    let quotas = shown.sources.iter().filter_map(|(source, health)| {
        Some(([("source", (*source).to_owned())], health.quota_remaining? as f64))
    });
    gauges.write("source_quota_remaining", "Requests that are left today", quotas)
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn every_refusal_is_counted_from_0() {
        let mut registry = Registry::with_prefix("carbonkube");
        Metrics::register(&mut registry);
        let text = text(&registry);
        for document in DOCUMENTS {
            let line = format!("carbonkube_document_refused_total{{document=\"{document}\"}} 0");
            assert!(text.contains(&line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_replica_that_stands_by_shows_nothing_of_when_it_led() {
        let mut registry = Registry::with_prefix("carbonkube");
        let metrics = Metrics::register(&mut registry);
        let document = include_str!("../../../core/tests/documents/intensity.json");
        let (intensity, _) = IntensityDocument::parse(document).unwrap();
        let sources =
            BTreeMap::from([("eia", Health { quota_remaining: Some(7), ..Health::default() })]);
        metrics.show(&intensity, None, None, sources);
        metrics.written("intensity", 1.0);
        let gauges = [
            "carbonkube_grid_carbon_intensity_grams_per_kwh{",
            "carbonkube_source_quota_remaining{",
            "carbonkube_poller_last_write_timestamp_seconds{",
        ];
        assert!(gauges.iter().all(|gauge| text(&registry).contains(gauge)), "{}", text(&registry));
        metrics.stand_by();
        assert!(!gauges.iter().any(|gauge| text(&registry).contains(gauge)), "{}", text(&registry));
    }
}
