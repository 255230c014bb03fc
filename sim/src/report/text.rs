//! The table for the terminal: a row per policy, then what the numbers are.
//!
//! Plain text of at most [`WIDTH`] columns. It means the same with and without colour, in a log
//! and in a mail.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use carbon_kube_core::intensity::Provenance;

use super::summary::{GridSource, Run, Summary};
use crate::outcome::TuningCounts;
use crate::world::{Assumption, TraceSource};

/// The widest line.
pub const WIDTH: usize = 100;

/// Characters of a policy's name that are shown; a folder's path can be longer.
const NAME: usize = 24;

/// The table with its footnotes, newline at the end.
#[must_use]
pub fn table(summary: &Summary) -> String {
    let mut text = String::new();
    if summary.runs.is_empty() {
        text.push_str("no policy was run\n");
    } else {
        rows(&mut text, &summary.runs);
    }
    text.push('\n');
    footnotes(&mut text, summary);
    text
}

/// The grid in one line: signal, scope and factor set, as every report names them.
pub(super) fn signals(grid: &[GridSource]) -> String {
    let signals: BTreeSet<String> = grid.iter().map(signal).collect();
    signals.into_iter().collect::<Vec<_>>().join("; ")
}

/// `average direct, factors local`.
pub(super) fn signal(source: &GridSource) -> String {
    format!("{} {}, {} factors", source.signal, source.scope, source.factor_set)
}

/// Zones whose intensity was not measured.
pub(super) fn modelled(grid: &[GridSource]) -> Vec<&GridSource> {
    grid.iter().filter(|source| source.provenance == Provenance::Modelled).collect()
}

/// `1234567.891` with two decimals is `1,234,567.89`.
pub(crate) fn grouped(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "?".into();
    }
    let text = format!("{value:.decimals$}");
    let (sign, digits) = match text.strip_prefix('-') {
        // A small loss must not be printed as "-0.0".
        Some(digits) if digits.bytes().any(|b| (b'1'..=b'9').contains(&b)) => ("-", digits),
        Some(digits) => ("", digits),
        None => ("", text.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut result = sign.to_owned();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            result.push(',');
        }
        result.push(digit);
    }
    if !fraction.is_empty() {
        result.push('.');
        result.push_str(fraction);
    }
    result
}

/// The first `length` characters, with `…` for the last of them where there are more.
pub(crate) fn shortened(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let kept: String = text.chars().take(length.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Decimals for a column, so that its largest number has at least four digits.
pub(super) fn decimals(values: impl Iterator<Item = f64>) -> usize {
    match values.map(f64::abs).fold(0.0, f64::max) {
        largest if largest >= 1_000.0 => 0,
        largest if largest >= 100.0 => 1,
        largest if largest >= 10.0 => 2,
        _ => 3,
    }
}

fn rows(text: &mut String, runs: &[Run]) {
    let header: [[&str; 9]; 2] = [
        ["policy", "emissions", "saving", "energy", "delay", "delay", "deadline", "moves", "cost"],
        ["", "kg CO2e", "%", "kWh", "mean h", "p95 h", "misses", "", "USD"],
    ];
    let kilograms = |run: &Run| run.emissions_grams.total / 1_000.0;
    let kg_decimals = decimals(runs.iter().map(kilograms));
    let kwh_decimals = decimals(runs.iter().map(|run| run.energy_kwh));
    let missing = || "-".to_owned();
    let body = runs.iter().map(|run| {
        let hours = |value: Option<f64>| value.map_or_else(missing, |hours| grouped(hours, 2));
        [
            shortened(&run.policy, NAME),
            grouped(kilograms(run), kg_decimals),
            run.saving_percent.map_or_else(missing, |percent| grouped(percent, 1)),
            grouped(run.energy_kwh, kwh_decimals),
            hours(run.delay_hours.mean),
            hours(run.delay_hours.p95),
            grouped(run.pods.deadline_misses as f64, 0),
            grouped(run.pods.migrations as f64, 0),
            grouped(run.cost_usd, 2),
        ]
    });
    let lines: Vec<[String; 9]> =
        header.map(|line| line.map(str::to_owned)).into_iter().chain(body).collect();
    text.push_str(&aligned(&lines, header.len()));
}

/// Lines of cells in columns, the first to the left and the others to the right, with a rule below
/// the first `header` lines.
pub(crate) fn aligned<const N: usize>(lines: &[[String; N]], header: usize) -> String {
    let mut text = String::new();
    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let gaps = N.saturating_sub(1);
    // Two blanks between columns; one where millions of everything would need more than WIDTH.
    let wide = widths.iter().sum::<usize>() + 2 * gaps <= WIDTH;
    let gap = if wide { "  " } else { " " };
    for (i, line) in lines.iter().enumerate() {
        let mut row = String::new();
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            if column == 0 {
                let _ = write!(row, "{cell:<width$}");
            } else {
                let _ = write!(row, "{gap}{cell:>width$}");
            }
        }
        text.push_str(row.trim_end());
        text.push('\n');
        if i + 1 == header {
            let rule = widths.iter().sum::<usize>() + gap.len() * gaps;
            text.push_str(&"-".repeat(rule));
            text.push('\n');
        }
    }
    text
}

/// In how far a tuner did not decide, or without all of its inputs; `None` where it always did.
pub(super) fn tuner_left_out(tuning: &TuningCounts) -> Option<String> {
    let count = |count: u64| grouped(count as f64, 0);
    let mut parts = Vec::new();
    if tuning.fallbacks() > 0 {
        let (alone, asked) = (count(tuning.fallbacks()), count(tuning.asked));
        parts.push(format!("the rule decided alone at {alone} of {asked} times"));
    }
    if tuning.replaced_inputs > 0 {
        parts.push(format!("{} inputs were unknown", count(tuning.replaced_inputs)));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn footnotes(text: &mut String, summary: &Summary) {
    if !summary.complete {
        paragraph(text, "INTERRUPTED", "the run did not reach its end; these results are partial");
    }
    for run in &summary.runs {
        if run.pods.unfinished > 0 {
            let (unfinished, all) = (run.pods.unfinished, run.pods.submitted);
            let of_all = format!(
                "{} of {} pods under {}",
                grouped(unfinished as f64, 0),
                grouped(all as f64, 0),
                run.policy
            );
            paragraph(text, "unfinished", &of_all);
        }
        if run.charged_beyond_trace > 0 {
            let count = grouped(run.charged_beyond_trace as f64, 0);
            let what = format!("{count} times at a zone's mean under {}", run.policy);
            paragraph(text, "charged beyond the trace", &what);
        }
        if let Some(what) = run.tuning.as_ref().and_then(tuner_left_out) {
            paragraph(text, "tuner", &format!("{what} under {}", run.policy));
        }
    }
    let modelled: Vec<String> = modelled(&summary.grid)
        .into_iter()
        .map(|source| format!("{} ({})", source.zone, source.source))
        .collect();
    if !modelled.is_empty() {
        paragraph(text, "MODELLED, not measured", &modelled.join(", "));
    }
    if let Some(reference) = summary.runs.first() {
        paragraph(text, "saving against", &reference_accounts(reference));
    }
    headroom(text, summary);
    if !summary.grid.is_empty() {
        paragraph(text, "signal", &signals(&summary.grid));
        let areas: Vec<String> = summary
            .grid
            .iter()
            .map(|source| format!("{} = {}", source.zone, source.area))
            .collect();
        paragraph(text, "areas", &areas.join(", "));
    }
    if !summary.grid_beside.is_empty() {
        paragraph(text, "counted beside", &beside(summary));
    }
    text.push_str(&traces(&summary.traces));
    let scenario = format!("{}, seed {}", summary.scenario, summary.seed);
    paragraph(text, "scenario", &scenario);
    let digests: Vec<String> =
        summary.runs.iter().map(|run| run.digest.chars().take(8).collect()).collect();
    if !digests.is_empty() {
        paragraph(text, "digests", &digests.join(", "));
    }
}

/// What part of the saving that a bound leaves each policy gets: only pods' own emissions count.
fn headroom(text: &mut String, summary: &Summary) {
    if let Some(why) = &summary.no_headroom {
        paragraph(text, "no headroom", why);
    }
    let of = |run: &Run| run.headroom.and_then(|headroom| headroom.percent);
    let each = shares(summary, summary.runs.iter().map(of));
    if let Some(each) = each {
        paragraph(text, "headroom, of what each job could save alone", &each);
    }
    let Some(bound) = &summary.capacity_bound else { return };
    if let Some(each) = shares(summary, bound.headroom_percent.iter().copied()) {
        paragraph(text, "headroom, of what all jobs could save on these nodes", &each);
    }
}

/// `threshold 45.1 %, ...` without the reference, which has none of it by definition.
fn shares(summary: &Summary, percents: impl Iterator<Item = Option<f64>>) -> Option<String> {
    let each = summary.runs.iter().zip(percents).skip(1).filter_map(|(run, percent)| {
        let policy = shortened(&run.policy, NAME);
        percent.map(|percent| format!("{policy} {} %", grouped(percent, 1)))
    });
    let each: Vec<String> = each.collect();
    (!each.is_empty()).then(|| each.join(", "))
}

/// What became of the rows of traces, and what was assumed for them: a paragraph for each.
#[must_use]
pub fn traces(traces: &[TraceSource]) -> String {
    let mut text = String::new();
    let counted = |rows: u64| grouped(rows as f64, 0);
    for trace in traces {
        let mut words = format!(
            "{} pods of {} rows of {} ({})",
            counted(trace.pods),
            counted(trace.rows),
            trace.path,
            trace.format
        );
        for (why, rows) in &trace.skipped {
            let _ = write!(words, "; {} left out: {why}", counted(*rows));
        }
        paragraph(&mut text, &format!("trace of {}", trace.workload), &words);
        for Assumption { name, text: assumed, rows } in &trace.assumptions {
            let words = format!("{assumed} ({} rows)", counted(*rows));
            paragraph(&mut text, &format!("  assumed, {name}"), &words);
        }
    }
    text
}

/// The same decisions by the second signal: pods and idle nodes of the zones that have one.
fn beside(summary: &Summary) -> String {
    let runs = summary.runs.iter().filter_map(|run| {
        let beside = run.beside.as_ref()?;
        let kilograms = grouped((beside.operational + beside.idle) / 1_000.0, 1);
        let saving = beside
            .saving_percent
            .map_or_else(String::new, |percent| format!(" ({} %)", grouped(percent, 1)));
        Some(format!("{} {kilograms} kg{saving}", run.policy))
    });
    format!("{}: {}", signals(&summary.grid_beside), runs.collect::<Vec<_>>().join(", "))
}

/// What the reference emitted by account: a policy can change what pods add, and little else.
fn reference_accounts(run: &Run) -> String {
    let accounts = &run.emissions_grams;
    let kilograms = |grams: f64| grouped(grams / 1_000.0, 1);
    format!(
        "{}, {} kg: {} pods, {} idle nodes, {} hardware, {} moves",
        run.policy,
        kilograms(accounts.total),
        kilograms(accounts.operational),
        kilograms(accounts.idle),
        kilograms(accounts.embodied),
        kilograms(accounts.transfer),
    )
}

/// `label: words`, folded at [`WIDTH`] with an indent.
pub(crate) fn paragraph(text: &mut String, label: &str, words: &str) {
    let mut line = format!("{label}:");
    for word in words.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = " ".into();
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use crate::outcome::Outcome;
    use crate::report::summary;

    #[test]
    fn the_tiny_week_as_a_table() {
        let (world, outcomes) = fixture::tiny();
        let summary = summary(&world, &outcomes.iter().collect::<Vec<_>>(), true);
        insta::assert_snapshot!(table(&summary));
    }

    #[test]
    fn ten_policies_with_long_names_and_large_numbers_fit() {
        let (world, mut outcomes) = fixture::many(10, 7, 1);
        for outcome in &mut outcomes {
            outcome.policy = format!("policies/library/2020/{}/v12", outcome.policy);
            for account in &mut outcome.zones {
                account.operational = account.operational * 1e6;
                account.energy = account.energy * 1e4;
                account.cost = account.cost * 1e4;
            }
        }
        let outcomes: Vec<&Outcome> = outcomes.iter().collect();
        let text = table(&summary(&world, &outcomes, false));
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(text.contains("INTERRUPTED"), "{text}");
        assert!(text.contains("MODELLED, not measured: US-TX (typical-year model), US-NY"));
    }

    #[test]
    fn a_trace_says_what_was_left_out_and_what_was_assumed() {
        let source = TraceSource {
            workload: "log".into(),
            path: "log.swf".into(),
            format: "swf".into(),
            rows: 18_239,
            pods: 18_000,
            skipped: [("cancelled before it began".to_owned(), 239)].into(),
            assumptions: vec![Assumption {
                name: "memory-per-core".into(),
                text: "4 GiB of memory per core, where the trace has none".into(),
                rows: 18_000,
            }],
        };
        assert_eq!(
            traces(&[source]),
            "trace of log: 18,000 pods of 18,239 rows of log.swf (swf); 239 left out: cancelled before it began\n  \
             assumed, memory-per-core: 4 GiB of memory per core, where the trace has none (18,000 rows)\n"
        );
    }

    #[test]
    fn no_runs_say_so() {
        let (world, _) = fixture::tiny();
        assert!(table(&summary(&world, &[], true)).starts_with("no policy was run\n"));
    }

    #[test]
    fn numbers_are_grouped_in_thousands() {
        for (value, decimals, text) in [
            (0.0, 1, "0.0"),
            (999.0, 0, "999"),
            (1_000.0, 0, "1,000"),
            (-1_234_567.891, 2, "-1,234,567.89"),
            (-0.04, 1, "0.0"),
            (f64::NAN, 1, "?"),
        ] {
            assert_eq!(grouped(value, decimals), text);
        }
    }
}
