//! The pictures of the page. Policies are told apart by number as well as by colour: the number
//! is that of the table.

use carbon_kube_core::{Span, Time};
use plotters::style::text_anchor::HPos;

use super::super::Summary;
use super::super::charts::axis::{Scale, dates};
use super::super::charts::canvas::{Canvas, Point};
use super::super::charts::{INK, broken_line, hairline, stroke};
use super::super::text::{grouped, shortened};
use super::delays::Pods;
use super::front::front;
use super::hours::{Hours, Steps};
use super::panel::{AREA, AREA_EDGE, LETTERS, Panel, WIDTH, draw, letters, part};

/// Besides the reference, no more policies than these are drawn over time: more lines can't be
/// followed.
const MOST: usize = 3;

/// Positions of the reference and of those others that emitted the least, in the order of the runs.
pub fn shown(summary: &Summary) -> Vec<usize> {
    let mut others: Vec<(usize, f64)> = summary
        .runs
        .iter()
        .enumerate()
        .skip(1)
        .map(|(position, run)| (position, run.emissions_grams.total))
        .collect();
    // Stable: of two that emitted as much, the earlier is shown.
    others.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut shown: Vec<usize> = others.into_iter().take(MOST).map(|other| other.0).collect();
    shown.push(0);
    shown.sort_unstable();
    shown
}

/// One zone: its intensity, and below it the power of its pods under each shown policy.
pub fn zone(name: &str, zone: usize, hours: &Hours, shown: &[usize]) -> Result<String, String> {
    let upper = Panel::new(30.0, 130.0);
    let lower = Panel::new(174.0, 300.0);
    draw(326.0, &format!("Carbon intensity and power of pods in {name}"), |canvas| {
        let Some(window) = hours.window() else {
            lower.note(canvas, "no rows");
            return;
        };
        let intensity = hours.intensity(zone);
        let scale = Scale::from_zero(largest(&intensity), 2);
        upper.title(canvas, "carbon intensity, g/kWh");
        upper.bottom_axis(canvas, days(window), false);
        upper.left_axis(canvas, scale);
        area(canvas, &upper, &line(&upper, scale, window, &intensity));
        upper.baseline(canvas);

        let power: Vec<(usize, Steps)> = shown
            .iter()
            .map(|&policy| (policy, kilowatts(hours.pod_watts(policy, zone))))
            .collect();
        let most = power.iter().map(|(_, steps)| largest(steps)).fold(0.0, f64::max);
        let scale = Scale::from_zero(most, 3);
        lower.title(canvas, "power of running pods, kW");
        lower.bottom_axis(canvas, days(window), true);
        lower.left_axis(canvas, scale);
        // The reference last, over the others.
        for (policy, steps) in power.iter().rev() {
            broken_line(canvas, &line(&lower, scale, window, steps), stroke(*policy));
        }
        lower.baseline(canvas);
    })
}

fn days((from, to): (Time, Time)) -> Vec<(f64, String)> {
    let length = (to - from).millis().max(1) as f64;
    let place = |(tick, label): (Time, String)| ((tick - from).millis() as f64 / length, label);
    dates(from, to, 7).into_iter().map(place).collect()
}

fn kilowatts(mut steps: Steps) -> Steps {
    for value in &mut steps.values {
        *value /= 1_000.0;
    }
    steps
}

fn largest(steps: &Steps) -> f64 {
    steps.values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max)
}

/// Both ends of each step; not finite where there is no value.
fn line(panel: &Panel, scale: Scale, (from, to): (Time, Time), steps: &Steps) -> Vec<Point> {
    let length = (to - from).millis().max(1) as f64;
    let x = |at: Time| panel.x((at - from).millis() as f64 / length);
    let ends = steps.edges.windows(2).zip(&steps.values);
    ends.flat_map(|(edges, &value)| {
        let y = panel.y(scale, value);
        edges.iter().map(|&edge| (x(edge), y)).collect::<Vec<_>>()
    })
    .collect()
}

/// The area below a line, with its edge.
fn area(canvas: &mut Canvas<'_>, panel: &Panel, points: &[Point]) {
    for points in points.split(|point| !point.1.is_finite()) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { continue };
        let feet = [(last.0, panel.bottom), (first.0, panel.bottom)];
        let outline: Vec<Point> = points.iter().copied().chain(feet).collect();
        canvas.area(&outline, AREA);
        canvas.line(points, AREA_EDGE);
    }
}

/// What each policy saved against the reference, as bars.
pub fn savings(summary: &Summary) -> Result<String, String> {
    const ROW: f64 = 40.0;
    let savings: Vec<(usize, &str, f64)> = summary
        .runs
        .iter()
        .enumerate()
        .skip(1)
        .map(|(position, run)| (position, run.policy.as_str(), run.saving_percent.unwrap_or(0.0)))
        .collect();
    let least = savings.iter().map(|saving| saving.2).fold(0.0, f64::min);
    let most = savings.iter().map(|saving| saving.2).fold(0.0, f64::max);
    let scale = Scale::around_zero(least, most, 4);
    let bottom = 12.0 + ROW * savings.len() as f64;
    // Room for a number behind the longest bar.
    let panel = Panel { left: 14.0, right: WIDTH - 76.0, top: 8.0, bottom };
    draw(bottom + 46.0, "Saving by policy", |canvas| {
        let ticks = scale.ticks().into_iter().map(|(value, label)| (part(scale, value), label));
        panel.bottom_axis(canvas, ticks, true);
        panel.bottom_title(canvas, "emitted less than the reference, %");
        let zero = panel.x(part(scale, 0.0));
        for (row, (position, policy, percent)) in savings.iter().enumerate() {
            let y = panel.top + 4.0 + ROW * row as f64;
            let end = panel.x(part(scale, *percent));
            let name = format!("{}  {}", position + 1, shortened(policy, 34));
            canvas.text(&name, (panel.left, y + 8.0), letters(INK, HPos::Left));
            let bar = ((zero.min(end), y + 17.0), (zero.max(end), y + 31.0));
            canvas.rectangle(bar.0, bar.1, stroke(*position).color);
            let number = format!("{} %", grouped(*percent, 1));
            canvas.text(&number, (zero.max(end) + 6.0, y + 24.0), letters(INK, HPos::Left));
        }
        canvas.line(&[(zero, panel.top), (zero, panel.bottom)], hairline(INK));
    })
}

/// Which share of the jobs was delayed by more than a time.
pub fn delays(pods: &[Pods]) -> Result<String, String> {
    let panel = Panel::new(30.0, 270.0);
    draw(316.0, "Completion delay of jobs", |canvas| {
        panel.title(canvas, "jobs delayed by more, %");
        let ticks: Vec<(f64, String)> = pods
            .first()
            .map(|pods| pods.delays.ticks().map(|(at, name)| (at, name.to_owned())).collect())
            .unwrap_or_default();
        panel.bottom_axis(canvas, ticks, true);
        panel.bottom_title(canvas, "delay (logarithmic)");
        let scale = Scale::from_zero(100.0, 5);
        panel.left_axis(canvas, scale);
        let lines: Vec<Vec<(f64, f64)>> = pods.iter().map(|pods| pods.delays.line()).collect();
        for (policy, line) in lines.iter().enumerate().rev() {
            let point = |&(x, y): &(f64, f64)| (panel.x(x), panel.y(scale, y * 100.0));
            canvas.line(&line.iter().map(point).collect::<Vec<_>>(), stroke(policy));
        }
        panel.baseline(canvas);
        if lines.iter().all(Vec::is_empty) {
            panel.note(canvas, "no job ran to its end");
        }
    })
}

/// Carbon against a price of it; each policy a numbered point, the front a line.
pub fn trade(
    title: &str,
    price: &str,
    emitted: &str,
    points: &[Option<(f64, f64)>],
) -> Result<String, String> {
    let panel = Panel::new(30.0, 270.0);
    draw(316.0, title, |canvas| {
        let known = || points.iter().flatten();
        if known().next().is_none() {
            panel.note(canvas, "no job ran to its end");
            return;
        }
        let ends = |value: fn(&(f64, f64)) -> f64| {
            let ends = (f64::INFINITY, f64::NEG_INFINITY);
            known().map(value).fold(ends, |(low, high), v| (low.min(v), high.max(v)))
        };
        let (x_ends, y_ends) = (ends(|point| point.0), ends(|point| point.1));
        let (x, y) = (wide(x_ends, 4), wide(y_ends, 4));
        panel.title(canvas, emitted);
        panel.left_axis(canvas, y);
        let ticks = x.ticks().into_iter().map(|(value, label)| (part(x, value), label));
        panel.bottom_axis(canvas, ticks, true);
        panel.bottom_title(canvas, price);
        let place = |point: (f64, f64)| (panel.x(part(x, point.0)), panel.y(y, point.1));
        let front: Vec<Point> =
            front(points).iter().filter_map(|&run| points.get(run).copied()?).map(place).collect();
        // From one policy to the next nothing is known to lie between: the front is a stair.
        let stairs = front.windows(2).flat_map(|pair| [pair[0], (pair[1].0, pair[0].1)]);
        let stairs: Vec<Point> = stairs.chain(front.last().copied()).collect();
        canvas.line(&stairs, AREA_EDGE);
        let mut taken: Vec<Point> = known().map(|&point| place(point)).collect();
        for (run, point) in points.iter().enumerate() {
            let Some(point) = point else { continue };
            let centre = place(*point);
            canvas.disc(centre, 5.0, stroke(run).color);
            let label = free_place(centre, &taken);
            taken.push(label);
            canvas.text(&(run + 1).to_string(), label, letters(INK, HPos::Center));
        }
        panel.baseline(canvas);
    })
}

/// A scale around points, with some air.
fn wide((low, high): (f64, f64), divisions: u32) -> Scale {
    let air = ((high - low) * 0.06).max(high.abs() * 1e-3);
    let low = if low >= 0.0 { (low - air).max(0.0) } else { low - air };
    Scale::spanning(low, high + air, divisions)
}

/// Beside a point, where no other point or number is; over the front, which runs to the right.
fn free_place((x, y): Point, taken: &[Point]) -> Point {
    let places =
        [(11.0, -11.0), (14.0, 0.0), (0.0, -16.0), (-14.0, 0.0), (0.0, 16.0), (-12.0, 14.0)]
            .map(|(right, down)| (x + right, y + down));
    let clear = |place: &Point| {
        taken.iter().all(|other| (other.0 - place.0).hypot(other.1 - place.1) > LETTERS * 0.8)
    };
    places.into_iter().find(clear).unwrap_or(places[0])
}

/// `Hourly means`, for the words below the pictures over time.
pub fn step_words(step: Span) -> String {
    match step {
        Span::HOUR => "Hourly means".to_owned(),
        Span::DAY => "Daily means".to_owned(),
        step => format!("Means over {step}"),
    }
}
