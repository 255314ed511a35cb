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

// Modules stand in the order in which they may import each other.
mod float;

mod counted;
mod lanes;

mod simd;

mod pattern;

mod product;

mod linear;

mod recursion;

mod run;

pub mod dense;
pub mod math;

mod entry;

pub mod testing;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
const _: () = ();

pub use entry::{Carrying, Loop, Streaming, Windowed, at_level};
pub use float::Float;
pub use lanes::{Lanes, LanesMut};
pub use linear::{Linear, Outers, Sources};
pub use pattern::{Pattern, PatternError};
pub use product::{Operand, Product};
pub use recursion::{Block, BlockError, Blocks, Extent, Layout, Macs, StepValues, check_reach};
pub use run::Scalar;
pub use simd::Level;
