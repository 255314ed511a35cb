//! Outer products of many steps at once: a matrix product for rows that read alike, sums along the steps for others.

use super::Computation;
use super::linear::Beyond;
use super::matrix::{APART, MatMul};
use super::simd::{Kernel, Simd};
use crate::outers::{Group, Outers};
use crate::{Linear, Scalar};

/// Weights of a row whose sums are formed together.
const TOGETHER: usize = 8;

/// See [`Outers::flush`].
pub struct Flush<'a, T> {
    pub outers: &'a mut Outers<T>,
    pub linear: &'a Linear,
    pub gradient: &'a mut [T],
}

impl<T: Scalar> Kernel<T> for Flush<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Self { outers, linear, gradient } = self;
        let Outers { filled, stride, z, u, turned, groups, pack, .. } = outers;
        for Group { rows, dense } in groups.iter() {
            if *dense {
                let (first, run) = linear.consecutive(rows.start);
                let weights = linear.dense_entries(rows.start).start;
                let product = MatMul {
                    out: &mut gradient[weights..],
                    out_stride: linear.dense_entries(rows.start + 1).start - weights,
                    add: true,
                    sizes: (rows.len(), *filled, run),
                    a: &z[rows.start * *stride..],
                    a_strides: (*stride, 1),
                    b: &u[first..],
                    b_stride: linear.dense_sources() + APART,
                    pack,
                };
                T::run(1, Computation::MatMul(product));
            } else {
                for r in rows.clone() {
                    let z = &z[r * *stride..][..*filled];
                    row(simd, linear, r, z, turned, *stride, gradient);
                }
            }
        }
    }
}

/// `g_rj += Σ z_r u_j` for the weights of one row.
#[inline(always)]
fn row<T: Scalar, S: Simd<T>>(
    simd: S,
    linear: &Linear,
    r: usize,
    z: &[T],
    u: &[T],
    stride: usize,
    gradient: &mut [T],
) {
    let (first, run) = linear.consecutive(r);
    let gradient = &mut gradient[linear.dense_entries(r)];
    let (consecutive, others) = gradient.split_at_mut(run);
    let mut sources = first..;
    let mut chunks = consecutive.chunks_exact_mut(TOGETHER);
    for chunk in &mut chunks {
        let at: [usize; TOGETHER] = std::array::from_fn(|_| sources.next().unwrap_or_default());
        sums::<T, S, TOGETHER>(simd, z, u, stride, at, chunk);
    }
    for (g, at) in chunks.into_remainder().iter_mut().zip(sources) {
        sums::<T, S, 1>(simd, z, u, stride, [at], std::slice::from_mut(g));
    }
    let Beyond { sources, symbols } = linear.beyond(r);
    let (mut chunks, mut sources) = (others.chunks_exact_mut(TOGETHER), sources.chunks_exact(TOGETHER));
    for (chunk, sources) in (&mut chunks).zip(&mut sources) {
        let at: [usize; TOGETHER] = std::array::from_fn(|i| sources[i] as usize - symbols);
        sums::<T, S, TOGETHER>(simd, z, u, stride, at, chunk);
    }
    for (g, &source) in chunks.into_remainder().iter_mut().zip(sources.remainder()) {
        sums::<T, S, 1>(simd, z, u, stride, [source as usize - symbols], std::slice::from_mut(g));
    }
}

/// `g_i += Σ z u_at[i]`.
#[inline(always)]
fn sums<T: Scalar, S: Simd<T>, const N: usize>(
    simd: S,
    z: &[T],
    u: &[T],
    stride: usize,
    at: [usize; N],
    g: &mut [T],
) {
    let u: [&[T]; N] = std::array::from_fn(|i| &u[at[i] * stride..][..z.len()]);
    let mut sums = [simd.splat(T::ZERO); N];
    let whole = z.len() - z.len() % S::WIDTH;
    for k in (0..whole).step_by(S::WIDTH) {
        let z = simd.load(&z[k..k + S::WIDTH]);
        for (sum, u) in sums.iter_mut().zip(u) {
            *sum = simd.mul_add(z, simd.load(&u[k..k + S::WIDTH]), *sum);
        }
    }
    if S::WIDTH > 1 && whole < z.len() {
        let z = simd.load_part(&z[whole..]);
        for (sum, u) in sums.iter_mut().zip(u) {
            *sum = simd.mul_add(z, simd.load_part(&u[whole..]), *sum);
        }
    }
    for (g, sum) in g.iter_mut().zip(sums) {
        *g += simd.sum(sum);
    }
}
