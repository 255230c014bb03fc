//! What a scenario takes from compiled-in tables and bundled data, in the scenario's own words.

use carbon_kube_core::power::{self, gpu};
use carbon_kube_core::zone::Clock;
use carbon_kube_core::{Bytes, MilliCpu, Time, Zone};
use carbon_kube_datasets::bundled;
use carbon_kube_datasets::workload::{generated, presets};

use super::spec::{
    Bundled, CpuQuantity, Duration, DurationModel, Embodied, Generated, GpuPower, MemoryQuantity,
    Modelled, Power, ResourceAmounts, Shape, Signal, Source,
};

/// What an instance type brings.
pub(super) struct Instance {
    pub allocatable: ResourceAmounts,
    pub power: Power,
    pub gpu: Option<GpuPower>,
    pub embodied: Option<Embodied>,
}

/// What the compiled-in tables know of a type; `None` where they lack it.
pub(super) fn instance(name: &str) -> Option<Instance> {
    power::instance(name).map(|row| row.into())
}

impl From<power::Instance> for Instance {
    fn from(row: power::Instance) -> Self {
        const GIB: f64 = 1_073_741_824.0;
        Self {
            allocatable: ResourceAmounts {
                cpu: Some(CpuQuantity(MilliCpu(u64::from(row.vcpu) * 1_000))),
                memory: Some(MemoryQuantity(Bytes((row.memory_gib * GIB) as u64))),
                gpu: Some(row.gpu),
            },
            power: Power {
                idle_watts: Some(row.idle_watts.get()),
                busy_watts: Some(row.busy_watts.get()),
                ..Default::default()
            },
            gpu: row.gpu_model.as_deref().and_then(gpu_power),
            embodied: (row.server_embodied_kg > 0.0).then(|| Embodied {
                kg_co2e: Some(row.embodied_kg()),
                server: None,
                lifetime_years: super::spec::LIFETIME_YEARS,
            }),
        }
    }
}

/// The watts of a GPU model; `None` for one that the table lacks.
pub(super) fn gpu_power(model: &str) -> Option<GpuPower> {
    let row = gpu::find(model)?;
    Some(GpuPower {
        model: Some(row.model.clone()),
        idle_watts: Some(row.idle_watts.get()),
        busy_watts: Some(row.busy_watts.get()),
    })
}

/// The values of a preset; `None` where there is no such preset.
pub(super) fn preset(name: &str) -> Option<Generated> {
    let values = presets::get(name)?;
    Some(Generated {
        preset: Some(name.to_owned()),
        pods_per_day: Some(values.pods_per_day),
        hourly: Some(values.hourly),
        weekend_factor: Some(values.weekend),
        duration: Some(DurationModel {
            median: Duration(values.duration.median),
            sigma: values.duration.sigma,
            min: Duration(values.duration.min),
            max: Duration(values.duration.max),
        }),
        shapes: Some(values.shapes.iter().map(shape).collect()),
        time_zone: None,
    })
}

fn shape(shape: &generated::Shape) -> Shape {
    Shape {
        weight: shape.weight,
        cpu: CpuQuantity(shape.cpu),
        memory: MemoryQuantity(shape.memory),
        gpu: shape.gpu.gpus(),
    }
}

/// Names of the presets.
pub(super) fn preset_names() -> impl Iterator<Item = &'static str> {
    presets::names()
}

/// The zone's source where the scenario names none: bundled where that covers the window.
pub(super) fn default_source(zone: &Zone, start: Time, end: Time) -> Source {
    let years = i32::from(start.utc().year())..=i32::from(end.utc().year());
    let covers = |row: &bundled::Bundled| {
        // A window may end with the first instant of the year after.
        let last = i32::from(row.last_year);
        let within = *years.end() <= last || end <= new_year(last + 1);
        i32::from(row.first_year) <= *years.start() && within
    };
    let average = carbon_kube_core::intensity::Signal::Average;
    let bundled = bundled::catalogue()
        .iter()
        .any(|row| row.zone == zone.as_str() && row.signal == average && covers(row));
    if bundled {
        Source::Bundled(Bundled { signal: Signal::Average })
    } else {
        Source::Modelled(Modelled {})
    }
}

/// The first instant of a year in UTC.
fn new_year(year: i32) -> Time {
    format!("{year:04}-01-01").parse().unwrap_or(Time::MAX)
}

/// The clock of an IANA time zone, from the compiled-in database.
pub(super) fn clock(name: &str) -> Option<Clock> {
    Clock::get(name).ok()
}
