//! SnAp-n: the part of J that is structurally nonzero within n steps.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::Stack;
use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use crate::influence::narrowest;
use crate::{BuildEstimator, EstimatorError, GradientEstimator, Influence, Order, Plan, Schedule, Scope};

/// Settings of SnAp-n.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapConfig {
    /// n: J is kept where it is structurally nonzero within n steps.
    pub order: usize,
    /// Whether reach crosses layers. By default SnAp-1 goes layer by layer, and SnAp-n from n = 2 on sees the
    /// whole stack: see [`scope`](Self::scope).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// How the recursion is computed. Changes time and memory, and the numbers only by rounding.
    #[serde(default)]
    pub schedule: Schedule,
    /// Forgets J at the end of each window. Exact, and far cheaper, if every lane begins a new sequence with
    /// every window; otherwise truncates credit at the window's end.
    #[serde(default)]
    pub truncate: bool,
}

impl SnapConfig {
    /// SnAp-n with n = `order` and all other settings as by default.
    #[must_use]
    pub fn new(order: usize) -> Self {
        Self { order, ..Self::default() }
    }

    /// The scope in use. By default SnAp-1 goes layer by layer, at about the cost of BPTT. Seen as one cell, a
    /// dense stack would cost hundreds of times as much per step, since every row of a lower layer reaches most
    /// states above at once. From n = 2 on the default is the whole stack, in which SnAp-n becomes exact as n
    /// grows.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope.unwrap_or(if self.order == 1 { Scope::Layer } else { Scope::Stack })
    }
}

impl Default for SnapConfig {
    fn default() -> Self {
        Self { order: 1, scope: None, schedule: Schedule::default(), truncate: false }
    }
}

impl BuildEstimator for SnapConfig {
    fn narrowest(&self) -> usize {
        narrowest(self.truncate)
    }

    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        if self.order == 0 {
            return Err(EstimatorError::Zero { what: "the order n of SnAp-n" });
        }
        let (scope, schedule, truncate) = (self.scope(), self.schedule, self.truncate);
        let plan = Plan { schedule, truncate, ..Plan::new(lanes.len(), window) };
        Ok(Box::new(Influence::of_order(stack, Order::Steps(self.order), scope, plan)?))
    }
}
