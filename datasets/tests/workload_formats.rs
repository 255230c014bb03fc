//! Each trace format on a sample made by hand, and what is done with every one of them.

#![allow(clippy::unwrap_used, reason = "test code")]

use carbon_kube_core::{Bytes, MilliCpu, MilliGpu, Span, Time};
use carbon_kube_datasets::ReadError;
use carbon_kube_datasets::workload::Arrival;
use carbon_kube_datasets::workload::account::Account;
use carbon_kube_datasets::workload::filling::Machine;
use carbon_kube_datasets::workload::trace::{self, Format, Settings, Shift};
use carbon_kube_datasets::workload::{openb, stored};

const SWF: &str = include_str!("samples/workload/swf.swf");
const OPENB: &str = include_str!("samples/workload/openb.csv");
const ALIBABA: &str = include_str!("samples/workload/alibaba-batch.csv");
const AZURE: &str = include_str!("samples/workload/azure-vm.csv");
const GOOGLE: &str = include_str!("samples/workload/google-task-events.csv");
const GAIA: &str = include_str!("samples/workload/gaia.csv");
const SURF: &str = include_str!("samples/workload/surf.csv");
const GWF: &str = include_str!("samples/workload/gwf.csv");
const STORED: &str = include_str!("samples/workload/stored.csv");

const ALL: [(Format, &str); 9] = [
    (Format::Swf, SWF),
    (Format::Openb, OPENB),
    (Format::AlibabaBatch, ALIBABA),
    (Format::AzureVm, AZURE),
    (Format::GoogleTaskEvents, GOOGLE),
    (Format::Gaia, GAIA),
    (Format::Surf, SURF),
    (Format::Gwf, GWF),
    (Format::Stored, STORED),
];

fn read(text: &[u8], settings: Settings) -> Result<(Vec<Arrival>, Account), ReadError> {
    let mut trace = trace::parse("trace", text, settings)?;
    let pods = trace.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok((pods, trace.account().clone()))
}

fn all(text: &str) -> (Vec<Arrival>, Account) {
    read(text.as_bytes(), Settings::everything()).unwrap()
}

fn refused(text: &str) -> String {
    read(text.as_bytes(), Settings::everything()).unwrap_err().to_string()
}

fn at(seconds: i64) -> Time {
    Time::from_millis(seconds * 1_000)
}

fn seconds(seconds: i64) -> Span {
    Span::from_millis(seconds * 1_000)
}

fn gib(gib: u64) -> Bytes {
    Bytes(gib << 30)
}

fn assumed(account: &Account) -> Vec<(&'static str, u64)> {
    account.assumptions.iter().map(|assumption| (assumption.name, assumption.rows)).collect()
}

fn skipped(account: &Account) -> Vec<(&'static str, u64)> {
    account.skipped.iter().map(|(reason, rows)| (*reason, *rows)).collect()
}

#[test]
fn the_content_tells_the_format() {
    for (format, text) in ALL {
        assert_eq!(Format::detect(text.as_bytes()), Some(format), "{format:?}");
        assert_eq!(format.name().parse(), Ok(format));
    }
    // A header, or a comment with the names of the columns, is no different content.
    let header = "task_name,task_count,job_id,none1,status,start_time,end_time,none2,none3\n";
    assert_eq!(all(&format!("{header}{ALIBABA}")), all(ALIBABA));
    let header = "#Time stamp (microseconds),Missing info,jobID,Task index,machine ID,Event type,\
                  username,Scheduling class,Priority,cpu,ram,disk,constraint\n";
    assert_eq!(all(&format!("{header}{GOOGLE}")), all(GOOGLE));
    assert_eq!(Format::detect(b"arrival,duration,cpu\n0,1,1\n"), None);
    assert_eq!(refused("arrival,duration\n0,1\n"), "trace: the format is not recognised");
    assert_eq!(refused(""), "trace: has no rows");
}

#[test]
fn swf_jobs_become_pods() {
    let (pods, account) = all(SWF);
    let job = |submitted: i64, length, cores: u64, memory| Arrival {
        at: at(1_000_000_000 + submitted),
        duration: seconds(length),
        cpu: MilliCpu(cores * 1_000),
        memory,
        ..Arrival::default()
    };
    // 4 GiB for each of 4 cores; 512 KB for each of 8 processors; 100 KB for one.
    let expected = [
        job(0, 100, 4, gib(16)),
        job(60, 1, 8, Bytes(8 * 512 * 1_024)),
        job(120, 30, 1, Bytes(100 * 1_024)),
    ];
    assert_eq!(pods, expected);
    assert_eq!(account.rows, 5);
    assert_eq!(
        skipped(&account),
        [("a part of a checkpointed job", 1), ("cancelled before it began", 1)]
    );
    assert_eq!(assumed(&account), [("memory-per-core", 1), ("under-a-second", 1)]);
}

#[test]
fn openb_pods_have_shares_of_gpus_and_a_priority() {
    let (pods, account) = all(OPENB);
    assert_eq!(
        pods,
        [
            Arrival {
                at: at(0),
                duration: seconds(60),
                cpu: MilliCpu(12_000),
                memory: gib(16),
                max_delay: Some(Span::ZERO),
                gpu: MilliGpu::ONE,
                priority: Some(100),
                interruptible: Some(false),
            },
            Arrival {
                at: at(10),
                duration: seconds(50),
                cpu: MilliCpu(6_000),
                memory: gib(12),
                max_delay: None,
                gpu: MilliGpu(460),
                priority: Some(0),
                interruptible: Some(true),
            },
            Arrival {
                at: at(30),
                duration: seconds(1),
                cpu: MilliCpu(500),
                memory: gib(1),
                max_delay: None,
                gpu: MilliGpu(0),
                priority: Some(75),
                interruptible: Some(false),
            },
        ]
    );
    assert_eq!(skipped(&account), [("never scheduled, so without a length", 1)]);
}

#[test]
fn openb_nodes_are_grouped() {
    let list = "sn,cpu_milli,memory_mib,gpu,model\na,96000,393216,8,G2\nb,96000,393216,8,G2\n\
                c,32000,262144,0,\n";
    let groups = openb::parse_nodes("nodes", list.as_bytes()).unwrap();
    let of = |model: &str, gpu, cpu, memory| openb::Nodes {
        model: model.into(),
        gpu,
        cpu: MilliCpu(cpu),
        memory: gib(memory),
    };
    let expected = [(of("", 0, 32_000, 256), 1), (of("G2", 8, 96_000, 384), 2)];
    assert_eq!(groups.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn an_instance_of_an_alibaba_task_is_a_pod() {
    let (pods, account) = all(ALIBABA);
    // Half of a core; half a per cent of 96 x 4 GiB.
    let instance = Arrival {
        at: at(100),
        duration: seconds(60),
        cpu: MilliCpu(500),
        memory: Bytes(2_061_584_302),
        ..Arrival::default()
    };
    assert_eq!(pods[..2], [instance, instance]);
    assert_eq!((pods[2].at, pods[2].duration, pods[2].cpu), (at(160), seconds(1), MilliCpu(1_000)));
    assert_eq!(pods.len(), 3);
    assert_eq!(skipped(&account), [("not terminated", 1), ("without an end", 1)]);
    let machine = account.assumptions.iter().find(|a| a.name == "machine").unwrap();
    assert_eq!(machine.text, "memory is in per cent of a machine with 384 GiB");
}

#[test]
fn azure_categories_and_buckets() {
    let (pods, account) = all(AZURE);
    let class = |pod: &Arrival| (pod.priority, pod.max_delay, pod.interruptible);
    let deferrable = (Some(0), None, Some(true));
    let serving = (Some(10), Some(Span::ZERO), Some(false));
    assert_eq!(pods.iter().map(class).collect::<Vec<_>>(), [deferrable, serving, serving]);
    assert_eq!(pods[0].memory, Bytes((1.75 * 1_073_741_824.0) as u64));
    // Never deleted: from second 300 to day 30. Gone at once: one step.
    assert_eq!(pods[1].duration, seconds(30 * 86_400 - 300));
    assert_eq!(pods[2].duration, seconds(300));
    assert!([32_000, 48_000, 64_000].contains(&pods[1].cpu.0), "{}", pods[1].cpu);
    assert_eq!(pods[1].memory, gib((pods[1].cpu.0 / 1_000 * 4).max(112)));
    assert_eq!(
        assumed(&account),
        [
            ("until-the-end", 1),
            ("open-core-bucket", 1),
            ("open-memory-bucket", 1),
            ("unknown-category", 1),
            ("under-five-minutes", 1)
        ]
    );
}

#[test]
fn open_buckets_are_drawn_from_the_seed_alone() {
    let rows: String =
        (0..300).map(|i| format!("{i},s,d,0,600,99,3,10,Interactive,>24,>64\n")).collect();
    let cores = |seed| {
        let mut settings = Settings::everything();
        settings.filling.seed = seed;
        let (pods, _) = read(rows.as_bytes(), settings).unwrap();
        pods.iter().map(|pod| pod.cpu.0).collect::<Vec<_>>()
    };
    assert_eq!(cores(1), cores(1));
    assert_ne!(cores(1), cores(2));
    for size in [32_000, 48_000, 64_000] {
        let drawn = cores(1).iter().filter(|cpu| **cpu == size).count();
        assert!((70..130).contains(&drawn), "{size}: {drawn} of 300");
    }
}

#[test]
fn google_events_become_pods() {
    let (pods, account) = all(GOOGLE);
    // Task 1/1 was evicted after a second and then ran for four; 1/0 was killed after ten; 1/2
    // never ran. An eighth of 32 cores, a quarter of 128 GiB.
    assert_eq!(pods.len(), 2);
    assert_eq!((pods[0].at, pods[0].duration, pods[0].priority), (at(2), seconds(4), Some(0)));
    assert_eq!((pods[0].interruptible, pods[0].max_delay), (Some(true), None));
    assert_eq!((pods[1].at, pods[1].duration, pods[1].priority), (at(0), seconds(10), Some(9)));
    assert_eq!((pods[1].interruptible, pods[1].max_delay), (Some(false), Some(Span::ZERO)));
    assert_eq!((pods[1].cpu, pods[1].memory), (MilliCpu(4_000), gib(32)));
    assert_eq!(skipped(&account), [("never ran", 1)]);

    let mut settings = Settings::everything();
    settings.filling.machine = Some(Machine { cpu: MilliCpu(64_000), memory: gib(512) });
    let (pods, account) = read(GOOGLE.as_bytes(), settings).unwrap();
    assert_eq!((pods[1].cpu, pods[1].memory), (MilliCpu(8_000), gib(128)));
    let text = "requests are parts of a machine with 64 cores and 512 GiB";
    assert_eq!(account.assumptions[0].text, text);
}

#[test]
fn gaia_tells_hours_from_seconds() {
    let (pods, _) = all(GAIA);
    assert_eq!((pods[0].duration, pods[1].at), (seconds(2_700), at(1_800)));
    let (pods, _) = all("arrival_time,length,cpus\n68.0,1000.0,1\n");
    assert_eq!((pods[0].at, pods[0].duration, pods[0].memory), (at(68), seconds(1_000), gib(4)));
    assert_eq!(
        refused("arrival_time,length,cpus\n0,1,1\n0,1000,1\n"),
        "trace: line 3: column `length`: `1000` is not in the unit of the rows before; name it \
         with `timeUnit`"
    );
    let unclear = refused("arrival_time,length,cpus\n0,100,1\n");
    assert!(unclear.contains("line 2: column `length`: `100` is neither"), "{unclear}");
}

#[test]
fn a_surf_deadline_is_a_maximum_delay() {
    let (pods, account) = all(SURF);
    // Two hours from submission to the deadline, one hour long.
    let delays: Vec<_> = pods.iter().map(|pod| pod.max_delay).collect();
    assert_eq!(delays, [Some(Span::HOUR), Some(Span::ZERO), Some(Span::ZERO)]);
    assert_eq!(pods[0].memory, Bytes(100_000_000_000));
    assert_eq!(assumed(&account), [("deadline-too-soon", 1)]);
}

#[test]
fn gwf_jobs_fall_back_to_the_processors_they_had() {
    let (pods, account) = all(GWF);
    assert_eq!((pods[0].cpu, pods[0].at), (MilliCpu(2_000), at(16)));
    assert_eq!((pods[1].cpu, pods[1].duration), (MilliCpu(3_000), seconds(1)));
    let names = ["memory-per-core", "arrival-is-submission", "under-a-second"];
    assert_eq!(account.assumptions.iter().map(|a| a.name).collect::<Vec<_>>(), names);
}

#[test]
fn a_stored_trace_reads_back_as_the_same_pods() {
    for (format, text) in ALL {
        let mut settings = Settings::everything();
        settings.size_scale = 2.5;
        let mut trace = trace::parse("trace", text.as_bytes(), settings).unwrap();
        let pods: Vec<Arrival> = trace.by_ref().map(Result::unwrap).collect();
        let provenance = ["source: a\nfile".to_owned()];
        let mut writer = stored::Writer::new(Vec::new(), trace.is_dated(), &provenance).unwrap();
        pods.iter().for_each(|pod| writer.pod(pod).unwrap());
        let written = String::from_utf8(writer.into_inner()).unwrap();
        let mut again = trace::parse("again", written.as_bytes(), Settings::everything()).unwrap();
        assert_eq!((again.format(), again.is_dated()), (Format::Stored, trace.is_dated()));
        let read: Vec<Arrival> = again.by_ref().map(Result::unwrap).collect();
        assert_eq!(read, pods, "{format:?}");
    }
}

/// Whose pods they are is in the last column, and one of them can be asked for.
#[test]
fn of_a_cluster_s_trace_one_workload_can_be_read() {
    let pod = |hour: i64| Arrival {
        at: Time::from_millis(hour * 3_600_000),
        duration: Span::MINUTE,
        cpu: MilliCpu(500),
        ..Arrival::default()
    };
    let source = ["source: 3 objects of a, b".to_owned()];
    let mut text = Vec::new();
    let mut writer = stored::WorkloadsWriter::new(&mut text, &source).unwrap();
    for (hour, workload) in [(8, "train"), (9, "nightly"), (10, "train")] {
        writer.pod(&pod(hour), workload).unwrap();
    }
    assert_eq!(read(&text, Settings::everything()).unwrap().0, [pod(8), pod(9), pod(10)]);
    let only =
        |workload: &str| Settings { workload: Some(workload.to_owned()), ..Settings::everything() };
    let (pods, account) = read(&text, only("train")).unwrap();
    assert_eq!((pods, account.rows), (vec![pod(8), pod(10)], 2));
    // All of them are laid on a window together: it begins with the first pod of the trace.
    let start: Time = "2020-06-01".parse().unwrap();
    let window = Settings { start, shift: Some(Shift::Window), ..only("nightly") };
    assert_eq!(read(&text, window).unwrap().0[0].at, start + Span::HOUR);
    for (text, workload, message) in [
        (&text[..], "nobody", "trace: no row has the workload `nobody`"),
        (STORED.as_bytes(), "train", "trace: line 1: no column `workload`; there are "),
        (GAIA.as_bytes(), "train", "trace: the rows of a `gaia` trace are of no workload by name"),
    ] {
        let error = read(text, only(workload)).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
        assert!(error.hint().is_some(), "{message}");
    }
}

/// Found by fuzzing: three billion cores have more memory, at 4 GiB each, than our own table takes.
#[test]
fn an_absurd_pod_reads_back_as_well() {
    let (pods, _) = all("arrival_time,length,cpus\n3.0,0.08,57\n12.5,19.5,2888411319\n");
    assert_eq!(pods[1].memory, Bytes(1 << 53));
    let mut writer = stored::Writer::new(Vec::new(), false, &[]).unwrap();
    pods.iter().for_each(|pod| writer.pod(pod).unwrap());
    let text = String::from_utf8(writer.into_inner()).unwrap();
    assert_eq!(all(&text).0, pods);
}

/// Ten jobs, one each day.
fn daily() -> String {
    (0..10)
        .map(|day| format!("{} {} 0 60 1 -1 -1 1 -1 -1 1 1 1 1 1 1 -1 -1\n", day + 1, day * 86_400))
        .collect()
}

fn days(pods: &[Arrival], since: Time) -> Vec<f64> {
    pods.iter().map(|pod| (pod.at - since).hours() / 24.0).collect()
}

#[test]
fn a_trace_is_cut_laid_on_the_window_and_stretched() {
    let start: Time = "2020-06-01".parse().unwrap();
    let mut settings = Settings::new(start, start + Span::DAY * 7);
    settings.from = Span::DAY * 2;
    settings.to = Some(Span::DAY * 6);
    settings.time_scale = 2.5;
    let (pods, account) = read(daily().as_bytes(), settings).unwrap();
    // Days 2, 3, 4 and 5 of the trace are 0, 2.5, 5 and 7.5 of the window, which has 7.
    assert_eq!(days(&pods, start), [0.0, 2.5, 5.0]);
    assert!(pods.iter().all(|pod| pod.duration == seconds(60)), "lengths stay");
    assert_eq!(skipped(&account), [("outside `from` and `to`", 6), ("outside the window", 1)]);
}

#[test]
fn a_dated_trace_stays_or_keeps_weekday_and_hour() {
    // Sunday, 2001-09-09T01:46:40Z.
    let text = format!("; UnixStartTime: 1000000000\n{}", daily());
    let start: Time = "2020-06-01".parse().unwrap();
    let shifted = |shift| {
        let mut settings = Settings::new(start, start + Span::DAY * 30);
        settings.shift = shift;
        read(text.as_bytes(), settings).unwrap().0
    };
    assert!(shifted(None).is_empty() && shifted(Some(Shift::None)).is_empty());
    assert_eq!(shifted(Some(Shift::Window))[0].at, start);
    // The first Sunday of June 2020 is the 7th.
    let first = shifted(Some(Shift::Weekday))[0].at;
    assert_eq!(first.to_string(), "2020-06-07T01:46:40Z");
    let mut settings = Settings::new(start, start + Span::DAY);
    settings.shift = Some(Shift::Weekday);
    let error = read(daily().as_bytes(), settings).unwrap_err();
    assert_eq!(
        error.to_string(),
        "trace: a `swf` trace has no dates, only times since its beginning"
    );
    assert_eq!(error.hint().unwrap(), "lay it on the window's start instead: `shift: window`");
}

#[test]
fn a_size_scale_gives_whole_pods_and_the_right_mean() {
    let text: String =
        (1..=10_000).map(|i| format!("{i} {i} 0 60 1 -1 -1 1 -1 -1 1 1 1 1 1 1 -1 -1\n")).collect();
    let count = |scale, seed| {
        let mut settings = Settings::everything();
        settings.size_scale = scale;
        settings.filling.seed = seed;
        read(text.as_bytes(), settings).unwrap().0.len()
    };
    assert_eq!((count(1.0, 1), count(3.0, 1)), (10_000, 30_000));
    // A binomial of 10,000 with 0.3 has a standard deviation of 46, one of 0.5 of 50.
    assert!(count(0.3, 1).abs_diff(3_000) < 200, "{}", count(0.3, 1));
    assert!(count(2.5, 1).abs_diff(25_000) < 200, "{}", count(2.5, 1));
    assert_eq!(count(0.3, 1), count(0.3, 1));
    assert_ne!(count(0.3, 1), count(0.3, 2));
}

#[test]
fn a_large_pod_is_split_and_nothing_is_lost() {
    let mut settings = Settings::everything();
    settings.pod_cpu = Some(MilliCpu(32_000));
    let row = "1 0 0 60 100 -1 -1 100 -1 7 1 1 1 1 1 1 -1 -1\n";
    let (pods, account) = read(row.as_bytes(), settings).unwrap();
    // 100 cores on pods of at most 32: four of 25.
    assert_eq!(pods.iter().map(|pod| pod.cpu.0).collect::<Vec<_>>(), [25_000; 4]);
    assert_eq!(pods.iter().map(|pod| pod.memory.0).sum::<u64>(), 100 * 7 * 1_024);
    assert_eq!(assumed(&account), [("split", 1)]);
}

#[test]
fn impossible_rows_name_line_column_and_value() {
    for (text, message) in [
        (
            ";\n1 0 0 60 1 -1 -1 1 -1 -1 1 1 1 1 1 1 -1\n",
            "line 2: has 17 fields, the header has 18",
        ),
        (
            "1 0 0 -60 1 -1 -1 1 -1 -1 1 1 1 1 1 1 -1 -1\n",
            "line 1: column `run time`: `-60` is below zero",
        ),
        (
            "; UnixStartTime: soon\n",
            "line 1: column `UnixStartTime`: `soon` is not a number of seconds since 1970",
        ),
        (
            "x,s,d,900,600,99,3,10,Interactive,1,1\n",
            "line 1: column `vmdeleted`: `600` is before the VM was created",
        ),
        (
            "M1,1,j_1,1,Terminated,100,60,50,0.5\n",
            "line 1: column `end_time`: `60` is before the start",
        ),
        (
            "0,,1,0,,0,u,3,12,0.1,0.1,0.1,0\n",
            "line 1: column `priority`: `12` is more than there can be",
        ),
        (
            "5,,1,0,,0,u,3,1,0.1,0.1,0.1,0\n4000000,,1,1,,0,u,3,1,0.1,0.1,0.1,0\n0,,1,2,,0,u,3,1,0,0,0,0\n",
            "line 3: column `time`: `0` is before the row above: the rows are not sorted",
        ),
        (
            "0,,1,0,,1,u,3,1,1.5,0.1,0.1,0\n",
            "line 1: column `CPU request`: `1.5` is more than the largest machine",
        ),
    ] {
        assert_eq!(refused(text), format!("trace: {message}"));
    }
    let share = OPENB.replace("8,1000", "8,500").replace("BE,", "XX,");
    assert_eq!(
        refused(&share),
        "trace: line 3: column `qos`: `XX` is not `LS`, `Guaranteed`, `Burstable` or `BE`"
    );
}

/// Where a change to a text was noticed, the message says where.
fn says_where(error: &ReadError) {
    let text = error.to_string();
    let whole_file = [
        "the last line has no end",
        "is not a text file",
        "the format is not recognised",
        "has no rows",
        "line 1: no column",
    ];
    let row = text.starts_with("trace: line ")
        && ["column `", " fields, the header has ", "a quoted field does not end on its line"]
            .iter()
            .any(|part| text.contains(part));
    assert!(row || whole_file.iter().any(|part| text.contains(part)), "{text}");
}

#[test]
fn a_cut_file_is_an_error_unless_it_is_cut_between_two_lines() {
    for (format, text) in ALL {
        let whole = all(text).0;
        for end in 1..text.len() {
            let mut settings = Settings::everything();
            settings.format = Some(format);
            match read(&text.as_bytes()[..end], settings) {
                Err(error) => says_where(&error),
                Ok((pods, _)) => {
                    assert_eq!(text.as_bytes()[end - 1], b'\n', "{format:?} cut at {end}");
                    // Google's tasks end with the file; of all others there are just fewer.
                    let same = whole.starts_with(&pods);
                    assert!(same || format == Format::GoogleTaskEvents, "{format:?} at {end}");
                }
            }
        }
    }
}

#[test]
fn what_programs_do_to_a_text_changes_no_number() {
    for (format, text) in ALL {
        let whole = all(text);
        let windows = text.replace('\n', "\r\n");
        assert_eq!(all(&windows), whole, "{format:?} with CRLF");
        assert_eq!(all(&format!("\u{feff}{text}")), whole, "{format:?} with a BOM");
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut settings = Settings::everything();
        settings.format = Some(format);
        let error = read(&utf16, settings.clone()).unwrap_err().to_string();
        assert_eq!(error, "trace: is not a text file (it has a zero byte)", "{format:?}");
        // A German spreadsheet: semicolons, and a comma in each number with a point.
        let german = text.replace(',', ";").replace('.', ",");
        if german != text {
            match read(german.as_bytes(), settings) {
                Ok(read) => assert_eq!(read, whole, "{format:?} with semicolons"),
                Err(error) => says_where(&error),
            }
        }
    }
}

#[test]
fn a_row_that_comes_twice_is_an_error_where_rows_have_names() {
    for (format, text) in ALL {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for (i, line) in lines.iter().enumerate().filter(|(_, line)| !line.starts_with([';', '#']))
        {
            let mut doubled = lines.clone();
            doubled.insert(i, line);
            let mut settings = Settings::everything();
            settings.format = Some(format);
            match read(doubled.concat().as_bytes(), settings) {
                Err(error) => says_where(&error),
                // Jobs without names: two equal rows are two jobs.
                Ok((pods, _)) if [Format::Gaia, Format::Stored].contains(&format) => {
                    assert_eq!(pods.len(), all(text).0.len() + 1);
                }
                // A part of a job, and an event that changes nothing.
                Ok(read) => assert_eq!(read.0, all(text).0, "{format:?}: {line}"),
            }
        }
    }
}

#[test]
fn unsorted_rows_give_the_same_pods_or_an_error() {
    for (format, text) in ALL {
        let is_head = |line: &&str| {
            line.starts_with([';', '#'])
                || line.contains("_t")
                || line.contains("_ms")
                || line.contains("ID")
        };
        let (head, mut rows): (Vec<&str>, Vec<&str>) =
            text.split_inclusive('\n').partition(is_head);
        let is_pod = |row: &&str| row.bytes().any(|byte| byte.is_ascii_digit());
        assert!(rows.iter().all(is_pod), "{rows:?}");
        rows.reverse();
        match read([head, rows].concat().concat().as_bytes(), Settings::everything()) {
            Err(error) => says_where(&error),
            Ok((mut pods, _)) => {
                let mut whole = all(text).0;
                pods.sort_by_key(|pod| (pod.at, pod.cpu));
                whole.sort_by_key(|pod| (pod.at, pod.cpu));
                let same = |pod: &Arrival| (pod.at, pod.duration, pod.memory);
                assert!(pods.iter().map(same).eq(whole.iter().map(same)), "{format:?}");
            }
        }
    }
}

#[test]
fn flipped_bits_are_an_error_or_numbers_of_the_same_rows() {
    // A digit that became another one can't be noticed; a row that is lost or invented must be.
    let mut state = 7u64;
    let mut draw = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for (format, text) in ALL {
        let rows = all(text).1.rows;
        for _ in 0..3_000 {
            let mut bytes = text.as_bytes().to_vec();
            let at = draw(bytes.len());
            bytes[at] ^= 1 << draw(8);
            let mut settings = Settings::everything();
            settings.format = Some(format);
            match read(&bytes, settings) {
                Err(error) => says_where(&error),
                Ok((_, account)) => {
                    // A row may become a comment, or a comment a row of 18 fields, no more.
                    assert!(account.rows.abs_diff(rows) <= 1, "{format:?}: {}", account.rows);
                }
            }
        }
    }
}
