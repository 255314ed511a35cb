//! No recurrent learning at all.

use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Input, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, Scalar};
use serde::{Deserialize, Serialize};

use crate::registry::Build;
use crate::runner::Runner;
use crate::{Cost, EstimatorError, GradientEstimator};

/// Settings of [`Frozen`]: none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrozenConfig {}

/// Runs the net and estimates a gradient of zero: only the readout learns. The floor of every comparison.
pub struct Frozen<T> {
    runner: Runner<T>,
    trace: Trace<T>,
}

impl Build for FrozenConfig {
    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        let trace = stack.trace(lanes.len());
        Ok(Box::new(Frozen { runner: Runner::new(stack, lanes.len(), window), trace }))
    }
}

impl<T: Scalar> Persist for Frozen<T> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.runner.persist(archive)
    }
}

impl<T: Scalar> GradientEstimator<T> for Frozen<T> {
    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        self.runner.step(weights, input, starts, &mut self.trace);
    }

    fn hidden(&self) -> Lanes<'_, T> {
        self.runner.hidden()
    }

    fn observe(&mut self, weights: &[T], hidden_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        self.runner.observe(weights, hidden_gradient, gradient);
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        self.runner.finish(weights, gradient);
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.runner.rollout.state().mark_diverged(diverged);
    }

    fn forget(&mut self, lane: usize) {
        self.runner.forget(lane);
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        self.runner.relay(stack, origin);
        self.trace = self.runner.stack.trace(self.runner.lanes);
    }

    fn cost(&self) -> Cost {
        Cost {
            forward: self.runner.stack.linear().dense_weights() as f64,
            bytes: size_of::<Self>() + self.runner.bytes() + self.trace.bytes(),
            ..Cost::default()
        }
    }
}
