//! Three ways to compute the same numbers.

use serde::{Deserialize, Serialize};

/// How the influence recursion of a window of T steps is carried out. All agree to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Whichever [`ScheduleCosts`](crate::ScheduleCosts) finds cheapest.
    #[default]
    Auto,
    /// Every step updates every block and contracts it with δ at once. Memory does not depend on T.
    Streaming,
    /// Keeps D, G, u and δ of the window, then takes block after block through all T steps while it is in cache: as many
    /// multiply-adds as streaming, 1/T of the memory traffic of J.
    Blocked,
    /// The gradient of the window by the adjoint restricted to each block; the influence of the window is formed once,
    /// by the product of its transitions, or never if it is dropped.
    Adjoint,
}
