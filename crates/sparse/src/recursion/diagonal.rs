//! One step of a block whose D[R, R] has no entry off its diagonal: every entry of J is updated by itself.

use super::block::{Alone, Block};
use super::couplings::NONE;
use super::step::StepValues;
use super::tile::Tiles;
use crate::float::Float;
use crate::lanes::Lanes;
use crate::linear::Linear;
use crate::simd::{Simd, several};

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
            let one = |factor: &[T]| factor.first().copied().unwrap_or(T::ZERO);
            let factors = [factors.d, factors.g, factors.delta].map(one);
            several::advance::<T, S, D, G>(simd, self.influence, self.gradient, self.u, factors);
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
