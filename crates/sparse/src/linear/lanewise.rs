//! Outer products of each lane separately, without a sum over lanes.

use super::map::Linear;
use crate::float::Float;
use crate::lanes::{Lanes, LanesMut};
use crate::simd::{Kernel, Simd};

/// See [`Linear::mix_outer`].
pub struct MixOuter<'a, T> {
    pub linear: &'a Linear,
    pub keep: &'a [T],
    pub z: Lanes<'a, T>,
    pub u: Lanes<'a, T>,
    pub out: LanesMut<'a, T>,
    pub squares: &'a mut [T],
}

impl<T: Float> Kernel<T> for MixOuter<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        self.squares.fill(T::ZERO);
        for r in 0..self.linear.pattern().rows() {
            if self.keep.len() == 1 {
                self.row(simd, r);
            } else {
                self.row_lanes(simd, r);
            }
        }
    }
}

impl<T: Float> MixOuter<'_, T> {
    /// A row in the only lane.
    #[inline(always)]
    fn row<S: Simd<T>>(&mut self, simd: S, r: usize) {
        let (keep, z, u) = (self.keep[0], self.z.values()[r], self.u.values());
        let out = self.out.range_mut(self.linear.dense_entries(r));
        let (first, run) = self.linear.rows[r].span();
        let (out, others) = out.split_at_mut(run);
        let (kept, row) = (simd.splat(keep), simd.splat(z));
        let zero = simd.splat(T::ZERO);
        // Two sums: one would wait for itself at each vector.
        let mut sums = [zero; 2];
        let mut pairs = out.chunks_exact_mut(2 * S::WIDTH);
        let mut us = u[first..first + run].chunks_exact(2 * S::WIDTH);
        for (out, u) in (&mut pairs).zip(&mut us) {
            let halves = out.chunks_exact_mut(S::WIDTH).zip(u.chunks_exact(S::WIDTH));
            for ((out, u), sum) in halves.zip(&mut sums) {
                let old = simd.mul_add(kept, simd.load(out), zero);
                let new = simd.flush(simd.mul_add(row, simd.load(u), old));
                simd.store(new, out);
                *sum = simd.mul_add(new, new, *sum);
            }
        }
        let mut total = simd.sum(simd.add(sums[0], sums[1]));
        let mut one = |out: &mut T, u: T| {
            *out = simd.scalar(z, u, simd.scalar(keep, *out, T::ZERO)).flush();
            total = simd.scalar(*out, *out, total);
        };
        for (out, &u) in pairs.into_remainder().iter_mut().zip(us.remainder()) {
            one(out, u);
        }
        for (out, j) in others.iter_mut().zip(self.linear.others(r).dense()) {
            one(out, u[j]);
        }
        self.squares[0] += total;
    }

    /// A row in several lanes, which fill whole vectors. The lanes of one vector go through the whole row, which stays in cache, so that their sum stays
    /// in a register.
    #[inline(always)]
    fn row_lanes<S: Simd<T>>(&mut self, simd: S, r: usize) {
        let (lanes, zero) = (self.keep.len(), simd.splat(T::ZERO));
        let out = self.out.range_mut(self.linear.dense_entries(r));
        let (first, run) = self.linear.rows[r].span();
        let others = self.linear.others(r).dense();
        for at in (0..lanes).step_by(S::WIDTH) {
            let (keep, z) = (simd.load(&self.keep[at..]), simd.load(&self.z.at(r)[at..]));
            let mut sum = simd.load(&self.squares[at..]);
            for (out, j) in out.chunks_exact_mut(lanes).zip((first..first + run).chain(others.clone())) {
                let old = simd.mul_add(keep, simd.load(&out[at..]), zero);
                let new = simd.flush(simd.mul_add(z, simd.load(&self.u.at(j)[at..]), old));
                simd.store(new, &mut out[at..]);
                sum = simd.mul_add(new, new, sum);
            }
            simd.store(sum, &mut self.squares[at..]);
        }
    }
}
