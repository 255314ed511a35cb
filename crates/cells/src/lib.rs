//! Recurrent cells, and stacks of them, described by exactly what real-time recurrent learning needs.
//!
//! A [`Cell`] is rows of linear preactivations followed by a cheap nonlinearity, `z = W u`, `s_t = φ(z, s_{t-1})`. It
//! tells the patterns of its parts ([`Structure`]) and, at each step, the values of `G = ds_t/dz_t` and `∂φ/∂s_{t-1}`.
//! A [`Stack`] of cells derives the rest: the dynamics Jacobian D ([`Linearizer`]), products with Dᵀ
//! ([`Stack::pull_back`]), and the coupling between layers.
//!
//! ```
//! use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng};
//! use rtrl_cells::{CellConfig, Input, Inputs, Size, Stack, init};
//! let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
//! let cell = CellConfig::Gru(Size { sparsity: 0.75, ..Size::dense(32) });
//! let net = Stack::<f32>::new(vec![cell.build(Inputs::Symbols(4), &mut rng)?])?;
//! let weights = init::uniform(&net, &mut rng);
//! let (mut rollout, mut trace) = (net.rollout(1), net.trace(1));
//! net.forward(&weights, Input::Symbols(&[2]), &[true], &mut rollout, &mut trace);
//! assert!(rollout.state().values().iter().any(|&h| h != 0.0));
//! # Ok::<(), rtrl_cells::CellError>(())
//! ```
#![doc = ""]
#![doc = include_str!("equations.md")]

mod cell;
mod embedding;
mod error;
mod gates;
mod gru;
mod gru_reset_before;
pub mod init;
mod layer;
mod linearize;
mod lstm;
mod mask;
mod persist;
mod quasi_lstm;
mod registry;
mod stack;
mod structure;
mod trace;
mod vanilla;

pub use cell::{Cell, CellStep};
pub use embedding::Embedding;
pub use error::CellError;
pub use gru::Gru;
pub use gru_reset_before::GruResetBefore;
pub use linearize::Linearizer;
pub use lstm::Lstm;
pub use mask::{GateMask, Masks, Sparsity};
pub use quasi_lstm::QuasiLstm;
pub use registry::{CellConfig, Distribution, Size};
pub use stack::Stack;
pub use structure::{Inputs, MaskRows, Recurrent, Structure};
pub use trace::{Backward, Input, Rollout, Trace};
pub use vanilla::{Activation, Vanilla};
