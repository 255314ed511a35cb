//! Schedule 3 without J: a window's gradient by the adjoints of the blocks.

use std::sync::Arc;

use super::window::Window;
use crate::recursion::step::check_window;
use crate::recursion::threads::Threads;
use crate::recursion::{Blocks, StepValues};
use crate::run::Scalar;

/// Computes the gradient of windows that each begin with J = 0, and owns the memory for it: nothing is allocated
/// after construction.
#[derive(Debug, Clone)]
pub struct Windowed<T> {
    blocks: Arc<Blocks>,
    lanes: usize,
    steps: usize,
    threads: Threads<T, Window<T>>,
    bytes: usize,
}

impl<T: Scalar> Windowed<T> {
    /// Memory for windows of up to `steps` steps in `lanes` lanes.
    ///
    /// # Panics
    /// If there are no lanes.
    #[track_caller]
    pub fn new(blocks: impl Into<Arc<Blocks>>, lanes: usize, steps: usize) -> Self {
        assert!(lanes > 0, "lanes must be at least 1");
        let blocks = blocks.into();
        let memory = |blocks: &Blocks| Window::new(blocks, lanes, steps);
        // With a dense adjoint every part scatters D into a matrix of its own, so more parts cost more.
        let parts = if blocks.dense_adjoint() { 1 } else { 2 };
        Self {
            bytes: memory(&blocks).bytes(),
            threads: Threads::new(&blocks, lanes, blocks.adjoint_macs(steps, false), parts, memory),
            blocks,
            lanes,
            steps,
        }
    }

    /// Adds the gradient of a window of `steps` steps to `gradient`, summed over lanes: for each block, backwards,
    /// `a_τ = δ_τ[R] + D_{τ+1}[R, R]ᵀ a_{τ+1}` and `gradient += (a_τᵀ G_τ) ⊗ u_τ`. `values(τ)` returns step τ of
    /// `0..steps`. All blocks go through a step together, so that D is read once.
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

    /// Bytes of the scratch memory of one thread, without the layout.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
