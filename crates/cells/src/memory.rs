//! Making and checking the memory for the steps of a net: trace, rollout, backward.

use rtrl_sparse::Scalar;

use crate::trace::TraceSizes;
use crate::{Backward, Rollout, Stack, Trace};

impl<T: Scalar> Stack<T> {
    /// A trace of zeros for `lanes` lanes.
    ///
    /// # Panics
    /// If `lanes` is zero.
    pub fn trace(&self, lanes: usize) -> Trace<T> {
        assert!(lanes > 0, "lanes must be at least 1, found {lanes}");
        let (sizes, symbol_range) = self.trace_sizes();
        let [dense_sources, row_jacobian, direct, scales] = sizes.map(|len| vec![T::ZERO; len * lanes]);
        Trace {
            lanes,
            dense_sources,
            symbols: vec![0; if symbol_range > 0 { lanes } else { 0 }],
            symbol_range,
            row_jacobian,
            direct,
            scales,
            starts: vec![true; lanes],
        }
    }

    /// A state of zeros for `lanes` lanes.
    ///
    /// # Panics
    /// If `lanes` is zero.
    pub fn rollout(&self, lanes: usize) -> Rollout<T> {
        assert!(lanes > 0, "lanes must be at least 1, found {lanes}");
        let zeros = |len: usize| vec![T::ZERO; len * lanes];
        let rows = self.layers.iter().map(|l| l.rows.len()).max().unwrap_or(0);
        Rollout { lanes, state: zeros(self.states()), previous: zeros(self.states()), rows: zeros(rows) }
    }

    /// Memory for the backward step of `lanes` lanes.
    ///
    /// # Panics
    /// If `lanes` is zero.
    pub fn backward(&self, lanes: usize) -> Backward<T> {
        assert!(lanes > 0, "lanes must be at least 1, found {lanes}");
        let zeros = |len: usize| vec![T::ZERO; len * lanes];
        Backward {
            lanes,
            sources: zeros(self.linear.dense_sources()),
            previous: zeros(self.states()),
            rows: zeros(self.linear.pattern().rows()),
        }
    }

    pub(crate) fn check_weights(&self, weights: &[T]) {
        assert_eq!(weights.len(), self.weights_len(), "number of weights, found (left) and expected (right)");
    }

    pub(crate) fn check_rollout(&self, rollout: &Rollout<T>) {
        let rows = self.layers.iter().map(|l| l.rows.len()).max().unwrap_or(0);
        let found = (rollout.state.len() / rollout.lanes, rollout.rows.len() / rollout.lanes);
        assert_eq!(
            found,
            (self.states(), rows),
            "states and rows of the rollout (left) and of the net (right)"
        );
    }

    pub(crate) fn check_trace(&self, trace: &Trace<T>, lanes: usize) {
        assert_eq!(trace.lanes, lanes, "lanes of the trace, found (left) and expected (right)");
        assert_eq!(trace.sizes(), self.trace_sizes(), "sizes of the trace (left) and of the net (right)");
    }

    pub(crate) fn trace_sizes(&self) -> TraceSizes {
        let scales = self.layers.last().map_or(0, |l| l.scales.end);
        let sizes = [self.linear.dense_sources(), self.own_jacobian.nnz(), self.own_direct.nnz(), scales];
        (sizes, self.linear.symbols())
    }

    pub(crate) fn check_backward(&self, backward: &Backward<T>, lanes: usize) {
        assert_eq!(
            backward.lanes, lanes,
            "lanes of the memory for the backward step, found (left) and expected (right)"
        );
        let found = [&backward.sources, &backward.previous, &backward.rows].map(|array| array.len() / lanes);
        let expected = [self.linear.dense_sources(), self.states(), self.linear.pattern().rows()];
        assert_eq!(
            found, expected,
            "sizes of the memory for the backward step (left) and of the net (right)"
        );
    }

    pub(crate) fn check_states(&self, values: usize, lanes: usize) {
        let expected = self.states() * lanes;
        assert_eq!(
            values, expected,
            "values of all states and {lanes} lanes, found (left) and expected (right)"
        );
    }
}
