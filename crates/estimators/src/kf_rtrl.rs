//! Kronecker-factored RTRL.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::Stack;
use rtrl_sparse::dense::dot;
use rtrl_sparse::{Loop, Scalar, at_level};
use serde::{Deserialize, Serialize};

use crate::kronecker::{Kronecker, Reduce, Terms};
use crate::norm::{balance, root, squares};
use crate::{BuildEstimator, EstimatorError, GradientEstimator, Signs};

/// Settings of KF-RTRL: one Kronecker product, `J ≈ A ⊗ u`, unbiased.
///
/// ```text
/// u ← c1 p1 u + c2 p2 u_t      A ← (c1 / p1) D A + (c2 / p2) G      p1 = √(|DA| / |u|)   p2 = √(|G| / |u_t|)
/// ```
///
/// with random signs c; a p with a zero norm in it is 1. Only the product of the two signs matters, so one is drawn.
///
/// # Reference
/// Mujika, Meier & Steger, "Approximating real-time recurrent learning with random Kronecker factors",
/// arXiv:1805.10842, algorithm 1.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KfRtrlConfig {
    /// Seed of the signs.
    #[serde(default)]
    pub seed: u64,
}

impl BuildEstimator for KfRtrlConfig {
    fn reseed(&mut self, by: u64) {
        self.seed = self.seed.wrapping_add(by);
    }

    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        Ok(Box::new(Kronecker::kf_rtrl(stack, lanes.len(), window, Signs::random(self.seed, lanes))))
    }
}

impl<T: Scalar> Kronecker<T> {
    /// KF-RTRL for `lanes` lanes and windows of at most `window` steps. It takes one of `signs` for each lane
    /// and step after the first of a sequence.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero, or `signs` are random ones for another number of lanes.
    pub fn kf_rtrl(stack: Arc<Stack<T>>, lanes: usize, window: usize, signs: Signs) -> Self {
        Self::new(stack, lanes, window, 1, signs, Box::new(Balanced { squares: [[T::ZERO; 2]; 2] }))
    }
}

/// Mixes two terms into one, with factors that balance the norms of u and A.
#[derive(Debug)]
struct Balanced<T> {
    /// Sums of squares of u and of A, each of the old and the new term.
    squares: [[T; 2]; 2],
}

impl<T: Scalar> Reduce<T> for Balanced<T> {
    fn take(&mut self, side: usize, tile: &[T]) {
        for (sum, part) in self.squares[side].iter_mut().zip(tile.chunks_exact(tile.len() / 2)) {
            *sum += dot(part, part);
        }
    }

    fn reduce(&mut self, lane: usize, [u, a]: &mut [Terms<'_, T>; 2], signs: &mut Signs) {
        let [of_u, of_a] = std::mem::replace(&mut self.squares, [[T::ZERO; 2]; 2]);
        let [of_u, of_a] = [norms(of_u, u), norms(of_a, a)];
        let [keep, add]: [T; 2] = std::array::from_fn(|term| balance(of_a[term], of_u[term]));
        let sign = if signs.draw(lane) { T::ONE } else { -T::ONE };
        mix(u, keep, sign * add);
        mix(a, T::ONE / keep, sign / add);
    }

    fn macs(&self, sources: usize, matrix: usize) -> usize {
        // For u and for A: two norms and the mixture. And the sign of the new u.
        4 * (sources + matrix) + 1
    }

    fn bytes(&self) -> usize {
        0
    }
}

/// The norms of the old and the new term, whose sums of squares are `sums`.
fn norms<T: Scalar>(sums: [T; 2], terms: &mut Terms<'_, T>) -> [f64; 2] {
    [0, 1].map(|term| {
        let parts = terms.tiles().flat_map(|tile| tile.chunks_exact(tile.len() / 2).nth(term));
        root(sums[term], || parts.map(|part| squares(part.iter())).sum())
    })
}

fn mix<T: Scalar>(terms: &mut Terms<'_, T>, keep: T, add: T) {
    for tile in terms.tiles() {
        let (old, new) = tile.split_at_mut(tile.len() / 2);
        at_level(Mix { old, new, keep, add });
    }
}

/// `old ← keep · old + add · new`.
struct Mix<'a, T> {
    old: &'a mut [T],
    new: &'a [T],
    keep: T,
    add: T,
}

impl<T: Scalar> Loop for Mix<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { old, new, keep, add } = self;
        for (old, &new) in old.iter_mut().zip(new) {
            *old = (keep * *old + add * new).flush();
        }
    }
}
