//! A gradient for each lane.

use std::sync::Arc;

use rtrl_cells::{Input, Stack};
use rtrl_sparse::{Lanes, Scalar};

use crate::groups::Groups;
use crate::{EstimatorConfig, EstimatorError, GradientEstimator};

/// An estimator with a gradient for each lane, to be clipped or weighted before the gradients are summed. The
/// calls are those of a [`GradientEstimator`], but the gradients are held here.
///
/// Every lane has an estimator of its own. Compared with [`EstimatorConfig::build`] this costs memory for
/// `lanes` gradients and, where the lanes would fill SIMD registers together, time.
#[derive(Debug)]
pub struct PerLane<T> {
    lanes: Groups<T>,
    gradients: Vec<Vec<T>>,
}

impl<T: Scalar> PerLane<T> {
    /// An estimator of `config` for each of `lanes` lanes, for `stack` and windows of at most `window` steps.
    ///
    /// # Errors
    /// As [`EstimatorConfig::build`].
    pub fn new(
        config: &EstimatorConfig,
        stack: Arc<Stack<T>>,
        lanes: usize,
        window: usize,
    ) -> Result<Self, EstimatorError> {
        if lanes == 0 {
            return Err(EstimatorError::Zero { what: "lanes" });
        }
        let gradients = vec![vec![T::ZERO; stack.weights_len()]; lanes];
        let groups = (0..lanes).map(|lane| lane..lane + 1).collect();
        let make = |stack, lanes| config.for_lanes(stack, lanes, window);
        Ok(Self { lanes: Groups::new(stack, groups, make)?, gradients })
    }

    /// All lanes as one estimator, for calls that do not involve the gradient:
    /// [`step`](GradientEstimator::step), [`hidden`](GradientEstimator::hidden),
    /// [`forget`](GradientEstimator::forget), ….
    pub fn estimator(&mut self) -> &mut dyn GradientEstimator<T> {
        &mut self.lanes
    }

    /// [`GradientEstimator::step`].
    ///
    /// # Panics
    /// As there.
    pub fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]) {
        self.lanes.step(weights, input, starts);
    }

    /// [`GradientEstimator::hidden`].
    pub fn hidden(&self) -> Lanes<'_, T> {
        self.lanes.hidden()
    }

    /// [`GradientEstimator::observe`], each lane into its own gradient.
    ///
    /// # Panics
    /// As there.
    pub fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>) {
        self.lanes.observe_each(weights, loss_gradient, &mut self.gradients);
    }

    /// [`GradientEstimator::finish_window`], each lane into its own gradient.
    ///
    /// # Panics
    /// As there.
    pub fn finish_window(&mut self, weights: &[T]) {
        self.lanes.finish_each(weights, &mut self.gradients);
    }

    /// The gradient of each lane, one number for each weight: the sum since the caller has last zeroed it.
    pub fn gradients(&mut self) -> impl Iterator<Item = &mut [T]> {
        self.gradients.iter_mut().map(|gradient| &mut gradient[..])
    }
}
