//! Fills in what a scenario leaves to tables and annotations, so that the effective scenario
//! says it all: what an instance type brings, the source of each zone, the numbers of a forecast.

use carbon_kube_core::forecast::{NOISE_CORRELATION, NOISE_ERROR};
use carbon_kube_core::zone::nearest_name;
use carbon_kube_core::{Span, Time, power};
use carbon_kube_policies::cycle::SCHEDULER_RETRY;
use carbon_kube_policies::forecast::library;

use super::cluster;
use super::diagnostic::{Code, Report};
use super::path::shortened;
use super::schema::{did_you_mean, quoted};
use super::sources;
use super::spec::{
    Duration, Forecast, ForecastKind, Generated, GpuPower, Holding, NodePool, PodTemplate,
    Scenario, TraceColumns, TraceFormat, USUAL_PUE, Workload, ZonePue,
};

/// Fills in defaults that depend on other fields, and reports what can't be looked up.
pub(super) fn fill(scenario: &mut Scenario, report: &mut Report<'_>) {
    let spec = &mut scenario.spec;
    let (start, end) = (spec.start.0, spec.start.0.saturating_add(spec.duration.0));
    for zone in &mut spec.grid.zones {
        if zone.source.is_none() {
            zone.source = Some(sources::default_source(&zone.zone.0, start, end));
        }
    }
    for (i, pool) in spec.node_pools.iter_mut().enumerate() {
        fill_pool(pool, &format!("spec.nodePools[{i}]"), report);
        let zone = spec.grid.zones.iter().find(|zone| zone.zone == pool.zone);
        let mean = zone.and_then(|zone| zone.pue.as_ref()).map(ZonePue::mean);
        pool.pue.get_or_insert(mean.unwrap_or(USUAL_PUE));
    }
    for (i, workload) in spec.workloads.iter_mut().enumerate() {
        let path = format!("spec.workloads[{i}]");
        fill_from_annotations(workload, &path, report);
        if let Some(generated) = &mut workload.generated {
            fill_generated(generated, &format!("{path}.generated"), report);
        }
    }
    for trace in spec.workloads.iter_mut().filter_map(|w| w.trace.as_mut()) {
        // Whoever names columns means them, whatever the file is like.
        if trace.format.is_none() && trace.columns != TraceColumns::default() {
            trace.format = Some(TraceFormat::Columns);
        }
        if trace.columns.end.is_none() {
            let column = &mut trace.columns.duration;
            column.get_or_insert_with(|| "duration".to_owned());
        }
    }
    fill_forecast(&mut spec.forecast);
    if spec.scheduler.holding == Holding::Filter {
        spec.scheduler.retry_interval.get_or_insert(Duration(SCHEDULER_RETRY));
    }
}

fn fill_pool(pool: &mut NodePool, path: &str, report: &mut Report<'_>) {
    // A table of the user's is a file, and read when the world is built.
    if pool.instance_table.is_none() {
        fill_from_tables(pool, path, report);
    }
    if let Some(gpu) = &mut pool.gpu {
        fill_gpu(gpu, path, report);
    }
    if let Some(embodied) = &mut pool.embodied {
        let estimate = embodied.server.as_ref().map(cluster::server_kg);
        embodied.kg_co2e = embodied.kg_co2e.or(estimate);
    }
}

fn fill_from_tables(pool: &mut NodePool, path: &str, report: &mut Report<'_>) {
    let Some(name) = &pool.instance_type else {
        return;
    };
    if let Some(instance) = sources::instance(name) {
        fill_from_instance(pool, instance);
        return;
    }
    // A pool that says everything itself may have any machine type; it becomes a label.
    let complete =
        pool.power.is_some() && pool.allocatable.cpu.is_some() && pool.allocatable.memory.is_some();
    if !complete {
        let message = format!("nothing is known of the instance type `{}`", shortened(name));
        let near = did_you_mean(power::nearest(name));
        let otherwise = || "give `allocatable` and `power` yourself".to_owned();
        report
            .error(Code::UnknownInstanceType, &format!("{path}.instanceType"), message)
            .hint(near.unwrap_or_else(otherwise));
    }
}

/// What the pool does not say itself is that of the instance.
pub(super) fn fill_from_instance(pool: &mut NodePool, instance: sources::Instance) {
    let own = &mut pool.allocatable;
    own.cpu = own.cpu.take().or(instance.allocatable.cpu);
    own.memory = own.memory.take().or(instance.allocatable.memory);
    own.gpu = own.gpu.or(instance.allocatable.gpu);
    pool.power = pool.power.take().or(Some(instance.power));
    let has_gpus = own.gpu.is_some_and(|count| count > 0);
    pool.gpu = pool.gpu.take().or(instance.gpu.filter(|_| has_gpus));
    pool.embodied = pool.embodied.take().or(instance.embodied);
}

fn fill_gpu(gpu: &mut GpuPower, path: &str, report: &mut Report<'_>) {
    let both = gpu.idle_watts.is_some() && gpu.busy_watts.is_some();
    let Some(model) = gpu.model.as_deref().filter(|_| !both) else {
        return;
    };
    match sources::gpu_power(model) {
        Some(known) => {
            gpu.idle_watts = gpu.idle_watts.or(known.idle_watts);
            gpu.busy_watts = gpu.busy_watts.or(known.busy_watts);
        }
        None => {
            let message = format!("nothing is known of the GPU model `{}`", shortened(model));
            let near = did_you_mean(power::gpu::nearest(model));
            let otherwise = || "give `idleWatts` and `busyWatts` yourself".to_owned();
            report
                .error(Code::UnknownInstanceType, &format!("{path}.gpu.model"), message)
                .hint(near.unwrap_or_else(otherwise));
        }
    }
}

const PREFIX: &str = "carbon-kube.io/";
/// Annotations that the cluster's services know; all but the first four mean nothing here.
const ANNOTATIONS: [&str; 6] =
    ["max-delay", "deadline", "interruptible", "migratable", "expected-duration", "mode"];

fn fill_from_annotations(workload: &mut Workload, path: &str, report: &mut Report<'_>) {
    let annotations: Vec<(String, String)> = workload
        .template
        .iter()
        .flat_map(|template| &template.metadata.annotations)
        .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?.to_owned(), value.clone())))
        .collect();
    for (key, value) in annotations {
        if let Err((problem, hint)) = honour(workload, &key, &value) {
            let path = format!("{path}.template.metadata.annotations[\"{PREFIX}{key}\"]");
            report.error(Code::BadAnnotation, &path, problem).maybe_hint(hint);
        } else if !ANNOTATIONS[..4].contains(&key.as_str()) {
            let path = format!("{path}.template.metadata.annotations[\"{PREFIX}{key}\"]");
            let near = nearest_name(&key, ANNOTATIONS[..4].iter().copied());
            report
                .warning(Code::BadAnnotation, &path, "has no effect in the simulator")
                .maybe_hint(did_you_mean(near));
        }
    }
}

fn honour(workload: &mut Workload, key: &str, value: &str) -> Result<(), (String, Option<String>)> {
    let format = |error: carbon_kube_core::time::TimeError| (error.to_string(), None);
    match key {
        "max-delay" => {
            let delay: Span = value.parse().map_err(format)?;
            workload.max_delay.get_or_insert(Duration(delay));
        }
        "deadline" => {
            value.parse::<Time>().map_err(format)?;
        }
        "interruptible" => {
            let value = yes_or_no(value)?;
            workload.interruptible.get_or_insert(value);
        }
        "migratable" => {
            let value = yes_or_no(value)?;
            workload.migratable.get_or_insert(value);
        }
        _ => {}
    }
    Ok(())
}

fn yes_or_no(value: &str) -> Result<bool, (String, Option<String>)> {
    value.parse().map_err(|_| {
        let problem = format!("`{}` is neither `true` nor `false`", shortened(value));
        (problem, None)
    })
}

/// The instant by which the template wants its pods to have ended.
pub(super) fn deadline(template: Option<&PodTemplate>) -> Option<Time> {
    let annotations = &template?.metadata.annotations;
    annotations.get("carbon-kube.io/deadline")?.parse().ok()
}

fn fill_generated(generated: &mut Generated, path: &str, report: &mut Report<'_>) {
    if let Some(name) = &generated.preset {
        let Some(preset) = sources::preset(name) else {
            let known = quoted(sources::preset_names());
            let message = format!("there is no preset `{}`", shortened(name));
            report
                .error(Code::UnknownPreset, &format!("{path}.preset"), message)
                .hint(format!("the presets are {known}"));
            return;
        };
        generated.pods_per_day = generated.pods_per_day.or(preset.pods_per_day);
        generated.hourly = generated.hourly.or(preset.hourly);
        generated.weekend_factor = generated.weekend_factor.or(preset.weekend_factor);
        generated.duration = generated.duration.take().or(preset.duration);
        generated.shapes = generated.shapes.take().or(preset.shapes);
    }
    generated.hourly.get_or_insert([1.0; 24]);
    generated.weekend_factor.get_or_insert(1.0);
    generated.time_zone.get_or_insert_with(|| "UTC".to_owned());
}

/// Defaults of the numbers that the kind uses.
fn fill_forecast(forecast: &mut Forecast) {
    match forecast.kind {
        ForecastKind::Seasonal => {
            forecast.period.get_or_insert(Duration(Span::DAY));
        }
        ForecastKind::Noisy => {
            forecast.error.get_or_insert(NOISE_ERROR);
            forecast.correlation.get_or_insert(NOISE_CORRELATION);
        }
        ForecastKind::NoisyIndependent => {
            forecast.error.get_or_insert(0.05);
        }
        ForecastKind::Model => {
            forecast.file.get_or_insert_with(|| library::DEFAULT.to_owned());
        }
        ForecastKind::Perfect | ForecastKind::Persistence | ForecastKind::Recorded => {}
    }
}
