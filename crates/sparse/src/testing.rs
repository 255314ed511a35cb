//! Instruments for tests and benches: a scalar that counts its own multiplications, the choice of the instructions in use,
//! and loops that reach what a core can do at most.

use std::cell::Cell;
use std::fmt::{self, Display};
use std::hint::black_box;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use serde::{Deserialize, Serialize};

use crate::Scalar;
use crate::dense::Matrix;
use crate::kernels::ceiling::{Peak, Sweep};
pub use crate::kernels::simd::Level;
use crate::kernels::simd::one_by_one;
use crate::kernels::{Computation, each};

/// Does nothing but multiply-adds in registers at this thread's level, and returns how many: their time is the most that
/// any kernel can reach on one core.
///
/// ```
/// let few = rtrl_sparse::testing::multiply_adds::<f32>(10);
/// assert_eq!(rtrl_sparse::testing::multiply_adds::<f32>(20), 2 * few);
/// ```
pub fn multiply_adds<T: Scalar>(rounds: u64) -> u64 {
    let (mut out, mut count) = (T::ZERO, 0);
    // Sums tend to 1, far from every number that is slow.
    let factor = black_box(T::from_f64(0.5));
    T::run(1, Computation::Peak(Peak { rounds, factor, out: &mut out, count: &mut count }));
    black_box(out);
    count
}

/// Loads and stores every scalar of `x` once, at this thread's level: its time is the least that moving them can take. A
/// remainder that does not fill a vector is left out.
pub fn sweep<T: Scalar>(x: &mut [T]) {
    T::run(1, Computation::Sweep(Sweep { factor: black_box(T::from_f64(0.5)), x }));
}

thread_local! {
    static MULTIPLICATIONS: Cell<u64> = const { Cell::new(0) };
}

/// An `f64` that counts the multiplications of its thread, so that a cost model can be compared with what the
/// kernels really do.
///
/// ```
/// use rtrl_sparse::{Scalar, testing::Counted};
/// let (a, count) = Counted::count(|| Counted::from_f64(2.0) * Counted::from_f64(3.0));
/// assert_eq!((a.to_f64(), count), (6.0, 1));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
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

impl Scalar for Counted {
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
    fn run(_lanes: usize, kernel: Computation<'_, Self>) {
        each!(kernel, kernel => one_by_one(kernel));
    }
    fn gemm(out: &mut [Self], beta: Self, a: Matrix<'_, Self>, b: Matrix<'_, Self>) {
        for i in 0..a.rows() {
            for j in 0..b.cols() {
                let sum: Self = (0..a.cols()).map(|k| *a.get(i, k) * *b.get(k, j)).sum();
                let out = &mut out[i * b.cols() + j];
                *out = Self(beta.0 * out.0) + sum;
            }
        }
    }
}
