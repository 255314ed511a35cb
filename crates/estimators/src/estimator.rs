//! The seam between estimators and whatever trains with them.

use rtrl_cells::Input;
use rtrl_sparse::{Lanes, Scalar};

use crate::Cost;

/// Something that turns the gradients of the losses by the hidden state into a gradient by the weights, step by step.
///
/// The protocol of one step is [`step`](Self::step), then [`observe`](Self::observe), exactly once each; after any
/// number of steps up to the window that the estimator was built for, [`finish_window`](Self::finish_window). Weights
/// may change after `finish_window` and at no other time. With a window of 1 learning is fully online.
///
/// Arrays are `[len][lanes]`; weights and gradients are flat slices in the order of
/// [`Stack::linear`](rtrl_cells::Stack::linear). Results do not depend on the number of threads, and each lane's part
/// of the gradient does not depend on the other lanes.
pub trait GradientEstimator<T: Scalar>: Send {
    /// Advances every lane by one input. Lanes with `starts[b]` first forget state and influence.
    ///
    /// # Panics
    /// If sizes do not fit, or the window is full.
    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]);

    /// The hidden state h_t that a readout sees, `[hidden][lanes]`.
    fn hidden(&self) -> Lanes<'_, T>;

    /// Tells `∂L_t/∂h_t` of the step just made (zeros where there is no loss), `[hidden][lanes]`. Adds to `gradient`
    /// what can be added now: everything, for an estimator that streams; nothing, for one that waits for the window's
    /// end.
    ///
    /// # Panics
    /// If sizes do not fit.
    fn observe(&mut self, weights: &[T], hidden_gradient: Lanes<'_, T>, gradient: &mut [T]);

    /// Adds to `gradient` whatever the steps since the last call still owe it. The sum of all additions is
    /// `Σ ∂L_t/∂θ` over lanes and over those steps, as far as the estimator sees it.
    ///
    /// # Panics
    /// If sizes do not fit.
    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]);

    /// Multiply-adds and bytes, from the structure.
    fn cost(&self) -> Cost;
}
