//! Drawing in pixels with fractions, on plotters' SVG backend.
//!
//! The backend takes whole pixels only, and a curve on whole pixels has steps where the data has
//! none. So everything is drawn [`SCALE`] times as large, and the picture's `viewBox` scales it
//! back.

use std::fmt::Display;

use plotters::backend::SVGBackend;
use plotters::prelude::{DrawingBackend, RGBColor};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, FontTransform, TextStyle};

const SCALE: f64 = 10.0;

/// A point in pixels from the upper left corner.
pub type Point = (f64, f64);

/// A picture in the making. The first failure is kept; what follows it is not drawn.
pub struct Canvas<'a> {
    backend: SVGBackend<'a>,
    failure: Option<String>,
    /// The dash of each path so far. The backend can't draw dashes; they are added to its text.
    paths: Vec<Option<(f64, f64)>>,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    pub color: RGBColor,
    pub width: f64,
    /// Pixels on and off; `None` is a solid line.
    pub dash: Option<(f64, f64)>,
}

/// How a text looks and where it stands.
#[derive(Clone, Copy)]
pub struct Lettering {
    pub color: RGBColor,
    pub size: f64,
    pub bold: bool,
    pub align: HPos,
    /// Turned to read from bottom to top.
    pub upright: bool,
}

impl Lettering {
    pub fn new(size: f64, color: RGBColor) -> Self {
        Self { color, size, bold: false, align: HPos::Left, upright: false }
    }

    pub fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub fn centre(self) -> Self {
        Self { align: HPos::Center, ..self }
    }

    pub fn right(self) -> Self {
        Self { align: HPos::Right, ..self }
    }

    pub fn upright(self) -> Self {
        Self { upright: true, ..self }
    }

    /// Width of a text, roughly: the reader's font is not known here, and most sans-serif fonts
    /// are narrower than this.
    pub fn width(self, text: &str) -> f64 {
        let em = if self.bold { 0.68 } else { 0.56 };
        text.chars().count() as f64 * self.size * em
    }
}

/// Draws a picture and returns it as the text of an SVG file. `title` is for screen readers.
pub fn draw(
    size: (f64, f64),
    title: &str,
    paint: impl FnOnce(&mut Canvas<'_>),
) -> Result<String, String> {
    let mut body = String::new();
    let paths = {
        let (width, height) = scaled(size);
        let backend = SVGBackend::with_string(&mut body, (width as u32, height as u32));
        let mut canvas = Canvas { backend, failure: None, paths: Vec::new() };
        canvas.rectangle((0.0, 0.0), size, RGBColor(255, 255, 255));
        paint(&mut canvas);
        let presented = canvas.backend.present();
        canvas.keep(presented);
        if let Some(failure) = canvas.failure {
            return Err(failure);
        }
        canvas.paths
    };
    // The backend's own first line has the scaled size for width and height.
    let drawing = with_dashes(body.split_once('\n').map_or("", |(_, rest)| rest), &paths);
    let (width, height) = size;
    let (scaled_width, scaled_height) = scaled(size);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {scaled_width} {scaled_height}\" role=\"img\" stroke-linejoin=\"round\">\n\
         <title>{}</title>\n{drawing}",
        escaped(title),
    ))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn scaled((x, y): Point) -> (i32, i32) {
    // `as` saturates and maps NaN to zero: no coordinate can panic.
    ((x * SCALE).round() as i32, (y * SCALE).round() as i32)
}

impl Canvas<'_> {
    /// A filled area without border.
    pub fn area(&mut self, points: &[Point], color: RGBColor) {
        if points.len() > 2 {
            let points: Vec<_> = points.iter().copied().map(scaled).collect();
            let drawn = self.backend.fill_polygon(points, &color.filled());
            self.keep(drawn);
        }
    }

    /// A filled rectangle.
    pub fn rectangle(&mut self, from: Point, to: Point, color: RGBColor) {
        let drawn = self.backend.draw_rect(scaled(from), scaled(to), &color.filled(), true);
        self.keep(drawn);
    }

    /// A filled circle.
    pub fn disc(&mut self, centre: Point, radius: f64, color: RGBColor) {
        let radius = (radius * SCALE).round() as u32;
        let drawn = self.backend.draw_circle(scaled(centre), radius, &color.filled(), true);
        self.keep(drawn);
    }

    /// A text whose middle line is at the height of `at`.
    pub fn text(&mut self, text: &str, at: Point, lettering: Lettering) {
        let weight = if lettering.bold { FontStyle::Bold } else { FontStyle::Normal };
        let turn = if lettering.upright { FontTransform::Rotate270 } else { FontTransform::None };
        // The backend divides sizes by 1.24, its guess of the height of a line.
        let size = lettering.size * SCALE * 1.24;
        let font = FontDesc::new(FontFamily::SansSerif, size, weight).transform(turn);
        let style = TextStyle::from(font)
            .color(&lettering.color)
            .pos(Pos::new(lettering.align, VPos::Center));
        let drawn = self.backend.draw_text(text, &style, scaled(at));
        self.keep(drawn);
    }

    /// A line through `points`.
    pub fn line(&mut self, points: &[Point], stroke: Stroke) {
        let mut path: Vec<(i32, i32)> = points.iter().copied().map(scaled).collect();
        path.dedup();
        // Two points on one level say all about those between them.
        let mut thin: Vec<(i32, i32)> = Vec::with_capacity(path.len());
        for point in path {
            if let [.., a, b] = thin[..]
                && a.1 == b.1
                && b.1 == point.1
                && a.0 <= b.0
                && b.0 <= point.0
            {
                thin.pop();
            }
            thin.push(point);
        }
        if thin.len() > 1 {
            let width = (stroke.width * SCALE).round() as u32;
            self.paths.push(stroke.dash);
            let drawn = self.backend.draw_path(thin, &stroke.color.stroke_width(width));
            self.keep(drawn);
        }
    }

    fn keep<E: Display>(&mut self, result: Result<(), E>) {
        if let Err(error) = result {
            self.failure.get_or_insert(error.to_string());
        }
    }
}

/// The drawing with a `stroke-dasharray` in the paths that have one; each element is a line.
fn with_dashes(drawing: &str, dashes: &[Option<(f64, f64)>]) -> String {
    let mut next = dashes.iter();
    let mut result = String::with_capacity(drawing.len());
    for line in drawing.lines() {
        match line.strip_prefix("<polyline ") {
            Some(rest) => {
                result.push_str("<polyline ");
                if let Some(Some((on, off))) = next.next() {
                    let (on, off) = (on * SCALE, off * SCALE);
                    result.push_str(&format!("stroke-dasharray=\"{on} {off}\" "));
                }
                result.push_str(rest);
            }
            None => result.push_str(line),
        }
        result.push('\n');
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dashed_lines_have_dashes() {
        let line = [(0.0, 0.0), (6.0, 4.0)];
        let solid = Stroke { color: RGBColor(0, 0, 0), width: 1.0, dash: None };
        let svg = draw((10.0, 10.0), "", |canvas| {
            canvas.line(&line, solid);
            // Not drawn, so it must not count.
            canvas.line(&line[..1], solid);
            let dash = Some((6.0, 2.5));
            canvas.line(&line, Stroke { dash, ..solid });
            canvas.text("<polyline ", (1.0, 1.0), Lettering::new(9.0, solid.color));
            canvas.line(&line, solid);
        })
        .unwrap();
        let lines: Vec<bool> = svg
            .lines()
            .filter(|line| line.starts_with("<polyline"))
            .map(|line| line.contains("stroke-dasharray=\"60 25\""))
            .collect();
        assert_eq!(lines, [false, true, false]);
    }

    #[test]
    fn coordinates_that_are_not_numbers_do_not_panic() {
        let stroke = Stroke { color: RGBColor(0, 0, 0), width: 1.0, dash: Some((3.0, 2.0)) };
        let svg = draw((10.0, 10.0), "<a & b>", |canvas| {
            canvas.line(&[(f64::NAN, 0.0), (f64::INFINITY, 1.0)], stroke);
            canvas.line(&[], stroke);
        })
        .unwrap();
        assert!(svg.contains("<title>&lt;a &amp; b&gt;</title>"));
        assert!(svg.ends_with("</svg>\n"));
    }
}
