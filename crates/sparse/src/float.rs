//! The arithmetic that every kernel is generic over.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// Seals [`Float`].
pub(crate) mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// Requires that numbers can be serialized if the feature `serde` is on, and nothing otherwise.
#[cfg(feature = "serde")]
#[doc(hidden)]
pub trait Serial: serde::Serialize + serde::de::DeserializeOwned {}
#[cfg(feature = "serde")]
impl<T: serde::Serialize + serde::de::DeserializeOwned> Serial for T {}
#[cfg(not(feature = "serde"))]
#[doc(hidden)]
pub trait Serial {}
#[cfg(not(feature = "serde"))]
impl<T> Serial for T {}

/// The arithmetic of `f32`, `f64` and [`Counted`](crate::testing::Counted). Callers use [`Scalar`](crate::Scalar)
/// as their bound: it adds the kernels.
///
/// Sealed: kernels may rely on the exact set of implementers.
pub trait Float:
    sealed::Sealed
    + Serial
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
    /// The logistic function 1 / (1 + e^-self), to a few units in the last place for every argument: the
    /// exponential is taken of -|self|, which neither overflows nor cancels.
    fn sigmoid(self) -> Self {
        let negative = self < Self::ZERO;
        let e = if negative { self } else { -self }.exp();
        (if negative { e } else { Self::ONE }) / (Self::ONE + e)
    }
    /// Whether the number is neither NaN nor infinite.
    fn is_finite(self) -> bool {
        self.to_f64().is_finite()
    }
    /// `self a + b`, rounded once (by `Counted` twice). Without a fused instruction at compile time this is a slow
    /// library call.
    #[doc(hidden)]
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// Replaces a subnormal number by zero, since some processors are slow with them; NaN stays. `Counted` flushes
    /// nothing.
    fn flush(self) -> Self;
}

macro_rules! float {
    ($float:ty) => {
        impl Float for $float {
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
            #[inline(always)]
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
        }
    };
}
float!(f32);
float!(f64);
