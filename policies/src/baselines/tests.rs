//! What the first policies decide, case by case.

use std::sync::Arc;

use carbon_kube_core::forecast::{History, Issue, Outlook, StatedForecast};
use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance, Scope};
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
        done: Span::ZERO,
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
    ZoneSignal {
        intensity: grams(intensity),
        threshold: grams(threshold),
        adjustment: 0.0,
        outlook: None,
        clock: None,
        rank: 0,
    }
}

fn node(zone: usize) -> NodeView {
    NodeView {
        zone: Some(zone),
        watts_per_core: Watts::new(10.0).unwrap(),
        usd_per_core_hour: 0.0,
        free: None,
    }
}

fn signal<'a>(zones: &'a [ZoneSignal<'a>], now: i64) -> Signal<'a> {
    Signal {
        now: hour(now),
        next_update: hour(now + 1),
        zones,
        transfer_kwh_per_gb: 0.06,
        plans: None,
    }
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
    assert_eq!(LowestWindow::default().gate(&pod([0]), &signal(&zones, 1)), Gate::Release);
}

#[test]
fn lowest_window_waits_for_the_cleanest_hours_and_takes_the_first_of_equals() {
    let value = |h: i64| if h == 5 || h == 8 { 50.0 } else { 300.0 };
    let points = (0..40).map(|h| (hour(h), value(h))).collect();
    let outlook: Arc<dyn Outlook + Send + Sync> = Arc::new(Issue { points, end: Some(hour(40)) });
    let zones = [ZoneSignal { outlook: Some(outlook), ..zone(Some(300.0), None) }];
    let short = PodView { remaining: Some(Span::HOUR), ..pod([0]) };
    let gate = LowestWindow::default().gate(&short, &signal(&zones, 1));
    assert_eq!(gate, Gate::Hold { until: hour(5) });
    // Four hours: 5 to 9 holds both clean ones.
    let gate = LowestWindow::default().gate(&pod([0]), &signal(&zones, 1));
    assert_eq!(gate, Gate::Hold { until: hour(5) });
}

/// A zone with this forecast from hour 0 on, and the intensity of `now`.
fn expecting(values: &'static [f64], now: i64) -> ZoneSignal<'static> {
    let outlook = StatedForecast::new(hour(0), Span::HOUR, values.iter().copied());
    let outlook: Arc<dyn Outlook + Send + Sync> = Arc::new(outlook);
    ZoneSignal { outlook: Some(outlook), ..zone(Some(values[now as usize]), None) }
}

/// A day with clean hours at 5 and 6, then a day of the same.
const TWO_DAYS: [f64; 48] = {
    let mut values = [300.0; 48];
    (values[5], values[6], values[29], values[30]) = (50.0, 100.0, 50.0, 100.0);
    values
};

#[test]
fn plans_in_time_hold_a_pod_until_their_hour() {
    let zones = [expecting(&TWO_DAYS, 1)];
    let gate = |policy: &dyn Policy| policy.gate(&pod([0]), &signal(&zones, 1));
    assert_eq!(gate(&LowestSlot::default()), Gate::Hold { until: hour(5) });
    // Four hours from 3 to 6 on hold both clean ones; 3 is the first of equals.
    assert_eq!(gate(&LowestWindow::default()), Gate::Hold { until: hour(3) });
    assert_eq!(gate(&CarbonTime::default()), Gate::Start { at: hour(3) });
    // Four of the hours to hour 16: the two clean ones, and the first two of the others.
    assert_eq!(gate(&WaitAwhile::default()), Gate::Release);
    let two_hours = PodView { remaining: Some(Span::HOUR * 2), ..pod([0]) };
    let held = WaitAwhile::default().gate(&two_hours, &signal(&zones, 1));
    assert_eq!(held, Gate::Hold { until: hour(5) });
    assert_eq!(gate(&AllWait {}), Gate::Hold { until: hour(12) });
}

#[test]
fn thresholds_of_the_coming_day_hold_until_the_next_look() {
    let next = Gate::Hold { until: hour(2) };
    let (dirty, clean) = ([expecting(&TWO_DAYS, 1)], [expecting(&TWO_DAYS, 5)]);
    // Under the 30th percentile of the day, 300, are the two clean hours alone.
    for policy in [&Ecovisor::default() as &dyn Policy, &Timeshift::default()] {
        assert_eq!(policy.gate(&pod([0]), &signal(&dirty, 1)), next, "{}", policy.name());
        let gate = policy.gate(&pod([0]), &signal(&clean, 5));
        assert_eq!(gate, Gate::Release, "{}", policy.name());
    }
    // An hour of twelve has passed: the pod hardly matters yet, and waits for the cleaner half.
    assert_eq!(Pcaps::default().gate(&pod([0]), &signal(&dirty, 1)), next);
    let late = PodView { must_run_by: Some(hour(1)), ..pod([0]) };
    assert_eq!(Pcaps::default().gate(&late, &signal(&dirty, 1)), Gate::Release);
    let paused = Timeshift { stop_quantile: 0.0, ..Timeshift::default() };
    let run = paused.run(&pod([0]), &node(0), &signal(&dirty, 1));
    assert_eq!(run, Run::Pause { until: hour(2) });
}

#[test]
fn what_needs_a_forecast_has_no_opinion_without_one() {
    let zones = [zone(Some(500.0), None)];
    for settings in Settings::all() {
        let name = settings.name();
        if ["all-wait", "hour-table"].contains(&name) {
            continue;
        }
        let policy = settings.policy();
        assert_eq!(policy.gate(&pod([0]), &signal(&zones, 1)), Gate::Release, "{name}");
        assert_eq!(policy.run(&pod([0]), &node(0), &signal(&zones, 1)), Run::Continue, "{name}");
        assert_eq!(policy.quota(&signal(&zones, 1)), None, "{name}");
    }
}

#[test]
fn searches_know_their_bounds_and_their_position() {
    let bounds = (Some(100.0), Some(400.0));
    let at = |g: f64| [zone(Some(g), None)];
    let one_min = OneMin { lowest_g_per_kwh: bounds.0, highest_g_per_kwh: bounds.1 };
    let gate = |policy: &dyn Policy, of: &PodView, g| policy.gate(of, &signal(&at(g), 1));
    let held = Gate::Hold { until: hour(2) };
    assert_eq!(gate(&one_min, &pod([0]), 200.0), Gate::Release);
    assert_eq!(gate(&one_min, &pod([0]), 201.0), held);
    let k_min = KMin { lowest_g_per_kwh: bounds.0, highest_g_per_kwh: bounds.1, ..KMin::default() };
    let range = search::Range { low: 100.0, high: 400.0 };
    let second = PodView { done: Span::HOUR, remaining: Some(Span::HOUR * 3), ..pod([0]) };
    let accepted = range.accepted(4, 2, 0.0).unwrap();
    assert_eq!(gate(&k_min, &second, accepted - 0.01), Gate::Release);
    assert_eq!(gate(&k_min, &second, accepted + 0.01), held);
    // The double threshold starts two switches under where it goes on.
    let double = DoubleThreshold {
        lowest_g_per_kwh: bounds.0,
        highest_g_per_kwh: bounds.1,
        ..DoubleThreshold::default()
    };
    let accepted = range.accepted(4, 2, 10.0).unwrap();
    assert_eq!(gate(&double, &second, accepted - 19.0), held);
    assert_eq!(gate(&double, &second, accepted - 21.0), Gate::Release);
    let run = |g| double.run(&second, &node(0), &signal(&at(g), 1));
    assert_eq!(run(accepted - 1.0), Run::Continue);
    assert_eq!(run(accepted + 1.0), Run::Pause { until: hour(2) });
}

#[test]
fn an_hour_table_goes_by_the_zones_own_clock() {
    let table = HourTable { hours: vec![4] };
    let in_zone = |name: &str| {
        let clock = name.parse::<carbon_kube_core::Zone>().unwrap().clock();
        let zones = [ZoneSignal { clock: Some(clock), ..zone(Some(500.0), None) }];
        table.gate(&pod([0]), &signal(&zones, 3))
    };
    // Hour 3 of 1970-01-01 UTC is four in the morning in Berlin, evening in California.
    assert_eq!(in_zone("EU-DE"), Gate::Release);
    let until = hour(3) + Span::MINUTE * 15;
    assert_eq!(in_zone("US-CA"), Gate::Hold { until });
}

#[test]
fn rules_in_space_score_price_room_and_turns() {
    let zones = [zone(Some(300.0), None), zone(Some(300.0), None)];
    let score = |policy: &dyn Policy, nodes: &[NodeView], of: &PodView| {
        let mut verdicts = vec![Verdict::NO_OPINION; nodes.len()];
        policy.place(of, nodes, &signal(&zones, 1), &mut verdicts);
        verdicts.iter().map(|verdict| verdict.score).collect::<Vec<_>>()
    };
    let dear = NodeView { usd_per_core_hour: 0.06, ..node(0) };
    let cheap = NodeView { usd_per_core_hour: 0.04, ..node(1) };
    assert_eq!(score(&LowestPriceZone {}, &[dear, cheap], &pod([0, 1])), [0, 10]);
    let full = NodeView { free: Some(0.1), ..node(0) };
    let empty = NodeView { free: Some(0.9), ..node(1) };
    assert_eq!(score(&MostAvailableZone {}, &[full, empty], &pod([0, 1])), [0, 10]);
    assert_eq!(score(&MostAvailableZone {}, &[full, node(1)], &pod([0, 1])), [0, 0]);
    let turn = |second| {
        let created = hour(0) + Span::SECOND * second;
        score(&RoundRobinZone {}, &[node(0), node(1)], &PodView { created, ..pod([0, 1]) })
    };
    assert_ne!(turn(0), turn(1));
    assert_eq!(turn(0), turn(2));
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

#[test]
fn a_rule_has_a_threshold_where_it_sets_one_from_a_month_of_history() {
    let label = Label {
        zone: "US-CA".parse().unwrap(),
        area: "test".into(),
        signal: carbon_kube_core::intensity::Signal::Average,
        scope: Scope::Direct,
        factor_set: "local".into(),
        provenance: Provenance::Measured,
        source: "test".into(),
    };
    let values = (0..24 * 40).map(|hour| Some(200.0 + f64::from(hour % 24)));
    let series = IntensitySeries::new(label, hour(0), Span::HOUR, values).unwrap();
    let history = History::new(&series, hour(24 * 35));
    for settings in Settings::all() {
        let policy = settings.policy();
        let sets = policy.threshold(&history).is_some() || policy.prices_windows();
        assert_eq!(settings.has_threshold(), sets, "{}", settings.name());
    }
}
