//! A normalized step that shrinks the error by a fixed share.

use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use super::build::{Build, Optimizer, Whole};
use super::sgd::SgdConfig;
use crate::ConfigError;
use crate::fields::check;

/// Settings of gradient descent with a normalized step: each update is as long as it takes to shrink the error of the
/// same step by a fixed share, as far as the loss is linear over it.
///
/// The update is `w ← w - μ ‖δ‖² / (‖∇L‖² + ε ‖δ‖²) ∇L`, where ‖δ‖ is the root of twice the loss (for squared errors, the
/// Euclidean norm of the errors) and ‖∇L‖ is taken over all parameters, recurrent ones and readout. What is normalized is
/// thus the gradient of the error, `∇‖δ‖ = ∇L / ‖δ‖`: for a linear net that is its input, and this is NLMS. Groups with
/// rates of their own shrink the error by the mean of the rates, weighted by the squares of their gradients.
///
/// # Reference
/// Nagumo & Noda, "A learning method for system identification", IEEE TAC 12 (1967), for linear models; Polyak,
/// "Introduction to optimization" (1987), section 5.3, for the step toward a loss of 0 of any model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NlmsConfig {
    /// μ, the share of the error that an update removes, at most 1. It does not depend on the scale of inputs or errors.
    #[serde(alias = "lr", default = "share")]
    pub learning_rate: f64,
    /// ε, which bounds the step where the error hardly depends on the weights.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
}

fn share() -> f64 {
    0.1
}

fn epsilon() -> f64 {
    1e-3
}

impl NlmsConfig {
    /// Updates that remove the share `learning_rate` of the error.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, epsilon: epsilon() }
    }
}

impl Build for NlmsConfig {
    const WHOLE: bool = true;

    fn build<T: Scalar>(&self, len: usize) -> Box<dyn Optimizer<T>> {
        SgdConfig::new(self.learning_rate).build(len)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let share = self.learning_rate;
        check("optimizer.learning_rate", "above 0, at most 1", share > 0.0 && share <= 1.0, share)?;
        let epsilon = self.epsilon;
        check("optimizer.epsilon", "a positive number", epsilon > 0.0 && epsilon.is_finite(), epsilon)
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn factor(&self, update: &Whole) -> f64 {
        // Without an error there is no gradient.
        if update.error == 0.0 {
            return 1.0;
        }
        1.0 / (self.epsilon + update.squares / update.error.powi(2))
    }
}

#[cfg(test)]
mod tests {
    use super::super::update::testing::linear_error;
    use super::*;

    #[test]
    fn the_error_of_a_linear_problem_shrinks_by_the_share() {
        for seed in 0..100 {
            for share in [0.01, 0.3, 1.0] {
                let config = NlmsConfig { learning_rate: share, epsilon: 1e-12 };
                let (before, after) = linear_error(&config.into(), seed);
                // The gradient and the weights are rounded to `f32`.
                assert!(
                    (after - (1.0 - share) * before).abs() < 1e-5 * before.abs() + 1e-6,
                    "{before} {after}"
                );
            }
        }
    }

    #[test]
    fn a_step_by_hand() {
        let config = NlmsConfig { learning_rate: 0.5, epsilon: 0.25 };
        // ‖∇‖δ‖‖² = 12 / 2².
        assert_eq!(config.factor(&Whole { step: 0.0, squares: 12.0, error: 2.0 }), 1.0 / 3.25);
    }
}
