//! What the files of EIA's form 930 share, whoever carried them.

use carbon_kube_core::{Span, Time};

/// Until then the hours of CISO were labelled with their start (found by lag correlation: the sun
/// rises an hour too early else).
const CISO_CHANGE: Time = Time::from_millis(1_655_164_800_000); // 2022-06-14T00:00:00Z

/// The start of the hour that a row of a balancing authority is about; `None` for the one row
/// that is about the same hour as the row before it.
///
/// A label is the *end* of the hour, with two exceptions: PJM labels the start, and so did CISO
/// until mid-June 2022.
pub(super) fn hour_start(authority: &str, label: Time) -> Option<Time> {
    match authority {
        "PJM" => Some(label),
        "CISO" if label < CISO_CHANGE => Some(label),
        "CISO" if label == CISO_CHANGE => None,
        _ => Some(label - Span::HOUR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_the_end_of_the_hour_with_two_exceptions() {
        let start = |authority, label: &str| {
            hour_start(authority, label.parse().unwrap()).map(|at| at.to_string())
        };
        let label = "2022-06-13T23:00:00Z";
        assert_eq!(start("ERCO", label).as_deref(), Some("2022-06-13T22:00:00Z"));
        assert_eq!(start("PJM", label).as_deref(), Some(label));
        assert_eq!(start("CISO", label).as_deref(), Some(label));
        assert_eq!(start("CISO", "2022-06-14T00:00:00Z"), None);
        let after = start("CISO", "2022-06-14T01:00:00Z");
        assert_eq!(after.as_deref(), Some("2022-06-14T00:00:00Z"));
    }
}
