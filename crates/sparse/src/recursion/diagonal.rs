//! One step of a block whose D[R, R] has no entry off its diagonal: every entry of J is updated by itself.

use super::block::{Alone, Block};
use super::couplings::NONE;
use super::step::StepValues;
use super::tile::Tiles;
use crate::float::Float;
use crate::lanes::Lanes;
use crate::linear::Linear;
use crate::simd::{Simd, Vectors, several};

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
                tiles.gather(linear, alone.row as usize, dense);
                gathered = alone.row;
            }
            &tiles.gathered(linear, alone.row as usize)[..sources * lanes]
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

    /// Several lanes, which fill whole vectors. Sums over lanes are taken of several columns at once.
    #[inline(always)]
    fn lanes<S: Simd<T>, const D: bool, const G: bool>(self, simd: S, factors: Factors<'_, T>) {
        let Self { influence, gradient, u } = self;
        let (lanes, zero) = (factors.delta.len(), simd.splat(T::ZERO));
        let whole = gradient.len() - gradient.len() % S::WIDTH;
        for lane in (0..lanes).step_by(S::WIDTH) {
            let delta = simd.load(&factors.delta[lane..]);
            let d = if D { simd.load(&factors.d[lane..]) } else { zero };
            let g = if G { simd.load(&factors.g[lane..]) } else { zero };
            let mut slopes = Slopes::<_, _, D, G> { influence, u, factors: [d, g, delta], lanes, at: lane };
            for slope in gradient[..whole].chunks_exact_mut(S::WIDTH) {
                let sums = simd.sums(&mut slopes);
                simd.store(simd.add(simd.load(slope), sums), slope);
                slopes.at += S::WIDTH * lanes;
            }
            for slope in &mut gradient[whole..] {
                *slope += simd.sum(slopes.vector(simd, 0));
                slopes.at += lanes;
            }
        }
    }
}

/// Updates a vector of lanes of J in each column, and gives its product with δ.
struct Slopes<'a, T, V, const D: bool, const G: bool> {
    influence: &'a mut [T],
    u: &'a [T],
    /// D, G and δ of these lanes.
    factors: [V; 3],
    lanes: usize,
    /// Where the vector of the first column begins.
    at: usize,
}

impl<T: Float, S: Simd<T>, const D: bool, const G: bool> Vectors<T, S> for Slopes<'_, T, S::Vector, D, G> {
    #[inline(always)]
    fn vector(&mut self, simd: S, k: usize) -> S::Vector {
        let ([d, g, delta], zero) = (self.factors, simd.splat(T::ZERO));
        let at = self.at + k * self.lanes;
        let j = &mut self.influence[at..at + S::WIDTH];
        let new = if G { simd.mul_add(g, simd.load(&self.u[at..]), zero) } else { zero };
        let new = if D { simd.mul_add(d, simd.load(j), new) } else { new };
        let new = simd.flush(new);
        simd.store(new, j);
        simd.mul_add(delta, new, zero)
    }
}
