//! A scalar that counts its own multiplications.

use std::cell::Cell;
use std::fmt::{self, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::float::Float;
use crate::float::sealed::Sealed;

thread_local! {
    static MULTIPLICATIONS: Cell<u64> = const { Cell::new(0) };
}

/// An `f64` that counts the multiplications of its thread, so that a cost model can be compared with what the
/// kernels really do. A multiply-add counts as one; additions, divisions and elementary functions are not counted.
///
/// ```
/// use rtrl_sparse::{Float, testing::Counted};
/// let (a, count) = Counted::count(|| Counted::from_f64(2.0) * Counted::from_f64(3.0));
/// assert_eq!((a.to_f64(), count), (6.0, 1));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Counted(f64);

impl Counted {
    /// Runs `f` and returns its result with the number of multiplications that this thread did in it.
    pub fn count<R>(f: impl FnOnce() -> R) -> (R, u64) {
        let before = MULTIPLICATIONS.get();
        let result = f();
        (result, MULTIPLICATIONS.get() - before)
    }
}

impl Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl Mul for Counted {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        MULTIPLICATIONS.set(MULTIPLICATIONS.get() + 1);
        Self(self.0 * other.0)
    }
}
impl Add for Counted {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}
impl Sub for Counted {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}
impl Div for Counted {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        Self(self.0 / other.0)
    }
}
impl Neg for Counted {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}
impl AddAssign for Counted {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
impl SubAssign for Counted {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}
impl MulAssign for Counted {
    fn mul_assign(&mut self, other: Self) {
        *self = *self * other;
    }
}
impl DivAssign for Counted {
    fn div_assign(&mut self, other: Self) {
        *self = *self / other;
    }
}
impl Sum for Counted {
    fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
        values.fold(Self(0.0), Add::add)
    }
}

impl Sealed for Counted {}

impl Float for Counted {
    const ZERO: Self = Self(0.0);
    const ONE: Self = Self(1.0);
    fn from_f64(value: f64) -> Self {
        Self(value)
    }
    fn to_f64(self) -> f64 {
        self.0
    }
    fn exp(self) -> Self {
        Self(self.0.exp())
    }
    fn ln(self) -> Self {
        Self(self.0.ln())
    }
    fn sqrt(self) -> Self {
        Self(self.0.sqrt())
    }
    fn tanh(self) -> Self {
        Self(self.0.tanh())
    }
    fn mul_add(self, a: Self, b: Self) -> Self {
        self * a + b
    }
    fn flush(self) -> Self {
        self
    }
}
