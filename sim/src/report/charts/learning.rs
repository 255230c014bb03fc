//! What a training came to over its steps, a line per seed, beside a level to be beaten.

use super::axis::Scale;
use super::canvas::{self, Lettering, Point, Stroke};
use super::{FAINT_INK, FRAME, GRID, INK, LEFT, Plot, WIDTH, hairline, heading, stroke};

const PLOT: Plot = Plot { left: LEFT, right: WIDTH - 190.0, top: 84.0, bottom: 420.0 };
const HEIGHT: f64 = 480.0;

/// A line of the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it is called.
    pub name: String,
    /// Steps and the value there, in order.
    pub points: Vec<(u64, f64)>,
}

/// Draws curves over steps; `level` is a dashed line with a name.
///
/// # Errors
///
/// What the drawing library says; none in practice.
pub fn draw(
    title: &str,
    about: &str,
    axis: &str,
    curves: &[Curve],
    level: (&str, f64),
) -> Result<String, String> {
    let values = || {
        let of_curves = curves.iter().flat_map(|curve| curve.points.iter().map(|(_, y)| *y));
        of_curves.chain([level.1]).filter(|value| value.is_finite())
    };
    let low = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    let last = curves.iter().flat_map(|curve| curve.points.iter().map(|(x, _)| *x)).max();
    let steps = Scale::from_zero(last.unwrap_or(1).max(1) as f64, 5);
    let scale = Scale::spanning(low, high.max(low + 1e-6), 5);
    canvas::draw((WIDTH, HEIGHT), title, |canvas| {
        heading(canvas, title, about);
        PLOT.left_axis(canvas, scale, axis);
        let x = |step: f64| PLOT.left + step / steps.high * PLOT.width();
        for (value, label) in steps.ticks() {
            canvas.line(&[(x(value), PLOT.top), (x(value), PLOT.bottom)], hairline(GRID));
            let lettering = Lettering::new(11.5, FAINT_INK).centre();
            canvas.text(&label, (x(value), PLOT.bottom + 14.0), lettering);
        }
        let middle = ((PLOT.left + PLOT.right) / 2.0, PLOT.bottom + 36.0);
        canvas.text("steps of training", middle, Lettering::new(12.0, INK).centre());
        let y = PLOT.y(scale, level.1);
        let dashed = Stroke { color: INK, width: 1.4, dash: Some((6.0, 3.0)) };
        canvas.line(&[(PLOT.left, y), (PLOT.right, y)], dashed);
        canvas.text(level.0, (PLOT.right + 10.0, y), Lettering::new(12.0, INK));
        for (at, curve) in curves.iter().enumerate() {
            let finite = curve.points.iter().filter(|(_, value)| value.is_finite());
            let points: Vec<Point> =
                finite.map(|&(step, value)| (x(step as f64), PLOT.y(scale, value))).collect();
            // Black is the level's.
            let stroke = stroke(at + 1);
            canvas.line(&points, stroke);
            let top = PLOT.top + 20.0 * at as f64;
            let right = PLOT.right + 84.0;
            canvas.line(&[(right, top), (right + 24.0, top)], stroke);
            canvas.text(&curve.name, (right + 30.0, top), Lettering::new(12.0, INK));
        }
        canvas.line(&[(PLOT.left, PLOT.bottom), (PLOT.right, PLOT.bottom)], hairline(FRAME));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_curve_and_the_level_are_named() {
        let curve =
            |name: &str| Curve { name: name.into(), points: vec![(1_000, 3.0), (2_000, 9.5)] };
        let svg =
            draw("saving", "two seeds", "%", &[curve("seed 1"), curve("seed 2")], ("rule", 7.0));
        let svg = svg.unwrap();
        for text in ["seed 1", "seed 2", "rule", "2,000", "steps of training"] {
            assert!(svg.contains(text), "{text}");
        }
        // A training without an evaluation has an empty picture, not none.
        assert!(draw("saving", "", "%", &[], ("rule", 7.0)).is_ok());
    }
}
