//! A series in words and as JSON: what it is, what it is like, what was noticed in its files.

use carbon_kube_core::intensity::{IntensitySeries, Provenance};
use carbon_kube_datasets::intensity::{Found, Gaps};
use carbon_kube_datasets::stats::Stats;
use serde_json::{Value, json};

/// Lines of a name and what it says, as every table here has them.
pub fn text(series: &IntensitySeries, stats: &Stats) -> String {
    let label = series.label();
    let modelled = match label.provenance {
        Provenance::Measured => "measured",
        Provenance::Modelled => "MODELLED, not measured",
    };
    format!(
        "zone          {} ({})\n\
         signal        {}, {}, factors {}, {modelled}\n\
         source        {}\n\
         period        {} to {}, step {}\n\
         known         {:.0} h, {} gaps\n\
         mean          {:.1} g/kWh\n\
         spread        {:.1} g/kWh (standard deviation)\n\
         range         {:.1} to {:.1} g/kWh\n\
         daily swing   {:.1} g/kWh (mean of highest - lowest of a UTC day)\n",
        label.zone,
        label.area,
        label.signal,
        label.scope,
        label.factor_set,
        label.source,
        stats.start,
        stats.end,
        stats.step,
        stats.hours,
        stats.gaps,
        stats.mean.get(),
        stats.sd.get(),
        stats.min.get(),
        stats.max.get(),
        stats.mean_daily_swing.get(),
    )
}

/// What the files were, and what was wrong with them.
pub fn found(found: &Found, gaps: Gaps) -> String {
    let mut formats: Vec<&str> = found.formats.iter().map(|format| format.name()).collect();
    formats.dedup();
    let mut rows = vec![format!("{}", found.rows)];
    for (count, what) in [
        (found.estimated_rows, "estimated by the provider"),
        (found.repeated_rows, "in two files"),
        (found.zero_rows, "of zeros"),
        (found.incomplete_rows, "without some fuel"),
    ] {
        if count > 0 {
            rows.push(format!("{count} {what}"));
        }
    }
    let longest = match found.gap_steps {
        0 => String::new(),
        _ => format!(", the longest {} h", found.longest_gap_hours),
    };
    let forecasts = match found.issues {
        0 => String::new(),
        issues => format!("forecasts     {issues} issues\n"),
    };
    format!(
        "format        {}\n\
         rows          {}\n\
         gaps          {} steps{longest}\n\
         glitches      {} steps with a fuel that falls to 0 and comes back\n\
         repaired      {} h ({gaps})\n{forecasts}",
        formats.join(", "),
        rows.join(", "),
        found.gap_steps,
        found.glitches,
        found.repaired_hours,
    )
}

/// The same for programs; `found` where the series comes from files.
pub fn json(series: &IntensitySeries, stats: &Stats, found: Option<&Found>) -> Value {
    let mut json = json!({
        "label": series.label(),
        "start": stats.start.to_string(),
        "end": stats.end.to_string(),
        "stepSeconds": stats.step.seconds(),
        "hours": stats.hours,
        "gaps": stats.gaps,
        "meanGramsPerKwh": stats.mean,
        "sdGramsPerKwh": stats.sd,
        "minGramsPerKwh": stats.min,
        "maxGramsPerKwh": stats.max,
        "meanDailySwingGramsPerKwh": stats.mean_daily_swing,
    });
    if let Some(found) = found {
        json["found"] = json!(found);
    }
    json
}
