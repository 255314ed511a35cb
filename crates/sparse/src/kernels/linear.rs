//! The three products of a sparse linear map, row by row or, where neighboring rows read the same sources, several rows at
//! once.

use std::ops::Range;

use super::simd::{Kernel, Simd};
use super::vector::{FEW, axpy, dot_lanes};
use crate::linear::Row;
use crate::{Lanes, LanesMut, Linear, Scalar, Sources};

/// Rows that share the loads of their sources.
const TOGETHER: usize = 4;

/// Columns whose sums are formed at once in a transposed product of several lanes.
const COLUMNS: usize = 8;

/// Lanes whose sources are turned around at once in an outer product, and the widest vector of any level.
const TURNED: usize = 64;
const WIDEST: usize = 16;

impl Linear {
    /// The last row, exclusive, of those from `r` on within `end` that read the same sources, all consecutive: their
    /// weights are a dense matrix. `r + 1` at least.
    #[inline(always)]
    fn alike(&self, r: usize, end: usize) -> usize {
        let row = &self.rows[r];
        let mut next = r + 1;
        if row.run == row.dense.len() {
            while next < end && self.rows[next].reads_as(row) {
                next += 1;
            }
        }
        next
    }

    /// Entries of row `r` beyond its consecutive ones: (dense source, position in the weights).
    #[inline(always)]
    fn scattered(&self, r: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let (sources, weights) = self.scattered_parts(r);
        sources.iter().map(|&c| c as usize - self.symbols).zip(weights)
    }

    /// Sources and positions in the weights of the entries of row `r` beyond its consecutive ones.
    #[inline(always)]
    fn scattered_parts(&self, r: usize) -> (&[u32], Range<usize>) {
        let Row { dense, run, .. } = &self.rows[r];
        let sources = self.pattern.row(r);
        (&sources[sources.len() - (dense.len() - run)..], dense.start + run..dense.end)
    }

    /// One row of the outer product; see [`accumulate_outer`](Self::accumulate_outer).
    #[inline(always)]
    pub(super) fn outer<T: Scalar, S: Simd<T>>(
        &self,
        simd: S,
        r: usize,
        z: &[T],
        u: Sources<'_, T>,
        g: &mut [T],
    ) {
        let Row { dense, first, run } = &self.rows[r];
        if let &[z] = z {
            axpy(simd, &mut g[dense.start..dense.start + run], z, u.dense.run(*first..first + run));
            let u = u.dense.values();
            for (j, entry) in self.scattered(r) {
                g[entry] = simd.scalar(z, u[j], g[entry]);
            }
        } else {
            let run = (*first..first + run).zip(dense.start..);
            for (j, entry) in run.chain(self.scattered(r)) {
                g[entry] += dot_lanes(simd, z, u.dense.at(j));
            }
        }
        self.add_symbols(r, z, u.symbols, g);
    }

    /// The part of one row of the outer product that belongs to one-hot sources.
    #[inline(always)]
    fn add_symbols<T: Scalar>(&self, r: usize, z: &[T], symbols: &[u32], g: &mut [T]) {
        if self.symbols > 0 {
            for (&z, &symbol) in z.iter().zip(symbols) {
                if let Some(entry) = self.symbol_entry(r, symbol) {
                    g[entry] += z;
                }
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

impl<T: Scalar> Kernel<T> for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        let mut r = self.range.start;
        while r < self.range.end {
            let alike = self.linear.alike(r, self.range.end);
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
        let z = self.z.run(r - self.first..r - self.first + N);
        for lane in (0..lanes).step_by(S::WIDTH) {
            let mut sums = [simd.splat(T::ZERO); N];
            for (j, u) in u.chunks_exact(lanes).enumerate() {
                let u = simd.load(&u[lane..]);
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = simd.mul_add(simd.splat(weights[j]), u, *sum);
                }
            }
            if N == 1 {
                for (j, entry) in self.linear.scattered(r) {
                    let u = simd.load(&self.u.dense.at(j)[lane..]);
                    sums[0] = simd.mul_add(simd.splat(self.weights[entry]), u, sums[0]);
                }
            }
            for (sum, z) in sums.into_iter().zip(z.chunks_exact_mut(lanes)) {
                simd.store(sum, &mut z[lane..]);
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
    if S::WIDTH > 1 && whole < len {
        let u = simd.load_part(&u[whole..]);
        for (sums, weights) in sums.iter_mut().zip(weights) {
            sums[1] = simd.mul_add(simd.load_part(&weights[whole..]), u, sums[1]);
        }
    }
    // No closure may hold a vector: it would be compiled for the baseline, and the vector operations in it not inlined.
    let mut out = [T::ZERO; N];
    for (out, [a, b]) in out.iter_mut().zip(sums) {
        *out = simd.sum(simd.add(a, b));
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
}

impl<T: Scalar> Kernel<T> for MultiplyTransposed<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        let lanes = self.z.lanes();
        let mut r = self.range.start;
        while r < self.range.end {
            let alike = self.linear.alike(r, self.range.end);
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
    /// One lane of `N` rows that read alike, or of one row.
    #[inline(always)]
    fn rows<S: Simd<T>, const N: usize>(&mut self, simd: S, r: usize) {
        let Row { first, run, .. } = self.linear.rows[r];
        let weights: [&[T]; N] =
            std::array::from_fn(|n| &self.weights[self.linear.rows[r + n].dense.start..][..run]);
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
        if N == 1 {
            let a = self.a.values();
            for (j, entry) in self.linear.scattered(r) {
                a[j] = simd.scalar(z[0], self.weights[entry], a[j]);
            }
        }
    }

    /// Several lanes of rows that read alike.
    #[inline(always)]
    fn matrix<S: Simd<T>>(&mut self, simd: S, rows: Range<usize>) {
        let run = self.linear.rows[rows.start].run;
        for lane in (0..self.z.lanes()).step_by(S::WIDTH) {
            let mut column = 0;
            while column + COLUMNS <= run {
                self.columns::<S, COLUMNS>(simd, rows.clone(), column, lane);
                column += COLUMNS;
            }
            while column < run {
                self.columns::<S, 1>(simd, rows.clone(), column, lane);
                column += 1;
            }
        }
    }

    #[inline(always)]
    fn columns<S: Simd<T>, const C: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        column: usize,
        lane: usize,
    ) {
        let lanes = self.z.lanes();
        let first = self.linear.rows[rows.start].first + column;
        let a = self.a.run(first..first + C);
        let mut sums = [simd.splat(T::ZERO); C];
        for (sum, a) in sums.iter_mut().zip(a.chunks_exact(lanes)) {
            *sum = simd.load(&a[lane..]);
        }
        for r in rows {
            let z = simd.load(&self.z.at(r)[lane..]);
            let weights = &self.weights[self.linear.rows[r].dense.start + column..][..C];
            for (sum, &w) in sums.iter_mut().zip(weights) {
                *sum = simd.mul_add(simd.splat(w), z, *sum);
            }
        }
        for (sum, a) in sums.into_iter().zip(a.chunks_exact_mut(lanes)) {
            simd.store(sum, &mut a[lane..]);
        }
    }

    /// Several lanes of one row.
    #[inline(always)]
    fn row_lanes<S: Simd<T>>(&mut self, simd: S, r: usize) {
        let Row { dense, first, run } = &self.linear.rows[r];
        let z = self.z.at(r);
        for (j, entry) in (*first..first + run).zip(dense.start..).chain(self.linear.scattered(r)) {
            axpy(simd, self.a.at(j), self.weights[entry], z);
        }
    }
}

/// See [`Linear::accumulate_outer_rows`].
pub struct Outer<'a, T> {
    pub linear: &'a Linear,
    pub range: Range<usize>,
    pub z: Lanes<'a, T>,
    pub u: Sources<'a, T>,
    pub g: &'a mut [T],
}

impl<T: Scalar> Kernel<T> for Outer<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        let (linear, first) = (self.linear, self.range.start);
        let mut r = first;
        while r < self.range.end {
            let alike = linear.alike(r, self.range.end);
            if self.z.lanes() > 1 && r + TOGETHER <= alike {
                self.matrix(simd, r..alike);
            } else {
                for r in r..alike {
                    linear.outer(simd, r, self.z.at(r - first), self.u, self.g);
                }
            }
            r = alike;
        }
    }
}

impl<T: Scalar> Outer<'_, T> {
    /// Several lanes of rows that read alike: the sources are turned around once for all rows, so that a vector runs along
    /// the weights and need not be summed.
    #[inline(always)]
    fn matrix<S: Simd<T>>(&mut self, simd: S, rows: Range<usize>) {
        let Row { first, run, .. } = self.linear.rows[rows.start];
        let lanes = self.z.lanes();
        let mut turned = [T::ZERO; TURNED * WIDEST];
        let whole = run - run % S::WIDTH;
        for block in (0..lanes).step_by(TURNED) {
            let block = block..lanes.min(block + TURNED);
            for column in (0..whole).step_by(S::WIDTH) {
                let u = self.u.dense.run(first + column..first + column + S::WIDTH);
                for (c, u) in u.chunks_exact(lanes).enumerate() {
                    for (turned, &u) in turned.chunks_exact_mut(S::WIDTH).zip(&u[block.clone()]) {
                        turned[c] = u;
                    }
                }
                for r in rows.clone() {
                    let mut sum = simd.splat(T::ZERO);
                    let z = &self.z.at(r - self.range.start)[block.clone()];
                    for (&z, turned) in z.iter().zip(turned.chunks_exact(S::WIDTH)) {
                        sum = simd.mul_add(simd.splat(z), simd.load(turned), sum);
                    }
                    let g = &mut self.g[self.linear.rows[r].dense.start + column..][..S::WIDTH];
                    simd.store(simd.add(simd.load(g), sum), g);
                }
            }
        }
        for r in rows {
            let z = self.z.at(r - self.range.start);
            let g = &mut self.g[self.linear.rows[r].dense.clone()];
            for (j, g) in (first..first + run).zip(g).skip(whole) {
                *g += dot_lanes(simd, z, self.u.dense.at(j));
            }
            self.linear.add_symbols(r, z, self.u.symbols, self.g);
        }
    }
}
