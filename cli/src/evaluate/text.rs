//! The table of an evaluation, for a terminal.

use carbon_kube_trainer::evaluation::statistics::Interval;
use carbon_kube_trainer::evaluation::table::{Comparison, Row, SignalTable, Training};
use comfy_table::{Table, presets};

use super::document::Document;

/// Columns of the table over all zones.
pub const COLUMNS: [&str; 12] = [
    "POLICY",
    "SAVING %",
    "95 %",
    "IQM %",
    "SHARE %",
    "DELAY h",
    "P95 h",
    "MISSES",
    "MOVES",
    "DIFFERENCE",
    "P(BETTER)",
    "TRAINED",
];

/// Everything that people are told.
pub fn text(document: &Document) -> String {
    let mut text = String::new();
    for table in &document.evaluation.signals {
        text.push_str(&format!("{}\n\n", title(table, document)));
        let overall = table.overall.iter().map(|row| cells(row).to_vec());
        text.push_str(&lines(&COLUMNS, overall));
        text.push_str(&format!("\n{}\n\n", sentences(table).join("\n")));
        let by_zone = table.zones.iter().flat_map(|zone| {
            zone.rows.iter().map(|row| {
                let mut line = vec![zone.zone.clone()];
                line.extend(cells(row));
                line
            })
        });
        let header: Vec<&str> = ["ZONE"].into_iter().chain(COLUMNS).collect();
        text.push_str(&format!("{}\n", lines(&header, by_zone)));
    }
    for note in &document.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

/// What a table is about.
pub fn title(table: &SignalTable, document: &Document) -> String {
    let Document { evaluation, forecast, .. } = document;
    let weeks: usize = table.zones.iter().map(|zone| zone.weeks).sum();
    let draws = match evaluation.draws {
        1 => String::new(),
        draws => format!(" of {draws} draws"),
    };
    format!(
        "protocol {}, {}: {} zones, {weeks} weeks{draws}, seed {}, forecast {forecast}",
        evaluation.protocol,
        table.signal,
        table.zones.len(),
        evaluation.seed,
    )
}

/// The judgement in words.
pub fn sentences(table: &SignalTable) -> Vec<String> {
    let verdict = &table.verdict;
    let mut sentences = Vec::new();
    match &verdict.best {
        Some(best) if verdict.tied.is_empty() => {
            sentences.push(format!("{best} saves most, and can be told apart from every other"));
        }
        Some(best) => sentences.push(format!(
            "{best} saves most; not told apart from it: {}",
            verdict.tied.join(", ")
        )),
        None => sentences.push("every policy misses more than one limit in a thousand".to_owned()),
    }
    sentences
        .extend(verdict.default.as_ref().map(|name| format!("default by the protocol: {name}")));
    match &verdict.rival {
        Some(rival) => sentences.push(format!(
            "DIFFERENCE (points of saving) and P(BETTER) are 95 % intervals against {rival}"
        )),
        None => {
            sentences.push("there is no rule to be held against: add `--policy plan`".to_owned())
        }
    }
    let rival = verdict.rival.as_deref().unwrap_or_default();
    sentences.extend(verdict.tuners.iter().map(|(tuner, comparison)| match comparison {
        Comparison::Better => format!("{tuner} beats {rival}"),
        Comparison::Worse => format!("{tuner} does NOT beat {rival}: {rival} beats it"),
        Comparison::NotToldApart => {
            format!("{tuner} does NOT beat {rival}: the two can't be told apart")
        }
    }));
    sentences
}

/// A row as text, in the order of [`COLUMNS`].
pub fn cells(row: &Row) -> [String; 12] {
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{:.digits$}", tidy(value, digits)))
    };
    let counted = |count: u64| if row.jobs == 0 { "-".to_owned() } else { count.to_string() };
    let held = |against: &Option<Interval>| {
        against.as_ref().map_or_else(|| "-".to_owned(), |against| interval(against, 2))
    };
    let runs = if row.runs > 1 { format!(" ({} seeds)", row.runs) } else { String::new() };
    [
        format!("{}{runs}", row.policy),
        number(Some(row.saving_percent.value), 2),
        interval(&row.saving_percent, 2),
        number(Some(row.interquartile_mean_percent.value), 2),
        number(row.share_percent, 1),
        number(row.delay_mean_hours, 2),
        number(row.delay_p95_hours, 1),
        counted(row.misses),
        counted(row.moves),
        held(&row.difference_points),
        held(&row.probability_of_improvement),
        row.training.as_ref().map_or_else(|| "-".to_owned(), trained),
    ]
}

/// What a training took, in words.
fn trained(training: &Training) -> String {
    let seconds = training.cpu_seconds.map(|seconds| format!("{seconds:.0} CPU s"));
    let grams = training.grams.map(|grams| format!("{grams:.1} g"));
    seconds.into_iter().chain(grams).collect::<Vec<_>>().join(", ")
}

fn interval(interval: &Interval, digits: usize) -> String {
    match (interval.low, interval.high) {
        (Some(low), Some(high)) => {
            format!("{:.digits$} .. {:.digits$}", tidy(low, digits), tidy(high, digits))
        }
        _ => "-".to_owned(),
    }
}

/// Without the sign of what is printed as zero.
fn tidy(value: f64, digits: usize) -> f64 {
    let least = 0.5 / 10f64.powi(digits as i32);
    if value.abs() < least { 0.0 } else { value }
}

fn lines(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    // Lines begin with the name, so that `grep ^` and `cut` do what they seem to do.
    if let Some(names) = table.column_mut(0) {
        names.set_padding((0, 1));
    }
    format!("{}\n", table.trim_fmt())
}
