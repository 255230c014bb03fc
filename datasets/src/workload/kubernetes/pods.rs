//! From pods, Jobs, Deployments and StatefulSets to workloads.

use std::collections::{BTreeMap, BTreeSet};

use carbon_kube_core::{Span, Time};

use super::objects::{JobStatus, Metadata, Object, Owner, PodSpec, PodStatus, WorkloadSpec};
use super::{Fault, Group, Requests, Rules, Run, Service, instant, part, requests};
use crate::workload::account::Account;

/// What an object says of the workloads.
pub(super) enum Part {
    /// A pod, and the Job that owns it by namespace and name, whatever is kept of the pod.
    Pod { job: Option<(String, String)>, is_ended: bool, kept: Kept },
    /// A Job that ended: namespace, name, what it ran, and how many pods did.
    Job((String, String), Group, Run, u32),
    /// A Deployment or StatefulSet by namespace and name.
    Service((String, String), Group, Service),
}

/// What a pod is kept as.
pub(super) enum Kept {
    Run(Group, Run),
    /// A pod that runs, by what it requests.
    Replica(Group, Requests),
    Nothing,
}

impl Part {
    /// Whether nothing will happen to the object any more.
    pub(super) fn is_ended(&self) -> bool {
        matches!(self, Self::Job(..) | Self::Pod { is_ended: true, .. })
    }
}

/// What is kept of pods and their owners.
#[derive(Default)]
pub(super) struct Pods {
    runs: BTreeMap<Group, Vec<Run>>,
    /// Pods that run, by what they request.
    replicas: BTreeMap<(Group, Requests), u32>,
    /// Deployments and StatefulSets by namespace and name.
    services: BTreeMap<(String, String), (Group, Service)>,
    /// Jobs whose pods are in the file.
    with_pods: BTreeSet<(String, String)>,
    /// Jobs that ended: namespace and name, and what they ran.
    jobs: Vec<((String, String), Group, Run, u32)>,
}

/// Jobs and services of a cluster.
pub(super) type Groups = (BTreeMap<Group, Vec<Run>>, BTreeMap<Group, Vec<Service>>);

/// A pod; `None` for one that comes with its node.
pub(super) fn pod(object: &Object, account: &mut Account) -> Result<Option<Part>, Fault> {
    let metadata = &object.metadata;
    let owner = metadata.owner_references.iter().find(|owner| owner.controller);
    let owner = owner.or(metadata.owner_references.first());
    if owner.is_some_and(|owner| ["DaemonSet", "Node"].contains(&owner.kind.as_str())) {
        account.skip("pods of DaemonSets and static pods");
        return Ok(None);
    }
    let spec: PodSpec = part(object.spec.as_deref(), "spec")?;
    let status: PodStatus = part(object.status.as_deref(), "status")?;
    let at = created(metadata)?;
    let duration = ran(&status)?;
    let requests = at_least_something(requests::of_pod(&spec)?, account);
    let group = Group {
        namespace: metadata.namespace.clone(),
        owner: family(metadata, owner),
        rules: Rules::of(metadata, &spec, account),
    };
    let job = owner.filter(|owner| owner.kind == "Job");
    let job = job.map(|owner| (metadata.namespace.clone(), owner.name.clone()));
    let ended = duration.filter(|_| ["Succeeded", "Failed"].contains(&status.phase.as_str()));
    let kept = if let Some(duration) = ended {
        Kept::Run(group, Run { at, duration, requests })
    } else if status.phase == "Running" && job.is_none() {
        Kept::Replica(group, requests)
    } else if let Some(duration) = expected(metadata)? {
        account.note("expected-duration", || {
            "a pod that has not ended runs as long as it is expected to".to_owned()
        });
        Kept::Run(group, Run { at, duration, requests })
    } else {
        account.skip("pods whose length nothing tells");
        Kept::Nothing
    };
    Ok(Some(Part::Pod { job, is_ended: ended.is_some(), kept }))
}

/// A Job; `None` for one that has not ended.
pub(super) fn job(object: &Object, account: &mut Account) -> Result<Option<Part>, Fault> {
    let spec: WorkloadSpec = part(object.spec.as_deref(), "spec")?;
    let status: JobStatus = part(object.status.as_deref(), "status")?;
    let Object { metadata, .. } = object;
    let (Some(start), Some(end)) = (status.start_time, status.completion_time) else {
        return Ok(None);
    };
    let start = instant(&start, "status.startTime")?;
    let end = instant(&end, "status.completionTime")?;
    let duration = length(start, end, "status.completionTime")?;
    let run = Run {
        at: created(metadata)?,
        duration,
        requests: at_least_something(requests::of_pod(&spec.template.spec)?, account),
    };
    let owner = metadata.owner_references.first();
    let group = Group {
        namespace: metadata.namespace.clone(),
        owner: family(metadata, owner),
        rules: Rules::of(&spec.template.metadata, &spec.template.spec, account),
    };
    Ok(Some(Part::Job(name(metadata), group, run, status.succeeded.min(100_000))))
}

/// A Deployment or StatefulSet.
pub(super) fn service(object: &Object, account: &mut Account) -> Result<Part, Fault> {
    let spec: WorkloadSpec = part(object.spec.as_deref(), "spec")?;
    let Object { metadata, .. } = object;
    // The API server's own default.
    let replicas = spec.replicas.unwrap_or(1);
    if replicas > 1_000_000 {
        return Err(Fault::new("spec.replicas", "is more than a million"));
    }
    let requests = at_least_something(requests::of_pod(&spec.template.spec)?, account);
    let group = Group {
        namespace: metadata.namespace.clone(),
        owner: metadata.name.clone(),
        rules: Rules::of(&spec.template.metadata, &spec.template.spec, account),
    };
    Ok(Part::Service(name(metadata), group, Service { replicas, requests }))
}

fn name(metadata: &Metadata) -> (String, String) {
    (metadata.namespace.clone(), metadata.name.clone())
}

impl Pods {
    pub(super) fn add(&mut self, part: Part) {
        match part {
            Part::Pod { job, kept, .. } => {
                self.with_pods.extend(job);
                match kept {
                    Kept::Run(group, run) => self.runs.entry(group).or_default().push(run),
                    Kept::Replica(group, requests) => {
                        *self.replicas.entry((group, requests)).or_insert(0) += 1;
                    }
                    Kept::Nothing => {}
                }
            }
            Part::Job(name, group, run, count) => self.jobs.push((name, group, run, count)),
            Part::Service(name, group, service) => {
                self.services.insert(name, (group, service));
            }
        }
    }

    /// The labels that any pod asks for.
    pub(super) fn labels(&self) -> BTreeSet<String> {
        let runs = self.runs.keys().chain(self.replicas.keys().map(|(group, _)| group));
        let services = self.services.values().map(|(group, _)| group);
        let jobs = self.jobs.iter().map(|(_, group, ..)| group);
        runs.chain(services).chain(jobs).flat_map(|group| group.rules.labels()).collect()
    }

    /// Jobs whose pods are there count by their pods, running pods whose Deployment is there by it.
    pub(super) fn groups(self, account: &mut Account) -> Groups {
        let Self { mut runs, replicas, services: owners, with_pods, jobs } = self;
        for (name, group, run, count) in jobs {
            if !with_pods.contains(&name) {
                account.note("job-without-pods", || {
                    "each pod of a Job whose pods are gone ran as long as the Job".to_owned()
                });
                runs.entry(group).or_default().extend(std::iter::repeat_n(run, count as usize));
            }
        }
        let mut services: BTreeMap<Group, Vec<Service>> = BTreeMap::new();
        for ((group, requests), replicas) in replicas {
            if !owners.contains_key(&(group.namespace.clone(), group.owner.clone())) {
                services.entry(group).or_default().push(Service { replicas, requests });
            }
        }
        for (group, service) in owners.into_values().filter(|(_, service)| service.replicas > 0) {
            services.entry(group).or_default().push(service);
        }
        runs.retain(|_, runs| {
            runs.sort_unstable();
            !runs.is_empty()
        });
        (runs, services)
    }
}

fn created(metadata: &Metadata) -> Result<Time, Fault> {
    const FIELD: &str = "metadata.creationTimestamp";
    match &metadata.creation_timestamp {
        Some(text) => instant(text, FIELD),
        None => Err(Fault::new(FIELD, "is missing")),
    }
}

/// From the first start to the last end of its containers, once all have ended.
fn ran(status: &PodStatus) -> Result<Option<Span>, Fault> {
    const FIELD: &str = "status.containerStatuses";
    let mut start: Option<Time> = None;
    let mut end: Option<Time> = None;
    if let Some(text) = &status.start_time {
        start = Some(instant(text, "status.startTime")?);
    }
    for container in &status.container_statuses {
        let Some(terminated) = &container.state.terminated else {
            return Ok(None);
        };
        if let (None, Some(text)) = (&status.start_time, &terminated.started_at) {
            let at = instant(text, FIELD)?;
            start = Some(start.map_or(at, |start| start.min(at)));
        }
        if let Some(text) = &terminated.finished_at {
            let at = instant(text, FIELD)?;
            end = Some(end.map_or(at, |end| end.max(at)));
        }
    }
    match (start, end) {
        (Some(start), Some(end)) => length(start, end, FIELD).map(Some),
        _ => Ok(None),
    }
}

/// Timestamps are whole seconds; a pod that ended in the second of its start ran for one.
fn length(start: Time, end: Time, field: &'static str) -> Result<Span, Fault> {
    if end < start {
        return Err(Fault::new(field, format!("the end {end} is before the start {start}")));
    }
    Ok((end - start).max(Span::SECOND))
}

fn expected(metadata: &Metadata) -> Result<Option<Span>, Fault> {
    const KEY: &str = "carbon-kube.io/expected-duration";
    let Some(text) = metadata.annotations.get(KEY) else {
        return Ok(None);
    };
    match text.parse::<Span>() {
        Ok(span) if span.is_positive() => Ok(Some(span)),
        _ => Err(Fault::new(KEY, "is not a duration such as `15m` or `1h30m`")),
    }
}

/// The name that all runs, or all revisions, of an owner have in common.
fn family(metadata: &Metadata, owner: Option<&Owner>) -> String {
    let Some(owner) = owner else {
        return metadata.name.clone();
    };
    let revision = metadata.labels.get("pod-template-hash");
    let name = owner.name.as_str();
    let short = match owner.kind.as_str() {
        "ReplicaSet" => revision.and_then(|hash| name.strip_suffix(hash.as_str())),
        // A CronJob numbers its Jobs by the minute.
        "Job" => Some(name.trim_end_matches(|c: char| c.is_ascii_digit()))
            .filter(|short| name.len() - short.len() >= 7),
        _ => None,
    };
    let short = short.and_then(|short| short.strip_suffix('-'));
    short.filter(|short| !short.is_empty()).unwrap_or(name).to_owned()
}

/// What kube-scheduler counts for a pod without requests when it scores nodes.
fn at_least_something(requests: Requests, account: &mut Account) -> Requests {
    let mut requests = requests;
    if requests.cpu_milli == 0 {
        account.note("no-cpu-request", || {
            "a pod that requests no CPU has 100m, and without memory 200Mi, as kube-scheduler \
             counts when it scores"
                .to_owned()
        });
        requests.cpu_milli = 100;
        if requests.memory == 0 {
            requests.memory = 200 << 20;
        }
    }
    requests
}
