//! One step of a block whose D[R, R] has no entry off its diagonal: every entry of J is updated by itself.

use super::block::{Alone, Block};
use super::couplings::NONE;
use super::step::StepValues;
use super::tile::Tiles;
use crate::float::Float;
use crate::lanes::Lanes;
use crate::linear::Linear;
use crate::simd::Simd;
use crate::simd::vector::MAX_SCALAR_TAIL;

/// Columns whose sums over lanes are formed together.
const TOGETHER: usize = 8;

/// One step of J and of the gradient, in one pass over memory.
#[inline(always)]
pub(super) fn advance<T: Float, S: Simd<T>, const LANES: bool>(
    simd: S,
    block: &Block<'_>,
    linear: &Linear,
    influence: &mut [T],
    step: StepValues<'_, T>,
    gradient: &mut [T],
    tiles: &mut Tiles<T>,
) {
    let (lanes, dense) = (step.delta.lanes(), step.sources.dense);
    let mut gathered = NONE;
    for alone in block.alone() {
        let (start, len) = (alone.start as usize * lanes, alone.len as usize);
        let sources = len - alone.coded as usize;
        let u = if alone.first == NONE {
            if gathered != alone.row {
                let Tiles { sources, held, .. } = &mut *tiles;
                linear.gather(alone.row as usize, dense, sources, 0, held);
                gathered = alone.row;
            }
            &tiles.sources[..sources * lanes]
        } else {
            dense.range(alone.first as usize..alone.first as usize + sources)
        };
        let columns = Columns {
            influence: &mut influence[start..start + len * lanes],
            gradient: &mut gradient[alone.weights as usize..alone.weights as usize + len],
            u,
        };
        columns.advance::<S, LANES>(simd, alone, step);
    }
}

/// Columns of one row of J, `[columns][lanes]`, with their entries of the gradient and their sources.
struct Columns<'a, T> {
    influence: &'a mut [T],
    gradient: &'a mut [T],
    u: &'a [T],
}

/// The factors of each lane in `J ← d J + g u` and `gradient += δ J`.
#[derive(Clone, Copy)]
struct Factors<'a, T> {
    d: &'a [T],
    g: &'a [T],
    delta: &'a [T],
}

/// All lanes of an entry; an empty slice if the entry is [`NONE`].
#[inline(always)]
fn factor<T: Float, const LANES: bool>(values: Lanes<'_, T>, entry: u32) -> &[T] {
    match LANES {
        false => values.values().get(entry as usize).map_or(&[], std::slice::from_ref),
        true if entry == NONE => &[],
        true => values.at(entry as usize),
    }
}

impl<T: Float> Columns<'_, T> {
    /// One step of one (row, state) pair. The first columns, those of one-hot sources, have no entry in `u`.
    #[inline(always)]
    fn advance<S: Simd<T>, const LANES: bool>(self, simd: S, alone: &Alone, step: StepValues<'_, T>) {
        let lanes = step.delta.lanes();
        let factors = Factors {
            d: factor::<T, LANES>(step.dynamics, alone.dynamics),
            g: factor::<T, LANES>(step.row_jacobian, alone.jacobian),
            delta: factor::<T, LANES>(step.delta, alone.state),
        };
        let (has_d, has_g) = (!factors.d.is_empty(), !factors.g.is_empty());
        // The first columns only decay: those of one-hot sources, or all of them if G has no entry here.
        let decayed = if has_g { alone.coded as usize } else { self.gradient.len() };
        let (first, influence) = self.influence.split_at_mut(decayed * lanes);
        let (first_gradient, gradient) = self.gradient.split_at_mut(decayed);
        if decayed > 0 {
            let columns = Columns { influence: first, gradient: first_gradient, u: &[] };
            if has_d {
                columns.run::<S, LANES, true, false>(simd, factors);
            } else {
                columns.run::<S, LANES, false, false>(simd, factors);
            }
        }
        let columns = Columns { influence, gradient, u: self.u };
        match (has_d, has_g) {
            (true, true) => columns.run::<S, LANES, true, true>(simd, factors),
            (false, true) => columns.run::<S, LANES, false, true>(simd, factors),
            _ => {}
        }
    }

    #[inline(always)]
    fn run<S: Simd<T>, const LANES: bool, const D: bool, const G: bool>(
        self,
        simd: S,
        factors: Factors<'_, T>,
    ) {
        if LANES {
            self.lanes::<S, D, G>(simd, factors);
        } else {
            self.one_lane::<S, D, G>(simd, factors);
        }
    }

    /// One lane, with or without the factors of D and of G.
    #[inline(always)]
    fn one_lane<S: Simd<T>, const D: bool, const G: bool>(self, simd: S, factors: Factors<'_, T>) {
        let Self { influence, gradient, u } = self;
        let (zero, delta) = (simd.splat(T::ZERO), simd.splat(factors.delta[0]));
        let d = if D { simd.splat(factors.d[0]) } else { zero };
        let g = if G { simd.splat(factors.g[0]) } else { zero };
        let len = influence.len();
        assert!(gradient.len() == len && (!G || u.len() == len), "columns");
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
        if j.len() <= MAX_SCALAR_TAIL {
            for (at, (j, slope)) in j.iter_mut().zip(slope).enumerate() {
                let new = if G { simd.scalar(factors.g[0], u[at], T::ZERO) } else { T::ZERO };
                let new = if D { simd.scalar(factors.d[0], *j, new) } else { new };
                *j = new.flush();
                *slope = simd.scalar(factors.delta[0], *j, *slope);
            }
        } else {
            let new = if G { simd.mul_add(g, simd.load_part(u), zero) } else { zero };
            let new = if D { simd.mul_add(d, simd.load_part(j), new) } else { new };
            let new = simd.flush(new);
            simd.store_part(new, j);
            simd.store_part(simd.mul_add(delta, new, simd.load_part(slope)), slope);
        }
    }

    /// Several lanes, which fill whole vectors.
    #[inline(always)]
    fn lanes<S: Simd<T>, const D: bool, const G: bool>(mut self, simd: S, factors: Factors<'_, T>) {
        let len = self.gradient.len();
        for lane in (0..factors.delta.len()).step_by(S::WIDTH) {
            let mut column = 0;
            while column + TOGETHER <= len {
                self.together::<S, D, G, TOGETHER>(simd, factors, lane, column);
                column += TOGETHER;
            }
            while column < len {
                self.together::<S, D, G, 1>(simd, factors, lane, column);
                column += 1;
            }
        }
    }

    /// A vector of lanes of `N` columns, whose sums over lanes are formed together.
    #[inline(always)]
    fn together<S: Simd<T>, const D: bool, const G: bool, const N: usize>(
        &mut self,
        simd: S,
        factors: Factors<'_, T>,
        lane: usize,
        column: usize,
    ) {
        let lanes = factors.delta.len();
        let (zero, delta) = (simd.splat(T::ZERO), simd.load(&factors.delta[lane..]));
        let d = if D { simd.load(&factors.d[lane..]) } else { zero };
        let g = if G { simd.load(&factors.g[lane..]) } else { zero };
        let range = column * lanes..(column + N) * lanes;
        let u = if G { &self.u[range.clone()] } else { &[] };
        let influence = &mut self.influence[range];
        let mut sums = [zero; N];
        for (n, sum) in sums.iter_mut().enumerate() {
            let at = n * lanes + lane;
            let j = &mut influence[at..at + S::WIDTH];
            let new = if G { simd.mul_add(g, simd.load(&u[at..]), zero) } else { zero };
            let new = if D { simd.mul_add(d, simd.load(j), new) } else { new };
            let new = simd.flush(new);
            simd.store(new, j);
            *sum = simd.mul_add(delta, new, zero);
        }
        for (slope, sum) in self.gradient[column..column + N].iter_mut().zip(sums) {
            *slope += simd.sum(sum);
        }
    }
}
