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
    // At least to one hour, and to a bit more than the longest.
    let end = logarithm(Span::from_hours(longest.max(1.0))) * 1.02;
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
        let x = |delay: Span| plot.left + logarithm(delay) / end * plot.width();
        let mut free = f64::NEG_INFINITY;
        for (minutes, label) in TICKS {
            let at = x(Span::MINUTE * minutes);
            if at > plot.right {
                break;
            }
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
            let shares = shares(world, outcome, end);
            any |= !shares.is_empty();
            let start = (!shares.is_empty()).then(|| (plot.left, plot.y(scale, 100.0)));
            let step = plot.width() / BINS as f64;
            let curve = shares
                .iter()
                .enumerate()
                .map(|(bin, share)| (plot.left + step * bin as f64, plot.y(scale, share * 100.0)));
            let points: Vec<Point> = start.into_iter().chain(curve).collect();
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

/// Share of the delays above the lower edge of each bin; empty where there are none.
fn shares(world: &World, outcome: &Outcome, end: f64) -> Vec<f64> {
    let mut counts = vec![0u64; BINS + 1];
    for (pod, result) in world.pods.iter().zip(&outcome.pods) {
        if let Some(delay) = delay(&world.classes[pod.class as usize], pod, result) {
            // Bin `i` holds delays above edge `i - 1` and up to edge `i`.
            let bin = (logarithm(delay) / end * BINS as f64).ceil() as usize;
            counts[bin.min(BINS)] += 1;
        }
    }
    let all: u64 = counts.iter().sum();
    if all == 0 {
        return Vec::new();
    }
    let mut left = all;
    let share = |count: &u64| {
        left -= count;
        left as f64 / all as f64
    };
    counts.iter().map(share).collect()
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
        let end = logarithm(Span::from_hours(4.0));
        let shares = shares(&world, &outcomes[1], end);
        let at =
            |hours: f64| shares[(logarithm(Span::from_hours(hours)) / end * BINS as f64) as usize];
        let percent = [0.0, 1.0, 4.0].map(|hours| (at(hours) * 100.0).round() as u8);
        assert_eq!(percent, [100, 50, 0]);
        // Without any delay, nobody is above zero.
        assert!(super::shares(&world, &outcomes[0], end)[0] <= 0.0);
    }
}
