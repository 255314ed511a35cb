//! Levels of instructions, chosen at run time, and the vector operations and dense products that kernels share:
//! one source for every level.

// Modules stand in the order in which they may import each other.
mod kernel;
mod level;

mod array;
#[cfg(target_arch = "x86_64")]
mod sums;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) mod dispatch;

pub(crate) mod elementary;
pub(crate) mod matmul;
pub(crate) mod vector;

pub(crate) mod several;

pub(crate) mod ceiling;
pub(crate) mod matrix;

pub(crate) mod gemm;

pub(crate) use kernel::{Kernel, Simd, Vectors};
pub use level::Level;
