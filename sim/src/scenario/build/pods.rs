//! The pods of every workload, by arrival.

use std::path::Path;

use carbon_kube_core::zone::Clock;
use carbon_kube_core::{Bytes, MilliGpu, Span, Time};
use carbon_kube_datasets::workload::columns::{self, InstantFormat, Length, TimeUnit};
use carbon_kube_datasets::workload::{Arrival, generated};

use crate::scenario::cluster::{self, TemplateRequests};
use crate::scenario::diagnostic::{Code, Report};
use crate::scenario::resolve;
use crate::scenario::room::Room;
use crate::scenario::sources;
use crate::scenario::spec::{
    ArrivalUnit, CpuUnit, DurationUnit, Generated, MemoryUnit, Spec, Trace, Workload,
};
use crate::world::{Pod, Pool, Resources};

/// The most pods of a scenario: about 3 GB of memory.
const MOST_PODS: usize = 50_000_000;

/// Reads or draws the pods of all workloads, sorted by arrival; pods of one instant are in the
/// order of workloads and, within one, of the scenario or trace.
pub(super) fn read(
    spec: &Spec,
    pools: &[Pool],
    base_dir: &Path,
    report: &mut Report<'_>,
) -> Vec<Pod> {
    let mut pods = Vec::new();
    for (class, workload) in (0..).zip(&spec.workloads) {
        let mut source = PodSource {
            workload,
            class,
            start: spec.start.0,
            end: spec.start.0 + spec.duration.0,
            own: cluster::requests(workload),
            deadline: resolve::deadline(workload.template.as_ref()),
            path: format!("spec.workloads[{class}]"),
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
            return Vec::new();
        }
    }
    // Stable, so that what was written or drawn first comes first.
    pods.sort_by_key(|pod: &Pod| (pod.arrival, pod.class));
    pods
}

/// One workload on its way to pods.
struct PodSource<'a> {
    workload: &'a Workload,
    class: u32,
    start: Time,
    end: Time,
    own: TemplateRequests,
    deadline: Option<Time>,
    path: String,
    pods: &'a mut Vec<Pod>,
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
            let requests = Resources { cpu: arrival.cpu, memory: arrival.memory, gpu: arrival.gpu };
            self.push(&arrival, requests);
        }
    }

    fn trace(&mut self, trace: &Trace, pools: &[Pool], base_dir: &Path, report: &mut Report<'_>) {
        let path = format!("{}.trace", self.path);
        let file = base_dir.join(&trace.path);
        let arrivals = match columns::read(&file, &trace_columns(trace), self.start) {
            Ok(arrivals) => arrivals,
            Err(error) => {
                report
                    .error(Code::UnreadableTrace, &format!("{path}.path"), error.to_string())
                    .maybe_hint(super::hint(&error));
                return;
            }
        };
        let before = self.pods.len();
        let window = self.start..self.end;
        for arrival in arrivals.iter().filter(|a| window.contains(&a.at)) {
            let requests = self.of_row(arrival, trace);
            self.push(arrival, requests);
        }
        if self.pods.len() == before {
            self.outside(&arrivals, &path, report);
        }
        self.fits(&self.pods[before..], pools, &path, report);
    }

    /// What a row requests; what the trace doesn't tell is the template's.
    fn of_row(&self, arrival: &Arrival, trace: &Trace) -> Resources {
        let has_memory = trace.columns.memory.is_some() || trace.memory_per_core.is_some();
        let has_gpu = trace.columns.gpu.is_some();
        Resources {
            cpu: arrival.cpu,
            memory: if has_memory { arrival.memory } else { self.own.memory },
            gpu: if has_gpu { arrival.gpu } else { self.own.gpu },
        }
    }

    fn outside(&self, arrivals: &[Arrival], path: &str, report: &mut Report<'_>) {
        let (Some(first), Some(last)) = (arrivals.first(), arrivals.last()) else {
            return;
        };
        let message = format!(
            "no pod arrives in the window of {} to {}: the trace has {} to {}",
            self.start, self.end, first.at, last.at
        );
        report
            .error(Code::OutsideWindow, path, message)
            .hint("move `spec.start`, or check `arrivalUnit`");
    }

    /// Reports rows that no node takes: how many, and the largest of them.
    fn fits(&self, pods: &[Pod], pools: &[Pool], path: &str, report: &mut Report<'_>) {
        let class = cluster::class(self.workload);
        // A class without any pool has been refused when the scenario was parsed.
        let Ok(room) = Room::new(&class, pools) else {
            return;
        };
        let refused = pods.iter().filter(|pod| !room.fits(&pod.requests));
        let count = refused.clone().count();
        if let Some(largest) = refused.map(|pod| pod.requests).max() {
            let message = format!(
                "no node is large enough for {count} of {} pods, up to {}",
                pods.len(),
                cluster::shown(&largest)
            );
            report.error(Code::PodTooLarge, path, message).hint(room.largest(&largest));
        }
        let without_cpu = pods.iter().filter(|pod| pod.requests.cpu.0 == 0).count();
        if without_cpu > 0 {
            let message = format!("{without_cpu} of {} pods request no CPU", pods.len());
            report
                .error(Code::NoRequest, path, message)
                .hint("check `cpuUnit`, or leave these rows out");
        }
    }

    fn push(&mut self, arrival: &Arrival, requests: Resources) {
        // A row of no length is a pod that failed at once; the engine needs an end after a start.
        let duration = arrival.duration.max(Span::from_millis(1));
        self.pods.push(Pod {
            class: self.class,
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

fn trace_columns(trace: &Trace) -> columns::WorkloadColumns {
    let names = &trace.columns;
    let unit = time_unit(trace.duration_unit);
    let length = match &names.end {
        Some(end) => Length::End { column: end.clone() },
        None => Length::Duration {
            column: names.duration.clone().unwrap_or_else(|| "duration".to_owned()),
            unit,
        },
    };
    let memory = match &names.memory {
        Some(column) => {
            columns::Memory::Column { column: column.clone(), unit: memory_unit(trace.memory_unit) }
        }
        None => columns::Memory::PerCore(
            trace.memory_per_core.as_ref().map_or(Bytes(0), |memory| memory.0),
        ),
    };
    let max_delay = |column: &String| columns::Patience::MaxDelay { column: column.clone(), unit };
    columns::WorkloadColumns {
        arrival: names.arrival.clone(),
        arrival_format: arrival_format(trace.arrival_unit),
        length,
        cpu: names.cpu.clone(),
        cpu_unit: match trace.cpu_unit {
            CpuUnit::Cores => columns::CpuUnit::Cores,
            CpuUnit::Millicores => columns::CpuUnit::Milli,
        },
        memory,
        gpu: names.gpu.clone(),
        patience: names.max_delay.as_ref().map(max_delay),
    }
}

fn arrival_format(unit: ArrivalUnit) -> InstantFormat {
    match unit {
        ArrivalUnit::Milliseconds => InstantFormat::SinceStart(TimeUnit::Milliseconds),
        ArrivalUnit::Seconds => InstantFormat::SinceStart(TimeUnit::Seconds),
        ArrivalUnit::Minutes => InstantFormat::SinceStart(TimeUnit::Minutes),
        ArrivalUnit::Hours => InstantFormat::SinceStart(TimeUnit::Hours),
        ArrivalUnit::EpochSeconds => InstantFormat::SinceEpoch(TimeUnit::Seconds),
        ArrivalUnit::EpochMilliseconds => InstantFormat::SinceEpoch(TimeUnit::Milliseconds),
        ArrivalUnit::Rfc3339 => InstantFormat::Date,
    }
}

fn time_unit(unit: DurationUnit) -> TimeUnit {
    match unit {
        DurationUnit::Milliseconds => TimeUnit::Milliseconds,
        DurationUnit::Seconds => TimeUnit::Seconds,
        DurationUnit::Minutes => TimeUnit::Minutes,
        DurationUnit::Hours => TimeUnit::Hours,
    }
}

fn memory_unit(unit: MemoryUnit) -> columns::MemoryUnit {
    match unit {
        MemoryUnit::Bytes => columns::MemoryUnit::Bytes,
        MemoryUnit::Mebibytes => columns::MemoryUnit::Mebibytes,
        MemoryUnit::Gibibytes => columns::MemoryUnit::Gibibytes,
    }
}
