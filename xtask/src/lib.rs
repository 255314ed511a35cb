//! The parts of `cargo xtask` that are worth testing as a library.

pub mod ci;
pub mod flags;
pub mod fmt;
pub mod fuzz;
pub mod instructions;
pub mod miri;
pub mod new;
pub mod nightly;
pub mod python;
pub mod start;
