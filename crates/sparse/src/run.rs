//! All kernels as one enum, and [`Scalar`], which runs them.
//!
//! [`Scalar::run`] is not generic over the kernel, so that every kernel is compiled in this crate, once for each
//! scalar and level, and not again in each crate that calls it.

use crate::counted::Counted;
use crate::float::Float;
use crate::linear::flush::Flush;
use crate::linear::forward::Multiply;
use crate::linear::lanewise::MixOuter;
use crate::linear::outer::Outer;
use crate::linear::transposed::MultiplyTransposed;
use crate::product::{Own, Shared};
use crate::recursion::adjoint::{Adjoint, Initial};
use crate::recursion::advance::AdvanceAs;
use crate::recursion::carry::Carry;
use crate::recursion::dense_adjoint::PullBack;
use crate::simd::ceiling::{Peak, Sweep};
use crate::simd::dispatch::{dispatch, one_by_one};
use crate::simd::elementary::{Apply, Function};
use crate::simd::gemm;
use crate::simd::matrix::Matrix;
use crate::simd::vector::{MatrixVector, RankOne};

/// A kernel with its operands.
#[doc(hidden)]
pub enum Computation<'a, T> {
    Multiply(Multiply<'a, T>),
    MultiplyTransposed(MultiplyTransposed<'a, T>),
    Outer(Outer<'a, T>),
    MixOuter(MixOuter<'a, T>),
    Flush(Flush<'a, T>),
    Advance(AdvanceAs<'a, T, true, false>),
    AdvanceLanes(AdvanceAs<'a, T, true, true>),
    AdvanceDiagonal(AdvanceAs<'a, T, false, false>),
    AdvanceDiagonalLanes(AdvanceAs<'a, T, false, true>),
    Adjoint(Adjoint<'a, T>),
    PullBack(PullBack<'a, T>),
    Initial(Initial<'a, T>),
    Carry(Carry<'a, T>),
    Shared(Shared<'a, T>),
    Own(Own<'a, T>),
    MatrixVector(MatrixVector<'a, T>),
    RankOne(RankOne<'a, T>),
    Peak(Peak<'a, T>),
    Sweep(Sweep<'a, T>),
}

/// Evaluates `$run` with `$kernel` bound to the kernel that `$computation` holds.
macro_rules! each {
    ($computation:expr, $kernel:ident => $run:expr) => {
        match $computation {
            Computation::Multiply($kernel) => $run,
            Computation::MultiplyTransposed($kernel) => $run,
            Computation::Outer($kernel) => $run,
            Computation::MixOuter($kernel) => $run,
            Computation::Flush($kernel) => $run,
            Computation::Advance($kernel) => $run,
            Computation::AdvanceLanes($kernel) => $run,
            Computation::AdvanceDiagonal($kernel) => $run,
            Computation::AdvanceDiagonalLanes($kernel) => $run,
            Computation::Adjoint($kernel) => $run,
            Computation::PullBack($kernel) => $run,
            Computation::Initial($kernel) => $run,
            Computation::Carry($kernel) => $run,
            Computation::Shared($kernel) => $run,
            Computation::Own($kernel) => $run,
            Computation::MatrixVector($kernel) => $run,
            Computation::RankOne($kernel) => $run,
            Computation::Peak($kernel) => $run,
            Computation::Sweep($kernel) => $run,
        }
    };
}

/// A number to compute with: `f32` (training), `f64` (references), and [`Counted`](crate::testing::Counted), which counts
/// multiplications. Its arithmetic is that of [`Float`].
///
/// Sealed: kernels may rely on the exact set of implementers.
pub trait Scalar: Float {
    /// See [`math::exp`](crate::math::exp).
    #[doc(hidden)]
    fn exp_slice(x: &mut [Self]) {
        x.iter_mut().for_each(|x| *x = x.exp());
    }
    /// See [`math::tanh`](crate::math::tanh).
    #[doc(hidden)]
    fn tanh_slice(x: &mut [Self]) {
        x.iter_mut().for_each(|x| *x = x.tanh());
    }
    /// See [`math::sigmoid`](crate::math::sigmoid).
    #[doc(hidden)]
    fn sigmoid_slice(x: &mut [Self]) {
        x.iter_mut().for_each(|x| *x = x.sigmoid());
    }
    /// Runs a kernel on arrays of `lanes` lanes with the instructions of this thread's level (`Counted`: scalar by
    /// scalar).
    #[doc(hidden)]
    fn run(lanes: usize, kernel: Computation<'_, Self>);
    /// `out = beta * out + a * b`; see [`multiply`](crate::dense::multiply), which checks the sizes.
    #[doc(hidden)]
    fn gemm(out: &mut [Self], beta: Self, a: Matrix<'_, Self>, b: Matrix<'_, Self>);
}

impl Scalar for f32 {
    fn exp_slice(x: &mut [Self]) {
        dispatch(1, Apply { function: Function::Exp, x });
    }
    fn tanh_slice(x: &mut [Self]) {
        dispatch(1, Apply { function: Function::Tanh, x });
    }
    fn sigmoid_slice(x: &mut [Self]) {
        dispatch(1, Apply { function: Function::Sigmoid, x });
    }
    fn run(lanes: usize, kernel: Computation<'_, Self>) {
        each!(kernel, kernel => dispatch(lanes, kernel));
    }
    fn gemm(out: &mut [Self], beta: Self, a: Matrix<'_, Self>, b: Matrix<'_, Self>) {
        gemm::sgemm(out, beta, a, b);
    }
}

impl Scalar for f64 {
    fn run(lanes: usize, kernel: Computation<'_, Self>) {
        each!(kernel, kernel => dispatch(lanes, kernel));
    }
    fn gemm(out: &mut [Self], beta: Self, a: Matrix<'_, Self>, b: Matrix<'_, Self>) {
        gemm::dgemm(out, beta, a, b);
    }
}

impl Scalar for Counted {
    fn run(_lanes: usize, kernel: Computation<'_, Self>) {
        each!(kernel, kernel => one_by_one(kernel));
    }
    fn gemm(out: &mut [Self], beta: Self, a: Matrix<'_, Self>, b: Matrix<'_, Self>) {
        for i in 0..a.rows() {
            for j in 0..b.cols() {
                let sum: Self = (0..a.cols()).map(|k| *a.get(i, k) * *b.get(k, j)).sum();
                let out = &mut out[i * b.cols() + j];
                *out = Self::from_f64(beta.to_f64() * out.to_f64()) + sum;
            }
        }
    }
}
