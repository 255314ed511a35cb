//! What an estimator costs, counted from its structure.

use serde::{Deserialize, Serialize};

/// Multiply-adds of one time step of **one lane**, averaged over a full window, and memory for all lanes. Elementwise
/// work (nonlinearities, copies) is not counted: it is proportional to the number of states.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Preactivations, `z = W u`.
    pub forward: f64,
    /// Values of D (for stacks, of G too).
    pub linearize: f64,
    /// Whatever carries influence or adjoints through time.
    pub propagate: f64,
    /// Whatever ends in the gradient.
    pub gradient: f64,
    /// Bytes that the estimator holds once it is built, the net aside: influence, traces of the window, scratch, index structures. To
    /// within a tenth it is what the allocator hands out to an estimator on one thread, so that the number is the same on every
    /// machine.
    pub bytes: usize,
}

impl Cost {
    /// All multiply-adds of one step of one lane.
    pub fn macs(&self) -> f64 {
        self.forward + self.linearize + self.propagate + self.gradient
    }
}
