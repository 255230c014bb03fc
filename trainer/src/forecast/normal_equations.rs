//! Least squares with a penalty, from sums that grow with each example.
//!
//! Only the sums `X'X`, `X'y` and the means are kept, so that one more month of data costs that
//! month alone, and a model that is refitted as time goes by needs no second pass.

/// Sums over the examples so far.
#[derive(Clone, Debug)]
pub struct NormalEquations {
    inputs: usize,
    count: f64,
    /// Upper triangle of the sum of x x', by row.
    products: Vec<f64>,
    /// Sum of x.
    sums: Vec<f64>,
    /// Sum of x y.
    moments: Vec<f64>,
    /// Sum of y.
    target: f64,
}

/// A line: weights and a constant.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// By input.
    pub weights: Vec<f64>,
    /// What is added.
    pub constant: f64,
}

impl NormalEquations {
    /// No example yet.
    #[must_use]
    pub fn new(inputs: usize) -> Self {
        Self {
            inputs,
            count: 0.0,
            products: vec![0.0; inputs * inputs],
            sums: vec![0.0; inputs],
            moments: vec![0.0; inputs],
            target: 0.0,
        }
    }

    /// Examples so far.
    #[must_use]
    pub fn count(&self) -> f64 {
        self.count
    }

    /// One more example.
    pub fn add(&mut self, x: &[f32], y: f64) {
        let x: Vec<f64> = x.iter().map(|&value| f64::from(value)).collect();
        for (i, &xi) in x.iter().enumerate() {
            // A third of the inputs are hours that it is not.
            if xi == 0.0 {
                continue;
            }
            let row = &mut self.products[i * self.inputs + i..(i + 1) * self.inputs];
            row.iter_mut().zip(&x[i..]).for_each(|(sum, xj)| *sum += xi * xj);
            self.sums[i] += xi;
            self.moments[i] += xi * y;
        }
        self.count += 1.0;
        self.target += y;
    }

    /// The line of least squares with `penalty` times the sum of squared weights of standardised
    /// inputs (ridge regression: Hoerl and Kennard 1970). An input that never changes gets no
    /// weight.
    #[must_use]
    pub fn solve(&self, penalty: f64) -> Line {
        let (n, count) = (self.inputs, self.count.max(1.0));
        let mean: Vec<f64> = self.sums.iter().map(|sum| sum / count).collect();
        let centred = |i: usize, j: usize| self.products[i * n + j] - count * mean[i] * mean[j];
        let scale: Vec<f64> = (0..n).map(|i| (centred(i, i) / count).max(0.0).sqrt()).collect();
        let used: Vec<usize> =
            (0..n).filter(|&i| scale[i] > 1e-6 * mean[i].abs().max(1e-3)).collect();
        let m = used.len();
        let mut matrix = vec![0.0; m * m];
        let mut right = vec![0.0; m];
        for (a, &i) in used.iter().enumerate() {
            for (b, &j) in used.iter().enumerate().skip(a) {
                let value = centred(i, j) / (scale[i] * scale[j]);
                matrix[b * m + a] = value + if a == b { penalty } else { 0.0 };
            }
            right[a] = (self.moments[i] - mean[i] * self.target) / scale[i];
        }
        solve_positive(&mut matrix, &mut right, m);
        let mut weights = vec![0.0; n];
        for (&i, solved) in used.iter().zip(&right) {
            weights[i] = solved / scale[i];
        }
        let shift: f64 = weights.iter().zip(&mean).map(|(weight, mean)| weight * mean).sum();
        Line { weights, constant: self.target / count - shift }
    }
}

/// Solves `matrix x = right` in place by Cholesky's L L'; the lower triangle of a symmetric positive
/// definite matrix is given, by row. The penalty keeps it positive.
fn solve_positive(matrix: &mut [f64], right: &mut [f64], n: usize) {
    for j in 0..n {
        let (above, from_j) = matrix.split_at_mut(j * n);
        let row_j = &mut from_j[..=j];
        // Row j of L is complete but for its diagonal: rows before it are done.
        for k in 0..j {
            let row_k = &above[k * n..=k * n + k];
            let done: f64 = row_k[..k].iter().zip(&row_j[..k]).map(|(a, b)| a * b).sum();
            row_j[k] = (row_j[k] - done) / row_k[k];
        }
        let squares: f64 = row_j[..j].iter().map(|value| value * value).sum();
        row_j[j] = (row_j[j] - squares).max(f64::MIN_POSITIVE).sqrt();
    }
    for i in 0..n {
        let row = &matrix[i * n..=i * n + i];
        let done: f64 = row[..i].iter().zip(&*right).map(|(a, b)| a * b).sum();
        right[i] = (right[i] - done) / row[i];
    }
    for i in (0..n).rev() {
        let done: f64 = (i + 1..n).map(|k| matrix[k * n + i] * right[k]).sum();
        right[i] = (right[i] - done) / matrix[i * n + i];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// y = 3 + 2 a - b, on a grid of a and b, with a third input that never changes.
    fn plane() -> NormalEquations {
        let mut equations = NormalEquations::new(3);
        for a in 0..10 {
            for b in 0..10 {
                let (a, b) = (a as f32, b as f32 * b as f32);
                equations.add(&[a, b, 7.0], f64::from(3.0 + 2.0 * a - b));
            }
        }
        equations
    }

    #[test]
    fn without_a_penalty_a_plane_is_found_again() {
        let line = plane().solve(0.0);
        for (found, expected) in line.weights.iter().zip([2.0, -1.0, 0.0]) {
            assert!((found - expected).abs() < 1e-9, "{line:?}");
        }
        assert!((line.constant - 3.0).abs() < 1e-8);
    }

    #[test]
    fn a_penalty_of_as_much_as_there_are_examples_halves_uncorrelated_weights() {
        // Standardised inputs have X'X = n I where they are uncorrelated, so that the weights are
        // n / (n + penalty) of those of least squares.
        let line = plane().solve(100.0);
        assert!((line.weights[0] - 1.0).abs() < 1e-9, "{line:?}");
        assert!((line.weights[1] + 0.5).abs() < 1e-9, "{line:?}");
    }
}
