//! The counts and statistics of the real traces, counted independently of the readers.

use std::collections::BTreeMap;

use carbon_kube_datasets::workload::Arrival;
use carbon_kube_datasets::workload::account::Account;
use carbon_kube_datasets::workload::openb;
use carbon_kube_datasets::workload::trace::{self, Format, Settings};

use crate::test_data;

fn read(file: &str, format: Format) -> Option<(Vec<Arrival>, Account)> {
    let path = test_data::file(&format!("workloads/{file}"))?;
    let mut trace = trace::open(&path, Settings::everything()).unwrap();
    assert_eq!(trace.format(), format, "{file}");
    let pods: Vec<Arrival> = trace.by_ref().map(Result::unwrap).collect();
    Some((pods, trace.account().clone()))
}

fn mean(pods: &[Arrival], of: fn(&Arrival) -> f64) -> f64 {
    pods.iter().map(of).sum::<f64>() / pods.len() as f64
}

fn cores(pod: &Arrival) -> f64 {
    pod.cpu.0 as f64 / 1_000.0
}

fn hours(pod: &Arrival) -> f64 {
    pod.duration.hours()
}

fn rows(account: &Account, name: &str) -> u64 {
    account.assumptions.iter().find(|assumption| assumption.name == name).map_or(0, |a| a.rows)
}

fn near(got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-6 * expected, "{got}, expected {expected}");
}

#[test]
fn swf_logs() {
    let Some((pods, account)) = read("NASA-iPSC-1993-3.1-cln.swf.gz", Format::Swf) else { return };
    assert_eq!((pods.len(), account.rows), (18_239, 18_239));
    // `; UnixStartTime: 749458803`, and the first job at second 0 of it.
    assert_eq!(pods[0].at.to_string(), "1993-10-01T07:00:03Z");
    // 173 jobs have a run time of zero; an iPSC has cubes of 1 to 128 processors.
    assert_eq!(rows(&account, "under-a-second"), 173);
    assert!(pods.iter().all(|pod| cores(pod) <= 128.0 && (cores(pod) as u64).is_power_of_two()));

    let (pods, account) = read("lublin_256.swf.gz", Format::Swf).unwrap();
    assert_eq!((pods.len(), account.skipped.len()), (10_000, 0));
    let longest = pods.iter().map(|pod| pod.duration.seconds()).fold(0.0, f64::max);
    near(longest, 124_707.0);

    let (pods, _) = read("CTC-SP2-1996_excerpt.swf", Format::Swf).unwrap();
    assert_eq!(
        pods.iter().map(|pod| pod.cpu.0 / 1_000).collect::<Vec<_>>(),
        [306, 17, 306, 64, 64]
    );
}

#[test]
fn openb_pods_and_nodes() {
    for file in ["alibaba_openb_pod_list_default.csv", "alibaba_openb_pod_list_gpuspec33.csv"] {
        let Some((pods, account)) = read(file, Format::Openb) else { return };
        assert_eq!((account.rows, pods.len()), (8_152, 8_152 - 897));
        assert_eq!(account.skipped.values().sum::<u64>(), 897);
        let end = pods.iter().map(|pod| pod.at.millis()).max().unwrap();
        assert_eq!(end / 86_400_000, 149, "days");
    }
    let path = test_data::file("workloads/alibaba_openb_node_list_all_node.csv").unwrap();
    let groups = openb::nodes(&path).unwrap();
    let sum = |of: fn(&openb::Nodes) -> u64| {
        groups.iter().map(|(nodes, count)| of(nodes) * u64::from(*count)).sum::<u64>()
    };
    assert_eq!(sum(|_| 1), 1_523);
    assert_eq!(sum(|nodes| nodes.cpu.0), 125_514_000);
    assert_eq!(sum(|nodes| nodes.gpu.into()), 6_212);
    assert_eq!(groups.len(), 27);
}

#[test]
fn alibaba_batch_tasks() {
    let file = "alibaba_2018_batch_task_subset.csv";
    let Some((pods, account)) = read(file, Format::AlibabaBatch) else { return };
    assert_eq!(account.rows, 17_996);
    // The instances of all 17,502 tasks that ended; 21 of these ended in their first second.
    assert_eq!(account.skipped["not terminated"], 17_996 - 17_502);
    assert_eq!(
        rows(&account, "instances") + account.skipped.get("without an end").unwrap_or(&0),
        17_502
    );
    assert_eq!(pods.len(), 1_988_012);
    let sizes: BTreeMap<u64, usize> = pods.iter().fold(BTreeMap::new(), |mut sizes, pod| {
        *sizes.entry(pod.cpu.0).or_default() += 1;
        sizes
    });
    assert_eq!(sizes.keys().copied().collect::<Vec<_>>(), [500, 1_000, 2_000]);
}

#[test]
fn gaia_samples() {
    // Count, mean length and mean cores, from the files with another program.
    for (file, count, length, size) in [
        ("gaia_azure-100k.csv.gz", 99_988, 3.827_275_106, 3.963_755_651),
        ("gaia_mustang-trace-2015-100k.csv.gz", 100_000, 2.057_723_175, 10.449_19),
        ("gaia_pai-100k.csv.gz", 99_998, 2.266_821_164, 3.421_218_424),
        ("gaia_pai_1k.csv", 1_000, 9_066.101 / 3_600.0, 1.236),
    ] {
        let Some((pods, account)) = read(file, Format::Gaia) else { return };
        assert_eq!((pods.len(), account.rows), (count, count as u64), "{file}");
        near(mean(&pods, hours), length);
        near(mean(&pods, cores), size);
    }
}

#[test]
fn surf_lisa() {
    let Some((pods, account)) = read("surf_lisa_2022_month_tasks.csv.gz", Format::Surf) else {
        return;
    };
    assert_eq!(pods.len(), 68_648);
    assert_eq!(pods[0].at.to_string(), "2022-09-30T22:00:00Z");
    assert!(pods.iter().all(|pod| pod.cpu.0 == 16_000 && pod.max_delay.is_some()));
    assert_eq!(rows(&account, "deadline-too-soon"), 868);
}

#[test]
fn the_small_samples() {
    let Some((pods, account)) = read("azure_v1_vmtable_sample.csv.gz", Format::AzureVm) else {
        return;
    };
    assert_eq!(pods.len(), 10);
    assert_eq!(pods.iter().filter(|pod| pod.interruptible == Some(true)).count(), 6);
    assert_eq!(rows(&account, "unknown-category"), 2);
    assert_eq!(pods.iter().map(|pod| pod.cpu.0 / 1_000).sum::<u64>(), 6 + 4 * 8);

    let file = "google_2011_task-events_tiny_sample.csv";
    let (pods, account) = read(file, Format::GoogleTaskEvents).unwrap();
    // Ten tasks; 2/2 failed after five seconds and 2/0 was evicted and ran again for 18.
    assert_eq!((account.rows, pods.len()), (32, 10));
    let mut lengths: Vec<f64> = pods.iter().map(|pod| pod.duration.seconds()).collect();
    lengths.sort_by(f64::total_cmp);
    near(lengths.iter().sum(), 40.0 * 2.0 + 18.0 + 51.0 + 5.0 + 45.0 + 45.0 + 55.0 + 60.0 + 80.0);

    let (pods, account) = read("gwf_sample.gwf", Format::Gwf).unwrap();
    assert_eq!((pods.len(), account.rows), (70, 70));
}
