//! No recurrent learning at all.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Input, Rollout, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, Scalar};
use serde::{Deserialize, Serialize};

use crate::registry::Build;
use crate::{Cost, EstimatorError, GradientEstimator};

/// Settings of [`Frozen`]: none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrozenConfig {}

/// Runs the net and estimates a gradient of zero: only the readout learns. The floor of every comparison.
pub struct Frozen<T> {
    stack: Arc<Stack<T>>,
    rollout: Rollout<T>,
    trace: Trace<T>,
}

impl Build for FrozenConfig {
    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        _window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        let lanes = lanes.len();
        let (rollout, trace) = (stack.rollout(lanes), stack.trace(lanes));
        Ok(Box::new(Frozen { stack, rollout, trace }))
    }
}

impl<T: Scalar> Persist for Frozen<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.part("rollout", &mut self.rollout)
    }
}

impl<T: Scalar> GradientEstimator<T> for Frozen<T> {
    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        self.stack.forward(weights, input, starts, &mut self.rollout, &mut self.trace);
    }

    fn hidden(&self) -> Lanes<'_, T> {
        self.rollout.state().slice(self.stack.hidden())
    }

    fn observe(&mut self, _weights: &[T], _hidden_gradient: Lanes<'_, T>, _gradient: &mut [T]) {}

    fn finish_window(&mut self, _weights: &[T], _gradient: &mut [T]) {}

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.rollout.state().mark_diverged(diverged);
    }

    fn forget(&mut self, lane: usize) {
        self.rollout.clear_lane(lane);
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, _origin: &[Option<u32>]) {
        self.trace = stack.trace(self.rollout.state().lanes());
        self.stack = stack;
    }

    fn cost(&self) -> Cost {
        Cost {
            forward: self.stack.linear().dense_weights() as f64,
            bytes: self.rollout.bytes() + self.trace.bytes(),
            ..Cost::default()
        }
    }
}
