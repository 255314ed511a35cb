//! Three ways to compute the same numbers.

use serde::{Deserialize, Serialize};

/// How the influence recursion of a window of T steps is computed. The results agree to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Schedule {
    /// The schedule that [`ScheduleCosts`](crate::ScheduleCosts) expects to be fastest.
    #[default]
    Auto,
    /// Every step advances every block and contracts it with δ at once. Memory does not depend on T.
    Streaming,
    /// Keeps D, G, u and δ of the window, then takes block after block through all T steps while it is in cache: as many
    /// multiply-adds as streaming, 1/T of the memory traffic of J.
    Blocked,
    /// The gradient of the window comes from a backward pass, an adjoint restricted to each block. J is carried
    /// over the whole window at once, by the product of its D, or not at all if it is dropped at the window's
    /// end.
    Adjoint,
}
