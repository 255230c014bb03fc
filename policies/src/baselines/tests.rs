//! What the first policies decide, case by case.

use std::sync::Arc;

use carbon_kube_core::forecast::{Issue, Outlook};
use carbon_kube_core::view::{NodeView, PodView, ZoneSet};
use carbon_kube_core::{Bytes, GramsPerKwh, MilliCpu, Span, Time, Watts};

use super::*;
use crate::{Gate, Policy, Run, Settings, Signal, Verdict, ZoneSignal};

fn hour(h: i64) -> Time {
    Time::from_millis(0) + Span::HOUR * h
}

/// A pod with one core that may wait until hour 12 and still has 4 h to run.
fn pod(zones: impl IntoIterator<Item = usize>) -> PodView {
    PodView {
        created: hour(0),
        must_run_by: Some(hour(12)),
        remaining: Some(Span::HOUR * 4),
        started: false,
        interruptible: true,
        checkpoint: Span::MINUTE,
        cpu: MilliCpu(1_000),
        cpu_utilisation: 1.0,
        data: Bytes(0),
        zones: zones.into_iter().collect::<ZoneSet>(),
    }
}

fn zone(intensity: Option<f64>, threshold: Option<f64>) -> ZoneSignal<'static> {
    let grams = |value: Option<f64>| value.and_then(GramsPerKwh::new);
    ZoneSignal { intensity: grams(intensity), threshold: grams(threshold), outlook: None }
}

fn node(zone: usize) -> NodeView {
    NodeView { zone: Some(zone), watts_per_core: Watts::new(10.0).unwrap(), usd_per_core_hour: 0.0 }
}

fn signal<'a>(zones: &'a [ZoneSignal<'a>], now: i64) -> Signal<'a> {
    Signal { now: hour(now), next_update: hour(now + 1), zones, transfer_kwh_per_gb: 0.06 }
}

fn scores(policy: &dyn Policy, zones: &[ZoneSignal<'_>]) -> Vec<Option<i64>> {
    let nodes: Vec<NodeView> = (0..zones.len()).map(node).collect();
    let mut verdicts = vec![Verdict::NO_OPINION; nodes.len()];
    policy.place(&pod(0..zones.len()), &nodes, &signal(zones, 1), &mut verdicts);
    verdicts.iter().map(|verdict| verdict.feasible.then_some(verdict.score)).collect()
}

#[test]
fn a_pod_is_held_only_while_the_cleanest_of_its_zones_is_over_the_threshold() {
    let policy = Threshold::default();
    let (dirty, clean) = (zone(Some(300.0), Some(250.0)), zone(Some(200.0), Some(250.0)));
    let gate = |zones: &[ZoneSignal<'_>], of: PodView, now| policy.gate(&of, &signal(zones, now));
    let held = Gate::Hold { until: hour(2) };
    assert_eq!(gate(&[dirty.clone(), dirty.clone()], pod([0, 1]), 1), held);
    assert_eq!(gate(&[dirty.clone(), clean.clone()], pod([0, 1]), 1), Gate::Release);
    assert_eq!(gate(&[dirty.clone(), clean], pod([0]), 1), held);
    assert_eq!(
        gate(std::slice::from_ref(&dirty), pod([0]), 12),
        Gate::Release,
        "its patience is used up"
    );
    let impatient = PodView { must_run_by: None, ..pod([0]) };
    assert_eq!(gate(&[dirty], impatient, 1), Gate::Release);
}

#[test]
fn what_is_not_known_holds_nothing() {
    let policy = Threshold::default();
    let dirty = zone(Some(300.0), Some(250.0));
    for unknown in [zone(None, Some(250.0)), zone(Some(280.0), None)] {
        let zones = [dirty.clone(), unknown];
        assert_eq!(policy.gate(&pod([0, 1]), &signal(&zones, 1)), Gate::Release);
    }
    assert_eq!(policy.gate(&pod([]), &signal(&[dirty], 1)), Gate::Release);
}

#[test]
fn a_hold_never_asks_later_than_the_limit() {
    let dirty = [zone(Some(300.0), Some(250.0))];
    let late = PodView { must_run_by: Some(hour(1) + Span::MINUTE), ..pod([0]) };
    let until = hour(1) + Span::MINUTE;
    assert_eq!(Threshold::default().gate(&late, &signal(&dirty, 1)), Gate::Hold { until });
}

#[test]
fn a_paused_pod_starts_again_only_well_under_the_threshold() {
    let paused = PodView { started: true, ..pod([0]) };
    let gate = |intensity| {
        let zones = [zone(Some(intensity), Some(200.0))];
        Threshold::default().gate(&paused, &signal(&zones, 1))
    };
    // The restart margin is 5 % of 200, so 190 is the line.
    assert_eq!(gate(195.0), Gate::Hold { until: hour(2) });
    assert_eq!(gate(189.0), Gate::Release);
}

#[test]
fn a_pause_has_to_be_worth_its_checkpoint() {
    let dirty = [zone(Some(300.0), Some(200.0))];
    let run = |of: PodView| Threshold::default().run(&of, &node(0), &signal(&dirty, 1));
    assert_eq!(run(pod([0])), Run::Pause { until: hour(2) });
    let nearly_done = PodView { remaining: Some(Span::MINUTE * 4), ..pod([0]) };
    assert_eq!(run(nearly_done), Run::Continue);
    let no_slack = PodView { must_run_by: Some(hour(2)), ..pod([0]) };
    assert_eq!(run(no_slack), Run::Continue);
    let clean = [zone(Some(150.0), Some(200.0))];
    assert_eq!(Threshold::default().run(&pod([0]), &node(0), &signal(&clean, 1)), Run::Continue);
}

#[test]
fn lowest_zone_scores_from_ten_to_zero_and_leaves_near_equals_alone() {
    let zones = |values: &[f64]| values.iter().map(|v| zone(Some(*v), None)).collect::<Vec<_>>();
    let score = |values: &[f64]| scores(&LowestZone {}, &zones(values));
    assert_eq!(score(&[100.0, 200.0, 300.0]), [Some(10), Some(5), Some(0)]);
    assert_eq!(score(&[300.0, 301.0]), [Some(0), Some(0)]);
    assert_eq!(score(&[0.0, 0.0]), [Some(0), Some(0)]);
    assert_eq!(
        scores(&LowestZone {}, &[zone(Some(100.0), None), zone(None, None)]),
        [Some(0), Some(0)]
    );
}

#[test]
fn a_zone_over_its_threshold_is_refused_by_percentile_and_only_scored_by_both_together() {
    let zones = [zone(Some(300.0), Some(200.0)), zone(Some(100.0), Some(200.0))];
    assert_eq!(scores(&Percentile::default(), &zones), [None, Some(0)]);
    assert_eq!(scores(&PercentileLowestZone::default(), &zones), [Some(0), Some(10)]);
}

#[test]
fn a_move_needs_to_save_twice_what_it_costs() {
    let zones = [zone(Some(500.0), None), zone(Some(50.0), None)];
    let choice = |data| {
        let of = PodView { data: Bytes(data), ..pod([0, 1]) };
        LowestZone {}.migrate(&of, &node(0), &[node(1)], &signal(&zones, 1))
    };
    // Staying 4 h costs 10 W x 4 h x 500 = 20 g, there 2 g: a gain of 18 g. One gigabyte costs
    // 0.06 x 550 = 33 g, a tenth of it 3.3 g.
    assert_eq!(choice(1_000_000_000), None);
    assert_eq!(choice(100_000_000), Some(0));
    // The other way round there is nothing to gain.
    let back = LowestZone {}.migrate(&pod([0, 1]), &node(1), &[node(0)], &signal(&zones, 1));
    assert_eq!(back, None);
}

#[test]
fn lowest_window_without_an_outlook_starts_at_once() {
    let zones = [zone(Some(500.0), None)];
    assert_eq!(LowestWindow {}.gate(&pod([0]), &signal(&zones, 1)), Gate::Release);
}

#[test]
fn lowest_window_waits_for_the_cleanest_hours_and_takes_the_first_of_equals() {
    let value = |h: i64| if h == 5 || h == 8 { 50.0 } else { 300.0 };
    let points = (0..40).map(|h| (hour(h), value(h))).collect();
    let outlook: Arc<dyn Outlook + Send + Sync> = Arc::new(Issue { points, end: Some(hour(40)) });
    let zones = [ZoneSignal { outlook: Some(outlook), ..zone(Some(300.0), None) }];
    let short = PodView { remaining: Some(Span::HOUR), ..pod([0]) };
    let gate = LowestWindow {}.gate(&short, &signal(&zones, 1));
    assert_eq!(gate, Gate::Hold { until: hour(5) });
    // Four hours: 5 to 9 holds both clean ones.
    let gate = LowestWindow {}.gate(&pod([0]), &signal(&zones, 1));
    assert_eq!(gate, Gate::Hold { until: hour(5) });
}

#[test]
fn settings_read_as_a_bare_name_or_with_values_and_refuse_unknown_keys() {
    let read = |text: &str| serde_json::from_str::<Settings>(text);
    assert_eq!(read("\"percentile\"").unwrap().name(), "percentile");
    let tuned = read(r#"{"percentile": {"percentile": 20}}"#).unwrap();
    assert_eq!(tuned, Settings::from(Percentile { percentile: 20.0, trailing_days: 7 }));
    assert!(read("\"percentil\"").is_err());
    assert!(read(r#"{"percentile": {"percentil": 20}}"#).is_err());
    for settings in Settings::all() {
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(read(&text).unwrap(), settings);
        assert_eq!(Settings::by_name(settings.name()), Some(settings));
    }
}
