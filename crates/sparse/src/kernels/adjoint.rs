//! Schedule 3: a window's gradient by the block's own adjoint, and the influence carried over a window at once.

use super::simd::{Kernel, Simd};
use super::vector::{axpy, axpy_lanes, dot_lanes};
use super::{Computation, Local, Scratch};
use crate::blocks::{Block, Blocks, Run};
use crate::{Lanes, Linear, Scalar};

impl Blocks {
    /// The gradient of a window of `steps` steps without updating J: for each block, backwards,
    /// `a_τ = δ_τ[R] + D_{τ+1}[R, R]ᵀ a_{τ+1}`, then `gradient += (a_τᵀ G_τ) ⊗ u_τ`, and finally
    /// `gradient += (D_1[R, R]ᵀ a_1)ᵀ J_0` if `influence` (J before the window) is given.
    ///
    /// `local(τ)` yields step τ of `0..steps`.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn adjoint<'a, T: Scalar>(
        &self,
        influence: Option<&[T]>,
        steps: usize,
        local: impl Fn(usize) -> Local<'a, T>,
        gradient: &mut [T],
        scratch: &mut Scratch<T>,
    ) {
        if steps > 0 {
            let lanes = local(0).delta.lanes();
            let local = &|step| local(step);
            let kernel = Adjoint { blocks: self, influence, steps, lanes, local, gradient, scratch };
            T::run(lanes, Computation::Adjoint(kernel));
        }
    }

    /// J at the end of a window of `steps` steps from J at its beginning, in one go:
    /// `J_T = Φ(0→T) J_0 + Σ_τ Φ(τ→T) G_τ ⊗ u_τ` with `Φ(τ→T) = D_T … D_{τ+1}`, restricted to each block.
    ///
    /// The scratch must have been made for this number of steps or more.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn carry<'a, T: Scalar>(
        &self,
        influence: &mut [T],
        steps: usize,
        local: impl Fn(usize) -> Local<'a, T>,
        scratch: &mut Scratch<T>,
    ) {
        if steps > 0 {
            let lanes = local(0).dynamics.lanes();
            let local = &|step| local(step);
            T::run(
                lanes,
                Computation::Carry(Carry { blocks: self, influence, steps, lanes, local, scratch }),
            );
        }
    }
}

pub struct Adjoint<'a, T> {
    blocks: &'a Blocks,
    influence: Option<&'a [T]>,
    steps: usize,
    lanes: usize,
    local: &'a dyn Fn(usize) -> Local<'a, T>,
    gradient: &'a mut [T],
    scratch: &'a mut Scratch<T>,
}

impl<T: Scalar> Kernel<T> for Adjoint<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Self { blocks, influence, steps, lanes, local, gradient, scratch } = self;
        for block in &blocks.blocks {
            let size = block.reach.len() * lanes;
            let adjoint = &mut scratch.tile[..size];
            for step in (0..steps).rev() {
                let now = local(step);
                if step + 1 == steps {
                    adjoint.fill(T::ZERO);
                } else {
                    pull_back(simd, block, local(step + 1).dynamics, adjoint, &mut scratch.sources[..size]);
                }
                for (a, &state) in adjoint.chunks_exact_mut(lanes).zip(&block.reach) {
                    a.iter_mut().zip(now.delta.at(state as usize)).for_each(|(a, &d)| *a += d);
                }
                add_outer(simd, block, &blocks.linear, now, adjoint, &mut scratch.column[..lanes], gradient);
            }
            if let Some(influence) = influence {
                pull_back(simd, block, local(0).dynamics, adjoint, &mut scratch.sources[..size]);
                let influence = &influence[block.start * lanes..(block.start + block.len()) * lanes];
                add_initial(simd, block, &blocks.linear, influence, adjoint, lanes, gradient);
            }
        }
    }
}

pub struct Carry<'a, T> {
    blocks: &'a Blocks,
    influence: &'a mut [T],
    steps: usize,
    lanes: usize,
    local: &'a dyn Fn(usize) -> Local<'a, T>,
    scratch: &'a mut Scratch<T>,
}

impl<T: Scalar> Kernel<T> for Carry<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Self { blocks, influence, steps, lanes, local, scratch } = self;
        for block in &blocks.blocks {
            let influence = &mut influence[block.start * lanes..(block.start + block.len()) * lanes];
            transitions(simd, block, steps, lanes, &local, &mut scratch.transitions);
            let size = block.reach.len() * block.reach.len() * lanes;
            transit(simd, block, influence, &scratch.transitions[..size], lanes, &mut scratch.tile);
            for step in 0..steps {
                let after = &scratch.transitions[(step + 1) * size..(step + 2) * size];
                let memory = (&mut scratch.column[..], &mut scratch.sources[..]);
                add_carried(simd, block, &blocks.linear, influence, local(step), after, memory);
            }
        }
    }
}

impl Run {
    /// The part of an array over the local states that the run's columns are.
    fn columns<'a, T>(&self, states: &'a mut [T], lanes: usize) -> &'a mut [T] {
        &mut states[self.column as usize * lanes..][..self.len as usize * lanes]
    }

    /// The run's values of D.
    fn values<'a, T: Scalar>(&self, d: Lanes<'a, T>) -> &'a [T] {
        d.run(self.entry as usize..(self.entry + self.len) as usize)
    }
}

/// `into += D[i, R] a` for one state `i`.
#[inline(always)]
fn propagate<T: Scalar, S: Simd<T>>(
    simd: S,
    block: &Block,
    d: Lanes<'_, T>,
    i: usize,
    a: &[T],
    into: &mut [T],
) {
    if let &[a] = a {
        for entry in block.dynamics_entries(i) {
            let into = &mut into[entry.column as usize];
            *into = simd.scalar(a, d.values()[entry.entry as usize], *into);
        }
    } else {
        for entry in block.dynamics_entries(i) {
            let into = &mut into[entry.column as usize * a.len()..][..a.len()];
            axpy_lanes(simd, into, a, d.at(entry.entry as usize));
        }
    }
    for run in block.dynamics_runs(i) {
        axpy_lanes(simd, run.columns(into, a.len()), a, run.values(d));
    }
}

/// `a ← D[R, R]ᵀ a`.
#[inline(always)]
fn pull_back<T: Scalar, S: Simd<T>>(
    simd: S,
    block: &Block,
    d: Lanes<'_, T>,
    adjoint: &mut [T],
    new: &mut [T],
) {
    let lanes = d.lanes();
    new.fill(T::ZERO);
    for i in 0..block.reach.len() {
        propagate(simd, block, d, i, &adjoint[i * lanes..(i + 1) * lanes], new);
    }
    adjoint.copy_from_slice(new);
}

/// gradient += (aᵀ G) ⊗ u for the rows of the block.
#[inline(always)]
fn add_outer<T: Scalar, S: Simd<T>>(
    simd: S,
    block: &Block,
    linear: &Linear,
    local: Local<'_, T>,
    adjoint: &[T],
    coefficient: &mut [T],
    gradient: &mut [T],
) {
    let lanes = coefficient.len();
    for row in &block.rows {
        coefficient.fill(T::ZERO);
        for &(i, entry) in &row.jacobian {
            let a = &adjoint[i as usize * lanes..][..lanes];
            axpy_lanes(simd, coefficient, local.row_jacobian.at(entry as usize), a);
        }
        linear.outer(simd, row.row, coefficient, local.sources, gradient);
    }
}

/// gradient += aᵀ J, summed over lanes.
#[inline(always)]
fn add_initial<T: Scalar, S: Simd<T>>(
    simd: S,
    block: &Block,
    linear: &Linear,
    influence: &[T],
    adjoint: &[T],
    lanes: usize,
    gradient: &mut [T],
) {
    for (i, a) in adjoint.chunks_exact(lanes).enumerate() {
        for row in &block.rows {
            let columns = i * block.columns + row.columns.start..i * block.columns + row.columns.end;
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

/// Φ(τ → T) for τ = T, T-1, …, 0; that of τ stands at position τ.
#[inline(always)]
fn transitions<'a, T: Scalar, S: Simd<T>>(
    simd: S,
    block: &Block,
    steps: usize,
    lanes: usize,
    local: &impl Fn(usize) -> Local<'a, T>,
    into: &mut [T],
) {
    let reach = block.reach.len();
    let size = reach * reach * lanes;
    let into = &mut into[..(steps + 1) * size];
    into[..steps * size].fill(T::ZERO);
    let identity = &mut into[steps * size..];
    identity.fill(T::ZERO);
    for i in 0..reach {
        identity[i * (reach + 1) * lanes..][..lanes].fill(T::ONE);
    }
    for step in (0..steps).rev() {
        let d = local(step).dynamics;
        let (before, after) = into[step * size..(step + 2) * size].split_at_mut(size);
        for (before, after) in before.chunks_exact_mut(reach * lanes).zip(after.chunks_exact(reach * lanes)) {
            for (k, phi) in after.chunks_exact(lanes).enumerate() {
                propagate(simd, block, d, k, phi, before);
            }
        }
    }
}

/// J ← Φ J, a tile of columns at a time.
#[inline(always)]
fn transit<T: Scalar, S: Simd<T>>(
    simd: S,
    block: &Block,
    influence: &mut [T],
    phi: &[T],
    lanes: usize,
    old: &mut [T],
) {
    let reach = block.reach.len();
    let stride = block.columns * lanes;
    let width = super::streaming::tile_scalars::<T>(block) / reach / lanes * lanes;
    let width = width.max(lanes);
    for first in (0..stride).step_by(width) {
        let width = width.min(stride - first);
        for i in 0..reach {
            old[i * width..(i + 1) * width].copy_from_slice(&influence[i * stride + first..][..width]);
        }
        for i in 0..reach {
            let row = &mut influence[i * stride + first..][..width];
            row.fill(T::ZERO);
            for k in 0..reach {
                let phi = &phi[(i * reach + k) * lanes..][..lanes];
                axpy_lanes(simd, row, phi, &old[k * width..(k + 1) * width]);
            }
        }
    }
}

/// J += (Φ G) ⊗ u for one step.
#[inline(always)]
fn add_carried<T: Scalar, S: Simd<T>>(
    simd: S,
    block: &Block,
    linear: &Linear,
    influence: &mut [T],
    local: Local<'_, T>,
    phi: &[T],
    (column, sources): (&mut [T], &mut [T]),
) {
    let lanes = local.dynamics.lanes();
    let reach = block.reach.len();
    for row in &block.rows {
        let entries = linear.pattern().entries(row.row);
        let column = &mut column[..reach * lanes];
        column.fill(T::ZERO);
        for &(k, entry) in &row.jacobian {
            for (i, v) in column.chunks_exact_mut(lanes).enumerate() {
                let phi = &phi[(i * reach + k as usize) * lanes..][..lanes];
                axpy_lanes(simd, v, local.row_jacobian.at(entry as usize), phi);
            }
        }
        let dense = row.coded..row.columns.len();
        let sources = &mut sources[..dense.len() * lanes];
        linear.gather(row.row, local.sources.dense, sources);
        for (i, v) in column.chunks_exact(lanes).enumerate() {
            let start = i * block.columns + row.columns.start;
            axpy_lanes(
                simd,
                &mut influence[(start + dense.start) * lanes..(start + dense.end) * lanes],
                v,
                sources,
            );
            for (lane, &symbol) in local.sources.symbols.iter().enumerate() {
                if let Some(entry) = linear.symbol_entry(row.row, symbol) {
                    influence[(start + entry - entries.start) * lanes + lane] += v[lane];
                }
            }
        }
    }
}
