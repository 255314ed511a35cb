//! No recurrent learning at all.

use rtrl_cells::Stack;
use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

use crate::{Cost, Memoryless, Observed, Rule};

/// Runs the net and estimates a gradient of zero: only the readout learns. The floor of every comparison.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrozenConfig {}

/// The estimator of [`FrozenConfig`].
pub type Frozen<T> = Memoryless<T, FrozenConfig>;

impl Rule for FrozenConfig {
    fn observe<T: Scalar>(&self, _: Observed<'_, T>, _: &mut [T]) {}

    fn cost<T: Scalar>(&self, _: &Stack<T>) -> Cost {
        Cost::default()
    }
}
