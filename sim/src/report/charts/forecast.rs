//! A forecast with its interval, after the two days before it, and with what came of it.

use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::{GramsPerKwh, Span, Time};
use plotters::prelude::RGBColor;

use super::axis::Scale;
use super::canvas::{self, Point, Stroke};
use super::{INK, LEFT, PALETTE, Plot, WIDTH, heading};

const PLOT: Plot = Plot { left: LEFT, right: WIDTH - 40.0, top: 84.0, bottom: 420.0 };
const HEIGHT: f64 = 500.0;
/// The interval: the colour of the forecast, washed out.
const BAND: RGBColor = RGBColor(204, 226, 240);
/// What is shown before the forecast.
const BEFORE: Span = Span::from_millis(48 * 3_600_000);

/// Start of an hour, expected value, low and high end of the interval, in g/kWh.
pub type Hour = (Time, f64, f64, f64);

/// Draws the forecast of a zone; `series` is the truth, as far as it reaches.
///
/// # Errors
///
/// What the drawing library says; none in practice.
pub fn draw(series: &IntensitySeries, hours: &[Hour]) -> Result<String, String> {
    let label = series.label();
    let title = format!("{}: forecast of the next {} hours", label.zone, hours.len().max(1) - 1);
    let about = format!(
        "{}, {} {}, {} factors; blue: forecast and 80 % interval, black: measured",
        label.area, label.signal, label.scope, label.factor_set
    );
    canvas::draw((WIDTH, HEIGHT), &title, |canvas| {
        heading(canvas, &title, &about);
        let (Some(first), Some(last)) = (hours.first(), hours.last()) else { return };
        let window = (first.0 - BEFORE, last.0 + Span::HOUR);
        let truth = measured(series, window.0, window.1);
        let highs = hours.iter().map(|hour| hour.3).chain(truth.iter().map(|(_, value)| *value));
        let scale = Scale::from_zero(highs.fold(1.0, f64::max), 5);
        let at = |time: Time, value: f64| -> Point { (PLOT.x(window, time), PLOT.y(scale, value)) };
        let low = hours.iter().map(|hour| at(hour.0, hour.2));
        let high = hours.iter().rev().map(|hour| at(hour.0, hour.3));
        canvas.area(&low.chain(high).collect::<Vec<_>>(), BAND);
        PLOT.left_axis(canvas, scale, "g/kWh");
        PLOT.date_axis(canvas, window, true);
        let expected: Vec<Point> = hours.iter().map(|hour| at(hour.0, hour.1)).collect();
        canvas.line(&expected, Stroke { color: PALETTE[0], width: 2.0, dash: None });
        let truth: Vec<Point> = truth.iter().map(|&(time, value)| at(time, value)).collect();
        canvas.line(&truth, Stroke { color: INK, width: 1.4, dash: None });
        PLOT.baseline(canvas, PLOT.bottom);
    })
}

/// The hourly means that are known.
fn measured(series: &IntensitySeries, from: Time, to: Time) -> Vec<(Time, f64)> {
    let hours = (to - from).millis() / Span::HOUR.millis();
    (0..hours)
        .filter_map(|hour| {
            let start = from + Span::HOUR * hour;
            let mean = series.mean(start, start + Span::HOUR).ok().map(GramsPerKwh::get)?;
            Some((start, mean))
        })
        .collect()
}
