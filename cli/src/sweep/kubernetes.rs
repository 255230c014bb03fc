//! `--kubernetes`: a ConfigMap with the sweep and an Indexed Job with a shard per pod.
//!
//! Each pod writes its table and its journal to a volume claim. A pod that is evicted comes again
//! with the same index, finds the journal and goes on. With `--store` the table goes to an object
//! store instead, and the journal stays in the pod: one that is evicted does its shard again.

use std::path::Path;
use std::process::ExitCode;

use carbon_kube_sim::scenario;
use carbon_kube_sim::scenario::spec::PolicyEntry;
use carbon_kube_sim::sweep::SweepFile;
use serde_json::{Value, json};

use super::Sweep;
use crate::args::{NAMESPACE, SweepArgs};
use crate::failure::Failure;
use crate::output;

/// The most bytes that a ConfigMap may have, less what the manifest adds.
const MOST_BYTES: usize = (1 << 20) - 4096;

/// Where a pod finds the sweep, and where it puts the results.
const INPUT: &str = "/sweep";
const RESULTS: &str = "/results";

pub(super) fn print(args: &SweepArgs, image: &str, sweep: &Sweep) -> Result<ExitCode, Failure> {
    can_travel(sweep)?;
    let (map, job) = manifests(args, image, sweep)?;
    let yaml = |value: &Value| {
        serde_saphyr::to_string(value)
            .map_err(|error| Failure::new(format!("can't write the manifest: {error}")))
    };
    output::print(&format!("{}---\n{}", yaml(&map)?, yaml(&job)?))?;
    if !args.quiet {
        let name = name(&sweep.path);
        let (claim, shards) = (&args.claim, args.shards);
        output::remark(&match &args.store {
            None => format!(
                "the claim `{claim}` has to exist, writable by all {shards} pods; merge its \
                 {name}-*.parquet with `carbon-kube sim sweep --merge`"
            ),
            Some(url) => format!(
                "the pods need an identity that may write to {url}: the service account, or \
                 variables in a Secret `{claim}`; merge with `carbon-kube sim sweep --merge {url}`"
            ),
        });
    }
    Ok(ExitCode::SUCCESS)
}

/// A ConfigMap carries two texts, and nothing that the scenario reads beside itself.
fn can_travel(sweep: &Sweep) -> Result<(), Failure> {
    if sweep.text.len() + sweep.scenario.len() > MOST_BYTES {
        let message = "sweep and scenario are larger than a ConfigMap may be: 1 MiB";
        return Err(Failure::new(message).hint("put pods into a file in the image"));
    }
    if let Some(folder) = sweep.policies.iter().find(|p| p.contains(std::path::is_separator)) {
        let message = format!("--kubernetes: policy `{folder}` is a folder, and does not travel");
        return Err(Failure::new(message).hint("put its rule and settings into the scenario"));
    }
    let of_scenario = &sweep.base.spec.spec.policies;
    if let Some(file) = of_scenario.iter().find(|entry| matches!(entry, PolicyEntry::File(_))) {
        let message =
            format!("--kubernetes: policy `{}` is a file, and does not travel", file.name());
        return Err(Failure::new(message).hint("put a rule and its settings into the scenario"));
    }
    let nowhere = tempfile::tempdir()
        .map_err(|error| Failure::new(format!("can't make a temporary folder: {error}")))?;
    if let Err(problems) = scenario::build(&sweep.base, nowhere.path()) {
        let first = problems.iter().find(|problem| problem.is_error()).map(ToString::to_string);
        // The first line says what; the folder in it is nobody's.
        let line = first.iter().flat_map(|text| text.lines()).next().unwrap_or_default();
        let why = line.replace(&format!("{}/", nowhere.path().display()), "");
        let message = format!("--kubernetes: the scenario does not run by itself: {why}");
        return Err(Failure::new(message)
            .hint("put the files into the image and name them by absolute paths"));
    }
    Ok(())
}

/// A name for objects, from that of the sweep file.
fn name(sweep: &Path) -> String {
    let stem = sweep.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    // 63 less what the Job adds for its pods: `-<index>-<five letters>`.
    let name: String = stem.chars().map(legal).take(50).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "sweep".to_owned() } else { name.to_owned() }
}

fn manifests(args: &SweepArgs, image: &str, sweep: &Sweep) -> Result<(Value, Value), Failure> {
    let name = name(&sweep.path);
    let metadata = json!({
        "name": name,
        "namespace": args.namespace.as_deref().unwrap_or(NAMESPACE),
        "labels": { "app.kubernetes.io/name": "carbon-kube", "app.kubernetes.io/component": "sweep" },
    });
    let scenario = std::str::from_utf8(&sweep.scenario)
        .map_err(|_| Failure::new("the scenario is no UTF-8 text"))?;
    let map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": { "sweep.yaml": in_one_folder(&sweep.text)?, "scenario.yaml": scenario },
    });
    let shards = args.shards;
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "completionMode": "Indexed",
            "completions": shards,
            "parallelism": shards,
            "backoffLimitPerIndex": 3,
            "template": {
                "metadata": { "labels": metadata["labels"] },
                "spec": pod(args, image, &name),
            },
        },
    });
    Ok((map, job))
}

/// The sweep with its scenario under the name that it has in the ConfigMap. Only that line changes:
/// the order of the others is that of the cells.
fn in_one_folder(text: &str) -> Result<String, Failure> {
    let line = |line: &str| match line.starts_with("scenario:") {
        true => "scenario: scenario.yaml\n".to_owned(),
        false => line.to_owned(),
    };
    let changed: String = text.split_inclusive('\n').map(line).collect();
    match SweepFile::parse(&changed) {
        Ok(file) if file.scenario == "scenario.yaml" => Ok(changed),
        _ => Err(Failure::new("--kubernetes: the sweep file needs a line `scenario: FILE`")
            .hint("write it in block style, a key a line")),
    }
}

fn pod(args: &SweepArgs, image: &str, name: &str) -> Value {
    // Kubernetes sets the variable in each pod of an Indexed Job, and replaces it here.
    let index = "$(JOB_COMPLETION_INDEX)";
    let shards = args.shards;
    let mut words = vec![
        "sim".to_owned(),
        "sweep".to_owned(),
        format!("{INPUT}/sweep.yaml"),
        "--shard".to_owned(),
        format!("{index}/{shards}"),
        "--out".to_owned(),
        format!("{RESULTS}/{name}-{index}-of-{shards}.parquet"),
        "--jobs".to_owned(),
        "1".to_owned(),
    ];
    let mut results = json!({ "persistentVolumeClaim": { "claimName": args.claim } });
    if let Some(url) = &args.store {
        words.extend(["--store".to_owned(), url.clone()]);
        results = json!({ "emptyDir": {} });
    }
    results["name"] = json!("results");
    let mut pod = json!({
        // What `backoffLimitPerIndex` asks for.
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "fsGroup": 65532,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [{
            "name": "sweep",
            "image": image,
            "args": words,
            "resources": {
                "requests": { "cpu": "1", "memory": "1Gi" },
                "limits": { "memory": "4Gi" },
            },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            },
            "volumeMounts": [
                { "name": "sweep", "mountPath": INPUT, "readOnly": true },
                { "name": "results", "mountPath": RESULTS },
            ],
        }],
        "volumes": [
            { "name": "sweep", "configMap": { "name": name } },
            results,
        ],
    });
    if args.store.is_some() {
        // Who has an identity for pods needs no Secret.
        let secret = json!({ "name": args.claim, "optional": true });
        pod["containers"][0]["envFrom"] = json!([{ "secretRef": secret }]);
    }
    if let Some(account) = &args.service_account {
        pod["serviceAccountName"] = json!(account);
    }
    pod
}
