//! Recurrent cells, and stacks of them, described by exactly what real-time recurrent learning needs.
//!
//! A [`Cell`] is rows of linear preactivations followed by a cheap nonlinearity, `z = W u`,
//! `s_t = φ(z, s_{t-1})`. It gives the patterns of its parts ([`Structure`]) and, at each step, the values of
//! `G = ds_t/dz_t` and `∂φ/∂s_{t-1}`. A [`Stack`] of cells derives the rest: the dynamics Jacobian D
//! ([`Linearizer`]), products with Dᵀ ([`Stack::pull_back`]), and the coupling between layers.
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

mod backward;
mod cell;
mod config;
mod error;
mod gates;
mod inference;
pub mod init;
mod kind;
mod layer;
mod linearize;
mod mask;
mod memory;
mod one_step;
mod persist;
mod registry;
mod rotation;
mod size;
mod spread;
mod stack;
mod structure;
mod trace;

/// Declares the module of each cell and exports the cell's types.
macro_rules! modules {
    ($($(#[$doc:meta])* $cell:ident / $above:ident = $kind:ty $(, in $module:ident ($($export:ident),*))?;)*) => {
        $($(
            mod $module;
            pub use $module::{$($export),*};
        )?)*
    };
}
for_each_cell!(modules);

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
const _: () = ();

pub use cell::{Cell, CellStep};
pub use config::{CellConfig, OwnCell, register};
pub use error::CellError;
pub use gates::{GateRows, Past};
pub use inference::Inference;
pub use kind::{CellKind, PyTorch};
pub use linearize::Linearizer;
pub use mask::{GateMask, Masks, Sparsity};
pub use one_step::OneStep;
pub use size::{Distribution, Size, Wiring};
pub use spread::Spread;
pub use stack::Stack;
pub use structure::{Inputs, MaskRows, Recurrent, Role, Structure};
pub use trace::{Backward, Input, Rollout, Trace};

// Types of these crates appear in every cell of one's own.
pub use {rand_xoshiro, rtrl_sparse};
