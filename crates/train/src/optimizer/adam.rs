//! Adam.

use std::ops::Range;

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Loop, Scalar, at_level};
use serde::{Deserialize, Serialize};

use super::build::{
    Build, Optimizer, check_decay, check_rate, least_squared, noticed, relaid, squared, taken,
};
use crate::ConfigError;
use crate::fields::check;

/// Settings of [`Adam`]. The defaults are those of the reference; the learning rate has no default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamConfig {
    /// α, the step size.
    #[serde(alias = "lr")]
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

/// Settings of [`Adam`] with decoupled weight decay: each update also subtracts `learning_rate * weight_decay * w`
/// from each weight w.
///
/// # Reference
/// Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, arXiv:1711.05101.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWConfig {
    /// α, the step size.
    #[serde(alias = "lr")]
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
    /// λ, the weight decay.
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
/// where t counts the updates of the single weight, so that a weight that grows late begins like those of a new
/// net. If t counted the updates of the net, its first step would be (1 - β₁) / √(1 - β₂) times α, 3.2 by default.
/// Moments and squares that single precision holds only as subnormal numbers are 0.
///
/// # Reference
/// Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.
#[derive(Debug, Clone)]
pub struct Adam<T> {
    config: AdamConfig,
    mean: Vec<T>,
    square: Vec<T>,
    /// β₁ᵗ and β₂ᵗ of the weights that have existed since the first update.
    powers: (f64, f64),
    /// β₁ᵗ and β₂ᵗ of each weight, before its next update. Empty while all weights have existed since the first
    /// update.
    ages: Vec<(f64, f64)>,
}

impl<T: Scalar> Adam<T> {
    /// An optimizer for `len` weights.
    pub fn new(config: AdamConfig, len: usize) -> Self {
        let (mean, square) = (vec![T::ZERO; len], vec![T::ZERO; len]);
        Self { config, mean, square, powers: (1.0, 1.0), ages: Vec::new() }
    }
}

impl<T: Scalar> Persist for Adam<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.slice("mean", &mut self.mean)?;
        archive.slice("square", &mut self.square)?;
        archive.value("powers", &mut self.powers)?;
        archive.vec("ages", &mut self.ages)?;
        let (found, len) = (self.ages.len(), self.mean.len());
        archive.check("ages", found == 0 || found == len, || format!("{found} ages of {len} weights"))
    }
}

impl<T: Scalar> Optimizer<T> for Adam<T> {
    fn begin(&mut self) {
        let AdamConfig { beta1, beta2, .. } = self.config;
        self.powers = (self.powers.0 * beta1, self.powers.1 * beta2);
    }

    fn update(
        &mut self,
        range: Range<usize>,
        weights: &mut [T],
        gradient: &mut [T],
        scale: f64,
        learning_rate: f64,
    ) {
        let len = self.mean.len();
        assert_eq!((weights.len(), gradient.len()), (len, len), "number of weights");
        let AdamConfig { beta1, beta2, epsilon, .. } = self.config;
        let decays = Decays {
            keep: (T::from_f64(beta1), T::from_f64(beta2)),
            add: (T::from_f64(1.0 - beta1), T::from_f64(1.0 - beta2)),
            least: least_squared(1.0 - beta2),
            epsilon: T::from_f64(epsilon),
        };
        let corrected = |powers: (f64, f64)| {
            (T::from_f64(learning_rate / (1.0 - powers.0)), T::from_f64(1.0 / (1.0 - powers.1)))
        };
        let (weights, gradient) = (&mut weights[range.clone()], &mut gradient[range.clone()]);
        let (mean, square) = (&mut self.mean[range.clone()], &mut self.square[range.clone()]);
        let scale = T::from_f64(scale);
        if self.ages.is_empty() {
            let corrected = corrected(self.powers);
            at_level(SameAge { decays, weights, gradient, scale, mean, square, corrected });
        } else {
            let weights = weights.iter_mut().zip(gradient).zip(mean.iter_mut().zip(square));
            for (((w, g), (m, v)), age) in weights.zip(&mut self.ages[range]) {
                *age = (age.0 * beta1, age.1 * beta2);
                decays.step(w, taken(g, scale), m, v, corrected(*age));
            }
        }
    }

    fn relay(&mut self, origin: &[Option<u32>]) {
        self.mean = relaid(&self.mean, origin);
        self.square = relaid(&self.square, origin);
        if !self.ages.is_empty() || origin.contains(&None) {
            let age = |w: u32| self.ages.get(w as usize).copied().unwrap_or(self.powers);
            self.ages = origin.iter().map(|origin| origin.map_or((1.0, 1.0), age)).collect();
        }
    }
}

/// The settings, rounded.
#[derive(Clone, Copy)]
struct Decays<T> {
    /// β₁ and β₂.
    keep: (T, T),
    /// 1 - β₁ and 1 - β₂.
    add: (T, T),
    /// See [`least_squared`].
    least: T,
    epsilon: T,
}

impl<T: Scalar> Decays<T> {
    /// The update of one weight; `corrected` are α / (1 - β₁ᵗ) and 1 / (1 - β₂ᵗ).
    #[inline(always)]
    fn step(self, w: &mut T, g: T, m: &mut T, v: &mut T, corrected: (T, T)) {
        // Without `flush`, the moments of a weight that gets no gradient any more would become subnormal, which is slow.
        *m = (self.keep.0 * *m + self.add.0 * noticed(g)).flush();
        *v = (self.keep.1 * *v + self.add.1 * squared(g, self.least)).flush();
        *w -= corrected.0 * *m / ((*v * corrected.1).sqrt() + self.epsilon);
    }
}

/// An update of weights that have existed for the same number of updates.
struct SameAge<'a, T> {
    decays: Decays<T>,
    weights: &'a mut [T],
    gradient: &'a mut [T],
    scale: T,
    mean: &'a mut [T],
    square: &'a mut [T],
    corrected: (T, T),
}

impl<T: Scalar> Loop for SameAge<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { decays, weights, gradient, scale, mean, square, corrected } = self;
        for (((w, g), m), v) in weights.iter_mut().zip(gradient).zip(mean).zip(square) {
            decays.step(w, taken(g, scale), m, v, corrected);
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
        let mut w = [1.0];
        adam.begin();
        adam.update(0..1, &mut w, &mut [2.0], 1.0, 0.1);
        let first = 1.0 - 0.1 * 2.0 / (2.0 + 1e-8);
        assert!((w[0] - first).abs() < 1e-12, "{}", w[0]);
        adam.begin();
        adam.update(0..1, &mut w, &mut [-0.5], 2.0, 0.1);
        let (m, v): (f64, f64) = (0.08 / 0.19, 0.004996 / 0.001999);
        let second = first - 0.1 * m / (v.sqrt() + 1e-8);
        assert!((w[0] - second).abs() < 1e-12, "{} and {second}", w[0]);
    }

    /// A weight that grows late takes the same steps as a weight that existed from the first update on. The weight
    /// that stays is not affected.
    #[test]
    fn a_grown_weight_begins_as_one_of_a_new_net() {
        let gradient = |t: u32| f64::from(t).sin() + 0.3;
        let update = |adam: &mut Adam<f64>, w: &mut [f64], g: &[f64]| {
            adam.begin();
            adam.update(0..w.len(), w, &mut g.to_vec(), 1.0, 0.1);
        };
        let adam = |len| Adam::<f64>::new(AdamConfig::new(0.1), len);
        let (mut pair, mut alone, mut fresh) = (adam(2), adam(1), adam(1));
        let (mut w, mut stays, mut new) = ([0.5, 0.7], [0.7], [0.0]);
        for t in 0..5000 {
            update(&mut pair, &mut w, &[1.0, gradient(t)]);
            update(&mut alone, &mut stays, &[gradient(t)]);
        }
        assert_eq!(w[1], stays[0]);
        pair.relay(&[Some(1), None]);
        let mut w = [w[1], 0.0];
        for t in 5000..5100 {
            update(&mut pair, &mut w, &[gradient(t), gradient(t)]);
            update(&mut alone, &mut stays, &[gradient(t)]);
            update(&mut fresh, &mut new, &[gradient(t)]);
            assert_eq!(w, [stays[0], new[0]], "update {t}");
            // The step of |m̂| = √v̂, up to rounding.
            assert!(t > 5000 || (w[1].abs() - 0.1).abs() < 1e-8, "first step {}", w[1]);
        }
    }

    #[test]
    fn the_age_of_weights_is_saved() {
        let update = |adam: &mut Adam<f32>, w: &mut [f32]| {
            adam.begin();
            adam.update(0..2, w, &mut [0.3, -0.2], 1.0, 0.1);
        };
        let mut adam = Adam::<f32>::new(AdamConfig::new(0.1), 1);
        (0..100).for_each(|_| adam.begin());
        adam.relay(&[Some(0), None]);
        let mut w = [1.0, 0.0];
        update(&mut adam, &mut w);
        let file = rtrl_checkpoint::to_bytes(|archive| adam.persist(archive)).unwrap();
        let mut again = Adam::<f32>::new(AdamConfig::new(0.1), 2);
        rtrl_checkpoint::from_bytes(&file, |archive| again.persist(archive)).unwrap();
        let mut same = w;
        update(&mut adam, &mut w);
        update(&mut again, &mut same);
        assert_eq!(w, same);
        // Ages of another number of weights are damage.
        let file = rtrl_checkpoint::to_bytes(|archive| {
            archive.slice("mean", &mut [0.0_f32; 2])?;
            archive.slice("square", &mut [0.0_f32; 2])?;
            archive.value("powers", &mut (0.9, 0.999))?;
            archive.vec("ages", &mut vec![(0.9, 0.999)])
        });
        assert!(rtrl_checkpoint::from_bytes(&file.unwrap(), |archive| again.persist(archive)).is_err());
    }

    /// In single precision a square of less than 1.2e-38 is subnormal.
    #[test]
    fn gradients_whose_squares_are_subnormal_have_none_and_greater_ones_have() {
        for (gradient, mean, square) in [
            (0.0, 0.0, 0.0),
            (1e-31_f32, 0.0, 0.0),
            (1e-25, 1e-26, 0.0),
            (3.2e-18, 3.2e-19, 0.0),
            (3.7e-18, 3.7e-19, 1.37e-38),
        ] {
            let mut adam = Adam::<f32>::new(AdamConfig::new(0.1), 2);
            adam.begin();
            adam.update(0..2, &mut [1.0, 1.0], &mut [gradient, -gradient], 1.0, 0.1);
            let near =
                |found: f32, expected: f64| (f64::from(found) - expected).abs() <= 1e-2 * expected.abs();
            assert!(near(adam.mean[0], mean) && near(adam.mean[1], -mean), "{gradient}: {:?}", adam.mean);
            assert!(adam.square.iter().all(|&v| near(v, square)), "{gradient}: {:?}", adam.square);
        }
        let mut adam = Adam::<f32>::new(AdamConfig::new(0.1), 1);
        let mut w = [1.0];
        adam.begin();
        adam.update(0..1, &mut w, &mut [f32::NAN], 1.0, 0.1);
        assert!(w[0].is_nan());
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
