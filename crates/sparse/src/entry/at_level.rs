//! Loops of other crates, compiled for every level.

use crate::float::Float;
use crate::simd::dispatch::dispatch;
use crate::simd::{Kernel, Simd};

/// A loop over slices that [`at_level`] compiles once for each level of instructions, so that the compiler can turn it
/// into wider vectors than those that every processor has.
///
/// ```
/// struct Scale<'a>(&'a mut [f32], f32);
///
/// impl rtrl_sparse::Loop for Scale<'_> {
///     type Output = ();
///     #[inline(always)]
///     fn run(self) {
///         for x in self.0 {
///             *x *= self.1;
///         }
///     }
/// }
///
/// let mut x = [1.0, 2.0];
/// rtrl_sparse::at_level(Scale(&mut x, 3.0));
/// assert_eq!(x, [3.0, 6.0]);
/// ```
pub trait Loop {
    /// What the loop returns.
    type Output;

    /// The loop. It and every function that it calls must be `#[inline(always)]`: only then is their code compiled with
    /// the level's instructions. A closure cannot be, so that its code may stay slow.
    fn run(self) -> Self::Output;
}

/// Runs a loop with the instructions of this thread's level.
///
/// Rust neither reorders the operations of a loop nor fuses a product with a sum, so that the result has the same bits at
/// every level.
pub fn at_level<L: Loop>(body: L) -> L::Output {
    // A loop names no type of vectors, so that any scalar stands for all.
    dispatch::<f32, _>(1, Plain(body))
}

struct Plain<L>(L);

impl<T: Float, L: Loop> Kernel<T> for Plain<L> {
    type Output = L::Output;

    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> L::Output {
        self.0.run()
    }
}
