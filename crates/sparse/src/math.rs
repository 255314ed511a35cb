//! Exponential, hyperbolic tangent and logistic function of whole slices.
//!
//! For `f32` they are computed by vectors, at whatever level of instructions is in use, and differ from the exact value by
//! less than 2.5 units in the last place, on all numbers; results that are subnormal included. NaN stays NaN, infinities
//! have their limits, and tanh keeps the sign of zero. For other types they are the functions of [`Scalar`], one by one.
//!
//! ```
//! let mut x = [0.0_f32, 1.0, f32::NEG_INFINITY];
//! rtrl_sparse::math::sigmoid(&mut x);
//! assert_eq!((x[0], x[2]), (0.5, 0.0));
//! ```

use crate::run::Scalar;

/// `x ← e^x`.
pub fn exp<T: Scalar>(x: &mut [T]) {
    T::exp_slice(x);
}

/// `x ← tanh x`.
pub fn tanh<T: Scalar>(x: &mut [T]) {
    T::tanh_slice(x);
}

/// `x ← 1 / (1 + e^-x)`.
pub fn sigmoid<T: Scalar>(x: &mut [T]) {
    T::sigmoid_slice(x);
}
