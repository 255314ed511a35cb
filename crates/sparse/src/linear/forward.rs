//! The product of a sparse linear map: several rows of a band at once for their common run, and row by row for the
//! sources beyond it.

use std::ops::Range;

use super::map::{Linear, Others, Row, Sources};
use crate::float::Float;
use crate::lanes::{Lanes, LanesMut};
use crate::simd::several::{dots, tile};
use crate::simd::{Kernel, Simd};

/// Rows, or columns, that are multiplied together: they share the loads of the other operand.
pub(super) const TOGETHER: usize = 4;

/// The same at a level with registers for two accumulators of each, AVX-512.
pub(super) const MANY: usize = 8;

/// The run of sources that gathered memory holds: the entry of the memory where it begins, its first source, and
/// its length.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Held {
    at: usize,
    first: usize,
    run: usize,
}

/// A shorter run is gathered source by source in one lane: a call of `memcpy` takes longer. Rows that read no input have runs by
/// accident, most of them of a single source.
const MIN_COPIED_RUN: usize = 4;

impl Linear {
    /// Whether [`gather`](Self::gather) copies the sources of row `r` one by one in one lane.
    #[inline(always)]
    pub(crate) fn one_by_one(&self, r: usize) -> bool {
        self.rows[r].run < MIN_COPIED_RUN
    }

    /// Copies the dense sources of row `r` from `u` to the entries of `memory` from `at` on. The run is not copied
    /// if it is `held` there already: in many nets it is the same for all rows.
    #[inline(always)]
    pub(crate) fn gather<T: Float>(
        &self,
        r: usize,
        u: Lanes<'_, T>,
        memory: &mut [T],
        at: usize,
        held: &mut Held,
    ) {
        let Row { ref dense, first, run, .. } = self.rows[r];
        let lanes = u.lanes();
        if lanes == 1 && self.one_by_one(r) {
            *held = Held::default();
            self.scattered_gather(r, 0, u.values(), &mut memory[at..at + dense.len()]);
            return;
        }
        let (consecutive, others) = memory[at * lanes..(at + dense.len()) * lanes].split_at_mut(run * lanes);
        // Field by field: a SIMD load of the whole struct misses store-to-load forwarding just after scalar
        // stores.
        if held.at != at || held.first != first || held.run != run {
            consecutive.copy_from_slice(u.range(first..first + run));
            *held = Held { at, first, run };
        }
        if lanes == 1 {
            self.scattered_gather(r, run, u.values(), others);
        } else {
            for (into, j) in others.chunks_exact_mut(lanes).zip(self.others(r).dense()) {
                into.copy_from_slice(u.at(j));
            }
        }
    }
}

/// See [`Linear::multiply`].
pub struct Multiply<'a, T> {
    pub linear: &'a Linear,
    pub weights: &'a [T],
    pub range: Range<usize>,
    pub u: Sources<'a, T>,
    pub z: LanesMut<'a, T>,
    pub first: usize,
}

impl<T: Float> Kernel<T> for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        for band in self.linear.bands(self.range.clone()) {
            let Range { start: mut r, end } = band.rows;
            if S::TILE >= MANY {
                while r + MANY <= end {
                    self.rows::<S, MANY>(simd, r, band.scattered);
                    r += MANY;
                }
            }
            while r + TOGETHER <= end {
                self.rows::<S, TOGETHER>(simd, r, band.scattered);
                r += TOGETHER;
            }
            while r < end {
                self.rows::<S, 1>(simd, r, band.scattered);
                r += 1;
            }
        }
        if self.linear.symbols > 0 {
            for r in self.range.clone() {
                for (z, &symbol) in self.z.at_mut(r - self.first).iter_mut().zip(self.u.symbols) {
                    if let Some(entry) = self.linear.symbol_entry(r, symbol) {
                        *z += self.weights[entry];
                    }
                }
            }
        }
    }
}

impl<T: Float> Multiply<'_, T> {
    /// `N` rows of a band.
    #[inline(always)]
    fn rows<S: Simd<T>, const N: usize>(&mut self, simd: S, r: usize, scattered: bool) {
        let rows = &self.linear.rows[r..r + N];
        let Row { first, run, .. } = rows[0];
        let weights: [&[T]; N] = std::array::from_fn(|n| &self.weights[rows[n].dense.start..][..run]);
        let lanes = self.z.lanes();
        let u = self.u.dense.range(first..first + run);
        if lanes == 1 {
            let sums = dots(simd, weights, u);
            self.z.range_mut(r - self.first..r - self.first + N).copy_from_slice(&sums);
        } else {
            let mut lane = 0;
            while lane + 2 * S::WIDTH <= lanes {
                self.lanes::<S, N, 2>(simd, r, weights, u, lane);
                lane += 2 * S::WIDTH;
            }
            while lane < lanes {
                self.lanes::<S, N, 1>(simd, r, weights, u, lane);
                lane += S::WIDTH;
            }
        }
        if scattered {
            for r in r..r + N {
                if lanes == 1 {
                    let others = self.linear.scattered_dot(simd, r, self.weights, self.u.dense.values());
                    self.z.at_mut(r - self.first)[0] += others;
                } else {
                    self.scattered_lanes(simd, r);
                }
            }
        }
    }

    /// `V` vectors of lanes, from `lane` on, of the run of `N` rows.
    #[inline(always)]
    fn lanes<S: Simd<T>, const N: usize, const V: usize>(
        &mut self,
        simd: S,
        r: usize,
        weights: [&[T]; N],
        u: &[T],
        lane: usize,
    ) {
        let lanes = self.z.lanes();
        // Without a run `u` is empty, and `lane` may lie beyond its end.
        let sums = tile::<T, S, N, V>(simd, weights, u.get(lane..).unwrap_or_default(), lanes);
        let z = self.z.range_mut(r - self.first..r - self.first + N);
        for (sums, z) in sums.into_iter().zip(z.chunks_exact_mut(lanes)) {
            for (v, sum) in sums.into_iter().enumerate() {
                simd.store(sum, &mut z[lane + v * S::WIDTH..]);
            }
        }
    }

    /// `z_r += Σ w u` over the sources of row `r` beyond its run.
    #[inline(always)]
    fn scattered_lanes<S: Simd<T>>(&mut self, simd: S, r: usize) {
        let lanes = self.z.lanes();
        let mut lane = 0;
        if S::TILE >= MANY {
            while lane + 4 * S::WIDTH <= lanes {
                self.scattered_vectors::<S, 4>(simd, r, lane);
                lane += 4 * S::WIDTH;
            }
        }
        while lane + 2 * S::WIDTH <= lanes {
            self.scattered_vectors::<S, 2>(simd, r, lane);
            lane += 2 * S::WIDTH;
        }
        while lane < lanes {
            self.scattered_vectors::<S, 1>(simd, r, lane);
            lane += S::WIDTH;
        }
    }

    /// `V` vectors of lanes, from `lane` on, of these sums. They share the loads of sources and weights.
    #[inline(always)]
    fn scattered_vectors<S: Simd<T>, const V: usize>(&mut self, simd: S, r: usize, lane: usize) {
        let (lanes, Others { sources, symbols, weights }) = (self.z.lanes(), self.linear.others(r));
        let (weights, u) = (&self.weights[weights], self.u.dense.values());
        let z = &mut self.z.at_mut(r - self.first)[lane..][..V * S::WIDTH];
        let at = |source: u32| (source as usize - symbols) * lanes + lane;
        let (fours, weight_fours) = (sources.chunks_exact(4), weights.chunks_exact(4));
        // Several sums, since each multiply-add waits for the one before.
        let mut sums = [[simd.splat(T::ZERO); V]; 4];
        let mut rest = [simd.splat(T::ZERO); V];
        for (v, rest) in rest.iter_mut().enumerate() {
            *rest = simd.load(&z[v * S::WIDTH..]);
        }
        for (&source, &w) in fours.remainder().iter().zip(weight_fours.remainder()) {
            let (w, u) = (simd.splat(w), &u[at(source)..][..V * S::WIDTH]);
            for (v, rest) in rest.iter_mut().enumerate() {
                *rest = simd.mul_add(w, simd.load(&u[v * S::WIDTH..]), *rest);
            }
        }
        for (sources, weights) in fours.zip(weight_fours) {
            for (i, sums) in sums.iter_mut().enumerate() {
                let (w, u) = (simd.splat(weights[i]), &u[at(sources[i])..][..V * S::WIDTH]);
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.mul_add(w, simd.load(&u[v * S::WIDTH..]), *sum);
                }
            }
        }
        let [a, b, c, d] = sums;
        for v in 0..V {
            let sum = simd.add(simd.add(rest[v], simd.add(a[v], b[v])), simd.add(c[v], d[v]));
            simd.store(sum, &mut z[v * S::WIDTH..]);
        }
    }
}
