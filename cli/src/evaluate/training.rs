//! `evaluate --training DIR`: policies in the very episodes that a training validated on.

use std::path::Path;
use std::process::ExitCode;

use carbon_kube_trainer::tuner::{Judged, Validation};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::args::EvaluateArgs;
use crate::args::Format;
use crate::failure::{CHECK_FAILED, Failure};
use crate::output;
use crate::policy::source::{self, Source};
use crate::train::{plan, seed};

/// What a policy came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    policy: String,
    saving_percent: f64,
    /// What the training wrote into the policy's file; `None` of a policy of somebody else.
    logged_percent: Option<f64>,
    over_rule_percent: f64,
    mean_return: f64,
    delay_hours: f64,
    fallback_percent: f64,
}

impl Row {
    fn new(policy: String, judged: &Judged, logged: Option<f64>, rule: &Judged) -> Self {
        let returns = judged.returns();
        Self {
            policy,
            saving_percent: judged.saving_percent,
            logged_percent: logged,
            over_rule_percent: judged.saving_percent - rule.saving_percent,
            mean_return: returns.iter().sum::<f64>() / returns.len().max(1) as f64,
            delay_hours: judged.delay_hours(),
            fallback_percent: judged.fallback_percent(),
        }
    }

    /// Whether the episodes gave another number than the training logged.
    fn is_other(&self) -> bool {
        self.logged_percent.is_some_and(|logged| (logged - self.saving_percent).abs() > 1e-9)
    }
}

pub fn run(args: &EvaluateArgs, folder: &Path) -> Result<ExitCode, Failure> {
    let lesson = plan::open(folder).map_err(|failure| failure.of("--training"))?;
    let mut policies = Vec::new();
    for number in lesson.seeds() {
        let best = folder.join(format!("seed-{number}")).join("best");
        if best.exists() {
            policies.push((format!("seed {number}"), source::read(&best)?, true));
        }
    }
    if policies.is_empty() && args.policy.is_empty() {
        return Err(Failure::new(format!("{}: no seed has a policy yet", folder.display()))
            .hint(format!("go on with `carbon-kube train --resume {}`", folder.display())));
    }
    for name in &args.policy {
        let found = source::find(name).map_err(|failure| failure.of("--policy"))?;
        policies.push((found.policy.file.name.clone(), found, false));
    }
    let validation = lesson.validation().map_err(seed::lesson_failure)?;
    let rows = rows(&validation, policies);
    output::print(&match args.format {
        Format::Json => format!("{:#}\n", serde_json::json!({ "rows": rows })),
        Format::Table => text(&rows),
    })?;
    let other = rows.iter().find(|row| row.is_other());
    if let Some(row) = other {
        output::remark(&format!(
            "{}: the training logged another number: the data, the settings or the program changed since",
            row.policy
        ));
    }
    Ok(if other.is_some() { ExitCode::from(CHECK_FAILED) } else { ExitCode::SUCCESS })
}

fn rows(validation: &Validation, policies: Vec<(String, Source, bool)>) -> Vec<Row> {
    let rule = validation.rule();
    let base = validation.environment().config().base.name();
    let mut rows = vec![Row::new(format!("{base} (the rule)"), rule, None, rule)];
    rows.extend(policies.into_iter().map(|(name, source, is_own)| {
        let logged = source.policy.file.provenance.validation.get("savingPercent").copied();
        let judged = validation.play(&source.policy.policy());
        Row::new(name, &judged, logged.filter(|_| is_own), rule)
    }));
    rows
}

fn text(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "POLICY",
        "SAVING %",
        "LOGGED %",
        "OVER RULE",
        "RETURN",
        "DELAY h",
        "FALLBACK %",
    ]);
    for row in rows {
        table.add_row([
            row.policy.clone(),
            format!("{:.4}", row.saving_percent),
            row.logged_percent.map_or_else(String::new, |logged| format!("{logged:.4}")),
            format!("{:+.2}", row.over_rule_percent),
            format!("{:.3}", row.mean_return),
            format!("{:.2}", row.delay_hours),
            format!("{:.2}", row.fallback_percent),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if let Some(names) = table.column_mut(0) {
        names.set_padding((0, 1));
    }
    format!("{}\n", table.trim_fmt())
}
