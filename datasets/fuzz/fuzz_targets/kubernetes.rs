//! Objects of a cluster, and the list of openb's nodes.

#![no_main]

use carbon_kube_datasets::workload::{kubernetes, openb};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(cluster) = kubernetes::parse("input", input) {
        for (group, runs) in &cluster.jobs {
            assert!(!runs.is_empty() && runs.is_sorted(), "{}", group.owner);
            assert!(runs.iter().all(|run| run.duration.is_positive()));
            assert!(runs.iter().all(|run| run.requests.cpu_milli > 0));
        }
        assert!(cluster.services.values().flatten().all(|service| service.replicas > 0));
    }
    if let Ok(nodes) = openb::parse_nodes("input", input) {
        assert!(nodes.values().all(|count| *count > 0));
    }
});
