//! Singular values of a small square matrix without allocation; library routines allocate at each call.

/// `input = left · diag(values) · rightᵀ`, values decreasing; all matrices n × n, row-major.
#[derive(Debug)]
pub(super) struct Svd {
    n: usize,
    pub input: Vec<f64>,
    /// Columns are left singular vectors; zero for a value of zero.
    pub left: Vec<f64>,
    pub values: Vec<f64>,
    /// Columns are right singular vectors.
    pub right: Vec<f64>,
    order: Vec<usize>,
    row: Vec<f64>,
}

/// Most sweeps over all pairs of columns; small matrices converge in less than ten.
const SWEEPS: usize = 40;

impl Svd {
    pub fn new(n: usize) -> Self {
        let square = || vec![0.0; n * n];
        let (input, left, right) = (square(), square(), square());
        Self { n, input, left, values: vec![0.0; n], right, order: (0..n).collect(), row: vec![0.0; n] }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let arrays = [&self.input, &self.left, &self.right, &self.values, &self.row];
        let arrays: usize = arrays.iter().map(|array| size_of_val(&array[..])).sum();
        arrays + size_of_val(&self.order[..])
    }

    /// Fills `left`, `values` and `right` by one-sided Jacobi rotations (Hestenes 1958): rotates pairs of
    /// columns of `input · right` until all are orthogonal.
    pub fn run(&mut self) {
        let n = self.n;
        self.left.copy_from_slice(&self.input);
        self.right.fill(0.0);
        (0..n).for_each(|i| self.right[i * n + i] = 1.0);
        for _ in 0..SWEEPS {
            let mut turned = false;
            for p in 0..n {
                for q in p + 1..n {
                    turned |= self.rotate(p, q);
                }
            }
            if !turned {
                break;
            }
        }
        self.normalize();
    }

    /// Makes columns `p` and `q` orthogonal. Returns whether they were not orthogonal before.
    fn rotate(&mut self, p: usize, q: usize) -> bool {
        let n = self.n;
        let inner =
            |a: usize, b: usize| -> f64 { (0..n).map(|i| self.left[i * n + a] * self.left[i * n + b]).sum() };
        let (alpha, beta, gamma) = (inner(p, p), inner(q, q), inner(p, q));
        // Orthogonal up to the rounding error of the product, relative to the columns.
        if gamma.abs() <= 1e-15 * (alpha * beta).sqrt() || gamma == 0.0 {
            return false;
        }
        let zeta = (beta - alpha) / (2.0 * gamma);
        let tangent = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
        let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
        let sine = cosine * tangent;
        for matrix in [&mut self.left, &mut self.right] {
            for row in matrix.chunks_exact_mut(n) {
                (row[p], row[q]) = (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
            }
        }
        true
    }

    /// Column norms become the values, in decreasing order.
    fn normalize(&mut self) {
        let n = self.n;
        for j in 0..n {
            let norm: f64 = (0..n).map(|i| self.left[i * n + j] * self.left[i * n + j]).sum();
            self.row[j] = norm.sqrt();
        }
        let norms = &self.row;
        self.order.sort_unstable_by(|&a, &b| norms[b].total_cmp(&norms[a]).then(a.cmp(&b)));
        for (j, &from) in self.order.iter().enumerate() {
            self.values[j] = self.row[from];
        }
        for matrix in [&mut self.left, &mut self.right] {
            for row in matrix.chunks_exact_mut(n) {
                self.row.copy_from_slice(row);
                for (j, &from) in self.order.iter().enumerate() {
                    row[j] = self.row[from];
                }
            }
        }
        for row in self.left.chunks_exact_mut(n) {
            for (entry, &value) in row.iter_mut().zip(&self.values) {
                *entry = if value > 0.0 { *entry / value } else { 0.0 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_multiply_to_the_matrix_and_agree_with_nalgebra() {
        let number = |i: usize| ((i * i * 7 + 3 * i) % 11) as f64 - 5.0;
        for n in 1..7 {
            for rank in 1..=n {
                // A product of n × rank and rank × n, so that some values are zero.
                let entry = |i: usize, j: usize| {
                    (0..rank).map(|k| number(i * n + k) * number(50 + k * n + j)).sum::<f64>()
                };
                let mut svd = Svd::new(n);
                for i in 0..n {
                    for j in 0..n {
                        svd.input[i * n + j] = entry(i, j);
                    }
                }
                svd.run();
                let scale = svd.values[0];
                for i in 0..n {
                    for j in 0..n {
                        let product: f64 =
                            (0..n).map(|k| svd.left[i * n + k] * svd.values[k] * svd.right[j * n + k]).sum();
                        assert!((product - entry(i, j)).abs() < 1e-12 * scale, "n = {n}, rank {rank}");
                        let inner: f64 = (0..n).map(|k| svd.right[k * n + i] * svd.right[k * n + j]).sum();
                        assert!((inner - f64::from(u8::from(i == j))).abs() < 1e-13);
                    }
                }
                let oracle = nalgebra::DMatrix::from_fn(n, n, entry).singular_values();
                for (value, expected) in svd.values.iter().zip(oracle.iter()) {
                    assert!((value - expected).abs() < 1e-12 * scale, "n = {n}, rank {rank}");
                }
            }
        }
    }
}
