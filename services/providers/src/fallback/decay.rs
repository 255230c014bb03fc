//! The last known value, on its way to what the zone is like at that hour.
//!
//! ```text
//! value(now) = mean(hour of now) + (last - mean(hour of last)) e^(-age / time constant)
//! confidence = confidence of the source x e^(-age / time constant)
//! ```
//!
//! So it is not the value that decays but what set it apart from its hour: at dusk a zone with much
//! sun gets dirtier, last known value or not. The means are the zone's own, of the last days and of
//! the same source; until a whole day has been seen they are those of the typical year, if that
//! counts with the same factors.

use carbon_kube_core::{GramsPerKwh, Span, Time, Zone};

use super::memory::Series;
use super::typical_year;
use crate::config::FallbackConfig;
use crate::reading::{Point, Reading, Source};

/// The reading for the hour that `now` lies in; `None` where nothing is known, or where it would say
/// no more than the typical year.
#[must_use]
pub fn reading(
    zone: &Zone,
    series: &Series,
    now: Time,
    config: &FallbackConfig,
) -> Option<Reading> {
    let last = series.last()?;
    let age = (now - last.end()).max(Span::ZERO);
    let left = (-age.hours() / config.time_constant.hours()).exp();
    let confidence = series.confidence * left;
    if confidence < config.min_confidence {
        return None;
    }
    let start = now.floor(Span::HOUR);
    let (then, today) = (mean(zone, series, last.start)?, mean(zone, series, start)?);
    let value = GramsPerKwh::saturating(today + (last.value.get() - then) * left);
    Some(Reading {
        zone: zone.clone(),
        source: Source::Decay,
        signal: series.signal,
        factor_set: series.factor_set.clone(),
        points: vec![Point { start, span: Span::HOUR, value, is_estimated: true }],
        fetched_at: now,
        updated_at: Some(last.start),
        confidence,
    })
}

/// What the zone is like at that hour, in g/kWh.
fn mean(zone: &Zone, series: &Series, at: Time) -> Option<f64> {
    let clock = zone.clock();
    if let Some(means) = series.hourly_means(&clock) {
        return Some(means[at.local(&clock).hour() as usize]);
    }
    let same = series.factor_set == typical_year::FACTOR_SET;
    typical_year::mean(zone, at).filter(|_| same).map(GramsPerKwh::get)
}
