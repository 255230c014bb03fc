//! The page as its templates see it: every number is a text already, with its decimals chosen.

use askama::Template;
use carbon_kube_core::intensity::Provenance;
use plotters::prelude::RGBColor;

use super::super::charts::stroke;
use super::super::summary::{GridSource, Run, Summary};
use super::super::text::{self, decimals, grouped, tuner_left_out};
use super::MARK;
use super::delays::Pods;
use super::folder::Folder;
use super::front::front;
use super::headline::{Headline, headline};
use super::headroom::{Headroom, headroom};
use super::hours::Hours;
use super::pictures;
use crate::world::{Assumption, TraceSource};

/// More panels over time than these make nobody wiser; the table has all zones.
const MOST_ZONES: usize = 8;

#[derive(Template)]
#[template(path = "report/page.html")]
struct Page<'a> {
    scenario: &'a str,
    description: Option<&'a str>,
    window: Option<String>,
    headline: Headline,
    warnings: Vec<String>,
    reference: &'a str,
    policies: Vec<Policy<'a>>,
    electricity: bool,
    core_hours: bool,
    headroom: Option<Headroom>,
    pictures: Vec<Picture>,
    absent: Vec<&'static str>,
    zone_pictures: Vec<Picture>,
    time_note: String,
    zones: Vec<&'a str>,
    facts: Vec<(&'static str, String)>,
    signals: Vec<Signal<'a>>,
    beside: Vec<(&'a str, String, String)>,
    traces: Vec<TraceNotes<'a>>,
    sections: &'a [String],
    yaml: &'a str,
}

struct Picture {
    title: String,
    svg: String,
    caption: String,
}

/// A row of the tables.
struct Policy<'a> {
    number: usize,
    name: &'a str,
    best: bool,
    kilograms: String,
    saving: String,
    delay_mean: String,
    delay_p95: String,
    misses: String,
    unfinished: String,
    moves: String,
    cost: String,
    electricity: String,
    energy: String,
    node_hours: String,
    accounts: [String; 5],
    by_zone: Vec<(String, String)>,
    sci: Sci,
    digest: &'a str,
}

impl Policy<'_> {
    /// A piece of the line that the policy has in the pictures.
    fn swatch(&self) -> String {
        let stroke = stroke(self.number - 1);
        let RGBColor(red, green, blue) = stroke.color;
        let dash = stroke
            .dash
            .map_or_else(String::new, |(on, off)| format!(" stroke-dasharray=\"{on} {off}\""));
        format!(
            "<svg class=\"swatch\" viewBox=\"0 0 28 12\" aria-hidden=\"true\"><path d=\"M0 6H28\" \
             stroke=\"#{red:02X}{green:02X}{blue:02X}\" stroke-width=\"3\"{dash}/></svg>"
        )
    }
}

/// The terms of ISO/IEC 21031 for one run.
struct Sci {
    energy: String,
    intensity: String,
    embodied: String,
    pods: String,
    per_pod: String,
    core_hours: String,
    per_core_hour: String,
}

struct Signal<'a> {
    zone: &'a str,
    area: &'a str,
    signal: String,
    factor_set: &'a str,
    kind: &'static str,
    source: &'a str,
}

struct TraceNotes<'a> {
    workload: &'a str,
    path: &'a str,
    format: &'a str,
    rows: String,
    pods: String,
    notes: Vec<String>,
}

/// The page of a folder, with further sections.
pub fn render(folder: &Folder, sections: &[String]) -> Result<String, String> {
    let Folder { summary, scenario, pods, hours, .. } = folder;
    let shown = pictures::shown(summary);
    let page = Page {
        scenario: &summary.scenario,
        description: scenario.description(),
        window: scenario.field("start").zip(scenario.field("duration")).map(|(start, duration)| {
            format!("{} UTC, {duration}", start.trim_end_matches('Z').replace('T', " "))
        }),
        headline: headline(summary),
        warnings: warnings(summary),
        reference: summary.reference.as_deref().unwrap_or_default(),
        policies: policies(summary, pods.as_deref()),
        electricity: summary.runs.iter().any(|run| run.electricity_usd.is_some()),
        core_hours: pods.is_some(),
        headroom: headroom(summary),
        pictures: results(summary, pods.as_deref())?,
        absent: absent(folder),
        zone_pictures: hours
            .as_ref()
            .map_or(Ok(Vec::new()), |hours| zone_pictures(summary, hours, &shown))?,
        time_note: hours.as_ref().map_or_else(String::new, |hours| time_note(summary, hours)),
        zones: summary.grid.iter().map(|source| source.zone.as_str()).collect(),
        facts: facts(folder),
        signals: summary.grid.iter().chain(&summary.grid_beside).map(signal).collect(),
        beside: beside(summary),
        traces: summary.traces.iter().map(trace_notes).collect(),
        sections,
        yaml: &scenario.text,
    };
    let body = page.render().map_err(|error| error.to_string())?;
    Ok(format!("{MARK}{body}"))
}

fn warnings(summary: &Summary) -> Vec<String> {
    let mut warnings = Vec::new();
    if !summary.complete {
        warnings.push("Interrupted run: these results are partial.".to_owned());
    }
    let modelled: Vec<String> = text::modelled(&summary.grid)
        .into_iter()
        .map(|source| format!("{} ({})", source.zone, source.source))
        .collect();
    if !modelled.is_empty() {
        warnings.push(format!("Modelled intensity, not measured: {}.", modelled.join(", ")));
    }
    for run in &summary.runs {
        if run.charged_beyond_trace > 0 {
            let times = grouped(run.charged_beyond_trace as f64, 0);
            let policy = &run.policy;
            warnings.push(format!(
                "Under {policy}, {times} charges fell beyond the trace and were made at a zone's mean."
            ));
        }
        if let Some(what) = run.tuning.as_ref().and_then(tuner_left_out) {
            warnings.push(format!("Tuner: {what} under {}.", run.policy));
        }
        if run.unserved_core_hours > 0.0 {
            let hours = grouped(run.unserved_core_hours, 1);
            let policy = &run.policy;
            warnings.push(format!(
                "Under {policy}, {hours} core-hours of services' load were not served."
            ));
        }
    }
    warnings
}

fn policies<'a>(summary: &'a Summary, pods: Option<&[Pods]>) -> Vec<Policy<'a>> {
    let runs = &summary.runs;
    let of_all = |value: fn(&Run) -> f64| decimals(runs.iter().map(value));
    let kilogram_decimals = of_all(|run| run.emissions_grams.total / 1_000.0);
    let energy_decimals = of_all(|run| run.energy_kwh);
    let node_decimals = of_all(|run| run.node_hours);
    let kilograms = |grams: f64| grouped(grams / 1_000.0, kilogram_decimals);
    let best = runs
        .iter()
        .map(|run| run.emissions_grams.total)
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|best| best.0);
    let policy = |(position, run): (usize, &'a Run)| {
        let accounts = &run.emissions_grams;
        let zones = run.emissions_grams_by_zone.0.iter().zip(&run.energy_kwh_by_zone.0);
        Policy {
            number: position + 1,
            name: &run.policy,
            best: best == Some(position) && position > 0,
            kilograms: kilograms(accounts.total),
            saving: percent(run.saving_percent),
            delay_mean: optional(run.delay_hours.mean, 2),
            delay_p95: optional(run.delay_hours.p95, 2),
            misses: count(run.pods.deadline_misses),
            unfinished: count(run.pods.unfinished),
            moves: count(run.pods.migrations),
            cost: grouped(run.cost_usd, 2),
            electricity: optional(run.electricity_usd, 2),
            energy: grouped(run.energy_kwh, energy_decimals),
            node_hours: grouped(run.node_hours, node_decimals),
            accounts: [
                accounts.operational,
                accounts.idle,
                accounts.embodied,
                accounts.transfer,
                accounts.total,
            ]
            .map(kilograms),
            by_zone: zones
                .map(|((_, grams), (_, kwh))| (kilograms(*grams), grouped(*kwh, energy_decimals)))
                .collect(),
            sci: sci(run, pods.and_then(|pods| pods.get(position))),
            digest: run.digest.get(..8).unwrap_or(&run.digest),
        }
    };
    runs.iter().enumerate().map(policy).collect()
}

/// (E x I + M) / R. The accounts are E x I in parts: I is what makes the product right, the mean
/// intensity by energy.
fn sci(run: &Run, pods: Option<&Pods>) -> Sci {
    let accounts = &run.emissions_grams;
    let by_energy = accounts.operational + accounts.idle + accounts.transfer;
    let ratio = |grams: f64, units: f64| {
        (units > 0.0).then(|| grams / units).map_or_else(missing, |value| {
            let places = decimals(std::iter::once(value));
            grouped(value, places)
        })
    };
    let total = by_energy + accounts.embodied;
    let completed = run.pods.completed as f64;
    let core_hours = pods.map_or(0.0, |pods| pods.core_hours);
    Sci {
        energy: grouped(run.energy_kwh, 1),
        intensity: ratio(by_energy, run.energy_kwh),
        embodied: grouped(accounts.embodied, 0),
        pods: grouped(completed, 0),
        per_pod: ratio(total, completed),
        core_hours: grouped(core_hours, 0),
        per_core_hour: ratio(total, core_hours),
    }
}

/// The pictures about policies.
fn results(summary: &Summary, pods: Option<&[Pods]>) -> Result<Vec<Picture>, String> {
    let mut all = Vec::new();
    if summary.runs.len() > 1 {
        all.push(Picture {
            title: "Saving by policy".to_owned(),
            svg: pictures::savings(summary)?,
            caption: "All accounts together: pods, idle nodes, hardware, moves.".to_owned(),
        });
    }
    if let Some(pods) = pods {
        all.push(Picture {
            title: "How long jobs waited".to_owned(),
            svg: pictures::delays(pods)?,
            caption: "Share of the completed jobs that waited longer; further left is better."
                .to_owned(),
        });
    }
    if summary.runs.len() > 1 {
        all.push(trade("Carbon against delay", "mean delay, h", summary, |run| {
            run.delay_hours.mean
        })?);
        all.push(trade("Carbon against cost", "cost, USD", summary, |run| Some(run.cost_usd))?);
    }
    Ok(all)
}

fn trade(
    title: &str,
    price: &str,
    summary: &Summary,
    paid: fn(&Run) -> Option<f64>,
) -> Result<Picture, String> {
    let tonnes = summary.runs.iter().any(|run| run.emissions_grams.total >= 1e9);
    let (unit, emitted) =
        if tonnes { (1e6, "emissions, t CO₂e") } else { (1e3, "emissions, kg CO₂e") };
    let point = |run: &Run| Some((paid(run)?, run.emissions_grams.total / unit));
    let points: Vec<Option<(f64, f64)>> = summary.runs.iter().map(point).collect();
    let names: Vec<String> = front(&points)
        .into_iter()
        .filter_map(|run| Some(format!("{} {}", run + 1, summary.runs.get(run)?.policy)))
        .collect();
    let caption = if names.is_empty() {
        "No policy has both.".to_owned()
    } else {
        format!(
            "On the front, beaten by none in both: {}. Axes need not start at zero.",
            names.join(", ")
        )
    };
    let svg = pictures::trade(title, price, emitted, &points)?;
    Ok(Picture { title: title.to_owned(), svg, caption })
}

fn absent(folder: &Folder) -> Vec<&'static str> {
    let pods = folder.pods.is_none().then_some(
        "The scenario wrote no pods.parquet (outputs.pods), so there is no picture of delays.",
    );
    let hours = folder.hours.is_none().then_some(
        "The scenario wrote no zones.parquet (outputs.zones), so there are no pictures over time.",
    );
    pods.into_iter().chain(hours).collect()
}

fn zone_pictures(
    summary: &Summary,
    hours: &Hours,
    shown: &[usize],
) -> Result<Vec<Picture>, String> {
    let picture = |(position, source): (usize, &GridSource)| {
        let svg = pictures::zone(&source.zone, position, hours, shown)?;
        let modelled =
            if source.provenance == Provenance::Modelled { ", modelled, not measured" } else { "" };
        let caption = format!("{}; {}{modelled}.", source.area, text::signal(source));
        Ok(Picture { title: source.zone.clone(), svg, caption })
    };
    summary.grid.iter().take(MOST_ZONES).enumerate().map(picture).collect()
}

fn time_note(summary: &Summary, hours: &Hours) -> String {
    let mut note = format!("{}, UTC.", pictures::step_words(hours.step()));
    let shown = pictures::shown(summary).len();
    if shown < summary.runs.len() {
        let others = shown - 1;
        note.push_str(&format!(" Drawn are the reference and the {others} that emitted least."));
    }
    if summary.grid.len() > MOST_ZONES {
        note.push_str(&format!(" Drawn are the first {MOST_ZONES} zones."));
    }
    note
}

fn facts(folder: &Folder) -> Vec<(&'static str, String)> {
    let Folder { summary, scenario, .. } = folder;
    let beside = &summary.grid_beside;
    let facts = [
        ("seed", Some(summary.seed.to_string())),
        ("signal", Some(text::signals(&summary.grid))),
        ("counted beside", (!beside.is_empty()).then(|| text::signals(beside))),
        ("forecast", scenario.settings("forecast")),
        ("scheduler", scenario.settings("scheduler")),
        ("accounting", scenario.settings("accounting")),
    ];
    facts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}

fn signal(source: &GridSource) -> Signal<'_> {
    Signal {
        zone: &source.zone,
        area: &source.area,
        signal: format!("{}, {}", source.signal, source.scope),
        factor_set: &source.factor_set,
        kind: match source.provenance {
            Provenance::Measured => "measured",
            Provenance::Modelled => "modelled",
        },
        source: &source.source,
    }
}

fn beside(summary: &Summary) -> Vec<(&str, String, String)> {
    let runs = summary.runs.iter().filter_map(|run| {
        let beside = run.beside.as_ref()?;
        let kilograms = grouped((beside.operational + beside.idle) / 1_000.0, 1);
        Some((run.policy.as_str(), kilograms, percent(beside.saving_percent)))
    });
    runs.collect()
}

fn trace_notes(trace: &TraceSource) -> TraceNotes<'_> {
    let skipped =
        trace.skipped.iter().map(|(why, &rows)| format!("{} rows left out: {why}", count(rows)));
    let assumed = trace.assumptions.iter().map(|Assumption { name, text, rows }| {
        format!("assumed, {name}: {text} ({} rows)", count(*rows))
    });
    TraceNotes {
        workload: &trace.workload,
        path: &trace.path,
        format: &trace.format,
        rows: count(trace.rows),
        pods: count(trace.pods),
        notes: skipped.chain(assumed).collect(),
    }
}

fn count(number: u64) -> String {
    grouped(number as f64, 0)
}

pub(super) fn percent(percent: Option<f64>) -> String {
    optional(percent, 1)
}

pub(super) fn optional(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(missing, |value| grouped(value, decimals))
}

fn missing() -> String {
    "–".to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::super::charts::DelayCurve;
    use super::super::super::{fixture, summary};
    use super::*;
    use crate::outcome::Outcome;

    #[test]
    fn sci_is_energy_by_intensity_and_hardware_per_pod() {
        let (world, outcomes) = fixture::tiny();
        let outcomes: Vec<&Outcome> = outcomes.iter().collect();
        let mut run = summary(&world, &outcomes, true).runs.remove(0);
        run.energy_kwh = 10.0;
        let accounts = &mut run.emissions_grams;
        (accounts.operational, accounts.idle) = (3_000.0, 1_500.0);
        (accounts.transfer, accounts.embodied) = (500.0, 1_000.0);
        run.pods.completed = 4;
        let delays = DelayCurve::until(carbon_kube_core::Span::HOUR);
        // 5,000 g over 10 kWh; (10 x 500 + 1,000) / 4 pods, and / 12 core-hours.
        let sci = super::sci(&run, Some(&Pods { delays, core_hours: 12.0 }));
        assert_eq!((sci.energy.as_str(), sci.intensity.as_str()), ("10.0", "500.0"));
        assert_eq!((sci.embodied.as_str(), sci.pods.as_str()), ("1,000", "4"));
        assert_eq!((sci.per_pod.as_str(), sci.per_core_hour.as_str()), ("1,500", "500.0"));
        run.pods.completed = 0;
        assert_eq!(super::sci(&run, None).per_pod, "–");
    }
}
