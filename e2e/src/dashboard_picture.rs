//! A dashboard as one picture: its grid of panels with their titles and units, and in each what Prometheus
//! answers to the panel's own queries. These are plots of the same queries, not Grafana.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

/// What Prometheus answers to a query: a series with its name in the legend.
pub struct Series {
    /// The query's legend, with the labels of the series in it.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Seconds since the epoch, and value.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// Of a result of `query` or `query_range`; `legend` is the target's `legendFormat`.
    pub fn of(result: &Value, legend: &str) -> Self {
        let labels = result["metric"].as_object().into_iter().flatten();
        let labels: BTreeMap<String, String> = labels
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
        let name = labels.iter().fold(legend.to_owned(), |text, (label, value)| {
            text.replace(&format!("{{{{{label}}}}}"), value)
        });
        let one = std::iter::once(&result["value"]);
        let points = result["values"].as_array().into_iter().flatten().chain(one);
        let point = |point: &Value| {
            let value: f64 = point[1].as_str()?.parse().ok()?;
            Some((point[0].as_f64()?, value)).filter(|_| value.is_finite())
        };
        Self { name, labels, points: points.filter_map(point).collect() }
    }
}

/// A panel and the answers to its queries.
pub struct Panel<'a> {
    /// As the dashboard has it.
    pub panel: &'a Value,
    /// The answers of all of its queries.
    pub series: Vec<Series>,
}

/// Pixels of one of the 24 columns, and of a unit of height.
const COLUMN: f64 = 60.0;
const ROW: f64 = 32.0;
/// Between panels.
const GAP: f64 = 8.0;
/// Above the first panel.
const HEAD: f64 = 44.0;

/// Colours that people with a weakness for some can tell apart (Okabe and Ito, 2008).
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f"];

const INK: &str = "#1f2933";
const FAINT: &str = "#6b7280";

/// The picture as SVG. `span` is the time that is shown, in seconds since the epoch, and `note` stands below
/// the title.
pub fn draw(dashboard: &Value, panels: &[Panel<'_>], span: (f64, f64), note: &str) -> String {
    let bottom = |panel: &Value| number(&panel["gridPos"]["y"]) + number(&panel["gridPos"]["h"]);
    let rows = dashboard["panels"].as_array().into_iter().flatten();
    let height = rows.clone().map(bottom).fold(0.0, f64::max) * ROW + HEAD + GAP;
    let width = 24.0 * COLUMN + GAP;
    let title = dashboard["title"].as_str().unwrap_or_default();
    let mut picture = Picture(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"Helvetica, Arial, sans-serif\">\n\
         <title>{}</title>\n",
        escaped(title)
    ));
    picture.rectangle((0.0, 0.0, width, height), "#f4f5f7", "none");
    picture.text((GAP + 4.0, 28.0), title, "font-size=\"18\" font-weight=\"bold\"", INK);
    picture.text((width - GAP - 4.0, 28.0), note, "font-size=\"12\" text-anchor=\"end\"", FAINT);
    for row in rows.filter(|panel| panel["type"] == "row") {
        let (x, y, _, h) = place(row);
        let at = (x + 4.0, y + h - 10.0);
        picture.text(
            at,
            row["title"].as_str().unwrap_or_default(),
            "font-size=\"14\" font-weight=\"bold\"",
            INK,
        );
    }
    for Panel { panel, series } in panels {
        picture.panel(panel, series, span);
    }
    picture.0 + "</svg>\n"
}

struct Picture(String);

type Area = (f64, f64, f64, f64);

impl Picture {
    fn add(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a text does not fail.
        let _ = self.0.write_fmt(arguments);
    }

    fn rectangle(&mut self, (x, y, w, h): Area, fill: &str, stroke: &str) {
        self.add(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"{fill}\" stroke=\"{stroke}\"/>\n"
        ));
    }

    fn text(&mut self, (x, y): (f64, f64), text: &str, style: &str, fill: &str) {
        let text = escaped(text);
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" {style} fill=\"{fill}\">{text}</text>\n"
        ));
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str) {
        self.add(format_args!(
            "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"{stroke}\" fill=\"none\"/>\n",
            from.0, from.1, to.0, to.1
        ));
    }

    fn panel(&mut self, panel: &Value, series: &[Series], span: (f64, f64)) {
        let area = place(panel);
        let (x, y, w, h) = area;
        self.rectangle(area, "#ffffff", "#d8dce2");
        let title = panel["title"].as_str().unwrap_or_default();
        self.text((x + 10.0, y + 20.0), title, "font-size=\"13\" font-weight=\"bold\"", INK);
        let middle = (x + w / 2.0, y + h / 2.0 + 10.0);
        if series.iter().all(|series| series.points.is_empty()) {
            let said = panel["fieldConfig"]["defaults"]["noValue"].as_str().unwrap_or("no data");
            self.text(middle, said, "font-size=\"13\" text-anchor=\"middle\"", FAINT);
            return;
        }
        let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap_or_default();
        match panel["type"].as_str() {
            Some("stat") => {
                let last = series.iter().find_map(|series| series.points.last());
                let text = last.map_or_else(String::new, |(_, value)| shown(*value, unit));
                self.text(middle, &text, "font-size=\"26\" text-anchor=\"middle\"", COLOURS[0]);
            }
            Some("table") => self.table(area, series, unit),
            _ => self.time_series(area, panel, series, span),
        }
    }

    fn table(&mut self, (x, y, w, _): Area, series: &[Series], unit: &str) {
        let columns: Vec<&String> = series.iter().flat_map(|series| series.labels.keys()).collect();
        let columns: Vec<&String> = columns
            .iter()
            .enumerate()
            .filter(|(i, name)| !columns[..*i].contains(name))
            .map(|(_, name)| *name)
            .collect();
        let wide = (w - 20.0) / (columns.len() + 1) as f64;
        let at = |column: usize, row: usize| {
            (x + 10.0 + wide * column as f64, y + 44.0 + 20.0 * row as f64)
        };
        let cells =
            |picture: &mut Self, row: usize, cells: Vec<String>, style: &str, fill: &str| {
                for (column, cell) in cells.into_iter().enumerate() {
                    // Checksums are longer than their column.
                    let cell: String = cell.chars().take((wide / 7.0) as usize).collect();
                    picture.text(at(column, row), &cell, style, fill);
                }
            };
        let head = columns.iter().map(|name| (*name).clone()).chain(["Value".to_owned()]);
        cells(self, 0, head.collect(), "font-size=\"12\" font-weight=\"bold\"", FAINT);
        for (row, series) in (1..).zip(series) {
            let value = series.points.last().map_or_else(String::new, |(_, v)| shown(*v, unit));
            let labels =
                columns.iter().map(|name| series.labels.get(*name).cloned().unwrap_or_default());
            cells(self, row, labels.chain([value]).collect(), "font-size=\"12\"", INK);
        }
    }

    fn time_series(&mut self, area: Area, panel: &Value, series: &[Series], span: (f64, f64)) {
        let defaults = &panel["fieldConfig"]["defaults"];
        let unit = defaults["unit"].as_str().unwrap_or_default();
        let custom = &defaults["custom"];
        let is_stacked = custom["stacking"]["mode"] == "normal";
        let stacked = if is_stacked { stack(series) } else { Vec::new() };
        let lines: Vec<&[(f64, f64)]> = if is_stacked {
            stacked.iter().map(Vec::as_slice).collect()
        } else {
            series.iter().map(|series| series.points.as_slice()).collect()
        };
        let values = || lines.iter().flat_map(|line| line.iter().map(|(_, value)| *value));
        let low =
            defaults["min"].as_f64().unwrap_or_else(|| values().fold(f64::INFINITY, f64::min));
        let high =
            defaults["max"].as_f64().unwrap_or_else(|| values().fold(f64::NEG_INFINITY, f64::max));
        let ticks = ticks(low, high);
        let (low, high) = (ticks[0].min(low), ticks[ticks.len() - 1].max(high));
        let (x, y, w, h) = area;
        let legend = legend_rows(series, w - 20.0);
        let plot = (x + 74.0, y + 34.0, w - 90.0, h - 34.0 - 30.0 - 16.0 * legend.len() as f64);
        let across = |at: f64| plot.0 + (at - span.0) / (span.1 - span.0) * plot.2;
        let up = |value: f64| plot.1 + (high - value) / (high - low) * plot.3;
        for tick in &ticks {
            self.line((plot.0, up(*tick)), (plot.0 + plot.2, up(*tick)), "#e5e7eb");
            let at = (plot.0 - 6.0, up(*tick) + 4.0);
            self.text(at, &shown(*tick, unit), "font-size=\"11\" text-anchor=\"end\"", FAINT);
        }
        let seconds = span.1 - span.0;
        let step = if seconds > 240.0 { 60.0 } else { 30.0 };
        let mut tick = 0.0;
        while tick <= seconds {
            let at = (across(span.0 + tick), plot.1 + plot.3 + 14.0);
            let minutes = format!("{}:{:02}", tick as u64 / 60, tick as u64 % 60);
            self.text(at, &minutes, "font-size=\"11\" text-anchor=\"middle\"", FAINT);
            tick += step;
        }
        let opacity = number(&custom["fillOpacity"]) / 100.0;
        // The upper bands of a stack first, so that each shows its own part.
        for (i, line) in lines.iter().enumerate().rev() {
            let colour = COLOURS[i % COLOURS.len()];
            let path = path(line, &across, &up);
            if let (true, Some(first), Some(last)) = (opacity > 0.0, line.first(), line.last()) {
                let below = up(low.max(0.0));
                let (from, to) = (across(first.0), across(last.0));
                self.add(format_args!(
                    "<path d=\"{path}L{to:.1} {below:.1}L{from:.1} {below:.1}Z\" fill=\"#ffffff\"/>\n\
                     <path d=\"{path}L{to:.1} {below:.1}L{from:.1} {below:.1}Z\" fill=\"{colour}\" fill-opacity=\"{opacity}\"/>\n"
                ));
            }
            self.add(format_args!(
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" stroke-linejoin=\"round\"/>\n"
            ));
        }
        for (row, names) in legend.iter().enumerate() {
            let at = y + h - 10.0 - 16.0 * (legend.len() - 1 - row) as f64;
            for (i, offset) in names {
                let left = x + 10.0 + offset;
                self.rectangle((left, at - 7.0, 12.0, 4.0), COLOURS[i % COLOURS.len()], "none");
                self.text((left + 17.0, at), &series[*i].name, "font-size=\"11\"", INK);
            }
        }
    }
}

/// Where a panel is: left, top, width, height in pixels.
fn place(panel: &Value) -> Area {
    let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| number(&panel["gridPos"][key]));
    (x * COLUMN + GAP, y * ROW + HEAD, w * COLUMN - GAP, h * ROW - GAP)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

/// Each line on top of those before it, at the instants of any of them.
fn stack(series: &[Series]) -> Vec<Vec<(f64, f64)>> {
    let mut sums: BTreeMap<u64, f64> = BTreeMap::new();
    let millis = |at: f64| (at * 1_000.0).round() as u64;
    for (at, _) in series.iter().flat_map(|series| &series.points) {
        sums.insert(millis(*at), 0.0);
    }
    let lines = series.iter().map(|series| {
        for (at, value) in &series.points {
            *sums.entry(millis(*at)).or_insert(0.0) += value;
        }
        sums.iter().map(|(at, value)| (*at as f64 / 1_000.0, *value)).collect()
    });
    lines.collect()
}

fn path(line: &[(f64, f64)], across: &impl Fn(f64) -> f64, up: &impl Fn(f64) -> f64) -> String {
    let mut text = String::new();
    for (i, (at, value)) in line.iter().enumerate() {
        let letter = if i == 0 { 'M' } else { 'L' };
        let _ = write!(text, "{letter}{:.1} {:.1}", across(*at), up(*value));
    }
    text
}

/// The rows of a legend: which series, and how far from the left.
fn legend_rows(series: &[Series], width: f64) -> Vec<Vec<(usize, f64)>> {
    let mut rows: Vec<Vec<(usize, f64)>> = vec![Vec::new()];
    let mut left = 0.0;
    for (i, series) in series.iter().enumerate() {
        let wide = 32.0 + 6.0 * series.name.chars().count() as f64;
        if left > 0.0 && left + wide > width {
            rows.push(Vec::new());
            left = 0.0;
        }
        if let Some(row) = rows.last_mut() {
            row.push((i, left));
        }
        left += wide;
    }
    rows
}

/// Some four round numbers from below the least to above the most.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    // A flat line has some room around it.
    let room = if high - low > low.abs() * 1e-9 { 0.0 } else { low.abs().max(1.0) * 0.5 };
    let (low, high) = (if low == 0.0 { 0.0 } else { low - room }, high + room);
    let rough = (high - low) / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step = step.into_iter().find(|step| *step >= rough).unwrap_or(rough);
    let (first, last) = ((low / step).floor() as i64, (high / step).ceil() as i64);
    (first..=last).map(|count| count as f64 * step).collect()
}

/// A value with its unit, as Grafana's units of these names show it.
fn shown(value: f64, unit: &str) -> String {
    let scaled = |steps: &[(f64, &str)]| {
        let step = steps.iter().find(|(factor, _)| value.abs() >= *factor);
        let (factor, name) = step.or(steps.last()).copied().unwrap_or((1.0, ""));
        format!("{} {name}", digits(value / factor))
    };
    match unit {
        "massg" => scaled(&[(1e6, "t"), (1e3, "kg"), (1.0, "g")]),
        "kwatth" if value == 0.0 => "0 kWh".to_owned(),
        "kwatth" => scaled(&[(1e3, "MWh"), (1.0, "kWh"), (1e-3, "Wh")]),
        "percentunit" => format!("{} %", digits(value * 100.0)),
        "s" if value == 0.0 => "0 s".to_owned(),
        "s" => scaled(&[
            (86_400.0, "d"),
            (3_600.0, "h"),
            (60.0, "min"),
            (1.0, "s"),
            (1e-3, "ms"),
            (1e-6, "µs"),
        ]),
        "reqps" => format!("{} req/s", digits(value)),
        "cps" => format!("{} c/s", digits(value)),
        _ => match unit.strip_prefix("suffix:") {
            Some(suffix) => format!("{} {suffix}", digits(value)),
            None => digits(value),
        },
    }
}

/// Three digits that count, without zeros at the end.
fn digits(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let whole = value.abs().log10().floor() as i32 + 1;
    let text = format!("{value:.*}", (3 - whole).clamp(0, 6) as usize);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_three_digits_and_its_unit() {
        for (value, unit, text) in [
            (1_234.0, "massg", "1.23 kg"),
            (0.4567, "percentunit", "45.7 %"),
            (0.000_25, "s", "250 µs"),
            (7_200.0, "s", "2 h"),
            (0.05, "kwatth", "50 Wh"),
            (88.0, "suffix:g/kWh", "88 g/kWh"),
            (0.0, "short", "0"),
        ] {
            assert_eq!(shown(value, unit), text);
        }
    }

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        assert_eq!(ticks(0.0, 300.0), [0.0, 100.0, 200.0, 300.0]);
        assert_eq!(ticks(-50.0, 50.0), [-50.0, -0.0, 50.0].map(|tick| tick + 0.0));
        assert!(ticks(7.0, 7.0).len() > 1, "a flat line");
    }

    #[test]
    fn bands_stand_on_each_other() {
        let series = |value: f64| Series {
            name: String::new(),
            labels: BTreeMap::new(),
            points: vec![(1.0, value), (2.0, value)],
        };
        let bands = stack(&[series(1.0), series(2.0)]);
        assert_eq!(bands[1], [(1.0, 3.0), (2.0, 3.0)]);
    }
}
