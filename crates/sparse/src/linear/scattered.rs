//! The sources of a row beyond its run, one by one.
//!
//! Each costs an index, a weight and a source; checks of the index would be most of the instructions.
#![allow(unsafe_code)]

use std::ops::Range;

use super::map::{Linear, Others};
use crate::float::Float;
use crate::lanes::{Lanes, LanesMut};
use crate::simd::Simd;

/// The only lane of the dense sources, looked up by columns of the pattern. To subtract the number of symbols from each column would be a
/// fifth of the instructions.
#[derive(Clone, Copy)]
struct ByColumn<T>(*mut T);

impl<T: Float> ByColumn<T> {
    #[inline(always)]
    fn of(u: &[T], symbols: usize) -> Self {
        Self(u.as_ptr().cast_mut().wrapping_sub(symbols))
    }

    #[inline(always)]
    fn of_mut(a: &mut [T], symbols: usize) -> Self {
        Self(a.as_mut_ptr().wrapping_sub(symbols))
    }

    #[inline(always)]
    fn place(self, column: u32) -> *mut T {
        self.0.wrapping_add(column as usize)
    }
}

impl Linear {
    /// `Σ w u` over the sources of row `r` beyond its run, in the only lane.
    #[inline(always)]
    pub(crate) fn scattered_dot<T: Float, S: Simd<T>>(&self, simd: S, r: usize, weights: &[T], u: &[T]) -> T {
        let Others { sources, symbols, weights: own } = self.others(r);
        let weights = &weights[own];
        assert!(
            u.len() == self.dense_sources() && weights.len() == sources.len(),
            "dense sources and weights"
        );
        let u = ByColumn::of(u, symbols);
        // SAFETY: `i` is below the number of sources, of which each has a weight. Sources beyond the run of a row are columns of
        // the pattern from `symbols` on, and `u` has an entry for each of these columns.
        let product = |i: usize| unsafe { (*weights.get_unchecked(i), *u.place(*sources.get_unchecked(i))) };
        let whole = sources.len() - sources.len() % 4;
        // Several sums, since each multiply-add waits for the one before.
        let mut sums = [T::ZERO; 4];
        for i in whole..sources.len() {
            let (w, u) = product(i);
            sums[0] = simd.scalar(w, u, sums[0]);
        }
        let mut first = 0;
        while first < whole {
            for (k, sum) in sums.iter_mut().enumerate() {
                let (w, u) = product(first + k);
                *sum = simd.scalar(w, u, *sum);
            }
            first += 4;
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3])
    }

    /// `a_j += z w_j` for the sources `j` of row `r` beyond its run, from the dense source `from` on, in the only lane.
    #[inline(always)]
    pub(crate) fn scattered_add<T: Float, S: Simd<T>>(
        &self,
        simd: S,
        r: usize,
        weights: &[T],
        z: T,
        a: &mut [T],
        from: usize,
    ) {
        let (sources, symbols, weights) = self.scattered_from(r, weights, from);
        assert!(a.len() == self.dense_sources(), "dense sources");
        let a = ByColumn::of_mut(a, symbols);
        for (&source, &w) in sources.iter().zip(weights) {
            // SAFETY: as for `scattered_dot`, and `a` is borrowed by this function alone.
            let a = unsafe { &mut *a.place(source) };
            *a = simd.scalar(z, w, *a);
        }
    }

    /// The same for `V` vectors of several lanes, from `lane` on.
    #[inline(always)]
    pub(crate) fn scattered_add_lanes<T: Float, S: Simd<T>, const V: usize>(
        &self,
        simd: S,
        r: usize,
        weights: &[T],
        z: [S::Vector; V],
        a: &mut LanesMut<'_, T>,
        (lane, from): (usize, usize),
    ) {
        let (sources, symbols, weights) = self.scattered_from(r, weights, from);
        let lanes = a.lanes();
        let sizes = (a.len(), lane + V * S::WIDTH <= lanes);
        assert!(sizes == (self.dense_sources(), true), "dense sources and lanes");
        let a = a.values_mut();
        for (&source, &w) in sources.iter().zip(weights) {
            let (w, at) = (simd.splat(w), (source as usize - symbols) * lanes + lane);
            // SAFETY: as for `scattered_dot`; and these vectors are among the lanes of the source.
            let a = unsafe { a.get_unchecked_mut(at..at + V * S::WIDTH) };
            for (a, &z) in a.chunks_exact_mut(S::WIDTH).zip(&z) {
                simd.store(simd.mul_add(w, z, simd.load(a)), a);
            }
        }
    }

    /// The sources of row `r` beyond its run, from the dense source `from` on: columns of the pattern, the number of symbols among
    /// these, and the weights.
    #[inline(always)]
    fn scattered_from<'a, T>(
        &'a self,
        r: usize,
        weights: &'a [T],
        from: usize,
    ) -> (&'a [u32], usize, &'a [T]) {
        let Others { mut sources, symbols, weights: own } = self.others(r);
        let mut weights = &weights[own];
        // Usually no source lies before `from`, and the search can be skipped.
        if sources.first().is_some_and(|&source| (source as usize) < symbols + from) {
            let unwanted = sources.partition_point(|&source| (source as usize) < symbols + from);
            (sources, weights) = (&sources[unwanted..], &weights[unwanted..]);
        }
        (sources, symbols, weights)
    }

    /// `g_j += z u_j` for the sources `j` of row `r` beyond its run, in the only lane.
    #[inline(always)]
    pub(crate) fn scattered_outer<T: Float, S: Simd<T>>(
        &self,
        simd: S,
        r: usize,
        z: T,
        u: &[T],
        g: &mut [T],
    ) {
        let Others { sources, symbols, weights } = self.others(r);
        assert!(u.len() == self.dense_sources(), "dense sources");
        let u = ByColumn::of(u, symbols);
        for (g, &source) in g[weights].iter_mut().zip(sources) {
            // SAFETY: as for `scattered_dot`.
            *g = simd.scalar(z, unsafe { *u.place(source) }, *g);
        }
    }

    /// The same in several lanes, summed over these.
    #[inline(always)]
    pub(crate) fn scattered_outer_lanes<T: Float, S: Simd<T>>(
        &self,
        simd: S,
        r: usize,
        z: &[T],
        u: Lanes<'_, T>,
        g: &mut [T],
    ) {
        let (Others { sources, symbols, weights }, lanes) = (self.others(r), z.len());
        let (u, all, g) = (u.values(), (u.len(), u.lanes()), &mut g[weights]);
        assert!(all == (self.dense_sources(), lanes) && g.len() == sources.len(), "dense sources and lanes");
        // The vector of source `i` from `lane` on. A macro, since a closure would be compiled for the baseline.
        macro_rules! load {
            ($i:expr, $lane:expr) => {{
                let at = (sources[$i] as usize - symbols) * lanes + $lane;
                // SAFETY: as for `scattered_dot`, and a vector from `lane` on is among the lanes of the source.
                simd.load(unsafe { u.get_unchecked(at..at + S::WIDTH) })
            }};
        }
        let mut i = 0;
        while i + 4 <= sources.len() {
            let mut sums = [simd.splat(T::ZERO); 4];
            let mut lane = 0;
            while lane + S::WIDTH <= lanes {
                let z = simd.load(&z[lane..]);
                for (k, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.mul_add(z, load!(i + k, lane), *sum);
                }
                lane += S::WIDTH;
            }
            for (k, sum) in sums.into_iter().enumerate() {
                g[i + k] += simd.sum(sum);
            }
            i += 4;
        }
        while i < sources.len() {
            let (mut sum, mut lane) = (simd.splat(T::ZERO), 0);
            while lane + S::WIDTH <= lanes {
                sum = simd.mul_add(simd.load(&z[lane..]), load!(i, lane), sum);
                lane += S::WIDTH;
            }
            g[i] += simd.sum(sum);
            i += 1;
        }
    }

    /// Copies the dense sources of row `r`, but for the first `skipped`, in the only lane.
    #[inline(always)]
    pub(crate) fn scattered_gather<T: Float>(&self, r: usize, skipped: usize, u: &[T], into: &mut [T]) {
        let Range { start, end } = self.rows[r].dense;
        let sources = &self.pattern.indices()[start + skipped..end];
        assert!(u.len() == self.dense_sources(), "dense sources");
        let u = ByColumn::of(u, self.symbols);
        for (into, &source) in into.iter_mut().zip(sources) {
            // SAFETY: dense sources are columns of the pattern from `symbols` on, and `u` has an entry for each of these columns.
            *into = unsafe { *u.place(source) };
        }
    }
}
