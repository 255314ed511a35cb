//! Instruments for tests and benches: a scalar that counts its own multiplications, the choice of the instructions
//! in use, and loops that run at the peak rates of a core.

use std::hint::black_box;

pub use crate::counted::Counted;
use crate::run::{Computation, Scalar};
pub use crate::simd::Level;
use crate::simd::ceiling::{Peak, Sweep};

/// Does nothing but multiply-adds in registers at this thread's level, and returns how many. No kernel can reach a
/// higher rate on one core.
///
/// ```
/// let few = rtrl_sparse::testing::multiply_adds::<f32>(10);
/// assert_eq!(rtrl_sparse::testing::multiply_adds::<f32>(20), 2 * few);
/// ```
pub fn multiply_adds<T: Scalar>(rounds: u64) -> u64 {
    let (mut out, mut count) = (T::ZERO, 0);
    // The sums tend to 1, so that no subnormal number slows the loop down.
    let factor = black_box(T::from_f64(0.5));
    T::run(1, Computation::Peak(Peak { rounds, factor, out: &mut out, count: &mut count }));
    black_box(out);
    count
}

/// Loads and stores every scalar of `x` once, at this thread's level: no kernel can update `x` in less time.
/// Scalars at the end that do not fill a vector are left out.
pub fn sweep<T: Scalar>(x: &mut [T]) {
    T::run(1, Computation::Sweep(Sweep { factor: black_box(T::from_f64(0.5)), x }));
}
