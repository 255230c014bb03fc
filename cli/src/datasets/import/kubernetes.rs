//! From a cluster's objects to a scenario that `sim validate` takes and a person goes on with, and a
//! table of the pods of its jobs.
//!
//! ```text
//! mine.yaml          grid, node pools, services, and for each job what its pods have in common
//! mine.workload.csv  a row for each pod of a job: when, how long, what it requests, of which job
//! ```
//!
//! What the objects don't say is assumed and written at the head of the file, beside what was left
//! out. Only keys whose value is not the default are written.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;

use carbon_kube_core::{Bytes, MilliGpu, Span, Time, Zone, cloud_region, power, typical_year};
use carbon_kube_datasets::bundled;
use carbon_kube_datasets::workload::Arrival;
use carbon_kube_datasets::workload::account::Account;
use carbon_kube_datasets::workload::kubernetes::{
    self, Cluster, Group, NodeShape, Requests, Rules, Run, Service,
};
use carbon_kube_datasets::workload::stored::WorkloadsWriter;
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

/// What the name of the file of pods has in place of the scenario's end.
const WORKLOAD_END: &str = "workload.csv";

/// Reads the objects and writes the scenario, and the file of its pods beside it.
pub fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let pods_file = args.out.with_extension(WORKLOAD_END);
    written::refuse_existing(&pods_file, args.overwrite)?;
    let given = args.zone.as_deref().map(zone).transpose()?;
    let cluster = kubernetes::read(&args.files).map_err(read_failure)?;
    let cluster = if args.anonymise { cluster.anonymous() } else { cluster };
    let stem = args.out.file_stem().unwrap_or_default().to_string_lossy();
    let name = unique(&stem, &mut BTreeSet::new());
    let objects = cluster.account.rows;
    let pods_path = pods_file.file_name().unwrap_or_default().to_string_lossy();
    let Draft { yaml, pods, account } = draft(&name, &pods_path, cluster, given.as_ref())?;
    let lines = remarks(&account);
    let source = format!("{objects} objects of {}", names(&args.files));
    let head = format!(
        "# Made of {source} by `carbon-kube datasets import`; edit it as you like.\n\
         # Jobs wait only where they say so: give those that may wait a `maxDelay`.\n",
    );
    let text = lines.iter().fold(head, |text, line| text + "# " + line + "\n") + &yaml;
    // The pods are in their place before the scenario that names them is.
    written::write(&args.out, args.overwrite, |file| {
        let written = file.write_all(text.as_bytes());
        written.map_err(|error| written::failure(&args.out, &error))?;
        if pods.is_empty() {
            return Ok(());
        }
        written::write(&pods_file, args.overwrite, |file| {
            table(&pods, file, &source).map_err(|error| written::failure(&pods_file, &error))
        })
    })?;
    done(&args.out, "a scenario; check it with `carbon-kube sim validate`", &lines);
    if !pods.is_empty() {
        done(&pods_file, &format!("its {} pods of jobs", pods.len()), &[]);
    }
    // What a scenario refuses is the user's to change: in the file, which is there.
    if let Err(diagnostics) = scenario::parse(text.as_bytes(), &args.out.display().to_string(), &[])
    {
        output::remark(diagnostics_text(&diagnostics).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// The pods as a table, by arrival.
fn table(pods: &[JobPod], file: &mut dyn Write, source: &str) -> io::Result<()> {
    let mut writer = WorkloadsWriter::new(file, &[format!("source: {source}")])?;
    for JobPod { run, workload } in pods {
        let Run { at, duration, requests } = *run;
        let pod = Arrival {
            at,
            duration,
            cpu: requests.cpu(),
            memory: Bytes(requests.memory),
            gpu: MilliGpu::whole(requests.gpu),
            ..Arrival::default()
        };
        writer.pod(&pod, workload)?;
    }
    Ok(())
}

/// A pod of a job, and the name of its workload in the scenario.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct JobPod {
    run: Run,
    workload: Rc<str>,
}

/// What a cluster becomes.
struct Draft {
    yaml: String,
    pods: Vec<JobPod>,
    account: Account,
}

/// The scenario of a cluster as YAML, its pods, and what was left out and assumed; `file` is the name of
/// the file of pods, `zone` the grid zone of nodes that don't say where they are.
fn draft(name: &str, file: &str, cluster: Cluster, zone: Option<&Zone>) -> Result<Draft, Failure> {
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
    let mut workloads =
        Workloads { names: BTreeSet::new(), all: Vec::new(), file, pods: Vec::new() };
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
    let mut pods = workloads.pods;
    pods.sort_unstable();
    Ok(Draft { yaml, pods, account })
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

struct Workloads<'a> {
    names: BTreeSet<String>,
    all: Vec<Value>,
    /// The name of the file of pods.
    file: &'a str,
    pods: Vec<JobPod>,
}

impl Workloads<'_> {
    fn job(&mut self, group: &Group, runs: &[Run], room: &Room, account: &mut Account) {
        let fitting: Vec<&Run> = runs.iter().filter(|run| room.takes(&run.requests)).collect();
        for _ in fitting.len()..runs.len() {
            account.skip("pods larger than any node");
        }
        if fitting.is_empty() {
            return;
        }
        let (mut workload, name) = self.named(group);
        workload.insert("trace".into(), json!({ "path": self.file, "workload": name }));
        if let Some(template) = template(&group.rules, None) {
            workload.insert("template".into(), template);
        }
        self.all.push(Value::Object(workload));
        let name: Rc<str> = name.into();
        let pods = fitting.into_iter().map(|run| JobPod { run: *run, workload: Rc::clone(&name) });
        self.pods.extend(pods);
    }

    fn service(&mut self, group: &Group, service: Service, room: &Room, account: &mut Account) {
        if !room.takes(&service.requests) {
            account.skip("pods larger than any node");
            return;
        }
        let (mut workload, _) = self.named(group);
        workload.insert("kind".into(), "Deployment".into());
        workload.insert("replicas".into(), service.replicas.into());
        if let Some(template) = template(&group.rules, Some(&service.requests)) {
            workload.insert("template".into(), template);
        }
        self.all.push(Value::Object(workload));
    }

    fn named(&mut self, group: &Group) -> (Map<String, Value>, String) {
        let base = if group.namespace.is_empty() {
            group.owner.clone()
        } else {
            format!("{}-{}", group.namespace, group.owner)
        };
        let name = unique(&base, &mut self.names);
        (object(json!({ "name": name })), name)
    }
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
