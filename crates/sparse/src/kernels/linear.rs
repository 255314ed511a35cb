//! The product of a sparse linear map and the transposed one, row by row or, where neighboring rows read the same sources,
//! several rows at once.

use std::ops::Range;

use super::simd::{Kernel, Simd};
use super::vector::{FEW, axpy};
use crate::linear::Row;
use crate::{Lanes, LanesMut, Linear, Scalar, Sources};

/// Rows, or columns, that share the loads of what they are multiplied by.
pub(super) const TOGETHER: usize = 4;

/// As many of them if there are registers for two vectors of each.
pub(super) const MANY: usize = 8;

/// Sources of some entries of a row; dense source `s - symbols` belongs to source `s`.
#[derive(Clone, Copy)]
pub(super) struct Beyond<'a> {
    pub sources: &'a [u32],
    pub symbols: usize,
}

/// Which consecutive sources memory holds: where they begin there, the first of them, and their number.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Held {
    at: usize,
    first: usize,
    run: usize,
}

impl Linear {
    /// The last row, exclusive, of those from `r` on within `end` that read the same sources, all consecutive; `r + 1` at
    /// least.
    #[inline(always)]
    pub(crate) fn alike_until(&self, r: usize, end: usize) -> usize {
        self.rows[r].alike.min(end)
    }

    /// First of the consecutive dense sources of row `r`, and their number.
    #[inline(always)]
    pub(super) fn consecutive(&self, r: usize) -> (usize, usize) {
        (self.rows[r].first, self.rows[r].run)
    }

    /// Copies the dense sources of row `r` from `u`, entry after entry, to the entries of `memory` from `at` on, but not the
    /// consecutive ones if they are `held` there already: in many nets they are the same for all rows.
    #[inline(always)]
    pub(super) fn gather<T: Scalar>(
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
        // One by one: numbers that have just been written are not there yet for a comparison of all at once.
        if held.at != at || held.first != first || held.run != run {
            consecutive.copy_from_slice(u.run(first..first + run));
            *held = Held { at, first, run };
        }
        let sources = self.scattered_parts(r).0;
        if lanes == 1 {
            let u = u.values();
            for (into, &j) in others.iter_mut().zip(sources) {
                *into = u[j as usize - self.symbols];
            }
        } else {
            for (into, &j) in others.chunks_exact_mut(lanes).zip(sources) {
                into.copy_from_slice(u.at(j as usize - self.symbols));
            }
        }
    }

    /// Sources of the entries of row `r` beyond its consecutive ones.
    #[inline(always)]
    pub(super) fn beyond(&self, r: usize) -> Beyond<'_> {
        Beyond { sources: self.scattered_parts(r).0, symbols: self.symbols }
    }

    /// Entries of row `r` beyond its consecutive ones: (dense source, position in the weights).
    #[inline(always)]
    pub(super) fn scattered(&self, r: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let (sources, weights) = self.scattered_parts(r);
        sources.iter().map(|&c| c as usize - self.symbols).zip(weights)
    }

    /// Sources and positions in the weights of the entries of row `r` beyond its consecutive ones.
    #[inline(always)]
    fn scattered_parts(&self, r: usize) -> (&[u32], Range<usize>) {
        let Row { dense, run, .. } = &self.rows[r];
        let entries = dense.start + run..dense.end;
        (&self.pattern.indices()[entries.clone()], entries)
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

impl<T: Scalar> Kernel<T> for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        let mut r = self.range.start;
        while r < self.range.end {
            let alike = self.linear.alike_until(r, self.range.end);
            if S::TILE >= MANY && self.z.lanes() > 1 {
                while r + MANY <= alike {
                    self.rows::<S, MANY>(simd, r);
                    r += MANY;
                }
            }
            while r + TOGETHER <= alike {
                self.rows::<S, TOGETHER>(simd, r);
                r += TOGETHER;
            }
            while r < alike {
                self.rows::<S, 1>(simd, r);
                r += 1;
            }
        }
        if self.linear.symbols > 0 {
            for r in self.range.clone() {
                for (z, &symbol) in self.z.at(r - self.first).iter_mut().zip(self.u.symbols) {
                    if let Some(entry) = self.linear.symbol_entry(r, symbol) {
                        *z += self.weights[entry];
                    }
                }
            }
        }
    }
}

impl<T: Scalar> Multiply<'_, T> {
    /// `N` rows that read alike, or one row.
    #[inline(always)]
    fn rows<S: Simd<T>, const N: usize>(&mut self, simd: S, r: usize) {
        let Row { first, run, .. } = self.linear.rows[r];
        let weights: [&[T]; N] =
            std::array::from_fn(|n| &self.weights[self.linear.rows[r + n].dense.start..][..run]);
        let lanes = self.z.lanes();
        let u = self.u.dense.run(first..first + run);
        if lanes == 1 {
            let mut sums = dots(simd, weights, u);
            if N == 1 {
                let u = self.u.dense.values();
                sums[0] += self.scattered_dot(simd, r, u);
            }
            self.z.run(r - self.first..r - self.first + N).copy_from_slice(&sums);
            return;
        }
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

    /// `V` vectors of lanes of these rows.
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
        // A row may have no consecutive sources.
        let mut sums = tile::<T, S, N, V>(simd, weights, u.get(lane..).unwrap_or_default(), lanes);
        if N == 1 {
            for (j, entry) in self.linear.scattered(r) {
                let (w, u) = (simd.splat(self.weights[entry]), &self.u.dense.at(j)[lane..]);
                for (v, sum) in sums[0].iter_mut().enumerate() {
                    *sum = simd.mul_add(w, simd.load(&u[v * S::WIDTH..]), *sum);
                }
            }
        }
        let z = self.z.run(r - self.first..r - self.first + N);
        for (sums, z) in sums.into_iter().zip(z.chunks_exact_mut(lanes)) {
            for (v, sum) in sums.into_iter().enumerate() {
                simd.store(sum, &mut z[lane + v * S::WIDTH..]);
            }
        }
    }
}

impl<T: Scalar> Multiply<'_, T> {
    /// `Σ w u` over the entries of row `r` beyond its consecutive ones.
    #[inline(always)]
    fn scattered_dot<S: Simd<T>>(&self, simd: S, r: usize, u: &[T]) -> T {
        let (sources, weights) = self.linear.scattered_parts(r);
        let weights = &self.weights[weights];
        let at = |source: u32| source as usize - self.linear.symbols;
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

/// `Σ_k a_k b_k` for `N` rows `a` of equal length, with `V` vectors of each `b`, which lie `stride` apart: sums in the
/// order of `k`.
#[inline(always)]
pub(super) fn tile<T: Scalar, S: Simd<T>, const N: usize, const V: usize>(
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

/// `Σ w u` for several rows of weights; each in an order that does not depend on how many.
#[inline(always)]
fn dots<T: Scalar, S: Simd<T>, const N: usize>(simd: S, weights: [&[T]; N], u: &[T]) -> [T; N] {
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
    if len - whole <= FEW {
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

/// See [`Linear::multiply_transposed`].
pub struct MultiplyTransposed<'a, T> {
    pub linear: &'a Linear,
    pub weights: &'a [T],
    pub range: Range<usize>,
    pub z: Lanes<'a, T>,
    pub a: LanesMut<'a, T>,
    /// First dense source that is wanted.
    pub first: usize,
}

impl<T: Scalar> Kernel<T> for MultiplyTransposed<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        let lanes = self.z.lanes();
        let mut r = self.range.start;
        while r < self.range.end {
            if lanes == 1 && self.linear.rows[r].scattered() {
                self.scattered_row(simd, r);
                r += 1;
                continue;
            }
            let alike = self.linear.alike_until(r, self.range.end);
            if lanes == 1 {
                while r + TOGETHER <= alike {
                    self.rows::<S, TOGETHER>(simd, r);
                    r += TOGETHER;
                }
                while r < alike {
                    self.rows::<S, 1>(simd, r);
                    r += 1;
                }
            } else if r + 1 < alike {
                self.matrix(simd, r..alike);
                r = alike;
            } else {
                self.row_lanes(simd, r);
                r += 1;
            }
        }
    }
}

impl<T: Scalar> MultiplyTransposed<'_, T> {
    /// How many of the consecutive sources of row `r` are not wanted.
    #[inline(always)]
    fn skipped(&self, r: usize) -> usize {
        let Row { first, run, .. } = self.linear.rows[r];
        self.first.saturating_sub(first).min(run)
    }

    /// One lane of `N` rows that read alike, or of one row.
    #[inline(always)]
    fn rows<S: Simd<T>, const N: usize>(&mut self, simd: S, r: usize) {
        let skipped = self.skipped(r);
        let (first, run) = (self.linear.rows[r].first + skipped, self.linear.rows[r].run - skipped);
        let weights: [&[T]; N] =
            std::array::from_fn(|n| &self.weights[self.linear.rows[r + n].dense.start + skipped..][..run]);
        let z: [T; N] = std::array::from_fn(|n| self.z.values()[r + n]);
        let mut splat = [simd.splat(T::ZERO); N];
        for (splat, z) in splat.iter_mut().zip(z) {
            *splat = simd.splat(z);
        }
        let a = self.a.run(first..first + run);
        let whole = run - run % S::WIDTH;
        for at in (0..whole).step_by(S::WIDTH) {
            let a = &mut a[at..at + S::WIDTH];
            let mut sum = simd.load(a);
            for (z, weights) in splat.into_iter().zip(weights) {
                sum = simd.mul_add(z, simd.load(&weights[at..at + S::WIDTH]), sum);
            }
            simd.store(sum, a);
        }
        if run - whole <= FEW {
            for (at, a) in a.iter_mut().enumerate().skip(whole) {
                for (z, weights) in z.into_iter().zip(weights) {
                    *a = simd.scalar(z, weights[at], *a);
                }
            }
        } else {
            let a = &mut a[whole..];
            let mut sum = simd.load_part(a);
            for (z, weights) in splat.into_iter().zip(weights) {
                sum = simd.mul_add(z, simd.load_part(&weights[whole..]), sum);
            }
            simd.store_part(sum, a);
        }
    }

    /// One lane of a row that reads some sources one by one.
    #[inline(always)]
    fn scattered_row<S: Simd<T>>(&mut self, simd: S, r: usize) {
        if self.skipped(r) < self.linear.rows[r].run {
            self.rows::<S, 1>(simd, r);
        }
        let (z, symbols) = (self.z.values()[r], self.linear.symbols);
        let (mut sources, entries) = self.linear.scattered_parts(r);
        let mut weights = &self.weights[entries];
        // As a rule all are wanted.
        if (sources[0] as usize) < symbols + self.first {
            let unwanted = sources.partition_point(|&source| (source as usize) < symbols + self.first);
            (sources, weights) = (&sources[unwanted..], &weights[unwanted..]);
        }
        let a = self.a.values();
        for (&source, &w) in sources.iter().zip(weights) {
            let a = &mut a[source as usize - symbols];
            *a = simd.scalar(z, w, *a);
        }
    }

    /// Several lanes of rows that read alike.
    #[inline(always)]
    fn matrix<S: Simd<T>>(&mut self, simd: S, rows: Range<usize>) {
        let lanes = self.z.lanes();
        let mut lane = 0;
        while lane + 2 * S::WIDTH <= lanes {
            self.lanes::<S, 2>(simd, rows.clone(), lane);
            lane += 2 * S::WIDTH;
        }
        while lane < lanes {
            self.lanes::<S, 1>(simd, rows.clone(), lane);
            lane += S::WIDTH;
        }
    }

    /// `V` vectors of lanes of them.
    #[inline(always)]
    fn lanes<S: Simd<T>, const V: usize>(&mut self, simd: S, rows: Range<usize>, lane: usize) {
        let (run, mut column) = (self.linear.rows[rows.start].run, self.skipped(rows.start));
        if S::TILE >= MANY {
            while column + MANY <= run {
                self.columns::<S, MANY, V>(simd, rows.clone(), column, lane);
                column += MANY;
            }
        }
        while column + TOGETHER <= run {
            self.columns::<S, TOGETHER, V>(simd, rows.clone(), column, lane);
            column += TOGETHER;
        }
        while column < run {
            self.columns::<S, 1, V>(simd, rows.clone(), column, lane);
            column += 1;
        }
    }

    #[inline(always)]
    fn columns<S: Simd<T>, const C: usize, const V: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        column: usize,
        lane: usize,
    ) {
        let (lanes, zero) = (self.z.lanes(), simd.splat(T::ZERO));
        let first = self.linear.rows[rows.start].first + column;
        let a = self.a.run(first..first + C);
        let mut sums = [[zero; V]; C];
        for (sums, a) in sums.iter_mut().zip(a.chunks_exact(lanes)) {
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = simd.load(&a[lane + v * S::WIDTH..]);
            }
        }
        for r in rows {
            let z = &self.z.at(r)[lane..][..V * S::WIDTH];
            let mut vectors = [zero; V];
            for (v, vector) in vectors.iter_mut().enumerate() {
                *vector = simd.load(&z[v * S::WIDTH..]);
            }
            let weights = &self.weights[self.linear.rows[r].dense.start + column..][..C];
            for (sums, &w) in sums.iter_mut().zip(weights) {
                let w = simd.splat(w);
                for (sum, z) in sums.iter_mut().zip(vectors) {
                    *sum = simd.mul_add(w, z, *sum);
                }
            }
        }
        for (sums, a) in sums.into_iter().zip(a.chunks_exact_mut(lanes)) {
            for (v, sum) in sums.into_iter().enumerate() {
                simd.store(sum, &mut a[lane + v * S::WIDTH..]);
            }
        }
    }

    /// Several lanes of one row.
    #[inline(always)]
    fn row_lanes<S: Simd<T>>(&mut self, simd: S, r: usize) {
        let Row { dense, first, run, .. } = &self.linear.rows[r];
        let z = self.z.at(r);
        let run = (*first..first + run).zip(dense.start..).skip(self.skipped(r));
        let beyond = self.linear.scattered(r).skip_while(|&(j, _)| j < self.first);
        for (j, entry) in run.chain(beyond) {
            axpy(simd, self.a.at(j), self.weights[entry], z);
        }
    }
}
