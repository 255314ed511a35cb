//! Runs a kernel with the instructions of this thread's level.
//!
//! A [`Kernel`] is inlined whole into one function for each level, in which the compiler may use that level's instructions.
#![allow(unsafe_code)]

use super::array::Array;
use super::kernel::{Kernel, Simd};
use super::level::Level;
use crate::float::Float;

/// Whether the baseline of the target has fused multiply-adds. Elsewhere they would be slow library calls.
const BASELINE_FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

/// Whether vectors of `width` scalars fit arrays of `lanes` lanes: they run along the lanes, or along the entries
/// if there is one lane.
#[inline(always)]
fn fits(lanes: usize, width: usize) -> bool {
    lanes == 1 || lanes.is_multiple_of(width)
}

/// Runs a kernel scalar by scalar, whatever the processor: for types without vector instructions.
#[inline]
pub(crate) fn one_by_one<T: Float, K: Kernel<T>>(kernel: K) -> K::Output {
    kernel.run(Array::<1, false>::new())
}

/// Whether arrays of four scalars are worth their code at the baseline: on x86-64 a vector holds two `f64`, and most processors
/// never run this.
const fn four_at_baseline<T>() -> bool {
    !cfg!(target_arch = "x86_64") || size_of::<T>() == 4
}

fn baseline<T: Float, K: Kernel<T>>(lanes: usize, kernel: K) -> K::Output {
    if const { four_at_baseline::<T>() } && fits(lanes, 4) {
        kernel.run(Array::<4, BASELINE_FUSED>::new())
    } else {
        kernel.run(Array::<1, BASELINE_FUSED>::new())
    }
}

#[cfg(target_arch = "x86_64")]
mod levels {
    use super::super::x86::{Avx2, Avx512, avx2, avx512};
    use super::{Array, Float, Kernel, Level, Simd, baseline, fits};

    /// Runs a kernel on arrays of `lanes` lanes at the level of this thread: with the widest vectors that fit the lanes, so
    /// that [`Simd::WIDTH`] divides `lanes` unless that is 1.
    #[inline]
    pub(crate) fn dispatch<T: Float, K: Kernel<T>>(lanes: usize, kernel: K) -> K::Output
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

    /// Lanes that no vector of AVX2 fits. Four `f64` are such a vector.
    #[target_feature(enable = "avx2,fma")]
    fn narrow<T: Float, K: Kernel<T>>(lanes: usize, kernel: K) -> K::Output
    where
        Avx2: Simd<T>,
    {
        if const { <Avx2 as Simd<T>>::WIDTH > 4 } && fits(lanes, 4) {
            kernel.run(Array::<4, true>::new())
        } else {
            kernel.run(Array::<1, true>::new())
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod levels {
    use super::{Float, Kernel, baseline};

    /// Runs a kernel on arrays of `lanes` lanes: with the widest vectors that fit the lanes, so that
    /// [`Simd::WIDTH`](super::Simd::WIDTH) divides `lanes` unless that is 1.
    #[inline]
    pub(crate) fn dispatch<T: Float, K: Kernel<T>>(lanes: usize, kernel: K) -> K::Output {
        baseline(lanes, kernel)
    }
}

pub(crate) use levels::dispatch;
