//! What a tuner makes of its rule's threshold, under the intensity of the grid.

use carbon_kube_core::{Span, Time};

use super::axis::Scale;
use super::canvas::{self, Lettering, Point, Stroke};
use super::{INK, LEFT, PALETTE, Plot, WIDTH, heading};

const PLOT: Plot = Plot { left: LEFT, right: WIDTH - 40.0, top: 104.0, bottom: 420.0 };
const HEIGHT: f64 = 470.0;

/// A control interval, in g/kWh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Its start.
    pub at: Time,
    /// Intensity in force.
    pub intensity: f64,
    /// The rule's threshold.
    pub base: f64,
    /// The threshold in force.
    pub adjusted: f64,
}

/// Name, value and stroke of a line.
type Line = (&'static str, fn(&Threshold) -> f64, Stroke);

/// Draws the thresholds of control intervals that follow each other.
///
/// # Errors
///
/// What the drawing library says; none in practice.
pub fn draw(title: &str, about: &str, rows: &[Threshold]) -> Result<String, String> {
    canvas::draw((WIDTH, HEIGHT), title, |canvas| {
        heading(canvas, title, about);
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
        let interval = rows.get(1).map_or(Span::HOUR, |second| second.at - first.at);
        let window = (first.at, last.at + interval);
        let most = |row: &Threshold| row.intensity.max(row.base).max(row.adjusted);
        let scale = Scale::from_zero(rows.iter().map(most).fold(1.0, f64::max), 5);
        PLOT.left_axis(canvas, scale, "g/kWh");
        PLOT.date_axis(canvas, window, true);
        let lines: [Line; 3] = [
            ("intensity", |row| row.intensity, Stroke { color: INK, width: 1.4, dash: None }),
            (
                "threshold of the rule",
                |row| row.base,
                Stroke { color: PALETTE[1], width: 1.6, dash: Some((6.0, 3.0)) },
            ),
            ("adjusted", |row| row.adjusted, Stroke { color: PALETTE[0], width: 2.0, dash: None }),
        ];
        let mut left = PLOT.left;
        for (name, value, stroke) in lines {
            let points: Vec<Point> = rows
                .iter()
                .flat_map(|row| {
                    // A threshold holds until the next look at the grid.
                    let y = PLOT.y(scale, value(row));
                    let end = row.at + interval;
                    [(PLOT.x(window, row.at), y), (PLOT.x(window, end), y)]
                })
                .collect();
            canvas.line(&points, stroke);
            canvas.line(&[(left, 82.0), (left + 26.0, 82.0)], stroke);
            canvas.text(name, (left + 34.0, 82.0), Lettering::new(12.0, INK));
            left += 200.0;
        }
        PLOT.baseline(canvas, PLOT.bottom);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_lines_are_named_and_nothing_gives_an_empty_picture() {
        let row = |hour: i64| Threshold {
            at: Time::from_millis(0) + Span::HOUR * hour,
            intensity: 200.0,
            base: 150.0,
            adjusted: 180.0,
        };
        let svg = draw("EU-DE", "a week", &[row(0), row(1), row(2)]).unwrap();
        for text in ["intensity", "threshold of the rule", "adjusted", "g/kWh"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(draw("EU-DE", "nothing", &[]).is_ok());
    }
}
