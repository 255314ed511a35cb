//! Schedule 3 without J: a window's gradient by the blocks' own adjoints.

use std::sync::Arc;

use crate::kernels::Computation;
use crate::kernels::adjoint::{Adjoint, Initial};
use crate::kernels::dense_adjoint::Dense;
use crate::step::check_window;
use crate::threads::Threads;
use crate::{Blocks, Lanes, Outers, Scalar, StepValues};

/// The gradient of windows that each begin with J = 0, and the memory for that: nothing is allocated after construction.
#[derive(Debug, Clone)]
pub struct Windowed<T> {
    blocks: Arc<Blocks>,
    lanes: usize,
    steps: usize,
    threads: Threads<T, Window<T>>,
    bytes: usize,
}

impl<T: Scalar> Windowed<T> {
    /// For windows of up to `steps` steps in `lanes` lanes.
    ///
    /// # Panics
    /// If there are no lanes.
    #[track_caller]
    pub fn new(blocks: impl Into<Arc<Blocks>>, lanes: usize, steps: usize) -> Self {
        assert!(lanes > 0, "lanes must be at least 1");
        let blocks = blocks.into();
        let memory = |blocks: &Blocks| Window::new(blocks, lanes, steps);
        // Every part of a dense adjoint spreads D out for itself.
        let parts = if blocks.dense_adjoint() { 1 } else { 2 };
        Self {
            bytes: memory(&blocks).bytes(),
            threads: Threads::new(&blocks, lanes, blocks.adjoint_macs(steps, false), parts, memory),
            blocks,
            lanes,
            steps,
        }
    }

    /// Adds the gradient of a window of `steps` steps, of which `values(τ)` yields step τ of `0..steps`: for each block, backwards,
    /// `a_τ = δ_τ[R] + D_{τ+1}[R, R]ᵀ a_{τ+1}` and `gradient += (a_τᵀ G_τ) ⊗ u_τ`. All blocks go through a step together, so that
    /// D is read once.
    ///
    /// # Panics
    /// If there are too many steps, or if sizes or lanes do not fit.
    #[track_caller]
    pub fn gradient<'a>(
        &mut self,
        steps: usize,
        values: impl Fn(usize) -> StepValues<'a, T> + Sync,
        gradient: &mut [T],
    ) {
        assert!(steps <= self.steps, "a window of {steps} steps in memory for {}", self.steps);
        check_window(&self.blocks, self.lanes, steps, &values, Some(gradient.len()));
        let Self { blocks, lanes, threads, .. } = self;
        threads.each(blocks, *lanes, &mut [], gradient, |blocks, _, gradient, window| {
            window.gradient(blocks, None, steps, &values, gradient);
        });
    }

    /// The layout that J would have.
    pub fn blocks(&self) -> &Arc<Blocks> {
        &self.blocks
    }

    /// Bytes of the memory that one thread needs, without the layout.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Memory for the adjoint of a window.
#[derive(Debug, Clone)]
pub(crate) struct Window<T> {
    /// a of every block, one after the other.
    adjoint: Vec<T>,
    /// a of one block a step earlier.
    new: Vec<T>,
    /// aᵀ G of every row.
    rows: Vec<T>,
    outers: Outers<T>,
    dense: Option<Dense<T>>,
}

impl<T: Scalar> Window<T> {
    pub fn new(blocks: &Blocks, lanes: usize, steps: usize) -> Self {
        let reaches = || blocks.blocks().map(|block| block.reach().len());
        let zeros = |len: usize| vec![T::ZERO; len * lanes];
        Self {
            adjoint: zeros(reaches().sum()),
            new: zeros(reaches().max().unwrap_or(0)),
            rows: zeros(blocks.linear.pattern().rows()),
            outers: Outers::new(blocks.linear.clone(), lanes, steps),
            dense: blocks.dense_adjoint().then(|| Dense::new(blocks, lanes)),
        }
    }

    pub fn bytes(&self) -> usize {
        let parts = [&self.adjoint, &self.new, &self.rows];
        parts.iter().map(|part| size_of_val(&part[..])).sum::<usize>()
            + self.outers.bytes()
            + self.dense.as_ref().map_or(0, Dense::bytes)
    }

    /// The gradient of a window, and `(D_1[R, R]ᵀ a_1)ᵀ J_0` if `influence` (J before the window) is given.
    pub fn gradient<'a>(
        &mut self,
        blocks: &Blocks,
        influence: Option<&[T]>,
        steps: usize,
        values: &impl Fn(usize) -> StepValues<'a, T>,
        gradient: &mut [T],
    ) {
        if steps == 0 {
            return;
        }
        let lanes = values(0).delta.lanes();
        self.adjoint.fill(T::ZERO);
        for step in (0..steps).rev() {
            let now = values(step);
            let after = (step + 1 < steps).then(|| values(step + 1).dynamics);
            let dynamics = self.leave(blocks, after);
            let Self { adjoint, new, rows, .. } = self;
            T::run(lanes, Computation::Adjoint(Adjoint { blocks, dynamics, now, adjoint, new, rows }));
            self.outers.push(Lanes::new(&self.rows, lanes), now.sources, gradient);
        }
        self.outers.flush(gradient);
        if let Some(influence) = influence {
            let dynamics = self.leave(blocks, Some(values(0).dynamics));
            let Self { adjoint, new, .. } = self;
            let kernel = Initial { blocks, lanes, dynamics, influence, adjoint, new, gradient };
            T::run(lanes, Computation::Initial(kernel));
        }
    }

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
