//! What holds for every answer that is taken.

use carbon_kube_providers::{ProviderError, Values};

/// In order of time, and what a grid can have.
pub fn check(result: Result<Values, ProviderError>) {
    let Ok(values) = result else { return };
    assert!(!values.points.is_empty());
    assert!(values.points.windows(2).all(|pair| pair[0].start < pair[1].start));
    for point in &values.points {
        assert!((0.0..10_000.0).contains(&point.value.get()) && point.span.is_positive());
    }
}
