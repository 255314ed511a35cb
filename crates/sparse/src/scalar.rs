//! The two floating-point types that everything here is generic over.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dense::Matrix;
use crate::kernels::elementary::{Apply, Function};
use crate::kernels::gemm;
use crate::kernels::simd::dispatch;
use crate::kernels::{Computation, each};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for crate::testing::Counted {}
}

/// `f32` (training) or `f64` (the equivalence tests), and [`Counted`](crate::testing::Counted), which counts
/// multiplications.
///
/// Sealed: kernels may rely on the exact set of implementers.
pub trait Scalar:
    sealed::Sealed
    + Copy
    + Default
    + Debug
    + Display
    + PartialOrd
    + Send
    + Sync
    + Sum
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Serialize
    + DeserializeOwned
    + 'static
{
    /// The neutral element of addition.
    const ZERO: Self;
    /// The neutral element of multiplication.
    const ONE: Self;

    /// Rounds to this type.
    fn from_f64(value: f64) -> Self;
    /// Widens to `f64` without loss.
    fn to_f64(self) -> f64;
    /// e^self.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The logistic function 1 / (1 + e^-self), to a few units in the last place for every argument: the exponential is taken of
    /// -|self|, so that it neither overflows nor cancels.
    fn sigmoid(self) -> Self {
        let negative = self < Self::ZERO;
        let e = if negative { self } else { -self }.exp();
        (if negative { e } else { Self::ONE }) / (Self::ONE + e)
    }
    /// Neither NaN nor infinite.
    fn is_finite(self) -> bool {
        self.to_f64().is_finite()
    }
    /// `self a + b`, rounded once: fast only where the processor is known to have the instruction.
    #[doc(hidden)]
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// Zero in the place of a subnormal number, with which some processors are slow; NaN stays.
    fn flush(self) -> Self;
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
    /// Runs a kernel, on arrays of `lanes` lanes, with the instructions of this thread's level.
    #[doc(hidden)]
    fn run(lanes: usize, kernel: Computation<'_, Self>);
    /// `out = beta * out + a * b`; see [`multiply`](crate::dense::multiply), which checks the sizes.
    #[doc(hidden)]
    fn gemm(out: &mut [Self], beta: Self, a: Matrix<'_, Self>, b: Matrix<'_, Self>);
}

macro_rules! scalar {
    ($float:ty, $gemm:path, { $($slices:item)* }) => {
        impl Scalar for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            #[allow(clippy::cast_possible_truncation)]
            fn from_f64(value: f64) -> Self {
                value as $float
            }
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn exp(self) -> Self {
                self.exp()
            }
            fn ln(self) -> Self {
                self.ln()
            }
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            fn tanh(self) -> Self {
                self.tanh()
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                self.mul_add(a, b)
            }
            #[inline(always)]
            fn flush(self) -> Self {
                if self.abs() < <$float>::MIN_POSITIVE { 0.0 } else { self }
            }
            $($slices)*
            fn run(lanes: usize, kernel: Computation<'_, Self>) {
                each!(kernel, kernel => dispatch(lanes, kernel));
            }
            fn gemm(out: &mut [Self], beta: Self, a: Matrix<'_, Self>, b: Matrix<'_, Self>) {
                $gemm(out, beta, a, b);
            }
        }
    };
}
scalar!(f32, gemm::sgemm, {
    fn exp_slice(x: &mut [Self]) {
        dispatch(1, Apply { function: Function::Exp, x });
    }
    fn tanh_slice(x: &mut [Self]) {
        dispatch(1, Apply { function: Function::Tanh, x });
    }
    fn sigmoid_slice(x: &mut [Self]) {
        dispatch(1, Apply { function: Function::Sigmoid, x });
    }
});
scalar!(f64, gemm::dgemm, {});
