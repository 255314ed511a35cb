//! Norms that neither overflow nor underflow in `f32`.

use rtrl_sparse::Scalar;

/// Least sum of squares in which squares that underflow in `f32` do not matter.
const SAFE: f64 = 1e-20;

/// The square root of a sum of squares. `exact` sums the squares in `f64`, and is called if `sum` has
/// overflowed or squares may have underflowed.
pub(crate) fn root<T: Scalar>(sum: T, exact: impl FnOnce() -> f64) -> f64 {
    let sum = sum.to_f64();
    if sum.is_finite() && sum > SAFE { sum.sqrt() } else { exact().sqrt() }
}

/// Σ x², in `f64`.
pub(crate) fn squares<'a, T: Scalar>(x: impl Iterator<Item = &'a T>) -> f64 {
    x.map(|x| x.to_f64() * x.to_f64()).sum()
}

/// √(a / b), which balances the two factors of a rank-one product whose norms are a and b; 1 if one of them
/// vanishes.
pub(crate) fn balance<T: Scalar>(a: f64, b: f64) -> T {
    T::from_f64(if a > 0.0 && b > 0.0 { (a / b).sqrt() } else { 1.0 })
}
