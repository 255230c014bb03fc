//! From a cluster's objects to a scenario that `sim validate` takes and a person goes on with.
//!
//! What the objects don't say is assumed and written at the head of the file, beside what was left
//! out. Only keys whose value is not the default are written.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use carbon_kube_core::{Bytes, Span, Time, Zone, cloud_region, power, typical_year};
use carbon_kube_datasets::bundled;
use carbon_kube_datasets::workload::account::Account;
use carbon_kube_datasets::workload::kubernetes::{
    self, Cluster, Group, NodeShape, Requests, Rules, Run, Service,
};
use carbon_kube_sim::scenario;
use serde_json::{Map, Value, json};

use super::{done, names, remarks};
use crate::args::ImportArgs;
use crate::datasets::{read_failure, written, zone};
use crate::failure::Failure;
use crate::output;
use crate::sim_run::diagnostics_text;

/// Watts of a core of a machine that the power tables lack, idle and busy: the medians over the
/// compiled-in instance table.
const IDLE_WATTS_PER_CORE: f64 = 2.3;
const BUSY_WATTS_PER_CORE: f64 = 9.0;

/// Intensity of a grid of which there are no data, in g/kWh: about the world's mean.
const UNKNOWN_GRID: f64 = 450.0;

/// The window of a cluster without jobs: a week that the bundled data have.
const ANY_WEEK: &str = "2020-06-01T00:00:00Z";

/// Reads the objects and writes the scenario.
pub fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let given = args.zone.as_deref().map(zone).transpose()?;
    let cluster = kubernetes::read(&args.files).map_err(read_failure)?;
    let cluster = if args.anonymise { cluster.anonymous() } else { cluster };
    let stem = args.out.file_stem().unwrap_or_default().to_string_lossy();
    let name = unique(&stem, &mut BTreeSet::new());
    let objects = cluster.account.rows;
    let (yaml, account) = draft(&name, cluster, given.as_ref())?;
    let lines = remarks(&account);
    let head = format!(
        "# Made of {objects} objects of {} by `carbon-kube datasets import`; edit it as you like.\n\
         # Jobs wait only where they say so: give those that may wait a `maxDelay`.\n",
        names(&args.files)
    );
    let text = lines.iter().fold(head, |text, line| text + "# " + line + "\n") + &yaml;
    written::write(&args.out, args.overwrite, |file| {
        let written = file.write_all(text.as_bytes());
        written.map_err(|error| written::failure(&args.out, &error))
    })?;
    done(&args.out, "a scenario; check it with `carbon-kube sim validate`", &lines);
    // What a scenario refuses is the user's to change: in the file, which is there.
    if let Err(diagnostics) = scenario::parse(text.as_bytes(), &args.out.display().to_string(), &[])
    {
        output::remark(diagnostics_text(&diagnostics).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// The scenario of a cluster as YAML, and what was left out and assumed; `zone` is the grid zone of
/// nodes that don't say where they are.
fn draft(name: &str, cluster: Cluster, zone: Option<&Zone>) -> Result<(String, Account), Failure> {
    let Cluster { nodes, jobs, services, mut account } = cluster;
    if nodes.is_empty() {
        return Err(Failure::new("there is no node in the files")
            .hint("add the nodes: `kubectl get nodes -o json > nodes.json`"));
    }
    let (start, end) = window(&jobs);
    let located = located(nodes, zone)?;
    let zones: BTreeSet<&Zone> = located.iter().map(|(zone, ..)| zone).collect();
    let zones: Vec<Value> =
        zones.into_iter().map(|zone| grid(zone, start, end, &mut account)).collect();
    let room = Room::of(&located);
    let pools = pools(&located, &mut account);
    let mut workloads = Workloads { names: BTreeSet::new(), all: Vec::new(), start };
    for (group, runs) in jobs {
        workloads.job(&group, &runs, &room, &mut account);
    }
    for (group, services) in services {
        for service in services {
            workloads.service(&group, service, &room, &mut account);
        }
    }
    if workloads.all.is_empty() {
        return Err(Failure::new("there is no pod in the files that can be simulated")
            .hint("add pods that ran: `kubectl get pods,jobs,deployments -A -o json`"));
    }
    let scenario = json!({
        "apiVersion": "carbon-kube.io/v1alpha1",
        "kind": "Scenario",
        "metadata": { "name": name },
        "spec": {
            "start": start.to_string(),
            "duration": (end - start).to_string(),
            "grid": { "zones": zones },
            "nodePools": pools,
            "workloads": workloads.all,
            "policies": ["default-scheduler", "percentile", "lowest-zone", "percentile-lowest-zone"],
            "forecast": { "kind": "noisy" },
        },
    });
    let yaml = serde_saphyr::to_string(&scenario)
        .map_err(|error| Failure::new(format!("can't write the scenario: {error}")))?;
    Ok((yaml, account))
}

/// Whole days around the arrivals.
fn window(jobs: &BTreeMap<Group, Vec<Run>>) -> (Time, Time) {
    let arrivals = || jobs.values().flatten().map(|run| run.at);
    match (arrivals().min(), arrivals().max()) {
        (Some(first), Some(last)) => {
            (first.floor(Span::DAY), (last + Span::from_millis(1)).ceil(Span::DAY))
        }
        _ => {
            let start: Time = ANY_WEEK.parse().unwrap_or(Time::from_millis(0));
            (start, start + Span::DAY * 7)
        }
    }
}

type Located = Vec<(Zone, NodeShape, u32)>;

/// Each group with its grid zone: its label's, its cloud region's, or the one that was given.
fn located(nodes: BTreeMap<NodeShape, u32>, given: Option<&Zone>) -> Result<Located, Failure> {
    let mut located = Vec::new();
    for (shape, count) in nodes {
        let found = match &shape.grid_zone {
            Some(label) => Some(zone(label)?),
            None => shape.region.as_deref().and_then(cloud_region::zone).or(given.cloned()),
        };
        let Some(found) = found else {
            let region = shape.region.as_deref().unwrap_or("none");
            let message = format!(
                "{count} nodes don't say which grid they draw from (region: {region}, no label \
                 `carbon-kube.io/grid-zone`)"
            );
            return Err(Failure::new(message).hint("name their zone, such as `--zone EU-DE`"));
        };
        located.push((found, shape, count));
    }
    Ok(located)
}

/// The source of a zone, where the default would have none.
fn grid(zone: &Zone, start: Time, end: Time, account: &mut Account) -> Value {
    if typical_year::zones().any(|known| known == zone) || is_bundled(zone, start, end) {
        return json!({ "zone": zone.to_string() });
    }
    account.note("grid-intensity", || {
        format!(
            "no data are shipped for some grids: {UNKNOWN_GRID} g/kWh at all times, so replace \
             `source` by a file of yours"
        )
    });
    json!({ "zone": zone.to_string(), "source": { "constant": { "gramsPerKwh": UNKNOWN_GRID } } })
}

/// Whether measurements of the whole window are shipped.
fn is_bundled(zone: &Zone, start: Time, end: Time) -> bool {
    let years = |year: &bundled::Bundled| {
        let first = i32::from(year.first_year) <= i32::from(start.utc().year());
        first && i32::from(end.utc().year()) <= i32::from(year.last_year)
    };
    bundled::catalogue().iter().any(|row| row.zone == zone.as_str() && years(row))
}

fn pools(located: &Located, account: &mut Account) -> Vec<Value> {
    let mut names = BTreeSet::new();
    let mut pools = Vec::new();
    for (zone, shape, count) in located {
        let machine = shape.instance_type.as_deref();
        let base = format!("{}-{}", zone.to_string().to_lowercase(), machine.unwrap_or("nodes"));
        let Requests { memory, gpu, .. } = shape.allocatable;
        let cpu = shape.allocatable.cpu();
        let mut amounts =
            object(json!({ "cpu": cpu.to_string(), "memory": Bytes(memory).to_string() }));
        if gpu > 0 {
            amounts.insert("gpu".into(), gpu.into());
        }
        let mut pool = object(json!({
            "name": unique(&base, &mut names),
            "zone": zone.to_string(),
            "count": count,
            "allocatable": amounts,
        }));
        if shape.max_pods != 110 {
            pool.insert("maxPods".into(), shape.max_pods.into());
        }
        for (key, value) in [
            ("instanceType", &shape.instance_type),
            ("region", &shape.region),
            ("topologyZone", &shape.topology_zone),
        ] {
            if let Some(value) = value {
                pool.insert(key.into(), value.as_str().into());
            }
        }
        if machine.is_none_or(|machine| power::instance(machine).is_none()) {
            account.note("node-power", || {
                format!(
                    "machines that the power tables lack draw {IDLE_WATTS_PER_CORE} W idle and \
                     {BUSY_WATTS_PER_CORE} W busy per core, without GPUs and embodied carbon"
                )
            });
            let cores = cpu.0 as f64 / 1_000.0;
            let watts = |per_core: f64| (per_core * cores * 10.0).round() / 10.0;
            let power = json!({
                "idleWatts": watts(IDLE_WATTS_PER_CORE), "busyWatts": watts(BUSY_WATTS_PER_CORE),
            });
            pool.insert("power".into(), power);
        }
        if !shape.labels.is_empty() {
            pool.insert("labels".into(), json!(shape.labels));
        }
        let taints = shape.taints.iter();
        let taints: Vec<Value> = taints
            .map(|(key, value, effect)| json!({ "key": key, "value": value, "effect": effect }))
            .collect();
        if !taints.is_empty() {
            pool.insert("taints".into(), taints.into());
        }
        pools.push(Value::Object(pool));
    }
    pools
}

/// The most of each resource that one node has.
struct Room(Vec<Requests>);

impl Room {
    fn of(located: &Located) -> Self {
        Self(located.iter().map(|(_, shape, _)| shape.allocatable).collect())
    }

    fn takes(&self, requests: &Requests) -> bool {
        self.0.iter().any(|node| {
            requests.cpu_milli <= node.cpu_milli
                && requests.memory <= node.memory
                && requests.gpu <= node.gpu
        })
    }
}

struct Workloads {
    names: BTreeSet<String>,
    all: Vec<Value>,
    start: Time,
}

impl Workloads {
    fn job(&mut self, group: &Group, runs: &[Run], room: &Room, account: &mut Account) {
        let mut counts: BTreeMap<Run, u32> = BTreeMap::new();
        for run in runs {
            if room.takes(&run.requests) {
                *counts.entry(*run).or_insert(0) += 1;
            } else {
                account.skip("pods larger than any node");
            }
        }
        if counts.is_empty() {
            return;
        }
        let start = self.start;
        let pods = counts.into_iter().map(|(run, count)| entry(&run, count, start));
        let pods: Vec<Value> = pods.collect();
        let mut workload = self.named(group);
        workload.insert("pods".into(), pods.into());
        if let Some(template) = template(&group.rules, None) {
            workload.insert("template".into(), template);
        }
        self.all.push(Value::Object(workload));
    }

    fn service(&mut self, group: &Group, service: Service, room: &Room, account: &mut Account) {
        if !room.takes(&service.requests) {
            account.skip("pods larger than any node");
            return;
        }
        let mut workload = self.named(group);
        workload.insert("kind".into(), "Deployment".into());
        workload.insert("replicas".into(), service.replicas.into());
        if let Some(template) = template(&group.rules, Some(&service.requests)) {
            workload.insert("template".into(), template);
        }
        self.all.push(Value::Object(workload));
    }

    fn named(&mut self, group: &Group) -> Map<String, Value> {
        let base = if group.namespace.is_empty() {
            group.owner.clone()
        } else {
            format!("{}-{}", group.namespace, group.owner)
        };
        object(json!({ "name": unique(&base, &mut self.names) }))
    }
}

fn entry(run: &Run, count: u32, start: Time) -> Value {
    let Requests { memory, gpu, .. } = run.requests;
    let mut entry = object(json!({
        "arrival": (run.at - start).to_string(),
        "duration": run.duration.to_string(),
        "cpu": run.requests.cpu().to_string(),
        "memory": Bytes(memory).to_string(),
    }));
    if gpu > 0 {
        entry.insert("gpu".into(), gpu.into());
    }
    if count > 1 {
        entry.insert("count".into(), count.into());
    }
    Value::Object(entry)
}

/// The pod template, without what is empty; `None` where nothing is left.
fn template(rules: &Rules, requests: Option<&Requests>) -> Option<Value> {
    let mut spec = Map::new();
    if rules.priority != 0 {
        spec.insert("priority".into(), rules.priority.into());
    }
    if !rules.node_selector.is_empty() {
        spec.insert("nodeSelector".into(), json!(rules.node_selector));
    }
    // Both are JSON that the reader has written.
    if let Ok(affinity @ Value::Object(_)) = serde_json::from_str(&rules.node_affinity) {
        spec.insert("affinity".into(), json!({ "nodeAffinity": affinity }));
    }
    let tolerations = rules.tolerations.iter();
    let tolerations: Vec<Value> =
        tolerations.filter_map(|text| serde_json::from_str(text).ok()).collect();
    if !tolerations.is_empty() {
        spec.insert("tolerations".into(), tolerations.into());
    }
    if let Some(requests) = requests {
        let mut amounts = object(json!({
            "cpu": requests.cpu().to_string(), "memory": Bytes(requests.memory).to_string(),
        }));
        if requests.gpu > 0 {
            amounts.insert("nvidia.com/gpu".into(), requests.gpu.into());
        }
        let container = json!({ "name": "all", "resources": { "requests": amounts } });
        spec.insert("containers".into(), json!([container]));
    }
    let mut template = Map::new();
    if !rules.annotations.is_empty() {
        template.insert("metadata".into(), json!({ "annotations": rules.annotations }));
    }
    if !spec.is_empty() {
        template.insert("spec".into(), Value::Object(spec));
    }
    (!template.is_empty()).then_some(Value::Object(template))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A name that Kubernetes takes for a label (RFC 1123), and that no other has.
fn unique(base: &str, taken: &mut BTreeSet<String>) -> String {
    const LONGEST: usize = 56;
    let dashed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = base.chars().map(dashed).take(LONGEST).collect();
    let name = match name.trim_matches('-') {
        "" => "unnamed",
        name => name,
    };
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken.contains(name));
    let free = free.unwrap_or_default();
    taken.insert(free.clone());
    free
}
