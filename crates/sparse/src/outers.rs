//! Outer products of many steps, formed together.

use std::sync::Arc;

use crate::kernels::Computation;
use crate::kernels::matrix::{APART, ROWS};
use crate::kernels::outers::Flush;
use crate::linear::BandKind;
use crate::{Lanes, Linear, Scalar, Sources};

/// Columns (steps times lanes) that are gathered before the products are formed: enough for long sums, few enough for a cache.
const COLUMNS: usize = 128;

/// Fewer columns are not worth gathering.
const MIN_COLUMNS: usize = 8;

/// The sum `gradient += Σ z ⊗ u` over steps and lanes, in which `z` and `u` are gathered until there are enough of them for
/// a matrix product: the gradient is then read and written once for many steps.
#[derive(Debug, Clone)]
pub struct Outers<T> {
    pub(crate) linear: Arc<Linear>,
    capacity: usize,
    pub(crate) filled: usize,
    /// Scalars from row to row of `z` and of `turned`.
    pub(crate) stride: usize,
    /// `[rows][columns]`.
    pub(crate) z: Vec<T>,
    /// `[columns][sources]`, for bands whose runs are matrix products; and as `[sources][columns]` for other sources.
    pub(crate) u: Vec<T>,
    pub(crate) turned: Vec<T>,
    pub(crate) pack: Vec<T>,
    /// The products of some rows with the run that they share.
    pub(crate) block: Vec<T>,
}

impl<T: Scalar> Outers<T> {
    /// Memory for the products of `linear`, of up to `steps` steps of `lanes` lanes at a time.
    ///
    /// # Panics
    /// If there are no lanes.
    #[track_caller]
    pub fn new(linear: Arc<Linear>, lanes: usize, steps: usize) -> Self {
        assert!(lanes > 0, "lanes must be at least 1");
        let capacity = lanes * (COLUMNS / lanes).clamp(1, steps.max(1));
        let capacity = if capacity < MIN_COLUMNS { 0 } else { capacity };
        let rows = linear.pattern().rows();
        let (mut products, mut sums, mut longest) = (false, false, 0);
        for band in linear.bands(0..rows) {
            products |= band.kind != BandKind::RowByRow;
            sums |= band.kind != BandKind::Dense;
            if band.kind == BandKind::SharedRun {
                longest = longest.max(linear.rows[band.rows.start].run);
            }
        }
        let (stride, sources) = (capacity + APART, linear.dense_sources());
        let memory = |used: bool, len: usize| vec![T::ZERO; if used && capacity > 0 { len } else { 0 }];
        Self {
            z: memory(true, rows * stride),
            u: memory(products, capacity * (sources + APART)),
            turned: memory(sums, sources * stride),
            pack: memory(products, ROWS * capacity),
            block: memory(longest > 0, ROWS * longest),
            linear,
            capacity,
            filled: 0,
            stride,
        }
    }

    /// Takes in `z ⊗ u` of all rows at one step, summed over lanes.
    ///
    /// # Panics
    /// If sizes do not fit.
    #[track_caller]
    pub fn push(&mut self, z: Lanes<'_, T>, u: Sources<'_, T>, gradient: &mut [T]) {
        let (lanes, linear) = (z.lanes(), &self.linear);
        linear.check_outer(0..linear.pattern().rows(), z, u, gradient.len());
        if self.capacity < lanes {
            return linear.accumulate_outer_rows(0..z.len(), z, u, gradient);
        }
        if self.filled + lanes > self.capacity {
            self.flush(gradient);
        }
        turn(z, &mut self.z[self.filled..], self.stride);
        if !self.turned.is_empty() {
            turn(u.dense, &mut self.turned[self.filled..], self.stride);
        }
        if !self.u.is_empty() {
            let stride = u.dense.len() + APART;
            let rows = &mut self.u[self.filled * stride..];
            for (lane, row) in rows.chunks_mut(stride).take(lanes).enumerate() {
                let u = u.dense.values().iter().skip(lane).step_by(lanes);
                row.iter_mut().zip(u).for_each(|(into, &u)| *into = u);
            }
        }
        self.filled += lanes;
        if self.linear.symbols() > 0 {
            for r in 0..z.len() {
                self.linear.add_symbols(r, z.at(r), u.symbols, gradient);
            }
        }
    }

    /// Adds whatever was taken in to the gradient.
    ///
    /// # Panics
    /// If the gradient has not one entry for each weight.
    #[track_caller]
    pub fn flush(&mut self, gradient: &mut [T]) {
        assert_eq!(gradient.len(), self.linear.pattern().nnz(), "entries of the gradient, and weights");
        if self.filled > 0 {
            T::run(1, Computation::Flush(Flush { outers: self, gradient }));
            self.filled = 0;
        }
    }

    /// Bytes held, without the map.
    pub fn bytes(&self) -> usize {
        let parts = [&self.z, &self.u, &self.turned, &self.pack, &self.block];
        parts.iter().map(|part| size_of_val(&part[..])).sum()
    }
}

/// The lanes of entry after entry, `stride` apart.
fn turn<T: Scalar>(values: Lanes<'_, T>, into: &mut [T], stride: usize) {
    let lanes = values.lanes();
    if lanes == 1 {
        into.iter_mut().step_by(stride).zip(values.values()).for_each(|(into, &x)| *into = x);
    } else {
        for (into, x) in into.chunks_mut(stride).zip(values.values().chunks_exact(lanes)) {
            into[..lanes].copy_from_slice(x);
        }
    }
}
