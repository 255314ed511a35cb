//! What an estimator costs, counted from its structure.

use serde::{Deserialize, Serialize};

/// Multiply-adds of one time step of **one lane**, averaged over a full window, and memory for all lanes. Elementwise
/// work (nonlinearities, copies) is not counted: it is proportional to the number of states. Nor are multiplications by zero, where
/// that is quicker than to leave them out ([`Spread`](rtrl_cells::Spread)).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Preactivations, `z = W u`.
    pub forward: f64,
    /// Values of D and, for stacks, of G.
    pub linearize: f64,
    /// Carrying the influence, or adjoints, through time.
    pub propagate: f64,
    /// Contractions and outer products that end in the gradient.
    pub gradient: f64,
    /// Bytes that the estimator holds once it is built, without the net: influence, traces of the window,
    /// scratch, index structures. The count is the same on every machine, and within a tenth of what an
    /// estimator on one thread allocates.
    pub bytes: usize,
}

impl Cost {
    /// All multiply-adds of one step of one lane.
    pub fn macs(&self) -> f64 {
        self.forward + self.linearize + self.propagate + self.gradient
    }
}
