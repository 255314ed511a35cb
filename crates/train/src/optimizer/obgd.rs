//! ObGD: gradient descent whose step is bounded so that it does not overshoot.

use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use super::build::{Build, Optimizer, Whole, check_rate};
use super::sgd::SgdConfig;
use crate::ConfigError;
use crate::fields::check;

/// Settings of overshooting-bounded gradient descent (ObGD). Its learning rate is an upper bound and hardly needs to be
/// chosen: where it is too large the step is shortened.
///
/// Each update is `w ← w - α / max(1, M) ∇L`, where `M = α κ max(‖δ‖, 1) ‖∂‖δ‖/∂w‖₁` and ‖δ‖ is the root of twice the loss
/// (for squared errors, the Euclidean norm of the errors). ‖·‖₁ sums over all parameters, recurrent ones and readout.
/// A linear prediction from inputs of at most κ is then never corrected by more than its error, at any learning rate.
///
/// # Reference
/// Elsayed, Vasan & Mahmood, "Streaming deep reinforcement learning finally works", arXiv:2410.14606, algorithm 3, without
/// eligibility traces: the estimator's influence takes their place. The error of one prediction there is ‖δ‖ here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObgdConfig {
    /// α, the greatest step size.
    #[serde(alias = "lr", default = "rate")]
    pub learning_rate: f64,
    /// κ, how far below overshooting a step stays.
    #[serde(default = "kappa")]
    pub kappa: f64,
}

fn rate() -> f64 {
    1.0
}

fn kappa() -> f64 {
    2.0
}

impl ObgdConfig {
    /// The κ of the reference, 2, with this learning rate, which is 1 there.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, kappa: kappa() }
    }
}

impl Build for ObgdConfig {
    const WHOLE: bool = true;

    fn build<T: Scalar>(&self, len: usize) -> Box<dyn Optimizer<T>> {
        SgdConfig::new(self.learning_rate).build(len)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        check_rate(self.learning_rate)?;
        check("optimizer.kappa", "a positive number", self.kappa > 0.0 && self.kappa.is_finite(), self.kappa)
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn factor(&self, update: &Whole) -> f64 {
        // Without an error there is no gradient.
        if update.error == 0.0 {
            return 1.0;
        }
        let overshoot = self.kappa * update.error.max(1.0) * (update.step / update.error);
        1.0 / overshoot.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::update::testing::linear_error;
    use super::*;
    use crate::SgdConfig;

    #[test]
    fn no_linear_problem_is_overshot_at_any_rate() {
        let mut overshot = 0;
        for seed in 0..200 {
            for rate in [1e-3, 0.1, 1.0, 30.0, 1e6] {
                let (before, after) = linear_error(&ObgdConfig::new(rate).into(), seed);
                // The gradient and the weights are rounded to `f32`.
                let slack = 1e-5 * before.abs() + 1e-6;
                assert!(after * before >= -slack && after.abs() <= before.abs() + slack, "{before} {after}");
                // The negative control: the same problems without the bound.
                let (before, after) = linear_error(&SgdConfig::new(rate).into(), seed);
                overshot += u32::from(after * before < 0.0);
            }
        }
        assert!(overshot > 400, "{overshot}");
    }

    #[test]
    fn a_step_by_hand() {
        let config = ObgdConfig { learning_rate: 0.5, kappa: 3.0 };
        // M = 3 · 2 · 0.5 · ‖∇L‖₁ / ‖δ‖, where ‖∇L‖₁ = 8 and ‖δ‖ = 2.
        assert_eq!(config.factor(&Whole { step: 4.0, squares: 20.0, error: 2.0 }), 1.0 / 12.0);
        // A small error counts as 1: M = 3 · 1 · 0.5 · 0.2 / 0.1.
        let factor = config.factor(&Whole { step: 0.1, squares: 0.02, error: 0.1 });
        assert!((factor - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(config.factor(&Whole { step: 0.01, squares: 1.0, error: 1.0 }), 1.0);
    }
}
