//! J ← P ∘ (D J + G ⊗ u) on dense blocks: the layout of J, the values of a step, kernels, costs, threads.

// Modules stand in the order in which they may import each other.
mod error;

mod layout;

pub(crate) mod couplings;

pub(crate) mod block;

mod blocks;

pub(crate) mod step;

mod relay;

pub(crate) mod tile;

mod rows;

mod diagonal;

mod pair;

pub(crate) mod advance;

pub(crate) mod flat;

pub(crate) mod adjoint;

pub(crate) mod dense_adjoint;

pub(crate) mod carry;

mod cost;

pub(crate) mod threads;

pub use block::Block;
pub use blocks::{Blocks, check_reach};
pub use cost::{Extent, Macs};
pub use error::BlockError;
pub use layout::Layout;
pub use step::StepValues;
