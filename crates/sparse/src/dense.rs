//! Dense matrix products behind one safe function, so that the library that does them can be changed in one place.

use crate::Scalar;
use crate::kernels::Computation;
use crate::kernels::vector::{MatrixVector, RankOne};

/// A read-only dense matrix: `rows × cols`, row after row, possibly seen transposed.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T> {
    values: &'a [T],
    rows: usize,
    cols: usize,
    transposed: bool,
}

impl<'a, T> Matrix<'a, T> {
    /// Wraps `values` as `rows × cols`, row-major.
    ///
    /// # Panics
    /// If `values.len() != rows * cols`.
    #[track_caller]
    pub fn new(values: &'a [T], rows: usize, cols: usize) -> Self {
        assert_eq!(values.len(), rows * cols, "a {rows} × {cols} matrix has {} values", values.len());
        Self { values, rows, cols, transposed: false }
    }

    /// The transpose; nothing moves.
    #[must_use]
    pub fn t(self) -> Self {
        Self { rows: self.cols, cols: self.rows, transposed: !self.transposed, ..self }
    }

    /// Entry in row `i`, column `j`.
    pub(crate) fn get(&self, i: usize, j: usize) -> &T {
        if self.transposed { &self.values[j * self.rows + i] } else { &self.values[i * self.cols + j] }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn values(&self) -> &'a [T] {
        self.values
    }

    /// Distances, in values, between neighbors of a column and of a row.
    pub(crate) fn strides(&self) -> (usize, usize) {
        if self.transposed { (1, self.rows) } else { (self.cols, 1) }
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }
}

/// `out ← beta · out + a · b`, with `out` row-major, `a.rows × b.cols`. With `beta` = 0 the old values are ignored.
///
/// # Panics
/// If the sizes do not fit.
#[track_caller]
pub fn multiply<T: Scalar>(out: &mut [T], beta: T, a: Matrix<'_, T>, b: Matrix<'_, T>) {
    assert_eq!(a.cols, b.rows, "inner sizes of the product differ: {} and {}", a.cols, b.rows);
    assert_eq!(out.len(), a.rows * b.cols, "the product is {} × {}", a.rows, b.cols);
    if b.cols > 1 && a.cols > 1 {
        return T::gemm(out, beta, a, b);
    }
    // A vector or a rank-one update: packing would cost more than the product.
    if b.cols == 1 {
        let kernel = MatrixVector { out, beta, matrix: a.values, x: b.values, transposed: a.transposed };
        T::run(1, Computation::MatrixVector(kernel));
    } else {
        T::run(1, Computation::RankOne(RankOne { out, beta, a: a.values, b: b.values }));
    }
}

/// `Σ x y`, in a fixed order.
///
/// # Panics
/// If the lengths differ.
pub fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    let mut sum = [T::ZERO];
    multiply(&mut sum, T::ZERO, Matrix::new(x, 1, x.len()), Matrix::new(y, y.len(), 1));
    sum[0]
}
