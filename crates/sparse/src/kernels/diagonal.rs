//! One step of a block whose D[R, R] has no entry off its diagonal: every entry of J by itself.

use super::Local;
use super::simd::Simd;
use super::streaming::coefficient;
use crate::blocks::{Block, BlockRow};
use crate::{Lanes, Linear, Scalar};

/// J and the gradient in one pass over memory. `sources` is memory for the sources of a row.
#[inline(always)]
pub(super) fn advance<T: Scalar, S: Simd<T>>(
    simd: S,
    block: &Block,
    linear: &Linear,
    influence: &mut [T],
    local: Local<'_, T>,
    gradient: &mut [T],
    sources: &mut [T],
) {
    let lanes = local.dynamics.lanes();
    for row in &block.rows {
        let weights = linear.pattern().entries(row.row);
        let gradient = &mut gradient[weights];
        let u = match linear.contiguous(row.row, local.sources.dense) {
            Some(u) => u,
            None => {
                let u = &mut sources[..(row.columns.len() - row.coded) * lanes];
                linear.gather(row.row, local.sources.dense, u);
                u
            }
        };
        for i in 0..block.reach.len() {
            let start = i * block.columns;
            let columns = (start + row.columns.start) * lanes..(start + row.columns.end) * lanes;
            let entry = Entry::new(block, row, i, local);
            if lanes == 1 {
                entry.row(simd, &mut influence[columns], gradient, row.coded, u);
            } else {
                entry.row_lanes(simd, &mut influence[columns], gradient, row.coded, u);
            }
        }
    }
}

/// What one state and one row of the linear map have in common: `J ← d J + g u`, `gradient += δ J`.
struct Entry<'a, T> {
    d: Option<Lanes<'a, T>>,
    g: Option<Lanes<'a, T>>,
    delta: Lanes<'a, T>,
}

impl<'a, T: Scalar> Entry<'a, T> {
    #[inline(always)]
    fn new(block: &Block, row: &BlockRow, i: usize, local: Local<'a, T>) -> Self {
        let one = |values: Lanes<'a, T>, at: u32| values.slice(at as usize..at as usize + 1);
        let g = row.jacobian.iter().find(|(state, _)| *state as usize == i);
        Self {
            d: block.dynamics_entries(i).first().map(|entry| one(local.dynamics, entry.entry)),
            g: g.map(|&(_, entry)| one(local.row_jacobian, entry)),
            delta: one(local.delta, block.reach[i]),
        }
    }

    /// One lane; the first `coded` columns have no sources.
    #[inline(always)]
    fn row<S: Simd<T>>(&self, simd: S, influence: &mut [T], gradient: &mut [T], coded: usize, u: &[T]) {
        if self.g.is_none() {
            return self.columns(simd, influence, gradient, None);
        }
        let (decayed, driven) = influence.split_at_mut(coded);
        let (decayed_gradient, driven_gradient) = gradient.split_at_mut(coded);
        self.columns(simd, decayed, decayed_gradient, None);
        self.columns(simd, driven, driven_gradient, Some(u));
    }

    #[inline(always)]
    fn columns<S: Simd<T>>(&self, simd: S, influence: &mut [T], gradient: &mut [T], u: Option<&[T]>) {
        let only = |values: Lanes<'_, T>| values.values()[0];
        // Absent factors are not multiplied by.
        let (has_d, has_g) = (self.d.is_some(), self.g.is_some() && u.is_some());
        let d = simd.splat(self.d.map_or(T::ZERO, only));
        let g = simd.splat(self.g.map_or(T::ZERO, only));
        let delta = simd.splat(only(self.delta));
        let len = influence.len();
        let u = u.unwrap_or_default();
        assert!(gradient.len() == len && (!has_g || u.len() == len), "columns");
        let whole = len - len % S::WIDTH;
        for at in (0..whole).step_by(S::WIDTH) {
            let (j, slope) = (&mut influence[at..at + S::WIDTH], &mut gradient[at..at + S::WIDTH]);
            let mut new = simd.splat(T::ZERO);
            if has_g {
                new = simd.mul_add(g, simd.load(&u[at..at + S::WIDTH]), new);
            }
            if has_d {
                new = simd.mul_add(d, simd.load(j), new);
            }
            let new = simd.flush(new);
            simd.store(new, j);
            simd.store(simd.mul_add(delta, new, simd.load(slope)), slope);
        }
        if S::WIDTH > 1 && whole < len {
            let (j, slope) = (&mut influence[whole..], &mut gradient[whole..]);
            let mut new = simd.splat(T::ZERO);
            if has_g {
                new = simd.mul_add(g, simd.load_part(&u[whole..]), new);
            }
            if has_d {
                new = simd.mul_add(d, simd.load_part(j), new);
            }
            let new = simd.flush(new);
            simd.store_part(new, j);
            simd.store_part(simd.mul_add(delta, new, simd.load_part(slope)), slope);
        }
    }

    /// Several lanes, in whole vectors.
    #[inline(always)]
    fn row_lanes<S: Simd<T>>(&self, simd: S, influence: &mut [T], gradient: &mut [T], coded: usize, u: &[T]) {
        let lanes = self.delta.lanes();
        for (column, (j, slope)) in influence.chunks_exact_mut(lanes).zip(gradient).enumerate() {
            let mut sum = simd.splat(T::ZERO);
            for (at, j) in (0..lanes).step_by(S::WIDTH).zip(j.chunks_exact_mut(S::WIDTH)) {
                let mut new = simd.splat(T::ZERO);
                if let (Some(g), true) = (self.g, column >= coded) {
                    let u = simd.load(&u[(column - coded) * lanes + at..]);
                    new = simd.mul_add(coefficient::<T, S, true>(simd, g, 0, at), u, new);
                }
                if let Some(d) = self.d {
                    new = simd.mul_add(coefficient::<T, S, true>(simd, d, 0, at), simd.load(j), new);
                }
                let new = simd.flush(new);
                simd.store(new, j);
                sum = simd.mul_add(coefficient::<T, S, true>(simd, self.delta, 0, at), new, sum);
            }
            *slope += simd.sum(sum);
        }
    }
}
