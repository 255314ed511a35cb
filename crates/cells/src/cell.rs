//! The interface between a recurrent cell and everything that differentiates it.

use std::ops::Range;

use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_sparse::{Lanes, LanesMut, Linear, Scalar, Sources};

use crate::Structure;

/// A recurrent cell: rows of linear preactivations followed by a nonlinearity, `z = W u`, `s_t = φ(z, s_{t-1})`.
///
/// A cell gives its [`Structure`] and makes one step forward, which also computes the local derivatives of φ.
/// From these factors a [`Stack`](crate::Stack) derives everything else: the dynamics `D = G W + ∂φ/∂s`, the
/// products with `D` and its transpose, the coupling between layers. No cell ever writes a backward pass.
///
/// `rtrl_estimators::testing::check_cell` checks an implementation.
pub trait Cell<T: Scalar>: Send + Sync {
    /// Sizes and patterns of the cell, the same at every call.
    fn structure(&self) -> &Structure;

    /// Makes one step: calls [`CellStep::preactivate`], which fills `rows` with z_t, and overwrites every
    /// number of `next`, `row_jacobian`, `direct` and `scales`. Until then these arrays hold arbitrary numbers.
    fn forward(&self, step: &mut CellStep<'_, T>);

    /// For a cell whose step jumps, and whose derivatives are therefore surrogates: the same cell with the jump
    /// replaced by a function whose derivative the surrogate is, and the same derivatives in the same state. What a
    /// check compares with finite differences is this cell. `None`, the default, for a cell whose derivatives are its
    /// own.
    fn smoothed(&self) -> Option<Box<dyn Cell<T>>> {
        None
    }

    /// Overwrites those initial weights that are not to be [uniform](crate::init::uniform), such as the rates
    /// of decay of units. `weights` holds uniform ones, in the order of `structure().weights`. By default
    /// nothing changes, and nothing is drawn from `rng`.
    fn initialize(&self, weights: &mut [T], rng: &mut Xoshiro256PlusPlus) {
        let _ = (weights, rng);
    }
}

/// One step of one cell. All arrays are `[len][lanes]`.
pub struct CellStep<'a, T> {
    /// s_{t-1}, `[states][lanes]`; zero in lanes that begin a sequence.
    pub previous: Lanes<'a, T>,
    /// s_t, `[states][lanes]`, to be overwritten.
    pub next: LanesMut<'a, T>,
    /// z_t, `[rows][lanes]`, filled by [`preactivate`](Self::preactivate). Afterwards the cell may use this
    /// memory as it likes: the cells of this crate put their gates there.
    pub rows: LanesMut<'a, T>,
    /// Values of `ds_t/dz_t`, `[entries][lanes]`, in the order of the pattern `structure.row_jacobian` (rows ×
    /// states), to be overwritten.
    pub row_jacobian: LanesMut<'a, T>,
    /// Values of `∂φ/∂s_{t-1}`, `[entries][lanes]`, in the order of the pattern `structure.direct` (states ×
    /// states), to be overwritten.
    pub direct: LanesMut<'a, T>,
    /// The factor c of each scaled source, in the order of the sources, to be overwritten before
    /// [`rescale`](Self::rescale).
    pub scales: LanesMut<'a, T>,
    /// The weights of this cell, in the order of `structure.weights`.
    pub weights: &'a [T],
    pub(crate) inner: Inner<'a, T>,
}

/// The cell's place in its stack: what [`CellStep`] needs of the arrays that all layers share.
pub(crate) struct Inner<'a, T> {
    pub structure: &'a Structure,
    /// The map by which preactivations are formed, and its weights.
    pub linear: &'a Linear,
    pub all_weights: &'a [T],
    /// Number of rows of the layers below: index of this cell's first row in `linear`.
    pub all_rows_before: usize,
    pub symbols: &'a [u32],
    pub sources: LanesMut<'a, T>,
    /// Scaled sources of this cell: (dense source of the stack, state of the cell).
    pub scaled: &'a [(u32, u32)],
}

impl<T: Scalar> CellStep<'_, T> {
    /// Borrows the step for a shorter time. A cell that wraps another can replace some of the arrays before it
    /// passes the step on.
    pub fn reborrow(&mut self) -> CellStep<'_, T> {
        CellStep {
            previous: self.previous,
            next: self.next.reborrow(),
            rows: self.rows.reborrow(),
            row_jacobian: self.row_jacobian.reborrow(),
            direct: self.direct.reborrow(),
            scales: self.scales.reborrow(),
            weights: self.weights,
            inner: Inner { sources: self.inner.sources.reborrow(), ..self.inner },
        }
    }

    /// `ds_t[state] / dz_t[row]` in all lanes: the entry of `row_jacobian`, to be overwritten.
    ///
    /// # Panics
    /// If the structure's `row_jacobian` has no such entry.
    #[track_caller]
    pub fn jacobian(&mut self, row: usize, state: usize) -> &mut [T] {
        let entry = self.inner.structure.row_jacobian.find(row, state as u32);
        self.row_jacobian.at_mut(entry.unwrap_or_else(|| panic!("row {row} does not reach state {state}")))
    }

    /// `∂φ[state] / ∂s_{t-1}[from]` in all lanes: the entry of `direct`, to be overwritten.
    ///
    /// # Panics
    /// If the structure's `direct` has no such entry.
    #[track_caller]
    pub fn leak(&mut self, state: usize, from: usize) -> &mut [T] {
        let entry = self.inner.structure.direct.find(state, from as u32);
        self.direct.at_mut(entry.unwrap_or_else(|| panic!("state {from} does not leak into state {state}")))
    }

    /// The weight of `row` for `source`, both counted within the cell; zero if the weight does not exist.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn weight(&self, row: usize, source: usize) -> T {
        let rows = self.inner.structure.rows();
        assert!(row < rows, "row {row} of a cell with {rows}");
        let entry = self.inner.structure.weights.find(row, source as u32);
        entry.map_or(T::ZERO, |entry| self.weights[entry])
    }

    /// Overwrites `rows` with `z_r = Σ_j w_rj u_j` for the rows r in `range`.
    ///
    /// # Panics
    /// If the cell does not have these rows.
    pub fn preactivate(&mut self, range: Range<usize>) {
        let rows = self.rows.len();
        assert!(range.start <= range.end && range.end <= rows, "rows {range:?} of a cell with {rows}");
        let before = self.inner.all_rows_before;
        let sources = Sources { symbols: self.inner.symbols, dense: self.inner.sources.as_lanes() };
        let range = range.start + before..range.end + before;
        self.inner.linear.multiply(self.inner.all_weights, range, sources, &mut self.rows, before);
    }

    /// Overwrites the scaled sources with `u_j = c_j · s_{t-1}`, from the factors in `scales`. Rows that read
    /// scaled sources must be preactivated after this.
    pub fn rescale(&mut self) {
        for (k, &(source, state)) in self.inner.scaled.iter().enumerate() {
            let factors = self.scales.at_mut(k);
            let source = self.inner.sources.at_mut(source as usize);
            for ((u, &c), &s) in source.iter_mut().zip(factors.iter()).zip(self.previous.at(state as usize)) {
                *u = c * s;
            }
        }
    }
}
