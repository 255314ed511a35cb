//! Masks that change during training.

mod config;
mod matrix;
mod probe;
mod walk;

use rand_xoshiro::Xoshiro256PlusPlus;
use rtrl_cells::init::below;
use rtrl_cells::{Input, Masks};
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::Lanes;

use crate::model::Stream;
use crate::{ConfigError, Model, TrainError, TrainingConfig};
pub use config::{Matrices, RewiringConfig};
use matrix::{Matrix, Place};
use probe::Probe;
use walk::Walk;

/// Changes the masks of a training run.
pub(crate) struct Rewiring {
    config: RewiringConfig,
    /// The step at which masks were last considered; changes due up to it are done.
    done: u64,
    /// Whether the last window was skipped, so that the probe has no gradient of it.
    skipped: bool,
    matrices: Vec<Matrix>,
    /// Sparsity of each matrix at the beginning.
    initial: Vec<f64>,
    rng: Xoshiro256PlusPlus,
    probe: Option<Probe>,
    /// Of DEEP R.
    walk: Option<Walk>,
}

impl Rewiring {
    /// Rewiring for a net in a training of these settings.
    pub fn new(
        config: &RewiringConfig,
        model: &Model,
        training: &TrainingConfig,
    ) -> Result<Self, TrainError> {
        let matrices = matrix::of(model, config.matrices());
        let probe = matches!(config, RewiringConfig::Rigl { .. });
        let initial: Vec<f64> = matrices.iter().map(|m| m.sparsity(model.masks())).collect();
        if let RewiringConfig::Magnitude { sparsity, .. } = *config {
            let (field, allowed) = ("rewiring.sparsity", "at least that of every matrix that is pruned");
            if matrices.iter().any(|m| m.exist(model.masks()) < m.exist_at(sparsity)) {
                return Err(ConfigError::Value { field, allowed, found: sparsity.to_string() }.into());
            }
        }
        let mut rng = Stream::Regrowth.rng(training.seed);
        let walk = match *config {
            RewiringConfig::DeepR { drift, noise, .. } => {
                Some(Walk::new(model, &matrices, (drift, noise), &mut rng))
            }
            _ => None,
        };
        Ok(Self {
            initial,
            done: 0,
            skipped: false,
            rng,
            walk,
            probe: probe.then(|| Probe::new(model, training.lanes, training.window())).transpose()?,
            config: config.clone(),
            matrices,
        })
    }

    /// Makes the step that the training estimator makes. `delta` is its `∂L_t/∂h_t`.
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

    /// Moves weights after an update.
    pub fn updated(&mut self, weights: &mut [f32]) {
        if let Some(walk) = &self.walk {
            walk.step(weights, &mut self.rng);
        }
    }

    /// Resets a lane, which begins a new sequence. The window has no update.
    pub fn forget(&mut self, lane: usize) {
        self.skipped = true;
        if let Some(probe) = &mut self.probe {
            probe.forget(lane);
        }
    }

    /// The new masks, if a change is due after the window that ended at this step, skipped or not.
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
                RewiringConfig::DeepR { .. } => (exist, exist),
            };
            let crossed = self.walk.as_ref().map(|walk| walk.crossed(model.weights(), &places));
            let mut kept = match &crossed {
                Some(crossed) => matrix.remove(&masks, &places, crossed.iter().copied(), drop),
                None => matrix.prune(model, &masks, &places, drop),
            };
            let grow = grow.min(exist - kept.iter().filter(|&&kept| kept).count());
            self.grow(&matrix, &places, &mut kept, grow);
            if let (Some(walk), Some(crossed)) = (&mut self.walk, crossed) {
                // Drawn again at their own places, or the last of a unit.
                walk.turn(model.weights(), crossed.iter().filter(|&&i| kept[i]).map(|&i| &places[i]));
            }
            matrix.write(&mut masks, &kept);
        }
        (masks != model.masks()).then_some(masks)
    }

    /// Adds `grow` missing entries: those with the greatest gradients, or without a probe random ones.
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

    /// Adapts the probe and the walk to new masks.
    pub fn relay(&mut self, model: &Model) {
        self.probe.iter_mut().for_each(|probe| probe.relay(model));
        self.walk.iter_mut().for_each(|walk| walk.relay(model, &self.matrices));
    }

    /// Draws the values of new weights for `set`, and the signs of those for `deep-r`, after the model has taken over
    /// the masks. Otherwise values stay 0.
    pub fn initialize(&mut self, model: &mut Model, origin: &[Option<u32>]) {
        self.walk.iter_mut().for_each(|walk| walk.follow(origin, &mut self.rng));
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

/// How many weights are replaced: the same number is dropped and grown.
fn replaced(share: f64, exist: usize) -> (usize, usize) {
    let n = (share * exist as f64).round() as usize;
    (n, n)
}

impl Persist for Rewiring {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.value("rng", &mut self.rng)?;
        archive.value("done", &mut self.done)?;
        if let Some(probe) = &mut self.probe {
            archive.part("probe", probe)?;
        }
        match &mut self.walk {
            Some(walk) => archive.part("walk", walk),
            None => Ok(()),
        }
    }
}
