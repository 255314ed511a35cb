//! Outer products of many steps at once: a matrix product for a run that rows share, sums along the steps for
//! other sources.

use super::map::{Band, BandKind};
use super::outers::Outers;
use crate::float::Float;
use crate::simd::matmul::{MatMul, ROW_PADDING, ROWS};
use crate::simd::vector::add;
use crate::simd::{Kernel, Simd};

/// Weights of a row whose sums are formed together.
const TOGETHER: usize = 8;

/// See [`Outers::flush`].
pub struct Flush<'a, T> {
    pub outers: &'a mut Outers<T>,
    pub gradient: &'a mut [T],
}

impl<T: Float> Kernel<T> for Flush<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Self { outers, gradient } = self;
        let Outers { linear, filled, stride, z, u, turned, pack, block, .. } = outers;
        let apart = linear.dense_sources() + ROW_PADDING;
        for Band { rows, kind, .. } in linear.bands(0..linear.rows.len()) {
            let (first, run) = linear.rows[rows.start].span();
            let weights = |r: usize| linear.rows[r].dense.start;
            // The product of the given rows of z with their run. A macro, since a closure would be compiled for
            // the baseline.
            macro_rules! product {
                ($rows:expr, $out:expr, $out_stride:expr, $add:expr) => {{
                    let rows = $rows;
                    simd.call(MatMul {
                        out: $out,
                        out_stride: $out_stride,
                        add: $add,
                        sizes: (rows.len(), *filled, run),
                        a: &z[rows.start * *stride..],
                        a_strides: (*stride, 1),
                        b: &u[first..],
                        b_stride: apart,
                        pack,
                    });
                }};
            }
            match kind {
                BandKind::Dense => {
                    let distance =
                        if rows.len() > 1 { weights(rows.start + 1) - weights(rows.start) } else { run };
                    product!(rows.clone(), &mut gradient[weights(rows.start)..], distance, true);
                    continue;
                }
                BandKind::SharedRun => {
                    for first in rows.clone().step_by(ROWS) {
                        let some = first..rows.end.min(first + ROWS);
                        product!(some.clone(), block, run, false);
                        for (r, products) in some.zip(block.chunks_exact(run)) {
                            add(simd, &mut gradient[weights(r)..][..run], products);
                        }
                    }
                }
                BandKind::RowByRow => {
                    for r in rows.clone() {
                        let z = &z[r * *stride..][..*filled];
                        row(simd, &mut gradient[weights(r)..][..run], first.., z, turned, *stride);
                    }
                }
            }
            for r in rows {
                let (z, others) = (&z[r * *stride..][..*filled], linear.others(r));
                row(simd, &mut gradient[others.weights.clone()], others.dense(), z, turned, *stride);
            }
        }
    }
}

/// `g_j += Σ z u_j` for some sources j.
#[inline(always)]
fn row<T: Float, S: Simd<T>>(
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
fn sums<T: Float, S: Simd<T>, const N: usize>(
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
