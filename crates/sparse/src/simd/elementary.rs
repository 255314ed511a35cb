//! Elementary functions of slices of `f32`, without branches, so that the compiler turns them into vectors.
//!
//! The polynomials and the reduction of the exponential are those of the Cephes library (Moshier, `expf`, `tanhf`).

use super::kernel::{Kernel, Simd};

/// Numbers per iteration of the vectorized loop.
const CHUNK: usize = 16;

/// The elementary functions.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Function {
    Exp,
    Tanh,
    Sigmoid,
}

/// The kernel of `x ← f(x)` for every number of a slice.
pub(crate) struct Apply<'a> {
    pub function: Function,
    pub x: &'a mut [f32],
}

impl Kernel<f32> for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, simd: S) {
        match self.function {
            Function::Exp => each(simd, self.x, Exp),
            Function::Tanh => each(simd, self.x, Tanh),
            Function::Sigmoid => each(simd, self.x, Sigmoid),
        }
    }
}

/// A function of one number. Not a closure: a closure would be compiled for the baseline, whatever the level.
trait Each: Copy {
    fn of<S: Simd<f32>>(self, simd: S, x: f32) -> f32;
}

#[inline(always)]
fn each<S: Simd<f32>>(simd: S, x: &mut [f32], f: impl Each) {
    let (chunks, rest) = x.as_chunks_mut::<CHUNK>();
    for chunk in chunks {
        for x in chunk {
            *x = f.of(simd, *x);
        }
    }
    if !rest.is_empty() {
        let mut chunk = [0.0; CHUNK];
        chunk[..rest.len()].copy_from_slice(rest);
        for x in &mut chunk {
            *x = f.of(simd, *x);
        }
        rest.copy_from_slice(&chunk[..rest.len()]);
    }
}

/// ln 2 as a sum of two parts. The first has so few bits that its product with any exponent is exact.
const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];

/// Added to a number of magnitude below 2²², it leaves the nearest integer in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;

/// `2^n` for -126 ≤ n ≤ 127.
#[inline(always)]
fn power(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `(p, n)` with `e^x = p 2^n`, for |x| below some hundreds.
#[inline(always)]
fn reduced_exp<S: Simd<f32>>(simd: S, x: f32) -> (f32, i32) {
    let shifted = simd.scalar(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = simd.scalar(n, -LN_2[1], simd.scalar(n, -LN_2[0], x));
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = simd.scalar(p, r, c);
    }
    let p = simd.scalar(p, r * r, r) + 1.0;
    (p, shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32)
}

#[derive(Clone, Copy)]
struct Exp;

impl Each for Exp {
    #[inline(always)]
    fn of<S: Simd<f32>>(self, simd: S, x: f32) -> f32 {
        // Beyond these limits the result is infinite or zero all the same. NaN fails both comparisons and stays.
        let x = if x > 89.0 { 89.0 } else { x };
        let x = if x < -105.0 { -105.0 } else { x };
        let (p, n) = reduced_exp(simd, x);
        // Two factors, each with an exponent that `power` can form. Only the last product rounds, overflows or
        // becomes subnormal.
        let half = n >> 1;
        p * power(half) * power(n.wrapping_sub(half))
    }
}

#[derive(Clone, Copy)]
struct Sigmoid;

impl Each for Sigmoid {
    #[inline(always)]
    fn of<S: Simd<f32>>(self, simd: S, x: f32) -> f32 {
        // e^x / (1 + e^x) for negative x, 1 / (1 + e^-x) otherwise: neither overflows or cancels.
        let e = Exp.of(simd, -x.abs());
        let numerator = if x < 0.0 { e } else { 1.0 };
        numerator / (1.0 + e)
    }
}

#[derive(Clone, Copy)]
struct Tanh;

impl Each for Tanh {
    #[inline(always)]
    fn of<S: Simd<f32>>(self, simd: S, x: f32) -> f32 {
        let a = x.abs();
        let z = a * a;
        let mut p = -5.704_988_7e-3;
        for c in [2.063_909e-2, -5.373_971_6e-2, 0.133_314_42, -0.333_332_8] {
            p = simd.scalar(p, z, c);
        }
        let small = simd.scalar(p * z, a, a);
        // Above 10, tanh is 1 to the last bit.
        let twice = if a > 10.0 { 20.0 } else { 2.0 * a };
        let (p, n) = reduced_exp(simd, twice);
        let large = 1.0 - 2.0 / simd.scalar(p, power(n), 1.0);
        (if a < 0.625 { small } else { large }).copysign(x)
    }
}
