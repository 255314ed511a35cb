//! Outer products of each lane separately, without a sum over lanes.

use super::map::{Linear, Sources};
use crate::float::Float;
use crate::lanes::{Lanes, LanesMut};
use crate::simd::{Kernel, Simd};

/// See [`Linear::mix_outer`].
pub struct MixOuter<'a, T> {
    pub linear: &'a Linear,
    pub keep: &'a [T],
    pub z: Lanes<'a, T>,
    pub u: Sources<'a, T>,
    pub out: LanesMut<'a, T>,
}

impl<T: Float> Kernel<T> for MixOuter<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        let lanes = self.keep.len();
        for r in 0..self.linear.pattern().rows() {
            let (all, dense) = (self.linear.pattern().entries(r), self.linear.dense_entries(r));
            let coded = self.out.range_mut(all.start..dense.start);
            for (at, out) in coded.iter_mut().enumerate() {
                *out = (*out * self.keep[at % lanes]).flush();
            }
            if lanes == 1 {
                self.row(simd, r);
            } else {
                self.row_lanes(simd, r);
            }
            for (lane, &symbol) in self.u.symbols.iter().enumerate() {
                if let Some(entry) = self.linear.symbol_entry(r, symbol) {
                    self.out.at_mut(entry)[lane] += self.z.at(r)[lane];
                }
            }
        }
    }
}

impl<T: Float> MixOuter<'_, T> {
    /// The dense sources of a row, in the only lane.
    #[inline(always)]
    fn row<S: Simd<T>>(&mut self, simd: S, r: usize) {
        let (keep, z, u) = (self.keep[0], self.z.values()[r], self.u.dense.values());
        let out = self.out.range_mut(self.linear.dense_entries(r));
        let (first, run) = self.linear.rows[r].span();
        let (out, others) = out.split_at_mut(run);
        let (kept, row) = (simd.splat(keep), simd.splat(z));
        let zero = simd.splat(T::ZERO);
        let (mut outs, mut us) =
            (out.chunks_exact_mut(S::WIDTH), u[first..first + run].chunks_exact(S::WIDTH));
        for (out, u) in (&mut outs).zip(&mut us) {
            let old = simd.mul_add(kept, simd.load(out), zero);
            simd.store(simd.flush(simd.mul_add(row, simd.load(u), old)), out);
        }
        for (out, &u) in outs.into_remainder().iter_mut().zip(us.remainder()) {
            *out = simd.scalar(z, u, simd.scalar(keep, *out, T::ZERO)).flush();
        }
        for (out, j) in others.iter_mut().zip(self.linear.others(r).dense()) {
            *out = simd.scalar(z, u[j], simd.scalar(keep, *out, T::ZERO)).flush();
        }
    }

    /// The dense sources of a row, in several lanes, which fill whole vectors.
    #[inline(always)]
    fn row_lanes<S: Simd<T>>(&mut self, simd: S, r: usize) {
        let (lanes, zero) = (self.keep.len(), simd.splat(T::ZERO));
        let out = self.out.range_mut(self.linear.dense_entries(r)).chunks_exact_mut(lanes);
        let (first, run) = self.linear.rows[r].span();
        let others = self.linear.others(r).dense();
        let z = self.z.at(r);
        for (out, j) in out.zip((first..first + run).chain(others)) {
            let u = self.u.dense.at(j);
            for at in (0..lanes).step_by(S::WIDTH) {
                let old = simd.mul_add(simd.load(&self.keep[at..]), simd.load(&out[at..]), zero);
                let new = simd.mul_add(simd.load(&z[at..]), simd.load(&u[at..]), old);
                simd.store(simd.flush(new), &mut out[at..]);
            }
        }
    }
}
