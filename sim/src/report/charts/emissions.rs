//! `emissions.svg`: emissions of each policy over time, and what it saved against the reference.

use carbon_kube_core::{Span, Time};

use super::axis::Scale;
use super::canvas::{self, Point};
use super::text::grouped;
use super::{
    CAPTION_LINE, ENTRY, LEFT, LEGEND, Plot, Summary, WIDTH, caption, heading, side_legend, span,
    stroke, write_caption,
};
use crate::outcome::Outcome;
use crate::world::World;

const TOP: f64 = 88.0;
const PANEL: f64 = 290.0;
const SAVED: f64 = 190.0;
const GAP: f64 = 44.0;
/// Points of a line: one and a half pixels apart.
const POINTS: i64 = 520;

/// Draws the picture.
pub fn draw(world: &World, outcomes: &[&Outcome], summary: &Summary) -> Result<String, String> {
    let window = span(world, outcomes);
    let curves: Vec<Vec<f64>> =
        outcomes.iter().map(|outcome| kilograms(world, outcome, window)).collect();
    let compares = curves.len() > 1;
    let right = LEGEND - 36.0;
    let upper = Plot { left: LEFT, right, top: TOP, bottom: TOP + PANEL };
    let lower =
        Plot { left: LEFT, right, top: upper.bottom + GAP, bottom: upper.bottom + GAP + SAVED };
    let plots_end = if compares { lower.bottom } else { upper.bottom };
    let legend_end = TOP + 8.0 + ENTRY * curves.len() as f64;
    let bottom = plots_end.max(legend_end) + 42.0;
    let lines = caption(world, summary);
    let height = bottom + CAPTION_LINE * lines.len() as f64 + 12.0;

    let title = "Emissions over time";
    canvas::draw((WIDTH, height), title, |canvas| {
        let subtitle = "operational, idle, embodied and transfer, summed over all zones";
        heading(canvas, title, subtitle);
        let points = |plot: &Plot, scale: Scale, values: &[f64]| -> Vec<Point> {
            let step = plot.width() / POINTS as f64;
            let point =
                |(i, &value): (usize, &f64)| (plot.left + step * i as f64, plot.y(scale, value));
            values.iter().enumerate().map(point).collect()
        };

        let most = curves.iter().flatten().copied().fold(0.0, f64::max);
        let scale = Scale::from_zero(most, 5);
        upper.date_axis(canvas, window, !compares);
        upper.left_axis(canvas, scale, "emitted so far (kg CO₂e)");
        upper.baseline(canvas, upper.bottom);
        for (i, curve) in curves.iter().enumerate().rev() {
            canvas.line(&points(&upper, scale, curve), stroke(i));
        }
        if curves.is_empty() {
            upper.note(canvas, "no policy was run");
        }

        if let [reference, others @ ..] = &curves[..]
            && compares
        {
            let saved: Vec<Vec<f64>> = others
                .iter()
                .map(|curve| reference.iter().zip(curve).map(|(r, c)| r - c).collect())
                .collect();
            let least = saved.iter().flatten().copied().fold(0.0, f64::min);
            let most = saved.iter().flatten().copied().fold(0.0, f64::max);
            let scale = Scale::around_zero(least, most, 4);
            lower.date_axis(canvas, window, true);
            lower.left_axis(canvas, scale, "saved so far (kg CO₂e)");
            for (i, curve) in saved.iter().enumerate().rev() {
                canvas.line(&points(&lower, scale, curve), stroke(i + 1));
            }
            // Zero is the reference itself.
            let zero = lower.y(scale, 0.0);
            canvas.line(&[(lower.left, zero), (lower.right, zero)], stroke(0));
        }
        side_legend(canvas, TOP + 8.0, summary, &details(summary));
        write_caption(canvas, &lines, bottom);
    })
}

fn details(summary: &Summary) -> Vec<String> {
    let detail = |(i, run): (usize, &super::super::summary::Run)| {
        let kilograms = run.emissions_grams.total / 1_000.0;
        let decimals = if kilograms < 100.0 { 2 } else { 0 };
        let total = grouped(kilograms, decimals);
        match run.saving_percent {
            _ if i == 0 => format!("{total} kg, reference"),
            Some(percent) if percent < 0.0 => {
                format!("{total} kg, {} % more", grouped(-percent, 1))
            }
            Some(percent) => format!("{total} kg, saves {} %", grouped(percent, 1)),
            None => format!("{total} kg"),
        }
    };
    summary.runs.iter().enumerate().map(detail).collect()
}

/// Kilograms emitted until each of [`POINTS`] + 1 instants of the window. The rows of a run know
/// all but the embodied share, which is a matter of time alone and is spread evenly.
fn kilograms(world: &World, outcome: &Outcome, (from, to): (Time, Time)) -> Vec<f64> {
    let embodied: f64 = outcome.zones.iter().map(|zone| zone.embodied.get()).sum();
    let length = (outcome.end - from).hours();
    // End of each interval, and the grams of all zones until then.
    let mut corners: Vec<(Time, f64)> = vec![(from, 0.0)];
    for row in &outcome.intervals {
        let end = (row.start + world.accounting.report_interval).min(outcome.end);
        let (last, sum) = corners.last().copied().unwrap_or((from, 0.0));
        if end > last {
            corners.push((end, sum + row.grams));
        } else if let Some(corner) = corners.last_mut() {
            corner.1 += row.grams;
        }
    }
    let at = |time: Time| -> f64 {
        let next = corners.partition_point(|corner| corner.0 < time);
        let rows = match (next.checked_sub(1).map(|i| corners[i]), corners.get(next)) {
            (Some(before), Some(after)) => {
                let part = (time - before.0).hours() / (after.0 - before.0).hours();
                before.1 + (after.1 - before.1) * part
            }
            (None, Some(first)) => first.1,
            (Some(last), None) => last.1,
            (None, None) => 0.0,
        };
        let elapsed = (time - from).hours();
        let share = if length > 0.0 { (elapsed / length).clamp(0.0, 1.0) } else { 1.0 };
        (rows + embodied * share) / 1_000.0
    };
    let step = |i: i64| {
        let millis = i128::from((to - from).millis()) * i128::from(i) / i128::from(POINTS);
        from + Span::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    };
    (0..=POINTS).map(|i| at(step(i))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture;
    use super::*;

    #[test]
    fn a_curve_ends_at_the_total_of_the_summary() {
        let (world, outcomes) = fixture::many(2, 3, 3);
        for outcome in &outcomes {
            let curve = kilograms(&world, outcome, (world.start, world.end));
            let total: f64 = outcome.zones.iter().map(|z| z.emissions().kilograms()).sum();
            let last = curve.last().unwrap();
            assert!((last / total - 1.0).abs() < 1e-9, "{last} {total}");
            assert!(curve.is_sorted());
        }
    }
}
