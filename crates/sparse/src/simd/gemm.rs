//! The dense matrix product of the `matrixmultiply` crate, made safe.
//!
//! `nalgebra`, which wraps the same product, reads and writes out of bounds in its `gemm` for small operands whose rows
//! are not contiguous (0.35.0, `array_axcpy` runs over the length of the strided slice), and its contiguous operands
//! cannot be transposed on the right. Hence the direct call.
#![allow(unsafe_code)]

use super::matrix::Matrix;

macro_rules! gemm {
    ($name:ident, $float:ty, $raw:path) => {
        /// `out ← beta · out + a · b`, all sizes checked.
        pub(crate) fn $name(out: &mut [$float], beta: $float, a: Matrix<'_, $float>, b: Matrix<'_, $float>) {
            let (m, k, n) = (a.rows(), a.cols(), b.cols());
            assert!(k == b.rows() && out.len() == m * n, "sizes of a product");
            assert!(a.values().len() == m * k && b.values().len() == k * n, "sizes of its operands");
            let ((ar, ac), (br, bc)) = (a.strides(), b.strides());
            let signed = |stride: usize| isize::try_from(stride).expect("a stride within a slice");
            // SAFETY: entry (i, j) of an operand with strides (r, c) stands at i r + j c. The strides are (cols, 1) or
            // (1, rows), so for i < rows and j < cols that is below rows · cols, the length of the slice asserted above.
            // `out` is m × n with strides (n, 1), of asserted length, and as a mutable borrow it overlaps neither.
            unsafe {
                $raw(
                    m,
                    k,
                    n,
                    1.0,
                    a.values().as_ptr(),
                    signed(ar),
                    signed(ac),
                    b.values().as_ptr(),
                    signed(br),
                    signed(bc),
                    beta,
                    out.as_mut_ptr(),
                    signed(n),
                    1,
                );
            }
        }
    };
}

gemm!(sgemm, f32, matrixmultiply::sgemm);
gemm!(dgemm, f64, matrixmultiply::dgemm);
