//! Online learning from data that the caller brings, one time step at a time.

pub(crate) mod state;

use std::path::Path;

use rtrl_cells::{Input, Inputs, Rollout, Trace};
use rtrl_checkpoint::{Archive, ArchiveError, CheckpointError, Loaded, Persist};
use rtrl_estimators::Cost;
use rtrl_sparse::Lanes;
use rtrl_tasks::Signal;

use crate::learning::Learning;
use crate::{
    ConfigError, DivergencePolicy, Model, Predictor, Rates, RunConfig, StepReport, Targets, TrainError,
};

/// A net that learns online from steps that its caller brings. [`predict`](Self::predict) reads an input and
/// returns the prediction; [`learn`](Self::learn) is given the target. Any amount of time may pass between the two.
/// The state can be saved between windows, so at any moment with a window of 1. A restored learner goes on bit for
/// bit, including a prediction that waits for its target.
///
/// A prediction is made without the estimator, from a copy of the net's state. The same step is made once more when
/// its target is known. That costs one forward step more than [`Trainer`](crate::Trainer) needs; in return the
/// estimator's state is that of complete steps at any time. A step allocates nothing.
///
/// ```
/// use rtrl_cells::Input;
/// use rtrl_sparse::Lanes;
/// use rtrl_tasks::Signal;
/// use rtrl_train::{Learner, RunConfig, Targets};
///
/// let config = RunConfig::from_toml(
///     r#"
///     layers = [{ kind = "gru", units = 16 }]
///     estimator = { kind = "snap", order = 1 }
///     optimizer = { kind = "adam", learning_rate = 0.01 }
///     training = { lanes = 1, window = 1, seed = 0 }
///     "#,
///     "example",
/// )?;
/// let mut learner = Learner::new(&config, Signal::Values(1), Signal::Values(1))?;
/// let mut errors = Vec::new();
/// for t in 0..2000 {
///     let now = [(0.3 * t as f32).sin()];
///     if t > 0 {
///         // What came is the target of the prediction that was made one step before.
///         errors.push(learner.learn(Targets::Values(&[Some(now[0])]))?.loss);
///     }
///     let next = learner.predict(Input::Dense(Lanes::new(&now, 1)), &[t == 0]);
///     assert_eq!(next.values().len(), 1);
/// }
/// let mean = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len() as f64;
/// assert!(mean(&errors[1900..]) < 0.1 * mean(&errors[..100]));
/// # Ok::<(), rtrl_train::TrainError>(())
/// ```
pub struct Learner {
    learning: Learning,
    /// The net's state after the last complete step, `[states][lanes]`.
    carried: Vec<f32>,
    rollout: Rollout<f32>,
    trace: Trace<f32>,
    /// The predicted step: its input (`symbols` or `values`, the other is empty), and which lanes begin a new
    /// sequence.
    symbols: Vec<u32>,
    values: Vec<f32>,
    starts: Vec<bool>,
    /// Whether a predicted step waits for its target.
    pending: bool,
    /// Number of targets, and of steps with a target, in the window so far.
    targets: u64,
    with_target: u64,
    /// Steps with a target, in windows that have changed weights.
    learned: u64,
}

impl Learner {
    /// The initial net of `config`, for these inputs and targets. The configuration's task, comparison, rewiring and
    /// `training.whole_sequences` are ignored. A learner has no last step: only a schedule with an end uses
    /// `training.steps`, as the step at which it ends; otherwise they are removed from the learner's configuration.
    ///
    /// # Errors
    /// If a part of the configuration is invalid, or the policy is [`DivergencePolicy::RollBack`], which would have
    /// to read the data again.
    pub fn new(config: &RunConfig, inputs: Signal, targets: Signal) -> Result<Self, TrainError> {
        config.validate()?;
        check_policy(&config.learning.divergence)?;
        Self::from_model(Model::new(config, inputs, targets)?, config)
    }

    /// Begins with the weights and masks of `model`. Only the net is taken over: states, influence, moments of the
    /// optimizer, schedules and counts of steps begin at zero. A configuration without layers takes those of the
    /// model.
    ///
    /// # Errors
    /// As [`new`](Self::new), or if the configuration describes another net.
    pub fn from_model(model: Model, config: &RunConfig) -> Result<Self, TrainError> {
        check_policy(&config.learning.divergence)?;
        let mut config = config.clone();
        config.training.whole_sequences = false;
        if !config.learning.update.schedule.has_end() {
            config.training.steps = None;
        }
        let lanes = config.training.lanes;
        let learning = Learning::new(model, config)?;
        let stack = learning.model.stack();
        let (symbols, values) = match stack.inputs() {
            Inputs::Symbols(_) => (lanes, 0),
            Inputs::Dense(n) => (0, n * lanes),
        };
        Ok(Self {
            carried: vec![0.0; stack.states() * lanes],
            rollout: stack.rollout(lanes),
            trace: stack.trace(lanes),
            symbols: vec![0; symbols],
            values: vec![0.0; values],
            starts: vec![false; lanes],
            pending: false,
            targets: 0,
            with_target: 0,
            learned: 0,
            learning,
        })
    }

    /// The current net. The run that it belongs to is the one that the learner began with, whatever was set since.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.learning.model
    }

    /// The current net; the rest of the learner is dropped.
    #[must_use]
    pub fn into_model(self) -> Model {
        self.learning.model
    }

    /// A copy of net and state that predicts and does not learn; this learner does not change. If a prediction
    /// waits for its target, the fork has read its input, and [`prediction`](Predictor::prediction) of the fork
    /// returns it. Otherwise the fork's state is the one after the last step.
    #[must_use]
    pub fn fork(&self) -> Predictor {
        let mut fork = Predictor::new(&self.learning.model, self.starts.len());
        self.fork_into(&mut fork);
        fork
    }

    /// Turns `predictor`, an earlier fork of this learner, into a new [`fork`](Self::fork) without allocating, for
    /// a fork at every step. (If a clone of the predictor still exists, they share their weights, and new ones are
    /// allocated. Changed masks allocate too.)
    ///
    /// # Panics
    /// If the predictor has the same net and another number of lanes.
    pub fn fork_into(&self, predictor: &mut Predictor) {
        let Self { learning, carried, rollout, starts, pending, .. } = self;
        // In a pending prediction the lanes to restart have been reset already.
        let (state, restart) = match pending {
            true => (rollout.state(), &[][..]),
            false => (Lanes::new(carried, starts.len()), &learning.restart[..]),
        };
        predictor.follow(&learning.model, state, restart, *pending);
    }

    /// Number of time steps made, with a target or without.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.learning.steps
    }

    /// Number of [`steps`](Self::steps) with a target in windows that have changed weights. An incomplete window
    /// does not count, nor does one that was skipped because of NaN or infinity.
    #[must_use]
    pub fn learned(&self) -> u64 {
        self.learned
    }

    /// The learning rates, before the factors of the schedule and of groups.
    #[must_use]
    pub fn rates(&self) -> Rates {
        self.learning.updater.rates()
    }

    /// Sets the learning rates from the next update on, in place of the configured one; 0 freezes the weights. Like
    /// all that is set, they are saved and restored with the learner.
    ///
    /// # Errors
    /// If a rate is negative, NaN or infinite; then nothing has changed.
    pub fn set_rates(&mut self, rates: Rates) -> Result<(), ConfigError> {
        self.learning.updater.set_rates(rates)
    }

    /// Largest norm of the gradient of all parameters together; `None` for no limit.
    #[must_use]
    pub fn clip(&self) -> Option<f64> {
        self.learning.updater.clip()
    }

    /// Sets the largest norm of the gradient of all parameters together, from the next update on; `None` for no
    /// limit.
    ///
    /// # Errors
    /// If the norm is not a positive number; then nothing has changed.
    pub fn set_clip(&mut self, norm: Option<f64>) -> Result<(), ConfigError> {
        self.learning.updater.set_clip(norm)
    }

    /// What is done when a number becomes NaN or infinite.
    #[must_use]
    pub fn divergence(&self) -> &DivergencePolicy {
        &self.learning.policy
    }

    /// Sets what is done when a number becomes NaN or infinite, from now on.
    ///
    /// # Errors
    /// For the policies that [`new`](Self::new) refuses; then nothing has changed.
    pub fn set_divergence(&mut self, policy: DivergencePolicy) -> Result<(), ConfigError> {
        check_policy(&policy)?;
        self.learning.policy = policy;
        Ok(())
    }

    /// Saves the learner between windows, for [`restore`](Self::restore). The file is replaced as a whole or not at
    /// all, and the earlier file is kept as [`previous`](rtrl_checkpoint::previous).
    ///
    /// # Errors
    /// If a window is not complete, or the file cannot be written.
    pub fn save(&mut self, path: impl AsRef<Path>) -> Result<(), TrainError> {
        let path = path.as_ref();
        rtrl_checkpoint::save(path, |archive| self.persist(archive))
            .map_err(|source| TrainError::Checkpoint { path: path.to_path_buf(), source })
    }

    /// Continues, bit for bit, from the learner saved at `path`, or from the one saved before if that file cannot
    /// be used. If there is no file, nothing changes. Returns which of the three it was. While it restores, two
    /// learners are in memory.
    ///
    /// # Errors
    /// If there are files and none can be used, or they belong to a learner of another configuration; then nothing
    /// has changed.
    pub fn restore(&mut self, path: impl AsRef<Path>) -> Result<Loaded<()>, TrainError> {
        let path = path.as_ref();
        let build =
            || Self::from_model(self.model().clone(), &self.learning.config).map_err(RestoreError::Build);
        let loaded = rtrl_checkpoint::load_latest(path, build, |learner, archive| learner.persist(archive));
        match loaded {
            Ok(Loaded::Nothing) => Ok(Loaded::Nothing),
            Ok(Loaded::Latest(learner)) => {
                *self = learner;
                Ok(Loaded::Latest(()))
            }
            Ok(Loaded::Previous(learner, why)) => {
                *self = learner;
                Ok(Loaded::Previous((), why))
            }
            Err(RestoreError::Build(error)) => Err(error),
            Err(RestoreError::Checkpoint(source)) => {
                Err(TrainError::Checkpoint { path: path.to_path_buf(), source })
            }
        }
    }

    /// The level of instructions at which the restored state was saved, if it is not the current one. The numbers
    /// then differ by rounding from those of a learner that was not interrupted.
    #[must_use]
    pub fn resumed_from(&self) -> Option<&str> {
        self.learning.resumed_from.as_deref()
    }

    /// Counted cost of the estimator.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.learning.estimator.cost()
    }

    /// Reads an input in every lane and returns the prediction, `[outputs][lanes]`: log-probabilities in nats, or
    /// numbers. Lanes with `starts[b]` first forget their state and influence. If it is called again before
    /// [`learn`](Self::learn), the new input replaces the earlier one.
    ///
    /// # Panics
    /// If lanes, sizes or the kind of input do not fit, or a symbol is out of range; then nothing has changed.
    pub fn predict(&mut self, input: Input<'_, f32>, starts: &[bool]) -> Lanes<'_, f32> {
        let lanes = self.starts.len();
        assert_eq!(starts.len(), lanes, "lanes of `starts`");
        match (input, self.learning.model.signals().0) {
            (Input::Symbols(symbols), Signal::Symbols(n)) => {
                assert_eq!(symbols.len(), lanes, "lanes of the input");
                for &symbol in symbols {
                    assert!((symbol as usize) < n, "the net reads symbols 0..{n}, found {symbol}");
                }
                self.symbols.copy_from_slice(symbols);
            }
            (Input::Dense(values), Signal::Values(n)) => {
                assert_eq!((values.len(), values.lanes()), (n, lanes), "numbers and lanes of the input");
                self.values.copy_from_slice(values.values());
            }
            (Input::Symbols(_), Signal::Values(n)) => panic!("the net reads {n} numbers, not symbols"),
            (Input::Dense(_), Signal::Symbols(n)) => panic!("the net reads symbols 0..{n}, not numbers"),
        }
        self.starts.copy_from_slice(starts);
        self.pending = true;
        self.forecast()
    }

    /// Returns the prediction that waits for its target once more, also after a restoration.
    ///
    /// # Panics
    /// If no prediction waits for its target.
    pub fn prediction(&mut self) -> Lanes<'_, f32> {
        assert!(self.pending, "nothing is predicted: call `predict` first");
        self.forecast()
    }

    fn forecast(&mut self) -> Lanes<'_, f32> {
        let Self { learning, carried, rollout, trace, symbols, values, starts, .. } = self;
        rollout.state_mut().values_mut().copy_from_slice(carried);
        // Skipped lanes begin a new sequence; `learning` keeps their flags until its own step.
        for (starts, restart) in starts.iter_mut().zip(&learning.restart) {
            *starts |= restart;
        }
        let model = &mut learning.model;
        let input = input_of(symbols, values, starts.len());
        model.stack().forward(model.weights(), input, starts, rollout, trace);
        let hidden = rollout.state().slice(model.stack().hidden());
        model.readout.read(input);
        model.readout.forward(hidden)
    }

    /// Learns from the targets of the last [`predict`](Self::predict). A lane without a target changes only its
    /// state and influence. At the end of a window with a target the weights change. In a window without any target
    /// nothing is updated: weights, moments and weight decay stay as they are, and schedules do not advance.
    ///
    /// # Errors
    /// If a loss, state, influence or gradient becomes NaN or infinite and the policy does not provide for it. The
    /// step counts as made, and its window is discarded: weights, masks and optimizers are as they were before the
    /// window, and every lane begins a new sequence with the next step, which begins a new window. If the next
    /// window fails too, the weights are too large: restore an earlier state.
    ///
    /// # Panics
    /// If no prediction waits for its target, or sizes or the kind of targets do not fit.
    pub fn learn(&mut self, targets: Targets<'_>) -> Result<StepReport, TrainError> {
        self.complete(Some(targets))
    }

    /// Completes the predicted step without any target: [`learn`](Self::learn) with `None` everywhere. The net's
    /// state and the estimator's influence advance. If the step ends a window with a target, the weights change.
    ///
    /// # Errors
    /// As [`learn`](Self::learn).
    ///
    /// # Panics
    /// If no prediction waits for its target.
    pub fn skip(&mut self) -> Result<StepReport, TrainError> {
        self.complete(None)
    }

    fn complete(&mut self, targets: Option<Targets<'_>>) -> Result<StepReport, TrainError> {
        assert!(std::mem::take(&mut self.pending), "nothing is predicted: call `predict` first");
        let Self { learning, symbols, values, starts, .. } = self;
        learning.step(input_of(symbols, values, starts.len()), starts);
        let learned = self.learn_step(targets);
        self.carried.copy_from_slice(self.rollout.state().values());
        if learned.is_err() {
            self.abandon();
        }
        learned
    }

    fn learn_step(&mut self, targets: Option<Targets<'_>>) -> Result<StepReport, TrainError> {
        let learning = &mut self.learning;
        learning.observe(targets)?;
        let count = targets.map_or(0, |targets| targets.count() as u64);
        let mut report = StepReport { targets: count, loss: learning.losses.iter().sum::<f64>(), skipped: 0 };
        self.targets += count;
        self.with_target += u64::from(count > 0);
        if learning.made == learning.config.training.window() {
            learning.finish_window();
            report.skipped = learning.check()?;
            if report.skipped == 0 && self.targets > 0 {
                learning.update(self.targets);
                self.learned += self.with_target;
            }
            (self.targets, self.with_target) = (0, 0);
        }
        Ok(report)
    }

    /// Gives up the window, after an error.
    fn abandon(&mut self) {
        self.learning.abandon();
        (self.targets, self.with_target) = (0, 0);
    }
}

fn input_of<'a>(symbols: &'a [u32], values: &'a [f32], lanes: usize) -> Input<'a, f32> {
    if symbols.is_empty() { Input::Dense(Lanes::new(values, lanes)) } else { Input::Symbols(symbols) }
}

/// Refuses the policies that a learner cannot follow.
fn check_policy(policy: &DivergencePolicy) -> Result<(), ConfigError> {
    let DivergencePolicy::RollBack { .. } = policy else { return Ok(()) };
    let (field, found) = ("divergence.policy", "roll-back".into());
    let allowed = "`stop` or `skip-lane` for a learner, whose data do not come again";
    Err(ConfigError::Value { field, allowed, found })
}

/// The errors that [`load_latest`](rtrl_checkpoint::load_latest) may return here.
enum RestoreError {
    Build(TrainError),
    Checkpoint(CheckpointError),
}

impl From<CheckpointError> for RestoreError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}

impl std::fmt::Debug for Learner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Learner")
            .field("model", self.model())
            .field("steps", &self.steps())
            .field("learned", &self.learned)
            .finish_non_exhaustive()
    }
}

impl Learner {
    /// Saves or restores the fields that older checkpoints do not have. For those every step counts as learned
    /// from, and the policy is the configured one.
    fn persist_later(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let configured = &self.learning.config.learning.divergence;
        let (mut learned, mut policy) = match archive.is_loading() {
            true => (self.steps(), configured),
            false => (self.learned, &self.learning.policy),
        };
        if archive.next_is("learned") {
            archive.value("learned", &mut learned)?;
            let impossible = || format!("{learned} of {} steps", self.steps());
            archive.check("learned", learned <= self.steps(), impossible)?;
            let mut skip = *policy == DivergencePolicy::SkipLane;
            archive.value("skip-lane", &mut skip)?;
            policy = if skip { &DivergencePolicy::SkipLane } else { &DivergencePolicy::Stop };
        }
        (self.learned, self.learning.policy) = (learned, policy.clone());
        Ok(())
    }
}

impl Persist for Learner {
    /// Saves between windows, so at any time with a window of 1; restores at any time, into any state. A checkpoint
    /// never holds what an estimator has gathered within a window.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        if archive.is_loading() {
            self.abandon();
        }
        let (made, window) = (self.learning.made, self.learning.config.training.window());
        archive.check("window", made == 0, || {
            format!(
                "{made} of the {window} steps of a window are made, and it can be saved only between windows"
            )
        })?;
        self.learning.persist_net(archive)?;
        self.learning.persist_place(archive)?;
        archive.slice("state", &mut self.carried)?;
        archive.slice("symbols", &mut self.symbols)?;
        if let Signal::Symbols(n) = self.learning.model.signals().0 {
            let inside = self.symbols.iter().all(|&symbol| (symbol as usize) < n);
            archive.check("symbols", inside, || format!("a symbol outside 0..{n}"))?;
        }
        archive.slice("values", &mut self.values)?;
        archive.slice("starts", &mut self.starts)?;
        archive.value("pending", &mut self.pending)?;
        self.persist_later(archive)?;
        if archive.is_loading() {
            // The restored masks may differ from the earlier ones.
            let stack = self.learning.model.stack();
            (self.rollout, self.trace) = (stack.rollout(self.starts.len()), stack.trace(self.starts.len()));
            if self.pending {
                self.forecast();
            }
        }
        Ok(())
    }
}
