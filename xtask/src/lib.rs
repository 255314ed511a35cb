//! The parts of `cargo xtask` that are worth testing as a library.

pub mod bench;
pub mod book;
pub mod ci;
pub mod data;
pub mod engine;
pub mod flags;
pub mod fmt;
pub mod fuzz;
pub mod imports;
pub mod miri;
pub mod new;
pub mod nightly;
pub mod report;
pub mod reproduce;
