//! Which weights exist, changing during training.

mod matrix;
mod probe;

use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_cells::init::below;
use rtrl_cells::{CellConfig, Input, Masks};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::Lanes;
use serde::{Deserialize, Serialize};

use crate::model::Stream;
use crate::{ConfigError, Model, TrainError};
use matrix::{Matrix, Place};
use probe::Probe;

/// How the set of weights that exist changes, as configuration files name it: `kind = "magnitude"`. Biases always exist;
/// each matrix is treated on its own, and no unit loses its last incoming weight. Layers without masks (embeddings,
/// quasi-LSTMs) stay as they are; a net of nothing else is refused.
///
/// Changes are due every `every` steps, counted from `begin` or else from the first step; each is made at the end of the
/// window in which it is due, also of one whose update a [`DivergencePolicy`](crate::DivergencePolicy) leaves out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
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
pub enum Matrices {
    /// Those of the recurrent weights.
    #[default]
    Recurrent,
    /// Those of the inputs too.
    All,
}

impl RewiringConfig {
    /// First and last step, and the steps between two changes.
    fn times(&self) -> (u64, u64, u64) {
        match *self {
            Self::Magnitude { begin, end, every, .. } => (begin, end, every),
            Self::Set { end, every, .. } | Self::Rigl { end, every, .. } => (0, end, every),
        }
    }

    fn matrices(&self) -> Matrices {
        match *self {
            Self::Magnitude { matrices, .. } | Self::Set { matrices, .. } | Self::Rigl { matrices, .. } => {
                matrices
            }
        }
    }

    /// The first time after `step` at which a change is due.
    fn next(&self, step: u64) -> Option<u64> {
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

/// Changes the masks of a training run.
pub(crate) struct Rewiring {
    config: RewiringConfig,
    /// The step until which everything that was due is done.
    done: u64,
    /// Whether the window that ended was skipped, so that the probe has no gradient of it.
    skipped: bool,
    matrices: Vec<Matrix>,
    /// Sparsity of each matrix at the beginning.
    initial: Vec<f64>,
    rng: Xoshiro256PlusPlus,
    probe: Option<Probe>,
}

impl Rewiring {
    /// For a net that learns in windows of `window` steps.
    pub fn new(config: &RewiringConfig, model: &Model, window: usize) -> Result<Self, TrainError> {
        let matrices = matrix::of(model, config.matrices());
        let probe = matches!(config, RewiringConfig::Rigl { .. });
        let initial: Vec<f64> = matrices.iter().map(|m| m.sparsity(model.masks())).collect();
        if let RewiringConfig::Magnitude { sparsity, .. } = *config {
            let (field, allowed) = ("rewiring.sparsity", "at least that of every matrix that is pruned");
            if matrices.iter().any(|m| m.exist(model.masks()) < m.exist_at(sparsity)) {
                return Err(ConfigError::Value { field, allowed, found: sparsity.to_string() }.into());
            }
        }
        Ok(Self {
            initial,
            done: 0,
            skipped: false,
            rng: Stream::Regrowth.rng(model.config().training.seed),
            probe: probe.then(|| Probe::new(model, window)).transpose()?,
            config: config.clone(),
            matrices,
        })
    }

    /// The same step as the estimator that trains.
    pub fn step(&mut self, model: &Model, input: Input<'_, f32>, starts: &[bool], delta: Lanes<'_, f32>) {
        if let Some(probe) = &mut self.probe {
            probe.step(model, input, starts, delta);
        }
    }

    /// Ends the window, before the weights change.
    pub fn finish_window(&mut self, model: &Model) {
        self.skipped = false;
        if let Some(probe) = &mut self.probe {
            probe.finish_window(model);
        }
    }

    /// A lane begins anew, and the window has no update.
    pub fn forget(&mut self, lane: usize) {
        self.skipped = true;
        if let Some(probe) = &mut self.probe {
            probe.forget(lane);
        }
    }

    /// The masks from now on, if they change after the window that ended at this step, skipped or not.
    pub fn due(&mut self, model: &Model, step: u64) -> Option<Vec<Masks>> {
        if step < self.config.next(self.done)? || (self.skipped && self.probe.is_some()) {
            return None;
        }
        self.done = step;
        let (begin, end, _) = self.config.times();
        let done = (step.min(end) - begin) as f64 / (end - begin) as f64;
        let mut masks = model.masks().to_vec();
        for (index, initial) in self.initial.clone().into_iter().enumerate() {
            let matrix = self.matrices[index];
            let places = matrix.places(model);
            let exist = places.iter().filter(|place| place.weight.is_some()).count();
            let (drop, grow) = match self.config {
                RewiringConfig::Magnitude { sparsity, .. } => {
                    let now = sparsity + (initial - sparsity) * (1.0 - done).powi(3);
                    (exist.saturating_sub(matrix.exist_at(now)), 0)
                }
                RewiringConfig::Set { share, .. } => replaced(share, exist),
                RewiringConfig::Rigl { share, .. } => {
                    replaced(0.5 * share * (1.0 + (std::f64::consts::PI * done).cos()), exist)
                }
            };
            let mut kept = matrix.prune(model, &masks, &places, drop);
            let grow = grow.min(exist - kept.iter().filter(|&&kept| kept).count());
            self.grow(&matrix, &places, &mut kept, grow);
            matrix.write(&mut masks, &kept);
        }
        (masks != model.masks()).then_some(masks)
    }

    /// Adds `grow` entries that are not there.
    fn grow(&mut self, matrix: &Matrix, places: &[Place], kept: &mut [bool], grow: usize) {
        let mut missing: Vec<usize> = (0..kept.len()).filter(|&i| !kept[i]).collect();
        match &self.probe {
            Some(probe) => {
                let score = |i: usize| probe.gradient(matrix, &places[i]).abs();
                missing.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
            }
            None => {
                for chosen in 0..grow.min(missing.len()) {
                    let left = (missing.len() - chosen) as u64;
                    let other = chosen + below(&mut self.rng, left) as usize;
                    missing.swap(chosen, other);
                }
            }
        }
        missing.iter().take(grow).for_each(|&i| kept[i] = true);
    }

    /// Goes on with other masks.
    pub fn relay(&mut self, model: &Model) {
        self.probe.iter_mut().for_each(|probe| probe.relay(model));
    }

    /// Gives new weights their values, after the model has taken up the masks.
    pub fn initialize(&mut self, model: &mut Model, origin: &[Option<u32>]) {
        if matches!(self.config, RewiringConfig::Set { .. }) {
            let drawn = rtrl_cells::init::uniform::<f32>(model.stack(), &mut self.rng);
            for ((w, origin), drawn) in model.weights.iter_mut().zip(origin).zip(drawn) {
                if origin.is_none() {
                    *w = drawn;
                }
            }
        }
    }
}

/// What a share of the weights is, as a number to drop and to grow.
fn replaced(share: f64, exist: usize) -> (usize, usize) {
    let n = (share * exist as f64).round() as usize;
    (n, n)
}

impl Persist for Rewiring {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.value("rng", &mut self.rng)?;
        archive.value("done", &mut self.done)?;
        match &mut self.probe {
            Some(probe) => archive.part("probe", probe),
            None => Ok(()),
        }
    }
}
