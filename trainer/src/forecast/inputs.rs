//! What a model is told at one origin, for each hour ahead: the way from a zone to examples.

use carbon_kube_core::{Span, Time};
use carbon_kube_policies::forecast::calendar::{Calendar, LocalHour};
use carbon_kube_policies::forecast::features::Beside;
use carbon_kube_policies::forecast::{Features, HORIZON_HOURS, PAST_HOURS, Past};

use super::ZoneHours;

/// The inputs at an origin; those of the target are written anew for each hour ahead.
pub struct Inputs<'a> {
    zone: &'a ZoneHours,
    features: Features,
    origin: Time,
    past: Past,
    level: f32,
    calendar: Calendar,
    values: Vec<f32>,
}

/// An hour ahead whose inputs and truth are known.
pub struct Example<'a> {
    /// The inputs.
    pub inputs: &'a [f32],
    /// The truth, in parts of the level.
    pub truth: f64,
    /// The hour on the zone's own clock.
    pub local: LocalHour,
}

impl<'a> Inputs<'a> {
    /// What is known at `origin`; `level` is what intensities are divided by, `None` takes the mean
    /// of the last hours. `None` where too little is known.
    pub fn at(
        zone: &'a ZoneHours,
        features: Features,
        level: Option<f32>,
        origin: Time,
    ) -> Option<Self> {
        let past = zone.past(origin);
        let level =
            level.or_else(|| past.mean(features.mean_hours)).filter(|&level| level > 0.0)?;
        let mut values = vec![0.0; features.count()];
        features.origin(&past, level, beside(zone), &mut values)?;
        let calendar = Calendar::new(
            &zone.zone.clock(),
            origin - Span::HOUR * PAST_HOURS as i64,
            origin + Span::HOUR * HORIZON_HOURS as i64,
        );
        Some(Self { zone, features, origin, past, level, calendar, values })
    }

    /// The hour `ahead` (1 or more), where it lies in `[from, to)` and is known.
    pub fn example(&mut self, ahead: usize, (from, to): (Time, Time)) -> Option<Example<'_>> {
        let target = self.origin + Span::HOUR * ahead as i64;
        let value = self.zone.value(target).filter(|_| (from..to).contains(&target))?;
        self.features.target(
            &self.past,
            self.level,
            &self.calendar,
            beside(self.zone),
            ahead,
            &mut self.values,
        )?;
        Some(Example {
            inputs: &self.values,
            truth: value / f64::from(self.level),
            local: self.calendar.at(target),
        })
    }
}

fn beside(zone: &ZoneHours) -> Beside<'_> {
    Beside { weather: zone.weather.as_deref(), mix: zone.mix.as_deref() }
}
