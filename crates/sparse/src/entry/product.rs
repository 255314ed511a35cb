//! Products into a fixed pattern.

use crate::lanes::{Lanes, LanesMut};
use crate::product::{Own, Product, Shared};
use crate::run::{Computation, Scalar};

impl Product {
    /// `C += A · B` with the same B in every lane. `c` has an entry for each structural nonzero of C; `a` and `b`
    /// hold the values at the positions that the operands name.
    ///
    /// # Panics
    /// If sizes or lanes do not fit.
    #[track_caller]
    pub fn accumulate_shared<T: Scalar>(&self, c: &mut LanesMut<'_, T>, a: Lanes<'_, T>, b: &[T]) {
        let lanes = c.lanes();
        self.check([c.len(), a.len(), b.len()], &[lanes, a.lanes()]);
        T::run(lanes, Computation::Shared(Shared { runs: &self.runs, c: c.reborrow(), a, b }));
    }

    /// [`accumulate_shared`](Self::accumulate_shared) with a B for each lane.
    ///
    /// # Panics
    /// If sizes or lanes do not fit.
    #[track_caller]
    pub fn accumulate<T: Scalar>(&self, c: &mut LanesMut<'_, T>, a: Lanes<'_, T>, b: Lanes<'_, T>) {
        let lanes = c.lanes();
        self.check([c.len(), a.len(), b.len()], &[lanes, a.lanes(), b.lanes()]);
        T::run(lanes, Computation::Own(Own { runs: &self.runs, c: c.reborrow(), a, b }));
    }
}
