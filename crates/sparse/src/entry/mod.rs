//! The public operations: each checks its operands and runs kernels at the thread's level.

// Modules stand in the order in which they may import each other.
mod at_level;

mod product;

mod linear;

mod outers;

mod streaming;

mod window;

mod windowed;

mod single;

mod carrying;

pub use at_level::{Loop, at_level};
pub use carrying::Carrying;
pub use streaming::Streaming;
pub use windowed::Windowed;
