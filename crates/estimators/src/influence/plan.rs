//! How an influence is carried.

use super::transport::Transport;
use crate::Schedule;

/// [`BuildEstimator::narrowest`](crate::BuildEstimator::narrowest) of an [`Influence`](crate::Influence): without a carried J four
/// lanes together beat four single ones; with it, eight are needed.
pub(crate) fn narrowest(truncate: bool) -> usize {
    if truncate { 4 } else { 8 }
}

/// Everything about an [`Influence`](crate::Influence) but the net and the reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Number of lanes.
    pub lanes: usize,
    /// Steps between two calls of [`GradientEstimator::finish_window`](crate::GradientEstimator::finish_window), at most.
    pub window: usize,
    /// How the recursion is computed.
    pub schedule: Schedule,
    /// See [`SnapConfig::truncate`](crate::SnapConfig::truncate).
    pub truncate: bool,
    /// What carries the influence from step to step.
    pub transport: Transport,
}

impl Plan {
    /// A plan with D itself as transport, without truncation, under the schedule that is expected to be
    /// fastest.
    pub fn new(lanes: usize, window: usize) -> Self {
        Self { lanes, window, schedule: Schedule::Auto, truncate: false, transport: Transport::Exact }
    }
}
