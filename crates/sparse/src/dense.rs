//! Dense matrix products behind one safe function, so that the library that computes them can be changed in one
//! place.

use crate::run::{Computation, Scalar};
pub use crate::simd::matrix::Matrix;
use crate::simd::vector::{MatrixVector, RankOne};

/// `out ← beta · out + a · b`, with `out` row-major, `a.rows × b.cols`. With `beta` = 0 the old values are ignored.
///
/// # Panics
/// If the sizes do not fit.
#[track_caller]
pub fn multiply<T: Scalar>(out: &mut [T], beta: T, a: Matrix<'_, T>, b: Matrix<'_, T>) {
    assert_eq!(a.cols(), b.rows(), "inner sizes of the product differ: {} and {}", a.cols(), b.rows());
    assert_eq!(out.len(), a.rows() * b.cols(), "the product is {} × {}", a.rows(), b.cols());
    if b.cols() > 1 && a.cols() > 1 {
        return T::gemm(out, beta, a, b);
    }
    // A matrix times a vector, or a rank-one update: the library's packing would cost more than the product.
    if b.cols() == 1 {
        let (matrix, x, transposed) = (a.values(), b.values(), a.is_transposed());
        let kernel = MatrixVector { out, beta, matrix, x, transposed };
        T::run(1, Computation::MatrixVector(kernel));
    } else {
        T::run(1, Computation::RankOne(RankOne { out, beta, a: a.values(), b: b.values() }));
    }
}

/// `Σ x y`, summed in an order that depends on the length and the level alone.
///
/// # Panics
/// If the lengths differ.
pub fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    let mut sum = [T::ZERO];
    multiply(&mut sum, T::ZERO, Matrix::new(x, 1, x.len()), Matrix::new(y, y.len(), 1));
    sum[0]
}
