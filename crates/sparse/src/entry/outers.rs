//! Outer products of many steps: gathered step by step, formed together.

use crate::lanes::Lanes;
use crate::linear::flush::Flush;
use crate::linear::{Outers, Sources};
use crate::run::{Computation, Scalar};
use crate::simd::matmul::ROW_PADDING;

impl<T: Scalar> Outers<T> {
    /// Gathers `z ⊗ u` of all rows at one step, summed over lanes. The gradient is complete only after
    /// [`flush`](Self::flush); until then each call must get the same one.
    ///
    /// # Panics
    /// If `z` does not have one entry for each row, or the gradient one for each weight; if sources or lanes do
    /// not fit, or if a symbol is not one of the map's.
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
            let stride = u.dense.len() + ROW_PADDING;
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

    /// Adds the products gathered so far to the gradient.
    ///
    /// # Panics
    /// If the gradient does not have one entry for each weight.
    #[track_caller]
    pub fn flush(&mut self, gradient: &mut [T]) {
        assert_eq!(gradient.len(), self.linear.pattern().nnz(), "entries of the gradient, and weights");
        if self.filled > 0 {
            T::run(1, Computation::Flush(Flush { outers: self, gradient }));
            self.filled = 0;
        }
    }
}

/// Copies the lanes of each entry of `values` to `into`, where entries are `stride` scalars apart.
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
