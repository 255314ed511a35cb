//! The peak rates of a core: one loop that does nothing but multiply-adds, and one that does little but load and
//! store.

use super::kernel::{Kernel, Simd};
use crate::float::Float;

/// Independent sums: more multiply-adds than a core can start before the first one is done.
const SUMS: usize = 12;

/// Multiply-adds in registers.
pub struct Peak<'a, T> {
    pub rounds: u64,
    /// A factor below 1 that the compiler must not know.
    pub factor: T,
    /// Receives the result, so that the compiler does not remove the work.
    pub out: &'a mut T,
    /// Receives the number of multiply-adds.
    pub count: &'a mut u64,
}

impl<T: Float> Kernel<T> for Peak<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let factor = simd.splat(self.factor);
        let mut sums = [factor; SUMS];
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = simd.mul_add(*sum, factor, factor);
            }
        }
        let mut all = sums[0];
        for sum in &sums[1..] {
            all = simd.add(all, *sum);
        }
        *self.out = simd.sum(all);
        *self.count = self.rounds * (SUMS * S::WIDTH) as u64;
    }
}

/// `x ← a x + a` over an array: every scalar is loaded and stored once.
pub struct Sweep<'a, T> {
    pub factor: T,
    pub x: &'a mut [T],
}

impl<T: Float> Kernel<T> for Sweep<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let factor = simd.splat(self.factor);
        for x in self.x.chunks_exact_mut(S::WIDTH) {
            simd.store(simd.mul_add(simd.load(x), factor, factor), x);
        }
    }
}
