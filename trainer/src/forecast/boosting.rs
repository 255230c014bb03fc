//! Gradient boosting of symmetric trees on squared errors (Friedman 2001; one question per level as
//! in CatBoost, Prokhorenkova et al. 2018).
//!
//! Inputs are cut into a few bins once; a level of a tree is then chosen from sums per leaf and bin,
//! so that its cost does not depend on where the cuts are. Columns are searched side by side, and
//! the first of equal questions wins: the same trees on any number of threads.

use carbon_kube_policies::forecast::Trees;
use carbon_kube_policies::forecast::linear::LinearError;
use rayon::prelude::*;

/// How trees are grown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boosting {
    /// Trees.
    pub rounds: usize,
    /// Questions per tree.
    pub depth: usize,
    /// The part of each leaf that is taken.
    pub rate: f64,
    /// Examples of zero that each leaf is taken together with.
    pub penalty: f64,
}

impl Default for Boosting {
    /// As small as helped at all on the open data of 2020: 64 trees of 16 leaves.
    fn default() -> Self {
        Self { rounds: 64, depth: 4, rate: 0.1, penalty: 200.0 }
    }
}

/// Cuts of a column at most.
const CUTS: usize = 31;

/// Values that cuts are chosen from.
const SAMPLE: usize = 4_096;

/// Rows of inputs and what is to be learned of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Inputs per row.
    pub width: usize,
    /// By row.
    pub inputs: Vec<f32>,
    /// By row.
    pub targets: Vec<f32>,
}

impl Rows {
    /// The inputs of a row.
    pub fn iter(&self) -> impl Iterator<Item = (&[f32], f32)> {
        self.inputs.chunks_exact(self.width.max(1)).zip(self.targets.iter().copied())
    }
}

/// A column in bins: row by row how many cuts the value is above.
struct Column {
    cuts: Vec<f32>,
    bins: Vec<u8>,
}

/// A question that splits every leaf of a level.
#[derive(Clone, Copy)]
struct Question {
    gain: f64,
    column: usize,
    cut: usize,
}

impl Boosting {
    /// Trees that add up to the targets as far as they can be told.
    ///
    /// # Errors
    ///
    /// [`LinearError::NotFinite`] where targets or inputs are not finite.
    pub fn fit(&self, rows: &Rows) -> Result<Trees, LinearError> {
        let columns: Vec<Column> =
            (0..rows.width).into_par_iter().map(|column| Column::of(rows, column)).collect();
        let mut missed: Vec<f64> = rows.targets.iter().map(|&target| f64::from(target)).collect();
        let (mut inputs, mut thresholds, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            let mut leaf_of = vec![0u8; missed.len()];
            for level in 0..self.depth {
                let Some(question) = self.ask(&columns, &leaf_of, &missed, 1 << level) else {
                    break;
                };
                let column = &columns[question.column];
                inputs.push(question.column as u32);
                thresholds.push(column.cuts[question.cut]);
                for (leaf, &bin) in leaf_of.iter_mut().zip(&column.bins) {
                    *leaf = *leaf << 1 | u8::from(usize::from(bin) > question.cut);
                }
            }
            if inputs.len() % self.depth != 0 || inputs.is_empty() {
                // Nothing to ask: all columns are flat.
                break;
            }
            let values = self.leaves(&leaf_of, &missed);
            for (missed, &leaf) in missed.iter_mut().zip(&leaf_of) {
                *missed -= values[usize::from(leaf)];
            }
            leaves.extend(values.iter().map(|&value| value as f32));
        }
        Trees::new(self.depth, rows.width, inputs, thresholds, leaves)
    }

    /// The best question for all `leaves` at once.
    fn ask(
        &self,
        columns: &[Column],
        leaf_of: &[u8],
        missed: &[f64],
        leaves: usize,
    ) -> Option<Question> {
        let best = columns.par_iter().enumerate().filter_map(|(number, column)| {
            let sums = column.sums(leaf_of, missed, leaves);
            let gains = (0..column.cuts.len()).map(|cut| (cut, self.gain(&sums, cut)));
            let (cut, gain) = gains.reduce(|a, b| if b.1 > a.1 { b } else { a })?;
            Some(Question { gain, column: number, cut })
        });
        let better = |a: Question, b: Question| {
            let first = (b.gain, a.column) <= (a.gain, b.column);
            if first { a } else { b }
        };
        best.reduce_with(better)
    }

    /// How much less is missed, squared, where each leaf is split at a cut.
    fn gain(&self, sums: &[[Sum; CUTS + 1]], cut: usize) -> f64 {
        let score = |sum: Sum| sum.missed * sum.missed / (sum.count + self.penalty);
        sums.iter()
            .map(|bins| {
                let (low, high) = bins.split_at(cut + 1);
                score(Sum::of(low)) + score(Sum::of(high))
            })
            .sum()
    }

    fn leaves(&self, leaf_of: &[u8], missed: &[f64]) -> Vec<f64> {
        let mut sums = vec![Sum::default(); 1 << self.depth];
        for (&leaf, &missed) in leaf_of.iter().zip(missed) {
            sums[usize::from(leaf)].add(missed);
        }
        sums.iter().map(|sum| self.rate * sum.missed / (sum.count + self.penalty)).collect()
    }
}

/// Examples and the sum of what they miss.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: f64,
    missed: f64,
}

impl Sum {
    fn add(&mut self, missed: f64) {
        self.count += 1.0;
        self.missed += missed;
    }

    fn of(bins: &[Self]) -> Self {
        bins.iter().fold(Self::default(), |sum, bin| Self {
            count: sum.count + bin.count,
            missed: sum.missed + bin.missed,
        })
    }
}

impl Column {
    fn of(rows: &Rows, column: usize) -> Self {
        let values: Vec<f32> = rows.iter().map(|(inputs, _)| inputs[column]).collect();
        let every = values.len().div_ceil(SAMPLE).max(1);
        let mut sample: Vec<f32> = values.iter().copied().step_by(every).collect();
        sample.sort_by(f32::total_cmp);
        let mut cuts: Vec<f32> = (1..=CUTS)
            .filter_map(|cut| sample.get(cut * sample.len() / (CUTS + 1)).copied())
            .collect();
        cuts.dedup();
        let bins = values.iter().map(|value| cuts.partition_point(|cut| cut < value) as u8);
        Self { bins: bins.collect(), cuts }
    }

    /// By leaf and bin.
    fn sums(&self, leaf_of: &[u8], missed: &[f64], leaves: usize) -> Vec<[Sum; CUTS + 1]> {
        let mut sums = vec![[Sum::default(); CUTS + 1]; leaves];
        for ((&bin, &leaf), &missed) in self.bins.iter().zip(leaf_of).zip(missed) {
            sums[usize::from(leaf)][usize::from(bin)].add(missed);
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use carbon_kube_core::seed;
    use rand::RngExt;

    use super::*;

    /// Two inputs that matter only together, and one that never changes.
    fn rows(count: usize) -> Rows {
        let mut stream = seed::stream(3, "rows");
        let mut rows = Rows { width: 3, ..Rows::default() };
        for _ in 0..count {
            let (a, b): (f32, f32) = (stream.random_range(0.0..1.0), stream.random_range(0.0..1.0));
            rows.inputs.extend([a, b, 5.0]);
            rows.targets.push(if a > 0.5 && b > 0.25 { 1.0 } else { 0.0 });
        }
        rows
    }

    #[test]
    fn a_rule_of_two_inputs_is_learned() {
        let boosting = Boosting { penalty: 1.0, ..Boosting::default() };
        let rows = rows(4_000);
        let trees = boosting.fit(&rows).unwrap();
        let errors = rows.iter().map(|(inputs, target)| (trees.expected(inputs) - target).abs());
        assert!(errors.sum::<f32>() / 4_000.0 < 0.05);
        // A flat input is a question that splits nothing: for when nothing is left to learn.
        assert!(trees.inputs()[..4].iter().all(|&input| input < 2));
    }

    #[test]
    fn the_same_rows_give_the_same_trees_on_any_number_of_threads() {
        let rows = rows(1_000);
        let fit = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Boosting::default().fit(&rows).unwrap())
        };
        assert_eq!(fit(1), fit(2));
    }

    #[test]
    fn nothing_to_learn_is_no_trees() {
        assert!(
            Boosting::default()
                .fit(&Rows { width: 2, ..Rows::default() })
                .unwrap()
                .leaves()
                .is_empty()
        );
    }
}
