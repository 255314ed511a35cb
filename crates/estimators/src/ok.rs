//! The optimal Kronecker-sum approximation.

mod svd;

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::Stack;
use rtrl_sparse::dense::dot;
use rtrl_sparse::{Loop, Scalar, at_level};
use serde::{Deserialize, Serialize};

use crate::error::check_rank;
use crate::kronecker::{Kronecker, Reduce, Terms};
use crate::norm::norm;
use crate::{BuildEstimator, EstimatorError, GradientEstimator, Signs};
use svd::Svd;

/// Settings of OK: `rank` Kronecker products, `J ≈ Σ_i A_i ⊗ u_i`, the unbiased approximation of least variance.
///
/// At each step the sum of `rank + 1` terms is decomposed by singular values. The terms of the largest values
/// are kept as they are. The others are mixed by random signs along the orthogonal complement of one vector,
/// such that their expected sum is unchanged.
///
/// # Reference
/// Benzing, Gauy, Mujika, Martinsson & Steger, "Optimal Kronecker-sum approximation of real time recurrent learning",
/// ICML 2019, arXiv:1902.03993, theorem 1 and its algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OkConfig {
    /// r: number of Kronecker products.
    pub rank: usize,
    /// Seed of the signs.
    #[serde(default)]
    pub seed: u64,
}

impl Default for OkConfig {
    fn default() -> Self {
        Self { rank: 8, seed: 0 }
    }
}

impl BuildEstimator for OkConfig {
    fn reseed(&mut self, by: u64) {
        self.seed = self.seed.wrapping_add(by);
    }

    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        check_rank("the rank of OK", self.rank)?;
        Ok(Box::new(Kronecker::optimal(
            stack,
            lanes.len(),
            window,
            self.rank,
            Signs::random(self.seed, lanes),
        )))
    }
}

impl<T: Scalar> Kronecker<T> {
    /// OK of rank `rank` for `lanes` lanes and windows of at most `window` steps. It takes `rank + 1` of
    /// `signs` for each lane and step.
    ///
    /// # Panics
    /// If `lanes`, `window` or `rank` is zero, or `signs` are random ones for another number of lanes.
    pub fn optimal(stack: Arc<Stack<T>>, lanes: usize, window: usize, rank: usize, signs: Signs) -> Self {
        assert!(rank > 0, "the rank of OK must be at least 1, found {rank}");
        let n = rank + 1;
        let optimal = Optimal {
            rank,
            svd: Svd::new(n),
            triangles: [vec![0.0; n * n], vec![0.0; n * n]],
            mix: vec![0.0; n * rank],
            factor: vec![0.0; n * rank],
            z: vec![0.0; n],
            block: vec![T::ZERO; n * BLOCK],
            rounded: vec![T::ZERO; n * rank],
        };
        Self::new(stack, lanes, window, rank, signs, Box::new(optimal))
    }
}

/// Mixes the terms along their singular vectors. Small matrices are n × n or n × rank, row-major, in `f64`.
#[derive(Debug)]
struct Optimal<T> {
    rank: usize,
    svd: Svd,
    /// R of the QR factorizations of u and of A.
    triangles: [Vec<f64>; 2],
    /// The random matrix M for which the mean of M Mᵀ is the diagonal matrix of the singular values.
    mix: Vec<f64>,
    /// Singular vectors times M.
    factor: Vec<f64>,
    z: Vec<f64>,
    /// See [`Recombine`].
    block: Vec<T>,
    rounded: Vec<T>,
}

impl<T: Scalar> Reduce<T> for Optimal<T> {
    fn reduce(&mut self, lane: usize, u: Terms<'_, T>, a: Terms<'_, T>, signs: &mut Signs) {
        let n = self.rank + 1;
        orthogonalize(u.values, u.len, &mut self.triangles[0]);
        orthogonalize(a.values, a.len, &mut self.triangles[1]);
        // Σ u_i a_iᵀ = Q_u (R_u R_aᵀ) Q_aᵀ.
        let [ru, ra] = &self.triangles;
        for i in 0..n {
            for j in 0..n {
                self.svd.input[i * n + j] = (0..n).map(|k| ru[i * n + k] * ra[j * n + k]).sum();
            }
        }
        self.svd.run();
        self.randomize(lane, signs);
        for (side, terms) in [(0, u), (1, a)] {
            let vectors = if side == 0 { &self.svd.left } else { &self.svd.right };
            for i in 0..n {
                for k in 0..self.rank {
                    self.factor[i * self.rank + k] =
                        (0..n).map(|j| vectors[i * n + j] * self.mix[j * self.rank + k]).sum();
                }
            }
            self.rounded.iter_mut().zip(&self.factor).for_each(|(r, &f)| *r = T::from_f64(f));
            at_level(Recombine { terms, factor: &self.rounded, block: &mut self.block });
        }
    }

    fn macs(&self, sources: usize, matrix: usize) -> usize {
        let n = self.rank + 1;
        // Projections, norms and scaling of the orthogonalization, then the new combinations.
        (n * (n - 1) + 2 * n + n * self.rank) * (sources + matrix)
    }

    fn bytes(&self) -> usize {
        let wide = [&self.triangles[0], &self.triangles[1], &self.mix, &self.factor, &self.z];
        size_of::<Self>()
            + self.svd.bytes()
            + wide.into_iter().map(|array| size_of_val(&array[..])).sum::<usize>()
            + size_of_val(&self.block[..])
            + size_of_val(&self.rounded[..])
    }
}

impl<T> Optimal<T> {
    /// Fills `mix` (n × rank) such that the mean of `mix mixᵀ` over signs is the diagonal of the singular values, with
    /// least variance.
    fn randomize(&mut self, lane: usize, signs: &mut Signs) {
        let (rank, n) = (self.rank, self.rank + 1);
        let values = &self.svd.values;
        let rest = |kept: usize| values[kept..].iter().sum::<f64>();
        let kept = (0..rank).find(|&m| (rank - m) as f64 * values[m] <= rest(m)).unwrap_or(rank - 1);
        self.mix.fill(0.0);
        for (i, value) in values[..kept].iter().enumerate() {
            self.mix[i * rank + i] = value.sqrt();
        }
        let (columns, sum) = (rank - kept, rest(kept));
        if sum > 0.0 {
            let z = &mut self.z[..n - kept];
            for (z, &value) in z.iter_mut().zip(&values[kept..]) {
                *z = (1.0 - value * columns as f64 / sum).max(0.0).sqrt();
            }
            // The reflection that takes the first axis to z takes the others to an orthonormal complement of z.
            z[0] -= 1.0;
            let norm: f64 = z.iter().map(|z| z * z).sum();
            let scale = (sum / columns as f64).sqrt();
            for i in 0..n - kept {
                for k in 0..columns {
                    let identity = if i == k + 1 { 1.0 } else { 0.0 };
                    let reflected = if norm > 0.0 { 2.0 * z[i] * z[k + 1] / norm } else { 0.0 };
                    self.mix[(kept + i) * rank + kept + k] = scale * (identity - reflected);
                }
            }
        }
        // Always n signs are drawn, so that the place of each in a list is fixed. Those of the kept terms
        // change nothing.
        for row in self.mix.chunks_exact_mut(rank) {
            if !signs.draw(lane) {
                row.iter_mut().for_each(|m| *m = -*m);
            }
        }
    }
}

/// Replaces the vectors by orthonormal ones (zero where they depend on those before) and fills `triangle` (n × n,
/// row-major) such that `vector_i = Σ_k q_k triangle[k, i]`. Modified Gram–Schmidt: a loss of orthogonality costs
/// variance, never the mean.
fn orthogonalize<T: Scalar>(vectors: &mut [T], len: usize, triangle: &mut [f64]) {
    let n = vectors.len() / len;
    triangle.fill(0.0);
    for i in 0..n {
        let (before, rest) = vectors.split_at_mut(i * len);
        let vector = &mut rest[..len];
        for (k, q) in before.chunks_exact(len).enumerate() {
            let along = dot(q, vector);
            triangle[k * n + i] = along.to_f64();
            at_level(Without { vector, along, other: q });
        }
        let norm = norm(vector);
        triangle[i * n + i] = norm;
        let inverse = if norm > 0.0 { T::from_f64(1.0 / norm) } else { T::ZERO };
        vector.iter_mut().for_each(|v| *v *= inverse);
    }
}

/// Numbers of a term that are recombined together: those of 17 terms fit an L1 cache.
const BLOCK: usize = 64;

/// `term_k ← Σ_i vector_i factor[i, k]` for all but the last term, block by block.
struct Recombine<'a, T> {
    terms: Terms<'a, T>,
    /// `[rank + 1][rank]`.
    factor: &'a [T],
    /// Of each vector the numbers of a block, `[rank + 1][BLOCK]`.
    block: &'a mut [T],
}

impl<T: Scalar> Loop for Recombine<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { terms: Terms { values, len }, factor, block } = self;
        let rank = values.len() / len - 1;
        for first in (0..len).step_by(BLOCK) {
            let width = BLOCK.min(len - first);
            for (block, vector) in block.chunks_exact_mut(BLOCK).zip(values.chunks_exact(len)) {
                block[..width].copy_from_slice(&vector[first..first + width]);
            }
            for (k, term) in values.chunks_exact_mut(len).take(rank).enumerate() {
                let mut sums = [T::ZERO; BLOCK];
                for (block, factor) in block.chunks_exact(BLOCK).zip(factor.chunks_exact(rank)) {
                    for (sum, &x) in sums[..width].iter_mut().zip(&block[..width]) {
                        *sum += x * factor[k];
                    }
                }
                for (term, sum) in term[first..first + width].iter_mut().zip(sums) {
                    *term = sum.flush();
                }
            }
        }
    }
}

/// `vector ← vector - along · other`.
struct Without<'a, T> {
    vector: &'a mut [T],
    along: T,
    other: &'a [T],
}

impl<T: Scalar> Loop for Without<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { vector, along, other } = self;
        for (v, &q) in vector.iter_mut().zip(other) {
            *v -= along * q;
        }
    }
}
