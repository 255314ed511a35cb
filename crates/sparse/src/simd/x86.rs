//! The vectors of AVX2 and AVX-512.
//!
//! A value of [`Avx2`] or [`Avx512`] is made only inside functions with these target features, which are entered
//! only after the processor was found to have them. That makes the intrinsics in the methods sound.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::kernel::{Kernel, Simd, Vectors};
use super::sums::{sums_256, sums_256d, sums_512, sums_512d};
use crate::float::Float;

/// AVX2 with fused multiply-adds.
#[derive(Debug, Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    pub(super) fn new() -> Self {
        Self(())
    }
}

/// AVX-512 F, BW, DQ and VL.
#[derive(Debug, Clone, Copy)]
pub struct Avx512(());

impl Avx512 {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    #[inline]
    pub(super) fn new() -> Self {
        Self(())
    }
}

/// A kernel, compiled for AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) fn avx512<T: Float, K: Kernel<T>>(kernel: K) -> K::Output
where
    Avx512: Simd<T>,
{
    kernel.run(Avx512::new())
}

/// A kernel, compiled for AVX2.
#[target_feature(enable = "avx2,fma")]
pub(super) fn avx2<T: Float, K: Kernel<T>>(kernel: K) -> K::Output
where
    Avx2: Simd<T>,
{
    kernel.run(Avx2::new())
}

/// Masks of AVX2: the vector that begins `n` places before the middle has ones in its first `n` places.
static MASK: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
static MASK_64: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];

macro_rules! simd {
    (
        $level:ty, $float:ty, $vector:ty, $width:literal, $tile:literal,
        $set1:ident, $loadu:ident, $storeu:ident, $add:ident, $fmadd:ident,
        load_part: $load_part:ident, store_part: $store_part:ident, flush: $flush:ident, sum: $sum:ident,
        sums: $sums:ident [$($k:literal)*], run: $run:ident
    ) => {
        impl Simd<$float> for $level {
            type Vector = $vector;
            const WIDTH: usize = $width;
            const TILE: usize = $tile;

            #[inline(always)]
            fn splat(self, x: $float) -> $vector {
                // SAFETY: `self` exists only where the processor has the level.
                unsafe { $set1(x) }
            }

            #[inline(always)]
            fn load(self, x: &[$float]) -> $vector {
                assert!(x.len() >= $width, "enough scalars");
                // SAFETY: as for `splat`; the slice was asserted to hold a vector, and alignment is not required.
                unsafe { $loadu(x.as_ptr()) }
            }

            #[inline(always)]
            fn load_part(self, x: &[$float]) -> $vector {
                let present = x.len().min($width);
                // SAFETY: as for `splat`; the mask keeps the access within the slice.
                unsafe { $load_part(x.as_ptr(), present) }
            }

            #[inline(always)]
            fn fetch(self, x: *const $float) {
                // SAFETY: as for `splat`; a hint, which faults nowhere.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(x.cast()) }
            }

            #[inline(always)]
            fn store(self, v: $vector, out: &mut [$float]) {
                assert!(out.len() >= $width, "enough scalars");
                // SAFETY: as for `load`.
                unsafe { $storeu(out.as_mut_ptr(), v) }
            }

            #[inline(always)]
            fn store_part(self, v: $vector, out: &mut [$float]) {
                let present = out.len().min($width);
                // SAFETY: as for `load_part`.
                unsafe { $store_part(out.as_mut_ptr(), present, v) }
            }

            #[inline(always)]
            fn add(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: as for `splat`.
                unsafe { $add(a, b) }
            }

            #[inline(always)]
            fn mul_add(self, a: $vector, b: $vector, c: $vector) -> $vector {
                // SAFETY: as for `splat`.
                unsafe { $fmadd(a, b, c) }
            }

            #[inline(always)]
            fn flush(self, v: $vector) -> $vector {
                // SAFETY: as for `splat`.
                unsafe { $flush(v) }
            }

            #[inline(always)]
            fn sum(self, v: $vector) -> $float {
                // SAFETY: as for `splat`.
                unsafe { $sum(v) }
            }

            #[inline(always)]
            fn sums(self, vectors: &mut impl Vectors<$float, Self>) -> $vector {
                let v = [$(vectors.vector(self, $k)),*];
                // SAFETY: as for `splat`.
                unsafe { $sums(v) }
            }

            #[inline(always)]
            fn scalar(self, a: $float, b: $float, c: $float) -> $float {
                Float::mul_add(a, b, c)
            }

            #[inline(always)]
            fn call<K: Kernel<$float>>(self, kernel: K) -> K::Output {
                // SAFETY: as for `splat`.
                unsafe { $run(kernel) }
            }
        }
    };
}

simd!(
    Avx512, f32, __m512, 16, 8,
    _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps, _mm512_fmadd_ps,
    load_part: load_part_512, store_part: store_part_512, flush: flush_512, sum: sum_512,
    sums: sums_512 [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15], run: avx512
);
simd!(
    Avx512, f64, __m512d, 8, 8,
    _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_add_pd, _mm512_fmadd_pd,
    load_part: load_part_512d, store_part: store_part_512d, flush: flush_512d, sum: sum_512d,
    sums: sums_512d [0 1 2 3 4 5 6 7], run: avx512
);
simd!(
    Avx2, f32, __m256, 8, 6,
    _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps, _mm256_fmadd_ps,
    load_part: load_part_256, store_part: store_part_256, flush: flush_256, sum: sum_256,
    sums: sums_256 [0 1 2 3 4 5 6 7], run: avx2
);
simd!(
    Avx2, f64, __m256d, 4, 6,
    _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_add_pd, _mm256_fmadd_pd,
    load_part: load_part_256d, store_part: store_part_256d, flush: flush_256d, sum: sum_256d,
    sums: sums_256d [0 1 2 3], run: avx2
);

/// The classes of numbers that `flush` replaces by zero, as bits of the operand of `vfpclass`: subnormal and -0.
const FLUSHED: i32 = 0x24;

macro_rules! parts_512 {
    ($load:ident, $store:ident, $flush:ident, $float:ty, $vector:ty, $mask:ty,
     $maskz_loadu:ident, $mask_storeu:ident, $fpclass:ident, $mask_mov:ident, $zero:ident) => {
        /// `n` scalars from `x` on must be readable.
        #[target_feature(enable = "avx512f")]
        #[inline]
        unsafe fn $load(x: *const $float, n: usize) -> $vector {
            // SAFETY: the mask lets only the first `n` scalars be read.
            unsafe { $maskz_loadu(((1_u32 << n) - 1) as $mask, x) }
        }

        /// `n` scalars from `out` on must be writable.
        #[target_feature(enable = "avx512f")]
        #[inline]
        unsafe fn $store(out: *mut $float, n: usize, v: $vector) {
            // SAFETY: the mask lets only the first `n` scalars be written.
            unsafe { $mask_storeu(out, ((1_u32 << n) - 1) as $mask, v) }
        }

        #[target_feature(enable = "avx512f,avx512dq")]
        #[inline]
        fn $flush(v: $vector) -> $vector {
            $mask_mov(v, $fpclass::<FLUSHED>(v), $zero())
        }
    };
}
parts_512!(
    load_part_512,
    store_part_512,
    flush_512,
    f32,
    __m512,
    __mmask16,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps,
    _mm512_fpclass_ps_mask,
    _mm512_mask_mov_ps,
    _mm512_setzero_ps
);
parts_512!(
    load_part_512d,
    store_part_512d,
    flush_512d,
    f64,
    __m512d,
    __mmask8,
    _mm512_maskz_loadu_pd,
    _mm512_mask_storeu_pd,
    _mm512_fpclass_pd_mask,
    _mm512_mask_mov_pd,
    _mm512_setzero_pd
);

macro_rules! parts_256 {
    ($load:ident, $store:ident, $flush:ident, $float:ident, $vector:ty, $mask:ident, $maskload:ident,
     $maskstore:ident, $set1:ident, $andnot:ident, $cmp:ident, $and:ident) => {
        /// `n` scalars from `x` on must be readable.
        #[target_feature(enable = "avx2")]
        #[inline]
        unsafe fn $load(x: *const $float, n: usize) -> $vector {
            // SAFETY: the mask lets only the first `n` scalars be read.
            unsafe { $maskload(x, $mask(n)) }
        }

        /// `n` scalars from `out` on must be writable.
        #[target_feature(enable = "avx2")]
        #[inline]
        unsafe fn $store(out: *mut $float, n: usize, v: $vector) {
            // SAFETY: the mask lets only the first `n` scalars be written.
            unsafe { $maskstore(out, $mask(n), v) }
        }

        #[target_feature(enable = "avx2")]
        #[inline]
        fn $flush(v: $vector) -> $vector {
            let magnitude = $andnot($set1(-0.0), v);
            // The comparison is "not less than", which holds for NaN: NaN stays.
            $and(v, $cmp::<_CMP_NLT_UQ>(magnitude, $set1($float::MIN_POSITIVE)))
        }
    };
}
parts_256!(
    load_part_256,
    store_part_256,
    flush_256,
    f32,
    __m256,
    mask,
    _mm256_maskload_ps,
    _mm256_maskstore_ps,
    _mm256_set1_ps,
    _mm256_andnot_ps,
    _mm256_cmp_ps,
    _mm256_and_ps
);
parts_256!(
    load_part_256d,
    store_part_256d,
    flush_256d,
    f64,
    __m256d,
    mask_64,
    _mm256_maskload_pd,
    _mm256_maskstore_pd,
    _mm256_set1_pd,
    _mm256_andnot_pd,
    _mm256_cmp_pd,
    _mm256_and_pd
);

/// The mask of the first `n` of 8 places.
#[target_feature(enable = "avx2")]
#[inline]
fn mask(n: usize) -> __m256i {
    let window: &[i32; 8] = MASK[8 - n..].first_chunk().expect("n is at most 8");
    // SAFETY: the window is as long as the vector.
    unsafe { _mm256_loadu_si256(window.as_ptr().cast()) }
}

/// The mask of the first `n` of 4 places.
#[target_feature(enable = "avx2")]
#[inline]
fn mask_64(n: usize) -> __m256i {
    let window: &[i64; 4] = MASK_64[4 - n..].first_chunk().expect("n is at most 4");
    // SAFETY: the window is as long as the vector.
    unsafe { _mm256_loadu_si256(window.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn sum_256(v: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}

#[target_feature(enable = "avx2")]
#[inline]
fn sum_256d(v: __m256d) -> f64 {
    let two = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
    _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
}

#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
fn sum_512(v: __m512) -> f32 {
    sum_256(_mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v)))
}

#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
fn sum_512d(v: __m512d) -> f64 {
    sum_256d(_mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd::<1>(v)))
}
