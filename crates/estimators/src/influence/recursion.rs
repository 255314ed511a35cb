//! J under the schedule in use.

use std::sync::Arc;

use rtrl_sparse::{Blocks, Carrying, Lanes, LanesMut, Scalar, Streaming, Windowed};

use super::plan::Plan;
use crate::Schedule;

/// Columns beyond which a block is split by rows, so that threads can share it: in exact RTRL all rows may have
/// the same reach, which makes one block of them.
const WIDE: usize = 4096;

/// J and the memory that advances it. A truncated adjoint keeps no J.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // There is one for each estimator.
pub(super) enum Recursion<T> {
    /// Every step advances J.
    Streaming(Streaming<T>),
    /// At the end of a window, block after block of J goes through all its steps.
    Blocked(Streaming<T>),
    /// The adjoint of a window that begins without influence.
    Truncated(Windowed<T>),
    /// The adjoint, and J carried over the whole window at once.
    Carried(Carrying<T>),
}

impl<T: Scalar> Recursion<T> {
    /// J of zeros under `schedule`, which must have been chosen: [`Schedule::Auto`] is treated as streaming.
    pub fn new(blocks: Blocks, schedule: Schedule, plan: Plan) -> Self {
        let Plan { lanes, window, truncate, .. } = plan;
        match schedule {
            Schedule::Adjoint if truncate => Self::Truncated(Windowed::new(blocks, lanes, window)),
            Schedule::Adjoint => Self::Carried(Carrying::new(blocks, lanes, window)),
            Schedule::Blocked => Self::Blocked(Streaming::for_windows(blocks.narrow(WIDE), lanes, window)),
            Schedule::Streaming | Schedule::Auto => {
                Self::Streaming(Streaming::new(blocks.narrow(WIDE), lanes))
            }
        }
    }

    /// The schedule in use: never [`Schedule::Auto`].
    pub fn schedule(&self) -> Schedule {
        match self {
            Self::Streaming(_) => Schedule::Streaming,
            Self::Blocked(_) => Schedule::Blocked,
            Self::Truncated(_) | Self::Carried(_) => Schedule::Adjoint,
        }
    }

    /// Whether every step advances J, so that no step needs to be kept for the end of its window.
    pub fn is_streaming(&self) -> bool {
        matches!(self, Self::Streaming(_))
    }

    /// The layout of J.
    pub fn blocks(&self) -> &Arc<Blocks> {
        match self {
            Self::Streaming(j) | Self::Blocked(j) => j.blocks(),
            Self::Truncated(window) => window.blocks(),
            Self::Carried(j) => j.blocks(),
        }
    }

    /// J, if it is kept.
    pub fn influence(&self) -> Option<Lanes<'_, T>> {
        match self {
            Self::Streaming(j) | Self::Blocked(j) => Some(j.influence()),
            Self::Truncated(_) => None,
            Self::Carried(j) => Some(j.influence()),
        }
    }

    /// J to be overwritten, if it is kept.
    pub fn influence_mut(&mut self) -> Option<LanesMut<'_, T>> {
        match self {
            Self::Streaming(j) | Self::Blocked(j) => Some(j.influence_mut()),
            Self::Truncated(_) => None,
            Self::Carried(j) => Some(j.influence_mut()),
        }
    }

    /// Bytes of J, its layout and the memory that one thread needs.
    pub fn bytes(&self) -> usize {
        let memory = match self {
            Self::Streaming(j) | Self::Blocked(j) => j.bytes(),
            Self::Truncated(window) => window.bytes(),
            Self::Carried(j) => j.bytes(),
        };
        self.blocks().index_bytes() + memory
    }
}
