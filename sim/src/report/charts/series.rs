//! One intensity series as a picture: hours by days as a heat map, and the mean day by season.
//!
//! Hours are those of the zone's own clock, so that noon is where the sun is. The darker, the
//! dirtier: viridis backwards, which is even to the eye and readable with any colour vision.

use std::collections::BTreeMap;

use carbon_kube_core::intensity::{IntensitySeries, Provenance};
use carbon_kube_core::{Span, Time};
use carbon_kube_datasets::stats::Stats;
use jiff::civil::Date;
use plotters::prelude::RGBColor;

use super::axis::{self, Scale};
use super::canvas::{self, Canvas, Lettering, Point, Stroke};
use super::{FAINT_INK, FRAME, GRID, INK, LEFT, PALETTE, Plot, WARNING, WIDTH, hairline, heading};

const MAP: Plot = Plot { left: LEFT, right: WIDTH - 130.0, top: 84.0, bottom: 372.0 };
const DAY: Plot = Plot { left: LEFT, right: WIDTH - 330.0, top: 440.0, bottom: 640.0 };
const HEIGHT: f64 = 700.0;
/// The most columns of the map: a year of days. Longer series have means of several days in one.
const COLUMNS: i32 = 366;
/// Shades that can be told apart; equal neighbours are one rectangle.
const SHADES: usize = 40;
const MISSING: RGBColor = RGBColor(236, 236, 236);

/// Viridis at nine equal steps, from its light end.
const VIRIDIS: [(f64, f64, f64); 9] = [
    (253.0, 231.0, 37.0),
    (174.0, 220.0, 48.0),
    (94.0, 201.0, 98.0),
    (40.0, 174.0, 128.0),
    (33.0, 145.0, 140.0),
    (44.0, 114.0, 142.0),
    (59.0, 82.0, 139.0),
    (71.0, 45.0, 123.0),
    (68.0, 1.0, 84.0),
];

/// A mean in the making.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn get(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }
}

/// What is drawn: means by column and hour, and by season and hour.
struct Hours {
    first: Date,
    days_each: i32,
    columns: BTreeMap<i32, [Mean; 24]>,
    seasons: [[Mean; 24]; 4],
    all: [Mean; 24],
}

const SEASONS: [&str; 4] = ["Dec to Feb", "Mar to May", "Jun to Aug", "Sep to Nov"];

impl Hours {
    fn of(series: &IntensitySeries) -> Self {
        let clock = series.label().zone.clock();
        let days = ((series.end() - series.start()).hours() / 24.0).ceil() as i32 + 1;
        let mut hours = Self {
            first: series.start().local(&clock).date(),
            days_each: days.div_euclid(COLUMNS + 2).max(0) + 1,
            columns: BTreeMap::new(),
            seasons: [[Mean::default(); 24]; 4],
            all: [Mean::default(); 24],
        };
        for (at, value) in series.steps() {
            let Some(value) = value else { continue };
            let local = at.local(&clock);
            let day = (local.date() - hours.first).get_days();
            let hour = usize::from(local.hour().unsigned_abs()).min(23);
            let season = usize::from(local.month().unsigned_abs()) % 12 / 3;
            let column = hours.columns.entry(day.div_euclid(hours.days_each)).or_default();
            column[hour].add(value.get());
            hours.seasons[season][hour].add(value.get());
            hours.all[hour].add(value.get());
        }
        hours
    }

    fn count(&self, series: &IntensitySeries) -> i32 {
        let days = ((series.end() - series.start()).hours() / 24.0).ceil() as i32;
        days.div_euclid(self.days_each).max(self.columns.keys().last().copied().unwrap_or(0) + 1)
    }
}

/// Draws the picture.
///
/// # Errors
///
/// What the drawing library says; nothing in a series causes any.
pub fn draw(series: &IntensitySeries, stats: &Stats) -> Result<String, String> {
    let label = series.label();
    let title = format!("Carbon intensity of {} ({})", label.zone, label.area);
    let hours = Hours::of(series);
    canvas::draw((WIDTH, HEIGHT), &title, |canvas| {
        heading(canvas, &title, &subtitle(series, stats));
        let range = (stats.min.get(), stats.max.get());
        map(canvas, &hours, series, range);
        key(canvas, range);
        mean_day(canvas, &hours);
        let (source, ink) = match label.provenance {
            Provenance::Measured => (format!("Source: {}.", label.source), FAINT_INK),
            Provenance::Modelled => (format!("MODELLED, not measured: {}.", label.source), WARNING),
        };
        canvas.text(&source, (24.0, HEIGHT - 16.0), Lettering::new(12.0, ink));
    })
}

fn subtitle(series: &IntensitySeries, stats: &Stats) -> String {
    let label = series.label();
    format!(
        "{} {}, factors {}; {} to {}; mean {:.0}, spread {:.0}, daily swing {:.0} g/kWh, {} gaps",
        label.signal,
        label.scope,
        label.factor_set,
        series.start().utc().date(),
        series.end().utc().date(),
        stats.mean.get(),
        stats.sd.get(),
        stats.mean_daily_swing.get(),
        stats.gaps,
    )
}

/// The shade of a value, 0 for the least.
fn shade(value: f64, (low, high): (f64, f64)) -> usize {
    let part = (value - low) / (high - low).max(1e-9);
    ((part * SHADES as f64) as usize).min(SHADES - 1)
}

fn color(shade: usize) -> RGBColor {
    let place = shade as f64 / (SHADES - 1) as f64 * (VIRIDIS.len() - 1) as f64;
    let below = (place.floor() as usize).min(VIRIDIS.len() - 2);
    let (from, to, part) = (VIRIDIS[below], VIRIDIS[below + 1], place - below as f64);
    let mix = |from: f64, to: f64| (from + (to - from) * part).round() as u8;
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

fn map(canvas: &mut Canvas<'_>, hours: &Hours, series: &IntensitySeries, range: (f64, f64)) {
    let count = hours.count(series).max(1);
    let (width, height) = (MAP.width() / f64::from(count), (MAP.bottom - MAP.top) / 24.0);
    canvas.rectangle((MAP.left, MAP.top), (MAP.right, MAP.bottom), MISSING);
    for (column, means) in &hours.columns {
        let left = MAP.left + width * f64::from(*column);
        let shades = means.map(|mean| mean.get().map(|value| shade(value, range)));
        let mut hour = 0;
        for run in shades.chunk_by(|one, other| one == other) {
            if let [Some(shade), ..] = run {
                // Midnight at the bottom, as on any axis of numbers.
                let bottom = MAP.bottom - height * hour as f64;
                let top = bottom - height * run.len() as f64;
                // A hair wider than it is, or the ground shows between two.
                let right = (left + width + 0.1).min(MAP.right);
                canvas.rectangle((left, top), (right, bottom), color(*shade));
            }
            hour += run.len();
        }
    }
    for hour in [0, 6, 12, 18, 24] {
        let y = MAP.bottom - height * f64::from(hour);
        let label = format!("{hour:02}:00");
        canvas.text(&label, (MAP.left - 7.0, y), Lettering::new(11.5, FAINT_INK).right());
    }
    let clock = series.label().zone.info().map_or("UTC", |info| info.time_zone.as_str());
    let middle = (MAP.left - 60.0, (MAP.top + MAP.bottom) / 2.0);
    canvas.text(&format!("hour, {clock}"), middle, Lettering::new(12.0, INK).centre().upright());
    let window = (series.start(), series.start() + Span::DAY * i64::from(count * hours.days_each));
    date_labels(canvas, window);
}

fn date_labels(canvas: &mut Canvas<'_>, window: (Time, Time)) {
    for (tick, label) in axis::dates(window.0, window.1, (MAP.width() / 76.0) as usize) {
        let x = MAP.x(window, tick);
        canvas.line(&[(x, MAP.bottom), (x, MAP.bottom + 4.0)], hairline(FRAME));
        let lettering = Lettering::new(11.5, FAINT_INK).centre();
        canvas.text(&label, (x, MAP.bottom + 14.0), lettering);
    }
}

/// The shades and what they stand for.
fn key(canvas: &mut Canvas<'_>, (low, high): (f64, f64)) {
    let (left, right) = (MAP.right + 28.0, MAP.right + 44.0);
    let height = (MAP.bottom - MAP.top) / SHADES as f64;
    for index in 0..SHADES {
        let bottom = MAP.bottom - height * index as f64;
        canvas.rectangle((left, bottom - height - 0.1), (right, bottom), color(index));
    }
    for quarter in 0..=4 {
        let part = f64::from(quarter) / 4.0;
        let at = (right + 7.0, MAP.bottom - (MAP.bottom - MAP.top) * part);
        let value = low + (high - low) * part;
        canvas.text(&format!("{value:.0}"), at, Lettering::new(11.5, FAINT_INK));
    }
    let above = ((left + right) / 2.0, MAP.top - 14.0);
    canvas.text("g/kWh", above, Lettering::new(12.0, INK).centre());
}

/// A line per season that has values, and one for all.
fn mean_day(canvas: &mut Canvas<'_>, hours: &Hours) {
    let all = || hours.seasons.iter().chain([&hours.all]);
    let values = all().flatten().filter_map(|mean| mean.get());
    let scale = Scale::from_zero(values.fold(0.0, f64::max), 4);
    DAY.left_axis(canvas, scale, "mean, g/kWh");
    let x = |hour: f64| DAY.left + DAY.width() * hour / 24.0;
    for hour in [0, 3, 6, 9, 12, 15, 18, 21, 24] {
        let x = x(f64::from(hour));
        canvas.line(&[(x, DAY.top), (x, DAY.bottom)], hairline(GRID));
        let lettering = Lettering::new(11.5, FAINT_INK).centre();
        canvas.text(&format!("{hour:02}:00"), (x, DAY.bottom + 14.0), lettering);
    }
    let mut legend = DAY.top + 10.0;
    let names = SEASONS.iter().copied().chain(["all"]);
    for (index, (means, name)) in all().zip(names).enumerate() {
        let stroke = match PALETTE.get(index).filter(|_| index < SEASONS.len()) {
            Some(color) => Stroke { color: *color, width: 1.8, dash: None },
            None => Stroke { color: INK, width: 2.4, dash: None },
        };
        let points: Vec<Point> = (0..24)
            .filter_map(|hour| {
                let value = means[hour].get()?;
                Some((x(hour as f64 + 0.5), DAY.y(scale, value)))
            })
            .collect();
        if points.is_empty() {
            continue;
        }
        canvas.line(&points, stroke);
        canvas.line(&[(DAY.right + 24.0, legend), (DAY.right + 48.0, legend)], stroke);
        canvas.text(name, (DAY.right + 56.0, legend), Lettering::new(12.0, INK));
        legend += 22.0;
    }
    DAY.baseline(canvas, DAY.bottom);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dirtiest_is_the_darkest_and_nothing_is_outside_the_scale() {
        assert_eq!(shade(10.0, (10.0, 20.0)), 0);
        assert_eq!(shade(20.0, (10.0, 20.0)), SHADES - 1);
        assert_eq!(shade(5.0, (5.0, 5.0)), 0, "a constant series");
        assert_eq!(color(0), RGBColor(253, 231, 37));
        assert_eq!(color(SHADES - 1), RGBColor(68, 1, 84));
    }

    #[test]
    fn hours_are_those_of_the_zone_and_gaps_are_no_values() {
        let zone = "US-CA".parse().unwrap();
        let year = carbon_kube_datasets::bundled::series(&zone, Default::default());
        let hours = Hours::of(&year.unwrap().unwrap());
        // 2020-01-01T00:00Z is the afternoon before in California.
        assert_eq!(hours.first.to_string(), "2019-12-31");
        assert_eq!((hours.days_each, hours.columns.len()), (1, 367));
        let noon = hours.all[12].get().unwrap();
        assert!(hours.all[20].get().unwrap() > noon, "the sun shines at noon");
    }
}
