//! A zone's history hour by hour, with the weather that was forecast for it.

use std::sync::Arc;

use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::{GramsPerKwh, Span, Time, Zone};
use carbon_kube_policies::forecast::{Features, Mix, PAST_HOURS, Past, Weather};

/// A zone, its hourly values from `start` on, and its weather.
#[derive(Clone, Debug)]
pub struct ZoneHours {
    /// The zone.
    pub zone: Zone,
    /// Start of the first hour.
    pub start: Time,
    /// Mean intensity by hour, in g/kWh; `None` is a gap.
    pub values: Vec<Option<f64>>,
    /// Weather forecasts, where there are any.
    pub weather: Option<Arc<Weather>>,
    /// Generation mix, where there is one.
    pub mix: Option<Arc<Mix>>,
    /// Where the values come from.
    pub source: String,
}

impl ZoneHours {
    /// The hourly means of a series.
    #[must_use]
    pub fn of(
        series: &IntensitySeries,
        weather: Option<Arc<Weather>>,
        mix: Option<Arc<Mix>>,
    ) -> Self {
        let start = series.start().ceil(Span::HOUR);
        let count = (series.end() - start).millis() / Span::HOUR.millis();
        let mean = |hour: i64| {
            let from = start + Span::HOUR * hour;
            series.mean(from, from + Span::HOUR).ok().map(GramsPerKwh::get)
        };
        Self {
            zone: series.label().zone.clone(),
            start,
            values: (0..count).map(mean).collect(),
            weather,
            mix,
            source: series.label().source.clone(),
        }
    }

    /// All inputs that there is something for.
    #[must_use]
    pub fn features(&self) -> Features {
        Features { weather: self.weather.is_some(), mix: self.mix.is_some(), ..Features::ZONE }
    }

    /// First instant after the last hour.
    #[must_use]
    pub fn end(&self) -> Time {
        self.start + Span::HOUR * self.values.len() as i64
    }

    /// Every hour that starts in `[from, to)` and is covered.
    pub fn hours(&self, from: Time, to: Time) -> impl DoubleEndedIterator<Item = Time> + use<> {
        let (start, from) = (self.start, from.max(self.start).ceil(Span::HOUR));
        let to = to.min(self.end());
        let index = move |at: Time| (at - start).millis().div_euclid(Span::HOUR.millis());
        (index(from)..index(to).max(index(from))).map(move |hour| start + Span::HOUR * hour)
    }

    /// The value of the hour that starts at `at`.
    #[must_use]
    pub fn value(&self, at: Time) -> Option<f64> {
        *self.values.get(self.index(at)?)?
    }

    /// What somebody at `now` believes of the past; the hour in progress has its value.
    #[must_use]
    pub fn past(&self, now: Time) -> Past {
        let end = self.index(now).map_or(0, |index| index + 1).min(self.values.len());
        let from = end.saturating_sub(PAST_HOURS);
        Past::new(now, self.values[from..end].iter().copied())
    }

    /// Mean of the hours of `[from, to)` that are known, in g/kWh; `None` where none is.
    #[must_use]
    pub fn mean(&self, from: Time, to: Time) -> Option<f64> {
        let known: Vec<f64> = self.hours(from, to).filter_map(|at| self.value(at)).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }

    fn index(&self, at: Time) -> Option<usize> {
        usize::try_from((at - self.start).millis().div_euclid(Span::HOUR.millis())).ok()
    }
}
