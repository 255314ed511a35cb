//! Adam.

use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use super::Optimizer;
use crate::ConfigError;

/// Settings of [`Adam`]; the defaults are those of the reference, but for the learning rate, which must be given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamConfig {
    /// α, the step size.
    pub learning_rate: f64,
    /// β₁, decay of the mean gradient.
    #[serde(default = "beta1")]
    pub beta1: f64,
    /// β₂, decay of the mean squared gradient.
    #[serde(default = "beta2")]
    pub beta2: f64,
    /// ε, added to the root of the mean square.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
}

fn beta1() -> f64 {
    0.9
}

fn beta2() -> f64 {
    0.999
}

fn epsilon() -> f64 {
    1e-8
}

impl AdamConfig {
    /// The defaults of the reference with this learning rate.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, beta1: beta1(), beta2: beta2(), epsilon: epsilon() }
    }

    pub(super) fn build<T: Scalar>(&self, len: usize) -> Box<dyn Optimizer<T>> {
        Box::new(Adam::new(self.clone(), len))
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let check = |field, allowed, ok: bool, found: f64| {
            if ok { Ok(()) } else { Err(ConfigError::Value { field, allowed, found: found.to_string() }) }
        };
        let rate = self.learning_rate;
        check("optimizer.learning_rate", "a positive number", rate > 0.0 && rate.is_finite(), rate)?;
        let decay = |beta: f64| (0.0..1.0).contains(&beta);
        check("optimizer.beta1", "in 0.0..1.0", decay(self.beta1), self.beta1)?;
        check("optimizer.beta2", "in 0.0..1.0", decay(self.beta2), self.beta2)?;
        let epsilon = self.epsilon;
        check("optimizer.epsilon", "a positive number", epsilon > 0.0 && epsilon.is_finite(), epsilon)
    }
}

/// Adam with bias correction:
///
/// ```text
/// m ← β₁ m + (1 - β₁) g      v ← β₂ v + (1 - β₂) g²
/// w ← w - α (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε)
/// ```
///
/// # Reference
/// Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.
#[derive(Debug, Clone)]
pub struct Adam<T> {
    config: AdamConfig,
    mean: Vec<T>,
    square: Vec<T>,
    /// β₁ᵗ and β₂ᵗ.
    powers: (f64, f64),
}

impl<T: Scalar> Adam<T> {
    /// For `len` weights.
    pub fn new(config: AdamConfig, len: usize) -> Self {
        Self { config, mean: vec![T::ZERO; len], square: vec![T::ZERO; len], powers: (1.0, 1.0) }
    }
}

impl<T: Scalar> Optimizer<T> for Adam<T> {
    fn update(&mut self, weights: &mut [T], gradient: &mut [T]) {
        let len = self.mean.len();
        assert_eq!((weights.len(), gradient.len()), (len, len), "number of weights");
        let AdamConfig { learning_rate, beta1, beta2, epsilon } = self.config;
        self.powers = (self.powers.0 * beta1, self.powers.1 * beta2);
        let rate = T::from_f64(learning_rate / (1.0 - self.powers.0));
        let correction = T::from_f64(1.0 / (1.0 - self.powers.1));
        let (b1, b2, epsilon) = (T::from_f64(beta1), T::from_f64(beta2), T::from_f64(epsilon));
        let (c1, c2) = (T::from_f64(1.0 - beta1), T::from_f64(1.0 - beta2));
        let state = self.mean.iter_mut().zip(&mut self.square);
        for ((w, g), (m, v)) in weights.iter_mut().zip(gradient).zip(state) {
            *m = b1 * *m + c1 * *g;
            *v = b2 * *v + c2 * (*g * *g);
            *w -= rate * *m / ((*v * correction).sqrt() + epsilon);
            *g = T::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_two_steps_by_hand() {
        // From w = 1 with g = 2: m̂ = g and v̂ = g², so the first step is α · 2 / (2 + ε). With g = -1 next:
        // m = 0.9 · 0.2 - 0.1 = 0.08, m̂ = 0.08 / 0.19; v = 0.999 · 0.004 + 0.001 = 0.004996, v̂ = v / 0.001999.
        let mut adam = Adam::<f64>::new(AdamConfig::new(0.1), 1);
        let (mut w, mut g) = ([1.0], [2.0]);
        adam.update(&mut w, &mut g);
        let first = 1.0 - 0.1 * 2.0 / (2.0 + 1e-8);
        assert!((w[0] - first).abs() < 1e-12, "{}", w[0]);
        assert_eq!(g, [0.0], "the gradient is zero on return");
        g[0] = -1.0;
        adam.update(&mut w, &mut g);
        let (m, v): (f64, f64) = (0.08 / 0.19, 0.004996 / 0.001999);
        let second = first - 0.1 * m / (v.sqrt() + 1e-8);
        assert!((w[0] - second).abs() < 1e-12, "{} and {second}", w[0]);
    }

    #[test]
    fn settings_without_meaning_are_refused() {
        assert_eq!(AdamConfig::new(1e-3).validate(), Ok(()));
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(AdamConfig::new(rate).validate().is_err(), "{rate}");
        }
        assert!(AdamConfig { beta1: 1.0, ..AdamConfig::new(1e-3) }.validate().is_err());
        assert!(AdamConfig { epsilon: 0.0, ..AdamConfig::new(1e-3) }.validate().is_err());
    }
}
