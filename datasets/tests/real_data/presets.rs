use std::io::Read;

use carbon_kube_core::{Bytes, Span, Time};
use carbon_kube_datasets::workload::columns::{
    self, CpuUnit, InstantFormat, Length, Memory, MemoryUnit, TimeUnit, WorkloadColumns,
};
use carbon_kube_datasets::workload::generated::{Generated, arrivals};
use carbon_kube_datasets::workload::{Arrival, presets};

use crate::test_data;

/// What the table in `presets` states.
struct Figures {
    median_hours: f64,
    sd_of_log: f64,
    mean_hours: f64,
    min_seconds: f64,
    max_hours: f64,
    mean_cores: f64,
    mean_gib: f64,
    mean_gpus: f64,
}

impl Figures {
    fn of(lengths: &[Arrival], requests: &[Arrival]) -> Self {
        let mut spans: Vec<Span> = lengths.iter().map(|pod| pod.duration).collect();
        spans.sort();
        let count = spans.len() as f64;
        let logs = || spans.iter().map(|span| span.hours().ln());
        let mean_log = logs().sum::<f64>() / count;
        let mean = |what: fn(&Arrival) -> f64| {
            requests.iter().map(what).sum::<f64>() / requests.len() as f64
        };
        Self {
            median_hours: spans[spans.len() / 2].hours(),
            sd_of_log: (logs().map(|l| (l - mean_log).powi(2)).sum::<f64>() / count).sqrt(),
            mean_hours: spans.iter().map(|span| span.hours()).sum::<f64>() / count,
            min_seconds: spans[0].seconds(),
            max_hours: spans[spans.len() - 1].hours(),
            mean_cores: mean(|pod| pod.cpu.0 as f64 / 1_000.0),
            mean_gib: mean(|pod| pod.memory.0 as f64 / f64::from(1 << 30)),
            mean_gpus: mean(|pod| pod.gpu.gpus()),
        }
    }
}

fn near(what: &str, got: f64, expected: f64, part: f64) {
    let difference = (got - expected).abs();
    assert!(difference <= part * expected.abs() + 1e-9, "{what}: {got}, expected {expected}");
}

fn gaia(file: &str) -> Option<Vec<Arrival>> {
    let columns = WorkloadColumns {
        arrival: "arrival_time".into(),
        arrival_format: InstantFormat::SinceStart(TimeUnit::Hours),
        length: Length::Duration { column: "length".into(), unit: TimeUnit::Hours },
        cpu: "cpus".into(),
        cpu_unit: CpuUnit::Cores,
        memory: Memory::PerCore(Bytes(4 << 30)),
        gpu: None,
        patience: None,
    };
    let path = test_data::file(&format!("workloads/{file}"))?;
    Some(columns::read(&path, &columns, Time::from_millis(0)).unwrap())
}

/// All pods of `openb`, with the length from creation: right for requests and arrivals only.
fn openb(length: Length, text: &str) -> Vec<Arrival> {
    let columns = WorkloadColumns {
        arrival: "creation_time".into(),
        arrival_format: InstantFormat::SinceStart(TimeUnit::Seconds),
        length,
        cpu: "cpu_milli".into(),
        cpu_unit: CpuUnit::Milli,
        memory: Memory::Column { column: "memory_mib".into(), unit: MemoryUnit::Mebibytes },
        gpu: Some("num_gpu".into()),
        patience: None,
    };
    columns::parse("openb", text.as_bytes(), &columns, Time::from_millis(0)).unwrap()
}

fn hold(name: &str, trace: &Figures, mean_part: f64) {
    let preset = presets::get(name).unwrap();
    near("median", preset.duration.median.hours(), trace.median_hours, 0.001);
    near("min", preset.duration.min.seconds(), trace.min_seconds, 0.001);
    near("max", preset.duration.max.hours(), trace.max_hours, 0.001);

    let drawn = draw(&preset);
    let drawn = Figures::of(&drawn, &drawn);
    eprintln!(
        "{name}: sd of ln {:.3} (trace {:.3}), mean {:.2} h ({:.2}), {:.2} cores ({:.2}), {:.1} GiB ({:.1})",
        drawn.sd_of_log,
        trace.sd_of_log,
        drawn.mean_hours,
        trace.mean_hours,
        drawn.mean_cores,
        trace.mean_cores,
        drawn.mean_gib,
        trace.mean_gib
    );
    near("drawn median", drawn.median_hours, trace.median_hours, 0.02);
    near("drawn sd of ln", drawn.sd_of_log, trace.sd_of_log, 0.02);
    near("drawn mean", drawn.mean_hours, trace.mean_hours, mean_part);
    near("drawn cores", drawn.mean_cores, trace.mean_cores, 0.02);
    near("drawn memory", drawn.mean_gib, trace.mean_gib, 0.02);
    near("drawn GPUs", drawn.mean_gpus, trace.mean_gpus, 0.02);
}

/// About 100,000 pods.
fn draw(preset: &Generated) -> Vec<Arrival> {
    let days = (100_000.0 / preset.pods_per_day) as i64;
    let start: Time = "2020-01-06".parse().unwrap();
    arrivals(preset, start, start + Span::DAY * days, &jiff::tz::TimeZone::UTC, 7, "preset")
}

#[test]
fn drawn_pods_have_the_figures_of_the_gaia_samples() {
    for (name, file, pods) in [
        ("azure-2017", "gaia_azure-100k.csv.gz", 99_988),
        ("pai-2020", "gaia_pai-100k.csv.gz", 99_998),
    ] {
        let Some(trace) = gaia(file) else { return };
        assert_eq!(trace.len(), pods);
        // 8,760 hours of arrivals.
        near(name, presets::get(name).unwrap().pods_per_day, pods as f64 / 365.0, 0.001);
        hold(name, &Figures::of(&trace, &trace), 0.06);
    }
}

#[test]
fn drawn_pods_have_the_figures_of_the_openb_trace() {
    let Some(path) = test_data::file("workloads/alibaba_openb_pod_list_default.csv") else {
        return;
    };
    let mut text = String::new();
    std::fs::File::open(path).unwrap().read_to_string(&mut text).unwrap();
    // 897 pods never ran: their scheduled_time is empty. One pod has an end at its creation.
    let (header, rows) = text.split_once('\n').unwrap();
    let keep = |wanted: &dyn Fn(&[&str]) -> bool| -> String {
        rows.lines()
            .filter(|line| wanted(&line.trim_end().split(',').collect::<Vec<_>>()))
            .fold(format!("{header}\n"), |text, line| text + line + "\n")
    };
    let end = || Length::End { column: "deletion_time".into() };
    let all = openb(end(), &keep(&|fields| fields[9] != fields[8]));
    // Lengths count from scheduling, of the pods created from day 115 on, where the load begins.
    let ran = keep(&|fields| !fields[10].trim().is_empty() && day(fields[8]) >= 115)
        .replace("creation_time", "created")
        .replace("scheduled_time", "creation_time");
    let ran = openb(end(), &ran);
    assert_eq!(ran.len(), 7_228);
    hold("openb-2023", &Figures::of(&ran, &all), 0.65);
    hours_and_weekend(&all);
}

fn day(seconds: &str) -> i64 {
    seconds.parse::<i64>().unwrap() / 86_400
}

/// The pattern that all presets have: four full weeks, hour 0 of the trace read as 16:00.
fn hours_and_weekend(pods: &[Arrival]) {
    let epoch = Time::from_millis(0);
    let weeks = epoch + Span::DAY * 116..epoch + Span::DAY * 144;
    let pods: Vec<Time> = pods.iter().map(|pod| pod.at).filter(|at| weeks.contains(at)).collect();
    let local = |at: Time| (at - epoch).hours() as usize + 16;
    let preset = presets::get("openb-2023").unwrap();
    near("pods a day", preset.pods_per_day, pods.len() as f64 / 28.0, 0.001);
    for (hour, weight) in preset.hourly.iter().enumerate() {
        let count = pods.iter().filter(|at| local(**at) % 24 == hour).count();
        let part = count as f64 * 24.0 / pods.len() as f64;
        assert!((part - weight).abs() < 0.006, "{hour}: {part}, stated {weight}");
    }
    let on = |days: &[usize]| {
        let count = pods.iter().filter(|at| days.contains(&(local(**at) / 24 % 7))).count();
        count as f64 / days.len() as f64
    };
    near("weekend", preset.weekend, on(&[2, 3]) / on(&[0, 1, 4, 5, 6]), 0.01);
}
