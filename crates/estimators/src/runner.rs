//! A running net, and the protocol of steps and windows that all estimators keep.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use rtrl_cells::{Backward, Input, Rollout, Spread, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, LanesMut, Scalar};

use crate::LaneState;

/// In shorter windows weights are not spread, which keeps their memory small: that of TBPTT(4, 4) in `docs/ESTIMATORS.md` would be
/// 260 kB, not 12. BPTT in one lane would gain from four steps on.
const MIN_SPREAD_STEPS: usize = 8;

/// The net and the state of an estimator, and where the estimator stands in its window. Every call of
/// [`GradientEstimator`](crate::GradientEstimator) passes through here, so that a call out of order or of the wrong size is refused by
/// every estimator alike, before anything has changed.
pub struct Runner<T> {
    /// The net.
    pub stack: Arc<Stack<T>>,
    /// The state of the net.
    pub rollout: Rollout<T>,
    /// Number of lanes.
    pub lanes: usize,
    /// Steps between two calls of `finish_window`, at most.
    pub window: usize,
    /// Steps made and steps observed since the last window ended.
    made: usize,
    observed: usize,
    /// The weights of the window, where products with them take less time.
    pub spread: Option<Spread<T>>,
    /// Memory for gradients by the input, from the first call of `input_gradient` on.
    input: Option<Box<InputGradient<T>>>,
}

struct InputGradient<T> {
    delta: Vec<T>,
    backward: Backward<T>,
}

impl<T: Scalar> fmt::Debug for Runner<T> {
    /// Sizes and the position in the window, without the numbers of the net.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stack, lanes, window, made, observed, .. } = self;
        let mut runner = f.debug_struct("Runner");
        runner.field("states", &stack.states()).field("weights", &stack.weights_len());
        runner.field("lanes", lanes).field("window", window).field("made", made).field("observed", observed);
        runner.finish_non_exhaustive()
    }
}

impl<T: Scalar> Runner<T> {
    /// A net with a state of zeros, before its first step.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero.
    pub fn new(stack: Arc<Stack<T>>, lanes: usize, window: usize) -> Self {
        assert!(lanes > 0 && window > 0, "lanes and window must be at least 1, found {lanes} and {window}");
        let (rollout, spread) = (stack.rollout(lanes), spread(&stack, window));
        Self { rollout, spread, stack, lanes, window, made: 0, observed: 0, input: None }
    }

    /// Steps made since the last window ended.
    pub fn made(&self) -> usize {
        self.made
    }

    /// Makes a step. Returns its number within the window, from 0.
    ///
    /// # Panics
    /// If sizes do not fit, the window is full, or the step before was not observed.
    pub fn step(
        &mut self,
        weights: &[T],
        input: Input<'_, T>,
        starts: &[bool],
        trace: &mut Trace<T>,
    ) -> usize {
        self.may_step();
        let Self { stack, rollout, spread, made, .. } = self;
        if let Some(spread) = spread.as_mut().filter(|_| *made == 0) {
            spread.fill(weights);
        }
        stack.forward_spread(weights, spread.as_ref(), input, starts, rollout, trace);
        self.made += 1;
        self.made - 1
    }

    /// Checks that a step may be made now.
    ///
    /// # Panics
    /// If the window is full or the step before was not observed.
    pub fn may_step(&self) {
        let Self { made, observed, window, .. } = *self;
        assert!(
            made < window,
            "the window of {window} steps is full: {made} steps were made since the last `finish_window`"
        );
        assert_eq!(
            observed, made,
            "`step` after a step that was not observed: steps observed (left) and made (right)"
        );
    }

    /// s_t, `[states][lanes]`.
    pub fn state(&self) -> Lanes<'_, T> {
        self.rollout.state()
    }

    /// Marks the last step as observed. Returns its number within the window, from 0, and the states to which
    /// `loss_gradient` belongs: the hidden ones or all.
    ///
    /// # Panics
    /// If sizes do not fit or no step waits to be observed.
    pub fn observe(
        &mut self,
        weights: &[T],
        loss_gradient: Lanes<'_, T>,
        gradient: &[T],
    ) -> (usize, Range<usize>) {
        let Self { made, observed, .. } = *self;
        assert_eq!(
            observed + 1,
            made,
            "`observe` belongs after each step, once: steps observed with this one (left) and made (right)"
        );
        let states = states_of(&self.stack, self.lanes, loss_gradient);
        self.check_weights(weights, gradient);
        self.observed = made;
        (observed, states)
    }

    /// Overwrites `into` with `∂L_t/∂x_t` of the last step, of which `trace` is the trace: see
    /// [`GradientEstimator::input_gradient`](crate::GradientEstimator::input_gradient).
    ///
    /// # Panics
    /// If sizes do not fit, the net reads symbols, or no step was made since the last window ended.
    pub fn input_gradient(
        &mut self,
        weights: &[T],
        loss_gradient: Lanes<'_, T>,
        trace: &Trace<T>,
        into: &mut LanesMut<'_, T>,
    ) {
        assert!(self.made > 0, "`input_gradient` belongs after a step: none was made in this window");
        let states = states_of(&self.stack, self.lanes, loss_gradient);
        let Self { stack, lanes, input, .. } = self;
        let lanes = *lanes;
        let InputGradient { delta, backward } = &mut **input.get_or_insert_with(|| {
            let delta = vec![T::ZERO; stack.states() * lanes];
            Box::new(InputGradient { delta, backward: stack.backward(lanes) })
        });
        delta.fill(T::ZERO);
        delta[states.start * lanes..states.end * lanes].copy_from_slice(loss_gradient.values());
        stack.descend(weights, trace, delta, backward);
        stack.input_gradient(weights, backward, into);
    }

    /// Ends the window. Returns the number of its steps.
    ///
    /// # Panics
    /// If sizes do not fit or the last step was not observed.
    pub fn finish(&mut self, weights: &[T], gradient: &[T]) -> usize {
        let Self { made, observed, .. } = *self;
        assert_eq!(
            observed, made,
            "`finish_window` after a step that was not observed: steps observed (left) and made (right)"
        );
        self.check_weights(weights, gradient);
        (self.made, self.observed) = (0, 0);
        made
    }

    fn check_weights(&self, weights: &[T], gradient: &[T]) {
        let expected = self.stack.weights_len();
        assert_eq!(weights.len(), expected, "number of weights, found (left) and expected (right)");
        assert_eq!(gradient.len(), expected, "size of the gradient, found (left) and expected (right)");
    }

    /// Forgets the state of one lane.
    ///
    /// # Panics
    /// If there is no such lane, or in the middle of a window.
    pub fn forget(&mut self, lane: usize) {
        self.between("forget", lane);
        self.rollout.clear_lane(lane);
    }

    /// The state of one lane, and no influence.
    ///
    /// # Panics
    /// If there is no such lane, or in the middle of a window.
    pub fn lane(&self, lane: usize) -> LaneState<T> {
        self.between("lane", lane);
        let state = self.state().values().iter().skip(lane).step_by(self.lanes).copied().collect();
        LaneState { state, influence: None }
    }

    /// Replaces the state of one lane.
    ///
    /// # Panics
    /// If there is no such lane, the state has another size, an entry of the influence lies outside J, or in
    /// the middle of a window.
    pub fn set_lane(&mut self, lane: usize, carried: &LaneState<T>) {
        self.between("set_lane", lane);
        carried.check(&self.stack);
        let mut all = self.rollout.state_mut();
        let own = all.values_mut().iter_mut().skip(lane).step_by(self.lanes);
        own.zip(&carried.state).for_each(|(own, &s)| *own = s);
    }

    /// Goes on with a net that differs in its masks alone.
    ///
    /// # Panics
    /// If more than the masks differs, an origin is not the index of an old weight, or in the middle of a
    /// window.
    pub fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        self.between("relay", 0);
        let sizes = |stack: &Stack<T>| {
            let pattern = stack.linear().pattern();
            (stack.depth(), stack.states(), pattern.rows(), pattern.cols(), stack.inputs(), stack.hidden())
        };
        let (found, expected) = (sizes(&stack), sizes(&self.stack));
        assert_eq!(
            found, expected,
            "layers, states, rows, sources, inputs and hidden states of the net, found (left) and expected (right)"
        );
        let (weights, old) = (stack.weights_len(), self.stack.weights_len());
        assert_eq!(origin.len(), weights, "origins (left) and weights (right) of the new net");
        let outside = origin.iter().flatten().find(|&&w| w as usize >= old);
        assert!(outside.is_none(), "the origin {outside:?} is none of the {old} weights of the old net");
        self.spread = spread(&stack, self.window);
        (self.stack, self.input) = (stack, None);
    }

    fn between(&self, call: &str, lane: usize) {
        let Self { made, window, lanes, .. } = *self;
        assert!(made == 0, "`{call}` belongs between windows: {made} of {window} steps were made");
        assert!(lane < lanes, "lane {lane} of {lanes}");
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let scalars = |i: &InputGradient<T>| i.delta.len() * size_of::<T>() + i.backward.bytes();
        let spread = self.spread.as_ref().map_or(0, Spread::bytes);
        self.rollout.bytes() + spread + self.input.as_deref().map_or(0, |i| size_of_val(i) + scalars(i))
    }
}

fn spread<T: Scalar>(stack: &Stack<T>, window: usize) -> Option<Spread<T>> {
    if window < MIN_SPREAD_STEPS { None } else { stack.spread() }
}

/// The states to which a loss gradient belongs, by its size: the hidden ones, or all.
///
/// # Panics
/// If its size is neither that of the hidden states nor that of all states, or its number of lanes is wrong.
pub(crate) fn states_of<T: Scalar>(
    stack: &Stack<T>,
    lanes: usize,
    loss_gradient: Lanes<'_, T>,
) -> Range<usize> {
    let found = (loss_gradient.len(), loss_gradient.lanes());
    let (hidden, states) = (stack.hidden(), stack.states());
    if found == (states, lanes) {
        return 0..states;
    }
    let expected = (hidden.len(), lanes);
    assert_eq!(
        found, expected,
        "size and lanes of the gradient by the hidden state, found (left) and expected (right), or by all {states} states"
    );
    hidden
}

impl<T: Scalar> Persist for Runner<T> {
    /// Saves the state; an error in the middle of a window. A restored runner stands between windows, wherever
    /// it stood before.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        if archive.is_loading() {
            (self.made, self.observed) = (0, 0);
        }
        let Self { made, window, .. } = *self;
        archive.check("window", made == 0, || {
            format!(
                "an estimator is saved between windows, and {made} of {window} steps of this one were made"
            )
        })?;
        archive.part("rollout", &mut self.rollout)
    }
}
