//! e-prop with symmetric feedback.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::Stack;
use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use crate::{BuildEstimator, EstimatorError, GradientEstimator, Influence, Order, Plan, Scope, Transport};

/// Settings of e-prop: none.
///
/// `J_t = (∂φ/∂s_{t-1}) J_{t-1} + I_t`, layer by layer: influence passes from step to step only through the
/// leak of a unit (the update gate of a GRU, the forget gate of an LSTM), and through no recurrent weight. On
/// leaky units of constant rate it coincides with RFLO of that rate; on vanilla units, which have no leak, only
/// the present step is left.
///
/// # Reference
/// Bellec et al., "A solution to the learning dilemma for recurrent networks of spiking neurons", Nature Communications
/// 11 (2020): eligibility traces of equation 13, symmetric learning signals.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpropConfig {}

impl BuildEstimator for EpropConfig {
    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        let plan = Plan { transport: Transport::Direct, ..Plan::new(lanes.len(), window) };
        Ok(Box::new(Influence::of_order(stack, Order::Closure, Scope::Layer, plan)?))
    }
}
