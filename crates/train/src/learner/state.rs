//! Several streams that share the weights of a learner.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_estimators::GradientEstimator;
use rtrl_tasks::Signal;

use super::Learner;
use crate::TrainError;

/// What a [`Learner`] carries from step to step beside its weights: the net's state, the estimator with its influence, and a
/// prediction that waits for its target. With one for each of many streams, one net learns from all of them: before a step
/// of a stream, its state is [exchanged](Learner::swap_state) for that of the stream before.
///
/// ```
/// use rtrl_cells::Input;
/// use rtrl_sparse::Lanes;
/// use rtrl_tasks::Signal;
/// use rtrl_train::{Learner, RunConfig, Targets};
///
/// let config = RunConfig::from_toml(
///     r#"
///     layers = [{ kind = "gru", units = 4 }]
///     estimator = { kind = "snap", order = 1 }
///     optimizer = { kind = "adam", learning_rate = 0.01 }
///     training = { lanes = 1, window = 1, seed = 0 }
///     "#,
///     "example",
/// )?;
/// let mut learner = Learner::new(&config, Signal::Values(1), Signal::Values(1))?;
/// // The learner holds the state of the first stream, `other` that of the second.
/// let mut other = learner.new_state()?;
/// for t in 0..100 {
///     for stream in [1.0, -1.0] {
///         let now = [stream * (0.3 * t as f32).sin()];
///         if t > 0 {
///             learner.learn(Targets::Values(&[Some(now[0])]))?;
///         }
///         learner.predict(Input::Dense(Lanes::new(&now, 1)), &[t == 0]);
///         learner.swap_state(&mut other);
///     }
/// }
/// assert_eq!(learner.steps(), 198);
/// # Ok::<(), rtrl_train::TrainError>(())
/// ```
pub struct LearnerState {
    inputs: Signal,
    estimator: Box<dyn GradientEstimator<f32>>,
    carried: Vec<f32>,
    symbols: Vec<u32>,
    values: Vec<f32>,
    starts: Vec<bool>,
    restart: Vec<bool>,
    pending: bool,
}

impl Learner {
    /// The state of a new stream, which has made no step.
    ///
    /// # Errors
    /// If the estimator cannot be built.
    pub fn new_state(&self) -> Result<LearnerState, TrainError> {
        let (config, lanes) = (&self.learning.config, self.starts.len());
        let (stack, training) = (self.learning.model.stack().clone(), &config.training);
        Ok(LearnerState {
            inputs: self.learning.model.signals().0,
            estimator: config.learning.estimator.reseeded(training.seed).build(
                stack,
                lanes,
                training.window(),
            )?,
            carried: vec![0.0; self.carried.len()],
            symbols: vec![0; self.symbols.len()],
            values: vec![0.0; self.values.len()],
            starts: vec![false; lanes],
            restart: vec![false; lanes],
            pending: false,
        })
    }

    /// Goes on with the stream of `other`, which becomes the state of the stream so far. Weights, optimizers and counts stay.
    /// A prediction that waits for its target is made again by the weights as they are now. Allocates nothing.
    ///
    /// # Panics
    /// In the middle of a window, or if the state belongs to a learner of another net.
    pub fn swap_state(&mut self, other: &mut LearnerState) {
        assert_eq!(self.learning.made, 0, "steps of the window so far");
        assert_eq!(
            other.carried.len(),
            self.carried.len(),
            "numbers of the state (left) and of the learner (right)"
        );
        std::mem::swap(&mut self.learning.estimator, &mut other.estimator);
        std::mem::swap(&mut self.learning.restart, &mut other.restart);
        std::mem::swap(&mut self.carried, &mut other.carried);
        std::mem::swap(&mut self.symbols, &mut other.symbols);
        std::mem::swap(&mut self.values, &mut other.values);
        std::mem::swap(&mut self.starts, &mut other.starts);
        std::mem::swap(&mut self.pending, &mut other.pending);
        if self.pending {
            self.forecast();
        }
    }
}

impl Persist for LearnerState {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.part("estimator", &mut *self.estimator)?;
        archive.slice("state", &mut self.carried)?;
        archive.slice("symbols", &mut self.symbols)?;
        if let Signal::Symbols(n) = self.inputs {
            let inside = self.symbols.iter().all(|&symbol| (symbol as usize) < n);
            archive.check("symbols", inside, || format!("a symbol outside 0..{n}"))?;
        }
        archive.slice("values", &mut self.values)?;
        archive.slice("starts", &mut self.starts)?;
        archive.slice("restart", &mut self.restart)?;
        archive.value("pending", &mut self.pending)
    }
}

impl std::fmt::Debug for LearnerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LearnerState").field("pending", &self.pending).finish_non_exhaustive()
    }
}
