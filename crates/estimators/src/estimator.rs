//! The interface between estimators and the code that trains with them.

use std::fmt::Debug;
use std::sync::Arc;

use rtrl_cells::{Input, Stack};
use rtrl_checkpoint::Persist;
use rtrl_sparse::{Lanes, LanesMut, Scalar};
use serde::{Deserialize, Serialize};

use crate::{Cost, Schedule};

/// Something that turns the gradients of the losses by the hidden state into a gradient by the weights, step by step.
///
/// The protocol of one step is [`step`](Self::step), then [`observe`](Self::observe), exactly once each; after any
/// number of steps up to the window that the estimator was built for, [`finish_window`](Self::finish_window). Weights
/// may change after `finish_window` and at no other time. With a window of 1 learning is fully online.
///
/// Arrays are `[len][lanes]`; weights and gradients are flat slices in the order of
/// [`Stack::linear`](rtrl_cells::Stack::linear). Results do not depend on the number of threads, and each lane's part
/// of the gradient does not depend on the other lanes.
///
/// Every estimator refuses a call out of order or of the wrong size, before anything has changed.
///
/// [`Persist`] saves what is carried from window to window. Saving in the middle of a window is an error. A
/// restored estimator stands between windows, wherever it stood before.
pub trait GradientEstimator<T: Scalar>: Persist + Debug + Send {
    /// The net.
    fn stack(&self) -> &Arc<Stack<T>>;

    /// Advances every lane by one input. Lanes b with `starts[b]` first forget state and influence, NaN and
    /// infinities included. If the sequence that ends is no longer finite, it spoils no gradient after the
    /// window in which the next sequence begins.
    ///
    /// # Panics
    /// If sizes do not fit, a symbol is out of range, the window is full, or the step before was not observed.
    fn step(&mut self, weights: &[T], input: Input<'_, T>, starts: &[bool]);

    /// The state s_t of all layers, `[states][lanes]`. [`Stack::layer_states`](rtrl_cells::Stack::layer_states)
    /// gives the states of a layer.
    fn state(&self) -> Lanes<'_, T>;

    /// The hidden state h_t that a readout sees, `[hidden][lanes]`: the hidden part of the top layer.
    fn hidden(&self) -> Lanes<'_, T> {
        self.state().slice(self.stack().hidden())
    }

    /// Takes the gradient of the loss of the step just made, zeros where there is no loss. `loss_gradient` is
    /// `∂L_t/∂h_t`, `[hidden][lanes]`, or, for a loss that also depends on lower layers or on a cell's memory,
    /// `∂L_t/∂s_t`, `[states][lanes]`. Adds to `gradient` what can be added now: everything, for an estimator
    /// that streams; nothing, for one that waits for the window's end.
    ///
    /// # Panics
    /// If sizes do not fit, or no step waits to be observed.
    fn observe(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, gradient: &mut [T]);

    /// Overwrites `into`, `[inputs][lanes]`, with `∂L_t/∂x_t`: the gradient of the loss of the step just made
    /// by the input of the same step, from which an encoder below the net can learn. `loss_gradient` is as for
    /// [`observe`](Self::observe); the step may be observed or not. The effect of the input on later losses is
    /// not included.
    ///
    /// The first call allocates memory, which later calls use again.
    ///
    /// # Panics
    /// If sizes do not fit, the net reads symbols, or no step was made since the last window ended.
    fn input_gradient(&mut self, weights: &[T], loss_gradient: Lanes<'_, T>, into: &mut LanesMut<'_, T>);

    /// Ends the window: adds to `gradient` whatever the steps since the last call have not added yet. All that
    /// is added for a window is the estimator's approximation of `Σ ∂L_t/∂θ` over its lanes and steps.
    ///
    /// # Panics
    /// If sizes do not fit, or the last step was not observed.
    fn finish_window(&mut self, weights: &[T], gradient: &mut [T]);

    /// Sets `diverged[b]` for every lane `b` in which something that is carried from window to window (state, influence)
    /// is NaN or infinite. Belongs between windows.
    ///
    /// # Panics
    /// If there is not one flag for each lane.
    fn mark_diverged(&self, diverged: &mut [bool]);

    /// Zeroes everything that one lane carries, NaN included. Belongs between windows.
    ///
    /// # Panics
    /// If there is no such lane, or in the middle of a window.
    fn forget(&mut self, lane: usize);

    /// What one lane carries from window to window, to be read, stored, or [given](Self::set_lane) to another
    /// lane or another estimator. Belongs between windows.
    ///
    /// # Panics
    /// If there is no such lane, or in the middle of a window.
    fn lane(&self, lane: usize) -> LaneState<T>;

    /// Replaces what one lane carries. Belongs between windows.
    ///
    /// An estimator that carries J takes those of the given entries that it keeps; its other entries become
    /// zero. An estimator that carries J in another form (UORO, KF-RTRL, OK) begins without influence. TBPTT
    /// sends no credit further back than this call.
    ///
    /// # Panics
    /// If there is no such lane, the state has another size, an entry of the influence lies outside J, or in
    /// the middle of a window.
    fn set_lane(&mut self, lane: usize, carried: &LaneState<T>);

    /// Goes on with a net whose masks have changed: weight `w` of `stack` is weight `origin[w]` of the net
    /// before, or is new if that is `None`. What is known about the surviving weights is kept. New ones begin
    /// without influence, except where influence is kept for rows and sources rather than for weights
    /// ([`Kronecker`](crate::Kronecker)). Belongs between windows.
    ///
    /// # Panics
    /// If more than the masks has changed, an origin is not the index of an old weight, or in the middle of a
    /// window.
    fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]);

    /// Multiply-adds and bytes, counted from the structure.
    fn cost(&self) -> Cost;

    /// The schedule under which J is advanced, never [`Schedule::Auto`]; `None` for an estimator other than
    /// [`Influence`](crate::Influence). If several estimators share the lanes, the schedule of the first.
    fn schedule(&self) -> Option<Schedule> {
        None
    }
}

/// What one lane carries from window to window.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LaneState<T> {
    /// s, one number for each state of the net.
    pub state: Vec<T>,
    /// The entries of J that are kept, as (state, weight, value); `None` from an estimator that carries no J,
    /// or carries it in another form.
    pub influence: Option<Vec<(u32, u32, T)>>,
}

impl<T: Scalar> LaneState<T> {
    /// Checks that the lane state is that of a lane of this net.
    ///
    /// # Panics
    /// If the number of states differs, or an entry of the influence lies outside J.
    pub fn check(&self, stack: &Stack<T>) {
        let (found, states, weights) = (self.state.len(), stack.states(), stack.weights_len());
        assert_eq!(found, states, "states of the lane (left) and of the net (right)");
        let outside = |entry: &&(u32, u32, T)| entry.0 as usize >= states || entry.1 as usize >= weights;
        if let Some((state, weight, _)) = self.influence.iter().flatten().find(outside) {
            panic!(
                "entry ({state}, {weight}) of the influence, in a net of {states} states and {weights} weights"
            );
        }
    }
}
