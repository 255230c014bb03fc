//! What a sweep file asks for, as numbered cells.

use std::fmt;
use std::str::FromStr;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;
use twox_hash::XxHash3_128;

use super::SweepError;

/// The most runs of a sweep: a million rows. More is a slip, or needs another tool.
pub const MOST_RUNS: u64 = 1_000_000;

/// A sweep file as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepFile {
    /// Path of the scenario, relative to the sweep file.
    pub scenario: String,
    /// Lists of values by the path of a field, as `--set` takes it.
    #[serde(default)]
    set: Axes,
    /// Policies beside the reference, as `--policy` takes them; all of the scenario's if left out.
    #[serde(default)]
    pub policies: Option<Vec<String>>,
    /// How many seeds from the scenario's on, or which; the scenario's own if left out.
    #[serde(default)]
    seeds: Seeds,
}

/// Which seeds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Seeds {
    /// So many, counted from the scenario's on.
    Count(u64),
    /// These.
    List(Vec<u64>),
}

impl Default for Seeds {
    fn default() -> Self {
        Self::Count(1)
    }
}

/// Lists of values by path, in the order of the file.
#[derive(Clone, Debug, Default)]
struct Axes(Vec<(String, Vec<Json>)>);

impl<'de> Deserialize<'de> for Axes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Axes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("lists of values by path, such as `spec.nodePools[0].count: [5, 10]`")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Axes, A::Error> {
                let mut axes = Vec::new();
                while let Some(axis) = map.next_entry()? {
                    axes.push(axis);
                }
                Ok(Axes(axes))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl SweepFile {
    /// Reads a sweep file.
    ///
    /// # Errors
    ///
    /// [`SweepError::Malformed`], with line and column where there are any.
    pub fn parse(text: &str) -> Result<Self, SweepError> {
        // As in a scenario: `y`, `no` and `on` are texts.
        let options = serde_saphyr::options! { strict_booleans: true };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            // The first line says what and where; below it is a copy of the file.
            let message = error.to_string();
            let line = message.lines().next().unwrap_or_default();
            SweepError::Malformed(line.trim_start_matches("error: ").to_owned())
        })
    }

    /// The cells of the sweep, with `policies` runs in each. `seed` is the scenario's own.
    ///
    /// # Errors
    ///
    /// [`SweepError::Nothing`] and [`SweepError::TooMany`]; [`SweepError::Malformed`] for a seed
    /// among the paths, and for a seed or a value that is listed twice.
    pub fn plan(&self, seed: u64, policies: usize) -> Result<Plan, SweepError> {
        let axes = &self.set.0;
        for (path, values) in axes {
            if path.trim().ends_with("seed") && !path.contains('[') {
                let why = format!("`set` has `{path}`: seeds belong into `seeds`");
                return Err(SweepError::Malformed(why));
            }
            if values.is_empty() {
                return Err(SweepError::Nothing(format!("`{path}` has no values")));
            }
            if let Some(twice) = twice(values) {
                return Err(SweepError::Malformed(format!("`{path}` has {twice} twice")));
            }
        }
        let count = match &self.seeds {
            Seeds::Count(count) => *count,
            Seeds::List(seeds) => seeds.len() as u64,
        };
        if count == 0 || policies == 0 {
            let what = if count == 0 { "`seeds` has none" } else { "there are no policies" };
            return Err(SweepError::Nothing(what.into()));
        }
        let cells = axes.iter().try_fold(u128::from(count), |cells, (_, values)| {
            cells.checked_mul(values.len() as u128)
        });
        let runs = cells.and_then(|cells| cells.checked_mul(policies as u128));
        let runs = runs.unwrap_or(u128::MAX);
        if runs > u128::from(MOST_RUNS) {
            return Err(SweepError::TooMany(runs));
        }
        let seeds: Vec<u64> = match &self.seeds {
            Seeds::Count(count) => (0..*count).map(|number| seed.wrapping_add(number)).collect(),
            Seeds::List(seeds) => seeds.clone(),
        };
        if let Some(twice) = twice(&seeds) {
            return Err(SweepError::Malformed(format!("`seeds` has {twice} twice")));
        }
        Ok(Plan { axes: axes.clone(), seeds, runs: runs as u64 })
    }
}

/// The first value that comes again, as text.
fn twice<T: fmt::Display>(values: &[T]) -> Option<String> {
    let mut seen = std::collections::BTreeSet::new();
    values.iter().map(T::to_string).find(|text| !seen.insert(text.clone()))
}

/// Every cell of a sweep.
#[derive(Clone, Debug)]
pub struct Plan {
    axes: Vec<(String, Vec<Json>)>,
    seeds: Vec<u64>,
    /// Runs of all cells together.
    pub runs: u64,
}

/// One combination of values, and one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its number.
    pub number: u64,
    /// The value of each path.
    pub values: Vec<Json>,
    /// Its seed.
    pub seed: u64,
}

impl Plan {
    /// Paths and their values, in the order of the file.
    #[must_use]
    pub fn axes(&self) -> &[(String, Vec<Json>)] {
        &self.axes
    }

    /// How many cells there are.
    #[must_use]
    pub fn cells(&self) -> u64 {
        let values: u64 = self.axes.iter().map(|(_, values)| values.len() as u64).product();
        values * self.seeds.len() as u64
    }

    /// The cell of a number below [`Self::cells`]; the seed changes fastest, then the last path.
    #[must_use]
    pub fn cell(&self, number: u64) -> Cell {
        let seeds = self.seeds.len() as u64;
        let seed = self.seeds[(number % seeds) as usize];
        let mut rest = number / seeds;
        let mut values: Vec<Json> = Vec::with_capacity(self.axes.len());
        for (_, axis) in self.axes.iter().rev() {
            values.push(axis[(rest % axis.len() as u64) as usize].clone());
            rest /= axis.len() as u64;
        }
        values.reverse();
        Cell { number, values, seed }
    }

    /// The cell's changes to the scenario, for [`crate::scenario::parse`].
    #[must_use]
    pub fn overrides(&self, cell: &Cell) -> Vec<(String, String)> {
        let paths = self.axes.iter().map(|(path, _)| path.clone());
        // JSON is YAML: a text keeps its quotes, so `"1h"` stays a text.
        let values = cell.values.iter().map(Json::to_string);
        paths.zip(values).chain([("spec.seed".to_owned(), cell.seed.to_string())]).collect()
    }

    /// What identifies the sweep: two of different digests have nothing to do with each other.
    /// `inputs` is what the plan does not know, such as the scenario's text.
    #[must_use]
    pub fn digest(&self, inputs: &[&[u8]]) -> String {
        let mut hasher = XxHash3_128::new();
        for input in inputs {
            hasher.write(&(input.len() as u64).to_le_bytes());
            hasher.write(input);
        }
        let own = (env!("CARGO_PKG_VERSION"), &self.axes, &self.seeds);
        hasher.write(&serde_json::to_vec(&own).expect("paths, values and numbers"));
        format!("{:032x}", hasher.finish_128())
    }
}

/// A part of a sweep: every `of`-th cell from `index` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 0.
    pub index: u64,
    /// Of how many.
    pub of: u64,
}

impl Shard {
    /// The whole sweep.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Whether the cell of that number belongs to the shard.
    #[must_use]
    pub fn has(self, number: u64) -> bool {
        number % self.of == self.index
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, of)| {
            Some(Self { index: index.parse().ok()?, of: of.parse().ok()? })
        });
        numbers.filter(|shard| shard.index < shard.of).ok_or_else(|| {
            format!("`{text}` is no shard: write `0/4` to `3/4` for the four parts of a sweep")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWEEP: &str = "scenario: week.yaml\nset:\n  b: [1, 2]\n  a: [x, y, z]\nseeds: [7, 9]\n";

    #[test]
    fn cells_count_the_seed_fastest_then_the_last_path() {
        let plan = SweepFile::parse(SWEEP).unwrap().plan(3, 2).unwrap();
        assert_eq!((plan.cells(), plan.runs), (12, 24));
        let texts: Vec<String> = [0, 1, 2, 6, 11]
            .map(|number| plan.cell(number))
            .iter()
            .map(|cell| format!("{:?}", plan.overrides(cell)))
            .collect();
        assert_eq!(texts[0], r#"[("b", "1"), ("a", "\"x\""), ("spec.seed", "7")]"#);
        assert_eq!(texts[1], r#"[("b", "1"), ("a", "\"x\""), ("spec.seed", "9")]"#);
        assert_eq!(texts[2], r#"[("b", "1"), ("a", "\"y\""), ("spec.seed", "7")]"#);
        assert_eq!(texts[3], r#"[("b", "2"), ("a", "\"x\""), ("spec.seed", "7")]"#);
        assert_eq!(texts[4], r#"[("b", "2"), ("a", "\"z\""), ("spec.seed", "9")]"#);
    }

    #[test]
    fn every_cell_is_in_exactly_one_shard() {
        for of in 1..6 {
            for number in 0..20 {
                assert_eq!((0..of).filter(|&index| Shard { index, of }.has(number)).count(), 1);
            }
        }
        assert_eq!("2/5".parse::<Shard>().unwrap().to_string(), "2/5");
        for wrong in ["", "1", "4/4", "-1/4", "0/0", "a/b"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_sweep_of_nothing_or_of_too_much_says_the_number() {
        let plan = |text: &str| SweepFile::parse(text).unwrap().plan(0, 2).unwrap_err().to_string();
        assert_eq!(plan("scenario: a\nset: {b: []}"), "`b` has no values: 0 runs");
        assert_eq!(plan("scenario: a\nseeds: 0"), "`seeds` has none: 0 runs");
        assert_eq!(
            plan("scenario: a\nseeds: 600000"),
            "this sweep has 1200000 runs; the most is 1000000"
        );
        assert_eq!(plan("scenario: a\nseeds: [1, 1]"), "`seeds` has 1 twice");
        assert_eq!(plan("scenario: a\nset: {b: [x, x]}"), "`b` has \"x\" twice");
        let seed = plan("scenario: a\nset: {spec.seed: [1]}");
        assert_eq!(seed, "`set` has `spec.seed`: seeds belong into `seeds`");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place() {
        let error = SweepFile::parse("scenario: a\npolices: [b]\n").unwrap_err().to_string();
        assert!(error.contains("polices") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn whatever_changes_the_runs_changes_the_digest() {
        let digest = |text: &str, input: &[u8]| {
            SweepFile::parse(text).unwrap().plan(3, 2).unwrap().digest(&[input])
        };
        let first = digest(SWEEP, b"scenario");
        assert_eq!(first, digest(SWEEP, b"scenario"));
        assert_ne!(first, digest(SWEEP, b"another"));
        assert_ne!(first, digest(&SWEEP.replace("[7, 9]", "[7, 8]"), b"scenario"));
        assert_ne!(first, digest(&SWEEP.replace("y, z", "z, y"), b"scenario"));
    }
}
