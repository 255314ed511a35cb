//! What is kept of a step until the end of its window.

use rtrl_cells::Trace;
use rtrl_sparse::{Lanes, Scalar, StepValues};

/// The values of one step that the recursion needs. Arrays are `[len][lanes]`.
#[derive(Debug, Clone)]
pub(super) struct Frame<T> {
    pub trace: Trace<T>,
    pub dynamics: Vec<T>,
    pub row_jacobian: Vec<T>,
    pub delta: Vec<T>,
}

impl<T: Scalar> Frame<T> {
    /// The values as the recursion takes them.
    pub fn values(&self, lanes: usize) -> StepValues<'_, T> {
        StepValues {
            dynamics: Lanes::new(&self.dynamics, lanes),
            row_jacobian: Lanes::new(&self.row_jacobian, lanes),
            sources: self.trace.sources(),
            delta: Lanes::new(&self.delta, lanes),
        }
    }
}
