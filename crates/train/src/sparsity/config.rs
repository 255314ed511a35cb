//! The configuration of masks that change.

use rtrl_cells::CellConfig;
use serde::{Deserialize, Serialize};

use crate::ConfigError;

/// How the masks, that is the set of weights that exist, change during training, as configuration files name it:
/// `kind = "magnitude"`. Biases always exist. Each matrix is treated separately, and no unit loses its last
/// incoming weight. Layers without masks (embeddings, quasi-LSTMs) do not change; a net without any other layer is
/// refused.
///
/// A change is due every `every` steps, counted from `begin`, or from the first step if there is no `begin`. It is
/// made at the end of the window in which it is due, even if a [`DivergencePolicy`](crate::DivergencePolicy) leaves
/// out the update of that window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum RewiringConfig {
    /// Gradual pruning of the weights of least magnitude. A matrix that begins with sparsity s₀ has, at step t of
    /// `begin..=end`, the sparsity `s + (s₀ − s) (1 − (t − begin) / (end − begin))³`. The last pruning is at `end`,
    /// whatever `every` is, so that s is reached. A configuration that cannot reach s is refused: because the run
    /// ends earlier, or a matrix is sparser from the start.
    ///
    /// # Reference
    /// Zhu & Gupta, "To prune, or not to prune", arXiv:1710.01878, equation 1.
    Magnitude {
        /// s: share of the weights that do not exist at the end.
        sparsity: f64,
        /// First step of the schedule.
        #[serde(default)]
        begin: u64,
        /// Last step of the schedule.
        end: u64,
        /// Steps between two prunings.
        every: u64,
        /// The matrices that change.
        #[serde(default)]
        matrices: Matrices,
    },
    /// Replaces the weights of least magnitude by as many new ones at random places. New weights are drawn as the
    /// initial ones are.
    ///
    /// # Reference
    /// Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse connectivity inspired
    /// by network science", Nature Communications 9 (2018). There the smallest positive and the largest negative
    /// weights are replaced; here it is those of least magnitude.
    Set {
        /// Share of the weights that is replaced.
        share: f64,
        /// Last step at which weights may be replaced.
        end: u64,
        /// Steps between two replacements.
        every: u64,
        /// The matrices that change.
        #[serde(default)]
        matrices: Matrices,
    },
    /// Replaces the weights of least magnitude by as many missing weights with the greatest gradients; these begin
    /// at 0. The gradient is that of the window that ends, by backpropagation through it. A skipped window has no
    /// gradient, so the next window makes the change. The share that is replaced falls along half a cosine, to 0 at
    /// `end`.
    ///
    /// # Reference
    /// Evci et al., "Rigging the lottery: making all tickets winners", arXiv:1911.11134, algorithm 1.
    Rigl {
        /// Share of the weights that is replaced at the beginning.
        share: f64,
        /// Last step at which weights may be replaced.
        end: u64,
        /// Steps between two replacements.
        every: u64,
        /// The matrices that change.
        #[serde(default)]
        matrices: Matrices,
    },
    /// DEEP R: a random walk over nets with the same number of weights. Every weight has a sign, which it keeps. After
    /// each update it is moved towards zero by `drift` and then by normal noise of the standard deviation `noise`; one that
    /// has crossed zero is dropped, and as many missing ones are drawn. New weights begin at 0, with random signs; one
    /// that is drawn at the place it has just left goes on with its new sign.
    ///
    /// # Reference
    /// Bellec, Kappel, Maass & Legenstein, "Deep rewiring: training very sparse deep networks", ICLR 2018, algorithm
    /// 1, with `drift` = η α and `noise` = √(2 η T). There weights are replaced after each update, as with `every` = 1 and
    /// windows of one step.
    DeepR {
        /// What each magnitude loses at an update.
        drift: f64,
        /// Standard deviation of the noise that is added to each weight at an update.
        noise: f64,
        /// Last step at which weights may be replaced. Drift and noise end with the run.
        end: u64,
        /// Steps between two replacements.
        every: u64,
        /// The matrices that change.
        #[serde(default)]
        matrices: Matrices,
    },
}

/// The matrices that change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Matrices {
    /// The matrices of recurrent weights.
    #[default]
    Recurrent,
    /// The matrices of recurrent weights and of input weights.
    All,
}

impl RewiringConfig {
    /// First and last step of the schedule, and the steps between two changes.
    pub(super) fn times(&self) -> (u64, u64, u64) {
        match *self {
            Self::Magnitude { begin, end, every, .. } => (begin, end, every),
            Self::Set { end, every, .. } | Self::Rigl { end, every, .. } | Self::DeepR { end, every, .. } => {
                (0, end, every)
            }
        }
    }

    pub(super) fn matrices(&self) -> Matrices {
        match *self {
            Self::Magnitude { matrices, .. }
            | Self::Set { matrices, .. }
            | Self::Rigl { matrices, .. }
            | Self::DeepR { matrices, .. } => matrices,
        }
    }

    /// The next step after `step` at which a change is due; `None` if there is none.
    pub(super) fn next(&self, step: u64) -> Option<u64> {
        let (begin, end, every) = self.times();
        let changes = (step.saturating_sub(begin) / every).saturating_add(1);
        let next = begin.saturating_add(changes.saturating_mul(every));
        // The sparsity depends on the step, and must reach its final value at `end`.
        let next = if matches!(self, Self::Magnitude { .. }) { next.min(end) } else { next };
        (step < next && next <= end).then_some(next)
    }

    /// Checks the settings for a net of these layers and a run of `steps` steps, or without an end.
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
            Self::DeepR { drift, noise, .. } => {
                let size = |size: f64| size >= 0.0 && size.is_finite();
                let allowed = "a number of at least 0";
                match (size(drift), size(noise)) {
                    (false, _) => error("rewiring.drift", allowed, drift.to_string()),
                    (_, false) => error("rewiring.noise", allowed, noise.to_string()),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
