//! What a scenario takes from compiled-in tables and bundled data, in the scenario's own words.

use carbon_kube_core::zone::Clock;
use carbon_kube_core::{Bytes, MilliCpu, Time, Zone, power};
use carbon_kube_datasets::bundled;
use carbon_kube_datasets::workload::{generated, presets};

use super::spec::{
    Bundled, CpuQuantity, Duration, DurationModel, Embodied, Generated, MemoryQuantity, Modelled,
    Power, ResourceAmounts, Shape, Signal, Source,
};

/// What an instance type brings.
pub(super) struct Instance {
    pub allocatable: ResourceAmounts,
    pub power: Power,
    pub embodied: Option<Embodied>,
}

/// The row of the table; `None` for a type that it lacks.
pub(super) fn instance(name: &str) -> Option<Instance> {
    const GIB: f64 = 1_073_741_824.0;
    let row = power::instance(name)?;
    Some(Instance {
        allocatable: ResourceAmounts {
            cpu: Some(CpuQuantity(MilliCpu(u64::from(row.vcpu) * 1_000))),
            memory: Some(MemoryQuantity(Bytes((row.memory_gib * GIB) as u64))),
            gpu: Some(row.gpu),
        },
        power: Power { idle_watts: row.idle_watts.get(), busy_watts: row.busy_watts.get() },
        embodied: Some(Embodied {
            kg_co2e: row.embodied_kg(),
            lifetime_years: super::spec::LIFETIME_YEARS,
        }),
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
