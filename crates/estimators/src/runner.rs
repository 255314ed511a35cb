//! A running net, and the protocol of steps and windows that all estimators keep.

use std::sync::Arc;

use rtrl_cells::{Input, Rollout, Stack, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::{Lanes, Scalar};

/// The net and the state of an estimator, and where the estimator stands in its window. Every call of
/// [`GradientEstimator`](crate::GradientEstimator) passes through here, so that a call out of order or of the wrong size is refused by
/// every estimator alike, before anything has changed.
pub(crate) struct Runner<T> {
    pub stack: Arc<Stack<T>>,
    pub rollout: Rollout<T>,
    pub lanes: usize,
    pub window: usize,
    /// Steps made and steps observed since the last window ended.
    made: usize,
    observed: usize,
}

impl<T: Scalar> Runner<T> {
    /// A net at rest.
    ///
    /// # Panics
    /// If `lanes` or `window` is zero.
    pub fn new(stack: Arc<Stack<T>>, lanes: usize, window: usize) -> Self {
        assert!(lanes > 0 && window > 0, "lanes and window must be at least 1, found {lanes} and {window}");
        Self { rollout: stack.rollout(lanes), stack, lanes, window, made: 0, observed: 0 }
    }

    /// Steps made since the last window ended.
    pub fn made(&self) -> usize {
        self.made
    }

    /// Makes a step; its number within the window, from 0.
    pub fn step(
        &mut self,
        weights: &[T],
        input: Input<'_, T>,
        starts: &[bool],
        trace: &mut Trace<T>,
    ) -> usize {
        self.may_step();
        self.stack.forward(weights, input, starts, &mut self.rollout, trace);
        self.made += 1;
        self.made - 1
    }

    /// Refuses a step when none is due.
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

    /// h_t.
    pub fn hidden(&self) -> Lanes<'_, T> {
        self.rollout.state().slice(self.stack.hidden())
    }

    /// Takes note that the last step is observed; its number within the window, from 0.
    pub fn observe(&mut self, weights: &[T], hidden_gradient: Lanes<'_, T>, gradient: &[T]) -> usize {
        let Self { made, observed, .. } = *self;
        assert_eq!(
            observed + 1,
            made,
            "`observe` belongs after each step, once: steps observed with this one (left) and made (right)"
        );
        let found = (hidden_gradient.len(), hidden_gradient.lanes());
        let expected = (self.stack.hidden().len(), self.lanes);
        assert_eq!(
            found, expected,
            "size and lanes of the gradient by the hidden state, found (left) and expected (right)"
        );
        self.check_weights(weights, gradient);
        self.observed = made;
        observed
    }

    /// Ends the window; the number of its steps.
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
    pub fn forget(&mut self, lane: usize) {
        self.between("forget");
        assert!(lane < self.lanes, "lane {lane} of {}", self.lanes);
        self.rollout.clear_lane(lane);
    }

    /// Goes on with a net that differs in its masks alone.
    pub fn relay(&mut self, stack: Arc<Stack<T>>, origin: &[Option<u32>]) {
        self.between("relay");
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
        self.stack = stack;
    }

    fn between(&self, call: &str) {
        let Self { made, window, .. } = *self;
        assert!(made == 0, "`{call}` belongs between windows: {made} of {window} steps were made");
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.rollout.bytes()
    }
}

impl<T: Scalar> Persist for Runner<T> {
    /// The state. In the middle of a window nothing is saved; what is read belongs between windows, wherever this one stood.
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
