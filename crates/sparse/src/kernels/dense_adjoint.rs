//! The adjoints of all blocks as one matrix product, where D is dense enough: a product of whole matrices does more
//! multiply-adds than the blocks need, and many more of them in the same time.

use super::Computation;
use super::matrix::{APART, MatMul, ROWS};
use crate::blocks::Blocks;
use crate::{Lanes, Scalar};

/// Lanes whose values of D are spread out together, since they lie together; as many matrices as a second-level cache holds.
const TOGETHER: usize = 4;

impl Blocks {
    /// Whether adjoints multiply whole matrices.
    pub(crate) fn dense_adjoint(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Whether it should.
    pub(crate) fn dense_enough(&self) -> bool {
        let entries: usize = self.blocks().map(|block| block.dynamics_nnz()).sum();
        let blocks = self.arrays.count();
        blocks >= self.layout.min_dense_adjoint_blocks
            && self.layout.dense_adjoint_speedup * entries >= blocks * self.states * self.states
    }
}

/// Memory of this form, for one lane after the other.
#[derive(Debug, Clone)]
pub(crate) struct Dense<T> {
    /// D of as many lanes as are spread out together, states × states, its rows apart.
    dynamics: Vec<T>,
    /// a of every block, `[blocks][states]`: zero outside the block's reach; and its product with D.
    adjoint: Vec<T>,
    product: Vec<T>,
    pack: Vec<T>,
}

impl<T: Scalar> Dense<T> {
    pub fn new(blocks: &Blocks, lanes: usize) -> Self {
        let stride = blocks.states + APART;
        let zeros = |len: usize| vec![T::ZERO; len];
        let all = blocks.arrays.count() * stride;
        Self {
            dynamics: zeros(lanes.min(TOGETHER) * blocks.states * stride),
            adjoint: zeros(all),
            product: zeros(all),
            pack: zeros(ROWS * blocks.states),
        }
    }

    pub fn bytes(&self) -> usize {
        let parts = [&self.dynamics, &self.adjoint, &self.product, &self.pack];
        parts.iter().map(|part| size_of_val(&part[..])).sum()
    }

    /// D of some lanes from `first` on, all of it: what lies outside the pattern stays zero.
    fn spread(&mut self, blocks: &Blocks, dynamics: Lanes<'_, T>, first: usize) {
        let (lanes, stride) = (dynamics.lanes(), blocks.states + APART);
        let size = blocks.states * stride;
        let last = lanes.min(first + TOGETHER);
        for &(row, column, entry) in &blocks.entries {
            let place = row as usize * stride + column as usize;
            let values = &dynamics.values()[entry as usize * lanes..][first..last];
            for (lane, &value) in values.iter().enumerate() {
                self.dynamics[lane * size + place] = value;
            }
        }
    }

    /// The product of every block's adjoint of one lane with D.
    fn multiply(&mut self, blocks: &Blocks, adjoint: &[T], lanes: usize, lane: usize) {
        let states = blocks.states;
        let stride = states + APART;
        let mut own = adjoint.chunks_exact(lanes);
        for (block, into) in blocks.blocks().zip(self.adjoint.chunks_exact_mut(stride)) {
            for (&state, a) in block.reach().iter().zip(&mut own) {
                into[state as usize] = a[lane];
            }
        }
        let product = MatMul {
            out: &mut self.product,
            out_stride: stride,
            add: false,
            sizes: (blocks.arrays.count(), states, states),
            a: &self.adjoint,
            a_strides: (stride, 1),
            b: &self.dynamics[lane % TOGETHER * states * stride..][..states * stride],
            b_stride: stride,
            pack: &mut self.pack,
        };
        T::run(1, Computation::MatMul(product));
    }

    /// Overwrites the adjoints of one lane with what of the product lies within reach.
    fn gather(&self, blocks: &Blocks, adjoint: &mut [T], lanes: usize, lane: usize) {
        let mut own = adjoint.chunks_exact_mut(lanes);
        for (block, product) in blocks.blocks().zip(self.product.chunks_exact(blocks.states + APART)) {
            for (&state, a) in block.reach().iter().zip(&mut own) {
                a[lane] = product[state as usize].flush();
            }
        }
    }

    /// `a ← D[R, R]ᵀ a` for every block and lane; the adjoints lie one after the other.
    pub fn pull_back(&mut self, blocks: &Blocks, dynamics: Lanes<'_, T>, adjoint: &mut [T]) {
        for lane in 0..dynamics.lanes() {
            if lane.is_multiple_of(TOGETHER) {
                self.spread(blocks, dynamics, lane);
            }
            self.multiply(blocks, adjoint, dynamics.lanes(), lane);
            self.gather(blocks, adjoint, dynamics.lanes(), lane);
        }
    }
}
