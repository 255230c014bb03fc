//! What a scenario becomes: worlds, the effective scenario, and the published references.

use std::path::{Path, PathBuf};

use carbon_kube_core::{MilliCpu, MilliGpu, Span, Time};
use carbon_kube_sim::scenario::{self, Parsed};
use carbon_kube_sim::world::World;

const FULL: &str = include_str!("scenarios/full.yaml");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

fn parsed(text: &str) -> Parsed {
    scenario::parse(text.as_bytes(), "s.yaml", &[]).unwrap_or_else(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    })
}

fn world(text: &str) -> World {
    scenario::build(&parsed(text), &folder()).unwrap_or_else(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    })
}

/// A week in California with the given workloads; `source` may be empty.
fn with(source: &str, workloads: &str) -> String {
    format!(
        "apiVersion: carbon-kube.io/v1alpha1\n\
         kind: Scenario\n\
         metadata: {{name: t}}\n\
         spec:\n  start: 2020-06-01T00:00:00Z\n  duration: 7d\n  grid:\n    zones:\n      - zone: US-CA\n{source}\n  \
         nodePools: [{{name: ca, zone: CISO, count: 2, instanceType: m5.4xlarge}}]\n  \
         workloads:\n{workloads}\n"
    )
}

const ONE_POD: &str = "    - {name: a, pods: [{duration: 1h, cpu: 1, memory: 1Gi}]}";

#[test]
fn the_effective_scenario_reads_back_as_the_same_scenario_and_world() {
    for text in [
        FULL.to_owned(),
        with("", ONE_POD),
        with("", "    - {name: g, generated: {preset: azure-2017, podsPerDay: 20, shapes: [{cpu: 1, memory: 1Gi}]}}"),
        with("", "    - {name: t, trace: {path: jobs.csv, columns: {memory: memory, maxDelay: max_delay}}}"),
        with("        source: {file: {path: intensity.csv, format: columns, timeColumn: utc, valueColumn: g}}", ONE_POD)
            .replace("duration: 7d", "duration: 2d"),
        with("        source: {bundled: {signal: marginal}}", ONE_POD) + "  forecast: {kind: recorded}\n",
        with_pool("instanceType: a2-highgpu-1g, price: {spot: 1, purchase: spot}, embodied: {server: {cpus: 1, coresPerCpu: 8, memoryGb: 64}}"),
        with_pool("instanceType: rack-1, instanceTable: machines.csv"),
        with_pool("allocatable: {cpu: 4, memory: 16Gi}, power: {points: [1, 2, 4]}"),
        with("        electricityPrice: {constant: {usdPerKwh: 0.1}}", ONE_POD),
    ] {
        let first = parsed(&text);
        let effective = scenario::effective_yaml(&first.spec);
        let second = parsed(&effective);
        assert_eq!(first.spec, second.spec, "{effective}");
        assert_eq!(scenario::effective_yaml(&second.spec), effective);
        let world = |parsed| format!("{:?}", scenario::build(parsed, &folder()).unwrap());
        assert_eq!(world(&first), world(&second));
    }
}

#[test]
fn the_effective_scenario_says_what_was_left_out() {
    insta::assert_snapshot!(
        "effective",
        scenario::effective_yaml(&parsed(&with("", ONE_POD)).spec)
    );
}

#[test]
fn pods_are_sorted_by_arrival_then_by_workload() {
    let world = world(FULL);
    let keys: Vec<(Time, u32)> = world.pods.iter().map(|p| (p.arrival, p.class)).collect();
    assert!(keys.is_sorted());
    assert!(world.pods.iter().all(|p| (world.start..world.end).contains(&p.arrival)));
    // 40 a day over two weeks are 560; Poisson, so within 4 x sqrt(560) = 95 of it.
    let drawn = world.pods.iter().filter(|p| p.class == 0).count();
    assert!((465..=655).contains(&drawn), "{drawn}");
}

#[test]
fn a_deployment_runs_from_start_to_end_and_does_not_wait() {
    let world = world(FULL);
    let web: Vec<_> = world.pods.iter().filter(|p| p.class == 2).collect();
    assert_eq!(web.len(), 4);
    assert!(web.iter().all(|p| p.arrival == world.start && p.duration == world.end - world.start));
    assert!(web.iter().all(|p| p.max_delay.is_none() && p.requests.cpu == MilliCpu(2_000)));
}

#[test]
fn requests_come_from_the_pod_or_from_all_containers_with_limits_for_missing_requests() {
    let world = world(FULL);
    let listed: Vec<_> = world.pods.iter().filter(|p| p.class == 1).collect();
    // 250m requested, and 100m of the sidecar's limit.
    assert_eq!(listed[0].requests.cpu, MilliCpu(350));
    assert_eq!(listed[0].requests.memory.0, (128 + 64) << 20);
    assert_eq!(listed[1].requests.cpu, MilliCpu(1_000));
}

#[test]
fn the_delay_is_the_pods_own_else_the_workloads_and_a_deadline_shortens_it() {
    let world = world(FULL);
    let listed: Vec<_> = world.pods.iter().filter(|p| p.class == 1).collect();
    assert_eq!(listed[0].max_delay, Some(Span::HOUR * 12), "from the annotation");
    assert_eq!(listed[1].max_delay, Some(Span::HOUR * 6), "its own");
    assert!(world.classes[1].interruptible && !world.classes[1].migratable);
    // Five days to the deadline less one hour of work, where nothing else is said.
    let text = with(
        "",
        "    - name: a\n      pods: [{arrival: 1d, duration: 1h, cpu: 1, memory: 1Gi}, {duration: 9d, cpu: 1, memory: 1Gi}]\n      \
         template: {metadata: {annotations: {carbon-kube.io/deadline: 2020-06-07T00:00:00Z}}}",
    );
    let delays: Vec<_> = self::world(&text).pods.iter().map(|p| p.max_delay).collect();
    assert_eq!(delays, [Some(Span::ZERO), Some(Span::HOUR * (5 * 24 - 1))]);
}

const OPENB: &str = "    - name: openb\n      maxDelay: 6h\n      trace: {path: openb.csv}";

#[test]
fn pods_of_a_trace_that_differ_in_priority_are_classes_of_their_own() {
    let world = world(&with("", OPENB));
    let classes: Vec<_> =
        world.classes.iter().map(|c| (c.name.as_str(), c.priority, c.interruptible)).collect();
    assert_eq!(
        classes,
        [
            ("openb", 0, false),
            ("openb-p100", 100, false),
            ("openb-p0-interruptible", 0, true),
            ("openb-p50", 50, false),
        ]
    );
    let pods: Vec<_> = world.pods.iter().map(|p| (p.class, p.max_delay)).collect();
    let waits = Some(Span::HOUR * 6);
    assert_eq!(pods, [(1, Some(Span::ZERO)), (2, waits), (3, waits), (2, waits)]);
    let [source] = world.traces.as_slice() else { panic!("one trace") };
    assert_eq!((source.format.as_str(), source.rows, source.pods), ("openb", 5, 4));
    assert_eq!(source.skipped["never scheduled, so without a length"], 1);
}

#[test]
fn a_workload_that_says_whether_its_pods_may_be_paused_wins_over_the_trace() {
    let world = world(&with("", &format!("{OPENB}\n      interruptible: false")));
    assert!(world.classes.iter().all(|class| !class.interruptible));
}

#[test]
fn a_trace_is_cut_scaled_and_laid_on_the_window() {
    let options = "from: 10s, to: 21s, timeScale: 3600, sizeScale: 2, podCpu: 1";
    let text = OPENB.replace("openb.csv}", &format!("openb.csv, {options}}}"));
    let world = world(&with("", &text));
    // Pods of second 10 and 20; the second asks for 1.5 cores.
    let at: Vec<_> =
        world.pods.iter().map(|p| ((p.arrival - world.start).hours(), p.requests.cpu.0)).collect();
    assert_eq!(
        at,
        [(0.0, 1_000), (0.0, 1_000), (10.0, 750), (10.0, 750), (10.0, 750), (10.0, 750)]
    );
}

#[test]
fn a_column_may_hold_a_deadline() {
    let text = with(
        "",
        "    - {name: t, maxDelay: 9h, trace: {path: deadlines.csv, columns: {deadline: by}}}",
    );
    let delays: Vec<_> = world(&text).pods.iter().map(|p| p.max_delay).collect();
    // An hour of work from second 0, to be done by 3 h; by 30 min; by no time.
    assert_eq!(delays, [Some(Span::HOUR * 2), Some(Span::ZERO), Some(Span::HOUR * 9)]);
}

#[test]
fn a_trace_fills_gaps_from_workload_and_template_and_leaves_out_late_rows() {
    let text = with(
        "",
        "    - name: t\n      maxDelay: 24h\n      trace: {path: jobs.csv, columns: {maxDelay: max_delay}}\n      \
         template: {spec: {containers: [{resources: {requests: {memory: 3Gi}}}]}}",
    );
    let world = world(&text);
    let rows: Vec<_> = world
        .pods
        .iter()
        .map(|p| ((p.arrival - world.start).seconds() as u64, p.requests.cpu.0, p.max_delay))
        .collect();
    let hours = |h| Some(Span::HOUR * h);
    assert_eq!(
        rows,
        [
            (0, 1_000, hours(24)),
            (1_800, 250, hours(0)),
            (3_600, 2_500, hours(2)),
            (86_400, 8_000, hours(1)),
        ]
    );
    assert!(world.pods.iter().all(|p| p.requests.memory.0 == 3 << 30));
}

#[test]
fn an_instance_type_fills_in_the_pool_and_what_is_given_wins() {
    let text = with("", ONE_POD).replace("m5.4xlarge", "m5.4xlarge, allocatable: {cpu: 15}");
    let pool = &world(&text).pools[0];
    assert_eq!(pool.allocatable.cpu, MilliCpu(15_000));
    assert_eq!(pool.allocatable.memory.0, 64 << 30);
    assert!(pool.busy > pool.idle && pool.embodied_kg > 0.0);
    assert_eq!(pool.labels["node.kubernetes.io/instance-type"], "m5.4xlarge");
    assert_eq!(pool.labels["carbon-kube.io/grid-zone"], "US-CA", "the alias is resolved");
}

/// [`with`] one pod, and a pool that says these things.
fn with_pool(pool: &str) -> String {
    with("", ONE_POD).replace("instanceType: m5.4xlarge", pool)
}

#[test]
fn power_has_a_model_or_points() {
    let watts = |power: &str, utilisation: f64| {
        let pool = format!("allocatable: {{cpu: 4, memory: 16Gi}}, power: {{{power}}}");
        let pool = &world(&with_pool(&pool)).pools[0];
        let ends = (pool.idle.get(), pool.busy.get());
        (ends, pool.curve.as_ref().map(|curve| curve.watts(utilisation).get()))
    };
    let ends = (100.0, 300.0);
    assert_eq!(watts("idleWatts: 100, busyWatts: 300", 0.5), (ends, None));
    assert_eq!(watts("idleWatts: 100, busyWatts: 300, model: square", 0.5), (ends, Some(150.0)));
    assert_eq!(watts("points: [100, 240, 300]", 0.25), (ends, Some(170.0)));
    let sleeps = watts("idleWatts: 100, busyWatts: 300, zeroWhenIdle: true", 0.5);
    assert_eq!(sleeps, ((0.0, 300.0), Some(200.0)));
    // 100 + 200 x (2 x 0.5 - 0.5^1.4), with the exponent of Fan et al.
    let mse = watts("idleWatts: 100, busyWatts: 300, model: mse", 0.5).1.unwrap();
    assert!((mse - (300.0 - 200.0 * 0.5f64.powf(1.4))).abs() < 1e-9);
}

#[test]
fn machines_of_three_clouds_and_of_a_users_table_fill_in_the_pool() {
    let pool = |pool: &str| world(&with_pool(pool)).pools.remove(0);
    let gcp = pool("instanceType: n2-standard-8");
    assert_eq!((gcp.allocatable.cpu, gcp.allocatable.memory.0), (MilliCpu(8_000), 32 << 30));
    assert!((gcp.idle.get() - 12.132).abs() < 1e-3 && gcp.embodied_kg > 0.0);
    assert_eq!(pool("instanceType: Standard_E8s_v5").allocatable.memory.0, 64 << 30);
    // One A100: 46.4 W idle beside the CPUs', and 353.6 W more at full load.
    let gpu = pool("instanceType: a2-highgpu-1g");
    let bare = pool("instanceType: a2-highgpu-1g, gpu: {idleWatts: 0, busyWatts: 0}");
    assert!(((gpu.idle - bare.idle).get() - 46.4).abs() < 1e-9);
    assert!((gpu.watts_per_gpu.get() - 353.6).abs() < 1e-9);
    assert!(((gpu.full_power() - bare.full_power()).get() - 400.0).abs() < 1e-9);
    // A row of the user's: 90 W and two A100 of 46.4 W; half of a server of 1,000 kg.
    let own = pool("instanceType: rack-1, instanceTable: machines.csv");
    assert_eq!((own.allocatable.cpu, own.allocatable.gpu), (MilliCpu(64_000), MilliGpu::whole(2)));
    assert!((own.idle.get() - 182.8).abs() < 1e-9 && (own.embodied_kg - 500.0).abs() < 1e-9);
    assert!((own.watts_per_gpu.get() - 353.6).abs() < 1e-9);
}

#[test]
fn a_pool_pays_the_price_that_it_is_bought_by() {
    let usd = |price: &str| {
        world(&with_pool(&format!("instanceType: m5.large, {price}"))).pools[0].usd_per_hour
    };
    let all = "onDemand: 0.4, reserved: 0.25, spot: 0.1";
    let paid = ["", ", purchase: onDemand", ", purchase: reserved", ", purchase: spot"]
        .map(|purchase| usd(&format!("price: {{{all}{purchase}}}")));
    assert_eq!(format!("{paid:?}"), "[0.4, 0.4, 0.25, 0.1]");
    let short = [usd("usdPerHour: 2"), usd("maxPods: 30")];
    assert_eq!(format!("{short:?}"), "[2.0, 0.0]");
}

#[test]
fn embodied_is_a_number_or_the_parts_of_a_server() {
    let kg = |embodied: &str| {
        let text = with_pool(&format!("instanceType: m5.large, embodied: {{{embodied}}}"));
        world(&text).pools[0].embodied_kg
    };
    let server = "server: {cpus: 2, coresPerCpu: 24, memoryGb: 358, share: 0.5}";
    // CPUs 43.38174, memory 502.64, power supplies 145.314, board, case and assembly 222.78: half.
    assert!((kg(server) - 457.057_87).abs() < 1e-9);
    assert!((kg(&format!("kgCo2e: 7, {server}")) - 7.0).abs() < 1e-9);
}

#[test]
fn electricity_has_a_price_by_zone() {
    let price = |price: &str, hours: i64| {
        let text = with(&format!("        electricityPrice: {{{price}}}"), ONE_POD);
        let world = world(&text);
        let prices = world.zones[0].electricity.clone().unwrap();
        prices.integral(world.start, world.start + Span::HOUR * hours)
    };
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    close(price("constant: {usdPerKwh: 0.1}", 24), 2.4);
    // 17:00 to 21:00 in California are 0:00 to 4:00 UTC of the next day. The window starts there on a
    // Sunday at 17:00, which has another price where the scenario says so.
    let weekday = "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.5,0.5,0.5,0.5,0,0,0";
    close(price(&format!("timeOfUse: {{weekdayUsdPerKwh: [{weekday}]}}"), 48), 4.0);
    let free = ["0"; 24].join(",");
    let weekend = format!("weekendUsdPerKwh: [{free}]");
    close(price(&format!("timeOfUse: {{weekdayUsdPerKwh: [{weekday}], {weekend}}}"), 48), 2.0);
    let utc = format!("timeOfUse: {{timeZone: UTC, weekdayUsdPerKwh: [{weekday}]}}");
    close(price(&utc, 24), 2.0);
    // 22 hours of 50 EUR/MWh at 1.1 USD, then two of -10.
    let file = "file: {path: prices.csv, timeColumn: start, valueColumn: EUR/MWh, usdRate: 1.1}";
    close(price(file, 24), 22.0 * 0.055 - 2.0 * 0.011);
}

#[test]
fn steps_begin_with_the_window_and_repeat_on_both_sides() {
    let text = with("        source: {steps: {step: 6h, gramsPerKwh: [1, 2, 3, 4, 5]}}", ONE_POD);
    let world = world(&text);
    let series = &world.zones[0].series;
    let at = |hours: i64| series.at(world.start + Span::HOUR * hours).unwrap().get() as u32;
    assert_eq!([at(0), at(6), at(24), at(30)], [1, 2, 5, 1]);
    assert_eq!([at(-6), at(-30), at(-36)], [5, 1, 5]);
    assert!(series.end() >= world.end + Span::DAY * 14);
}

#[test]
fn a_zone_without_a_source_is_bundled_inside_2020_and_modelled_outside() {
    use carbon_kube_core::intensity::Provenance;
    let provenance = |start: &str, duration: &str| {
        let text = with("", ONE_POD).replace("2020-06-01", start).replace("7d", duration);
        world(&text).zones[0].series.label().provenance
    };
    assert_eq!(provenance("2020-06-01", "7d"), Provenance::Measured);
    assert_eq!(provenance("2020-12-25", "7d"), Provenance::Measured);
    assert_eq!(provenance("2020-12-25", "8d"), Provenance::Modelled);
    assert_eq!(provenance("2023-06-01", "7d"), Provenance::Modelled);
}

#[test]
fn overrides_change_the_world() {
    let set = |path: &str, value: &str| (path.to_owned(), value.to_owned());
    let overrides = [
        set("nodePools[0].count", "5"),
        set("spec.seed", "9"),
        set("metadata.name", "other"),
        set("scheduler.controlInterval", "30m"),
        set("grid.zones[0].source", "{constant: {gramsPerKwh: 1}}"),
        set("nodePools[0].labels[\"example.com/disk\"]", "ssd"),
    ];
    let parsed = scenario::parse(with("", ONE_POD).as_bytes(), "s.yaml", &overrides).unwrap();
    let world = scenario::build(&parsed, &folder()).unwrap();
    assert_eq!((world.pools[0].count, world.seed, world.name.as_str()), (5, 9, "other"));
    assert_eq!(world.scheduler.control_interval, Span::MINUTE * 30);
    assert!((world.zones[0].series.overall_mean().get() - 1.0).abs() < 1e-9);
    assert_eq!(world.pools[0].labels["example.com/disk"], "ssd");
}

#[test]
fn a_pasted_pod_template_is_accepted_with_warnings() {
    let text = with(
        "",
        "    - name: a\n      pods: [{duration: 1h}]\n      template:\n        metadata: {creationTimestamp: null}\n        \
         spec:\n          restartPolicy: Never\n          containers:\n            - name: main\n              \
         image: busybox\n              command: [sleep, '60']\n              env: [{name: A, value: b}]\n              \
         resources: {requests: {cpu: 1, memory: 1Gi, ephemeral-storage: 1Gi}}",
    );
    let warned: Vec<String> = parsed(&text).warnings.iter().map(|w| w.path.clone()).collect();
    assert_eq!(warned.len(), 5, "{warned:#?}");
}

/// Compares a published file with what the code says; `UPDATE_GOLDEN=1` writes it.
fn golden(path: &str, current: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let folder = file.parent().expect("the path has a folder");
        std::fs::create_dir_all(folder).expect("the checkout can be written");
        std::fs::write(&file, current).expect("the checkout can be written");
    }
    let published = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        published.replace("\r\n", "\n") == current,
        "{path} is not current; run the test again with UPDATE_GOLDEN=1"
    );
}

#[test]
fn the_published_schema_is_current() {
    let schema = serde_json::to_string_pretty(&scenario::json_schema()).unwrap();
    golden("scenarios/scenario.schema.json", &format!("{schema}\n"));
}

#[test]
fn the_page_of_problems_is_current() {
    golden("docs/scenario-errors.md", &scenario::reference());
}

/// Every property of the schema says what it means: the doc comments are the reference.
#[test]
fn every_key_of_the_schema_is_described() {
    let schema = scenario::json_schema();
    let mut bare = Vec::new();
    let own = [("Scenario", &schema)];
    let definitions = schema["$defs"].as_object().unwrap();
    for (name, definition) in
        own.into_iter().chain(definitions.iter().map(|(n, d)| (n.as_str(), d)))
    {
        let properties = definition["properties"].as_object();
        for (key, property) in properties.into_iter().flatten() {
            if property["description"].as_str().is_none_or(str::is_empty) {
                bare.push(format!("{name}.{key}"));
            }
        }
    }
    assert!(bare.is_empty(), "{bare:?}");
}
