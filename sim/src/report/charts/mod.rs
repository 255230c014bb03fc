//! Pictures of a run, as SVG files that need nothing else.
//!
//! | file | shows |
//! |---|---|
//! | `intensity-and-power.svg` | when the grid was clean, and when each policy ran its pods |
//! | `emissions.svg` | emissions over time, and what was saved against the reference |
//! | `delay.svg` | how many jobs waited how long |
//!
//! [`series`] draws a single intensity series, for `datasets stats`; [`forecast`] a forecast, for
//! `forecast plot`; [`learning`] and [`thresholds`] what a training of a tuner came to.
//!
//! A policy has the same colour in all of them: the palette of Okabe and Ito, which people with
//! any colour vision can tell apart, black for the reference, dashes when it is used up.

pub(super) mod axis;
pub(super) mod canvas;
mod delay;
mod emissions;
mod forecast;
mod intensity_and_power;
mod learning;
mod series;
mod thresholds;

use std::path::PathBuf;

use carbon_kube_core::{Span, Time};
use plotters::prelude::RGBColor;

use self::axis::Scale;
use self::canvas::{Canvas, Lettering, Point, Stroke};
pub(super) use self::delay::DelayCurve;
use super::{ReportError, Summary, text};
use crate::outcome::Outcome;
use crate::world::World;

/// Name and SVG text of each picture. `summary` is the summary of the same outcomes.
///
/// # Errors
///
/// [`ReportError::Chart`]. Missing or empty data is not an error: the picture says so.
pub fn all(
    world: &World,
    outcomes: &[&Outcome],
    summary: &Summary,
) -> Result<Vec<(&'static str, String)>, ReportError> {
    let pictures = [
        ("intensity-and-power.svg", intensity_and_power::draw(world, outcomes, summary)),
        ("emissions.svg", emissions::draw(world, outcomes, summary)),
        ("delay.svg", delay::draw(world, outcomes, summary)),
    ];
    let named = |(name, svg): (&'static str, Result<String, String>)| {
        let path = PathBuf::from(name);
        svg.map(|svg| (name, svg)).map_err(|reason| ReportError::Chart { path, reason })
    };
    pictures.into_iter().map(named).collect()
}

pub use self::forecast::draw as forecast;
pub use self::learning::{Curve, draw as learning};
pub use self::series::draw as series;
pub use self::thresholds::{Threshold, draw as thresholds};

const WIDTH: f64 = 1_200.0;
/// Room on the left of the plots, for the axis.
const LEFT: f64 = 84.0;
/// From where legends beside a plot start.
const LEGEND: f64 = 912.0;
const CAPTION_LINE: f64 = 18.0;

pub(super) const INK: RGBColor = RGBColor(34, 34, 34);
pub(super) const FAINT_INK: RGBColor = RGBColor(96, 96, 96);
pub(super) const GRID: RGBColor = RGBColor(222, 222, 222);
pub(super) const FRAME: RGBColor = RGBColor(150, 150, 150);
/// For what must not be overlooked; dark enough to read.
const WARNING: RGBColor = RGBColor(176, 64, 0);

/// Okabe and Ito 2008, "Color Universal Design", in the order in which they differ most; without
/// the yellow, which can't be seen as a thin line on white.
const PALETTE: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// The line of the policy at a position; the first, the reference, is black.
pub(super) fn stroke(policy: usize) -> Stroke {
    let Some(other) = policy.checked_sub(1) else {
        return Stroke { color: RGBColor(0, 0, 0), width: 1.5, dash: None };
    };
    let dashes = [None, Some((6.0, 3.0)), Some((2.0, 2.5)), Some((12.0, 3.0))];
    Stroke {
        color: PALETTE[other % PALETTE.len()],
        width: 1.8,
        dash: dashes[other / PALETTE.len() % dashes.len()],
    }
}

/// A line of the grid or of a frame.
pub(super) fn hairline(color: RGBColor) -> Stroke {
    Stroke { color, width: 0.8, dash: None }
}

/// Start of the window, and the end of the longest run.
fn span(world: &World, outcomes: &[&Outcome]) -> (Time, Time) {
    let ends = outcomes.iter().map(|outcome| outcome.end);
    let end = ends.chain([world.end]).max().unwrap_or(world.end);
    // An empty window still has an axis.
    (world.start, end.max(world.start + Span::MINUTE))
}

/// The rectangle that data is drawn in.
#[derive(Clone, Copy, Debug)]
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Plot {
    fn width(&self) -> f64 {
        self.right - self.left
    }

    /// Position of an instant of `from..to`.
    fn x(&self, (from, to): (Time, Time), at: Time) -> f64 {
        let part = (at - from).millis() as f64 / (to - from).millis().max(1) as f64;
        self.left + part * self.width()
    }

    /// Height of a value on a scale.
    fn y(&self, scale: Scale, value: f64) -> f64 {
        self.bottom - (value - scale.low) / (scale.high - scale.low) * (self.bottom - self.top)
    }

    /// Grid lines and numbers at the left, and the name of the axis.
    fn left_axis(&self, canvas: &mut Canvas<'_>, scale: Scale, name: &str) {
        for (value, label) in scale.ticks() {
            let y = self.y(scale, value);
            canvas.line(&[(self.left, y), (self.right, y)], hairline(GRID));
            let lettering = Lettering::new(11.5, FAINT_INK).right();
            canvas.text(&label, (self.left - 7.0, y), lettering);
        }
        let middle = (self.top + self.bottom) / 2.0;
        let lettering = Lettering::new(12.0, INK).centre().upright();
        canvas.text(name, (self.left - 60.0, middle), lettering);
    }

    /// Numbers at the right, and the name of the axis.
    fn right_axis(&self, canvas: &mut Canvas<'_>, scale: Scale, name: &str) {
        for (value, label) in scale.ticks() {
            let at = (self.right + 7.0, self.y(scale, value));
            canvas.text(&label, at, Lettering::new(11.5, FAINT_INK));
        }
        let middle = (self.top + self.bottom) / 2.0;
        let lettering = Lettering::new(12.0, INK).centre().upright();
        canvas.text(name, (self.right + 58.0, middle), lettering);
    }

    /// Vertical grid lines at round dates; with `labels`, their names below.
    fn date_axis(&self, canvas: &mut Canvas<'_>, window: (Time, Time), labels: bool) {
        // The longest label, `Sep 2020`, is 52 pixels wide.
        let most = (self.width() / 76.0) as usize;
        for (tick, label) in axis::dates(window.0, window.1, most) {
            let x = self.x(window, tick);
            canvas.line(&[(x, self.top), (x, self.bottom)], hairline(GRID));
            if labels {
                canvas.line(&[(x, self.bottom), (x, self.bottom + 4.0)], hairline(FRAME));
                let lettering = Lettering::new(11.5, FAINT_INK).centre();
                canvas.text(&label, (x, self.bottom + 14.0), lettering);
            }
        }
    }

    /// The line that data stands on. Last, so that it lies over the data.
    fn baseline(&self, canvas: &mut Canvas<'_>, y: f64) {
        canvas.line(&[(self.left, y), (self.right, y)], hairline(FRAME));
    }

    /// Says in the middle why there is no data.
    fn note(&self, canvas: &mut Canvas<'_>, note: &str) {
        let middle = ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0);
        canvas.text(note, middle, Lettering::new(14.0, FAINT_INK).centre());
    }
}

/// Title and the line below it.
fn heading(canvas: &mut Canvas<'_>, title: &str, subtitle: &str) {
    canvas.text(title, (24.0, 30.0), Lettering::new(20.0, INK).bold());
    canvas.text(subtitle, (24.0, 54.0), Lettering::new(13.0, FAINT_INK));
}

/// What every report says, in lines that fit: scenario, seed, window, signal, areas, and loudly
/// what was modelled or cut short.
fn caption(world: &World, summary: &Summary) -> Vec<(String, bool)> {
    let mut lines = Vec::new();
    let day = |time: Time| {
        let text = time.to_string();
        text.strip_suffix("T00:00:00Z").unwrap_or(&text).to_owned()
    };
    let signal = if summary.grid.is_empty() {
        String::new()
    } else {
        format!(" Signal: {}.", text::signals(&summary.grid))
    };
    let scenario = format!(
        "Scenario {}, seed {}, {} to {} (UTC).{}",
        text::shortened(&summary.scenario, 60),
        summary.seed,
        day(world.start),
        day(world.end),
        signal,
    );
    lines.extend(folded(&scenario).map(|line| (line, false)));
    let areas: Vec<String> =
        summary.grid.iter().map(|source| format!("{} = {}", source.zone, source.area)).collect();
    if !areas.is_empty() {
        let areas = format!("Areas: {}.", areas.join(", "));
        lines.extend(folded(&areas).map(|line| (line, false)));
    }
    let modelled: Vec<String> = text::modelled(&summary.grid)
        .into_iter()
        .map(|source| format!("{} ({})", source.zone, source.source))
        .collect();
    if !modelled.is_empty() {
        let modelled = format!("MODELLED intensity, not measured: {}.", modelled.join(", "));
        lines.extend(folded(&modelled).map(|line| (line, true)));
    }
    if !summary.complete {
        lines.push(("INTERRUPTED run: partial results.".into(), true));
    }
    lines
}

/// A text in lines as long as the picture is wide.
fn folded(text: &str) -> impl Iterator<Item = String> {
    let most = ((WIDTH - 48.0) / Lettering::new(11.5, INK).bold().width("x")) as usize;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(text::shortened(word, most)),
        }
    }
    lines.into_iter()
}

fn write_caption(canvas: &mut Canvas<'_>, lines: &[(String, bool)], top: f64) {
    for (i, (line, loud)) in lines.iter().enumerate() {
        let lettering = if *loud {
            Lettering::new(11.5, WARNING).bold()
        } else {
            Lettering::new(11.5, FAINT_INK)
        };
        canvas.text(line, (24.0, top + CAPTION_LINE * i as f64), lettering);
    }
}

/// Height of one entry of [`side_legend`].
const ENTRY: f64 = 37.0;

/// The policies one below the other at the right of a plot, each with a line of `details`.
fn side_legend(canvas: &mut Canvas<'_>, top: f64, summary: &Summary, details: &[String]) {
    for (i, (run, details)) in summary.runs.iter().zip(details).enumerate() {
        let y = top + ENTRY * i as f64;
        canvas.line(&[(LEGEND, y), (LEGEND + 28.0, y)], stroke(i));
        let name = text::shortened(&run.policy, 28);
        canvas.text(&name, (LEGEND + 37.0, y), Lettering::new(13.0, INK).bold());
        let at = (LEGEND + 37.0, y + 15.5);
        canvas.text(details, at, Lettering::new(11.5, FAINT_INK));
    }
}

/// A line through those values that are known, broken where one is not.
pub(super) fn broken_line(canvas: &mut Canvas<'_>, points: &[Point], stroke: Stroke) {
    for part in points.split(|point| !point.1.is_finite()) {
        canvas.line(part, stroke);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use crate::outcome::{PodState, ZoneAccount};
    use crate::report::summary;

    fn check(world: &World, outcomes: &[Outcome], complete: bool) -> Vec<(&'static str, String)> {
        let outcomes: Vec<&Outcome> = outcomes.iter().collect();
        let summary = summary(world, &outcomes, complete);
        let pictures = all(world, &outcomes, &summary).unwrap();
        for (name, svg) in &pictures {
            assert!(svg.starts_with("<svg "), "{name}");
            assert!(svg.ends_with("</svg>\n"), "{name}");
            assert!(svg.contains("width=\"1200\""), "{name}");
            assert!(!svg.contains("NaN") && !svg.contains("inf,"), "{name}");
            assert!(!svg.contains("href"), "{name} needs another file");
        }
        pictures
    }

    #[test]
    #[ignore = "writes pictures to look at into the folder CHARTS"]
    fn look() {
        let folder = PathBuf::from(std::env::var_os("CHARTS").expect("CHARTS is set"));
        for (policies, zones, days) in [(3, 2, 7), (10, 7, 14), (1, 1, 1), (4, 2, 366), (0, 0, 1)] {
            let (world, outcomes) = fixture::many(policies, zones, days);
            for (name, svg) in check(&world, &outcomes, true) {
                let name = format!("{policies}-{zones}-{days}-{name}");
                std::fs::write(folder.join(name), svg).unwrap();
            }
        }
        let (world, outcomes) = fixture::tiny();
        for (name, svg) in check(&world, &outcomes, false) {
            std::fs::write(folder.join(format!("tiny-{name}")), svg).unwrap();
        }
    }

    #[test]
    fn all_shapes_of_runs_are_drawn() {
        for (policies, zones, days) in [
            (1, 1, 1),
            (1, 7, 2),
            (2, 1, 14),
            (10, 7, 7),
            (10, 3, 15),
            (3, 2, 400),
            (20, 1, 1),
            (0, 2, 1),
            (2, 0, 1),
            (1, 1, 0),
        ] {
            let (world, outcomes) = fixture::many(policies, zones, days);
            check(&world, &outcomes, true);
        }
        let (world, outcomes) = fixture::tiny();
        check(&world, &outcomes, true);
    }

    #[test]
    fn nothing_but_zeros_is_drawn() {
        let (world, mut outcomes) = fixture::many(3, 2, 2);
        for outcome in &mut outcomes {
            outcome.zones = vec![ZoneAccount::default(); 2];
            for row in &mut outcome.intervals {
                (row.intensity, row.pod_watts, row.grams) = (0.0, 0.0, 0.0);
            }
            for (pod, result) in world.pods.iter().zip(&mut outcome.pods) {
                result.finish = Some(pod.arrival + pod.duration);
            }
        }
        check(&world, &outcomes, true);
    }

    #[test]
    fn a_run_without_rows_or_completed_pods_says_so() {
        let (world, mut outcomes) = fixture::many(2, 2, 2);
        for outcome in &mut outcomes {
            outcome.intervals.clear();
            for result in &mut outcome.pods {
                result.state = PodState::Unfinished;
            }
        }
        let pictures = check(&world, &outcomes, false);
        assert!(pictures[2].1.contains("no job ran to its end"));
        assert!(pictures[2].1.contains("INTERRUPTED"));
    }

    #[test]
    fn intensity_beyond_the_trace_is_a_gap() {
        let (world, mut outcomes) = fixture::many(2, 1, 2);
        for outcome in &mut outcomes {
            for row in &mut outcome.intervals[10..20] {
                row.intensity = f64::NAN;
            }
        }
        check(&world, &outcomes, true);
    }

    #[test]
    fn the_same_run_has_the_same_bytes() {
        let (world, outcomes) = fixture::many(10, 7, 7);
        let again = fixture::many(10, 7, 7);
        assert_eq!(check(&world, &outcomes, true), check(&again.0, &again.1, true));
    }

    #[test]
    fn every_picture_names_signal_area_seed_and_what_is_modelled() {
        let (world, outcomes) = fixture::tiny();
        for (name, svg) in check(&world, &outcomes, true) {
            for text in [
                "Scenario tiny, seed 7",
                "average direct, local factors",
                "US-CA = EIA region CAL",
                "MODELLED intensity, not measured: US-TX (typical-year model).",
                "threshold",
            ] {
                assert!(svg.contains(text), "{name}: {text}");
            }
        }
    }

    #[test]
    fn names_are_escaped() {
        let (mut world, mut outcomes) = fixture::tiny();
        world.name = "<script>&".into();
        outcomes[1].policy = "\"<b>".into();
        for (name, svg) in check(&world, &outcomes, true) {
            assert!(!svg.contains("<script>") && !svg.contains("<b>"), "{name}");
        }
    }

    #[test]
    fn sixteen_policies_look_different() {
        for a in 0..16 {
            for b in 0..a {
                assert_ne!(stroke(a), stroke(b), "{a} and {b}");
            }
        }
    }
}
