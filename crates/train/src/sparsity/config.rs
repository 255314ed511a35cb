//! How masks are to change.

use rtrl_cells::CellConfig;
use serde::{Deserialize, Serialize};

use crate::ConfigError;

/// How the set of weights that exist changes, as configuration files name it: `kind = "magnitude"`. Biases always exist;
/// each matrix is treated on its own, and no unit loses its last incoming weight. Layers without masks (embeddings,
/// quasi-LSTMs) stay as they are; a net of nothing else is refused.
///
/// Changes are due every `every` steps, counted from `begin` or else from the first step; each is made at the end of the
/// window in which it is due, also of one whose update a [`DivergencePolicy`](crate::DivergencePolicy) leaves out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum RewiringConfig {
    /// Gradual pruning of the weights of least magnitude: a matrix of sparsity s₀ has, at step t of `begin..=end`, the
    /// sparsity `s + (s₀ − s) (1 − (t − begin) / (end − begin))³`. The last pruning is at `end`, whatever `every` is, so
    /// that s is reached; what cannot reach it, because the run ends before or a matrix is sparser from the start, is
    /// refused.
    ///
    /// # Reference
    /// Zhu & Gupta, "To prune, or not to prune", arXiv:1710.01878, equation 1.
    Magnitude {
        /// s: the share of weights that do not exist at the end.
        sparsity: f64,
        /// First step.
        #[serde(default)]
        begin: u64,
        /// Last step.
        end: u64,
        /// Steps between two prunings.
        every: u64,
        /// Which matrices.
        #[serde(default)]
        matrices: Matrices,
    },
    /// Replaces the weights of least magnitude by as many new ones at random places, with values drawn as the initial
    /// ones.
    ///
    /// # Reference
    /// Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse connectivity inspired by network
    /// science", Nature Communications 9 (2018), with magnitude in place of its two signs.
    Set {
        /// The share of the weights that is replaced.
        share: f64,
        /// Last step.
        end: u64,
        /// Steps between two replacements.
        every: u64,
        /// Which matrices.
        #[serde(default)]
        matrices: Matrices,
    },
    /// Replaces the weights of least magnitude by as many where the gradient of a missing weight is greatest, with the value
    /// 0. The gradient is that of the window that ends, by backpropagation through it; a window that was skipped has none,
    /// and the next one makes the change. The share that is replaced falls along half a cosine to 0 at the last step.
    ///
    /// # Reference
    /// Evci et al., "Rigging the lottery: making all tickets winners", arXiv:1911.11134, algorithm 1.
    Rigl {
        /// The share of the weights that is replaced at first.
        share: f64,
        /// Last step.
        end: u64,
        /// Steps between two replacements.
        every: u64,
        /// Which matrices.
        #[serde(default)]
        matrices: Matrices,
    },
}

/// Which matrices change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Matrices {
    /// Those of the recurrent weights.
    #[default]
    Recurrent,
    /// Those of the inputs too.
    All,
}

impl RewiringConfig {
    /// First and last step, and the steps between two changes.
    pub(super) fn times(&self) -> (u64, u64, u64) {
        match *self {
            Self::Magnitude { begin, end, every, .. } => (begin, end, every),
            Self::Set { end, every, .. } | Self::Rigl { end, every, .. } => (0, end, every),
        }
    }

    pub(super) fn matrices(&self) -> Matrices {
        match *self {
            Self::Magnitude { matrices, .. } | Self::Set { matrices, .. } | Self::Rigl { matrices, .. } => {
                matrices
            }
        }
    }

    /// The first time after `step` at which a change is due.
    pub(super) fn next(&self, step: u64) -> Option<u64> {
        let (begin, end, every) = self.times();
        let changes = (step.saturating_sub(begin) / every).saturating_add(1);
        let next = begin.saturating_add(changes.saturating_mul(every));
        // The share that is pruned depends on the time, and has to reach its end.
        let next = if matches!(self, Self::Magnitude { .. }) { next.min(end) } else { next };
        (step < next && next <= end).then_some(next)
    }

    /// For a net of these layers and a run of at most `steps` steps.
    pub(crate) fn validate(&self, layers: &[CellConfig], steps: Option<u64>) -> Result<(), ConfigError> {
        let (begin, end, every) = self.times();
        let error = |field, allowed, found: String| Err(ConfigError::Value { field, allowed, found });
        if every == 0 {
            return error("rewiring.every", "at least 1", "0".into());
        }
        if begin >= end {
            return error("rewiring.end", "after the first step", end.to_string());
        }
        if !layers.iter().any(CellConfig::is_masked) {
            return error("rewiring", "left out, as no layer has masks that could change", "it".into());
        }
        match *self {
            Self::Magnitude { .. } if steps.is_some_and(|steps| end > steps) => error(
                "rewiring.end",
                "within the steps of the run, or its sparsity is not reached",
                end.to_string(),
            ),
            Self::Magnitude { sparsity, .. } if !(0.0..1.0).contains(&sparsity) => {
                error("rewiring.sparsity", "in 0.0..1.0", sparsity.to_string())
            }
            Self::Set { share, .. } | Self::Rigl { share, .. } if !(0.0..=1.0).contains(&share) => {
                error("rewiring.share", "in 0.0..=1.0", share.to_string())
            }
            _ => Ok(()),
        }
    }
}
