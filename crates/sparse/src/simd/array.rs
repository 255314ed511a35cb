//! Vectors as plain arrays, for every target and every scalar.

use super::kernel::{Simd, Vectors};
use crate::float::Float;

/// Vectors of `N` scalars, which the compiler maps to the registers of the target. With `FUSED`, multiply-adds
/// round once.
#[derive(Debug, Clone, Copy)]
pub struct Array<const N: usize, const FUSED: bool>(());

impl<const N: usize, const FUSED: bool> Array<N, FUSED> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl<T: Float, const N: usize, const FUSED: bool> Simd<T> for Array<N, FUSED> {
    type Vector = [T; N];
    const WIDTH: usize = N;
    // Single scalars are for lanes that fill no vector and for old processors: wide tiles would mostly take time to compile.
    const TILE: usize = if N == 1 {
        2
    } else if N * size_of::<T>() > 16 {
        3
    } else {
        6
    };

    #[inline(always)]
    fn splat(self, x: T) -> [T; N] {
        [x; N]
    }

    #[inline(always)]
    fn load(self, x: &[T]) -> [T; N] {
        *x.first_chunk().expect("enough scalars")
    }

    #[inline(always)]
    fn load_part(self, x: &[T]) -> [T; N] {
        let mut v = [T::ZERO; N];
        v.iter_mut().zip(x).for_each(|(v, &x)| *v = x);
        v
    }

    #[inline(always)]
    fn store(self, v: [T; N], out: &mut [T]) {
        *out.first_chunk_mut().expect("enough scalars") = v;
    }

    #[inline(always)]
    fn store_part(self, v: [T; N], out: &mut [T]) {
        out.iter_mut().zip(v).for_each(|(out, v)| *out = v);
    }

    #[inline(always)]
    fn add(self, mut a: [T; N], b: [T; N]) -> [T; N] {
        for i in 0..N {
            a[i] += b[i];
        }
        a
    }

    #[inline(always)]
    fn mul_add(self, a: [T; N], b: [T; N], mut c: [T; N]) -> [T; N] {
        for i in 0..N {
            c[i] = <Self as Simd<T>>::scalar(self, a[i], b[i], c[i]);
        }
        c
    }

    #[inline(always)]
    fn flush(self, mut v: [T; N]) -> [T; N] {
        for x in &mut v {
            *x = x.flush();
        }
        v
    }

    #[inline(always)]
    fn sum(self, v: [T; N]) -> T {
        let mut sum = v[0];
        for &x in &v[1..] {
            sum += x;
        }
        sum
    }

    #[inline(always)]
    fn sums(self, vectors: &mut impl Vectors<T, Self>) -> [T; N] {
        let mut sums = [T::ZERO; N];
        for (k, sum) in sums.iter_mut().enumerate() {
            *sum = <Self as Simd<T>>::sum(self, vectors.vector(self, k));
        }
        sums
    }

    #[inline(always)]
    fn scalar(self, a: T, b: T, c: T) -> T {
        if FUSED { a.mul_add(b, c) } else { a * b + c }
    }
}
