//! The transposed product of a sparse linear map: row by row or, in bands whose rows read nothing beyond their
//! run, several rows at once.

use std::ops::Range;

use super::forward::{MANY, TOGETHER};
use super::map::{Linear, Row};
use crate::float::Float;
use crate::lanes::{Lanes, LanesMut};
use crate::simd::several::add_rows;
use crate::simd::{Kernel, Simd};

/// See [`Linear::multiply_transposed`].
pub struct MultiplyTransposed<'a, T> {
    pub linear: &'a Linear,
    pub weights: &'a [T],
    pub range: Range<usize>,
    pub z: Lanes<'a, T>,
    pub a: LanesMut<'a, T>,
    /// First dense source to compute; those before it are left alone.
    pub first: usize,
}

impl<T: Float> Kernel<T> for MultiplyTransposed<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        let lanes = self.z.lanes();
        for band in self.linear.bands(self.range.clone()) {
            let Range { start: mut r, end } = band.rows;
            if band.scattered {
                for r in r..end {
                    match lanes {
                        1 if self.linear.rows[r].scattered() => self.scattered_row(simd, r),
                        1 => self.rows::<S, 1>(simd, r),
                        _ => self.row_lanes(simd, r),
                    }
                }
            } else if lanes > 1 {
                self.matrix(simd, r..end);
            } else {
                if S::TILE >= MANY {
                    while r + MANY <= end {
                        self.rows::<S, MANY>(simd, r);
                        r += MANY;
                    }
                }
                while r + TOGETHER <= end {
                    self.rows::<S, TOGETHER>(simd, r);
                    r += TOGETHER;
                }
                while r < end {
                    self.rows::<S, 1>(simd, r);
                    r += 1;
                }
            }
        }
    }
}

impl<T: Float> MultiplyTransposed<'_, T> {
    /// How many sources of the run of row `r` lie before `first`.
    #[inline(always)]
    fn skipped(&self, r: usize) -> usize {
        let Row { first, run, .. } = self.linear.rows[r];
        self.first.saturating_sub(first).min(run)
    }

    /// The run of `N` rows of a band, in the only lane.
    #[inline(always)]
    fn rows<S: Simd<T>, const N: usize>(&mut self, simd: S, r: usize) {
        let skipped = self.skipped(r);
        let rows = &self.linear.rows[r..r + N];
        let (first, run) = (rows[0].first + skipped, rows[0].run - skipped);
        let weights: [&[T]; N] =
            std::array::from_fn(|n| &self.weights[rows[n].dense.start + skipped..][..run]);
        let z = &self.z.values()[r..r + N];
        let z: [T; N] = std::array::from_fn(|n| z[n]);
        add_rows(simd, self.a.range_mut(first..first + run), z, weights);
    }

    /// A row with sources beyond its run, in the only lane.
    #[inline(always)]
    fn scattered_row<S: Simd<T>>(&mut self, simd: S, r: usize) {
        if self.skipped(r) < self.linear.rows[r].run {
            self.rows::<S, 1>(simd, r);
        }
        let z = self.z.values()[r];
        self.linear.scattered_add(simd, r, self.weights, z, self.a.values_mut(), self.first);
    }

    /// Several lanes of rows that read the same run and nothing else.
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

    /// `V` vectors of lanes of these rows, from `lane` on.
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
        let a = self.a.range_mut(first..first + C);
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
        let (lanes, mut lane) = (self.z.lanes(), 0);
        while lane + 2 * S::WIDTH <= lanes {
            self.row_vectors::<S, 2>(simd, r, lane);
            lane += 2 * S::WIDTH;
        }
        while lane < lanes {
            self.row_vectors::<S, 1>(simd, r, lane);
            lane += S::WIDTH;
        }
    }

    /// `V` vectors of lanes, from `lane` on, of one row.
    #[inline(always)]
    fn row_vectors<S: Simd<T>, const V: usize>(&mut self, simd: S, r: usize, lane: usize) {
        let lanes = self.z.lanes();
        let mut z = [simd.splat(T::ZERO); V];
        for (v, z) in z.iter_mut().enumerate() {
            *z = simd.load(&self.z.at(r)[lane + v * S::WIDTH..]);
        }
        let Row { dense, first, run, .. } = &self.linear.rows[r];
        let skipped = self.skipped(r);
        let weights = &self.weights[dense.start + skipped..dense.start + run];
        let a = self.a.range_mut(first + skipped..first + run);
        for (a, &w) in a.chunks_exact_mut(lanes).zip(weights) {
            let (w, a) = (simd.splat(w), &mut a[lane..lane + V * S::WIDTH]);
            for (a, &z) in a.chunks_exact_mut(S::WIDTH).zip(&z) {
                simd.store(simd.mul_add(w, z, simd.load(a)), a);
            }
        }
        self.linear.scattered_add_lanes(simd, r, self.weights, z, &mut self.a, (lane, self.first));
    }
}
