//! A workload trace of any format: by its content, or where that is like none, one that the length
//! picks. What can be read is written in our form and reads back as the same pods.

#![no_main]

use carbon_kube_core::{MilliCpu, Span, Time};
use carbon_kube_datasets::workload::Arrival;
use carbon_kube_datasets::workload::columns::WorkloadColumns;
use carbon_kube_datasets::workload::stored::Writer;
use carbon_kube_datasets::workload::trace::{self, Format, Settings, Shift};
use libfuzzer_sys::fuzz_target;

/// A row may stand for a million pods.
const MOST: usize = 2_000;

fuzz_target!(|input: &[u8]| {
    let mut settings = Settings::everything();
    if Format::detect(input).is_none() {
        settings.format = Some(Format::ALL[input.len() % Format::ALL.len()]);
    }
    settings.columns = Some(WorkloadColumns::default());
    let Ok((dated, pods)) = read(input, settings.clone()) else {
        return;
    };
    let mut writer = Writer::new(Vec::new(), dated, &[]).expect("memory takes everything");
    pods.iter().for_each(|pod| writer.pod(pod).expect("memory takes everything"));
    let written = writer.into_inner();
    if !pods.is_empty() {
        let (dated_again, again) =
            read(&written, Settings::everything()).expect("we read what we write");
        assert!(dated_again == dated && again == pods);
    }
    // The same on a window, with everything that can be done to a trace.
    settings.start = Time::from_millis(1_590_969_600_000);
    settings.end = settings.start + Span::DAY * 30;
    settings.shift = dated.then_some(Shift::Weekday);
    settings.from = Span::HOUR;
    settings.to = Some(Span::DAY * 20);
    settings.time_scale = 1.7;
    settings.size_scale = 0.6;
    settings.pod_cpu = Some(MilliCpu(16_000));
    let window = settings.start..settings.end;
    if let Ok((_, pods)) = read(input, settings) {
        let small = |pod: &Arrival| pod.cpu.0 <= 16_000 || pod.gpu.0 > 0;
        assert!(pods.iter().all(|pod| window.contains(&pod.at) && small(pod)));
    }
});

fn read(
    input: &[u8],
    settings: Settings,
) -> Result<(bool, Vec<Arrival>), carbon_kube_datasets::ReadError> {
    let mut trace = trace::parse("input", input, settings)?;
    let pods = trace.by_ref().take(MOST).collect::<Result<Vec<_>, _>>()?;
    assert!(pods.iter().all(|pod| pod.duration.is_positive()));
    Ok((trace.is_dated(), pods))
}
