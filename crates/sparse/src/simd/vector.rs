//! Vector primitives, generic over the level of instructions.

use super::kernel::{Kernel, Simd, Vectors};
use crate::float::Float;

/// Independent partial sums of [`dot`]: enough to hide the latency of a multiply-add.
const ACCUMULATORS: usize = 4;

/// Tails of up to 3 scalars are done one by one: a masked store followed by a load misses store-to-load forwarding.
pub const MAX_SCALAR_TAIL: usize = 3;

/// `out += a * x`.
#[inline(always)]
pub fn axpy<T: Float, S: Simd<T>>(simd: S, out: &mut [T], a: T, x: &[T]) {
    debug_assert_eq!(out.len(), x.len());
    let v = simd.splat(a);
    let (mut outs, mut xs) = (out.chunks_exact_mut(S::WIDTH), x.chunks_exact(S::WIDTH));
    for (out, x) in (&mut outs).zip(&mut xs) {
        simd.store(simd.mul_add(v, simd.load(x), simd.load(out)), out);
    }
    let (out, x) = (outs.into_remainder(), xs.remainder());
    if x.len() <= MAX_SCALAR_TAIL {
        out.iter_mut().zip(x).for_each(|(out, &x)| *out = simd.scalar(a, x, *out));
    } else {
        simd.store_part(simd.mul_add(v, simd.load_part(x), simd.load_part(out)), out);
    }
}

/// `out += x`.
#[inline(always)]
pub fn add<T: Float, S: Simd<T>>(simd: S, out: &mut [T], x: &[T]) {
    debug_assert_eq!(out.len(), x.len());
    let (mut outs, mut xs) = (out.chunks_exact_mut(S::WIDTH), x.chunks_exact(S::WIDTH));
    for (out, x) in (&mut outs).zip(&mut xs) {
        simd.store(simd.add(simd.load(x), simd.load(out)), out);
    }
    let (out, x) = (outs.into_remainder(), xs.remainder());
    if S::WIDTH > 1 && !x.is_empty() {
        simd.store_part(simd.add(simd.load_part(x), simd.load_part(out)), out);
    }
}

/// `out[c][b] += a[b] * x[c][b]` for every entry `c` and lane `b`. Several lanes must fill whole vectors.
#[inline(always)]
pub fn axpy_lanes<T: Float, S: Simd<T>>(simd: S, out: &mut [T], a: &[T], x: &[T]) {
    debug_assert_eq!(out.len(), x.len());
    if let &[a] = a {
        return axpy(simd, out, a, x);
    }
    for (out, x) in out.chunks_exact_mut(a.len()).zip(x.chunks_exact(a.len())) {
        let parts = out.chunks_exact_mut(S::WIDTH).zip(x.chunks_exact(S::WIDTH));
        for ((out, x), a) in parts.zip(a.chunks_exact(S::WIDTH)) {
            simd.store(simd.mul_add(simd.load(a), simd.load(x), simd.load(out)), out);
        }
    }
}

/// `Σ x y`, in a fixed order of summation.
#[inline(always)]
pub fn dot<T: Float, S: Simd<T>>(simd: S, x: &[T], y: &[T]) -> T {
    debug_assert_eq!(x.len(), y.len());
    let mut sums = [simd.splat(T::ZERO); ACCUMULATORS];
    let (mut xs, mut ys) = (x.chunks_exact(ACCUMULATORS * S::WIDTH), y.chunks_exact(ACCUMULATORS * S::WIDTH));
    for (x, y) in (&mut xs).zip(&mut ys) {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = simd.mul_add(simd.load(&x[i * S::WIDTH..]), simd.load(&y[i * S::WIDTH..]), *sum);
        }
    }
    let (mut xs, mut ys) = (xs.remainder().chunks_exact(S::WIDTH), ys.remainder().chunks_exact(S::WIDTH));
    for (x, y) in (&mut xs).zip(&mut ys) {
        sums[0] = simd.mul_add(simd.load(x), simd.load(y), sums[0]);
    }
    let (x, y) = (xs.remainder(), ys.remainder());
    if S::WIDTH > 1 && !x.is_empty() {
        sums[1] = simd.mul_add(simd.load_part(x), simd.load_part(y), sums[1]);
    }
    simd.sum(simd.add(simd.add(sums[0], sums[1]), simd.add(sums[2], sums[3])))
}

/// A vector whose sum is `Σ x y`, of whole vectors.
#[inline(always)]
fn products<T: Float, S: Simd<T>>(simd: S, x: &[T], y: &[T]) -> S::Vector {
    let mut sum = simd.splat(T::ZERO);
    for (x, y) in x.chunks_exact(S::WIDTH).zip(y.chunks_exact(S::WIDTH)) {
        sum = simd.mul_add(simd.load(x), simd.load(y), sum);
    }
    sum
}

/// `Σ x y` over lanes, which must fill whole vectors.
#[inline(always)]
pub fn dot_lanes<T: Float, S: Simd<T>>(simd: S, x: &[T], y: &[T]) -> T {
    simd.sum(products(simd, x, y))
}

/// `out ← beta out`, without reading `out` if `beta` is zero.
fn scale<T: Float>(out: &mut [T], beta: T) {
    if beta == T::ZERO {
        out.fill(T::ZERO);
    } else if beta != T::ONE {
        out.iter_mut().for_each(|out| *out *= beta);
    }
}

/// `out ← beta out + A x`, with `matrix` row-major.
pub struct MatrixVector<'a, T> {
    pub out: &'a mut [T],
    pub beta: T,
    pub matrix: &'a [T],
    pub x: &'a [T],
    /// Whether `matrix` holds `Aᵀ` in place of `A`.
    pub transposed: bool,
}

impl<T: Float> Kernel<T> for MatrixVector<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        scale(self.out, self.beta);
        if self.transposed {
            for (row, &x) in self.matrix.chunks_exact(self.out.len().max(1)).zip(self.x) {
                axpy(simd, self.out, x, row);
            }
            return;
        }
        let (n, mut out, mut matrix) = (self.x.len(), self.out, self.matrix);
        if S::WIDTH > 1 && n.is_multiple_of(S::WIDTH) && (1..ACCUMULATORS).contains(&(n / S::WIDTH)) {
            // Rows of few vectors: their sums, which would take most of the time, are taken of several rows at once.
            let tail = out.len() % S::WIDTH;
            let (outs, rest) = out.split_at_mut(out.len() - tail);
            let (rows, last) = matrix.split_at(outs.len() * n);
            for (out, rows) in outs.chunks_exact_mut(S::WIDTH).zip(rows.chunks_exact(S::WIDTH * n)) {
                let sums = simd.sums(&mut Rows { rows, x: self.x });
                simd.store(simd.add(simd.load(out), sums), out);
            }
            (out, matrix) = (rest, last);
        }
        for (out, row) in out.iter_mut().zip(matrix.chunks_exact(n.max(1))) {
            *out += dot(simd, row, self.x);
        }
    }
}

/// Products of the rows of a matrix and `x`, not yet summed.
struct Rows<'a, T> {
    rows: &'a [T],
    x: &'a [T],
}

impl<T: Float, S: Simd<T>> Vectors<T, S> for Rows<'_, T> {
    #[inline(always)]
    fn vector(&mut self, simd: S, k: usize) -> S::Vector {
        products(simd, &self.rows[k * self.x.len()..(k + 1) * self.x.len()], self.x)
    }
}

/// `out ← beta out + a bᵀ`.
pub struct RankOne<'a, T> {
    pub out: &'a mut [T],
    pub beta: T,
    pub a: &'a [T],
    pub b: &'a [T],
}

impl<T: Float> Kernel<T> for RankOne<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        scale(self.out, self.beta);
        for (row, &a) in self.out.chunks_exact_mut(self.b.len().max(1)).zip(self.a) {
            axpy(simd, row, a, self.b);
        }
    }
}
