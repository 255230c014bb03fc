//! What the caller wants of a file.

use std::fmt;
use std::str::FromStr;

use carbon_kube_core::intensity::{Label, Provenance, Scope, Signal};
use carbon_kube_core::mix::FactorSet;
use carbon_kube_core::{Span, Zone};

use super::Format;
use super::columns::Columns;

/// What a file stands for and how it is to be read. Only the zone has to be said.
#[derive(Clone, Debug)]
pub struct Request {
    /// The zone; it also chooses the local factors and the rows of a file about several places.
    pub zone: Zone,
    /// Which place of a file about several, such as a balancing authority; for other files what
    /// was measured. If not given, what the file says, or the zone.
    pub area: Option<String>,
    /// The factors for a generation mix. Of a file that has both, `lifecycle` takes the lifecycle
    /// column and the other sets the direct one.
    pub factors: FactorSet,
    /// The format; if not given, it is detected.
    pub format: Option<Format>,
    /// Columns of time and value, for [`Format::Columns`].
    pub columns: Option<Columns>,
    /// Average or marginal, for a file that does not say it.
    pub signal: Signal,
    /// Whose intensity is in the columns, for [`Format::Columns`]; if not given, `as published`.
    pub provider: Option<String>,
    /// What becomes of gaps and glitches.
    pub gaps: Gaps,
    /// Means over steps of this length; if not given, the step of the file.
    pub step: Option<Span>,
    /// The source that reports name; if not given, the path.
    pub source: Option<String>,
}

impl Request {
    /// A file of the zone, in whatever format it is.
    #[must_use]
    pub fn of(zone: Zone) -> Self {
        Self {
            zone,
            area: None,
            factors: FactorSet::default(),
            format: None,
            columns: None,
            signal: Signal::default(),
            provider: None,
            gaps: Gaps::default(),
            step: None,
            source: None,
        }
    }

    /// A series from a mix and our factors; `area` is what the file says it is about.
    pub(super) fn mixed(&self, path: &str, area: Option<String>) -> Label {
        let set = self.factors;
        self.label(path, area, Signal::Average, set.scope(), &set.to_string())
    }

    /// A series as its provider computed it.
    pub(super) fn label(
        &self,
        path: &str,
        area: Option<String>,
        signal: Signal,
        scope: Scope,
        factor_set: &str,
    ) -> Label {
        Label {
            zone: self.zone.clone(),
            area: self.area.clone().or(area).unwrap_or_else(|| self.zone.to_string()),
            signal,
            scope,
            factor_set: factor_set.to_owned(),
            provenance: Provenance::Measured,
            source: self.source.clone().unwrap_or_else(|| path.to_owned()),
        }
    }
}

/// What becomes of steps without a value, and of glitches: values that a fuel which fell to zero
/// for a step makes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gaps {
    /// A gap stays a gap, a glitch stays as it was published; both are counted. A run that needs a
    /// gap's value then fails and names it.
    #[default]
    Keep,
    /// The first one is an error.
    Error,
    /// The value before it, for at most [`Gaps::LONGEST`].
    Hold,
    /// A straight line between its neighbours, for at most [`Gaps::LONGEST`].
    Interpolate,
    /// The value of the same hour of the nearest day, at most a week away; of two days as near as
    /// each other the earlier one.
    SameHour,
}

impl Gaps {
    /// The longest gap that `hold` and `interpolate` close: over a longer one the sun rises or
    /// sets, and a line through it is no guess.
    pub const LONGEST: Span = Span::from_millis(6 * Span::HOUR.millis());

    /// Every choice.
    pub const ALL: [Gaps; 5] =
        [Gaps::Keep, Gaps::Error, Gaps::Hold, Gaps::Interpolate, Gaps::SameHour];
}

impl Gaps {
    /// What it does, in a line.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Keep => "A gap stays a gap and a glitch as it was published; both are counted.",
            Self::Error => "The first gap or glitch is an error.",
            Self::Hold => "The value before it, for at most 6 hours.",
            Self::Interpolate => "A line between the values around it, for at most 6 hours.",
            Self::SameHour => "The same hour of the nearest day, at most a week away.",
        }
    }
}

impl fmt::Display for Gaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "keep",
            Self::Error => "error",
            Self::Hold => "hold",
            Self::Interpolate => "interpolate",
            Self::SameHour => "same-hour",
        })
    }
}

impl FromStr for Gaps {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|gaps| gaps.to_string() == text).ok_or_else(|| {
            format!(
                "`{text}` is nothing to do with gaps; there are `keep`, `error`, `hold`, \
                 `interpolate`, `same-hour`"
            )
        })
    }
}
