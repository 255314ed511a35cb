//! What a net needs from step to step: its state, what a step leaves for differentiation, and memory for going backwards.

use rtrl_sparse::{Lanes, LanesMut, Scalar, Sources};

use crate::Stack;

/// Dense sources, entries of Gᵀ and of the leak, and factors in a trace; and symbols.
pub(crate) type TraceSizes = ([usize; 4], usize);

/// What one step leaves for differentiation. All arrays are `[len][lanes]`.
#[derive(Debug, Clone)]
pub struct Trace<T> {
    pub(crate) lanes: usize,
    pub(crate) dense_sources: Vec<T>,
    pub(crate) symbols: Vec<u32>,
    /// Symbols are below this.
    pub(crate) symbol_range: usize,
    pub(crate) row_jacobian: Vec<T>,
    pub(crate) direct: Vec<T>,
    pub(crate) scales: Vec<T>,
    pub(crate) starts: Vec<bool>,
}

impl<T: Scalar> Trace<T> {
    pub(crate) fn sizes(&self) -> TraceSizes {
        let arrays = [&self.dense_sources, &self.row_jacobian, &self.direct, &self.scales];
        (arrays.map(|array| array.len() / self.lanes), self.symbol_range)
    }

    /// u_t.
    pub fn sources(&self) -> Sources<'_, T> {
        Sources { symbols: &self.symbols, dense: Lanes::new(&self.dense_sources, self.lanes) }
    }

    /// Values of the leak path in the pattern [`Stack::own_direct`].
    pub fn direct(&self) -> Lanes<'_, T> {
        Lanes::new(&self.direct, self.lanes)
    }

    /// Zeroes all entries of an array in the lanes that began a sequence with this step: nothing before counts.
    ///
    /// # Panics
    /// If the array has another number of lanes.
    pub fn cut(&self, array: &mut LanesMut<'_, T>) {
        assert_eq!(array.lanes(), self.lanes, "lanes of the array (left) and of the trace (right)");
        for (lane, _) in self.starts.iter().enumerate().filter(|(_, start)| **start) {
            array.values().iter_mut().skip(lane).step_by(self.lanes).for_each(|d| *d = T::ZERO);
        }
    }

    /// Which lanes began a sequence with this step.
    pub fn starts(&self) -> &[bool] {
        &self.starts
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let scalars = [&self.dense_sources, &self.row_jacobian, &self.direct, &self.scales];
        let scalars: usize = scalars.iter().map(|v| v.len()).sum();
        scalars * size_of::<T>() + self.symbols.len() * 4 + self.starts.len()
    }
}

/// The running state of a net and memory for its forward step.
#[derive(Debug, Clone)]
pub struct Rollout<T> {
    pub(crate) lanes: usize,
    pub(crate) state: Vec<T>,
    pub(crate) previous: Vec<T>,
    pub(crate) rows: Vec<T>,
}

impl<T: Scalar> Rollout<T> {
    /// s_t, `[states][lanes]`.
    pub fn state(&self) -> Lanes<'_, T> {
        Lanes::new(&self.state, self.lanes)
    }

    /// s_t to be overwritten, `[states][lanes]`: to start from a state other than zero.
    pub fn state_mut(&mut self) -> LanesMut<'_, T> {
        LanesMut::new(&mut self.state, self.lanes)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        (self.state.len() + self.previous.len() + self.rows.len()) * size_of::<T>()
    }
}

/// The input of one step.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a, T> {
    /// x_t, `[inputs][lanes]`.
    Dense(Lanes<'a, T>),
    /// One symbol for each lane.
    Symbols(&'a [u32]),
}

/// Memory for the backward step.
#[derive(Debug, Clone)]
pub struct Backward<T> {
    pub(crate) lanes: usize,
    pub(crate) sources: Vec<T>,
    pub(crate) previous: Vec<T>,
    /// Adjoints of the rows after a backward step, `[rows][lanes]`.
    pub rows: Vec<T>,
}

impl<T: Scalar> Backward<T> {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        (self.sources.len() + self.previous.len() + self.rows.len()) * size_of::<T>()
    }
}

impl<T: Scalar> Stack<T> {
    /// An empty trace for `lanes` lanes.
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
        let rows = self.layers().iter().map(|l| l.rows.len()).max().unwrap_or(0);
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
        let rows = self.layers().iter().map(|l| l.rows.len()).max().unwrap_or(0);
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
        let scales = self.layers().last().map_or(0, |l| l.scales.end);
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
