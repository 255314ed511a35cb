//! The product of a sparse linear map: several rows of a band at once for their common run, and row by row for the
//! sources beyond it.

use std::ops::Range;

use super::map::{Linear, Others, Row, Sources};
use crate::float::Float;
use crate::lanes::{Lanes, LanesMut};
use crate::simd::vector::MAX_SCALAR_TAIL;
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

impl Linear {
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
        let (consecutive, others) = memory[at * lanes..(at + dense.len()) * lanes].split_at_mut(run * lanes);
        // Field by field: a SIMD load of the whole struct misses store-to-load forwarding just after scalar
        // stores.
        if held.at != at || held.first != first || held.run != run {
            consecutive.copy_from_slice(u.range(first..first + run));
            *held = Held { at, first, run };
        }
        let sources = self.others(r).dense();
        if lanes == 1 {
            let u = u.values();
            for (into, j) in others.iter_mut().zip(sources) {
                *into = u[j];
            }
        } else {
            for (into, j) in others.chunks_exact_mut(lanes).zip(sources) {
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
            if S::TILE >= MANY && self.z.lanes() > 1 {
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
        let Row { first, run, .. } = self.linear.rows[r];
        let weights: [&[T]; N] =
            std::array::from_fn(|n| &self.weights[self.linear.rows[r + n].dense.start..][..run]);
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
                    let others = self.scattered_dot(simd, r, self.u.dense.values());
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
        let (lanes, Others { sources, symbols, weights }) = (self.z.lanes(), self.linear.others(r));
        let (weights, u) = (&self.weights[weights], self.u.dense.values());
        let z = self.z.at_mut(r - self.first);
        let at = |source: u32| (source as usize - symbols) * lanes;
        let (fours, weight_fours) = (sources.chunks_exact(4), weights.chunks_exact(4));
        for lane in (0..lanes).step_by(S::WIDTH) {
            // Several sums, since each multiply-add waits for the one before.
            let mut sums = [simd.splat(T::ZERO); 4];
            let mut rest = simd.load(&z[lane..]);
            for (&source, &w) in fours.remainder().iter().zip(weight_fours.remainder()) {
                rest = simd.mul_add(simd.splat(w), simd.load(&u[at(source) + lane..]), rest);
            }
            for (sources, weights) in fours.clone().zip(weight_fours.clone()) {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.mul_add(simd.splat(weights[i]), simd.load(&u[at(sources[i]) + lane..]), *sum);
                }
            }
            let [a, b, c, d] = sums;
            simd.store(simd.add(simd.add(rest, simd.add(a, b)), simd.add(c, d)), &mut z[lane..]);
        }
    }

    /// `Σ w u` over the sources of row `r` beyond its run.
    #[inline(always)]
    fn scattered_dot<S: Simd<T>>(&self, simd: S, r: usize, u: &[T]) -> T {
        let Others { sources, symbols, weights } = self.linear.others(r);
        let weights = &self.weights[weights];
        let at = |source: u32| source as usize - symbols;
        // Several sums, since each multiply-add waits for the one before.
        let mut sums = [T::ZERO; 4];
        let (sources, weights) = (sources.chunks_exact(4), weights.chunks_exact(4));
        for (&source, &w) in sources.remainder().iter().zip(weights.remainder()) {
            sums[0] = simd.scalar(w, u[at(source)], sums[0]);
        }
        for (sources, weights) in sources.zip(weights) {
            for ((sum, &source), &w) in sums.iter_mut().zip(sources).zip(weights) {
                *sum = simd.scalar(w, u[at(source)], *sum);
            }
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3])
    }
}

/// `Σ_k a_k b_k` for `N` rows `a` of equal length, summed in the order of `k`. `b_k` is `V` vectors, which begin
/// at `b[k * stride]`.
#[inline(always)]
pub(super) fn tile<T: Float, S: Simd<T>, const N: usize, const V: usize>(
    simd: S,
    a: [&[T]; N],
    b: &[T],
    stride: usize,
) -> [[S::Vector; V]; N] {
    let zero = simd.splat(T::ZERO);
    let mut sums = [[zero; V]; N];
    let len = a[0].len();
    for a in a {
        assert_eq!(a.len(), len, "rows of equal length");
    }
    for k in 0..len {
        let b = &b[k * stride..][..V * S::WIDTH];
        let mut vectors = [zero; V];
        for (v, vector) in vectors.iter_mut().enumerate() {
            *vector = simd.load(&b[v * S::WIDTH..]);
        }
        for (sums, a) in sums.iter_mut().zip(a) {
            let a = simd.splat(a[k]);
            for (sum, vector) in sums.iter_mut().zip(vectors) {
                *sum = simd.mul_add(a, vector, *sum);
            }
        }
    }
    sums
}

/// `Σ w u` for `N` rows of weights, each summed in an order that does not depend on `N`.
#[inline(always)]
fn dots<T: Float, S: Simd<T>, const N: usize>(simd: S, weights: [&[T]; N], u: &[T]) -> [T; N] {
    let mut sums = [[simd.splat(T::ZERO); 2]; N];
    let len = u.len();
    let (pairs, whole) = (len - len % (2 * S::WIDTH), len - len % S::WIDTH);
    for at in (0..pairs).step_by(2 * S::WIDTH) {
        let u = &u[at..at + 2 * S::WIDTH];
        let (u0, u1) = (simd.load(u), simd.load(&u[S::WIDTH..]));
        for (sums, weights) in sums.iter_mut().zip(weights) {
            let weights = &weights[at..at + 2 * S::WIDTH];
            sums[0] = simd.mul_add(simd.load(weights), u0, sums[0]);
            sums[1] = simd.mul_add(simd.load(&weights[S::WIDTH..]), u1, sums[1]);
        }
    }
    if pairs < whole {
        let u = simd.load(&u[pairs..]);
        for (sums, weights) in sums.iter_mut().zip(weights) {
            sums[0] = simd.mul_add(simd.load(&weights[pairs..]), u, sums[0]);
        }
    }
    let mut out = [T::ZERO; N];
    if len - whole <= MAX_SCALAR_TAIL {
        for (out, weights) in out.iter_mut().zip(weights) {
            for (&w, &u) in weights[whole..].iter().zip(&u[whole..]) {
                *out = simd.scalar(w, u, *out);
            }
        }
    } else {
        let u = simd.load_part(&u[whole..]);
        for (sums, weights) in sums.iter_mut().zip(weights) {
            sums[1] = simd.mul_add(simd.load_part(&weights[whole..]), u, sums[1]);
        }
    }
    // No closure may hold a vector: it would be compiled for the baseline, and the vector operations in it not inlined.
    for (out, [a, b]) in out.iter_mut().zip(sums) {
        *out += simd.sum(simd.add(a, b));
    }
    out
}
