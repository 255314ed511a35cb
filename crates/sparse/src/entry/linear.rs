//! The product z = W u, the transposed product, and outer products z ⊗ u.

use std::ops::Range;

use crate::lanes::{Lanes, LanesMut};
use crate::linear::forward::Multiply;
use crate::linear::lanewise::MixOuter;
use crate::linear::outer::Outer;
use crate::linear::transposed::MultiplyTransposed;
use crate::linear::{Linear, Sources};
use crate::run::{Computation, Scalar};

impl Linear {
    /// `z_{r - first} ← Σ_j w_rj u_j` for the rows `r` in `range`: `z`, `[len][lanes]`, holds the rows from
    /// `first` on. If `u.symbols` is empty, the sum is over the dense sources alone.
    ///
    /// # Panics
    /// If the range exceeds the rows of the map or those that `z` holds, if weights, sources or lanes do not fit,
    /// or if a symbol is not below [`symbols`](Self::symbols).
    #[track_caller]
    pub fn multiply<T: Scalar>(
        &self,
        weights: &[T],
        range: Range<usize>,
        u: Sources<'_, T>,
        z: &mut LanesMut<'_, T>,
        first: usize,
    ) {
        let (linear, lanes, z) = (self, z.lanes(), z.reborrow());
        self.check(&range, weights.len(), lanes, Some(u));
        if !u.symbols.is_empty() {
            u.check_symbols(self.symbols(), lanes);
        }
        let held = first..first + z.len();
        assert!(
            range.is_empty() || (held.start <= range.start && range.end <= held.end),
            "rows {range:?} of z, which holds {held:?}"
        );
        T::run(lanes, Computation::Multiply(Multiply { linear, weights, range, u, z, first }));
    }

    /// The transposed product `a_j += Σ_r w_rj z_r` over the rows in `range`, for the dense sources `j` from
    /// `first` on. `z` has an entry for each row of the map, `a` one for each dense source; entries of `a` before
    /// `first` do not change.
    ///
    /// # Panics
    /// If the range exceeds the rows, or if weights, `z`, `a` or lanes do not fit.
    #[track_caller]
    pub fn multiply_transposed<T: Scalar>(
        &self,
        weights: &[T],
        range: Range<usize>,
        z: Lanes<'_, T>,
        a: &mut LanesMut<'_, T>,
        first: usize,
    ) {
        let (linear, lanes, a) = (self, z.lanes(), a.reborrow());
        self.check(&range, weights.len(), lanes, None::<Sources<'_, T>>);
        assert_eq!(z.len(), self.pattern().rows(), "entries of z, one for each row");
        let sizes = (a.len(), a.lanes());
        assert_eq!(
            sizes,
            (self.dense_sources(), lanes),
            "entries of a, one for each dense source, and their lanes"
        );
        let kernel = MultiplyTransposed { linear, weights, range, z, a, first };
        T::run(lanes, Computation::MultiplyTransposed(kernel));
    }

    /// `g_rj += Σ_lanes z_r u_j` for every weight of row `r`: one row of the outer product, summed over lanes. `z`
    /// has a number for each lane; `g` is the whole flat gradient, with an entry for each weight of the map.
    ///
    /// # Panics
    /// If there is no such row, if the gradient, sources or lanes do not fit, or if a symbol is not below
    /// [`symbols`](Self::symbols).
    #[track_caller]
    pub fn accumulate_outer<T: Scalar>(&self, r: usize, z: &[T], u: Sources<'_, T>, g: &mut [T]) {
        self.accumulate_outer_rows(r..r + 1, Lanes::new(z, z.len()), u, g);
    }

    /// [`accumulate_outer`](Self::accumulate_outer) for the rows in `range`; entry `i` of `z` is row `range.start + i`.
    ///
    /// # Panics
    /// If the range exceeds the rows, if `z` does not have one entry for each row in it, if the gradient, sources
    /// or lanes do not fit, or if a symbol is not below [`symbols`](Self::symbols).
    #[track_caller]
    pub fn accumulate_outer_rows<T: Scalar>(
        &self,
        range: Range<usize>,
        z: Lanes<'_, T>,
        u: Sources<'_, T>,
        g: &mut [T],
    ) {
        self.check_outer(range.clone(), z, u, g.len());
        T::run(z.lanes(), Computation::Outer(Outer { linear: self, range, z, u, g }));
    }

    /// `out_rj ← keep out_rj + z_r u_j` for every weight of a dense source, each lane by itself; `squares` becomes the sum of their squares in each
    /// lane. `keep` has a number for each lane, `z` an entry for each row, `u` one for each dense source, `out` one for each weight, all in the same
    /// lanes. Entries that decay to subnormal numbers become zero. Those of one-hot sources stay as they are.
    ///
    /// # Panics
    /// If sizes or lanes do not fit.
    #[track_caller]
    pub fn mix_outer<T: Scalar>(
        &self,
        keep: &[T],
        z: Lanes<'_, T>,
        u: Lanes<'_, T>,
        out: &mut LanesMut<'_, T>,
        squares: &mut [T],
    ) {
        let (linear, out, rows, lanes) = (self, out.reborrow(), self.pattern().rows(), z.lanes());
        self.check(&(0..rows), out.len(), lanes, Some(Sources { symbols: &[], dense: u }));
        assert_eq!(z.len(), rows, "entries of z, one for each row");
        assert_eq!(
            (keep.len(), out.lanes(), squares.len()),
            (lanes, lanes, lanes),
            "lanes of what is kept, of the result, and of its squares"
        );
        T::run(lanes, Computation::MixOuter(MixOuter { linear, keep, z, u, out, squares }));
    }
}
