//! The adjoints of all blocks as the rows of one matrix, multiplied by all of D, where D is dense enough: the
//! product takes more multiply-adds than the blocks need, but at many times the rate.

use super::blocks::Blocks;
use crate::float::Float;
use crate::lanes::Lanes;
use crate::simd::matmul::{MatMul, ROW_PADDING, ROWS};
use crate::simd::{Kernel, Simd};

/// Lanes whose values of D are scattered into dense matrices in one pass: the values are adjacent in memory, and
/// four matrices fit L2.
const TOGETHER: usize = 4;

/// Scratch memory for the product, which is formed lane by lane.
#[derive(Debug, Clone)]
pub struct Dense<T> {
    /// D of up to [`TOGETHER`] lanes, states × states with padded rows.
    dynamics: Vec<T>,
    /// a of every block, `[blocks][states]`, zero outside the block's reach; and its product with D.
    adjoint: Vec<T>,
    product: Vec<T>,
    pack: Vec<T>,
}

impl<T: Float> Dense<T> {
    pub fn new(blocks: &Blocks, lanes: usize) -> Self {
        let stride = blocks.states + ROW_PADDING;
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

    /// Scatters D of the next [`TOGETHER`] lanes from `first` on. Entries outside its pattern stay zero.
    fn spread(&mut self, blocks: &Blocks, dynamics: Lanes<'_, T>, first: usize) {
        let (lanes, stride) = (dynamics.lanes(), blocks.states + ROW_PADDING);
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

    /// Multiplies the adjoints of all blocks in one lane by D.
    #[inline(always)]
    fn multiply<S: Simd<T>>(&mut self, simd: S, blocks: &Blocks, adjoint: &[T], lanes: usize, lane: usize) {
        let states = blocks.states;
        let stride = states + ROW_PADDING;
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
        simd.call(product);
    }

    /// Overwrites the adjoints of one lane with the entries of the product that lie in each block's reach.
    fn gather(&self, blocks: &Blocks, adjoint: &mut [T], lanes: usize, lane: usize) {
        let mut own = adjoint.chunks_exact_mut(lanes);
        for (block, product) in blocks.blocks().zip(self.product.chunks_exact(blocks.states + ROW_PADDING)) {
            for (&state, a) in block.reach().iter().zip(&mut own) {
                a[lane] = product[state as usize].flush();
            }
        }
    }
}

/// `a ← D[R, R]ᵀ a` for every block and lane; the blocks' adjoints follow each other in `adjoint`.
pub struct PullBack<'a, T> {
    pub blocks: &'a Blocks,
    pub dynamics: Lanes<'a, T>,
    pub adjoint: &'a mut [T],
    pub memory: &'a mut Dense<T>,
}

impl<T: Float> Kernel<T> for PullBack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Self { blocks, dynamics, adjoint, memory } = self;
        for lane in 0..dynamics.lanes() {
            if lane.is_multiple_of(TOGETHER) {
                memory.spread(blocks, dynamics, lane);
            }
            memory.multiply(simd, blocks, adjoint, dynamics.lanes(), lane);
            memory.gather(blocks, adjoint, dynamics.lanes(), lane);
        }
    }
}
