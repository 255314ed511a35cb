//! A rule for each step: say here which.

use rtrl_cells::Stack;
use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use crate::{Cost, Memoryless, Observed, Rule};

/// The immediate derivative, times a factor: `∂L_t/∂θ ≈ share · δ_tᵀ I_t`.
///
/// # Reference
/// Where the rule is from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TemplateConfig {
    /// The factor. Default 0.5.
    pub share: f64,
}

impl Default for TemplateConfig {
    fn default() -> Self {
        Self { share: 0.5 }
    }
}

/// The estimator of [`TemplateConfig`].
pub type Template<T> = Memoryless<T, TemplateConfig>;

impl Rule for TemplateConfig {
    fn observe<T: Scalar>(&self, step: Observed<'_, T>, gradient: &mut [T]) {
        // δ through the layers leaves ∂L_t/∂z_t of every row; the weights of a row stand at its sources u.
        step.stack.descend(step.weights, step.trace, step.delta, step.backward);
        step.backward.rows.iter_mut().for_each(|row| *row *= T::from_f64(self.share));
        step.stack.accumulate_outer(step.backward, step.trace, gradient);
    }

    fn cost<T: Scalar>(&self, stack: &Stack<T>) -> Cost {
        // One more multiplication for each row, by the share.
        let propagate = stack.descend_macs() + stack.linear().pattern().rows();
        let gradient = stack.linear().dense_weights();
        Cost { propagate: propagate as f64, gradient: gradient as f64, ..Cost::default() }
    }
}
