//! Our rows beside the published ones.

use std::collections::BTreeMap;

use super::{Study, Table};

/// How far a number may be from the published one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tolerance {
    /// In parts of the published number.
    Relative(f64),
    /// In the number's own unit.
    Absolute(f64),
}

impl Tolerance {
    fn allows(self, ours: f64, published: f64) -> bool {
        match self {
            // Printed numbers end somewhere: next to nothing is equal to nothing.
            Self::Relative(part) => (ours - published).abs() <= (part * published.abs()).max(1e-9),
            Self::Absolute(most) => (ours - published).abs() <= most,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Relative(part) => format!("{part} of it"),
            Self::Absolute(most) => format!("{most}"),
        }
    }
}

/// The numbers of the authors are to this.
const EXACT: Tolerance = Tolerance::Relative(1e-6);

/// A comparison with published results.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Check {
    /// Published rows that were compared.
    pub rows: usize,
    /// Numbers that were compared.
    pub numbers: usize,
    /// Numbers that are too far away.
    pub misses: Vec<Miss>,
    /// Published rows that we have no row for.
    pub absent: usize,
}

/// A number that is too far from the published one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// What the row is about.
    pub row: String,
    /// The column.
    pub column: String,
    /// Our number.
    pub ours: String,
    /// The published one.
    pub published: String,
    /// How far they may be apart.
    pub tolerance: String,
}

/// Columns that say which row it is.
fn keys(study: Study) -> &'static [&'static str] {
    match study {
        Study::LwaNightly => &["region", "error", "w_steps"],
        Study::LwaProject => &["region", "deadline", "interruptible", "error"],
        Study::Gaia => &["trace", "start_hour", "policy", "reserved"],
        Study::PauseResume => &["trace", "window_h", "k_slots", "beta"],
        Study::Carbonscaler => &["trace", "profile", "job_hours_at_1_worker", "window_h"],
        Study::Opendc => &["zone"],
    }
}

/// How far a number of a row may be away; `None` where it isn't compared. `own_noise`: forecast errors
/// are not the authors'.
fn tolerance(study: Study, column: &str, row: &[&str], own_noise: bool) -> Option<Tolerance> {
    match study {
        Study::LwaNightly | Study::LwaProject => match column {
            _ if !own_noise => Some(EXACT),
            "saving_pct" => Some(Tolerance::Absolute(0.25)),
            "active_job_hours_rep0" | "baseline_gco2_per_kw" => Some(EXACT),
            _ => None,
        },
        Study::Gaia => match column {
            "source" => None,
            _ if row.last() == Some(&"0") => Some(EXACT),
            // Which of the jobs of one tick gets the reserved CPUs is not stable in the peer.
            "carbon_g_at_1W_per_cpu" => Some(Tolerance::Relative(1e-3)),
            "cost_usd" => Some(Tolerance::Relative(5e-3)),
            _ => None,
        },
        Study::PauseResume | Study::Carbonscaler => Some(EXACT),
        Study::Opendc => Some(Tolerance::Absolute(1e-4)),
    }
}

/// Compares our rows with the published ones that are about the same. `own_noise`: the folder lacks the
/// authors' forecast errors.
#[must_use]
pub fn check(study: Study, ours: &Table, published: &Table, own_noise: bool) -> Check {
    let by_key: BTreeMap<Vec<String>, &Vec<String>> =
        ours.rows.iter().filter_map(|row| Some((key(study, ours, row)?, row))).collect();
    let mut check = Check::default();
    for row in &published.rows {
        let Some(key) = key(study, published, row) else { continue };
        let Some(mine) = by_key.get(&key) else {
            check.absent += 1;
            continue;
        };
        check.rows += 1;
        let key: Vec<&str> = key.iter().map(String::as_str).collect();
        let has_error = published.column("error").is_some_and(|at| row[at].parse() != Ok(0.0));
        for (position, column) in published.columns.iter().enumerate() {
            let tolerance = tolerance(study, column, &key, own_noise && has_error);
            let (Some(tolerance), Some(own)) = (tolerance, ours.column(column)) else { continue };
            compare(&mut check, &key, column, (&mine[own], &row[position]), tolerance);
        }
    }
    check
}

fn compare(
    check: &mut Check,
    key: &[&str],
    column: &str,
    (ours, published): (&str, &str),
    tolerance: Tolerance,
) {
    let agrees = match (ours.parse(), published.parse()) {
        (Ok(ours), Ok(published)) => {
            check.numbers += 1;
            tolerance.allows(ours, published)
        }
        (Err(_), Ok::<f64, _>(_)) => false,
        _ => ours == published,
    };
    if !agrees {
        check.misses.push(Miss {
            row: key.join(" "),
            column: column.to_owned(),
            ours: ours.to_owned(),
            published: published.to_owned(),
            tolerance: tolerance.text(),
        });
    }
}

/// The key of a row, numbers as we write them; `None` where the table lacks a column of it.
fn key(study: Study, table: &Table, row: &[String]) -> Option<Vec<String>> {
    let text = |column: &&str| {
        let value = row.get(table.column(column)?)?;
        Some(value.parse().map_or_else(|_| value.clone(), super::table::number))
    };
    keys(study).iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 4]]) -> Table {
        let rows = rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
        Table::new(&["region", "error", "w_steps", "saving_pct"], rows)
    }

    #[test]
    fn a_number_too_far_away_is_a_miss_and_a_row_that_we_lack_is_counted() {
        let published =
            table(&[["DE", "0.05", "2", "1.5"], ["DE", "0", "2", "1.5"], ["FR", "0", "2", "9"]]);
        let ours = table(&[["DE", "0.0500", "2", "1.6"], ["DE", "0", "2", "1.500001"]]);
        let exact = check(Study::LwaNightly, &ours, &published, false);
        assert_eq!((exact.rows, exact.absent, exact.misses.len()), (2, 1, 1));
        assert_eq!(exact.misses[0].row, "DE 0.05 2");
        // With our own errors, a quarter of a point.
        let own = check(Study::LwaNightly, &ours, &published, true);
        assert_eq!(own.misses, []);
    }

    #[test]
    fn text_where_a_number_was_published_is_a_miss() {
        let published = table(&[["DE", "0", "2", "1.5"]]);
        let ours = table(&[["DE", "0", "2", ""]]);
        assert_eq!(check(Study::LwaNightly, &ours, &published, false).misses.len(), 1);
    }
}
