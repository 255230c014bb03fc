//! A trace as an iterator of pods: opened by its format, cut, scaled and laid on a window.
//!
//! One row is in memory at a time, and what a format has to remember across rows (the numbers of
//! the jobs seen, the tasks that still run). The pods come in the order of the file.
//!
//! ```text
//! beginning   from                    to
//!     |-------|=======================|-------   the trace: a cut in its own time
//!              \                       \
//!               |===========================|    timeScale 1.2: arrivals are spread, lengths stay
//!               start                            shift: the beginning of the cut becomes ...
//! ```

use std::io::Read;
use std::iter::FusedIterator;
use std::path::Path;
use std::str::FromStr;

use carbon_kube_core::{Bytes, MilliCpu, Span, Time, seed};

use super::account::Account;
use super::columns::{self, WorkloadColumns};
use super::filling::Filling;
use super::{Arrival, alibaba, azure, gaia, google, gwf, openb, stored, surf, swf};
use crate::error::ReadError;
use crate::table::{LastLine, Text};

/// The formats of workload traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Standard Workload Format.
    Swf,
    /// Pods of Alibaba's GPU trace of 2023.
    Openb,
    /// Batch tasks of Alibaba's trace of 2018.
    AlibabaBatch,
    /// VM table of the Azure public dataset.
    AzureVm,
    /// Task events of Google's trace of 2011.
    GoogleTaskEvents,
    /// Samples of the GAIA simulator.
    Gaia,
    /// Tasks of SURF Lisa.
    Surf,
    /// Workflows of the Grid Workloads Archive.
    Gwf,
    /// The form in which this program writes traces.
    Stored,
    /// A CSV file whose columns are named by the user.
    Columns,
}

impl Format {
    /// Every format, in the order in which they are tried.
    pub const ALL: [Self; 10] = [
        Self::Swf,
        Self::Openb,
        Self::AlibabaBatch,
        Self::AzureVm,
        Self::GoogleTaskEvents,
        Self::Gaia,
        Self::Surf,
        Self::Gwf,
        Self::Stored,
        Self::Columns,
    ];

    /// The name in scenarios and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Swf => "swf",
            Self::Openb => "openb",
            Self::AlibabaBatch => "alibaba-batch",
            Self::AzureVm => "azure-vm",
            Self::GoogleTaskEvents => "google-task-events",
            Self::Gaia => "gaia",
            Self::Surf => "surf",
            Self::Gwf => "gwf",
            Self::Stored => "stored",
            Self::Columns => "columns",
        }
    }

    /// The format whose marks the beginning of a text has; `None` where there is no such.
    #[must_use]
    pub fn detect(head: &[u8]) -> Option<Self> {
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let text = String::from_utf8_lossy(head);
        let first = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        let is = |format: Self| match format {
            Self::Swf => swf::is_like(first),
            Self::Openb => openb::is_like(first),
            Self::AlibabaBatch => alibaba::is_like(first),
            Self::AzureVm => azure::is_like(first),
            Self::GoogleTaskEvents => google::is_like(first),
            Self::Gaia => gaia::is_like(first),
            Self::Surf => surf::is_like(first),
            Self::Gwf => gwf::is_like(first),
            Self::Stored => stored::is_like(first),
            // Its columns have to be named.
            Self::Columns => false,
        };
        Self::ALL.into_iter().find(|format| is(*format))
    }

    /// The names of all formats, for messages.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(|format| format!("`{}`", format.name())).join(", ")
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| format!("`{text}` is no format; there are {}", Self::names()))
    }
}

/// Where the beginning of the cut goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// Nowhere: every pod keeps its date.
    None,
    /// To the start of the window.
    Window,
    /// By a whole number of weeks, to the first such instant at or after the window's start: each
    /// pod keeps its weekday and its hour, in UTC.
    Weekday,
}

/// How a trace is read and laid on a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `None`: from the content of the file.
    pub format: Option<Format>,
    /// For [`Format::Columns`], and for what is like no other format; `None` refuses such a file.
    pub columns: Option<WorkloadColumns>,
    /// For [`Format::Stored`]: the rows of one workload only. `None`: all rows.
    pub workload: Option<String>,
    /// First instant of the window; earlier pods are left out.
    pub start: Time,
    /// End of the window; pods at it or later are left out.
    pub end: Time,
    /// Pods are left out that arrive sooner after the trace's beginning.
    pub from: Span,
    /// Pods are left out that arrive so long after the trace's beginning, or later.
    pub to: Option<Span>,
    /// Arrivals are spread over so many times the time; lengths and delays stay.
    pub time_scale: f64,
    /// So many pods for each of the trace: a part of them, drawn, or copies.
    pub size_scale: f64,
    /// `None`: as the dates of the trace are, or to the window's start where it has none.
    pub shift: Option<Shift>,
    /// The most CPU of one pod; a larger one without GPUs becomes several equal ones that share its
    /// requests.
    pub pod_cpu: Option<MilliCpu>,
    /// What the trace does not say.
    pub filling: Filling,
}

impl Settings {
    /// The whole trace as it is, on a window.
    #[must_use]
    pub fn new(start: Time, end: Time) -> Self {
        Self {
            format: None,
            columns: None,
            workload: None,
            start,
            end,
            from: Span::ZERO,
            to: None,
            time_scale: 1.0,
            size_scale: 1.0,
            shift: None,
            pod_cpu: None,
            filling: Filling::default(),
        }
    }

    /// Every pod of a trace at its own time; that of an undated one counts from 1970.
    #[must_use]
    pub fn everything() -> Self {
        Self::new(Time::from_millis(0), Time::MAX)
    }
}

/// What a row, or several, become: `count` pods that are the same. Times are the trace's own: from
/// the epoch, or from its beginning where it has no dates. A row of another workload than the one that
/// is asked for has a time, as the trace may begin with it, and no pods.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) pod: Arrival,
    pub(super) count: u32,
}

/// Where the time of a trace begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// At zero, which has no date.
    Zero,
    /// At this instant.
    Dated(Time),
    /// With the first row, which is dated.
    FirstRow,
}

/// The rows of a format.
pub(super) trait Tasks {
    /// The next pods; `None` at the end of the file.
    fn next(&mut self, account: &mut Account) -> Result<Option<Task>, ReadError>;

    /// Where its time begins. Asked before the first row.
    fn beginning(&self) -> Beginning;
}

/// A trace that is being read.
pub struct Trace<'a> {
    path: String,
    format: Format,
    settings: Settings,
    tasks: Box<dyn Tasks + 'a>,
    account: Account,
    /// Where the cut begins, in the trace's time; unknown until a dated first row.
    cut: Option<Time>,
    beginning: Beginning,
    /// Copies of a pod that are still to be handed out.
    left: Copies,
    serial: u64,
    ended: bool,
    reach: Option<(Time, Time)>,
}

/// Pods that are the same but for a thousandth of a core: a request is shared out whole.
#[derive(Clone, Copy)]
struct Copies {
    whole: Arrival,
    parts: u64,
    next: u64,
    count: u64,
}

/// Opens a file.
///
/// # Errors
///
/// [`ReadError`] where the file can't be read, or is of no format that is known.
pub fn open(path: &Path, settings: Settings) -> Result<Trace<'static>, ReadError> {
    Trace::new(Text::open(path, last_line(&settings))?, settings)
}

/// The same from memory or a stream; `name` stands for the file in messages.
///
/// # Errors
///
/// As [`open`].
pub fn parse<'a>(
    name: &str,
    input: impl Read + 'a,
    settings: Settings,
) -> Result<Trace<'a>, ReadError> {
    Trace::new(Text::new(name, input, last_line(&settings))?, settings)
}

/// People write their own tables by hand, with and without a last line end; programs write one.
fn last_line(settings: &Settings) -> LastLine {
    match settings.format {
        Some(Format::Columns) => LastLine::Open,
        _ => LastLine::Closed,
    }
}

/// Enough for the marks of every format: its first line.
const HEAD_BYTES: u64 = 1 << 14;

impl<'a> Trace<'a> {
    fn new(mut text: Text<'a>, settings: Settings) -> Result<Self, ReadError> {
        let path = text.path.clone();
        let head = text.head(HEAD_BYTES)?;
        if head.is_empty() {
            return Err(ReadError::Empty { path });
        }
        let fallback = settings.columns.as_ref().map(|_| Format::Columns);
        let format = settings.format.or_else(|| Format::detect(&head)).or(fallback);
        let Some(format) = format else {
            return Err(ReadError::Unrecognised { path, formats: Format::names() });
        };
        if settings.workload.is_some() && format != Format::Stored {
            return Err(ReadError::WithoutWorkloads { path, format: format.name() });
        }
        let filling = settings.filling.clone();
        let tasks: Box<dyn Tasks + 'a> = match format {
            Format::Swf => Box::new(swf::Jobs::new(text, filling)?),
            Format::Openb => Box::new(openb::Pods::new(text)?),
            Format::AlibabaBatch => Box::new(alibaba::BatchTasks::new(text, &head, filling)?),
            Format::AzureVm => Box::new(azure::Vms::new(text, filling)?),
            Format::GoogleTaskEvents => Box::new(google::TaskEvents::new(text, filling)?),
            Format::Gaia => Box::new(gaia::Jobs::new(text, filling)?),
            Format::Surf => Box::new(surf::Tasks::new(text)?),
            Format::Gwf => Box::new(gwf::Jobs::new(text, filling)?),
            Format::Stored => Box::new(stored::Pods::new(text, settings.workload.as_deref())?),
            Format::Columns => {
                let columns = settings.columns.clone().unwrap_or_default();
                Box::new(columns::Rows::new(text, columns)?)
            }
        };
        Self::of(path, format, tasks, settings)
    }

    fn of(
        path: String,
        format: Format,
        tasks: Box<dyn Tasks + 'a>,
        settings: Settings,
    ) -> Result<Self, ReadError> {
        let beginning = tasks.beginning();
        let dates = matches!(settings.shift, Some(Shift::None | Shift::Weekday));
        if beginning == Beginning::Zero && dates {
            return Err(ReadError::Undated { path, format: format.name() });
        }
        let cut = match beginning {
            Beginning::Zero => Some(Time::from_millis(0)),
            Beginning::Dated(at) => Some(at),
            Beginning::FirstRow => None,
        };
        let cut = cut.map(|at| at.saturating_add(settings.from));
        let left = Copies { whole: Arrival::default(), parts: 1, next: 0, count: 0 };
        let account = Account::default();
        let (serial, ended, reach) = (0, false, None);
        Ok(Self {
            path,
            format,
            settings,
            tasks,
            account,
            cut,
            beginning,
            left,
            serial,
            ended,
            reach,
        })
    }

    /// The format that was named or found.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether the trace has dates; without, its times count from its beginning.
    #[must_use]
    pub fn is_dated(&self) -> bool {
        self.beginning != Beginning::Zero
    }

    /// What became of the rows so far; of all of them after the last pod.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The first and the last arrival of the cut, those outside the window included; `None` as long
    /// as there was none.
    #[must_use]
    pub fn reach(&self) -> Option<(Time, Time)> {
        self.reach
    }

    /// The next pods that arrive in the window, ready to be counted out.
    fn refill(&mut self) -> Result<bool, ReadError> {
        loop {
            self.account.forget();
            let Some(task) = self.tasks.next(&mut self.account)? else {
                break;
            };
            self.cut.get_or_insert_with(|| task.pod.at.saturating_add(self.settings.from));
            if task.count == 0 {
                continue;
            }
            let Some(at) = self.laid(task.pod.at) else {
                continue;
            };
            let count = self.scaled(task.count);
            if count == 0 {
                self.account.skip("drawn out by `sizeScale`");
                continue;
            }
            let parts = self.parts(&task.pod);
            self.account.keep();
            let whole = Arrival { at, ..task.pod };
            self.left = Copies { whole, parts, next: 0, count: count.saturating_mul(parts) };
            return Ok(true);
        }
        if self.account.rows == 0 {
            if let Some(workload) = &self.settings.workload {
                let (path, workload) = (self.path.clone(), workload.clone());
                return Err(ReadError::NoWorkload { path, workload });
            }
            return Err(ReadError::Empty { path: self.path.clone() });
        }
        Ok(false)
    }

    /// When the pod arrives in the simulation; `None` for one that does not.
    fn laid(&mut self, at: Time) -> Option<Time> {
        let settings = &self.settings;
        let cut = *self.cut.get_or_insert_with(|| at.saturating_add(settings.from));
        let beginning = cut - settings.from;
        let end = settings.to.map_or(Time::MAX, |to| beginning.saturating_add(to));
        // Without `from`, a row above a later one is a row like the others.
        if (settings.from.is_positive() && at < cut) || at >= end {
            self.account.skip("outside `from` and `to`");
            return None;
        }
        let origin = match settings.shift {
            Some(Shift::None) => cut,
            Some(Shift::Weekday) => weekday(cut, settings.start),
            None if self.beginning != Beginning::Zero => cut,
            Some(Shift::Window) | None => settings.start,
        };
        let since = at - cut;
        // A scale of one must not round: it would move instants beyond 2^53 ms.
        let since = if (settings.time_scale - 1.0).abs() < f64::EPSILON {
            since
        } else {
            Span::from_millis((since.millis() as f64 * settings.time_scale).round() as i64)
        };
        let at = origin.saturating_add(since);
        let (first, last) = self.reach.unwrap_or((at, at));
        self.reach = Some((first.min(at), last.max(at)));
        if at < settings.start || at >= settings.end {
            self.account.skip("outside the window");
            return None;
        }
        Some(at)
    }

    /// How many pods stand for `count`: the whole part of count times scale, and one more as
    /// often as the rest says. Over many rows the mean is the scale, and each number is whole.
    fn scaled(&mut self, count: u32) -> u64 {
        let scale = self.settings.size_scale;
        self.serial += 1;
        if (scale - 1.0).abs() < f64::EPSILON {
            return u64::from(count);
        }
        let exact = f64::from(count) * scale;
        let draw = seed::hash(self.settings.filling.seed, SIZE_STREAM, self.serial);
        // The upper 53 bits are a number from 0 to 1.
        let draw = (draw >> 11) as f64 / (1u64 << 53) as f64;
        exact as u64 + u64::from(draw < exact.fract())
    }

    /// How many pods share the requests of one. GPUs can't be shared out evenly, so a pod with such
    /// stays whole.
    fn parts(&mut self, pod: &Arrival) -> u64 {
        let Arrival { cpu, gpu, .. } = *pod;
        let most = self.settings.pod_cpu.filter(|most| most.0 > 0 && cpu.0 > most.0);
        let Some(most) = most.filter(|_| gpu.0 == 0) else {
            return 1;
        };
        self.account.assume("split", || {
            format!(
                "a pod of more than {most} becomes several equal ones that share its requests and \
                 are scheduled each on its own"
            )
        });
        cpu.0.div_ceil(most.0)
    }
}

/// Names the stream of what `sizeScale` draws.
const SIZE_STREAM: u64 = 0x5151_c0de;

/// The first instant at or after `start` that is whole weeks away from `at`.
fn weekday(at: Time, start: Time) -> Time {
    const WEEK: i64 = 7 * 86_400_000;
    let apart = at.millis().saturating_sub(start.millis());
    start.saturating_add(Span::from_millis(apart.rem_euclid(WEEK)))
}

impl Copies {
    /// The next one. Of a request that does not divide, the first parts are a unit larger.
    fn take(&mut self) -> Option<Arrival> {
        if self.next >= self.count {
            return None;
        }
        let part = self.next % self.parts;
        self.next += 1;
        let share = |whole: u64| whole / self.parts + u64::from(part < whole % self.parts);
        let whole = &self.whole;
        Some(Arrival {
            cpu: MilliCpu(share(whole.cpu.0)),
            memory: Bytes(share(whole.memory.0)),
            ..*whole
        })
    }
}

impl Iterator for Trace<'_> {
    type Item = Result<Arrival, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(pod) = self.left.take() {
                return Some(Ok(pod));
            }
            if self.ended {
                return None;
            }
            match self.refill() {
                Ok(true) => {}
                Ok(false) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl FusedIterator for Trace<'_> {}
