//! Every problem that a scenario can have, as its author sees it: one case per line of the table,
//! all texts in one golden file, so that each is read in review.

use std::collections::BTreeSet;
use std::path::Path;

use carbon_kube_sim::scenario::{self, Code, Diagnostic, Severity};

/// A small scenario without problems; each case changes one line of it.
const BASE: &str = "\
apiVersion: carbon-kube.io/v1alpha1
kind: Scenario
metadata: {name: base}
spec:
  start: 2020-06-01T00:00:00Z
  duration: 7d
  grid:
    zones:
      - zone: US-CA
        source: {constant: {gramsPerKwh: 300}}
  nodePools:
    - name: ca
      zone: US-CA
      count: 2
      allocatable: {cpu: 16, memory: 64Gi}
      power: {idleWatts: 100, busyWatts: 300}
  workloads:
    - name: batch
      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]
  policies: [default-scheduler]
";

/// The code that a case is about, a line of [`BASE`] to replace (or nothing: the whole text), and
/// what to put there.
const CASES: &[(Code, &str, &str)] = &[
    (Code::Unreadable, "", "metadata: \u{0}\n"),
    (Code::Syntax, "", ""),
    (Code::Syntax, "", "spec: [1, 2\n"),
    (Code::Syntax, "  start: 2020-06-01T00:00:00Z", "\tstart: 2020-06-01T00:00:00Z"),
    (Code::TooDeep, "", "a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["),
    (
        Code::TooLarge,
        "",
        "a: &a [1,1,1,1,1,1,1,1,1,1]\n\
         b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
         c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
         d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
         e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
    ),
    (Code::DuplicateKey, "  duration: 7d", "  duration: 7d\n  start: 2020-06-02T00:00:00Z"),
    (Code::UnsupportedYaml, "  duration: 7d", "  duration: !days 7"),
    (Code::UnsupportedYaml, "  duration: 7d", "  <<: {duration: 7d}"),
    (Code::UnsupportedYaml, "  duration: 7d", "  ? [a]\n  : 7d"),
    (Code::UnsupportedYaml, "kind: Scenario", "kind: Scenario\n---\nkind: Scenario"),
    (Code::UnsupportedYaml, "metadata: {name: base}", "metadata: &m {name: *m}"),
    (Code::NoIntensity, "      zone: US-CA", "      zone: US-C4"),
    (Code::UnknownKey, "      count: 2", "      cuont: 2"),
    (Code::UnknownKey, "  policies: [default-scheduler]", "  policies: [{treshold: {}}]"),
    (
        Code::UnknownKey,
        "        source: {constant: {gramsPerKwh: 300}}",
        "        source: {bundeled: {}}",
    ),
    (
        Code::UnknownKey,
        "        source: {constant: {gramsPerKwh: 300}}",
        "        source: {file: {path: x.csv, format: open, timeColumn: t}}",
    ),
    (Code::MissingKey, "  duration: 7d", "  seed: 5"),
    (
        Code::MissingKey,
        "        source: {constant: {gramsPerKwh: 300}}",
        "        source: {file: {path: x.csv, format: columns, timeColumn: t}}",
    ),
    (
        Code::MissingKey,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      generated: {podsPerDay: 10}",
    ),
    (Code::WrongType, "metadata: {name: base}", "metadata: {name: 7}"),
    (Code::WrongType, "      count: 2", "      count: '2'"),
    (Code::WrongType, "  policies: [default-scheduler]", "  policies: default-scheduler"),
    (Code::WrongType, "        source: {constant: {gramsPerKwh: 300}}", "        source: bundled"),
    (Code::WrongType, "  policies: [default-scheduler]", "  outputs: {events: yes}"),
    (Code::WrongType, "  duration: 7d", "  duration:"),
    (Code::UnknownValue, "kind: Scenario", "kind: Scenari"),
    (Code::UnknownValue, "  policies: [default-scheduler]", "  policies: [default-schedular]"),
    (Code::UnknownValue, "  policies: [default-scheduler]", "  forecast: {kind: seasonnal}"),
    (Code::OutOfRange, "      count: 2", "      count: 0"),
    (Code::OutOfRange, "      count: 2", "      count: 1_000_001\n      pue: 0.9"),
    (Code::OutOfRange, "      count: 2", "      count: 2.5"),
    (Code::OutOfRange, "      count: 2", "      count: 2\n      pue: .nan"),
    (Code::OutOfRange, "      count: 2", "      count: 2\n      usdPerHour: -.inf"),
    (Code::OutOfRange, "  policies: [default-scheduler]", "  scheduler: {controlInterval: 0s}"),
    (
        Code::OutOfRange,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      pods: [{duration: 0s, cpu: 1, memory: 1Gi}]",
    ),
    (
        Code::OutOfRange,
        "      count: 2",
        "      count: 2\n      autoscaling: {min: 3, max: 9}\n      spot: {meanBetween: 1s}",
    ),
    (
        Code::OutOfRange,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi, gpu: 1.5}]",
    ),
    (
        Code::OutOfRange,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      kind: Deployment\n      \
         load: {step: 1s, cores: [3], minReplicas: 5, maxReplicas: 2}\n      \
         template: {spec: {containers: [{resources: {requests: {cpu: 1}}}]}}",
    ),
    (Code::OutOfRange, "  policies: [default-scheduler]", "  scheduler: {latency: 2h}"),
    (
        Code::OutOfRange,
        "  policies: [default-scheduler]",
        "  scheduler: {scoringStrategy: {type: RequestedToCapacityRatio, requestedToCapacityRatio: \
         {shape: [{utilization: 100, score: 0}, {utilization: 0, score: 10}]}}}",
    ),
    (
        Code::MissingKey,
        "  policies: [default-scheduler]",
        "  scheduler: {scoringStrategy: {type: RequestedToCapacityRatio}}",
    ),
    (
        Code::NotOne,
        "  nodePools:",
        "        pue: {step: 1h, values: [1.1, 1.3]}\n  nodePools:\n    - {name: b, zone: US-CA, count: 1, \
         pue: 1.5, instanceType: m5.xlarge}",
    ),
    (
        Code::NoPoolMatches,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]\n      \
         template: {spec: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: rack, \
         whenUnsatisfiable: DoNotSchedule, labelSelector: {matchExpressions: \
         [{key: app, operator: Gt, values: ['1']}]}}]}}",
    ),
    (Code::BadFormat, "  duration: 7d", "  duration: seven days"),
    (Code::BadFormat, "  duration: 7d", "  duration: '14'"),
    (Code::BadFormat, "  start: 2020-06-01T00:00:00Z", "  start: 01.06.2020"),
    (Code::BadFormat, "      zone: US-CA", "      zone: US CA"),
    (
        Code::BadFormat,
        "      allocatable: {cpu: 16, memory: 64Gi}",
        "      allocatable: {cpu: -1, memory: 64GB}",
    ),
    (
        Code::NotOne,
        "        source: {constant: {gramsPerKwh: 300}}",
        "        source: {modelled: {}, bundled: {}}",
    ),
    (Code::NotOne, "        source: {constant: {gramsPerKwh: 300}}", "        source: {}"),
    (
        Code::WrongLength,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      generated: {hourly: [1, 2, 3]}",
    ),
    (
        Code::WrongLength,
        "        source: {constant: {gramsPerKwh: 300}}",
        "        source: {steps: {step: 1h, gramsPerKwh: []}}",
    ),
    (
        Code::DuplicateName,
        "  policies: [default-scheduler]",
        "  policies: [default-scheduler, {default-scheduler: {}}]",
    ),
    (
        Code::DuplicateName,
        "      - zone: US-CA",
        "      - {zone: CISO, source: {constant: {gramsPerKwh: 1}}}\n      - zone: US-CA",
    ),
    (Code::BadName, "    - name: ca", "    - name: California_1"),
    (Code::BadLabel, "      count: 2", "      count: 2\n      labels: {'a b': 'x y'}"),
    (
        Code::BadLabel,
        "      count: 2",
        "      count: 2\n      labels: {carbon-kube.io/grid-zone: EU-DE}",
    ),
    (
        Code::BadLabel,
        "    - name: batch",
        "    - name: batch\n      template: {spec: {tolerations: [{value: x}], affinity: {nodeAffinity: \
         {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: \
         [{key: size, operator: Gt, values: [big]}]}]}}}}}",
    ),
    (
        Code::UnknownInstanceType,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      instanceType: m5.4xlrge",
    ),
    (Code::IncompletePool, "      power: {idleWatts: 100, busyWatts: 300}", "      pue: 1.1"),
    (
        Code::PowerOrder,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      power: {idleWatts: 300, busyWatts: 100}",
    ),
    (
        Code::MissingKey,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      power: {idleWatts: 100}",
    ),
    (
        Code::NotOne,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      power: {idleWatts: 100, model: sqrt, points: [100, 200, 300]}",
    ),
    (
        Code::PowerOrder,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      power: {points: [100, 200, 190]}",
    ),
    (
        Code::PowerOrder,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      power: {points: [100]}",
    ),
    (
        Code::UnknownKey,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      power: {idleWatts: 100, busyWatts: 300, exponent: 1.4, onset: 0.3}",
    ),
    (
        Code::UnknownInstanceType,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      power: {idleWatts: 100, busyWatts: 300}\n      gpu: {model: A10O}",
    ),
    (
        Code::PowerOrder,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      power: {idleWatts: 100, busyWatts: 300}\n      gpu: {idleWatts: 300, busyWatts: 30}",
    ),
    (
        Code::MissingKey,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      power: {idleWatts: 100, busyWatts: 300}\n      gpu: {busyWatts: 30}",
    ),
    (
        Code::MissingKey,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      power: {idleWatts: 100, busyWatts: 300}\n      embodied: {lifetimeYears: 5}",
    ),
    (
        Code::NotOne,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      power: {idleWatts: 100, busyWatts: 300}\n      usdPerHour: 1\n      price: {onDemand: 2}",
    ),
    (
        Code::MissingKey,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      power: {idleWatts: 100, busyWatts: 300}\n      price: {onDemand: 2, purchase: spot}",
    ),
    (
        Code::MissingKey,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      power: {idleWatts: 100, busyWatts: 300}\n      instanceTable: m.csv",
    ),
    (
        Code::UnknownInstanceType,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      instanceType: Standard_D8s_v55",
    ),
    (
        Code::UnknownInstanceType,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      instanceType: rack1\n      instanceTable: tests/scenarios/machines.csv",
    ),
    (
        Code::UnreadableTrace,
        "      power: {idleWatts: 100, busyWatts: 300}",
        "      instanceType: rack-1\n      instanceTable: tests/scenarios/jobs.csv",
    ),
    (
        Code::PodTooLarge,
        "      allocatable: {cpu: 16, memory: 64Gi}",
        "      allocatable: {cpu: 500m}\n      instanceType: rack-2\n      instanceTable: tests/scenarios/machines.csv",
    ),
    (
        Code::UnknownTimeZone,
        "        source: {constant: {gramsPerKwh: 300}}",
        "        source: {constant: {gramsPerKwh: 300}}\n        electricityPrice: {timeOfUse: {timeZone: Mars, weekdayUsdPerKwh: [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}}",
    ),
    (
        Code::WrongLength,
        "        source: {constant: {gramsPerKwh: 300}}",
        "        source: {constant: {gramsPerKwh: 300}}\n        electricityPrice: {timeOfUse: {weekdayUsdPerKwh: [0.1]}}",
    ),
    (
        Code::UnreadableTrace,
        "        source: {constant: {gramsPerKwh: 300}}",
        "        source: {constant: {gramsPerKwh: 300}}\n        electricityPrice: {file: {path: tests/scenarios/prices.csv, timeColumn: start, valueColumn: USD}}",
    ),
    (
        Code::UnreadableTrace,
        "  start: 2020-06-01T00:00:00Z\n  duration: 7d\n  grid:\n    zones:\n      - zone: US-CA",
        "  start: 2020-06-12T00:00:00Z\n  duration: 7d\n  grid:\n    zones:\n      - zone: US-CA\n        electricityPrice: {file: {path: tests/scenarios/prices.csv, timeColumn: start, valueColumn: EUR/MWh}}",
    ),
    (
        Code::WorkloadSource,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      maxDelay: 1h",
    ),
    (
        Code::WorkloadSource,
        "    - name: batch",
        "    - name: batch\n      kind: Deployment\n      replicas: 3",
    ),
    (
        Code::WorkloadSource,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      replicas: 3\n      template: {spec: {containers: [{resources: {limits: {cpu: 1}}}]}}",
    ),
    (
        Code::NoPoolMatches,
        "    - name: batch",
        "    - name: batch\n      template: {spec: {nodeSelector: {carbon-kube.io/grid-zone: EU-DE}}}",
    ),
    (
        Code::NoPoolMatches,
        "      count: 2",
        "      count: 2\n      taints: [{key: gpu, value: a100, effect: NoSchedule}]",
    ),
    (
        Code::NoPoolMatches,
        "    - name: batch",
        "    - name: batch\n      template: {spec: {affinity: {nodeAffinity: \
         {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: \
         [{key: disk, operator: Exists}]}]}}}}}",
    ),
    (
        Code::PodTooLarge,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}, {duration: 1h, cpu: 64, memory: 1Gi, gpu: 1}]",
    ),
    (Code::BadWindow, "  duration: 7d", "  duration: 0s"),
    (Code::BadWindow, "  duration: 7d", "  duration: 9000d"),
    (
        Code::TooManyPods,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      generated: {podsPerDay: 9e6, duration: {median: 1h, sigma: 1}, shapes: [{cpu: 1, memory: 1Gi}]}",
    ),
    (
        Code::NoWeight,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      generated: {podsPerDay: 9, duration: {median: 1h, sigma: 1}, hourly: \
         [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0], shapes: [{weight: 0, cpu: 1, memory: 1Gi}]}",
    ),
    (
        Code::BadDistribution,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      generated: {podsPerDay: 9, duration: {median: 1h, sigma: 1, max: 30m}, shapes: [{cpu: 1, memory: 1Gi}]}",
    ),
    (
        Code::OutsideWindow,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      pods: [{arrival: 8d, duration: 1h, cpu: 1, memory: 1Gi}]",
    ),
    (
        Code::ForecastSetting,
        "  policies: [default-scheduler]",
        "  forecast: {kind: perfect, error: 0.1}",
    ),
    (Code::ForecastSetting, "  policies: [default-scheduler]", "  forecast: {kind: recorded}"),
    (Code::NotReference, "  policies: [default-scheduler]", "  policies: [threshold]"),
    (
        Code::IgnoredKey,
        "    - name: batch",
        "    - name: batch\n      template: {spec: {restartPolicy: Never}}",
    ),
    (
        Code::BadAnnotation,
        "    - name: batch",
        "    - name: batch\n      template: {metadata: {annotations: {carbon-kube.io/max-delay: soon, \
         carbon-kube.io/migratable: 'yes', carbon-kube.io/interuptible: 'true'}}}",
    ),
    (
        Code::NoRequest,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      pods: [{duration: 1h}]",
    ),
    (
        Code::UselessCheckpoint,
        "    - name: batch",
        "    - name: batch\n      interruptible: true\n      maxDelay: 1h\n      checkpoint: 2h",
    ),
    (
        Code::RetryInterval,
        "  policies: [default-scheduler]",
        "  scheduler: {holding: filter, retryInterval: 5s}",
    ),
    (Code::RetryInterval, "  policies: [default-scheduler]", "  scheduler: {retryInterval: 5m}"),
    (Code::UnknownValue, "  policies: [default-scheduler]", "  scheduler: {holding: filtre}"),
    (Code::BackoffOrder, "  policies: [default-scheduler]", "  scheduler: {backoffInitial: 1m}"),
    (
        Code::UnreadableTrace,
        "        source: {constant: {gramsPerKwh: 300}}",
        "        source: {file: {path: missing.csv, format: open}}",
    ),
    (
        Code::UnknownPreset,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      generated: {preset: azure}",
    ),
    (
        Code::UnknownTimeZone,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      generated: {podsPerDay: 9, timeZone: Europe/Berln, duration: {median: 1h, sigma: 1}, \
         shapes: [{cpu: 1, memory: 1Gi}]}",
    ),
    (
        Code::NoIntensity,
        "        source: {constant: {gramsPerKwh: 300}}",
        "        source: {bundled: {}}\n      - {zone: EU-PL, source: {bundled: {}}}\n      - zone: SG",
    ),
    (
        Code::MixedSignals,
        "        source: {constant: {gramsPerKwh: 300}}",
        "        source: {bundled: {signal: marginal}}\n      - {zone: EU-FR, source: {bundled: {}}}",
    ),
    (
        Code::UnreadableTrace,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      trace: {path: tests/scenarios/jobs.csv, columns: {memory: ram}}",
    ),
    (
        Code::NotOne,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      trace: {path: tests/scenarios/jobs.csv, columns: {duration: length, end: finish}}",
    ),
    (
        Code::OutsideWindow,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      trace: {path: tests/scenarios/jobs.csv, arrivalUnit: epochSeconds}",
    ),
    (
        Code::PodTooLarge,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      trace: {path: tests/scenarios/jobs.csv, memoryPerCore: 10Gi}",
    ),
    (
        Code::PodTooLarge,
        "      pods: [{duration: 1h, cpu: 1, memory: 1Gi}]",
        "      generated: {preset: azure-2017}",
    ),
    (
        Code::OutOfRange,
        "  policies: [default-scheduler]",
        "  policies: [default-scheduler, {percentile: {percentile: 130}}]",
    ),
    (
        Code::UnknownKey,
        "  policies: [default-scheduler]",
        "  policies: [default-scheduler, {percentile: {percentil: 13}}]",
    ),
    (
        Code::NotOne,
        "  policies: [default-scheduler]",
        "  policies: [{percentile: {}, threshold: {}}]",
    ),
    (Code::NothingToRun, "  policies: [default-scheduler]", "  policies: []"),
];

/// Codes without a case here: a bug of ours, and those with a test of their own.
const ELSEWHERE: &[Code] =
    &[Code::Mismatch, Code::BadOverride, Code::TooManyZones, Code::TooManyProblems];

fn problems(text: &str) -> Vec<Diagnostic> {
    match scenario::parse(text.as_bytes(), "s.yaml", &[]) {
        Ok(parsed) => {
            let base_dir = Path::new("");
            scenario::build(&parsed, base_dir).err().unwrap_or(parsed.warnings)
        }
        Err(problems) => problems,
    }
}

fn shown(problems: &[Diagnostic]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn the_base_of_the_cases_has_no_problems() {
    assert_eq!(shown(&problems(BASE)), "");
}

#[test]
fn every_problem_says_what_where_and_what_to_do() {
    let mut golden = String::new();
    let mut seen: BTreeSet<Code> = ELSEWHERE.iter().copied().collect();
    for (code, line, with) in CASES {
        let text = if line.is_empty() {
            (*with).to_owned()
        } else {
            assert!(BASE.contains(line), "the base has no line {line:?}");
            BASE.replacen(line, with, 1)
        };
        let found = problems(&text);
        assert!(
            found.iter().any(|problem| problem.code == *code),
            "no {code} for {with:?}:\n{}",
            shown(&found)
        );
        seen.insert(*code);
        let with = if with.is_empty() { "(an empty file)" } else { with.trim() };
        golden += &format!("{with}\n\n{}\n\n----\n\n", shown(&found)).replace('\u{0}', "\\0");
    }
    let missing: Vec<&Code> = Code::ALL.iter().filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    insta::assert_snapshot!("problems", golden);
}

#[test]
fn an_override_that_cannot_be_applied_says_why() {
    let apply = |path: &str, value: &str| {
        let set = [(path.to_owned(), value.to_owned())];
        match scenario::parse(BASE.as_bytes(), "s.yaml", &set) {
            Ok(parsed) => shown(&parsed.warnings),
            Err(problems) => shown(&problems),
        }
    };
    let golden: Vec<String> = [
        ("nodePools[0].count", "5"),
        ("spec.nodePools[0].cuont", "5"),
        ("nodePool[0].count", "5"),
        ("nodePools[3].count", "5"),
        ("nodePools.count", "5"),
        ("seed.x", "5"),
        ("duration[0]", "5"),
        ("nodePools[0]count", "5"),
        ("", "5"),
        ("seed", "many"),
        ("seed", "[1"),
        ("forecast.kind", "perfekt"),
        ("duration", "0s"),
    ]
    .iter()
    .map(|(path, value)| format!("--set {path}={value}\n{}", apply(path, value)))
    .collect();
    insta::assert_snapshot!("overrides", golden.join("\n\n"));
}

#[test]
fn more_zones_than_a_set_holds_are_refused() {
    let zones: String = (0..65)
        .map(|i| format!("      - {{zone: Z{i}, source: {{constant: {{gramsPerKwh: 1}}}}}}\n"))
        .collect();
    let text = BASE.replacen("      - zone: US-CA\n", &format!("{zones}      - zone: US-CA\n"), 1);
    let found = problems(&text);
    assert_eq!(found[0].code, Code::TooManyZones, "{}", shown(&found));
}

#[test]
fn a_window_outside_the_bundled_data_names_both_ranges() {
    let text = BASE
        .replace("{constant: {gramsPerKwh: 300}}", "{bundled: {}}")
        .replace("2020-06-01T00", "2021-06-01T00");
    insta::assert_snapshot!("outside_bundled", shown(&problems(&text)));
}

#[test]
fn no_more_problems_are_reported_than_anybody_reads() {
    let keys: String = (0..100_000).map(|i| format!("  key{i}: 1\n")).collect();
    for text in [format!("{BASE}{keys}"), "a: 1\n".repeat(100_000)] {
        let found = problems(&text);
        assert_eq!(found.len(), 201);
        assert_eq!(found[200].code, Code::TooManyProblems);
    }
}

#[test]
fn many_warnings_hide_no_error_and_are_none() {
    let containers = "{command: [a], args: [b], env: [], ports: []}, ".repeat(100);
    let text = BASE.replace(
        "    - name: batch",
        &format!("    - name: batch\n      template: {{spec: {{containers: [{containers}]}}}}"),
    );
    let parsed = scenario::parse(text.as_bytes(), "s.yaml", &[]).unwrap();
    assert_eq!(parsed.warnings.len(), 201);
    let found = problems(&text.replace("default-scheduler", "default"));
    assert!(found.iter().any(|problem| problem.code == Code::UnknownValue));
}

#[test]
fn warnings_alone_do_not_refuse_a_scenario() {
    let text = BASE.replace("[default-scheduler]", "[threshold]");
    let parsed = scenario::parse(text.as_bytes(), "s.yaml", &[]).unwrap();
    assert!(parsed.warnings.iter().all(|w| w.severity == Severity::Warning));
    assert_eq!(parsed.warnings.len(), 1);
}

#[test]
fn a_problem_is_also_machine_readable() {
    let found = problems(&BASE.replace("count: 2", "cuont: 2"));
    insta::assert_snapshot!("machine_readable", serde_json::to_string_pretty(&found).unwrap());
}
