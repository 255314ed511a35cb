//! The memory of a running net: its state, the trace of a step for differentiation, and memory for going
//! backwards.

use rtrl_sparse::{Lanes, LanesMut, Scalar, Sources};

/// Sizes of a trace: dense sources, entries of Gᵀ, entries of the leak, factors; and the number of symbols.
pub(crate) type TraceSizes = ([usize; 4], usize);

/// The trace of one step: what differentiation needs of it. All arrays are `[len][lanes]`.
#[derive(Debug, Clone)]
pub struct Trace<T> {
    pub(crate) lanes: usize,
    pub(crate) dense_sources: Vec<T>,
    pub(crate) symbols: Vec<u32>,
    /// Number of symbols of the alphabet; 0 for dense inputs.
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

    /// The sources u_t: the symbol of each lane, if the net reads symbols, and the dense sources,
    /// `[sources][lanes]`.
    pub fn sources(&self) -> Sources<'_, T> {
        Sources { symbols: &self.symbols, dense: Lanes::new(&self.dense_sources, self.lanes) }
    }

    /// Values of the leak path in the pattern [`Stack::own_direct`](crate::Stack::own_direct).
    pub fn direct(&self) -> Lanes<'_, T> {
        Lanes::new(&self.direct, self.lanes)
    }

    /// Values of the layers' own `G = ds_t/dz_t` at fixed states of the layer below, in the pattern
    /// [`Stack::own_jacobian`](crate::Stack::own_jacobian).
    pub fn row_jacobian(&self) -> Lanes<'_, T> {
        Lanes::new(&self.row_jacobian, self.lanes)
    }

    /// The factors of all scaled sources, layer after layer, in the order of the sources.
    pub fn scales(&self) -> Lanes<'_, T> {
        Lanes::new(&self.scales, self.lanes)
    }

    /// Zeroes all entries of an array in the lanes that began a sequence with this step, for which nothing
    /// before it counts.
    ///
    /// # Panics
    /// If the array has another number of lanes.
    pub fn cut(&self, array: &mut LanesMut<'_, T>) {
        assert_eq!(array.lanes(), self.lanes, "lanes of the array (left) and of the trace (right)");
        for (lane, _) in self.starts.iter().enumerate().filter(|(_, start)| **start) {
            array.values_mut().iter_mut().skip(lane).step_by(self.lanes).for_each(|d| *d = T::ZERO);
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

    /// s_t, `[states][lanes]`, to be overwritten if a sequence starts from a state other than zero.
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
