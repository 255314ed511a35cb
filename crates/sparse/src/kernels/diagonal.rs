//! One step of a block whose D[R, R] has no entry off its diagonal: every entry of J by itself.

use super::simd::Simd;
use super::{Local, Scratch};
use crate::blocks::{Alone, Block, NONE};
use crate::{Lanes, Linear, Scalar};

/// J and the gradient in one pass over memory.
#[inline(always)]
pub(super) fn advance<T: Scalar, S: Simd<T>>(
    simd: S,
    block: &Block,
    linear: &Linear,
    influence: &mut [T],
    local: Local<'_, T>,
    gradient: &mut [T],
    scratch: &mut Scratch<T>,
) {
    let lanes = local.dynamics.lanes();
    let states = block.reach.len();
    for (row, alone) in block.rows.iter().zip(block.alone.chunks_exact(states)) {
        let weights = linear.pattern().entries(row.row);
        let gradient = &mut gradient[weights];
        let u = match linear.contiguous(row.row, local.sources.dense) {
            Some(u) => u,
            None => {
                let Scratch { sources, held, .. } = &mut *scratch;
                linear.gather(row.row, local.sources.dense, sources, 0, held);
                &sources[..(row.columns.len() - row.coded) * lanes]
            }
        };
        for (i, alone) in alone.iter().enumerate() {
            let start = i * block.columns;
            let columns = (start + row.columns.start) * lanes..(start + row.columns.end) * lanes;
            let influence = &mut influence[columns];
            if lanes == 1 {
                one_lane(simd, alone, influence, local, gradient, row.coded, u);
            } else {
                Entry::new(alone, local).row_lanes(simd, influence, gradient, row.coded, u);
            }
        }
    }
}

/// One lane; the first `coded` columns have no sources.
#[inline(always)]
fn one_lane<T: Scalar, S: Simd<T>>(
    simd: S,
    alone: &Alone,
    influence: &mut [T],
    local: Local<'_, T>,
    gradient: &mut [T],
    coded: usize,
    u: &[T],
) {
    let factor = |values: Lanes<'_, T>, at: u32| values.values().get(at as usize).copied();
    let (d, g) = (factor(local.dynamics, alone.dynamics), factor(local.row_jacobian, alone.jacobian));
    let delta = local.delta.values()[alone.state as usize];
    // Absent factors are not multiplied by.
    let driven = if g.is_some() { coded } else { influence.len() };
    if driven > 0 {
        let columns =
            Columns { influence: &mut influence[..driven], gradient: &mut gradient[..driven], u: &[] };
        match d {
            Some(d) => columns.advance::<S, true, false>(simd, d, T::ZERO, delta),
            None => columns.advance::<S, false, false>(simd, T::ZERO, T::ZERO, delta),
        }
    }
    let Some(g) = g else { return };
    let columns = Columns { influence: &mut influence[driven..], gradient: &mut gradient[driven..], u };
    match d {
        Some(d) => columns.advance::<S, true, true>(simd, d, g, delta),
        None => columns.advance::<S, false, true>(simd, T::ZERO, g, delta),
    }
}

/// Some columns of one lane.
struct Columns<'a, T> {
    influence: &'a mut [T],
    gradient: &'a mut [T],
    u: &'a [T],
}

impl<T: Scalar> Columns<'_, T> {
    /// `J ← d J + g u`, with or without each of the two, and `gradient += δ J`.
    #[inline(always)]
    fn advance<S: Simd<T>, const D: bool, const G: bool>(self, simd: S, d: T, g: T, delta: T) {
        let Self { influence, gradient, u } = self;
        let (d, g, delta) = (simd.splat(d), simd.splat(g), simd.splat(delta));
        let len = influence.len();
        assert!(gradient.len() == len && (!G || u.len() == len), "columns");
        let zero = simd.splat(T::ZERO);
        let whole = len - len % S::WIDTH;
        let (js, j) = influence.split_at_mut(whole);
        let (slopes, slope) = gradient.split_at_mut(whole);
        let (us, u) = u.split_at(if G { whole } else { 0 });
        let rows = js.chunks_exact_mut(S::WIDTH).zip(slopes.chunks_exact_mut(S::WIDTH));
        for (at, (j, slope)) in rows.enumerate() {
            let new = if G { simd.mul_add(g, simd.load(&us[at * S::WIDTH..]), zero) } else { zero };
            let new = if D { simd.mul_add(d, simd.load(j), new) } else { new };
            let new = simd.flush(new);
            simd.store(new, j);
            simd.store(simd.mul_add(delta, new, simd.load(slope)), slope);
        }
        if S::WIDTH > 1 && !j.is_empty() {
            let new = if G { simd.mul_add(g, simd.load_part(u), zero) } else { zero };
            let new = if D { simd.mul_add(d, simd.load_part(j), new) } else { new };
            let new = simd.flush(new);
            simd.store_part(new, j);
            simd.store_part(simd.mul_add(delta, new, simd.load_part(slope)), slope);
        }
    }
}

/// What one state and one row of the linear map have in common: `J ← d J + g u`, `gradient += δ J`, each factor for every
/// lane.
struct Entry<'a, T> {
    d: Option<&'a [T]>,
    g: Option<&'a [T]>,
    delta: &'a [T],
}

impl<'a, T: Scalar> Entry<'a, T> {
    #[inline(always)]
    fn new(alone: &Alone, local: Local<'a, T>) -> Self {
        Self {
            d: (alone.dynamics != NONE).then(|| local.dynamics.at(alone.dynamics as usize)),
            g: (alone.jacobian != NONE).then(|| local.row_jacobian.at(alone.jacobian as usize)),
            delta: local.delta.at(alone.state as usize),
        }
    }

    /// Several lanes, in whole vectors.
    #[inline(always)]
    fn row_lanes<S: Simd<T>>(&self, simd: S, influence: &mut [T], gradient: &mut [T], coded: usize, u: &[T]) {
        let lanes = self.delta.len();
        for (column, (j, slope)) in influence.chunks_exact_mut(lanes).zip(gradient).enumerate() {
            let mut sum = simd.splat(T::ZERO);
            for (at, j) in (0..lanes).step_by(S::WIDTH).zip(j.chunks_exact_mut(S::WIDTH)) {
                let mut new = simd.splat(T::ZERO);
                if let (Some(g), true) = (self.g, column >= coded) {
                    let u = simd.load(&u[(column - coded) * lanes + at..]);
                    new = simd.mul_add(simd.load(&g[at..]), u, new);
                }
                if let Some(d) = self.d {
                    new = simd.mul_add(simd.load(&d[at..]), simd.load(j), new);
                }
                let new = simd.flush(new);
                simd.store(new, j);
                sum = simd.mul_add(simd.load(&self.delta[at..]), new, sum);
            }
            *slope += simd.sum(sum);
        }
    }
}
