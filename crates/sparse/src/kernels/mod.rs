//! Numeric kernels. The layout they work on is fixed by [`Blocks`](crate::Blocks).

mod adjoint;
pub(crate) mod ceiling;
mod diagonal;
pub(crate) mod elementary;
pub(crate) mod gemm;
pub(crate) mod linear;
pub mod simd;
mod streaming;
pub(crate) mod vector;

use crate::product::{Own, Shared};
use crate::{Blocks, Lanes, Scalar, Sources};
use adjoint::{Adjoint, Carry};
use ceiling::{Peak, Sweep};
use linear::{Multiply, MultiplyTransposed, Outer};
use streaming::Advance;
use vector::{MatrixVector, RankOne};

/// Every kernel, in a form whose execution has no type parameter but the scalar: each is compiled here, once for each scalar
/// and level, and not again in every crate that uses it.
#[doc(hidden)]
pub enum Computation<'a, T> {
    Multiply(Multiply<'a, T>),
    MultiplyTransposed(MultiplyTransposed<'a, T>),
    Outer(Outer<'a, T>),
    Advance(Advance<'a, T>),
    Adjoint(Adjoint<'a, T>),
    Carry(Carry<'a, T>),
    Shared(Shared<'a, T>),
    Own(Own<'a, T>),
    MatrixVector(MatrixVector<'a, T>),
    RankOne(RankOne<'a, T>),
    Peak(Peak<'a, T>),
    Sweep(Sweep<'a, T>),
}

/// The same expression for whichever kernel it is.
macro_rules! each {
    ($computation:expr, $kernel:ident => $run:expr) => {
        match $computation {
            Computation::Multiply($kernel) => $run,
            Computation::MultiplyTransposed($kernel) => $run,
            Computation::Outer($kernel) => $run,
            Computation::Advance($kernel) => $run,
            Computation::Adjoint($kernel) => $run,
            Computation::Carry($kernel) => $run,
            Computation::Shared($kernel) => $run,
            Computation::Own($kernel) => $run,
            Computation::MatrixVector($kernel) => $run,
            Computation::RankOne($kernel) => $run,
            Computation::Peak($kernel) => $run,
            Computation::Sweep($kernel) => $run,
        }
    };
}
pub(crate) use each;

/// Everything that one step contributes to the recursion.
#[derive(Debug, Clone, Copy)]
pub struct Local<'a, T> {
    /// Values of D in its pattern. A lane that begins a sequence has zeros here.
    pub dynamics: Lanes<'a, T>,
    /// Values of G, in the order that the blocks were laid out for.
    pub row_jacobian: Lanes<'a, T>,
    /// u.
    pub sources: Sources<'a, T>,
    /// δ, the gradient of this step's loss by the states.
    pub delta: Lanes<'a, T>,
}

/// Memory for the kernels, allocated once.
#[derive(Debug, Clone)]
pub struct Scratch<T> {
    /// One tile of a block before its update, or the adjoint of a block.
    tile: Vec<T>,
    /// Sources gathered into the columns of a block; the new adjoint.
    sources: Vec<T>,
    /// Gradient of the columns of a block.
    gradient: Vec<T>,
    /// Φ(τ → T) of one block for every step of a window.
    transitions: Vec<T>,
    /// One column of Φ G, for every state of a block.
    column: Vec<T>,
    /// What G and u add to one state of a tile.
    immediate: Vec<T>,
}

impl<T: Scalar> Scratch<T> {
    /// Memory for `blocks` with `lanes` lanes. `carried_window` is the number of steps of a window whose influence is
    /// carried by [`Blocks::carry`], 0 if that is never called.
    pub fn new(blocks: &Blocks, lanes: usize, carried_window: usize) -> Self {
        let largest =
            |size: fn(&crate::blocks::Block) -> usize| blocks.blocks.iter().map(size).max().unwrap_or(0);
        let (reach, columns) = (largest(|b| b.reach.len()), largest(|b| b.columns));
        // Blocks with a diagonal D are updated in place, unless a whole window is carried.
        let tiled = blocks.blocks.iter().filter(|block| carried_window > 0 || !block.diagonal);
        let tile = tiled.map(streaming::tile_scalars::<T>).max().unwrap_or(0);
        let transitions = if carried_window == 0 { 0 } else { (carried_window + 1) * reach * reach };
        let zeros = |len: usize| vec![T::ZERO; len * lanes];
        Self {
            tile: vec![T::ZERO; tile.max(reach * lanes)],
            sources: zeros(columns.max(reach)),
            gradient: vec![T::ZERO; streaming::padded(columns)],
            transitions: zeros(transitions),
            column: zeros(reach),
            immediate: vec![T::ZERO; streaming::WIDEST_ROW],
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let parts =
            [&self.tile, &self.sources, &self.gradient, &self.transitions, &self.column, &self.immediate];
        parts.iter().map(|part| part.len() * size_of::<T>()).sum()
    }
}
