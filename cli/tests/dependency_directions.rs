//! Who may depend on whom: the table of `ARCHITECTURE.md`, held.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Of ours, what each crate may depend on. Dev-dependencies are exempt.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("carbon-kube-core", &[]),
    ("carbon-kube-policies", &["carbon-kube-core"]),
    ("carbon-kube-datasets", &["carbon-kube-core"]),
    ("carbon-kube-sim", &["carbon-kube-core", "carbon-kube-policies", "carbon-kube-datasets"]),
    (
        "carbon-kube-trainer",
        &["carbon-kube-core", "carbon-kube-policies", "carbon-kube-datasets", "carbon-kube-sim"],
    ),
    ("carbon-kube-telemetry", &["carbon-kube-core"]),
    (
        "carbon-kube-extender",
        &["carbon-kube-core", "carbon-kube-policies", "carbon-kube-telemetry"],
    ),
    ("carbon-kube-providers", &["carbon-kube-core"]),
    (
        "carbon-kube-poller",
        &[
            "carbon-kube-core",
            "carbon-kube-policies",
            "carbon-kube-providers",
            "carbon-kube-telemetry",
        ],
    ),
    (
        "carbon-kube-tuner",
        &[
            "carbon-kube-core",
            "carbon-kube-policies",
            "carbon-kube-datasets",
            "carbon-kube-sim",
            "carbon-kube-trainer",
            "carbon-kube-telemetry",
        ],
    ),
    (
        "carbon-kube",
        &[
            "carbon-kube-core",
            "carbon-kube-policies",
            "carbon-kube-datasets",
            "carbon-kube-sim",
            "carbon-kube-trainer",
            "carbon-kube-providers",
        ],
    ),
    (
        "carbon-kube-e2e",
        &[
            "carbon-kube-core",
            "carbon-kube-policies",
            "carbon-kube-datasets",
            "carbon-kube-sim",
            "carbon-kube-telemetry",
            "carbon-kube-extender",
        ],
    ),
];

/// Heavy or far-reaching crates, and the only ones of ours that may name them.
const RESERVED: [(&str, &[&str]); 8] = [
    ("polars", &["carbon-kube-datasets"]),
    ("candle-core", &["carbon-kube-trainer"]),
    // The feature `lease` of `telemetry`.
    (
        "kube",
        &[
            "carbon-kube-telemetry",
            "carbon-kube-extender",
            "carbon-kube-poller",
            "carbon-kube-tuner",
            "carbon-kube-e2e",
        ],
    ),
    ("axum", &["carbon-kube-telemetry", "carbon-kube-extender", "carbon-kube-poller"]),
    // The command line has it for object stores and live sources, behind `cloud` and `download`.
    (
        "tokio",
        &[
            "carbon-kube-telemetry",
            "carbon-kube-extender",
            "carbon-kube-providers",
            "carbon-kube-poller",
            "carbon-kube-tuner",
            "carbon-kube-e2e",
            "carbon-kube",
        ],
    ),
    ("object_store", &["carbon-kube"]),
    ("clap", &["carbon-kube", "carbon-kube-extender", "carbon-kube-poller", "carbon-kube-tuner"]),
    ("indicatif", &["carbon-kube"]),
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    let of = |package: &cargo_metadata::Package| {
        let normal = |d: &&cargo_metadata::Dependency| d.kind != DependencyKind::Development;
        package.dependencies.iter().filter(normal).map(|d| d.name.clone()).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), of(package))).collect()
}

#[test]
fn our_crates_depend_only_on_what_the_table_allows() {
    let dependencies = dependencies();
    let names: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
    let listed: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, listed, "a crate that is not in the table");
    for (name, allowed) in ALLOWED {
        let ours = dependencies[name].iter().filter(|d| names.contains(d.as_str()));
        for dependency in ours {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{name} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn heavy_crates_stay_where_they_belong() {
    let dependencies = dependencies();
    for (reserved, allowed) in RESERVED {
        for (name, _) in dependencies.iter().filter(|(_, all)| all.contains(reserved)) {
            assert!(allowed.contains(&name.as_str()), "{name} must not depend on {reserved}");
        }
    }
}
