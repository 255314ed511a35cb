//! Adam.

use std::ops::Range;

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use super::{Build, Optimizer, check, check_decay, check_rate, relaid};
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
}

impl Build for AdamConfig {
    fn build<T: Scalar>(&self, len: usize) -> Box<dyn Optimizer<T>> {
        Box::new(Adam::new(self.clone(), len))
    }

    fn validate(&self) -> Result<(), ConfigError> {
        check_rate(self.learning_rate)?;
        check_decay("optimizer.beta1", self.beta1)?;
        check_decay("optimizer.beta2", self.beta2)?;
        let epsilon = self.epsilon;
        check("optimizer.epsilon", "a positive number", epsilon > 0.0 && epsilon.is_finite(), epsilon)
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }
}

/// Settings of [`Adam`] with decoupled weight decay: each update also takes `learning_rate * weight_decay` of each weight
/// away.
///
/// # Reference
/// Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, arXiv:1711.05101.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWConfig {
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
    /// λ, the decay.
    #[serde(default = "weight_decay")]
    pub weight_decay: f64,
}

fn weight_decay() -> f64 {
    0.01
}

impl AdamWConfig {
    /// The defaults of the reference with this learning rate.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        let AdamConfig { beta1, beta2, epsilon, .. } = AdamConfig::new(learning_rate);
        Self { learning_rate, beta1, beta2, epsilon, weight_decay: weight_decay() }
    }

    fn adam(&self) -> AdamConfig {
        let Self { learning_rate, beta1, beta2, epsilon, .. } = *self;
        AdamConfig { learning_rate, beta1, beta2, epsilon }
    }
}

impl Build for AdamWConfig {
    fn build<T: Scalar>(&self, len: usize) -> Box<dyn Optimizer<T>> {
        self.adam().build(len)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        self.adam().validate()?;
        let decay = self.weight_decay;
        check("optimizer.weight_decay", "a number, 0 or more", decay >= 0.0 && decay.is_finite(), decay)
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
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

impl<T: Scalar> Persist for Adam<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.slice("mean", &mut self.mean)?;
        archive.slice("square", &mut self.square)?;
        archive.value("powers", &mut self.powers)
    }
}

impl<T: Scalar> Optimizer<T> for Adam<T> {
    fn begin(&mut self) {
        self.powers = (self.powers.0 * self.config.beta1, self.powers.1 * self.config.beta2);
    }

    fn update(&mut self, range: Range<usize>, weights: &mut [T], gradient: &[T], learning_rate: f64) {
        let len = self.mean.len();
        assert_eq!((weights.len(), gradient.len()), (len, len), "number of weights");
        let AdamConfig { beta1, beta2, epsilon, .. } = self.config;
        let rate = T::from_f64(learning_rate / (1.0 - self.powers.0));
        let correction = T::from_f64(1.0 / (1.0 - self.powers.1));
        let (b1, b2, epsilon) = (T::from_f64(beta1), T::from_f64(beta2), T::from_f64(epsilon));
        let (c1, c2) = (T::from_f64(1.0 - beta1), T::from_f64(1.0 - beta2));
        let state = self.mean[range.clone()].iter_mut().zip(&mut self.square[range.clone()]);
        for ((w, &g), (m, v)) in weights[range.clone()].iter_mut().zip(&gradient[range]).zip(state) {
            // Both decay for ever where no gradient comes any more.
            *m = (b1 * *m + c1 * g).flush();
            *v = (b2 * *v + c2 * (g * g)).flush();
            *w -= rate * *m / ((*v * correction).sqrt() + epsilon);
        }
    }

    fn relay(&mut self, origin: &[Option<u32>]) {
        self.mean = relaid(&self.mean, origin);
        self.square = relaid(&self.square, origin);
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
        adam.begin();
        adam.update(0..1, &mut w, &g, 0.1);
        let first = 1.0 - 0.1 * 2.0 / (2.0 + 1e-8);
        assert!((w[0] - first).abs() < 1e-12, "{}", w[0]);
        g[0] = -1.0;
        adam.begin();
        adam.update(0..1, &mut w, &g, 0.1);
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
