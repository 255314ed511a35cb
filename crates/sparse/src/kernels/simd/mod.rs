//! Which instructions the kernels use: chosen once at run time, for one source of every kernel.
//!
//! A [`Kernel`] is written over [`Simd`], a handful of vector operations, and inlined whole into one function for each
//! level that the compiler may use that level's instructions in. This is the only place where levels are told apart.
#![allow(unsafe_code)]

mod array;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::cell::Cell;
use std::sync::OnceLock;

use crate::Scalar;
pub use array::Array;

/// Vector operations on `T` at one level. A value of an implementing type proves that the processor has the level's
/// instructions.
pub trait Simd<T: Scalar>: Copy {
    /// Several scalars in a register.
    type Vector: Copy;
    /// Scalars of a vector.
    const WIDTH: usize;
    /// Vectors that a kernel should accumulate at once, twice over: as many as there are registers for.
    const TILE: usize;

    /// `x` everywhere.
    fn splat(self, x: T) -> Self::Vector;
    /// The first scalars of `x`, which must be enough.
    fn load(self, x: &[T]) -> Self::Vector;
    /// The first scalars of `x`, zeros where it ends.
    fn load_part(self, x: &[T]) -> Self::Vector;
    /// Asks for the line of the cache at `x`, which need not be memory at all; where the level cannot, nothing happens.
    #[inline(always)]
    fn fetch(self, _x: *const T) {}
    /// Overwrites the first scalars of `out`, which must be enough.
    fn store(self, v: Self::Vector, out: &mut [T]);
    /// Overwrites `out` as far as it goes.
    fn store_part(self, v: Self::Vector, out: &mut [T]);
    /// `a + b`.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a b + c`, rounded once where the level can.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// Zero in the place of subnormal numbers, on which many processors are a hundred times slower.
    fn flush(self, v: Self::Vector) -> Self::Vector;
    /// The sum of a vector's scalars, in a fixed order.
    fn sum(self, v: Self::Vector) -> T;
    /// [`mul_add`](Self::mul_add) of scalars.
    fn scalar(self, a: T, b: T, c: T) -> T;
}

/// One computation, to be compiled for every level. `run` and all that it calls with `simd` must be
/// `#[inline(always)]`.
pub trait Kernel<T: Scalar> {
    /// What it returns.
    type Output;
    /// The computation.
    fn run<S: Simd<T>>(self, simd: S) -> Self::Output;
}

/// A set of instructions that kernels can be run with. The numbers differ between levels by rounding alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// What the target of the compilation guarantees.
    Baseline,
    /// AVX2 with fused multiply-adds.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL).
    Avx512,
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Baseline => "baseline",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

thread_local! {
    static FORCED: Cell<Option<Level>> = const { Cell::new(None) };
}

impl Level {
    /// The levels of this processor, the slowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        [Self::Baseline, Self::Avx2, Self::Avx512].into_iter().filter(|level| *level <= Self::best())
    }

    /// The level in use on this thread.
    #[inline]
    pub fn current() -> Self {
        FORCED.get().unwrap_or_else(Self::best)
    }

    /// Runs `f` with this thread's kernels at this level.
    ///
    /// # Panics
    /// If the processor does not have it.
    pub fn force<R>(self, f: impl FnOnce() -> R) -> R {
        struct Restore(Option<Level>);
        impl Drop for Restore {
            fn drop(&mut self) {
                FORCED.set(self.0);
            }
        }
        assert!(self <= Self::best(), "this processor does not have {self:?}");
        let _restore = Restore(FORCED.replace(Some(self)));
        f()
    }

    #[inline]
    fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(Self::detect)
    }

    #[cfg(target_arch = "x86_64")]
    fn detect() -> Self {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match (avx2, avx512) {
            (true, true) => Self::Avx512,
            (true, false) => Self::Avx2,
            (false, _) => Self::Baseline,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn detect() -> Self {
        Self::Baseline
    }
}

/// Fused multiply-adds are part of the baseline of some targets; elsewhere they would be calls of a library.
const BASELINE_FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

/// Whether vectors of `width` fit arrays of `lanes` lanes: either across the entries of one lane, or along the lanes.
#[inline(always)]
fn fits(lanes: usize, width: usize) -> bool {
    lanes == 1 || lanes.is_multiple_of(width)
}

/// Runs a kernel scalar by scalar, whatever the processor: for types that no vector instruction knows.
#[inline]
pub(crate) fn one_by_one<T: Scalar, K: Kernel<T>>(kernel: K) -> K::Output {
    kernel.run(Array::<1, false>::new())
}

fn baseline<T: Scalar, K: Kernel<T>>(lanes: usize, kernel: K) -> K::Output {
    if fits(lanes, 4) {
        kernel.run(Array::<4, BASELINE_FUSED>::new())
    } else {
        kernel.run(Array::<1, BASELINE_FUSED>::new())
    }
}

#[cfg(target_arch = "x86_64")]
mod levels {
    use super::x86::{Avx2, Avx512};
    use super::{Array, Kernel, Level, Scalar, Simd, baseline, fits};

    /// Runs a kernel on arrays of `lanes` lanes at the level of this thread: with the widest vectors that fit the lanes, so
    /// that [`Simd::WIDTH`] divides `lanes` unless that is 1.
    #[inline]
    pub(crate) fn dispatch<T: Scalar, K: Kernel<T>>(lanes: usize, kernel: K) -> K::Output
    where
        Avx2: Simd<T>,
        Avx512: Simd<T>,
    {
        match Level::current() {
            Level::Baseline => baseline(lanes, kernel),
            Level::Avx512 if fits(lanes, <Avx512 as Simd<T>>::WIDTH) => {
                // SAFETY: a level is current only if the processor has its features.
                unsafe { avx512(kernel) }
            }
            Level::Avx2 | Level::Avx512 if fits(lanes, <Avx2 as Simd<T>>::WIDTH) => {
                // SAFETY: as above; AVX-512 implies AVX2 and FMA.
                unsafe { avx2(kernel) }
            }
            Level::Avx2 | Level::Avx512 => {
                // SAFETY: as above.
                unsafe { narrow(lanes, kernel) }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    fn avx512<T: Scalar, K: Kernel<T>>(kernel: K) -> K::Output
    where
        Avx512: Simd<T>,
    {
        kernel.run(Avx512::new())
    }

    #[target_feature(enable = "avx2,fma")]
    fn avx2<T: Scalar, K: Kernel<T>>(kernel: K) -> K::Output
    where
        Avx2: Simd<T>,
    {
        kernel.run(Avx2::new())
    }

    #[target_feature(enable = "avx2,fma")]
    fn narrow<T: Scalar, K: Kernel<T>>(lanes: usize, kernel: K) -> K::Output {
        if fits(lanes, 4) { kernel.run(Array::<4, true>::new()) } else { kernel.run(Array::<1, true>::new()) }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod levels {
    use super::{Kernel, Scalar, baseline};

    /// Runs a kernel on arrays of `lanes` lanes: with the widest vectors that fit the lanes, so that
    /// [`Simd::WIDTH`](super::Simd::WIDTH) divides `lanes` unless that is 1.
    #[inline]
    pub(crate) fn dispatch<T: Scalar, K: Kernel<T>>(lanes: usize, kernel: K) -> K::Output {
        baseline(lanes, kernel)
    }
}

pub(crate) use levels::dispatch;
