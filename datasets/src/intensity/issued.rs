//! One issued forecast out of a JSON answer.

use carbon_kube_core::Span;
use carbon_kube_core::forecast::Issue;

use crate::error::ReadError;
use crate::json::Node;

/// What was expected, from instants and values in g/kWh. Points come sorted, and each holds until
/// the next; the last holds as long as the one before it, a single one for an hour.
pub(super) fn issue<'a>(
    pairs: impl Iterator<Item = Result<(Node<'a>, f64), ReadError>>,
) -> Result<Issue, ReadError> {
    let mut points: Vec<(carbon_kube_core::Time, f64)> = Vec::new();
    for pair in pairs {
        let (instant, value) = pair?;
        let at = instant.instant()?;
        if points.last().is_some_and(|(before, _)| at <= *before) {
            return Err(instant.wrong("is not later than the point before it"));
        }
        points.push((at, value));
    }
    let end = match points.as_slice() {
        [.., (before, _), (last, _)] => Some(*last + (*last - *before)),
        [(only, _)] => Some(*only + Span::HOUR),
        [] => None,
    };
    Ok(Issue { points, end })
}
