//! z = W u: a sparse linear map in bands of rows, and the kernels of its products.

// Modules stand in the order in which they may import each other.
mod map;

mod scattered;

pub(crate) mod forward;

pub(crate) mod transposed;

pub(crate) mod outer;

pub(crate) mod lanewise;

mod outers;

pub(crate) mod flush;

pub use map::{Linear, Sources};
pub use outers::Outers;
