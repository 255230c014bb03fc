//! The pods of every workload, by arrival.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use carbon_kube_core::zone::Clock;
use carbon_kube_core::{MilliGpu, Span, Time};
use carbon_kube_datasets::workload::{Arrival, generated};

use crate::scenario::cluster::{self, TemplateRequests};
use crate::scenario::diagnostic::{Code, Report};
use crate::scenario::resolve;
use crate::scenario::sources;
use crate::scenario::spec::{Generated, Spec, Workload};
use crate::world::{Pod, PodClass, Pool, Resources, TraceSource};

/// The most pods of a scenario: about 3 GB of memory.
pub(super) const MOST_PODS: usize = 50_000_000;

/// The pods of a scenario.
#[derive(Default)]
pub(super) struct Pods {
    /// Sorted by arrival; pods of one instant are in the order of workloads and, within one, of the
    /// scenario or trace.
    pub(super) pods: Vec<Pod>,
    /// First a class for each workload. After them those of traces whose pods differ in priority, or
    /// in whether they may be paused.
    pub(super) classes: Vec<PodClass>,
    /// What became of the traces.
    pub(super) traces: Vec<TraceSource>,
}

/// Reads or draws the pods of all workloads.
pub(super) fn read(spec: &Spec, pools: &[Pool], base_dir: &Path, report: &mut Report<'_>) -> Pods {
    let mut pods = Vec::new();
    let mut traces = Vec::new();
    let mut classes: Vec<PodClass> = spec.workloads.iter().map(cluster::class).collect();
    for (class, workload) in (0..).zip(&spec.workloads) {
        let mut source = PodSource {
            workload,
            class,
            start: spec.start.0,
            end: spec.start.0 + spec.duration.0,
            own: cluster::requests(workload),
            deadline: resolve::deadline(workload.template.as_ref()),
            path: format!("spec.workloads[{class}]"),
            seed: spec.seed,
            kinds: BTreeMap::new(),
            classes: &mut classes,
            traces: &mut traces,
            pods: &mut pods,
        };
        source.replicas();
        source.listed();
        if let Some(generated) = &workload.generated {
            source.generated(generated, spec.seed);
        }
        if let Some(trace) = &workload.trace {
            source.trace(trace, pools, base_dir, report);
        }
        if pods.len() > MOST_PODS {
            let message = format!("{} pods; a run holds 50 million at most", pods.len());
            report.error(Code::TooManyPods, &format!("spec.workloads[{class}]"), message);
            return Pods::default();
        }
    }
    distinct(&classes, report);
    // Stable, so that what was written or drawn first comes first.
    pods.sort_by_key(|pod: &Pod| pod.arrival);
    Pods { pods, classes, traces }
}

/// Pods are called as their class is, so the classes that traces add must have names of their own.
fn distinct(classes: &[PodClass], report: &mut Report<'_>) {
    let mut names = BTreeSet::new();
    for class in classes {
        if !names.insert(&class.name) {
            let message = format!("pods of a trace would be called as those of `{}`", class.name);
            report
                .error(Code::DuplicateName, "spec.workloads", message)
                .hint("rename one of the workloads");
        }
    }
}

/// One workload on its way to pods.
pub(super) struct PodSource<'a> {
    pub(super) workload: &'a Workload,
    class: u32,
    pub(super) start: Time,
    pub(super) end: Time,
    pub(super) own: TemplateRequests,
    deadline: Option<Time>,
    pub(super) path: String,
    pub(super) seed: u64,
    /// The classes of pods whose priority and pausing are not the workload's.
    kinds: BTreeMap<(i32, bool), u32>,
    classes: &'a mut Vec<PodClass>,
    pub(super) traces: &'a mut Vec<TraceSource>,
    pub(super) pods: &'a mut Vec<Pod>,
}

impl PodSource<'_> {
    /// A Deployment runs from the first instant to the last, and doesn't wait.
    fn replicas(&mut self) {
        let pod = Pod {
            class: self.class,
            arrival: self.start,
            duration: self.end - self.start,
            max_delay: None,
            requests: self.of_template(),
        };
        let most = self.workload.load.as_ref().map(|load| load.max_replicas);
        let count = self.workload.replicas.or(most).unwrap_or(0);
        self.pods.extend(std::iter::repeat_n(pod, count as usize));
    }

    fn of_template(&self) -> Resources {
        Resources {
            cpu: self.own.cpu.unwrap_or_default(),
            memory: self.own.memory,
            gpu: self.own.gpu,
        }
    }

    fn listed(&mut self) {
        for entry in self.workload.pods.iter().flatten() {
            let arrival = self.start + entry.arrival.0;
            let duration = entry.duration.0;
            let own_delay = entry.max_delay.as_ref().map(|delay| delay.0);
            let pod = Pod {
                class: self.class,
                arrival,
                duration,
                max_delay: self.max_delay(own_delay, arrival, duration),
                requests: cluster::pod_requests(entry, &self.own),
            };
            self.pods.extend(std::iter::repeat_n(pod, entry.count as usize));
        }
    }

    fn generated(&mut self, generated: &Generated, seed: u64) {
        let Some(figures) = figures(generated) else {
            return;
        };
        let clock = generated.time_zone.as_deref().and_then(sources::clock);
        let clock = clock.unwrap_or(Clock::UTC);
        let name = &self.workload.name;
        let arrivals = generated::arrivals(&figures, self.start, self.end, &clock, seed, name);
        for arrival in arrivals {
            let Arrival { cpu, memory, gpu, .. } = arrival;
            self.push(&arrival, Resources { cpu, memory, gpu });
        }
    }

    /// The class of the pod: the workload's, or one that differs in what the trace says of this pod.
    /// Where the workload itself says whether its pods may be paused, that wins.
    fn class_of(&mut self, arrival: &Arrival) -> u32 {
        let base = &self.classes[self.class as usize];
        let priority = arrival.priority.map_or(base.priority, i32::from);
        let own = self.workload.interruptible;
        let interruptible = own.or(arrival.interruptible).unwrap_or(base.interruptible);
        if (priority, interruptible) == (base.priority, base.interruptible) {
            return self.class;
        }
        let classes = &mut *self.classes;
        *self.kinds.entry((priority, interruptible)).or_insert_with(|| {
            let pausing = if interruptible { "-interruptible" } else { "" };
            let base = &classes[self.class as usize];
            let name = format!("{}-p{priority}{pausing}", base.name);
            let class = PodClass { name, priority, interruptible, ..base.clone() };
            classes.push(class);
            (classes.len() - 1) as u32
        })
    }

    pub(super) fn push(&mut self, arrival: &Arrival, requests: Resources) {
        // A row of no length is a pod that failed at once; the engine needs an end after a start.
        let duration = arrival.duration.max(Span::from_millis(1));
        let class = self.class_of(arrival);
        self.pods.push(Pod {
            class,
            arrival: arrival.at,
            duration,
            max_delay: self.max_delay(arrival.max_delay, arrival.at, duration),
            requests,
        });
    }

    /// The pod's own delay, else the workload's; a deadline can only make it shorter.
    fn max_delay(&self, own: Option<Span>, arrival: Time, duration: Span) -> Option<Span> {
        let workload = self.workload.max_delay.as_ref().map(|delay| delay.0);
        let delay = own.or(workload);
        let slack = self.deadline.map(|deadline| {
            let latest_start = deadline.millis().saturating_sub(duration.millis());
            Span::from_millis(latest_start.saturating_sub(arrival.millis()).max(0))
        });
        match (delay, slack) {
            (Some(delay), Some(slack)) => Some(delay.min(slack)),
            (delay, slack) => delay.or(slack),
        }
    }
}

/// The figures of a generated workload; parsing has filled in those that may be left out.
fn figures(spec: &Generated) -> Option<generated::Generated> {
    let duration = spec.duration.as_ref()?;
    Some(generated::Generated {
        pods_per_day: spec.pods_per_day?,
        hourly: spec.hourly?,
        weekend: spec.weekend_factor?,
        duration: generated::Lognormal {
            median: duration.median.0,
            sigma: duration.sigma,
            min: duration.min.0,
            max: duration.max.0,
        },
        shapes: spec
            .shapes
            .as_ref()?
            .iter()
            .map(|shape| generated::Shape {
                weight: shape.weight,
                cpu: shape.cpu.0,
                memory: shape.memory.0,
                gpu: MilliGpu::new(shape.gpu).unwrap_or_default(),
            })
            .collect(),
    })
}
