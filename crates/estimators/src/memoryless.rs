//! Estimators that carry nothing from step to step but the net's state.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Backward, Input, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, LanesMut, Scalar};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{BuildEstimator, Cost, EstimatorError, GradientEstimator, LaneState, Runner};

/// What each step adds to the gradient, in an estimator whose only memory is the net's state. A rule is also
/// the estimator's settings: every rule is a [`BuildEstimator`] that builds a [`Memoryless`].
pub trait Rule:
    Debug + Clone + PartialEq + Default + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Adds the step's part to `gradient`, which has a number for each weight.
    fn observe<T: Scalar>(&self, step: Observed<'_, T>, gradient: &mut [T]);

    /// Multiply-adds of one step of one lane, the forward step aside.
    fn cost<T: Scalar>(&self, stack: &Stack<T>) -> Cost;
}

/// A step that was just made, with the gradient of its loss.
pub struct Observed<'a, T> {
    /// The net.
    pub stack: &'a Stack<T>,
    /// The weights of the net.
    pub weights: &'a [T],
    /// The trace of the step.
    pub trace: &'a Trace<T>,
    /// `∂L_t/∂s_t`, `[states][lanes]`; the rule may overwrite it.
    pub delta: &'a mut [T],
    /// Memory for going backwards.
    pub backward: &'a mut Backward<T>,
}

/// The estimator of a [`Rule`].
#[derive(Debug)]
pub struct Memoryless<T: Scalar, R> {
    runner: Runner<T>,
    trace: Trace<T>,
    delta: Vec<T>,
    backward: Backward<T>,
    rule: R,
}

impl<T: Scalar, R> Memoryless<T, R> {
    /// An estimator for `lanes` lanes and windows of at most `window` steps.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero.
    pub fn new(stack: Arc<Stack<T>>, lanes: usize, window: usize, rule: R) -> Self {
        let runner = Runner::new(stack, lanes, window);
        let stack = &runner.stack;
        let (trace, backward) = (stack.trace(lanes), stack.backward(lanes));
        Self { trace, backward, delta: vec![T::ZERO; stack.states() * lanes], runner, rule }
    }
}

impl<R: Rule> BuildEstimator for R {
    fn build<T: Scalar>(
        &self,
        stack: Arc<Stack<T>>,
        lanes: Range<usize>,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, EstimatorError> {
        Ok(Box::new(Memoryless::new(stack, lanes.len(), window, self.clone())))
    }
}

impl<T: Scalar, R> Persist for Memoryless<T, R> {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        self.runner.persist(archive)
    }
}

impl<T: Scalar, R: Rule> GradientEstimator<T> for Memoryless<T, R> {
    fn stack(&self) -> &Arc<Stack<T>> {
        &self.runner.stack
    }

    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        self.runner.step(weights, input, starts, &mut self.trace);
    }

    fn state(&self) -> Lanes<'_, T> {
        self.runner.state()
    }

    fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T]) {
        let (_, states) = self.runner.observe(weights, loss_gradient, gradient);
        let Self { runner: Runner { stack, lanes, .. }, trace, delta, backward, rule } = self;
        delta.fill(T::ZERO);
        delta[states.start * *lanes..states.end * *lanes].copy_from_slice(loss_gradient.values());
        rule.observe(Observed { stack, weights, trace, delta, backward }, gradient);
    }

    fn input_gradient(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, into: &mut LanesMut<'_, T>) {
        self.runner.input_gradient(weights, loss_gradient, &self.trace, into);
    }

    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]) {
        self.runner.finish(weights, gradient);
    }

    fn mark_diverged(&self, diverged: &mut [bool]) {
        self.runner.state().mark_diverged(diverged);
    }

    fn forget(&mut self, lane: usize) {
        self.runner.forget(lane);
    }

    fn lane(&self, lane: usize) -> LaneState<T> {
        self.runner.lane(lane)
    }

    fn set_lane(&mut self, lane: usize, carried: &LaneState<T>) {
        self.runner.set_lane(lane, carried);
    }

    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        self.runner.relay(stack, origin);
        let Runner { stack, lanes, .. } = &self.runner;
        (self.trace, self.backward) = (stack.trace(*lanes), stack.backward(*lanes));
    }

    fn cost(&self) -> Cost {
        let Self { runner, trace, delta, backward, rule } = self;
        Cost {
            forward: runner.stack.linear().dense_weights() as f64,
            bytes: size_of::<Self>()
                + runner.bytes()
                + trace.bytes()
                + size_of_val(&delta[..])
                + backward.bytes(),
            ..rule.cost(&runner.stack)
        }
    }
}
