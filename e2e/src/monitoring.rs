//! What the chart gives Prometheus and Grafana: rules, alerts, and the queries of dashboards.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::chart;

/// Files of rules, in the chart's folder of rules.
pub const RULE_FILES: [&str; 3] = ["recording.yaml", "alerts.yaml", "high-intensity.yaml"];

/// A query of a panel.
#[derive(Clone, Debug)]
pub struct Query {
    /// Dashboard and panel.
    pub place: String,
    /// As it stands in the dashboard, with Grafana's variables.
    pub expression: String,
}

/// A recording rule or an alert.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The series that it records, or the alert's name.
    pub name: String,
    /// Whether it is an alert.
    pub is_alert: bool,
    /// Its expression.
    pub expression: String,
    /// The whole rule.
    pub rule: Value,
}

/// The folder of the files of rules.
pub fn rules_folder() -> PathBuf {
    chart::folder().join("files/rules")
}

/// The dashboards: file name and content.
///
/// # Errors
/// When one can't be read.
pub fn dashboards() -> Result<Vec<(String, Value)>> {
    let mut dashboards = Vec::new();
    for entry in std::fs::read_dir(chart::folder().join("files/dashboards"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path)?;
        dashboards.push((name.clone(), serde_json::from_str(&text).context(name)?));
    }
    dashboards.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(dashboards)
}

/// Panels of a dashboard that show something: rows are left out.
pub fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    panels.filter(|panel| panel["type"] != "row")
}

/// Every query of every panel.
///
/// # Errors
/// When a dashboard can't be read.
pub fn queries() -> Result<Vec<Query>> {
    let mut queries = Vec::new();
    for (file, dashboard) in dashboards()? {
        for panel in panels(&dashboard) {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let place = format!("{file}: {}", panel["title"].as_str().unwrap_or("?"));
                let expression = target["expr"].as_str().context("a target without a query")?;
                queries.push(Query { place, expression: expression.to_owned() });
            }
        }
    }
    Ok(queries)
}

/// Every rule of [`RULE_FILES`].
///
/// # Errors
/// When a file can't be read.
pub fn rules() -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for file in RULE_FILES {
        let text = std::fs::read_to_string(rules_folder().join(file)).context(file)?;
        let document: Value = serde_saphyr::from_str(&text).context(file)?;
        let groups = document["groups"].as_array().context("no groups")?;
        for rule in groups.iter().filter_map(|group| group["rules"].as_array()).flatten() {
            let word = |key: &str| rule[key].as_str().map(str::to_owned);
            let alert = word("alert");
            let is_alert = alert.is_some();
            let name = alert.or_else(|| word("record")).context("a rule without a name")?;
            let expression = word("expr").context("a rule without an expression")?;
            rules.push(Rule { name, is_alert, expression, rule: rule.clone() });
        }
    }
    Ok(rules)
}

/// The expression with what Grafana would put in place of its variables.
pub fn without_variables(expression: &str) -> String {
    with_intervals(expression, "1m", "1h")
}

/// The same, with the interval of rates and the time that is shown.
pub fn with_intervals(expression: &str, rate_interval: &str, range: &str) -> String {
    let mut text = expression.to_owned();
    for (variable, value) in [
        ("$__rate_interval", rate_interval),
        ("$__range", range),
        ("$workload_namespace", ".*"),
        ("$scheduler", ".*"),
        ("$zone", ".*"),
    ] {
        text = text.replace(variable, value);
    }
    text
}

/// Names of series in an expression that begin with one of ours, `scheduler_` or `up`. Names that
/// rules record have colons.
pub fn series_in(expression: &str) -> BTreeSet<String> {
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let is_series = |word: &&str| {
        word.contains(":") && word.contains("carbonkube")
            || word.starts_with("carbonkube_")
            || word.starts_with("scheduler_")
            || *word == "up"
    };
    // What is in quotes is no name of a series.
    let bare: String = expression.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    bare.split(|c| !of_a_name(c)).filter(is_series).map(str::to_owned).collect()
}

/// The metric of a series, as `docs/metrics.md` has it.
pub fn metric_of(series: &str) -> &str {
    let counter = series.strip_suffix("_total");
    let part = || ["_bucket", "_sum", "_count"].iter().find_map(|end| series.strip_suffix(end));
    counter.or_else(part).unwrap_or(series)
}
