//! Outer products of many steps at once: a matrix product for the consecutive sources that rows share, sums along the steps for
//! others.

use std::ops::Range;

use super::Computation;
use super::linear::Beyond;
use super::matrix::{APART, MatMul, ROWS};
use super::simd::{Kernel, Simd};
use super::vector::add;
use crate::outers::{Group, Kind, Outers};
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
        let Outers { filled, stride, z, u, turned, groups, pack, block, .. } = outers;
        let apart = linear.dense_sources() + APART;
        for Group { rows, kind } in groups.iter() {
            let (first, run) = linear.consecutive(rows.start);
            let mut product = |rows: Range<usize>, out: &mut [T], out_stride: usize, add: bool| {
                let product = MatMul {
                    out,
                    out_stride,
                    add,
                    sizes: (rows.len(), *filled, run),
                    a: &z[rows.start * *stride..],
                    a_strides: (*stride, 1),
                    b: &u[first..],
                    b_stride: apart,
                    pack,
                };
                T::run(1, Computation::MatMul(product));
            };
            match kind {
                Kind::Dense => {
                    let weights = linear.dense_entries(rows.start).start;
                    let out_stride = linear.dense_entries(rows.start + 1).start - weights;
                    product(rows.clone(), &mut gradient[weights..], out_stride, true);
                }
                Kind::Level => {
                    for first in rows.clone().step_by(ROWS) {
                        let some = first..rows.end.min(first + ROWS);
                        product(some.clone(), block, run, false);
                        for (r, products) in some.zip(block.chunks_exact(run)) {
                            let g = &mut gradient[linear.dense_entries(r)];
                            add(simd, &mut g[..run], products);
                        }
                    }
                }
                Kind::Rows => {}
            }
            if *kind != Kind::Dense {
                for r in rows.clone() {
                    let z = &z[r * *stride..][..*filled];
                    let g = &mut gradient[linear.dense_entries(r)];
                    let (consecutive, others) = g.split_at_mut(linear.consecutive(r).1);
                    if *kind == Kind::Rows {
                        let sources = linear.consecutive(r).0..;
                        row(simd, consecutive, sources, z, turned, *stride);
                    }
                    let Beyond { sources, symbols } = linear.beyond(r);
                    let sources = sources.iter().map(|&source| source as usize - symbols);
                    row(simd, others, sources, z, turned, *stride);
                }
            }
        }
    }
}

/// `g_j += Σ z u_j` for some sources j.
#[inline(always)]
fn row<T: Scalar, S: Simd<T>>(
    simd: S,
    gradient: &mut [T],
    mut sources: impl Iterator<Item = usize>,
    z: &[T],
    u: &[T],
    stride: usize,
) {
    let mut chunks = gradient.chunks_exact_mut(TOGETHER);
    for chunk in &mut chunks {
        let at: [usize; TOGETHER] = std::array::from_fn(|_| sources.next().unwrap_or_default());
        sums::<T, S, TOGETHER>(simd, z, u, stride, at, chunk);
    }
    for (g, at) in chunks.into_remainder().iter_mut().zip(sources) {
        sums::<T, S, 1>(simd, z, u, stride, [at], std::slice::from_mut(g));
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
