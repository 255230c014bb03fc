//! What the answers of several providers have in common.

use carbon_kube_core::{GramsPerKwh, Span, Time};
use serde::de::DeserializeOwned;

use crate::error::ProviderError;
use crate::reading::Point;

/// The values of a call, as a guard keeps them.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Values {
    /// In order of time, no instant twice.
    pub points: Vec<Point>,
    /// When the source computed them, where it says so.
    pub updated_at: Option<Time>,
    /// Emission factors behind them.
    pub factor_set: String,
}

impl Values {
    /// Puts points in order. Of two of one instant the later one in the answer counts: a correction
    /// comes after what it corrects.
    ///
    /// # Errors
    ///
    /// [`ProviderError::NoData`] where there is none.
    pub fn new(
        points: impl IntoIterator<Item = Point>,
        updated_at: Option<Time>,
        factor_set: impl Into<String>,
    ) -> Result<Self, ProviderError> {
        let by_start: std::collections::BTreeMap<Time, Point> =
            points.into_iter().map(|point| (point.start, point)).collect();
        let points: Vec<Point> = by_start.into_values().collect();
        if points.is_empty() {
            return Err(ProviderError::NoData("no value in the answer".to_owned()));
        }
        Ok(Self { points, updated_at, factor_set: factor_set.into() })
    }

    /// Whether the newest value describes now: then its clock can't have moved. One of the future does
    /// not: it would be kept until then, though nobody believes it.
    #[must_use]
    pub fn cover(&self, now: Time) -> bool {
        self.are_current(now, Span::ZERO)
    }

    /// Whether the newest value has begun, and ended at most `late` before `now`.
    #[must_use]
    pub fn are_current(&self, now: Time, late: Span) -> bool {
        self.points.last().is_some_and(|point| point.start <= now && now < point.end() + late)
    }

    /// Whether the first value, such as that of a forecast, describes now.
    #[must_use]
    pub fn begin_now(&self, now: Time) -> bool {
        self.points.first().is_some_and(|point| point.start <= now && now < point.end())
    }
}

/// Reads JSON. The text of an error has the place and never the content: one source's has the key.
///
/// # Errors
///
/// [`ProviderError::Malformed`].
pub fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ProviderError> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        None => return Err(malformed("an empty body")),
        Some(b'<') => return Err(malformed("a page of HTML or XML where JSON is due")),
        Some(_) => {}
    }
    serde_json::from_slice(body).map_err(|error| {
        use serde_json::error::Category;
        let what = match error.classify() {
            Category::Eof => "the JSON breaks off",
            Category::Data => "the JSON has another form",
            Category::Syntax | Category::Io => "no JSON",
        };
        let (line, column) = (error.line(), error.column());
        malformed(format!("{what} at line {line}, column {column}"))
    })
}

/// A value as a grid can have it.
///
/// # Errors
///
/// [`ProviderError::Malformed`] for one that is negative, not a number, or of another unit.
pub fn grams(value: f64) -> Result<GramsPerKwh, ProviderError> {
    GramsPerKwh::new(value).ok_or_else(|| malformed(format!("{value} g/kWh, which no grid has")))
}

/// An instant of RFC 3339; also without seconds (`2020-09-19T11:30Z`), which is what some write. The
/// error does not show the text: a source may echo the key wherever it likes.
///
/// # Errors
///
/// [`ProviderError::Malformed`].
pub fn instant(text: &str) -> Result<Time, ProviderError> {
    text.parse().map_err(|_| malformed("a time that is no instant"))
}

/// An answer that makes no sense.
pub fn malformed(problem: impl Into<String>) -> ProviderError {
    ProviderError::Malformed(problem.into())
}
