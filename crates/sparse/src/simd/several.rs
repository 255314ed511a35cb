//! Vector primitives of whole rows, generic over the level of instructions: their loops check the lengths once and not at every
//! vector.
#![allow(unsafe_code)]

use super::kernel::Simd;
use super::vector::MAX_SCALAR_TAIL;
use crate::float::Float;

/// The vector that begins at `x[at]`.
///
/// # Safety
/// `at + S::WIDTH` is at most the length of `x`.
#[inline(always)]
unsafe fn vector<T: Float, S: Simd<T>>(simd: S, x: &[T], at: usize) -> S::Vector {
    // SAFETY: as the caller promises.
    simd.load(unsafe { x.get_unchecked(at..at + S::WIDTH) })
}

/// Overwrites the vector that begins at `x[at]`.
///
/// # Safety
/// As for [`vector`].
#[inline(always)]
unsafe fn put<T: Float, S: Simd<T>>(simd: S, v: S::Vector, x: &mut [T], at: usize) {
    // SAFETY: as the caller promises.
    simd.store(v, unsafe { x.get_unchecked_mut(at..at + S::WIDTH) });
}

/// `Σ_k a_k b_k` for `N` rows `a` of equal length, summed in the order of `k`. `b_k` is `V` vectors, which begin
/// at `b[k * stride]`.
#[inline(always)]
pub fn tile<T: Float, S: Simd<T>, const N: usize, const V: usize>(
    simd: S,
    a: [&[T]; N],
    b: &[T],
    stride: usize,
) -> [[S::Vector; V]; N] {
    let zero = simd.splat(T::ZERO);
    let mut sums = [[zero; V]; N];
    let len = a[0].len();
    for a in a {
        assert_eq!(a.len(), len, "rows of equal length");
    }
    for k in 0..len {
        let b = &b[k * stride..][..V * S::WIDTH];
        let mut vectors = [zero; V];
        for (v, vector) in vectors.iter_mut().enumerate() {
            *vector = simd.load(&b[v * S::WIDTH..]);
        }
        for (sums, a) in sums.iter_mut().zip(a) {
            let a = simd.splat(a[k]);
            for (sum, vector) in sums.iter_mut().zip(vectors) {
                *sum = simd.mul_add(a, vector, *sum);
            }
        }
    }
    sums
}

/// `Σ w u` for `N` rows of weights, each summed in an order that does not depend on `N`.
#[inline(always)]
pub fn dots<T: Float, S: Simd<T>, const N: usize>(simd: S, weights: [&[T]; N], u: &[T]) -> [T; N] {
    let mut sums = [[simd.splat(T::ZERO); 2]; N];
    let len = u.len();
    for weights in weights {
        assert_eq!(weights.len(), len, "rows of equal length");
    }
    let mut at = 0;
    while at + 2 * S::WIDTH <= len {
        // SAFETY: two vectors from `at` on are within `u`, and within rows of its length.
        unsafe {
            let (u0, u1) = (vector(simd, u, at), vector(simd, u, at + S::WIDTH));
            for (sums, weights) in sums.iter_mut().zip(weights) {
                sums[0] = simd.mul_add(vector(simd, weights, at), u0, sums[0]);
                sums[1] = simd.mul_add(vector(simd, weights, at + S::WIDTH), u1, sums[1]);
            }
        }
        at += 2 * S::WIDTH;
    }
    if at + S::WIDTH <= len {
        // SAFETY: as above, for one vector.
        unsafe {
            let u = vector(simd, u, at);
            for (sums, weights) in sums.iter_mut().zip(weights) {
                sums[0] = simd.mul_add(vector(simd, weights, at), u, sums[0]);
            }
        }
        at += S::WIDTH;
    }
    let mut out = [T::ZERO; N];
    if len - at <= MAX_SCALAR_TAIL {
        // Rows inside: a loop for each row would cost more than the few products.
        while at < len {
            for (out, weights) in out.iter_mut().zip(weights) {
                // SAFETY: all rows have `len` entries.
                *out = simd.scalar(unsafe { *weights.get_unchecked(at) }, u[at], *out);
            }
            at += 1;
        }
    } else {
        let u = simd.load_part(&u[at..]);
        for (sums, weights) in sums.iter_mut().zip(weights) {
            sums[1] = simd.mul_add(simd.load_part(&weights[at..]), u, sums[1]);
        }
    }
    // No closure may hold a vector: it would be compiled for the baseline, and the vector operations in it not inlined.
    for (out, [a, b]) in out.iter_mut().zip(sums) {
        *out += simd.sum(simd.add(a, b));
    }
    out
}

/// `a += Σ z w` for `N` rows of weights, added in their order.
#[inline(always)]
pub fn add_rows<T: Float, S: Simd<T>, const N: usize>(simd: S, a: &mut [T], z: [T; N], weights: [&[T]; N]) {
    let len = a.len();
    for weights in weights {
        assert_eq!(weights.len(), len, "rows of equal length");
    }
    let mut splat = [simd.splat(T::ZERO); N];
    for (splat, z) in splat.iter_mut().zip(z) {
        *splat = simd.splat(z);
    }
    let mut at = 0;
    while at + S::WIDTH <= len {
        // SAFETY: a vector from `at` on is within `a`, and within rows of its length.
        unsafe {
            let mut sum = vector(simd, a, at);
            for (z, weights) in splat.into_iter().zip(weights) {
                sum = simd.mul_add(z, vector(simd, weights, at), sum);
            }
            put(simd, sum, a, at);
        }
        at += S::WIDTH;
    }
    if len - at <= MAX_SCALAR_TAIL {
        while at < len {
            let mut sum = a[at];
            for (z, weights) in z.into_iter().zip(weights) {
                // SAFETY: all rows have `len` entries.
                sum = simd.scalar(z, unsafe { *weights.get_unchecked(at) }, sum);
            }
            a[at] = sum;
            at += 1;
        }
    } else {
        let a = &mut a[at..];
        let mut sum = simd.load_part(a);
        for (z, weights) in splat.into_iter().zip(weights) {
            sum = simd.mul_add(z, simd.load_part(&weights[at..]), sum);
        }
        simd.store_part(sum, a);
    }
}

/// `j ← d j + g u` and `slope += δ j`, entry by entry. Without `D` or `G` the term is left out, and `u` is not read.
#[inline(always)]
pub fn advance<T: Float, S: Simd<T>, const D: bool, const G: bool>(
    simd: S,
    j: &mut [T],
    slope: &mut [T],
    u: &[T],
    [d, g, delta]: [T; 3],
) {
    let (len, zero) = (j.len(), simd.splat(T::ZERO));
    assert!(slope.len() == len && (!G || u.len() == len), "entries of J, of the gradient and sources");
    let (ds, gs, deltas) = (simd.splat(d), simd.splat(g), simd.splat(delta));
    let mut at = 0;
    while at + S::WIDTH <= len {
        // SAFETY: a vector from `at` on is within all slices that are read.
        unsafe {
            let new = if G { simd.mul_add(gs, vector(simd, u, at), zero) } else { zero };
            let new = if D { simd.mul_add(ds, vector(simd, j, at), new) } else { new };
            let new = simd.flush(new);
            put(simd, new, j, at);
            put(simd, simd.mul_add(deltas, new, vector(simd, slope, at)), slope, at);
        }
        at += S::WIDTH;
    }
    if len - at <= MAX_SCALAR_TAIL {
        for at in at..len {
            let new = if G { simd.scalar(g, u[at], T::ZERO) } else { T::ZERO };
            let new = if D { simd.scalar(d, j[at], new) } else { new };
            j[at] = new.flush();
            slope[at] = simd.scalar(delta, j[at], slope[at]);
        }
    } else {
        let (j, slope) = (&mut j[at..], &mut slope[at..]);
        let new = if G { simd.mul_add(gs, simd.load_part(&u[at..]), zero) } else { zero };
        let new = if D { simd.mul_add(ds, simd.load_part(j), new) } else { new };
        let new = simd.flush(new);
        simd.store_part(new, j);
        simd.store_part(simd.mul_add(deltas, new, simd.load_part(slope)), slope);
    }
}

/// The factors of [`advance_pair`]; what is `None` is not there.
#[derive(Debug, Clone, Copy)]
pub struct Pair<T> {
    pub d: [[Option<T>; 2]; 2],
    pub g: [Option<T>; 2],
    pub delta: [T; 2],
}

/// `j_i ← Σ_k d_ik j_k + g_i u` for i and k in 0 and 1, and `slope += Σ_i δ_i j_i`, entry by entry. Without any g, `u` is not
/// read.
#[inline(always)]
pub fn advance_pair<T: Float, S: Simd<T>>(
    simd: S,
    [first, second]: [&mut [T]; 2],
    slope: &mut [T],
    u: &[T],
    pair: Pair<T>,
) {
    let len = slope.len();
    let driven = pair.g.iter().any(Option::is_some);
    assert!(first.len() == len && second.len() == len, "entries of both rows of J, and of the gradient");
    assert!(!driven || u.len() == len, "entries of J and sources");
    let mut at = 0;
    while at + S::WIDTH <= len {
        // SAFETY: a vector from `at` on is within all slices that are read.
        unsafe {
            let old = [vector(simd, first, at), vector(simd, second, at)];
            let u = if driven { vector(simd, u, at) } else { simd.splat(T::ZERO) };
            let ([a, b], sum) = pair.vectors(simd, old, u);
            put(simd, a, first, at);
            put(simd, b, second, at);
            put(simd, simd.add(vector(simd, slope, at), sum), slope, at);
        }
        at += S::WIDTH;
    }
    if at < len {
        let (first, second, slope) = (&mut first[at..], &mut second[at..], &mut slope[at..]);
        let old = [simd.load_part(first), simd.load_part(second)];
        let u = if driven { simd.load_part(&u[at..]) } else { simd.splat(T::ZERO) };
        let ([a, b], sum) = pair.vectors(simd, old, u);
        simd.store_part(a, first);
        simd.store_part(b, second);
        simd.store_part(simd.add(simd.load_part(slope), sum), slope);
    }
}

impl<T: Float> Pair<T> {
    /// The new entries of both rows, and Σ_i δ_i of them.
    #[inline(always)]
    fn vectors<S: Simd<T>>(&self, simd: S, old: [S::Vector; 2], u: S::Vector) -> ([S::Vector; 2], S::Vector) {
        let zero = simd.splat(T::ZERO);
        let (mut new, mut sum) = ([zero; 2], zero);
        for (i, new) in new.iter_mut().enumerate() {
            if let Some(g) = self.g[i] {
                *new = simd.mul_add(simd.splat(g), u, zero);
            }
            for (d, old) in self.d[i].into_iter().zip(old) {
                if let Some(d) = d {
                    *new = simd.mul_add(simd.splat(d), old, *new);
                }
            }
            *new = simd.flush(*new);
            sum = simd.mul_add(simd.splat(self.delta[i]), *new, sum);
        }
        (new, sum)
    }
}
