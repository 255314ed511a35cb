//! Singular values of a small square matrix without allocation; library routines allocate at each call.

/// `input = leftᵀ · diag(values) · right`, values decreasing; all matrices n × n, row-major.
#[derive(Debug)]
pub(super) struct Svd {
    n: usize,
    pub input: Vec<f64>,
    /// Rows are left singular vectors; zero for a value of zero.
    pub left: Vec<f64>,
    pub values: Vec<f64>,
    /// Rows are right singular vectors.
    pub right: Vec<f64>,
}

/// Most sweeps over all pairs of columns; small matrices converge in less than ten.
const SWEEPS: usize = 40;

impl Svd {
    pub fn new(n: usize) -> Self {
        let square = || vec![0.0; n * n];
        Self { n, input: square(), left: square(), values: vec![0.0; n], right: square() }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let arrays = [&self.input, &self.left, &self.right, &self.values];
        arrays.iter().map(|array| size_of_val(&array[..])).sum()
    }

    /// Fills `left`, `values` and `right` by one-sided Jacobi rotations (Hestenes 1958): rotates pairs of
    /// columns of `input · rightᵀ`, the rows of `left`, until all are orthogonal.
    pub fn run(&mut self) {
        let n = self.n;
        for (j, column) in self.left.chunks_exact_mut(n).enumerate() {
            column.iter_mut().enumerate().for_each(|(i, own)| *own = self.input[i * n + j]);
        }
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

    /// Makes vectors `p` and `q`, the later of the two, orthogonal. Returns whether they were not orthogonal before.
    fn rotate(&mut self, p: usize, q: usize) -> bool {
        let [a, b] = pair(&mut self.left, self.n, p, q);
        let (mut alpha, mut beta, mut gamma) = (0.0, 0.0, 0.0);
        for (a, b) in a.iter().zip(&*b) {
            alpha += a * a;
            beta += b * b;
            gamma += a * b;
        }
        // Orthogonal up to the rounding error of the product, relative to the vectors.
        if f64::abs(gamma) <= 1e-15 * f64::sqrt(alpha * beta) || gamma == 0.0 {
            return false;
        }
        let zeta = (beta - alpha) / (2.0 * gamma);
        let tangent = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
        let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
        let sine = cosine * tangent;
        for matrix in [&mut self.left, &mut self.right] {
            let [a, b] = pair(matrix, self.n, p, q);
            for (a, b) in a.iter_mut().zip(b) {
                (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
            }
        }
        true
    }

    /// Norms become the values, in decreasing order.
    fn normalize(&mut self) {
        let Self { n, ref mut left, ref mut right, ref mut values, .. } = *self;
        for (value, row) in values.iter_mut().zip(left.chunks_exact(n)) {
            *value = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        }
        for j in 0..n {
            let largest = (j..n).max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(j);
            if largest > j {
                values.swap(j, largest);
                for matrix in [&mut *left, &mut *right] {
                    let [a, b] = pair(matrix, n, j, largest);
                    a.swap_with_slice(b);
                }
            }
        }
        for (&value, row) in values.iter().zip(left.chunks_exact_mut(n)) {
            row.iter_mut().for_each(|x| *x = if value > 0.0 { *x / value } else { 0.0 });
        }
    }
}

/// Rows `p` and `q`, the later of the two, of a matrix.
fn pair(matrix: &mut [f64], n: usize, p: usize, q: usize) -> [&mut [f64]; 2] {
    let (before, after) = matrix.split_at_mut(q * n);
    [&mut before[p * n..(p + 1) * n], &mut after[..n]]
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
                            (0..n).map(|k| svd.left[k * n + i] * svd.values[k] * svd.right[k * n + j]).sum();
                        assert!((product - entry(i, j)).abs() < 1e-12 * scale, "n = {n}, rank {rank}");
                        let inner: f64 = (0..n).map(|k| svd.right[i * n + k] * svd.right[j * n + k]).sum();
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
