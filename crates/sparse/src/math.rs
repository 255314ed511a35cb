//! Exponential, hyperbolic tangent and logistic function of whole slices.
//!
//! For `f32` the functions are vectorized at the level of instructions in use. Their error is below 2.5 units in
//! the last place for every argument, also where the result is subnormal. NaN gives NaN, infinities give the
//! limits, and tanh keeps the sign of zero. For other types they call the functions of [`Scalar`], number by
//! number.
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
