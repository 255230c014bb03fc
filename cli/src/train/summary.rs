//! What the seeds came to: a table, JSON, two pictures.

use carbon_kube_policies::file::sha256;
use carbon_kube_sim::report::charts::{self, Curve, Threshold};
use carbon_kube_trainer::environment::world::Played;
use carbon_kube_trainer::tuner::{Judged, Lesson};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::seed::Learned;

/// The best by validation: the one with the greatest mean return, the first of equals.
pub fn best(learned: &[Learned]) -> Option<&Learned> {
    learned.iter().reduce(|best, other| if mean(other) > mean(best) { other } else { best })
}

fn mean(learned: &Learned) -> f64 {
    let returns = learned.judged.returns();
    returns.iter().sum::<f64>() / returns.len().max(1) as f64
}

/// Everything, for programs.
pub fn json(lesson: &Lesson, learned: &[Learned], rule: &Judged) -> Value {
    let zones: Vec<String> = lesson
        .data()
        .validation
        .iter()
        .map(|source| source.series.label().zone.to_string())
        .collect();
    let by_zone = |judged: &Judged| -> Value {
        zones.iter().cloned().zip(judged.by_zone.iter().map(|&x| Value::from(x))).collect()
    };
    let seed = |learned: &Learned| {
        json!({
            "seed": learned.seed,
            "steps": learned.progress.steps,
            "updates": learned.progress.updates,
            "episodes": learned.progress.episodes,
            "stoppedEarly": learned.stopped_early,
            "bestAtStep": learned.progress.best.map(|best| best.steps),
            "meanReturn": mean(learned),
            "savingPercent": learned.judged.saving_percent,
            "savingPercentByZone": by_zone(&learned.judged),
            "gainOverRulePercent": learned.judged.saving_percent - rule.saving_percent,
            "delayHours": learned.judged.delay_hours(),
            "fallbackPercent": learned.judged.fallback_percent(),
            "actorSha256": sha256(&learned.actor),
        })
    };
    json!({
        "name": lesson.config().name,
        "algorithm": lesson.config().algorithm.name(),
        "rule": {
            "name": lesson.world().base.name(),
            "savingPercent": rule.saving_percent,
            "savingPercentByZone": by_zone(rule),
            "delayHours": rule.delay_hours(),
        },
        "validationEpisodes": rule.episodes.len(),
        "seeds": learned.iter().map(seed).collect::<Vec<_>>(),
        "best": best(learned).map(|best| best.seed),
        "data": lesson.data().sha256,
    })
}

/// A line per seed, and one of the rule alone.
pub fn table(lesson: &Lesson, learned: &[Learned], rule: &Judged) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "SEED",
        "STEPS",
        "BEST AT",
        "RETURN",
        "SAVING %",
        "OVER RULE",
        "DELAY h",
        "FALLBACK %",
    ]);
    for learned in learned {
        let judged = &learned.judged;
        table.add_row([
            learned.seed.to_string(),
            learned.progress.steps.to_string(),
            learned.progress.best.map_or_else(String::new, |best| best.steps.to_string()),
            format!("{:.3}", mean(learned)),
            format!("{:.2}", judged.saving_percent),
            format!("{:+.2}", judged.saving_percent - rule.saving_percent),
            format!("{:.2}", judged.delay_hours()),
            format!("{:.2}", judged.fallback_percent()),
        ]);
    }
    let returns = rule.returns();
    table.add_row([
        lesson.world().base.name().to_owned(),
        String::new(),
        String::new(),
        format!("{:.3}", returns.iter().sum::<f64>() / returns.len().max(1) as f64),
        format!("{:.2}", rule.saving_percent),
        String::new(),
        format!("{:.2}", rule.delay_hours()),
        String::new(),
    ]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if let Some(names) = table.column_mut(0) {
        names.set_padding((0, 1));
    }
    format!("{}\n", table.trim_fmt())
}

/// Saving over steps, a line per seed.
pub fn learning_curve(
    lesson: &Lesson,
    learned: &[Learned],
    rule: &Judged,
) -> Result<String, String> {
    let curve = |learned: &Learned| Curve {
        name: format!("seed {}", learned.seed),
        points: learned.curve.clone(),
    };
    let curves: Vec<Curve> = learned.iter().map(curve).collect();
    let (name, rule_name) = (lesson.config().algorithm.name(), lesson.world().base.name());
    let title = format!("{}: saving in validation while {name} learns", lesson.config().name);
    let about = format!(
        "against the carbon-blind reference, mean of {} zones, {} episodes each time",
        rule.by_zone.len(),
        rule.episodes.len()
    );
    charts::learning(&title, &about, "saved, %", &curves, (rule_name, rule.saving_percent))
}

/// A week of validation under the best policy: that in the middle of the first zone.
pub fn thresholds(lesson: &Lesson, best: &Learned) -> Result<String, String> {
    let first: Vec<&Played> =
        best.judged.episodes.iter().filter(|played| played.zone == 0).collect();
    let Some(played) = first.get(first.len() / 2) else {
        return charts::thresholds(&lesson.config().name, "no episode", &[]);
    };
    let bounds = lesson.world().bounds;
    let row = |moment: &carbon_kube_trainer::environment::world::Moment| {
        let base = moment.seen.base.get();
        let shifted = base + moment.adjustment;
        Threshold {
            at: moment.at,
            intensity: moment.seen.intensity.get(),
            base,
            adjusted: shifted.max(bounds.min_grams_per_kwh).min(bounds.max_grams_per_kwh),
        }
    };
    let rows: Vec<Threshold> = played.moments.iter().map(row).collect();
    let zone = lesson.data().validation.first().map(|source| source.series.label().zone.clone());
    let zone = zone.map_or_else(String::new, |zone| zone.to_string());
    let title = format!("{}: thresholds of {zone} from {}", lesson.config().name, played.start);
    let about = format!(
        "an episode of validation, seed {}: saved {:.1} % against carbon-blind",
        best.seed,
        100.0 * played.saved_grams / played.reference_grams.max(1e-9)
    );
    charts::thresholds(&title, &about, &rows)
}
