//! RTRL along a random selection of paths.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::Stack;
use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use crate::{BuildEstimator, EstimatorError, GradientEstimator, Influence, Order, Plan, Scope, Transport};

/// Settings of random-k-path propagation: RTRL in which each row of D keeps its diagonal entry and `paths`
/// others.
///
/// The entries are selected at random, once; when masks change, again from the same seed. With as many paths as
/// units this is RTRL. With none, on cells of one state per unit whose rows reach that state alone, it is
/// SnAp-1.
///
/// # Reference
/// Shalev-Merin, "Massive redundancy in gradient transport enables sparse online learning", arXiv:2603.15195 (2026).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomPathsConfig {
    /// k: entries of each row of D that are kept besides the diagonal.
    pub paths: usize,
    /// Seed of the selection.
    #[serde(default)]
    pub seed: u64,
}

impl Default for RandomPathsConfig {
    /// k = 4, the reference's choice for any number of units.
    fn default() -> Self {
        Self { paths: 4, seed: 0 }
    }
}

impl BuildEstimator for RandomPathsConfig {
    fn reseed(&mut self, by: u64) {
        self.seed = self.seed.wrapping_add(by);
    }

    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        let plan = Plan {
            transport: Transport::Thinned { entries: self.paths, seed: self.seed },
            ..Plan::new(lanes.len(), window)
        };
        Ok(Box::new(Influence::of_order(stack, Order::Closure, Scope::Stack, plan)?))
    }
}
