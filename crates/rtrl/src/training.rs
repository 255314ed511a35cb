//! From a net to a run.

use rtrl_cells::Inputs;
use rtrl_checkpoint::CheckpointError;
use rtrl_estimators::EstimatorConfig;
use rtrl_tasks::{BuildTask, Signal, Task, TaskConfig};
use rtrl_train::{
    ConfigError, DivergencePolicy, Learner, LearningConfig, Model, NetConfig, OptimizerConfig,
    RewiringConfig, RunConfig, TrainError, Trainer, TrainingConfig,
};

use crate::net::Net;

/// Why a net cannot be trained as described.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The net does not read what the task gives.
    #[error("the net reads {net:?}, the task gives {task:?}: build the net for the inputs of the task")]
    Inputs {
        /// What the net was built for.
        net: Inputs,
        /// What the task gives.
        task: Inputs,
    },
    /// A checkpoint cannot be written or used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Any other reason: the settings, the task, the net or the estimator.
    #[error(transparent)]
    Train(#[from] TrainError),
}

impl From<ConfigError> for BuildError {
    fn from(error: ConfigError) -> Self {
        Self::Train(error.into())
    }
}

/// A [`RunConfig`] without a task. By default it has one lane, and updates the weights at every step.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    inputs: Inputs,
    config: RunConfig,
}

impl Net {
    /// Says how the net learns: by gradients of `estimator` and updates of `optimizer`.
    #[must_use]
    pub fn trained_by(
        self,
        estimator: impl Into<EstimatorConfig>,
        optimizer: impl Into<OptimizerConfig>,
    ) -> Training {
        Training::new(self, estimator.into(), optimizer.into())
    }
}

impl Training {
    fn new(net: Net, estimator: EstimatorConfig, optimizer: OptimizerConfig) -> Self {
        let learning = LearningConfig::new(estimator, optimizer);
        let config = RunConfig::new(NetConfig::new(net.layers), learning, TrainingConfig::default());
        Self { inputs: net.inputs, config }
    }

    /// Number of lanes; 1 by default.
    #[must_use]
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.config.training.lanes = lanes;
        self
    }

    /// Time steps between two updates of the weights. The default, 1, is fully online.
    #[must_use]
    pub fn window(mut self, steps: usize) -> Self {
        self.config.training.window = steps;
        self
    }

    /// Time steps of the whole run. [`run`](rtrl_train::run()) needs them, and so do schedules of the learning
    /// rate that fall until the end of the run. By default a trainer goes on as long as it is asked to, as a
    /// learner always does.
    #[must_use]
    pub fn steps(mut self, steps: u64) -> Self {
        self.config.training.steps = Some(steps);
        self
    }

    /// Seed of everything random; 0 by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.training.seed = seed;
        self
    }

    /// Gives the readout a hidden layer of `width` ReLU units. By default the readout is linear.
    #[must_use]
    pub fn readout(mut self, width: usize) -> Self {
        self.config.net.readout.hidden = Some(width);
        self
    }

    /// Adds a linear map of the net's input to the outputs of the readout, past the net.
    #[must_use]
    pub fn bypass(mut self) -> Self {
        self.config.net.readout.bypass = true;
        self
    }

    /// Lets the readout read `o ∘ h`, with an output gate o of the hidden state h and the net's input.
    #[must_use]
    pub fn output_gate(mut self) -> Self {
        self.config.net.readout.output_gate = true;
        self
    }

    /// Limits the Euclidean norm of the gradient of all parameters together: a longer one is scaled down.
    #[must_use]
    pub fn clip(mut self, norm: f64) -> Self {
        self.config.learning.update.clip = Some(norm);
        self
    }

    /// What is done when a number is no longer finite; by default [`DivergencePolicy::Stop`].
    #[must_use]
    pub fn on_divergence(mut self, policy: DivergencePolicy) -> Self {
        self.config.learning.divergence = policy;
        self
    }

    /// Changes which weights exist while the net learns.
    #[must_use]
    pub fn rewired_by(mut self, rewiring: RewiringConfig) -> Self {
        self.config.learning.rewiring = Some(rewiring);
        self
    }

    /// The whole configuration, for [`run`](rtrl_train::run()), a file, or changes for which there is no method here.
    ///
    /// # Errors
    /// If the task gives something else than the net reads, its data cannot be read, or a setting has no meaning.
    pub fn config(&self, task: impl Into<TaskConfig>) -> Result<RunConfig, BuildError> {
        Ok(self.with(task.into())?.0)
    }

    /// The configuration, and the task as it is before its first step.
    fn with(&self, task: TaskConfig) -> Result<(RunConfig, Box<dyn Task>), BuildError> {
        let training = &self.config.training;
        self.config.validate()?;
        let built = task.build(training.lanes, training.seed).map_err(TrainError::from)?;
        self.check(&*built)?;
        Ok((RunConfig { task: Some(task), ..self.config.clone() }, built))
    }

    /// A trainer on this task, before its first step.
    ///
    /// # Errors
    /// As [`config`](Self::config), or if net or estimator cannot be built.
    pub fn on(&self, task: impl Into<TaskConfig>) -> Result<Trainer, BuildError> {
        // This task keeps a generated text in memory until the trainer's own task has it too, so that it is
        // made once.
        let (config, _task) = self.with(task.into())?;
        Ok(Trainer::new(&config)?)
    }

    /// A trainer on a task of one's own, which must have as many lanes as the training.
    ///
    /// # Errors
    /// If the task gives something else than the net reads, a setting has no meaning, or net or estimator cannot be
    /// built.
    pub fn on_own(&self, task: Box<dyn Task>) -> Result<Trainer, BuildError> {
        self.check(&*task)?;
        Ok(Trainer::with_task(&self.config, task)?)
    }

    /// A learner that goes on from the weights of a trained or imported net, as [`Learner::from_model`] says.
    /// The model's layers and readout must be those that are described here. Its masks are used, whatever the
    /// seed.
    ///
    /// # Errors
    /// If the model is of another net, or as [`predicting`](Self::predicting).
    pub fn going_on(&self, model: &Model) -> Result<Learner, BuildError> {
        Ok(Learner::from_model(model.clone(), &self.config)?)
    }

    /// A learner, which is given its steps one by one and without end, and which predicts `targets`.
    ///
    /// # Errors
    /// If a setting has no meaning or none for a learner ([`DivergencePolicy::RollBack`]), or net or estimator cannot be
    /// built.
    pub fn predicting(&self, targets: Signal) -> Result<Learner, BuildError> {
        let inputs = match self.inputs {
            Inputs::Symbols(n) => Signal::Symbols(n),
            Inputs::Dense(n) => Signal::Values(n),
        };
        Ok(Learner::new(&self.config, inputs, targets)?)
    }

    fn check(&self, task: &dyn Task) -> Result<(), BuildError> {
        let task = match task.inputs() {
            Signal::Symbols(n) => Inputs::Symbols(n),
            Signal::Values(n) => Inputs::Dense(n),
        };
        if task == self.inputs { Ok(()) } else { Err(BuildError::Inputs { net: self.inputs, task }) }
    }
}
