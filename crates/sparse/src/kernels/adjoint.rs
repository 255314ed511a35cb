//! Schedule 3: a window's gradient by the blocks' own adjoints.

use super::simd::{Kernel, Simd};
use super::vector::{axpy, axpy_lanes, dot_lanes};
use super::{Computation, Local, Scratch, Steps, Window};
use crate::block::{Alone, Block, Run};
use crate::blocks::Blocks;
use crate::parts::Part;
use crate::{Lanes, Linear, Scalar};

impl Blocks {
    /// The gradient of a window of `steps` steps without updating J: for each block, backwards,
    /// `a_τ = δ_τ[R] + D_{τ+1}[R, R]ᵀ a_{τ+1}`, then `gradient += (a_τᵀ G_τ) ⊗ u_τ`, and finally
    /// `gradient += (D_1[R, R]ᵀ a_1)ᵀ J_0` if `influence` (J before the window) is given.
    ///
    /// `local(τ)` yields step τ of `0..steps`. All blocks go through a step together, so that D is read once.
    ///
    /// # Panics
    /// If the scratch was made for other blocks or shorter windows, or if sizes or lanes do not fit.
    #[track_caller]
    pub fn adjoint<'a, T: Scalar>(
        &self,
        influence: Option<&[T]>,
        steps: usize,
        local: impl Fn(usize) -> Local<'a, T> + Sync,
        gradient: &mut [T],
        scratch: &mut Scratch<T>,
    ) {
        let len = influence.map(<[T]>::len);
        scratch.check(self, Steps::Adjoint(steps), &local, len, Some(gradient.len()));
        if steps == 0 {
            return;
        }
        if scratch.parts.is_empty() {
            return self.adjoint_alone(influence, steps, &local, gradient, scratch);
        }
        let (lanes, before) = (local(0).delta.lanes(), influence);
        let work = |part: &Self, _: &mut [T], gradient: &mut [T], scratch: &mut Scratch<T>| {
            let own = before.map(|before| &before[part.origin * lanes..][..part.len() * lanes]);
            part.adjoint_alone(own, steps, &local, gradient, scratch);
        };
        Part::each(&mut scratch.parts, self, lanes, &mut [], gradient, &work);
    }

    fn adjoint_alone<'a, T: Scalar>(
        &self,
        influence: Option<&[T]>,
        steps: usize,
        local: &impl Fn(usize) -> Local<'a, T>,
        gradient: &mut [T],
        scratch: &mut Scratch<T>,
    ) {
        let lanes = local(0).delta.lanes();
        let window = scratch.window.as_mut().expect("scratch for windows");
        window.adjoint.fill(T::ZERO);
        for step in (0..steps).rev() {
            let now = local(step);
            let after = (step + 1 < steps).then(|| local(step + 1).dynamics);
            let dynamics = window.leave(self, after);
            let Window { adjoint, new, rows, .. } = window;
            let kernel = Adjoint { blocks: self, dynamics, now, adjoint, new, rows };
            T::run(lanes, Computation::Adjoint(kernel));
            window.outers.push(Lanes::new(&window.rows, lanes), now.sources, gradient);
        }
        window.outers.flush(gradient);
        if let Some(influence) = influence {
            let dynamics = window.leave(self, Some(local(0).dynamics));
            let Window { adjoint, new, .. } = window;
            let kernel = Initial { blocks: self, lanes, dynamics, influence, adjoint, new, gradient };
            T::run(lanes, Computation::Initial(kernel));
        }
    }
}

impl<T: Scalar> Window<T> {
    /// Pulls the adjoints back through `dynamics` where that is done for all blocks at once; else returns it.
    fn leave<'a>(&mut self, blocks: &Blocks, dynamics: Option<Lanes<'a, T>>) -> Option<Lanes<'a, T>> {
        match (&mut self.dense, dynamics) {
            (Some(dense), Some(dynamics)) => {
                dense.pull_back(blocks, dynamics, &mut self.adjoint);
                None
            }
            (_, dynamics) => dynamics,
        }
    }
}

/// One step back of every block.
pub struct Adjoint<'a, T> {
    blocks: &'a Blocks,
    /// D of the step after, if the adjoint has not left it yet.
    dynamics: Option<Lanes<'a, T>>,
    now: Local<'a, T>,
    /// a of every block, one after the other.
    adjoint: &'a mut [T],
    new: &'a mut [T],
    /// aᵀ G of every row.
    rows: &'a mut [T],
}

impl<T: Scalar> Kernel<T> for Adjoint<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Self { blocks, dynamics, now, mut adjoint, new, rows } = self;
        let lanes = now.delta.lanes();
        for block in blocks.blocks() {
            let (own, rest) = adjoint.split_at_mut(block.reach().len() * lanes);
            adjoint = rest;
            if lanes == 1 && block.diagonal() {
                alone(simd, block.alone(), dynamics, now, own, rows);
                continue;
            }
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

/// One step back in the only lane of a block whose states do not act on each other.
#[inline(always)]
fn alone<T: Scalar, S: Simd<T>>(
    simd: S,
    alone: &[Alone],
    dynamics: Option<Lanes<'_, T>>,
    now: Local<'_, T>,
    adjoint: &mut [T],
    rows: &mut [T],
) {
    for (a, alone) in adjoint.iter_mut().zip(alone) {
        let delta = now.delta.values()[alone.state as usize];
        *a = match dynamics.map(|d| d.values().get(alone.dynamics as usize)) {
            Some(Some(&d)) => simd.scalar(*a, d, delta).flush(),
            Some(None) => delta,
            None => *a + delta,
        };
    }
    for row in alone.chunks_exact(adjoint.len()) {
        let mut sum = T::ZERO;
        for (&a, alone) in adjoint.iter().zip(row) {
            if let Some(&g) = now.row_jacobian.values().get(alone.jacobian as usize) {
                sum = simd.scalar(a, g, sum);
            }
        }
        rows[row[0].row as usize] = sum;
    }
}

/// What the influence before the window adds.
pub struct Initial<'a, T> {
    blocks: &'a Blocks,
    lanes: usize,
    /// D of the window's first step, if the adjoint has not left it yet.
    dynamics: Option<Lanes<'a, T>>,
    influence: &'a [T],
    adjoint: &'a mut [T],
    new: &'a mut [T],
    gradient: &'a mut [T],
}

impl<T: Scalar> Kernel<T> for Initial<'_, T> {
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
    /// The part of an array over the local states that the run's columns are.
    fn columns<'a, T>(&self, states: &'a mut [T], lanes: usize) -> &'a mut [T] {
        &mut states[self.column as usize * lanes..][..self.len as usize * lanes]
    }

    /// The run's values of D.
    fn values<'a, T: Scalar>(&self, d: Lanes<'a, T>) -> &'a [T] {
        d.run(self.entry as usize..(self.entry + self.len) as usize)
    }
}

/// `a ← D[R, R]ᵀ a`, without subnormal numbers: an adjoint that decays would stay among them for the rest of the window.
#[inline(always)]
fn pull_back<T: Scalar, S: Simd<T>>(
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

/// gradient += aᵀ J, summed over lanes.
#[inline(always)]
fn add_initial<T: Scalar, S: Simd<T>>(
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
