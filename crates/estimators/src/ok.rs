//! The optimal Kronecker-sum approximation.

mod orthogonal;
mod svd;

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::Stack;
use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use crate::error::check_rank;
use crate::kronecker::{Kronecker, Reduce, Terms};
use crate::{BuildEstimator, EstimatorError, GradientEstimator, Signs};
use orthogonal::{Orthogonal, Scratch};
use svd::Svd;

/// Settings of OK: `rank` Kronecker products, `J ≈ Σ_i A_i ⊗ u_i`, the unbiased approximation of least variance.
///
/// At each step the sum of `rank + 1` terms is decomposed by singular values. The terms of the largest values
/// are kept as they are. The others are mixed by random signs along the orthogonal complement of one vector,
/// such that their expected sum is unchanged. In the first `rank` steps of a sequence all terms are kept: a rank of at least the
/// length of the sequences makes this exact RTRL, at a fraction of its cost if they are short.
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
    /// `signs` for each lane and step after the first `rank` of a sequence.
    ///
    /// # Panics
    /// If `lanes`, `window` or `rank` is zero, or `signs` are random ones for another number of lanes.
    pub fn optimal(stack: Arc<Stack<T>>, lanes: usize, window: usize, rank: usize, signs: Signs) -> Self {
        assert!(rank > 0, "the rank of OK must be at least 1, found {rank}");
        let n = rank + 1;
        let optimal = Optimal {
            rank,
            svd: Svd::new(n),
            sides: [Orthogonal::new(n), Orthogonal::new(n)],
            mix: vec![0.0; n * rank],
            factor: vec![0.0; n * rank],
            z: vec![0.0; n],
            scratch: Scratch::new(n),
        };
        Self::new(stack, lanes, window, rank, signs, Box::new(optimal))
    }
}

/// Mixes the terms along their singular vectors. Small matrices are n × n or n × rank, row-major, in `f64`.
#[derive(Debug)]
struct Optimal<T> {
    rank: usize,
    svd: Svd,
    /// The factorizations of u and of A.
    sides: [Orthogonal; 2],
    /// The random matrix M for which the mean of M Mᵀ is the diagonal matrix of the singular values.
    mix: Vec<f64>,
    /// Singular vectors times M, `[rank][n]`.
    factor: Vec<f64>,
    z: Vec<f64>,
    scratch: Scratch<T>,
}

impl<T: Scalar> Reduce<T> for Optimal<T> {
    fn take(&mut self, side: usize, tile: &[T]) {
        self.sides[side].take(tile, &mut self.scratch);
    }

    fn reduce(&mut self, lane: usize, terms: &mut [Terms<'_, T>; 2], signs: &mut Signs) {
        let (n, rank) = (self.rank + 1, self.rank);
        self.sides.iter_mut().for_each(Orthogonal::finish);
        // Σ u_i a_iᵀ = Q_u (R_u R_aᵀ) Q_aᵀ.
        let [ru, ra] = self.sides.each_ref().map(|side| &side.triangle);
        for i in 0..n {
            for j in 0..n {
                self.svd.input[i * n + j] = (0..n).map(|k| ru[i * n + k] * ra[j * n + k]).sum();
            }
        }
        self.svd.run();
        self.randomize(lane, signs);
        let vectors = [&self.svd.left, &self.svd.right];
        for ((side, terms), vectors) in self.sides.iter().zip(terms).zip(vectors) {
            for k in 0..rank {
                for i in 0..n {
                    self.factor[k * n + i] =
                        (0..n).map(|j| vectors[j * n + i] * self.mix[j * rank + k]).sum();
                }
            }
            side.combine(&mut self.factor, terms, &mut self.scratch);
        }
    }

    fn macs(&self, sources: usize, matrix: usize) -> usize {
        let n = self.rank + 1;
        // Inner products of all pairs, then the new combinations.
        (n * (n + 1) / 2 + n * self.rank) * (sources + matrix)
    }

    fn bytes(&self) -> usize {
        let small = [&self.mix, &self.factor, &self.z].map(|array| size_of_val(&array[..]));
        size_of::<Self>()
            + self.svd.bytes()
            + self.sides.iter().map(Orthogonal::bytes).sum::<usize>()
            + small.iter().sum::<usize>()
            + self.scratch.bytes()
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
