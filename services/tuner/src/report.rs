//! The result for a person: a table, and what follows from it.

use std::fmt::Write;

use carbon_kube_core::documents::{Bounded, PolicyResult, StatusDocument};

/// The status as text, with a line break at its end.
#[must_use]
pub fn table(status: &StatusDocument) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = written(&mut text, status);
    text
}

fn written(text: &mut String, status: &StatusDocument) -> std::fmt::Result {
    if let Some(judged) = &status.judged {
        writeln!(
            text,
            "held out: {} to {}; history from {}",
            judged.held_out_from, judged.to, judged.from
        )?;
        writeln!(
            text,
            "grid:     {} ({}, {})",
            judged.zones.join(", "),
            judged.signal,
            judged.factor_set
        )?;
        if !judged.left_out.is_empty() {
            writeln!(text, "left out: {}", judged.left_out.join(", "))?;
        }
        writeln!(
            text,
            "workload: {}, {} jobs; {} days of zones, seed {}\n",
            judged.workload, judged.jobs, judged.blocks, judged.seed
        )?;
    }
    if !status.policies.is_empty() {
        let wide = status.policies.iter().map(|one| one.policy.len()).max().unwrap_or(0).max(6);
        writeln!(
            text,
            "{:wide$}  {:>9}  {:>8}  {:>8}  {:>8}  than the policy in force",
            "policy", "kg CO2e", "saving %", "delay h", "missed %"
        )?;
        for policy in &status.policies {
            row(text, policy, wide)?;
        }
        writeln!(text)?;
    }
    if let Some(policy) = &status.policy {
        let short: String = policy.sha256.chars().take(12).collect();
        writeln!(text, "in force: {} ({short})", policy.name)?;
    }
    writeln!(text, "{}: {}", status.result, status.reason)
}

fn row(text: &mut String, policy: &PolicyResult, wide: usize) -> std::fmt::Result {
    let better = policy.better_ratio.map_or_else(String::new, |better| percent(&better));
    let line = format!(
        "{:wide$}  {:>9.2}  {:>8.2}  {:>8.2}  {:>8.2}  {better}",
        policy.policy,
        policy.grams / 1_000.0,
        policy.saving_ratio * 100.0,
        policy.delay_hours,
        policy.missed_ratio * 100.0,
    );
    writeln!(text, "{}", line.trim_end())
}

/// Such as `3.1 % less (1.9 to 4.4)`.
#[must_use]
pub fn percent(better: &Bounded) -> String {
    // Of what is more, the interval is turned round with its sign.
    let is_more = better.value < 0.0;
    let (word, sign) = if is_more { ("more", -100.0) } else { ("less", 100.0) };
    let value = format!("{:.1} % {word}", better.value * sign);
    let (low, high) = if is_more { (better.high, better.low) } else { (better.low, better.high) };
    match (low, high) {
        (Some(low), Some(high)) => format!("{value} ({:.1} to {:.1})", low * sign, high * sign),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_sees_what_was_judged_and_what_follows() {
        let text = include_str!("../../../core/tests/documents/status.json");
        let status = StatusDocument::parse(text).unwrap();
        let expected = "\
held out: 2026-05-26T12:00:00Z to 2026-06-02T12:00:00Z; history from 2026-05-19T12:00:00Z
grid:     US-CA (average, lifecycle)
left out: EU-DE
workload: built in, 1412 jobs; 6 days of zones, seed 1

policy           kg CO2e  saving %   delay h  missed %  than the policy in force
in-force           96.90      3.10      1.40      0.00
percentile-20      93.90      6.10      1.90      0.00  3.1 % less (1.9 to 4.4)

in force: percentile-v1 (e3b0c44298fc)
promoted: percentile-20 saves 3.1 % against the policy in force (95 % interval 1.9 % to 4.4 %, margin 1.0 %)
";
        assert_eq!(table(&status), expected);
    }
}
