//! The outer product of a sparse linear map, row by row or several rows at once.

use std::ops::Range;

use super::forward::{MANY, TOGETHER};
use super::map::{BandKind, Linear, Row, Sources};
use crate::float::Float;
use crate::lanes::Lanes;
use crate::simd::several::tile;
use crate::simd::vector::{axpy, dot_lanes};
use crate::simd::{Kernel, Simd};

/// Lanes whose sources are transposed at once in an outer product; and the most scalars in a vector at any level.
const TURNED: usize = 64;
const WIDEST: usize = 16;

impl Linear {
    /// One row of the outer product; see [`accumulate_outer`](Self::accumulate_outer).
    #[inline(always)]
    pub(super) fn outer<T: Float, S: Simd<T>>(
        &self,
        simd: S,
        r: usize,
        z: &[T],
        u: Sources<'_, T>,
        g: &mut [T],
    ) {
        let Row { dense, first, run, .. } = &self.rows[r];
        if let &[z] = z {
            axpy(simd, &mut g[dense.start..dense.start + run], z, u.dense.range(*first..first + run));
            self.scattered_outer(simd, r, z, u.dense.values(), g);
        } else {
            for (j, g) in (*first..first + run).zip(&mut g[dense.clone()]) {
                *g += dot_lanes(simd, z, u.dense.at(j));
            }
            self.scattered_outer_lanes(simd, r, z, u.dense, g);
        }
        self.add_symbols(r, z, u.symbols, g);
    }

    /// The part of one row of the outer product that belongs to one-hot sources.
    #[inline(always)]
    pub(crate) fn add_symbols<T: Float>(&self, r: usize, z: &[T], symbols: &[u32], g: &mut [T]) {
        if self.symbols > 0 {
            for (&z, &symbol) in z.iter().zip(symbols) {
                if let Some(entry) = self.symbol_entry(r, symbol) {
                    g[entry] += z;
                }
            }
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

impl<T: Float> Kernel<T> for Outer<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        let (linear, first) = (self.linear, self.range.start);
        for band in linear.bands(self.range.clone()) {
            if self.z.lanes() > 1 && band.kind != BandKind::RowByRow {
                self.matrix(simd, band.rows);
            } else {
                for r in band.rows {
                    linear.outer(simd, r, self.z.at(r - first), self.u, self.g);
                }
            }
        }
    }
}

impl<T: Float> Outer<'_, T> {
    /// Several lanes of the rows of a band with a common run. Its sources are transposed once for all rows, so that a vector
    /// runs along the weights and no sum across a vector is needed.
    #[inline(always)]
    fn matrix<S: Simd<T>>(&mut self, simd: S, rows: Range<usize>) {
        let Row { first, run, .. } = self.linear.rows[rows.start];
        let lanes = self.z.lanes();
        let mut turned = [T::ZERO; TURNED * 2 * WIDEST];
        let whole = run - run % S::WIDTH;
        for block in (0..lanes).step_by(TURNED) {
            let block = block..lanes.min(block + TURNED);
            let mut column = 0;
            while column + 2 * S::WIDTH <= whole {
                let u = self.u.dense.range(first + column..first + column + 2 * S::WIDTH);
                turn(u, lanes, block.clone(), &mut turned, 2 * S::WIDTH);
                self.columns::<S, 2>(simd, rows.clone(), column, block.clone(), &turned);
                column += 2 * S::WIDTH;
            }
            if column < whole {
                let u = self.u.dense.range(first + column..first + column + S::WIDTH);
                turn(u, lanes, block.clone(), &mut turned, S::WIDTH);
                self.columns::<S, 1>(simd, rows.clone(), column, block, &turned);
            }
        }
        for r in rows {
            let z = self.z.at(r - self.range.start);
            let g = &mut self.g[self.linear.rows[r].dense.clone()];
            for (j, g) in (first..first + run).zip(g).skip(whole) {
                *g += dot_lanes(simd, z, self.u.dense.at(j));
            }
            if self.linear.rows[r].scattered() {
                self.linear.scattered_outer_lanes(simd, r, z, self.u.dense, self.g);
            }
            self.linear.add_symbols(r, z, self.u.symbols, self.g);
        }
    }

    /// Adds the contribution of the lanes in `block` to `V` vectors of weights, from `column` on, of all rows.
    #[inline(always)]
    fn columns<S: Simd<T>, const V: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        column: usize,
        block: Range<usize>,
        turned: &[T],
    ) {
        let mut r = rows.start;
        if S::TILE >= MANY {
            while r + MANY <= rows.end {
                self.sum::<S, MANY, V>(simd, r, column, block.clone(), turned);
                r += MANY;
            }
        }
        while r + TOGETHER <= rows.end {
            self.sum::<S, TOGETHER, V>(simd, r, column, block.clone(), turned);
            r += TOGETHER;
        }
        while r < rows.end {
            self.sum::<S, 1, V>(simd, r, column, block.clone(), turned);
            r += 1;
        }
    }

    #[inline(always)]
    fn sum<S: Simd<T>, const N: usize, const V: usize>(
        &mut self,
        simd: S,
        r: usize,
        column: usize,
        block: Range<usize>,
        turned: &[T],
    ) {
        let z: [&[T]; N] = std::array::from_fn(|n| &self.z.at(r + n - self.range.start)[block.clone()]);
        let sums = tile::<T, S, N, V>(simd, z, turned, V * S::WIDTH);
        for (n, sums) in sums.into_iter().enumerate() {
            let g = &mut self.g[self.linear.rows[r + n].dense.start + column..][..V * S::WIDTH];
            for (g, sum) in g.chunks_exact_mut(S::WIDTH).zip(sums) {
                simd.store(simd.add(simd.load(g), sum), g);
            }
        }
    }
}

/// Transposes the lanes `block` of `u`: each lane becomes a row of `width` scalars, one for each entry.
#[inline(always)]
fn turn<T: Float>(u: &[T], lanes: usize, block: Range<usize>, turned: &mut [T], width: usize) {
    for (c, u) in u.chunks_exact(lanes).enumerate() {
        for (turned, &u) in turned.chunks_exact_mut(width).zip(&u[block.clone()]) {
            turned[c] = u;
        }
    }
}
