//! Machines read from their names, and users' tables, against the published ones.

use carbon_kube_core::power::instance;
use carbon_kube_datasets::power::{Found, find};

use crate::test_data;

/// Name, vCPUs, memory and GPUs of each row.
fn machines(path: &str, name: impl Fn(&str) -> String) -> Vec<(String, f64, f64, f64)> {
    let Some(file) = test_data::file(path) else {
        return Vec::new();
    };
    let mut rows = csv::Reader::from_path(file).unwrap();
    let number = |row: &csv::StringRecord, column: usize| row[column].parse().unwrap_or(0.0);
    rows.records()
        .map(|row| row.unwrap())
        .map(|row| (name(&row[1]), number(&row, 3), number(&row, 4), number(&row, 10)))
        .collect()
}

/// Compares what both know, and returns how many types that were.
fn compare(rows: &[(String, f64, f64, f64)], wrong: &[&str]) -> usize {
    let mut known: Vec<&str> = Vec::new();
    for (name, vcpu, memory, gpu) in rows {
        let Some(ours) = instance(name).filter(|_| !wrong.contains(&name.as_str())) else {
            continue;
        };
        assert!((f64::from(ours.vcpu) - vcpu).abs() < 1e-9, "{name}: {} vCPUs", ours.vcpu);
        assert!((ours.memory_gib - memory).abs() < 0.01 * memory, "{name}: {}", ours.memory_gib);
        assert!((f64::from(ours.gpu) - gpu).abs() < 1e-9, "{name}: {} GPUs", ours.gpu);
        known.push(name);
    }
    known.sort_unstable();
    known.dedup();
    known.len()
}

#[test]
fn google_types_are_what_cloud_carbon_footprint_says() {
    let rows = machines("power/ccf/gcp-instances.csv", str::to_owned);
    if !rows.is_empty() {
        let known = compare(&rows, &[]);
        assert!(known >= 100, "{known}");
    }
}

#[test]
fn azure_types_are_what_cloud_carbon_footprint_says() {
    let full = |name: &str| format!("Standard_{}", name.replace(' ', "_"));
    let rows = machines("power/ccf/azure-instances.csv", full);
    if !rows.is_empty() {
        // Azure's own page has 110 and 440 GiB for these; theirs are multiples of the smallest one's.
        let known = compare(&rows, &["Standard_NC16as_T4_v3", "Standard_NC64as_T4_v3"]);
        assert!(known >= 100, "{known}");
    }
}

#[test]
fn the_teads_table_read_as_a_file_is_the_one_compiled_in() {
    let Some(file) = test_data::file("power/ccf/aws-instances_teads.csv") else {
        return;
    };
    for name in ["a1.medium", "m5.xlarge", "p3.2xlarge", "g4dn.12xlarge", "c5.metal"] {
        let Found::Machine(theirs) = find(&file, name).unwrap() else {
            panic!("{name} is not there");
        };
        let ours = instance(name).unwrap();
        assert_eq!((theirs.vcpu, theirs.gpu), (ours.vcpu, ours.gpu), "{name}");
        assert!((theirs.idle_watts - ours.idle_watts).get().abs() < 0.006, "{name}");
        assert!((theirs.busy_watts - ours.busy_watts).get().abs() < 0.006, "{name}");
    }
    let near = find(&file, "m5.xlagre").unwrap();
    assert_eq!(near, Found::Nothing { nearest: Some("m5.xlarge".into()) });
}

#[test]
fn a_server_is_found_in_the_results_of_specpower() {
    let Some(file) = test_data::file("power/ccf/SPECpower-2026-03-09.csv") else {
        return;
    };
    let name = "ASUS RS100-E5 (Intel Xeon X3360 Processor, 2.83 GHz)";
    let Found::Machine(server) = find(&file, name).unwrap() else {
        panic!("{name} is not there");
    };
    assert_eq!((server.vcpu, server.idle_watts.get(), server.busy_watts.get()), (4, 56.7, 118.0));
}
