//! One picture of the page: small, with large letters, so that it can be read on a phone too.
//!
//! Colours are written as the light ones of `charts`; the page's style sheet finds them by their
//! value (`[fill="#222222"]`) and puts those of the reader's scheme in their place.

use plotters::prelude::RGBColor;
use plotters::style::text_anchor::HPos;

use super::super::charts::axis::Scale;
use super::super::charts::canvas::{self, Canvas, Lettering, Point, Stroke};
use super::super::charts::{FAINT_INK, FRAME, GRID, INK, hairline};

pub const WIDTH: f64 = 440.0;
/// Of the letters; on a phone of 390 pixels they are still more than 10 pixels high.
pub const LETTERS: f64 = 14.0;

/// The area under the intensity.
pub const AREA: RGBColor = RGBColor(236, 236, 236);
pub const AREA_EDGE: Stroke = Stroke { color: RGBColor(150, 150, 150), width: 1.2, dash: None };

/// The rectangle that data is drawn in.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

/// Draws a picture as an SVG element that can stand in a page.
pub fn draw(
    height: f64,
    title: &str,
    paint: impl FnOnce(&mut Canvas<'_>),
) -> Result<String, String> {
    canvas::draw((WIDTH, height), title, paint)
}

impl Panel {
    /// As wide as the picture, with room for `1,234` at the left.
    pub fn new(top: f64, bottom: f64) -> Self {
        Self { left: 56.0, right: WIDTH - 14.0, top, bottom }
    }

    /// Where a share of the width is.
    pub fn x(&self, part: f64) -> f64 {
        self.left + part * (self.right - self.left)
    }

    pub fn y(&self, scale: Scale, value: f64) -> f64 {
        self.bottom - part(scale, value) * (self.bottom - self.top)
    }

    /// What the numbers at the left are, over them: words that need not be read sideways.
    pub fn title(&self, canvas: &mut Canvas<'_>, title: &str) {
        canvas.text(title, (6.0, self.top - 16.0), letters(INK, HPos::Left));
    }

    /// Grid lines and numbers at the left.
    pub fn left_axis(&self, canvas: &mut Canvas<'_>, scale: Scale) {
        for (value, label) in scale.ticks() {
            let y = self.y(scale, value);
            canvas.line(&[(self.left, y), (self.right, y)], hairline(GRID));
            canvas.text(&label, (self.left - 7.0, y), letters(FAINT_INK, HPos::Right));
        }
    }

    /// Grid lines at parts of the width, with those of their names that fit.
    pub fn bottom_axis(
        &self,
        canvas: &mut Canvas<'_>,
        ticks: impl IntoIterator<Item = (f64, String)>,
        labels: bool,
    ) {
        let mut free = f64::NEG_INFINITY;
        for (part, label) in ticks {
            let x = self.x(part);
            canvas.line(&[(x, self.top), (x, self.bottom)], hairline(GRID));
            let letters = letters(FAINT_INK, HPos::Center);
            let half = letters.width(&label) / 2.0;
            // A name that would be cut off at the right is left out; its line is not.
            if labels && x - half > free && x + half < WIDTH {
                free = x + half + 8.0;
                canvas.line(&[(x, self.bottom), (x, self.bottom + 4.0)], hairline(FRAME));
                canvas.text(&label, (x, self.bottom + 15.0), letters);
            }
        }
    }

    /// What the numbers below are, under them.
    pub fn bottom_title(&self, canvas: &mut Canvas<'_>, title: &str) {
        canvas.text(title, (self.right, self.bottom + 34.0), letters(INK, HPos::Right));
    }

    /// The line that data stands on. Last, so that it lies over the data.
    pub fn baseline(&self, canvas: &mut Canvas<'_>) {
        canvas.line(&[(self.left, self.bottom), (self.right, self.bottom)], hairline(FRAME));
    }

    /// Says in the middle why there is no data.
    pub fn note(&self, canvas: &mut Canvas<'_>, note: &str) {
        let middle: Point = (self.x(0.5), (self.top + self.bottom) / 2.0);
        canvas.text(note, middle, letters(FAINT_INK, HPos::Center));
    }
}

/// Where a value stands between the ends of a scale, from 0 to 1.
pub fn part(scale: Scale, value: f64) -> f64 {
    (value - scale.low) / (scale.high - scale.low)
}

pub fn letters(color: RGBColor, align: HPos) -> Lettering {
    Lettering { align, ..Lettering::new(LETTERS, color) }
}
