//! Schedule 3: a window's gradient by the blocks' own adjoints.

use super::block::Block;
use super::blocks::Blocks;
use super::couplings::Run;
use super::flat::Flat;
use super::step::StepValues;
use crate::float::Float;
use crate::lanes::Lanes;
use crate::linear::Linear;
use crate::simd::vector::{axpy, axpy_lanes, dot_lanes};
use crate::simd::{Kernel, Simd};

/// One step backwards of the adjoint of every block: `a ← δ[R] + D[R, R]ᵀ a`, with D of the step after; and `aᵀ G`
/// of every row.
pub struct Adjoint<'a, T> {
    pub blocks: &'a Blocks,
    /// The terms of all blocks, if they are to be taken at once.
    pub flat: Option<&'a Flat>,
    /// D of the step after, if `adjoint` is still to be pulled back through it.
    pub dynamics: Option<Lanes<'a, T>>,
    pub now: StepValues<'a, T>,
    /// a of every block, one after the other, each `[reach][lanes]`.
    pub adjoint: &'a mut [T],
    pub new: &'a mut [T],
    /// aᵀ G of every row, `[rows][lanes]`.
    pub rows: &'a mut [T],
}

impl<T: Float> Kernel<T> for Adjoint<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Self { blocks, flat, dynamics, now, mut adjoint, new, rows } = self;
        let lanes = now.delta.lanes();
        if let Some(flat) = flat {
            return flat.step(simd, dynamics.map(|d| d.values()), now, adjoint, new, rows);
        }
        for block in blocks.blocks() {
            let (own, rest) = adjoint.split_at_mut(block.reach().len() * lanes);
            adjoint = rest;
            if let Some(dynamics) = dynamics {
                pull_back(simd, &block, dynamics, own, &mut new[..own.len()]);
            }
            for (a, &state) in own.chunks_exact_mut(lanes).zip(block.reach()) {
                a.iter_mut().zip(now.delta.at(state as usize)).for_each(|(a, &d)| *a += d);
            }
            for row in block.rows() {
                if lanes == 1 {
                    let mut sum = T::ZERO;
                    for &(i, entry) in block.jacobian(row) {
                        sum = simd.scalar(own[i as usize], now.row_jacobian.values()[entry as usize], sum);
                    }
                    rows[row.row] = sum;
                    continue;
                }
                let coefficient = &mut rows[row.row * lanes..][..lanes];
                coefficient.fill(T::ZERO);
                for &(i, entry) in block.jacobian(row) {
                    let a = &own[i as usize * lanes..][..lanes];
                    axpy_lanes(simd, coefficient, now.row_jacobian.at(entry as usize), a);
                }
            }
        }
    }
}

/// Adds the contribution of J before the window to the gradient, `(D_1[R, R]ᵀ a_1)ᵀ J_0`.
pub struct Initial<'a, T> {
    pub blocks: &'a Blocks,
    pub lanes: usize,
    /// D of the window's first step, if `adjoint` is still to be pulled back through it.
    pub dynamics: Option<Lanes<'a, T>>,
    pub influence: &'a [T],
    pub adjoint: &'a mut [T],
    pub new: &'a mut [T],
    pub gradient: &'a mut [T],
}

impl<T: Float> Kernel<T> for Initial<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Self { blocks, lanes, dynamics, influence, mut adjoint, new, gradient } = self;
        for block in blocks.blocks() {
            let (own, rest) = adjoint.split_at_mut(block.reach().len() * lanes);
            adjoint = rest;
            if let Some(dynamics) = dynamics {
                pull_back(simd, &block, dynamics, own, &mut new[..own.len()]);
            }
            let influence = &influence[block.start() * lanes..(block.start() + block.len()) * lanes];
            add_initial(simd, &block, &blocks.linear, influence, own, lanes, gradient);
        }
    }
}

impl Run {
    /// The entries of `states`, an array over R, at the columns of the run.
    fn columns<'a, T>(&self, states: &'a mut [T], lanes: usize) -> &'a mut [T] {
        &mut states[self.column as usize * lanes..][..self.len as usize * lanes]
    }

    /// The run's values of D.
    fn values<'a, T: Float>(&self, d: Lanes<'a, T>) -> &'a [T] {
        d.range(self.entry as usize..(self.entry + self.len) as usize)
    }
}

/// `a ← D[R, R]ᵀ a`. Subnormal results become zero: a decaying adjoint would otherwise stay subnormal, hence slow,
/// for the rest of the window.
#[inline(always)]
fn pull_back<T: Float, S: Simd<T>>(
    simd: S,
    block: &Block<'_>,
    d: Lanes<'_, T>,
    adjoint: &mut [T],
    new: &mut [T],
) {
    let lanes = d.lanes();
    if block.diagonal() && lanes == 1 {
        for (i, a) in adjoint.iter_mut().enumerate() {
            let entry = block.dynamics_entries(i).first();
            *a = entry.map_or(T::ZERO, |entry| simd.scalar(*a, d.values()[entry.entry()], T::ZERO).flush());
        }
        return;
    }
    new.fill(T::ZERO);
    for (i, a) in adjoint.chunks_exact(lanes).enumerate() {
        if let &[a] = a {
            for entry in block.dynamics_entries(i) {
                let into = &mut new[entry.column()];
                *into = simd.scalar(a, d.values()[entry.entry()], *into);
            }
        } else {
            for entry in block.dynamics_entries(i) {
                let into = &mut new[entry.column() * lanes..][..lanes];
                axpy_lanes(simd, into, a, d.at(entry.entry()));
            }
        }
        for run in block.dynamics_runs(i) {
            axpy_lanes(simd, run.columns(new, lanes), a, run.values(d));
        }
    }
    adjoint.iter_mut().zip(new).for_each(|(a, new)| *a = new.flush());
}

/// `gradient += aᵀ J`, summed over lanes.
#[inline(always)]
fn add_initial<T: Float, S: Simd<T>>(
    simd: S,
    block: &Block<'_>,
    linear: &Linear,
    influence: &[T],
    adjoint: &[T],
    lanes: usize,
    gradient: &mut [T],
) {
    for (i, a) in adjoint.chunks_exact(lanes).enumerate() {
        for row in block.rows() {
            let columns = i * block.columns() + row.columns.start..i * block.columns() + row.columns.end;
            let influence = &influence[columns.start * lanes..columns.end * lanes];
            let gradient = &mut gradient[linear.pattern().entries(row.row)];
            if let &[a] = a {
                axpy(simd, gradient, a, influence);
            } else {
                for (g, j) in gradient.iter_mut().zip(influence.chunks_exact(lanes)) {
                    *g += dot_lanes(simd, a, j);
                }
            }
        }
    }
}
