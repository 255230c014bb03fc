//! `delay.svg`: which share of the jobs was delayed by more than a time.
//!
//! The axis of time is the logarithm of one minute more than the delay: it starts at zero and
//! shows minutes and days alike.

use carbon_kube_core::Span;
use plotters::prelude::RGBColor;

use super::super::delay;
use super::axis::Scale;
use super::canvas::{self, Lettering, Point};
use super::text::grouped;
use super::{
    CAPTION_LINE, ENTRY, FAINT_INK, FRAME, GRID, INK, LEFT, LEGEND, Plot, Summary, WIDTH, caption,
    hairline, heading, side_legend, stroke, write_caption,
};
use crate::outcome::Outcome;
use crate::world::World;

const TOP: f64 = 88.0;
const PANEL: f64 = 380.0;
/// Bins of the distribution, so that ten million pods are a few kilobytes.
const BINS: usize = 780;

const TICKS: [(i64, &str); 16] = [
    (0, "0"),
    (1, "1 min"),
    (5, "5 min"),
    (15, "15 min"),
    (30, "30 min"),
    (60, "1 h"),
    (120, "2 h"),
    (240, "4 h"),
    (480, "8 h"),
    (720, "12 h"),
    (1_440, "1 d"),
    (2_880, "2 d"),
    (5_760, "4 d"),
    (10_080, "7 d"),
    (20_160, "14 d"),
    (40_320, "28 d"),
];

/// Draws the picture.
pub fn draw(world: &World, outcomes: &[&Outcome], summary: &Summary) -> Result<String, String> {
    let longest = summary.runs.iter().filter_map(|run| run.delay_hours.max).fold(0.0, f64::max);
    let longest = Span::from_hours(longest);
    let plot = Plot { left: LEFT, right: LEGEND - 36.0, top: TOP, bottom: TOP + PANEL };
    let legend_end = TOP + 8.0 + ENTRY * outcomes.len() as f64;
    let bottom = plot.bottom.max(legend_end) + 62.0;
    let lines = caption(world, summary);
    let height = bottom + CAPTION_LINE * lines.len() as f64 + 12.0;

    let title = "Completion delay of jobs";
    canvas::draw((WIDTH, height), title, |canvas| {
        let subtitle =
            "finish - arrival - length of the jobs that ran to their end; further left is better";
        heading(canvas, title, subtitle);
        let mut free = f64::NEG_INFINITY;
        for (place, label) in DelayCurve::until(longest).ticks() {
            let at = plot.left + place * plot.width();
            canvas.line(&[(at, plot.top), (at, plot.bottom)], hairline(GRID));
            let lettering = Lettering::new(11.5, FAINT_INK).centre();
            let half = lettering.width(label) / 2.0;
            if at - half > free {
                free = at + half + 8.0;
                canvas.line(&[(at, plot.bottom), (at, plot.bottom + 4.0)], hairline(FRAME));
                canvas.text(label, (at, plot.bottom + 14.0), lettering);
            }
        }
        let scale = Scale::from_zero(100.0, 5);
        plot.left_axis(canvas, scale, "jobs delayed by more than x (%)");
        let middle = (plot.left + plot.right) / 2.0;
        let lettering = Lettering::new(12.0, INK).centre();
        canvas.text("x: delay, logarithmic", (middle, plot.bottom + 34.0), lettering);

        let mut any = false;
        for (i, outcome) in outcomes.iter().enumerate().rev() {
            let line = curve(world, outcome, longest).line();
            any |= !line.is_empty();
            let point =
                |(x, y): (f64, f64)| (plot.left + x * plot.width(), plot.y(scale, y * 100.0));
            let points: Vec<Point> = line.into_iter().map(point).collect();
            canvas.line(&points, stroke(i));
        }
        plot.baseline(canvas, plot.bottom);
        if !any {
            canvas.rectangle(
                (middle - 110.0, TOP + PANEL / 2.0 - 14.0),
                (middle + 110.0, TOP + PANEL / 2.0 + 14.0),
                RGBColor(255, 255, 255),
            );
            plot.note(canvas, "no job ran to its end");
        }
        side_legend(canvas, TOP + 8.0, summary, &details(summary));
        write_caption(canvas, &lines, bottom);
    })
}

fn logarithm(delay: Span) -> f64 {
    (delay.hours().max(0.0) * 60.0).ln_1p()
}

/// The distribution of delays in [`BINS`] bins of a logarithmic scale.
#[derive(Clone, Debug, PartialEq)]
pub struct DelayCurve {
    end: f64,
    counts: Vec<u64>,
}

impl DelayCurve {
    /// None yet, on a scale to at least one hour, and to a bit more than the longest.
    pub fn until(longest: Span) -> Self {
        let end = logarithm(longest.max(Span::HOUR)) * 1.02;
        Self { end, counts: vec![0; BINS + 1] }
    }

    /// Counts one job.
    pub fn add(&mut self, delay: Span) {
        // Bin `i` holds delays above edge `i - 1` and up to edge `i`.
        let bin = (logarithm(delay) / self.end * BINS as f64).ceil() as usize;
        self.counts[bin.min(BINS)] += 1;
    }

    /// Where a delay stands on the scale: 0 at no delay, 1 at the end.
    pub fn place(&self, delay: Span) -> f64 {
        logarithm(delay) / self.end
    }

    /// Round delays on the scale, with their names.
    pub fn ticks(&self) -> impl Iterator<Item = (f64, &'static str)> {
        let places =
            TICKS.iter().map(|&(minutes, name)| (self.place(Span::MINUTE * minutes), name));
        places.take_while(|(place, _)| *place <= 1.0)
    }

    /// Share of the delays above the lower edge of each bin; empty where there are none.
    pub fn shares(&self) -> Vec<f64> {
        let all: u64 = self.counts.iter().sum();
        if all == 0 {
            return Vec::new();
        }
        let mut left = all;
        let share = |count: &u64| {
            left -= count;
            left as f64 / all as f64
        };
        self.counts.iter().map(share).collect()
    }

    /// The falling line through the shares: places on both scales, from 0 to 1.
    pub fn line(&self) -> Vec<(f64, f64)> {
        let shares = self.shares();
        let start = (!shares.is_empty()).then_some((0.0, 1.0));
        let curve = shares.iter().enumerate();
        let curve = curve.map(|(bin, share)| (bin as f64 / BINS as f64, *share));
        start.into_iter().chain(curve).collect()
    }
}

fn curve(world: &World, outcome: &Outcome, longest: Span) -> DelayCurve {
    let mut curve = DelayCurve::until(longest);
    for (pod, result) in world.pods.iter().zip(&outcome.pods) {
        if let Some(delay) = delay(&world.classes[pod.class as usize], pod, result) {
            curve.add(delay);
        }
    }
    curve
}

fn details(summary: &Summary) -> Vec<String> {
    let hours = |value: f64| {
        if value > 0.0 && value < 1.0 {
            format!("{} min", grouped(value * 60.0, 1))
        } else {
            format!("{} h", grouped(value, if value < 10.0 { 2 } else { 1 }))
        }
    };
    let detail =
        |run: &super::super::summary::Run| match (run.delay_hours.mean, run.delay_hours.p95) {
            (Some(mean), Some(p95)) => format!("mean {}, p95 {}", hours(mean), hours(p95)),
            _ => "no job ran to its end".into(),
        };
    summary.runs.iter().map(detail).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture;
    use super::*;

    #[test]
    fn the_curve_falls_from_those_who_waited_to_none() {
        let (world, outcomes) = fixture::tiny();
        // Delays of 0.5 h and 2 h: both are above zero, one is above an hour, none above 4 h.
        let curve = |run: usize| curve(&world, &outcomes[run], Span::from_hours(4.0));
        let (shares, place) = (curve(1).shares(), |hours| curve(1).place(Span::from_hours(hours)));
        let at = |hours: f64| shares[(place(hours) * BINS as f64) as usize];
        let percent = [0.0, 1.0, 4.0].map(|hours| (at(hours) * 100.0).round() as u8);
        assert_eq!(percent, [100, 50, 0]);
        // Without any delay, nobody is above zero.
        assert!(curve(0).shares()[0] <= 0.0);
    }
}
