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
//! use rtrl_sparse::{Blocks, Lanes, Linear, Local, Operand, Pattern, Purpose, Scratch, Sources};
//! // Two states in a chain, 0 → 1; one row drives state 0 through one weight.
//! let dynamics = Pattern::from_rows(2, [vec![0], vec![0, 1]])?;
//! let drives = Pattern::from_rows(2, [vec![0]])?;
//! let linear = Linear::new(Pattern::dense(1, 1), 0);
//! let blocks = Blocks::new(linear, Operand::plain(&drives), Operand::plain(&dynamics), &[vec![0, 1]])?;
//! let mut scratch = Scratch::new(&blocks, 1, Purpose::Advance);
//! let (mut influence, mut gradient) = (vec![0.0; blocks.len()], vec![0.0]);
//! let local = Local {
//!     dynamics: Lanes::new(&[0.5, 2.0, 0.25], 1),
//!     row_jacobian: Lanes::new(&[1.0], 1),
//!     sources: Sources { symbols: &[], dense: Lanes::new(&[3.0], 1) },
//!     delta: Lanes::new(&[0.0, 1.0], 1),
//! };
//! blocks.advance(&mut influence, local, &mut gradient, &mut scratch);
//! blocks.advance(&mut influence, local, &mut gradient, &mut scratch);
//! assert_eq!(influence, [4.5, 6.0]); // state 0: 0.5 · 3 + 3, state 1: 2 · 3
//! assert_eq!(gradient, [6.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![doc = ""]
#![doc = include_str!("equations.md")]

mod block;
mod blocks;
mod cost;
pub mod dense;
mod kernels;
mod lanes;
mod linear;
pub mod math;
mod outers;
mod parts;
mod pattern;
mod product;
mod relay;
mod scalar;
pub mod testing;

pub use block::Block;
pub use blocks::{BlockError, Blocks, check_reach};
pub use cost::{Extent, Macs};
pub use kernels::simd::Level;
pub use kernels::{Local, Purpose, Scratch};
pub use lanes::{Lanes, LanesMut};
pub use linear::{Linear, Sources};
pub use outers::Outers;
pub use pattern::{Pattern, PatternError};
pub use product::{Operand, Product};
pub use scalar::Scalar;
