//! The two traits of a kernel: vector operations ([`Simd`]), and a computation written with them ([`Kernel`]).

use crate::float::Float;

/// Vector operations on `T` at one level. A value of an implementing type proves that the processor has the level's
/// instructions.
pub trait Simd<T: Float>: Copy {
    /// A SIMD register, or an array in its place.
    type Vector: Copy;
    /// Scalars of a vector.
    const WIDTH: usize;
    /// Vectors per tile: a kernel keeps 2 · `TILE` accumulators (new values of J and the gradient) in registers.
    const TILE: usize;

    /// A vector with `x` in every place.
    fn splat(self, x: T) -> Self::Vector;
    /// Loads the first `WIDTH` scalars of `x`. Panics if there are fewer.
    fn load(self, x: &[T]) -> Self::Vector;
    /// Loads up to `WIDTH` scalars of `x`, and zeros in place of missing ones.
    fn load_part(self, x: &[T]) -> Self::Vector;
    /// Prefetches the cache line at `x`, which need not be valid memory; does nothing where the level has no such instruction.
    #[inline(always)]
    fn fetch(self, _x: *const T) {}
    /// Overwrites the first `WIDTH` scalars of `out`. Panics if there are fewer.
    fn store(self, v: Self::Vector, out: &mut [T]);
    /// Overwrites the first scalars of `out`: `WIDTH` of them, or all if there are fewer.
    fn store_part(self, v: Self::Vector, out: &mut [T]);
    /// `a + b`.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a b + c`, rounded once where the level can.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// Replaces subnormal numbers by zero: many processors compute with them a hundred times slower.
    fn flush(self, v: Self::Vector) -> Self::Vector;
    /// The sum of a vector's scalars, in a fixed order.
    fn sum(self, v: Self::Vector) -> T;
    /// In one vector, the sums of [`WIDTH`](Self::WIDTH) vectors, each as [`sum`](Self::sum) has it.
    fn sums(self, vectors: &mut impl Vectors<T, Self>) -> Self::Vector;
    /// [`mul_add`](Self::mul_add) of scalars.
    fn scalar(self, a: T, b: T, c: T) -> T;
    /// Runs another kernel at this level, on arrays of one lane. At AVX2 and AVX-512 this is a function call, so
    /// that a large kernel is compiled once and not inlined at every call.
    #[inline(always)]
    fn call<K: Kernel<T>>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
}

/// Vectors to be summed. No closure, since a closure is not always inlined, and compiled for the level only where it is.
pub trait Vectors<T: Float, S: Simd<T>> {
    /// The k-th, which is asked for once. Must be `#[inline(always)]`.
    fn vector(&mut self, simd: S, k: usize) -> S::Vector;
}

/// One computation, compiled once for each level. `run` and every function that it passes `simd` to must be
/// `#[inline(always)]`: only then is their code compiled with the level's instructions.
pub trait Kernel<T: Float> {
    /// What it returns.
    type Output;
    /// The computation.
    fn run<S: Simd<T>>(self, simd: S) -> Self::Output;
}
