//! Sums of as many vectors as a vector has scalars, in one vector: halves of two vectors are added at once. Each sum has the order of
//! that of one vector, and so its bits.

use std::arch::x86_64::*;

/// The order is that of `sum_256`.
#[target_feature(enable = "avx2")]
#[inline]
pub fn sums_256(v: [__m256; 8]) -> __m256 {
    // Rows k and k + 4, of four scalars each.
    let four = |low: __m256, high: __m256| {
        _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high))
    };
    let two = |a: __m256, b: __m256| {
        let (a, b) = (_mm256_castps_pd(a), _mm256_castps_pd(b));
        let (low, high) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
        _mm256_add_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high))
    };
    let rows = |k: usize| four(v[k], v[k + 4]);
    let (a, b) = (two(rows(0), rows(1)), two(rows(2), rows(3)));
    _mm256_add_ps(_mm256_shuffle_ps::<0x88>(a, b), _mm256_shuffle_ps::<0xDD>(a, b))
}

/// The order is that of `sum_256d`.
#[target_feature(enable = "avx2")]
#[inline]
pub fn sums_256d(v: [__m256d; 4]) -> __m256d {
    let two = |low: __m256d, high: __m256d| {
        _mm256_add_pd(_mm256_permute2f128_pd::<0x20>(low, high), _mm256_permute2f128_pd::<0x31>(low, high))
    };
    let (a, b) = (two(v[0], v[2]), two(v[1], v[3]));
    _mm256_add_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b))
}

/// The order is that of `sum_512`.
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
pub fn sums_512(v: [__m512; 16]) -> __m512 {
    // Rows k and k + 8, of eight scalars each; then k, k + 8, k + 4 and k + 12, of four each.
    let eight = |low: __m512, high: __m512| {
        _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(low, high), _mm512_shuffle_f32x4::<0xEE>(low, high))
    };
    let four = |low: __m512, high: __m512| {
        _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(low, high), _mm512_shuffle_f32x4::<0xDD>(low, high))
    };
    let two = |a: __m512, b: __m512| {
        let (a, b) = (_mm512_castps_pd(a), _mm512_castps_pd(b));
        let (low, high) = (_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b));
        _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high))
    };
    let rows = |k: usize| four(eight(v[k], v[k + 8]), eight(v[k + 4], v[k + 12]));
    let (a, b) = (two(rows(0), rows(1)), two(rows(2), rows(3)));
    let sums = _mm512_add_ps(_mm512_shuffle_ps::<0x88>(a, b), _mm512_shuffle_ps::<0xDD>(a, b));
    _mm512_shuffle_f32x4::<0xD8>(sums, sums)
}

/// The order is that of `sum_512d`.
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
pub fn sums_512d(v: [__m512d; 8]) -> __m512d {
    let four = |low: __m512d, high: __m512d| {
        _mm512_add_pd(_mm512_shuffle_f64x2::<0x44>(low, high), _mm512_shuffle_f64x2::<0xEE>(low, high))
    };
    let two = |low: __m512d, high: __m512d| {
        _mm512_add_pd(_mm512_shuffle_f64x2::<0x88>(low, high), _mm512_shuffle_f64x2::<0xDD>(low, high))
    };
    let rows = |k: usize| two(four(v[k], v[k + 4]), four(v[k + 2], v[k + 6]));
    let (a, b) = (rows(0), rows(1));
    let sums = _mm512_add_pd(_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b));
    _mm512_shuffle_f64x2::<0xD8>(sums, sums)
}
