//! Kronecker-factored RTRL.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::Stack;
use rtrl_sparse::{Loop, Scalar, at_level};
use serde::{Deserialize, Serialize};

use crate::kronecker::{Kronecker, Reduce, Terms};
use crate::norm::{balance, norm};
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
    /// and step.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero, or `signs` are random ones for another number of lanes.
    pub fn kf_rtrl(stack: Arc<Stack<T>>, lanes: usize, window: usize, signs: Signs) -> Self {
        Self::new(stack, lanes, window, 1, signs, Box::new(Balanced))
    }
}

/// Mixes two terms into one, with factors that balance the norms of u and A.
#[derive(Debug)]
struct Balanced;

impl<T: Scalar> Reduce<T> for Balanced {
    fn reduce(&mut self, lane: usize, u: Terms<'_, T>, a: Terms<'_, T>, signs: &mut Signs) {
        let (u_old, u_new) = u.values.split_at_mut(u.len);
        let (a_old, a_new) = a.values.split_at_mut(a.len);
        let keep: T = balance(norm(a_old), norm(u_old));
        let add: T = balance(norm(a_new), norm(u_new));
        let sign = if signs.draw(lane) { T::ONE } else { -T::ONE };
        at_level(Mix { old: u_old, new: u_new, keep, add: sign * add });
        at_level(Mix { old: a_old, new: a_new, keep: T::ONE / keep, add: sign / add });
    }

    fn macs(&self, sources: usize, matrix: usize) -> usize {
        // For u and for A: two norms and the mixture. And the sign of the new u.
        4 * (sources + matrix) + 1
    }

    fn bytes(&self) -> usize {
        0
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
