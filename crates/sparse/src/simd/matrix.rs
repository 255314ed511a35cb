//! A view of a dense matrix.

/// A read-only dense matrix, `rows × cols`: a row-major slice, possibly seen transposed.
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

    /// The transpose, without moving any value.
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

    /// Whether the values are the transpose of this matrix in row-major order.
    pub(crate) fn is_transposed(&self) -> bool {
        self.transposed
    }

    /// Distances, in values, from one row to the next and from one column to the next.
    pub(crate) fn strides(&self) -> (usize, usize) {
        if self.transposed { (1, self.rows) } else { (self.cols, 1) }
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }
}
