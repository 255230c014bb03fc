//! What is wrong with a scenario: where, why, and what to do about it.
//!
//! Each kind of problem has a [`Code`] that never changes its meaning, so that a message can be
//! looked up in `docs/scenario-errors.md`, which is generated from [`Code::ALL`].
//!
//! ```text
//! error[CK0007]: scenarios/week.yaml:12:9: spec.nodePools[2].zone: no carbon intensity for ...
//! hint: the scenario's grid has `EU-FR`, `EU-DE`
//! ```

use std::fmt;

use serde::{Serialize, Serializer};

use super::path::{Path, Tree};
use super::yaml::Position;

/// One problem of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// What kind of problem it is.
    pub code: Code,
    /// Whether the scenario can be used in spite of it.
    pub severity: Severity,
    /// The file as the user named it, or `--set` for a value from the command line.
    pub file: String,
    /// The field, such as `spec.nodePools[2].zone`; empty where the whole file is meant.
    pub path: String,
    /// Line in the file, from 1; 0 where there is none.
    pub line: u32,
    /// Column in the line, in characters, from 1; 0 where there is none.
    pub column: u32,
    /// What is wrong, lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Whether a problem stops the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The scenario can't be used.
    Error,
    /// It can be used, but may not mean what its author thinks.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: {}", self.severity, self.code, self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// The most problems that are reported of one file. Nobody reads more, and input that is made of
/// problems would otherwise cost gigabytes.
const MOST: usize = 200;

/// Problems that were found so far, all of one file.
#[derive(Debug)]
pub(super) struct Report<'a> {
    file: &'a str,
    tree: Option<&'a Tree>,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Self { file, tree: None, errors: Vec::new(), warnings: Vec::new() }
    }

    /// The same report, which from now on finds the position of a field by itself.
    pub(super) fn with_tree(self, tree: &'a Tree) -> Self {
        Self { tree: Some(tree), ..self }
    }

    /// Adds an error at a known position.
    pub(super) fn error_at(
        &mut self,
        code: Code,
        position: Position,
        path: &Path,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Severity::Error, code, position, path, message.into())
    }

    /// Adds a warning at a known position.
    pub(super) fn warning_at(
        &mut self,
        code: Code,
        position: Position,
        path: &Path,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Severity::Warning, code, position, path, message.into())
    }

    /// Adds an error at a field, at its position in the tree.
    pub(super) fn error(
        &mut self,
        code: Code,
        path: &str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let (path, position) = self.locate(path);
        self.error_at(code, position, &path, message)
    }

    /// Adds a warning at a field.
    pub(super) fn warning(
        &mut self,
        code: Code,
        path: &str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let (path, position) = self.locate(path);
        self.warning_at(code, position, &path, message)
    }

    fn locate(&self, path: &str) -> (Path, Position) {
        let path: Path = path.parse().unwrap_or_default();
        let position = self.tree.map(|tree| tree.locate(&path));
        (path, position.unwrap_or_default())
    }

    fn add(
        &mut self,
        severity: Severity,
        code: Code,
        position: Position,
        path: &Path,
        message: String,
    ) -> &mut Diagnostic {
        let found = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        // The place after the last is for whatever comes now; the next one takes it over.
        found.truncate(MOST);
        let (file, line, column) = match position {
            Position::File { line, column } => (self.file, line, column),
            Position::Override => ("--set", 0, 0),
        };
        found.push(Diagnostic {
            code,
            severity,
            file: file.to_owned(),
            path: path.to_string(),
            line,
            column,
            message,
            hint: None,
        });
        found.last_mut().expect("it was pushed just now")
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Whether there are as many errors as are shown, so that looking for more is no use.
    pub(super) fn is_full(&self) -> bool {
        self.errors.len() > MOST
    }

    /// How many errors were found so far.
    pub(super) fn len(&self) -> usize {
        self.errors.len()
    }

    /// The errors found after the first `len`.
    pub(super) fn since(&mut self, len: usize) -> &mut [Diagnostic] {
        &mut self.errors[len..]
    }

    /// Everything that was found, in the order of the file.
    pub(super) fn into_sorted(mut self) -> Vec<Diagnostic> {
        let too_many = [
            (Severity::Error, self.errors.len() > MOST),
            (Severity::Warning, self.warnings.len() > MOST),
        ];
        let mut found = std::mem::take(&mut self.errors);
        found.truncate(MOST);
        self.warnings.truncate(MOST);
        found.append(&mut self.warnings);
        found.sort_by_key(|d| (d.line, d.column));
        for (severity, _) in too_many.into_iter().filter(|(_, too_many)| *too_many) {
            let message = format!("more than {MOST} {severity}s; the rest is not shown");
            let (at, path) = (Position::default(), Path::default());
            let last = self.add(severity, Code::TooManyProblems, at, &path, message);
            found.push(last.clone());
        }
        found
    }
}

impl Diagnostic {
    /// Whether the scenario can't be used because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    pub(super) fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn maybe_hint(&mut self, hint: Option<String>) -> &mut Self {
        self.hint = hint;
        self
    }
}

macro_rules! codes {
    ($($name:ident = $number:literal, $title:literal, $explanation:literal;)*) => {
        /// A kind of problem. A number is never used again for another kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $name = $number,)*
        }

        impl Code {
            /// Every code, by number.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// One line: what is wrong.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self {
                    $(Code::$name => $title,)*
                }
            }

            /// Why it is refused, and what to do.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self {
                    $(Code::$name => $explanation,)*
                }
            }
        }
    };
}

codes! {
    Unreadable = 1, "The file is not text that can be read",
        "A scenario is a UTF-8 text of at most 16 MiB, with or without a byte order mark, and without \
         control characters. Save the file as UTF-8; move big tables into a file of their own and name \
         it under `trace` or `file`.";
    Syntax = 2, "The text is not YAML",
        "The message says what the parser expected, and where it stopped. Usual causes: a tab as \
         indentation, a missing space after a colon, a quote or bracket that is never closed, an empty \
         file.";
    TooDeep = 3, "Lists and mappings are nested too deeply",
        "A scenario needs about ten levels; more than 64 are refused, so that no input can exhaust the \
         stack.";
    TooLarge = 4, "The document has too many values",
        "A document may have a million values, of which 10,000 may be anchored or come from aliases. A \
         few lines of nested aliases could otherwise grow to gigabytes. Write long tables into a file of \
         their own.";
    DuplicateKey = 5, "A key is written twice in one mapping",
        "YAML forbids it, and which of the two would count depends on the parser. The message names \
         both lines; remove one.";
    UnsupportedYaml = 6, "A feature of YAML that scenarios do not use",
        "One document per file; keys are plain words; no merge keys (`<<`); no tags but those of YAML's \
         core schema (`!!str`, `!!int`, `!!float`, `!!bool`, `!!null`, `!!seq`, `!!map`).";
    NoIntensity = 7, "There is no carbon intensity for a zone or period",
        "A node pool stands in a zone that the scenario's grid does not list; or a zone has no source \
         that covers the window from `start` to `start` + `duration` without a gap. The bundled series \
         cover 2020 in UTC. Change the window, use the typical-year model (`source: {modelled: {}}`, \
         labelled as modelled in every report), or import measured data (`source: {file: ...}`).";
    UnknownKey = 8, "A key that is not known here",
        "A silent typo would be a wrong experiment, so unknown keys are errors. The hint names the \
         nearest known key. The reference is `scenarios/scenario.schema.json`.";
    MissingKey = 9, "A required key is missing",
        "The path in the message is the key to add.";
    WrongType = 10, "A value of the wrong kind",
        "Text where a number belongs, a list where a mapping belongs, and so on. YAML reads `true`, \
         `null` and `5` as no text: put them in quotes where text is meant.";
    UnknownValue = 11, "A word that is not one of those allowed",
        "The message lists the allowed words; they are case-sensitive.";
    OutOfRange = 12, "A number outside its range",
        "Also: not a number, infinite, or a fraction where a whole number belongs. The message names the \
         range.";
    BadFormat = 13, "A text that cannot be read as what it should be",
        "Durations are `90s`, `15m`, `1h30m`, `7d`; instants are RFC 3339 with a zone, such as \
         `2020-06-01T00:00:00Z`, or a date; CPU is `500m` or `2`, memory is `512Mi` or `64Gi`, as in \
         Kubernetes; zones are names such as `US-CA`.";
    NotOne = 14, "Not exactly one of several alternatives",
        "The mapping has to have exactly one of the listed keys, such as one kind of `source`.";
    WrongLength = 15, "A list with too few or too many entries",
        "The message names the number. A list of hours of the day has 24 entries.";
    BadOverride = 16, "A `--set` that cannot be applied",
        "`--set` takes `path=value`: `spec.nodePools[0].count=5`; the leading `spec.` may be left out; \
         keys with dots are written `labels[\"example.com/name\"]`. The value is YAML. A list entry has to \
         exist before a part of it can be set.";
    Mismatch = 17, "A value that the schema allows but the reader refuses",
        "This is a bug in Carbon-Kube: please report it with the scenario.";
    DuplicateName = 20, "Two things have the same name",
        "Names of node pools, workloads and grid zones are how results refer to them; each has to be \
         unique. An alias of a zone (`CISO`) is the same zone (`US-CA`). A policy may be listed again with \
         other settings, but not with the same.";
    BadName = 21, "A name that Kubernetes would refuse",
        "Names of scenarios, pools and workloads become parts of node and pod names: 1 to 63 lower-case \
         letters, digits and `-`, starting and ending with a letter or digit.";
    BadLabel = 22, "A label, taint or selector that Kubernetes would refuse",
        "A label value has at most 63 characters of letters, digits, `-`, `_` and `.`; `In` and `NotIn` \
         need values, `Exists` and `DoesNotExist` have none, `Gt` and `Lt` one whole number; a toleration \
         without a key has the operator `Exists`; a preference has a weight of 1 to 100.";
    UnknownInstanceType = 23, "An instance type or a GPU model that no table has",
        "Give `allocatable` and `power` (or the watts of `gpu`) yourself, use a type that the compiled-in \
         tables have (`core/data/`, with their sources), or bring a table of your own with \
         `instanceTable` (`docs/power.md`).";
    IncompletePool = 24, "A node pool without capacity or power",
        "A pool needs `allocatable.cpu`, `allocatable.memory` and `power`, or an `instanceType` that \
         brings them.";
    PowerOrder = 25, "A node or GPU that draws less when busy than when idle",
        "`busyWatts` is the power with every core busy and includes the idle power: at least `idleWatts`. \
         Measured `points` begin with an idle node and never fall; there are at least two.";
    WorkloadSource = 26, "A workload without exactly one origin of its pods",
        "A `Job` has one of `generated`, `trace` or `pods`; a `Deployment` has `replicas`.";
    NoPoolMatches = 27, "No node pool accepts the pods of a workload",
        "Its node selector, affinity and tolerations rule out every pool. Compare them with the pools' \
         `labels` and `taints`; a pool also has the labels `carbon-kube.io/grid-zone` and, where given, \
         instance type, region and topology zone.";
    PodTooLarge = 28, "A pod requests more than any node it may run on has",
        "It would wait for ever. The message names the largest node among the pools that the pod may run \
         on.";
    BadWindow = 29, "A window that cannot be simulated",
        "`duration` is above zero and at most 20 years.";
    TooManyPods = 30, "More pods than a run can hold",
        "A scenario may have 50 million pods. Lower `podsPerDay`, `count` or `duration`.";
    NoWeight = 31, "Weights that are all zero",
        "Something has to be drawn: at least one weight of the list has to be above zero.";
    BadDistribution = 32, "Durations that cannot be drawn",
        "`min` is at most `median`, `median` at most `max`, and `median` above zero.";
    OutsideWindow = 33, "Pods that arrive outside the window",
        "`arrival` counts from `start` and has to be less than `duration`; of a trace, at least one row \
         has to fall into the window.";
    ForecastSetting = 34, "A forecast setting that its kind does not use, or lacks",
        "`period` belongs to `seasonal`, `error` to `noisy` and `noisy-independent`, `correlation` to \
         `noisy`. `recorded` needs issued forecasts: one zone, with the bundled marginal series or a file that holds some.";
    NotReference = 35, "The first policy is not `default-scheduler`",
        "Savings are relative to the first policy of the list. Unless that is the carbon-blind \
         `default-scheduler`, they are not savings against a plain cluster.";
    IgnoredKey = 36, "A key of the pod template that changes nothing here",
        "The key is legal in Kubernetes but does not matter to what is simulated, so it is ignored.";
    BadAnnotation = 37, "A `carbon-kube.io/` annotation that cannot be honoured",
        "`max-delay` is a duration, `deadline` an instant, `interruptible` and `migratable` are `\"true\"` \
         or `\"false\"`. Others have no effect in the simulator.";
    NoRequest = 38, "A pod without a CPU request",
        "Requests decide where a pod fits and how much power it draws. Give `cpu` with the pods, in the \
         trace, or in the template's containers.";
    UselessCheckpoint = 39, "Pausing or moving that can never pay",
        "Each pause and each move loses `checkpoint` of work. Where that is longer than `maxDelay`, the \
         pods can never be paused, whatever the policy says.";
    BackoffOrder = 40, "A first back-off that is longer than the longest",
        "`backoffInitial` doubles with each failed attempt up to `backoffMax`.";
    UnreadableTrace = 41, "A trace file that cannot be read",
        "The path is relative to the scenario file. The message says which row and column, where it is \
         about the contents.";
    UnknownPreset = 42, "A preset of generated workloads that does not exist",
        "The message lists the presets. Without one, give `podsPerDay`, `duration` and `shapes`.";
    UnknownTimeZone = 43, "A time zone that is not in the IANA database",
        "Write `Europe/Berlin`, `America/Los_Angeles` or `UTC`.";
    TooManyZones = 44, "More than 64 grid zones",
        "Policies keep sets of zones in one machine word. Split the scenario.";
    NothingToRun = 45, "A scenario in which nothing would happen",
        "It needs at least one zone, one node pool, one workload and one policy.";
    MixedSignals = 46, "Zones whose intensities answer different questions",
        "Average and marginal, direct and lifecycle intensities are never mixed: a policy that chooses \
         between zones would compare unlike numbers. Give all zones the same kind; the typical-year \
         model knows average, direct intensities only.";
    TooManyProblems = 47, "More problems than are shown",
        "The first 200 errors and the first 200 warnings are reported; one mistake, such as a wrong indentation, often causes \
         many.";
    RetryInterval = 48, "A retry interval that nothing uses, or that is too short",
        "`retryInterval` belongs to `holding: filter`. A pod is tried again after its back-off at the \
         earliest, so the interval is at least `backoffMax`; a shorter one could not keep its limit.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CK{:04}", *self as u16)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The page `docs/scenario-errors.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(
        "# Problems of a scenario\n\n\
         Generated from `Code` in `sim/src/scenario/diagnostic.rs`; a test keeps this page current.\n",
    );
    for code in Code::ALL {
        page += &format!("\n## {code}: {}\n\n{}\n", code.title(), code.explanation());
    }
    page
}
