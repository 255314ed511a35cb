//! A window's gradient by the adjoints of the blocks, with the memory for it.

use crate::lanes::Lanes;
use crate::linear::Outers;
use crate::recursion::adjoint::{Adjoint, Initial};
use crate::recursion::dense_adjoint::{Dense, PullBack};
use crate::recursion::flat::Flat;
use crate::recursion::{Blocks, StepValues};
use crate::run::{Computation, Scalar};

/// Scratch memory for the adjoints of a window.
#[derive(Debug, Clone)]
pub(crate) struct Window<T> {
    /// a of every block, one after the other, each `[reach][lanes]`.
    adjoint: Vec<T>,
    /// Scratch for a of one block, one step earlier.
    new: Vec<T>,
    /// aᵀ G of every row, `[rows][lanes]`.
    rows: Vec<T>,
    outers: Outers<T>,
    /// In one lane, if all blocks are small.
    flat: Option<Flat>,
    dense: Option<Dense<T>>,
}

impl<T: Scalar> Window<T> {
    pub fn new(blocks: &Blocks, lanes: usize, steps: usize) -> Self {
        let reaches = || blocks.blocks().map(|block| block.reach().len());
        let zeros = |len: usize| vec![T::ZERO; len * lanes];
        let flat = if lanes == 1 && !blocks.dense_adjoint() { Flat::new(blocks) } else { None };
        Self {
            adjoint: zeros(reaches().sum()),
            new: zeros(if flat.is_some() { reaches().sum() } else { reaches().max().unwrap_or(0) }),
            flat,
            rows: zeros(blocks.linear.pattern().rows()),
            outers: Outers::new(blocks.linear.clone(), lanes, steps),
            dense: blocks.dense_adjoint().then(|| Dense::new(blocks, lanes)),
        }
    }

    pub fn bytes(&self) -> usize {
        let parts = [&self.adjoint, &self.new, &self.rows];
        parts.iter().map(|part| size_of_val(&part[..])).sum::<usize>()
            + self.outers.bytes()
            + self.flat.as_ref().map_or(0, Flat::bytes)
            + self.dense.as_ref().map_or(0, Dense::bytes)
    }

    /// Adds the gradient of a window, and `(D_1[R, R]ᵀ a_1)ᵀ J_0` if `influence`, the J_0 before the window, is
    /// given.
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
            let Self { adjoint, new, rows, flat, .. } = self;
            let flat = flat.as_ref();
            T::run(lanes, Computation::Adjoint(Adjoint { blocks, flat, dynamics, now, adjoint, new, rows }));
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

    /// If the layout has a dense adjoint, pulls the adjoints of all blocks back through `dynamics` and returns
    /// `None`. Else returns `dynamics`, for the next kernel to do so block by block.
    fn leave<'a>(&mut self, blocks: &Blocks, dynamics: Option<Lanes<'a, T>>) -> Option<Lanes<'a, T>> {
        match (&mut self.dense, dynamics) {
            (Some(dense), Some(dynamics)) => {
                let kernel = PullBack { blocks, dynamics, adjoint: &mut self.adjoint, memory: dense };
                // The kernel takes one lane at a time, with vectors along the states: hence 1, not `lanes`.
                T::run(1, Computation::PullBack(kernel));
                None
            }
            (_, dynamics) => dynamics,
        }
    }
}
