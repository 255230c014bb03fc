//! Boosted trees at work: what they add to a line, number by number.
//!
//! The trees are *symmetric* (as in CatBoost: Prokhorenkova et al. 2018): every node of a level asks
//! the same question, so that the answers of a tree, one bit each, are the number of its leaf.
//!
//! ```text
//!  x[3] > 0.8 ?   no      yes
//!  x[0] > 1.1 ?  no yes  no yes
//!   leaf          0  1    2  3
//! ```

use super::linear::{LinearError, check};

/// Questions of a tree at most: 64 leaves.
const MAX_DEPTH: usize = 6;

/// Symmetric trees of one depth, whose leaves are added up.
#[derive(Clone, Debug, PartialEq)]
pub struct Trees {
    depth: usize,
    /// Of each tree, by level: which input is asked.
    inputs: Vec<u32>,
    /// Of each tree, by level: the answer is yes above this.
    thresholds: Vec<f32>,
    /// Of each tree, by leaf; in parts of the level.
    leaves: Vec<f32>,
}

impl Trees {
    /// Trees of these numbers, tree by tree; `width` is how many inputs they are asked about.
    ///
    /// # Errors
    ///
    /// [`LinearError`] where a count does not fit, an input does not exist or a number is not finite.
    pub fn new(
        depth: usize,
        width: usize,
        inputs: Vec<u32>,
        thresholds: Vec<f32>,
        leaves: Vec<f32>,
    ) -> Result<Self, LinearError> {
        let depth = depth.clamp(1, MAX_DEPTH);
        check("trees.thresholds", &thresholds, inputs.len())?;
        check("trees.leaves", &leaves, (inputs.len() / depth) << depth)?;
        let whole = inputs.len().is_multiple_of(depth);
        match inputs.iter().position(|&input| input as usize >= width) {
            Some(at) => Err(LinearError::Input { at, width }),
            None if whole => Ok(Self { depth, inputs, thresholds, leaves }),
            None => Err(LinearError::Shape {
                what: "trees.inputs",
                found: inputs.len(),
                expected: inputs.len().next_multiple_of(depth),
            }),
        }
    }

    /// Questions per tree.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Which input is asked, tree by tree and level by level.
    #[must_use]
    pub fn inputs(&self) -> &[u32] {
        &self.inputs
    }

    /// The thresholds of the questions.
    #[must_use]
    pub fn thresholds(&self) -> &[f32] {
        &self.thresholds
    }

    /// The leaves, tree by tree.
    #[must_use]
    pub fn leaves(&self) -> &[f32] {
        &self.leaves
    }

    /// The sum over the trees for these inputs.
    #[must_use]
    pub fn expected(&self, inputs: &[f32]) -> f32 {
        let questions = self.inputs.chunks_exact(self.depth);
        let thresholds = self.thresholds.chunks_exact(self.depth);
        let leaves = self.leaves.chunks_exact(1 << self.depth);
        let trees = questions.zip(thresholds).zip(leaves);
        trees
            .map(|((asked, thresholds), leaves)| {
                let answers = asked.iter().zip(thresholds);
                leaves[answers.fold(0, |leaf, (&input, threshold)| {
                    leaf << 1 | usize::from(inputs[input as usize] > *threshold)
                })]
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_a_tree_are_the_number_of_its_leaf() {
        let trees = Trees::new(
            2,
            2,
            vec![0, 1, 1, 1],
            vec![0.5, 10.0, 10.0, 20.0],
            vec![1.0, 2.0, 3.0, 4.0, 0.1, 0.2, 0.3, 0.4],
        )
        .unwrap();
        // The second tree asks input 1 twice; above 20 is above 10, too.
        for (inputs, sum) in [([0.0, 5.0], 1.1), ([0.0, 15.0], 2.3), ([1.0, 25.0], 4.4)] {
            assert!((trees.expected(&inputs) - sum).abs() < 1e-6, "{inputs:?}");
        }
    }

    #[test]
    fn trees_that_ask_for_what_is_not_there_are_refused() {
        let trees = |inputs: Vec<u32>, leaves: usize, value: f32| {
            let thresholds = vec![0.0; inputs.len()];
            Trees::new(2, 3, inputs, thresholds, vec![value; leaves]).unwrap_err()
        };
        assert_eq!(trees(vec![0, 3], 4, 0.0), LinearError::Input { at: 1, width: 3 });
        assert!(matches!(trees(vec![0, 1], 3, 0.0), LinearError::Shape { .. }));
        assert!(matches!(trees(vec![0, 1, 2], 4, 0.0), LinearError::Shape { .. }));
        assert!(matches!(trees(vec![0, 1], 4, f32::NAN), LinearError::NotFinite { .. }));
    }
}
