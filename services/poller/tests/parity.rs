//! The threshold that the poller writes is the simulator's own, step by step and bit for bit, and the
//! extender applies it.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use carbon_kube_core::documents::{IntensityDocument, ThresholdDocument};
use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::forecaster::Learned;
use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{GramsPerKwh, Span, Time, Zone};
use carbon_kube_extender::config::Config as ExtenderConfig;
use carbon_kube_extender::documents::PolicyMap;
use carbon_kube_extender::run::Service;
use carbon_kube_policies::control::Workload;
use carbon_kube_policies::file::{ACTOR, Loaded, sha256};
use carbon_kube_policies::forecast::library;
use carbon_kube_policies::network;
use carbon_kube_policies::observation::ObservationSpec;
use carbon_kube_policies::{Deployed, Observation};
use carbon_kube_poller::bundle::{Bundle, FORECAST_FORM, POLICY_FORM};
use carbon_kube_poller::config::{Config, Configuration};
use carbon_kube_poller::metrics::Metrics;
use carbon_kube_poller::output::{Documents, Left};
use carbon_kube_poller::poller::{Answer, Poller};
use carbon_kube_providers::{Point, Reading, Source};
use carbon_kube_sim::comparison::{self, Entry, Watch};
use carbon_kube_sim::scenario;
use carbon_kube_sim::stepping::Episode;
use carbon_kube_sim::world::World;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Three days of two grids. The bundled year begins two weeks earlier, so that poller and simulator
/// add up the same past from its same first hour.
const SCENARIO: &str = "apiVersion: carbon-kube.io/v1alpha1
kind: Scenario
metadata: {name: parity}
spec:
  start: 2020-01-15T00:00:00Z
  duration: 3d
  seed: 11
  grid: {zones: [{zone: EU-FR}, {zone: EU-DE}]}
  nodePools:
    - {name: fr, zone: EU-FR, count: 2, instanceType: m5.4xlarge, pue: 1.1}
    - {name: de, zone: EU-DE, count: 3, instanceType: m5.4xlarge, pue: 1.37}
  workloads:
    - name: batch
      generated: {podsPerDay: 90, duration: {median: 2h, sigma: 1},
        shapes: [{weight: 2, cpu: 1500m, memory: 4Gi}, {weight: 1, cpu: 6, memory: 8Gi}]}
      maxDelay: 5h
      interruptible: true
      migratable: true
  scheduler: {holding: filter, controlInterval: 1h}
  forecast: {kind: noisy}
";

/// The world, with the shipped forecast model.
fn world() -> World {
    let parsed = scenario::parse(SCENARIO.as_bytes(), "parity.yaml", &[])
        .unwrap_or_else(|problems| panic!("{problems:?}"));
    let mut world =
        scenario::build(&parsed, Path::new(".")).unwrap_or_else(|problems| panic!("{problems:?}"));
    let model = library::find(library::DEFAULT).unwrap().load().unwrap();
    world.forecast = ForecastModel::Learned(Learned(Arc::new(model.forecaster)));
    world
}

/// A folder with a policy whose small network says something everywhere, and holds small changes back.
fn policy_folder() -> TempDir {
    let spec = ObservationSpec::default();
    let inputs = spec.len();
    let weight = |at: usize| ((at * 37 % 19) as f32 - 9.0) / 24.0;
    let layers = [
        ((0..inputs * 8).map(weight).collect(), vec![0.1; 8]),
        ((0..8).map(weight).collect(), vec![0.05]),
    ];
    let actor = network::to_bytes(inputs, &layers).unwrap();
    let policy = json!({
        "version": 1, "name": "parity", "kind": "tuner",
        "bounds": {"minGramsPerKwh": 75, "maxGramsPerKwh": 268},
        "tuner": {
            "base": {"percentile": {"percentile": 30}}, "observation": spec, "controlMinutes": 60,
            "action": {"gramsPerKwh": 50, "hysteresisGramsPerKwh": 2}, "actorSha256": sha256(&actor),
        },
    });
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), policy.to_string()).unwrap();
    std::fs::write(folder.path().join(ACTOR), actor).unwrap();
    folder
}

fn loaded(folder: &TempDir) -> Loaded {
    let yaml = std::fs::read_to_string(folder.path().join("policy.yaml")).unwrap();
    let actor = std::fs::read(folder.path().join(ACTOR)).unwrap();
    Loaded::parse_with(&yaml, Some(&actor), None).unwrap()
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What the simulator put in force, by instant.
fn simulated(
    world: &World,
    policy: Deployed,
) -> BTreeMap<Time, (IntensityDocument, ThresholdDocument)> {
    let out = Shared::default();
    let open = |_| Ok(Box::new(out.clone()) as Box<dyn Write + Send>);
    let stop = AtomicBool::new(false);
    let watch = Watch { stop: &stop, progress: &|_, _| {}, events: None, decisions: Some(&open) };
    let entry = Entry { name: "parity".to_owned(), policy };
    let results = comparison::compare(world, &[entry], 1, &watch).unwrap();
    results.into_iter().for_each(|result| drop(result.unwrap()));
    let bytes = out.0.lock().unwrap().clone();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
    let grid = lines.filter(|line| line["kind"] == "grid").map(|line| {
        let at = line["at"].as_str().unwrap().parse().unwrap();
        let (intensity, _) = IntensityDocument::parse(&line["intensity"].to_string()).unwrap();
        let (threshold, _) = ThresholdDocument::parse(&line["threshold"].to_string()).unwrap();
        (at, (intensity, threshold))
    });
    grid.collect()
}

fn poller(folder: &TempDir, settings: &str) -> Poller {
    let text = format!("historyDays: 60\n{settings}");
    let config = Arc::new(Config::parse("c.yaml", &text).unwrap());
    let mut poller = Poller::new(config, Metrics::register(&mut Registry::default()));
    poller.offer_policy(Bundle::of_folder(POLICY_FORM, folder.path()).unwrap());
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/library/forecast-open-v1");
    poller.offer_model(Bundle::of_folder(FORECAST_FORM, Path::new(model)).unwrap());
    poller
}

/// The zone's trace as a source has it at `now`: everything up to the hour in progress.
fn answer(world: &World, zone: usize, now: Time) -> Answer {
    let known = &world.zones[zone];
    let points = known.series.steps().take_while(|(start, _)| *start <= now);
    let points = points.filter_map(|(start, value)| {
        Some(Point { start, span: known.series.step(), value: value?, is_estimated: false })
    });
    let present = Reading {
        zone: known.zone.clone(),
        source: Source::ElectricityMaps,
        signal: Signal::Average,
        factor_set: "local".into(),
        points: points.collect(),
        fetched_at: now,
        updated_at: None,
        confidence: 1.0,
    };
    let observed_at = present.last().map(|point| point.start);
    Answer { present, observed_at, past: None, ahead: None }
}

fn workload(seen: Option<Observation>) -> Workload {
    seen.map_or_else(Workload::default, |seen| Workload {
        migration_rate: seen.migration_rate,
        power_ratio: seen.power_ratio,
        held_hours: seen.held_hours,
        slack: seen.slack,
    })
}

/// One cycle of the poller at an instant of a simulation.
fn cycle(poller: &mut Poller, world: &World, episode: &Episode, now: Time) -> Documents {
    let zones = || world.zones.iter().enumerate();
    let answers = zones().map(|(i, zone)| (zone.zone.clone(), answer(world, i, now)));
    let workloads = zones().map(|(i, zone)| (zone.zone.clone(), workload(episode.observation(i))));
    poller.digest(&answers.collect(), &workloads.collect(), BTreeMap::new(), now)
}

fn bits(document: &ThresholdDocument) -> BTreeMap<Zone, u64> {
    let bits = |(zone, entry): (&Zone, &_)| {
        let entry: &carbon_kube_core::documents::ZoneThreshold = entry;
        (zone.clone(), entry.value.get().to_bits())
    };
    document.zones.iter().map(bits).collect()
}

#[test]
fn the_poller_s_threshold_is_the_simulator_s_at_every_step() {
    let (world, folder) = (world(), policy_folder());
    let policy = loaded(&folder).policy();
    let expected = simulated(&world, policy.clone());
    let rule = Deployed { tuner: None, ..policy };
    let mut episode = Episode::new(Arc::new(world.clone()), Arc::new(rule));
    let mut poller = poller(&folder, "");
    let (mut steps, mut adjusted, mut kept, mut cut) = (0, 0, 0, 0);
    let mut answers = std::collections::BTreeSet::new();
    while !episode.is_over() {
        let now = episode.now();
        let documents = cycle(&mut poller, &world, &episode, now);
        let threshold = documents.threshold.unwrap();
        let (intensity, expected) = &expected[&now];
        assert_eq!(bits(&threshold), bits(expected), "{now}");
        for (zone, entry) in &intensity.zones {
            let own = &documents.intensity.zones[zone];
            let forecast = |points: &[carbon_kube_core::documents::ForecastPoint]| {
                points.iter().map(|p| (p.t, p.v.get().to_bits())).collect::<Vec<_>>()
            };
            assert_eq!(forecast(&own.forecast), forecast(&entry.forecast), "{zone} at {now}");
        }
        for entry in threshold.zones.values() {
            adjusted += u32::from(entry.adjustment.abs() > 1.0);
            answers.insert(entry.adjustment.to_bits());
            cut += u32::from(entry.reason.contains("cut to"));
            kept += u32::from(entry.previous.is_some());
        }
        // Until the control interval is over the threshold stays, and is said to be in force.
        let later = now + Span::MINUTE * 35;
        let between = cycle(&mut poller, &world, &episode, later).threshold.unwrap();
        assert_eq!(bits(&between), bits(&threshold), "{later}");
        assert!(between.zones.values().all(|entry| entry.decided_at == later));
        let adjustments: Vec<f64> = world
            .zones
            .iter()
            .map(|zone| threshold.zones.get(&zone.zone).map_or(0.0, |entry| entry.adjustment))
            .collect();
        episode.advance(&adjustments);
        steps += 1;
    }
    assert!(steps >= 72 && adjusted > steps && kept > steps, "{steps} {adjusted} {kept}");
    assert!(answers.len() > 20, "the tuner hardly ever changed its mind: {}", answers.len());
    assert!(cut > 0 && cut < steps, "the bounds were met {cut} times");
}

#[test]
fn another_replica_goes_on_where_the_first_one_ended() {
    let (world, folder) = (world(), policy_folder());
    let rule = Deployed { tuner: None, ..loaded(&folder).policy() };
    let mut episode = Episode::new(Arc::new(world.clone()), Arc::new(rule));
    let (mut first, mut second) = (poller(&folder, ""), poller(&folder, ""));
    for _ in 0..30 {
        cycle(&mut first, &world, &episode, episode.now());
        episode.advance(&[]);
    }
    let before = cycle(&mut first, &world, &episode, episode.now());
    let threshold = serde_json::to_string(before.threshold.as_ref().unwrap()).unwrap();
    let left = Left { history: Some(before.history.clone()), threshold: Some(threshold) };
    second.resume(&left, episode.now());
    // Within the control interval: nothing is asked anew. The past came with the document.
    let later = episode.now() + Span::MINUTE * 20;
    let after = cycle(&mut second, &world, &episode, later);
    assert_eq!(bits(after.threshold.as_ref().unwrap()), bits(before.threshold.as_ref().unwrap()));
    assert_eq!(after.history, cycle(&mut first, &world, &episode, later).history);
}

/// What the extender has in force for a zone, in g/kWh.
fn in_force(folder: &TempDir, documents: &Documents, now: Time) -> Option<String> {
    let config = ExtenderConfig::parse("e.yaml", "grid: {maxAge: 87600h, thresholdMaxAge: 87600h}");
    let service = Service::new(config.unwrap(), Arc::new(move || now));
    let text = |value: Value| value.to_string();
    service.documents.intensity(Some(&text(json!(documents.intensity))));
    service.documents.threshold(Some(&text(json!(documents.threshold.as_ref().unwrap()))));
    let yaml = std::fs::read_to_string(folder.path().join("policy.yaml")).unwrap();
    let actor = std::fs::read(folder.path().join(ACTOR)).unwrap();
    let data = BTreeMap::from([("policy.yaml".to_owned(), yaml)]);
    let annotations = BTreeMap::new();
    let map = PolicyMap { data: &data, actor: Some(&actor), annotations: &annotations };
    service.documents.policy(Some(map));
    let snapshot = service.app.state.current();
    let zone = snapshot.nodes.zones.iter().position(|zone| zone.as_str() == "EU-DE").unwrap();
    snapshot.grid.at(now)[zone].threshold.map(|threshold| threshold.get().to_string())
}

#[test]
fn the_extender_applies_what_is_enforced_and_not_what_is_observed() {
    let (world, folder) = (world(), policy_folder());
    let episode = Episode::new(
        Arc::new(world.clone()),
        Arc::new(Deployed { tuner: None, ..loaded(&folder).policy() }),
    );
    let now = episode.now();
    let of = |settings: &str| cycle(&mut poller(&folder, settings), &world, &episode, now);
    let enforced = of("");
    let entry = enforced.threshold.as_ref().unwrap().zones[&"EU-DE".parse().unwrap()].clone();
    assert!(entry.adjustment.abs() > 5.0, "{}", entry.adjustment);
    assert_eq!(in_force(&folder, &enforced, now), Some(entry.value.get().to_string()));
    let observed = of("tune: {mode: observe}");
    assert_eq!(
        bits(observed.threshold.as_ref().unwrap()),
        bits(enforced.threshold.as_ref().unwrap())
    );
    assert_eq!(in_force(&folder, &observed, now), None);
    assert_eq!(of("tune: {mode: \"off\"}").threshold, None);
}

#[test]
fn what_is_stale_or_not_trusted_has_no_threshold_and_is_back_when_it_is() {
    let (world, folder) = (world(), policy_folder());
    let mut poller = poller(&folder, "tune: {maxAge: 3h}");
    let now = world.start;
    let zone = world.zones[1].zone.clone();
    let mut has_threshold = |answer: Answer, now: Time| {
        let answers = BTreeMap::from([(zone.clone(), answer)]);
        let documents = poller.digest(&answers, &BTreeMap::new(), BTreeMap::new(), now);
        documents.threshold.unwrap().zones.contains_key(&zone)
    };
    let fresh = answer(&world, 1, now);
    assert!(has_threshold(fresh.clone(), now));
    // The value is of an hour, and that has to be over.
    assert!(has_threshold(fresh.clone(), now + Span::HOUR * 4), "three hours are not too old");
    assert!(!has_threshold(fresh.clone(), now + Span::HOUR * 4 + Span::MINUTE));
    assert!(has_threshold(fresh.clone(), now));
    let mut decayed = fresh.clone();
    decayed.present = Reading { source: Source::Decay, confidence: 0.4, ..decayed.present };
    assert!(!has_threshold(decayed, now));
    assert!(has_threshold(fresh, now));
}

#[test]
fn a_threshold_of_other_factors_is_not_confirmed() {
    let (world, folder) = (world(), policy_folder());
    let mut poller = poller(&folder, "");
    let (now, zone) = (world.start, world.zones[1].zone.clone());
    let mut base = |answer: Answer, now: Time| {
        let answers = BTreeMap::from([(zone.clone(), answer)]);
        let documents = poller.digest(&answers, &BTreeMap::new(), BTreeMap::new(), now);
        documents.threshold.unwrap().zones[&zone].base.get()
    };
    let known = answer(&world, 1, now);
    let mut other = known.clone();
    other.present.factor_set = "lifecycle".into();
    for point in &mut other.present.points {
        point.value = GramsPerKwh::new(point.value.get() * 2.0).unwrap();
    }
    let first = base(known.clone(), now);
    let confirmed = base(known, now + Span::MINUTE * 20);
    assert!((confirmed - first).abs() < 1e-9);
    // Within the same control interval another source speaks, whose values are twice as large.
    assert!(base(other, now + Span::MINUTE * 40) > first * 1.5);
}

#[test]
fn an_adjustment_stays_for_the_dwell() {
    let (world, folder) = (world(), policy_folder());
    let rule = Deployed { tuner: None, ..loaded(&folder).policy() };
    let mut episode = Episode::new(Arc::new(world.clone()), Arc::new(rule));
    let mut poller = poller(&folder, "tune: {minimumDwell: 6h}");
    let mut changes = Vec::new();
    let mut last = f64::NAN;
    for _ in 0..48 {
        let documents = cycle(&mut poller, &world, &episode, episode.now());
        let entry = &documents.threshold.unwrap().zones[&world.zones[0].zone];
        if (entry.adjustment - last).abs() > 1e-9 || last.is_nan() {
            changes.push(episode.now());
            last = entry.adjustment;
        }
        episode.advance(&[]);
    }
    assert!(changes.len() > 2, "{changes:?}");
    assert!(changes.windows(2).all(|pair| pair[1] - pair[0] >= Span::HOUR * 6), "{changes:?}");
}
