//! Dense matrix products for operands small enough for the cache: only A is packed, and nothing is allocated.

use super::kernel::{Kernel, Simd};
use crate::float::Float;

/// The most rows of a product that are formed together; [`MatMul::pack`] holds as many scalars for each inner
/// index.
pub const ROWS: usize = 8;

/// Scalars of padding between rows, so that the entries of a column do not all map to the same few cache sets.
pub const ROW_PADDING: usize = 16;

/// `out ← A B` or `out += A B`, with `m × k` and `k × n` operands.
pub struct MatMul<'a, T> {
    /// Row `i` begins at `i * out_stride`.
    pub out: &'a mut [T],
    pub out_stride: usize,
    /// Whether the old values of `out` are kept.
    pub add: bool,
    pub sizes: (usize, usize, usize),
    /// Entry `(i, k)` stands at `i * strides.0 + k * strides.1`.
    pub a: &'a [T],
    pub a_strides: (usize, usize),
    /// Row `k` begins at `k * b_stride`.
    pub b: &'a [T],
    pub b_stride: usize,
    /// Scratch for the packed rows of A, `ROWS * k` scalars.
    pub pack: &'a mut [T],
}

impl<T: Float> Kernel<T> for MatMul<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        let m = self.sizes.0;
        let mut row = 0;
        if S::TILE >= ROWS {
            while row + ROWS <= m {
                self.rows::<S, ROWS>(simd, row);
                row += ROWS;
            }
        }
        while row + ROWS / 2 <= m {
            self.rows::<S, { ROWS / 2 }>(simd, row);
            row += ROWS / 2;
        }
        while row < m {
            self.rows::<S, 1>(simd, row);
            row += 1;
        }
    }
}

impl<T: Float> MatMul<'_, T> {
    /// `M` rows of the product. Their part of A is packed in the order in which `tile` reads it.
    #[inline(always)]
    fn rows<S: Simd<T>, const M: usize>(&mut self, simd: S, row: usize) {
        let (_, k, n) = self.sizes;
        let pack = &mut self.pack[..M * k];
        for (at, pack) in pack.chunks_exact_mut(M).enumerate() {
            for (i, pack) in pack.iter_mut().enumerate() {
                *pack = self.a[(row + i) * self.a_strides.0 + at * self.a_strides.1];
            }
        }
        let mut column = 0;
        while column + 2 * S::WIDTH <= n {
            self.tile::<S, M, 2>(simd, row, column, S::WIDTH);
            column += 2 * S::WIDTH;
        }
        while column < n {
            self.tile::<S, M, 1>(simd, row, column, S::WIDTH.min(n - column));
            column += S::WIDTH;
        }
    }

    /// `M` rows and `N` vectors of columns; the last vector has `last` scalars.
    #[inline(always)]
    fn tile<S: Simd<T>, const M: usize, const N: usize>(
        &mut self,
        simd: S,
        row: usize,
        column: usize,
        last: usize,
    ) {
        let zero = simd.splat(T::ZERO);
        let mut sums = [[zero; N]; M];
        let pack = &self.pack[..M * self.sizes.1];
        if last == S::WIDTH {
            for (a, b) in pack.chunks_exact(M).zip(self.b.chunks(self.b_stride)) {
                let b = &b[column..column + N * S::WIDTH];
                let mut vectors = [zero; N];
                for (c, vector) in vectors.iter_mut().enumerate() {
                    *vector = simd.load(&b[c * S::WIDTH..]);
                }
                multiply_add::<T, S, M, N>(simd, a, vectors, &mut sums);
            }
        } else {
            for (a, b) in pack.chunks_exact(M).zip(self.b.chunks(self.b_stride)) {
                let vectors = [simd.load_part(&b[column..column + last]); N];
                multiply_add::<T, S, M, N>(simd, a, vectors, &mut sums);
            }
        }
        for (i, sums) in sums.into_iter().enumerate() {
            let out = &mut self.out[(row + i) * self.out_stride + column..];
            for (c, mut sum) in sums.into_iter().enumerate() {
                if last == S::WIDTH {
                    let out = &mut out[c * S::WIDTH..][..S::WIDTH];
                    if self.add {
                        sum = simd.add(simd.load(out), sum);
                    }
                    simd.store(sum, out);
                } else {
                    let out = &mut out[..last];
                    if self.add {
                        sum = simd.add(simd.load_part(out), sum);
                    }
                    simd.store_part(sum, out);
                }
            }
        }
    }
}

#[inline(always)]
fn multiply_add<T: Float, S: Simd<T>, const M: usize, const N: usize>(
    simd: S,
    a: &[T],
    b: [S::Vector; N],
    sums: &mut [[S::Vector; N]; M],
) {
    for (&a, sums) in a.iter().zip(sums) {
        let a = simd.splat(a);
        for (sum, b) in sums.iter_mut().zip(b) {
            *sum = simd.mul_add(a, b, *sum);
        }
    }
}
