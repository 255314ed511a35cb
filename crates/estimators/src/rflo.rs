//! Random-feedback local online learning.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::Stack;
use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use crate::{BuildEstimator, EstimatorError, GradientEstimator, Influence, Order, Plan, Scope, Transport};

/// Settings of RFLO as the SnAp paper compares it: `J_t = λ J_{t-1} + I_t`, layer by layer.
///
/// An eligibility trace that decays at a fixed rate: the product `D J` is dropped, and with it everything a unit does to
/// others or, through its weights, to itself. Exact where the recurrence is only a leak of rate λ.
///
/// # Reference
/// Murray, "Local online learning in recurrent networks with random feedback", eLife 8 (2019). The estimator takes
/// whatever gradient it is given: the exact one of the readout, as Menick et al., arXiv:2006.07232, compare it, or a
/// random projection of the error, which is a setting of the training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RfloConfig {
    /// λ: the share of J that is left after a step, in 0..=1.
    pub leak: f64,
}

impl Default for RfloConfig {
    /// λ = 0.9: ten steps of memory.
    fn default() -> Self {
        Self { leak: 0.9 }
    }
}

impl BuildEstimator for RfloConfig {
    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        if !(0.0..=1.0).contains(&self.leak) {
            return Err(EstimatorError::Range {
                what: "leak",
                from: 0.0,
                to: 1.0,
                found: self.leak.to_string(),
            });
        }
        let plan = Plan { transport: Transport::Constant(self.leak), ..Plan::new(lanes.len(), window) };
        Ok(Box::new(Influence::of_order(stack, Order::Steps(1), Scope::Layer, plan)?))
    }
}
