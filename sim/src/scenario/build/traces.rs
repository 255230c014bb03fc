//! The part of the pods that comes from files: opens a trace, makes pods of its arrivals, and keeps
//! account of what it did not say.

use std::path::Path;

use carbon_kube_core::Bytes;
use carbon_kube_datasets::ReadError;
use carbon_kube_datasets::workload::Arrival;
use carbon_kube_datasets::workload::columns::{self, InstantFormat, Length, TimeUnit};
use carbon_kube_datasets::workload::filling::{Filling, Machine};
use carbon_kube_datasets::workload::trace::{self, Format, Settings, Shift};

use super::pods::PodSource;
use crate::scenario::cluster;
use crate::scenario::diagnostic::{Code, Report};
use crate::scenario::room::Room;
use crate::scenario::spec::{
    ArrivalUnit, CpuUnit, DurationUnit, MemoryUnit, Trace, TraceFormat, TraceShift,
};
use crate::world::{Assumption, Pod, Pool, Resources, TraceSource};

impl PodSource<'_> {
    /// The pods of a trace that arrive in the window. What is wrong with it is reported.
    pub(super) fn trace(
        &mut self,
        trace: &Trace,
        pools: &[Pool],
        base_dir: &Path,
        report: &mut Report<'_>,
    ) {
        let path = format!("{}.trace", self.path);
        let before = self.pods.len();
        let reach = match self.arrivals(trace, &base_dir.join(&trace.path)) {
            Ok(reach) => reach,
            Err(error) => {
                self.pods.truncate(before);
                report
                    .error(Code::UnreadableTrace, &format!("{path}.path"), error.to_string())
                    .maybe_hint(super::hint(&error));
                return;
            }
        };
        if self.pods.len() == before {
            self.outside(reach, &path, report);
        }
        self.fits(&self.pods[before..], pools, &path, report);
    }

    /// Reads the trace, and returns its first and last arrival, in the window or not.
    fn arrivals(&mut self, trace: &Trace, file: &Path) -> Result<Reach, ReadError> {
        let before = self.pods.len();
        let settings = settings(trace, self.start, self.end, self.seed);
        let mut arrivals = trace::open(file, settings)?;
        let named = arrivals.format() == Format::Columns;
        while let Some(arrival) = arrivals.next().transpose()? {
            if self.pods.len() > super::pods::MOST_PODS {
                break;
            }
            let Arrival { cpu, memory, gpu, .. } = arrival;
            let mut requests = Resources { cpu, memory, gpu };
            if named {
                self.fill(&mut requests, trace);
            }
            self.push(&arrival, requests);
        }
        let account = arrivals.account();
        let assumed = account.assumptions.iter().map(|assumption| Assumption {
            name: assumption.name.to_owned(),
            text: assumption.text.clone(),
            rows: assumption.rows,
        });
        let source = TraceSource {
            workload: self.workload.name.clone(),
            path: trace.path.clone(),
            format: arrivals.format().name().to_owned(),
            rows: account.rows,
            pods: (self.pods.len() - before) as u64,
            skipped: account.skipped.iter().map(|(why, rows)| ((*why).to_owned(), *rows)).collect(),
            assumptions: assumed.collect(),
        };
        self.traces.push(source);
        Ok(arrivals.reach())
    }

    /// What named columns don't tell is the template's.
    fn fill(&self, requests: &mut Resources, trace: &Trace) {
        if trace.columns.memory.is_none() && trace.memory_per_core.is_none() {
            requests.memory = self.own.memory;
        }
        if trace.columns.gpu.is_none() {
            requests.gpu = self.own.gpu;
        }
    }

    fn outside(&self, reach: Reach, path: &str, report: &mut Report<'_>) {
        let (start, end) = (self.start, self.end);
        let message = match reach {
            Some((first, last)) => format!(
                "no pod arrives in the window of {start} to {end}: the trace has {first} to {last}"
            ),
            None => format!("no pod arrives in the window of {start} to {end}"),
        };
        let hint = "move `spec.start`, lay the trace on the window with `shift`, or check `from`, `to` \
                    and `arrivalUnit`";
        report.error(Code::OutsideWindow, path, message).hint(hint);
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
}

/// First and last arrival of a trace.
type Reach = Option<(carbon_kube_core::Time, carbon_kube_core::Time)>;

fn settings(
    trace: &Trace,
    start: carbon_kube_core::Time,
    end: carbon_kube_core::Time,
    seed: u64,
) -> Settings {
    let default = Filling::default();
    Settings {
        format: trace.format.map(format),
        columns: Some(trace_columns(trace)),
        workload: trace.workload.clone(),
        start,
        end,
        from: trace.from.0,
        to: trace.to.as_ref().map(|to| to.0),
        time_scale: trace.time_scale,
        size_scale: trace.size_scale,
        shift: trace.shift.map(|shift| match shift {
            TraceShift::None => Shift::None,
            TraceShift::Window => Shift::Window,
            TraceShift::Weekday => Shift::Weekday,
        }),
        pod_cpu: trace.pod_cpu.as_ref().map(|cpu| cpu.0),
        filling: Filling {
            memory_per_core: trace
                .memory_per_core
                .as_ref()
                .map_or(default.memory_per_core, |memory| memory.0),
            machine: trace
                .machine
                .as_ref()
                .map(|machine| Machine { cpu: machine.cpu.0, memory: machine.memory.0 }),
            time_unit: trace.time_unit.map(time_unit),
            seed,
        },
    }
}

fn format(format: TraceFormat) -> Format {
    match format {
        TraceFormat::Swf => Format::Swf,
        TraceFormat::Openb => Format::Openb,
        TraceFormat::AlibabaBatch => Format::AlibabaBatch,
        TraceFormat::AzureVm => Format::AzureVm,
        TraceFormat::GoogleTaskEvents => Format::GoogleTaskEvents,
        TraceFormat::Gaia => Format::Gaia,
        TraceFormat::Surf => Format::Surf,
        TraceFormat::Gwf => Format::Gwf,
        TraceFormat::Stored => Format::Stored,
        TraceFormat::Columns => Format::Columns,
    }
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
    let max_delay = names.max_delay.clone();
    let max_delay = max_delay.map(|column| columns::Patience::MaxDelay { column, unit });
    let deadline = names.deadline.clone();
    let deadline = deadline.map(|column| columns::Patience::Deadline { column });
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
        patience: max_delay.or(deadline),
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
