//! The adjoints of all blocks as one matrix product, where D is dense enough: a product of whole matrices does more
//! multiply-adds than the blocks need, and many more of them in the same time.

use super::Computation;
use super::matrix::{APART, MatMul, ROWS};
use crate::blocks::{Block, Blocks};
use crate::{Lanes, Scalar};

/// Multiply-adds of a matrix product in the time of one along the entries of blocks. Measured in one lane: some 60 against 1.5
/// to 2 per nanosecond; in sixteen 60 against 6.
const QUICKER: usize = 16;

/// Fewer blocks do not share D often enough.
const FEWEST: usize = 8;

impl Blocks {
    /// Whether [`adjoint`](Self::adjoint) multiplies whole matrices.
    pub(crate) fn dense_adjoint(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Whether it should.
    pub(crate) fn dense_enough(blocks: &[Block], states: usize) -> bool {
        let entries: usize = blocks.iter().map(|block| block.dynamics_nnz).sum();
        blocks.len() >= FEWEST && QUICKER * entries >= blocks.len() * states * states
    }
}

/// Memory of this form, for one lane after the other.
#[derive(Debug, Clone)]
pub(crate) struct Dense<T> {
    /// D, states × states, its rows apart.
    dynamics: Vec<T>,
    /// a of every block, `[blocks][states]`: zero outside the block's reach; and its product with D.
    adjoint: Vec<T>,
    product: Vec<T>,
    pack: Vec<T>,
}

impl<T: Scalar> Dense<T> {
    pub fn new(blocks: &Blocks) -> Self {
        let stride = blocks.states + APART;
        let zeros = |len: usize| vec![T::ZERO; len];
        let all = blocks.blocks.len() * stride;
        Self {
            dynamics: zeros(blocks.states * stride),
            adjoint: zeros(all),
            product: zeros(all),
            pack: zeros(ROWS * blocks.states),
        }
    }

    pub fn bytes(&self) -> usize {
        let parts = [&self.dynamics, &self.adjoint, &self.product, &self.pack];
        parts.iter().map(|part| size_of_val(&part[..])).sum()
    }

    /// The product of every block's adjoint of one lane with D, all of it.
    fn multiply(&mut self, blocks: &Blocks, dynamics: Lanes<'_, T>, adjoint: &[T], lane: usize) {
        let (lanes, states) = (dynamics.lanes(), blocks.states);
        let stride = states + APART;
        self.dynamics.fill(T::ZERO);
        for &(row, column, entry) in &blocks.entries {
            let value = dynamics.values()[entry as usize * lanes + lane];
            self.dynamics[row as usize * stride + column as usize] = value;
        }
        let mut own = adjoint.chunks_exact(lanes);
        for (block, into) in blocks.blocks.iter().zip(self.adjoint.chunks_exact_mut(stride)) {
            into.fill(T::ZERO);
            for (&state, a) in block.reach.iter().zip(&mut own) {
                into[state as usize] = a[lane];
            }
        }
        let product = MatMul {
            out: &mut self.product,
            out_stride: stride,
            add: false,
            sizes: (blocks.blocks.len(), states, states),
            a: &self.adjoint,
            a_strides: (stride, 1),
            b: &self.dynamics,
            b_stride: stride,
            pack: &mut self.pack,
        };
        T::run(1, Computation::MatMul(product));
    }

    /// Overwrites the adjoints of one lane with what of the product lies within reach.
    fn gather(&self, blocks: &Blocks, adjoint: &mut [T], lanes: usize, lane: usize) {
        let mut own = adjoint.chunks_exact_mut(lanes);
        for (block, product) in blocks.blocks.iter().zip(self.product.chunks_exact(blocks.states + APART)) {
            for (&state, a) in block.reach.iter().zip(&mut own) {
                a[lane] = product[state as usize];
            }
        }
    }

    /// `a ← D[R, R]ᵀ a` for every block and lane; the adjoints lie one after the other.
    pub fn pull_back(&mut self, blocks: &Blocks, dynamics: Lanes<'_, T>, adjoint: &mut [T]) {
        for lane in 0..dynamics.lanes() {
            self.multiply(blocks, dynamics, adjoint, lane);
            self.gather(blocks, adjoint, dynamics.lanes(), lane);
        }
    }
}
