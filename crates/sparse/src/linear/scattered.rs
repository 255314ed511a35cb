//! The sources of a row beyond its run, one by one.
//!
//! Each costs an index, a weight and a source; checks of the index would be most of the instructions.
#![allow(unsafe_code)]

use super::map::{Linear, Others};
use crate::float::Float;
use crate::simd::Simd;

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
        // SAFETY: `i` is below the number of sources, of which each has a weight. Sources beyond the run of a row are columns of
        // the pattern from `symbols` on, and `u` has an entry for each of these columns.
        let product = |i: usize| unsafe {
            (*weights.get_unchecked(i), *u.get_unchecked(*sources.get_unchecked(i) as usize - symbols))
        };
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
        let Others { mut sources, symbols, weights: own } = self.others(r);
        let mut weights = &weights[own];
        // Usually no source lies before `from`, and the search can be skipped.
        if sources.first().is_some_and(|&source| (source as usize) < symbols + from) {
            let unwanted = sources.partition_point(|&source| (source as usize) < symbols + from);
            (sources, weights) = (&sources[unwanted..], &weights[unwanted..]);
        }
        assert!(a.len() == self.dense_sources(), "dense sources");
        for (&source, &w) in sources.iter().zip(weights) {
            // SAFETY: as for `scattered_dot`.
            let a = unsafe { a.get_unchecked_mut(source as usize - symbols) };
            *a = simd.scalar(z, w, *a);
        }
    }

    /// Copies the sources of row `r` beyond its run, in the only lane.
    #[inline(always)]
    pub(crate) fn scattered_gather<T: Float>(&self, r: usize, u: &[T], into: &mut [T]) {
        let Others { sources, symbols, .. } = self.others(r);
        assert!(u.len() == self.dense_sources(), "dense sources");
        for (into, &source) in into.iter_mut().zip(sources) {
            // SAFETY: as for `scattered_dot`.
            *into = unsafe { *u.get_unchecked(source as usize - symbols) };
        }
    }
}
