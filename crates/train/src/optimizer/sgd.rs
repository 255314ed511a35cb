//! Gradient descent, plain and with momentum.

use std::ops::Range;

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Loop, Scalar, at_level};
use serde::{Deserialize, Serialize};

use super::build::{Build, Optimizer, check_decay, check_rate, relaid, taken};
use crate::ConfigError;

/// Settings of plain gradient descent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SgdConfig {
    /// α, the step size.
    #[serde(alias = "lr")]
    pub learning_rate: f64,
}

impl SgdConfig {
    /// Gradient descent at this learning rate.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate }
    }
}

impl Build for SgdConfig {
    fn build<T: Scalar>(&self, len: usize) -> Box<dyn Optimizer<T>> {
        Box::new(Sgd { momentum: 0.0, nesterov: false, velocity: Vec::new(), len })
    }

    fn validate(&self) -> Result<(), ConfigError> {
        check_rate(self.learning_rate)
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }
}

/// Settings of gradient descent with momentum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MomentumConfig {
    /// α, the step size.
    #[serde(alias = "lr")]
    pub learning_rate: f64,
    /// μ, the decay of the velocity.
    #[serde(default = "momentum")]
    pub momentum: f64,
    /// Whether the step looks ahead along the velocity (Nesterov momentum).
    #[serde(default)]
    pub nesterov: bool,
}

fn momentum() -> f64 {
    0.9
}

impl MomentumConfig {
    /// Momentum of 0.9 at this learning rate.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, momentum: momentum(), nesterov: false }
    }
}

impl Build for MomentumConfig {
    fn build<T: Scalar>(&self, len: usize) -> Box<dyn Optimizer<T>> {
        let (momentum, nesterov) = (self.momentum, self.nesterov);
        Box::new(Sgd { momentum, nesterov, velocity: vec![T::ZERO; len], len })
    }

    fn validate(&self) -> Result<(), ConfigError> {
        check_rate(self.learning_rate)?;
        check_decay("optimizer.momentum", self.momentum)
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }
}

/// Gradient descent: `v ← μ v + g`, then `w ← w - α v`, or with Nesterov momentum `w ← w - α (g + μ v)`. Without
/// momentum v is g.
///
/// # Reference
/// Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013, in the form with the
/// learning rate outside the velocity.
#[derive(Debug, Clone)]
pub struct Sgd<T> {
    momentum: f64,
    nesterov: bool,
    /// v; empty without momentum.
    velocity: Vec<T>,
    len: usize,
}

impl<T: Scalar> Persist for Sgd<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.slice("velocity", &mut self.velocity)
    }
}

impl<T: Scalar> Optimizer<T> for Sgd<T> {
    fn begin(&mut self) {}

    fn update(
        &mut self,
        range: Range<usize>,
        weights: &mut [T],
        gradient: &mut [T],
        scale: f64,
        learning_rate: f64,
    ) {
        assert_eq!((weights.len(), gradient.len()), (self.len, self.len), "number of weights");
        let (rate, scale) = (T::from_f64(learning_rate), T::from_f64(scale));
        let (weights, gradient) = (&mut weights[range.clone()], &mut gradient[range.clone()]);
        if self.velocity.is_empty() {
            at_level(Plain { weights, gradient, scale, rate });
        } else {
            let (velocity, momentum) = (&mut self.velocity[range], T::from_f64(self.momentum));
            at_level(Heavy { weights, gradient, scale, velocity, momentum, nesterov: self.nesterov, rate });
        }
    }

    fn relay(&mut self, origin: &[Option<u32>]) {
        self.len = origin.len();
        if !self.velocity.is_empty() {
            self.velocity = relaid(&self.velocity, origin);
        }
    }
}

/// An update without momentum.
struct Plain<'a, T> {
    weights: &'a mut [T],
    gradient: &'a mut [T],
    scale: T,
    rate: T,
}

impl<T: Scalar> Loop for Plain<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (w, g) in self.weights.iter_mut().zip(self.gradient) {
            *w -= self.rate * taken(g, self.scale);
        }
    }
}

/// An update with momentum.
struct Heavy<'a, T> {
    weights: &'a mut [T],
    gradient: &'a mut [T],
    scale: T,
    velocity: &'a mut [T],
    momentum: T,
    nesterov: bool,
    rate: T,
}

impl<T: Scalar> Loop for Heavy<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { weights, gradient, scale, velocity, momentum, nesterov, rate } = self;
        for ((w, g), v) in weights.iter_mut().zip(gradient).zip(velocity) {
            let g = taken(g, scale);
            *v = (momentum * *v + g).flush();
            *w -= rate * if nesterov { g + momentum * *v } else { *v };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_by_hand() {
        let step = |config: &dyn Fn() -> Box<dyn Optimizer<f64>>| {
            let (mut optimizer, mut w) = (config(), [1.0]);
            for g in [2.0, -1.0] {
                optimizer.begin();
                optimizer.update(0..1, &mut w, &mut [0.5 * g], 2.0, 0.1);
            }
            w[0]
        };
        let plain = step(&|| SgdConfig::new(0.1).build(1));
        assert!((plain - (1.0 - 0.2 + 0.1)).abs() < 1e-15);
        // v = 2, then 0.5 · 2 - 1 = 0.
        let momentum = MomentumConfig { momentum: 0.5, ..MomentumConfig::new(0.1) };
        assert!((step(&|| momentum.build(1)) - 0.8).abs() < 1e-15);
        // With Nesterov momentum: 2 + 0.5 · 2, then -1 + 0.5 · 0.
        let nesterov = MomentumConfig { nesterov: true, ..momentum.clone() };
        assert!((step(&|| nesterov.build(1)) - (1.0 - 0.3 + 0.1)).abs() < 1e-15);
    }
}
