//! What is timed and how: the rows of `cargo xtask bench`, which the criterion benches share, and the ceilings of the
//! machine that they are held against.

mod ceilings;
mod language_model;
mod row;
mod rows;
mod timing;

pub use ceilings::{Bandwidth, Ceilings, Peak};
pub use language_model::{CharactersPerSecond, language_model};
pub use row::{Bench, INPUTS, Kind, Method, Net, Row, Way};
pub use rows::{Line, Scaling, batches, scale, scalings, schedules, sparse_and_dense, steps, threads};
pub use timing::{Measured, Settings, measure};
