//! `intensity-and-power.svg`: a panel per zone with its intensity and the power of its pods.

use carbon_kube_core::intensity::Provenance;
use carbon_kube_core::{Span, Time};
use plotters::prelude::RGBColor;

use super::axis::Scale;
use super::canvas::{self, Canvas, Lettering, Point, Stroke};
use super::{
    CAPTION_LINE, FAINT_INK, INK, LEFT, Plot, Summary, WARNING, WIDTH, broken_line, caption,
    heading, span, stroke, text, write_caption,
};
use crate::outcome::{IntervalRow, Outcome};
use crate::world::{GridZone, World};

const RIGHT: f64 = WIDTH - 84.0;
const PANEL: f64 = 150.0;
const PANEL_PITCH: f64 = 210.0;
const AREA: RGBColor = RGBColor(236, 236, 236);
const AREA_EDGE: RGBColor = RGBColor(150, 150, 150);

/// Besides the reference, no more than this many policies are drawn: more lines in one panel
/// can't be followed.
const MOST: usize = 5;

/// Draws the picture.
pub fn draw(world: &World, outcomes: &[&Outcome], summary: &Summary) -> Result<String, String> {
    let window = span(world, outcomes);
    let bin = bin(world, window);
    let shown = shown(summary);
    let names: Vec<&str> = outcomes.iter().map(|run| run.policy.as_str()).collect();
    let entries = legend(&names, &shown);
    let legend_rows = entries.last().map_or(1.0, |entry| entry.row + 1.0);
    let first = 68.0 + 20.0 * legend_rows + 34.0;
    let bottom = first + PANEL_PITCH * world.zones.len().max(1) as f64;
    let lines = caption(world, summary);
    let height = bottom + CAPTION_LINE * lines.len() as f64 + 12.0;

    let title = "Carbon intensity and power of running pods";
    canvas::draw((WIDTH, height), title, |canvas| {
        heading(canvas, title, &subtitle(bin, summary, &shown));
        write_legend(canvas, &entries);
        for (i, zone) in world.zones.iter().enumerate() {
            let top = first + PANEL_PITCH * i as f64;
            let plot = Plot { left: LEFT, right: RIGHT, top, bottom: top + PANEL };
            panel_title(canvas, &plot, zone);
            panel(canvas, &plot, window, bin, world, i, outcomes, &shown);
        }
        if world.zones.is_empty() {
            let plot = Plot { left: LEFT, right: RIGHT, top: first, bottom: first + PANEL };
            plot.note(canvas, "no zones");
        }
        write_caption(canvas, &lines, bottom - 4.0);
    })
}

/// Length of a step of the lines: as short as can be told apart.
fn bin(world: &World, (from, to): (Time, Time)) -> Span {
    let days = (to - from).hours() / 24.0;
    let least = if days <= 2.0 {
        Span::MINUTE
    } else if days <= 14.5 {
        // Fourteen days, and half a day for the last pods to end.
        Span::HOUR
    } else if days <= 800.0 {
        Span::DAY
    } else {
        Span::DAY * 7
    };
    least.max(world.accounting.report_interval)
}

/// Positions of the reference and of those others that saved the most, in the order of the runs.
fn shown(summary: &Summary) -> Vec<usize> {
    let mut others: Vec<usize> = (1..summary.runs.len()).collect();
    let total = |run: usize| summary.runs[run].emissions_grams.total;
    // Stable: of two that saved as much, the earlier is shown.
    others.sort_by(|&a, &b| total(a).total_cmp(&total(b)));
    others.truncate(MOST);
    if !summary.runs.is_empty() {
        others.push(0);
    }
    others.sort_unstable();
    others
}

fn subtitle(bin: Span, summary: &Summary, shown: &[usize]) -> String {
    let step = match bin {
        Span::HOUR => "hourly means".to_owned(),
        Span::DAY => "daily means".to_owned(),
        bin if bin == Span::DAY * 7 => "weekly means".to_owned(),
        bin => format!("means over {bin}"),
    };
    if shown.len() < summary.runs.len() {
        format!(
            "{step}; of {} policies, the reference and the {MOST} that emitted least",
            summary.runs.len()
        )
    } else {
        step
    }
}

struct Entry {
    row: f64,
    x: f64,
    /// `None`: the intensity.
    policy: Option<usize>,
    label: String,
}

/// Entries of the legend in rows as wide as the picture.
fn legend(names: &[&str], shown: &[usize]) -> Vec<Entry> {
    let intensity = (None, "carbon intensity (left)".to_owned());
    let policies = shown.iter().map(|&i| {
        let reference = if i == 0 { ", reference" } else { "" };
        let name = text::shortened(names[i], 32);
        (Some(i), format!("{name}{reference} (right)"))
    });
    let (mut row, mut x) = (0.0, 24.0);
    let mut entries = Vec::new();
    for (policy, label) in std::iter::once(intensity).chain(policies) {
        let width = 34.0 + Lettering::new(12.5, INK).width(&label) + 18.0;
        if x + width > WIDTH - 12.0 {
            (row, x) = (row + 1.0, 24.0);
        }
        entries.push(Entry { row, x, policy, label });
        x += width;
    }
    entries
}

fn write_legend(canvas: &mut Canvas<'_>, entries: &[Entry]) {
    for entry in entries {
        let (x, y) = (entry.x, 80.0 + 20.0 * entry.row);
        match entry.policy {
            None => {
                canvas.rectangle((x, y - 5.0), (x + 26.0, y + 5.0), AREA);
                canvas.line(&[(x, y - 5.0), (x + 26.0, y - 5.0)], AREA_LINE);
            }
            Some(policy) => canvas.line(&[(x, y), (x + 26.0, y)], stroke(policy)),
        }
        canvas.text(&entry.label, (x + 33.0, y), Lettering::new(12.5, INK));
    }
}

const AREA_LINE: Stroke = Stroke { color: AREA_EDGE, width: 1.0, dash: None };

fn panel_title(canvas: &mut Canvas<'_>, plot: &Plot, zone: &GridZone) {
    let y = plot.top - 14.0;
    let name = Lettering::new(13.5, INK).bold();
    canvas.text(zone.zone.as_str(), (plot.left, y), name);
    let label = zone.series.label();
    let title = zone.zone.info().map_or("", |info| info.title.as_str());
    let what = format!(
        "{title}{}area {}, {} {}, {} factors",
        if title.is_empty() { "" } else { ": " },
        label.area,
        label.signal,
        label.scope,
        label.factor_set,
    );
    let x = plot.left + name.width(zone.zone.as_str()) + 10.0;
    canvas.text(&what, (x, y), Lettering::new(12.0, FAINT_INK));
    if label.provenance == Provenance::Modelled {
        let loud = Lettering::new(12.0, WARNING).bold().right();
        canvas.text("MODELLED, not measured", (plot.right, y), loud);
    }
}

#[allow(
    clippy::too_many_arguments,
    reason = "the parts of one panel; nothing else wants them together"
)]
fn panel(
    canvas: &mut Canvas<'_>,
    plot: &Plot,
    window: (Time, Time),
    bin: Span,
    world: &World,
    zone: usize,
    outcomes: &[&Outcome],
    shown: &[usize],
) {
    let means = |outcome: &Outcome, value: fn(&IntervalRow) -> f64| {
        means(world, outcome, zone, window, bin, value)
    };
    // The run that lasted longest saw the most of the grid.
    let longest = outcomes.iter().max_by_key(|run| run.intervals.len());
    let intensity = longest.map_or(Vec::new(), |run| means(run, |row| row.intensity));
    let power: Vec<(usize, Vec<f64>)> =
        shown.iter().map(|&i| (i, means(outcomes[i], |row| row.pod_watts / 1_000.0))).collect();
    let left = Scale::from_zero(largest(&intensity), 4);
    let most = power.iter().map(|line| largest(&line.1)).fold(0.0, f64::max);
    let right = Scale::from_zero(most, 4);

    let points = |values: &[f64], scale: Scale| -> Vec<Point> {
        let first = window.0.floor(bin);
        let steps = values.iter().enumerate().flat_map(|(i, &value)| {
            let from = first + bin * i as i64;
            let y = plot.y(scale, value);
            [from, from + bin].map(|at| (plot.x(window, at.clamp(window.0, window.1)), y))
        });
        steps.collect()
    };
    let steps = points(&intensity, left);
    for part in steps.split(|point| !point.1.is_finite()) {
        if let (Some(first), Some(last)) = (part.first(), part.last()) {
            let mut area = part.to_vec();
            area.extend([(last.0, plot.bottom), (first.0, plot.bottom)]);
            canvas.area(&area, AREA);
        }
    }
    plot.date_axis(canvas, window, true);
    plot.left_axis(canvas, left, "intensity (g CO₂e/kWh)");
    plot.right_axis(canvas, right, "pod power (kW)");
    broken_line(canvas, &steps, AREA_LINE);
    plot.baseline(canvas, plot.bottom);
    // The reference last: the others are told by their colours.
    for (policy, values) in power.iter().rev() {
        broken_line(canvas, &points(values, right), stroke(*policy));
    }
    if intensity.iter().all(|value| value.is_nan()) {
        plot.note(canvas, "no data");
    }
}

fn largest(values: &[f64]) -> f64 {
    // `max` ignores NaN.
    values.iter().copied().fold(0.0, f64::max)
}

/// Time-weighted means per bin; NaN where nothing is known.
fn means(
    world: &World,
    outcome: &Outcome,
    zone: usize,
    (from, to): (Time, Time),
    bin: Span,
    value: fn(&IntervalRow) -> f64,
) -> Vec<f64> {
    let first = from.floor(bin);
    let count = ((to - first).millis() / bin.millis() + 1) as usize;
    let mut sums = vec![(0.0, 0.0); count];
    for row in outcome.intervals.iter().filter(|row| row.zone as usize == zone) {
        let end = (row.start + world.accounting.report_interval).min(outcome.end);
        let length = (end - row.start).hours();
        let index = (row.start - first).millis().div_euclid(bin.millis());
        let sum = usize::try_from(index).ok().and_then(|i| sums.get_mut(i));
        if let Some(sum) = sum
            && value(row).is_finite()
            && length > 0.0
        {
            sum.0 += value(row) * length;
            sum.1 += length;
        }
    }
    sums.into_iter()
        // 0 / 0 is NaN: no row, no value.
        .map(|(sum, length)| sum / length)
        .collect()
}
