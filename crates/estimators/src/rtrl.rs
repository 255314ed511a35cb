//! Exact RTRL: the whole influence matrix.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::Stack;
use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use crate::influence::narrowest;
use crate::{BuildEstimator, EstimatorError, GradientEstimator, Influence, Order, Plan, Schedule, Scope};

/// Settings of exact RTRL.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RtrlConfig {
    /// Keeps every entry of J, the structurally zero ones too: the textbook's dense J.
    #[serde(default)]
    pub dense: bool,
    /// See [`SnapConfig::schedule`](crate::SnapConfig::schedule).
    #[serde(default)]
    pub schedule: Schedule,
    /// See [`SnapConfig::truncate`](crate::SnapConfig::truncate).
    #[serde(default)]
    pub truncate: bool,
}

impl BuildEstimator for RtrlConfig {
    fn narrowest(&self) -> usize {
        narrowest(self.truncate)
    }

    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        let order = if self.dense { Order::All } else { Order::Closure };
        let plan =
            Plan { schedule: self.schedule, truncate: self.truncate, ..Plan::new(lanes.len(), window) };
        Ok(Box::new(Influence::of_order(stack, order, Scope::Stack, plan)?))
    }
}
