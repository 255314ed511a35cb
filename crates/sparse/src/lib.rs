//! Sparsity patterns, and block-structured linear recursions over them.
//!
//! The crate computes one thing: the recursion `J ← P ∘ (D J + G ⊗ u)` and its contraction `δᵀ J`, where `D` is a
//! sparse square matrix, `G` a very sparse one, `u` a vector, and `P` a pattern that keeps part of the result. Because
//! all columns that belong to one row of a linear map share a pattern, `J` is a list of dense blocks ([`Blocks`]) and
//! the arithmetic is proportional to the nonzeros of `D` within each block.
//!
//! Arrays are `[len][lanes]`, the parallel streams innermost ([`Lanes`]).
//!
//! ```
//! use rtrl_sparse::{Blocks, Lanes, Linear, Operand, Pattern, Sources, StepValues, Streaming};
//! // Two states in a chain, 0 → 1; one row drives state 0 through one weight.
//! let dynamics = Pattern::from_rows(2, [vec![0], vec![0, 1]])?;
//! let drives = Pattern::from_rows(2, [vec![0]])?;
//! let linear = Linear::new(Pattern::dense(1, 1), 0);
//! let blocks = Blocks::new(linear, Operand::plain(&drives), Operand::plain(&dynamics), &[vec![0, 1]])?;
//! let (mut recursion, mut gradient) = (Streaming::new(blocks, 1), [0.0]);
//! let step = StepValues {
//!     dynamics: Lanes::new(&[0.5, 2.0, 0.25], 1),
//!     row_jacobian: Lanes::new(&[1.0], 1),
//!     sources: Sources { symbols: &[], dense: Lanes::new(&[3.0], 1) },
//!     delta: Lanes::new(&[0.0, 1.0], 1),
//! };
//! recursion.advance(step, &mut gradient);
//! recursion.advance(step, &mut gradient);
//! assert_eq!(recursion.influence().values(), [4.5, 6.0]); // state 0: 0.5 · 3 + 3, state 1: 2 · 3
//! assert_eq!(gradient, [6.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![doc = ""]
#![doc = include_str!("equations.md")]

mod block;
mod blocks;
mod carrying;
mod cost;
mod couplings;
pub mod dense;
mod error;
mod kernels;
mod lanes;
mod layout;
mod linear;
pub mod math;
mod outers;
mod pattern;
mod product;
mod relay;
mod scalar;
mod step;
mod streaming;
pub mod testing;
mod threads;
mod windowed;

pub use block::Block;
pub use blocks::{Blocks, check_reach};
pub use carrying::Carrying;
pub use cost::{Extent, Macs};
pub use error::BlockError;
pub use kernels::simd::Level;
pub use lanes::{Lanes, LanesMut};
pub use layout::Layout;
pub use linear::{Linear, Sources};
pub use outers::Outers;
pub use pattern::{Pattern, PatternError};
pub use product::{Operand, Product};
pub use scalar::Scalar;
pub use step::StepValues;
pub use streaming::Streaming;
pub use windowed::Windowed;
