//! Vector primitives, written so that the compiler can vectorize them for any lane count.

use crate::Scalar;

/// Independent partial sums of [`dot`]: floating-point addition is not associative, so the compiler keeps one chain
/// unless the code has several.
const ACCUMULATORS: usize = 16;

/// `out += a * x`.
#[inline]
pub fn axpy<T: Scalar>(out: &mut [T], a: T, x: &[T]) {
    debug_assert_eq!(out.len(), x.len());
    for (out, &x) in out.iter_mut().zip(x) {
        *out += a * x;
    }
}

/// `out += x`.
#[inline]
pub fn add<T: Scalar>(out: &mut [T], x: &[T]) {
    debug_assert_eq!(out.len(), x.len());
    for (out, &x) in out.iter_mut().zip(x) {
        *out += x;
    }
}

/// `out[c][b] += a[b] * x[c][b]`: every entry `c` scaled lane by lane.
#[inline]
pub fn axpy_lanes<T: Scalar>(out: &mut [T], a: &[T], x: &[T]) {
    debug_assert_eq!(out.len(), x.len());
    if let &[a] = a {
        return axpy(out, a, x);
    }
    for (out, x) in out.chunks_exact_mut(a.len()).zip(x.chunks_exact(a.len())) {
        for ((out, &x), &a) in out.iter_mut().zip(x).zip(a) {
            *out += a * x;
        }
    }
}

/// `Σ x y`, in a fixed order of summation.
#[inline]
pub fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    debug_assert_eq!(x.len(), y.len());
    let (xs, ys) = (x.chunks_exact(ACCUMULATORS), y.chunks_exact(ACCUMULATORS));
    let tail: T = xs.remainder().iter().zip(ys.remainder()).map(|(&x, &y)| x * y).sum();
    if x.len() < ACCUMULATORS {
        return tail;
    }
    let mut sums = [T::ZERO; ACCUMULATORS];
    for (x, y) in xs.zip(ys) {
        for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    sums.into_iter().sum::<T>() + tail
}
