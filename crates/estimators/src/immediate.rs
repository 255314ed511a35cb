//! The gradient of each step as if the state before it were a constant.

use rtrl_cells::Stack;
use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use crate::{Cost, Memoryless, Observed, Rule};

/// The immediate derivative: the credit of a loss goes no further back than its own step, `∂L_t/∂θ ≈ δ_tᵀ I_t`.
///
/// The cheapest rule that learns recurrent weights at all: the baseline against which the memory of every other
/// estimator has to pay. With windows of any length it is equal to [`Bptt`](crate::Bptt) in windows of one
/// step.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImmediateConfig {}

/// The estimator of [`ImmediateConfig`].
pub type Immediate<T> = Memoryless<T, ImmediateConfig>;

impl Rule for ImmediateConfig {
    fn observe<T: Scalar>(&self, step: Observed<'_, T>, gradient: &mut [T]) {
        step.stack.descend(step.weights, step.trace, step.delta, step.backward);
        step.stack.accumulate_outer(step.backward, step.trace, gradient);
    }

    fn cost<T: Scalar>(&self, stack: &Stack<T>) -> Cost {
        let (propagate, gradient) = (stack.descend_macs() as f64, stack.linear().dense_weights() as f64);
        Cost { propagate, gradient, ..Cost::default() }
    }
}
