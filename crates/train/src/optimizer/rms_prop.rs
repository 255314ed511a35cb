//! RMSProp.

use std::ops::Range;

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Loop, Scalar, at_level};
use serde::{Deserialize, Serialize};

use super::build::{
    Build, Optimizer, check_decay, check_rate, least_squared, noticed, relaid, squared, taken,
};
use crate::ConfigError;
use crate::fields::check;

/// Settings of [`RmsProp`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RmsPropConfig {
    /// α, the step size.
    #[serde(alias = "lr")]
    pub learning_rate: f64,
    /// ρ, decay of the mean squared gradient.
    #[serde(default = "decay")]
    pub decay: f64,
    /// ε, added to the root of the mean square.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
}

fn decay() -> f64 {
    0.9
}

fn epsilon() -> f64 {
    1e-8
}

impl RmsPropConfig {
    /// The defaults of the reference with this learning rate.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, decay: decay(), epsilon: epsilon() }
    }
}

impl Build for RmsPropConfig {
    fn build<T: Scalar>(&self, len: usize) -> Box<dyn Optimizer<T>> {
        Box::new(RmsProp { decay: self.decay, epsilon: self.epsilon, square: vec![T::ZERO; len] })
    }

    fn validate(&self) -> Result<(), ConfigError> {
        check_rate(self.learning_rate)?;
        check_decay("optimizer.decay", self.decay)?;
        let epsilon = self.epsilon;
        check("optimizer.epsilon", "a positive number", epsilon > 0.0 && epsilon.is_finite(), epsilon)
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }
}

/// RMSProp: `v ← ρ v + (1 - ρ) g²`, `w ← w - α g / (√v + ε)`.
///
/// # Reference
/// Tieleman & Hinton, "Neural networks for machine learning", lecture 6.5 (2012), with ε outside of the root.
#[derive(Debug, Clone)]
pub struct RmsProp<T> {
    decay: f64,
    epsilon: f64,
    square: Vec<T>,
}

impl<T: Scalar> Persist for RmsProp<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.slice("square", &mut self.square)
    }
}

impl<T: Scalar> Optimizer<T> for RmsProp<T> {
    fn begin(&mut self) {}

    fn update(
        &mut self,
        range: Range<usize>,
        weights: &mut [T],
        gradient: &mut [T],
        scale: f64,
        learning_rate: f64,
    ) {
        let len = self.square.len();
        assert_eq!((weights.len(), gradient.len()), (len, len), "number of weights");
        at_level(Step {
            weights: &mut weights[range.clone()],
            gradient: &mut gradient[range.clone()],
            scale: T::from_f64(scale),
            square: &mut self.square[range],
            rate: T::from_f64(learning_rate),
            epsilon: T::from_f64(self.epsilon),
            keep: T::from_f64(self.decay),
            add: T::from_f64(1.0 - self.decay),
            least: least_squared(1.0 - self.decay),
        });
    }

    fn relay(&mut self, origin: &[Option<u32>]) {
        self.square = relaid(&self.square, origin);
    }
}

/// One update.
struct Step<'a, T> {
    weights: &'a mut [T],
    gradient: &'a mut [T],
    scale: T,
    square: &'a mut [T],
    rate: T,
    epsilon: T,
    /// ρ and 1 - ρ.
    keep: T,
    add: T,
    /// See [`least_squared`].
    least: T,
}

impl<T: Scalar> Loop for Step<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { weights, gradient, scale, square, rate, epsilon, keep, add, least } = self;
        for ((w, g), v) in weights.iter_mut().zip(gradient).zip(square) {
            let g = taken(g, scale);
            *v = (keep * *v + add * squared(g, least)).flush();
            *w -= rate * noticed(g) / (v.sqrt() + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_by_hand() {
        let mut optimizer: Box<dyn Optimizer<f64>> = RmsPropConfig::new(0.1).build(1);
        let mut w = [1.0];
        optimizer.update(0..1, &mut w, &mut [2.0], 1.0, 0.1);
        // v = 0.1 · 4.
        let first = 1.0 - 0.2 / (0.4_f64.sqrt() + 1e-8);
        assert!((w[0] - first).abs() < 1e-12);
        optimizer.update(0..1, &mut w, &mut [-2.0], 0.5, 0.1);
        // v = 0.9 · 0.4 + 0.1.
        assert!((w[0] - (first + 0.1 / (0.46_f64.sqrt() + 1e-8))).abs() < 1e-12);
    }
}
