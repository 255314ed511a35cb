//! The configuration of a whole run, and its form in files.

use std::path::PathBuf;

use rtrl_cells::CellConfig;
use rtrl_cells::init::InitConfig;
use rtrl_estimators::EstimatorConfig;
use rtrl_tasks::TaskConfig;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::is_default;
use crate::fields::{check, check_size};
use crate::{
    CompareConfig, ConfigError, DivergencePolicy, DynamicConfig, Feedback, LearningConfig, NetConfig,
    OptimizerConfig, ReadoutConfig, RewiringConfig, StartConfig, TrainingConfig, UpdateConfig, parse_toml,
};

/// Version of the meaning of configurations. It is raised when the same file would give other numbers, so that old
/// results are not taken for new ones.
pub const CONFIG_VERSION: u32 = 7;

/// Everything that determines a run, and nothing else. Equal configurations give equal results, bit for bit, for
/// any number of threads, if the kernels use the same instructions ([`rtrl_sparse::Level`]; a run's
/// [`Summary`](crate::Summary) records which). Between levels of instructions results differ by rounding, which a
/// long training amplifies.
///
/// The parts can be used alone. A file does not nest them: the fields of [`NetConfig`] and [`LearningConfig`] stand
/// beside `task` and `training`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "RunFile", into = "RunFile")]
pub struct RunConfig {
    /// What is learned; none for a [`Learner`](crate::Learner), whose caller brings the data.
    pub task: Option<TaskConfig>,
    /// What the net is. With `start` its layers may be left out: those of the model are taken.
    pub net: NetConfig,
    /// How the initial weights are drawn. It has no effect with `start`, and is refused there.
    pub init: InitConfig,
    /// A trained net to begin with, in place of drawn masks and weights.
    pub start: Option<StartConfig>,
    /// How the net learns.
    pub learning: LearningConfig,
    /// Lanes, window, length and seed of the run.
    pub training: TrainingConfig,
    /// Estimators that run passively beside the one that trains.
    pub compare: Option<CompareConfig>,
    /// If given, held-out data are evaluated once more at the end, with weights that go on learning.
    pub dynamic: Option<DynamicConfig>,
}

/// The fields of a [`RunConfig`] and of its parts, one beside the other. (`serde(flatten)` would accept unknown
/// fields, and lose the line of a mistake.)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunFile {
    /// What is learned; none for a [`Learner`](crate::Learner), whose caller brings the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<TaskConfig>,
    /// The recurrent layers, the lowest first. With `start` they may be left out: those of the model are taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    layers: Vec<CellConfig>,
    /// How the recurrent weights get their gradient.
    estimator: EstimatorConfig,
    /// How the hidden state becomes a prediction.
    #[serde(default)]
    readout: ReadoutConfig,
    /// How the initial weights are drawn. It has no effect with `start`, and is refused there.
    #[serde(default, skip_serializing_if = "is_default")]
    init: InitConfig,
    /// A trained net to begin with, in place of drawn masks and weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<StartConfig>,
    /// How gradients change weights. The recurrent weights and the readout have an optimizer each, with these
    /// settings.
    optimizer: OptimizerConfig,
    /// Schedule, clipping and groups of the updates.
    #[serde(default, skip_serializing_if = "UpdateConfig::is_default")]
    update: UpdateConfig,
    /// How the set of weights that exist changes during training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rewiring: Option<RewiringConfig>,
    /// What carries the error of the outputs back to the hidden states.
    #[serde(default, skip_serializing_if = "is_default")]
    feedback: Feedback,
    /// What is done when a number becomes NaN or infinite.
    #[serde(default, skip_serializing_if = "DivergencePolicy::is_default")]
    divergence: DivergencePolicy,
    /// Lanes, window, length and seed of the run.
    training: TrainingConfig,
    /// Estimators that run passively beside the one that trains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compare: Option<CompareConfig>,
    /// If given, held-out data are evaluated once more at the end, with weights that go on learning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dynamic: Option<DynamicConfig>,
}

impl From<RunFile> for RunConfig {
    fn from(file: RunFile) -> Self {
        let RunFile {
            task,
            layers,
            estimator,
            readout,
            init,
            start,
            optimizer,
            update,
            rewiring,
            feedback,
            divergence,
            training,
            compare,
            dynamic,
        } = file;
        Self {
            task,
            net: NetConfig { layers, readout },
            init,
            start,
            learning: LearningConfig { estimator, optimizer, update, rewiring, feedback, divergence },
            training,
            compare,
            dynamic,
        }
    }
}

impl From<RunConfig> for RunFile {
    fn from(config: RunConfig) -> Self {
        let RunConfig { task, net, init, start, learning, training, compare, dynamic } = config;
        let NetConfig { layers, readout } = net;
        let LearningConfig { estimator, optimizer, update, rewiring, feedback, divergence } = learning;
        Self {
            task,
            layers,
            estimator,
            readout,
            init,
            start,
            optimizer,
            update,
            rewiring,
            feedback,
            divergence,
            training,
            compare,
            dynamic,
        }
    }
}

impl RunConfig {
    /// A run without a task, whose caller brings the data or sets one. Weights are drawn as by default.
    pub fn new(net: NetConfig, learning: LearningConfig, training: TrainingConfig) -> Self {
        let (task, init, start, compare, dynamic) = Default::default();
        Self { task, net, init, start, learning, training, compare, dynamic }
    }

    /// The task of the run.
    ///
    /// # Errors
    /// If there is no task.
    pub fn task(&self) -> Result<&TaskConfig, ConfigError> {
        let missing =
            || ConfigError::Value { field: "task", allowed: "what the run learns", found: "nothing".into() };
        self.task.as_ref().ok_or_else(missing)
    }

    /// Time steps of the whole run.
    ///
    /// # Errors
    /// If the configuration does not say how many.
    pub fn steps(&self) -> Result<u64, ConfigError> {
        let allowed = "the number of steps of the run";
        let missing = || ConfigError::Value { field: "training.steps", allowed, found: "nothing".into() };
        self.training.steps.ok_or_else(missing)
    }

    /// Reads and checks a TOML file; `name` is its name in messages.
    ///
    /// # Errors
    /// If the text is not TOML, or a field is unknown, missing, of the wrong type or invalid: the message names
    /// line, column and field.
    pub fn from_toml(text: &str, name: &str) -> Result<Self, ConfigError> {
        let config: Self = parse_toml(text, name)?;
        config.validate().map_err(|error| error.located(text, name))?;
        Ok(config)
    }

    /// The configuration as TOML.
    ///
    /// # Errors
    /// If a number has no representation in TOML (seeds above 2^63).
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(|error| ConfigError::Value {
            field: "training.seed",
            allowed: "below 2^63 to be written as TOML",
            found: error.to_string(),
        })
    }

    /// A warning, as one line, about settings that are valid but hardly intended.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        let immediate =
            matches!(self.learning.estimator, EstimatorConfig::Bptt(_)) && self.training.window() == 1;
        immediate.then_some(
            "`bptt` with a window of 1 goes back no further than its own step: no influence of the past is learned",
        )
    }

    /// Checks what the types cannot express.
    ///
    /// # Errors
    /// For the first invalid value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let t = &self.training;
        let positive = [
            ("training.lanes", t.lanes as u64),
            ("training.window", t.window as u64),
            ("training.steps", t.steps.unwrap_or(1)),
            ("training.log_every", t.log_every),
            ("training.evaluate_every", t.evaluate_every.unwrap_or(1)),
            ("training.evaluate_bytes", t.evaluate_bytes.unwrap_or(1)),
            ("readout.hidden", self.net.readout.hidden.unwrap_or(1) as u64),
        ];
        for (field, value) in positive {
            if value == 0 {
                return Err(ConfigError::Value { field, allowed: "at least 1", found: "0".into() });
            }
        }
        if self.net.layers.is_empty() && self.start.is_none() {
            let (allowed, found) = ("a list of at least one layer", "none".into());
            return Err(ConfigError::Value { field: "layers", allowed, found });
        }
        // Each size has a bound of its own. Their products may still be too large for the memory.
        let sizes = [
            ("training.lanes", t.lanes),
            ("training.window", t.window),
            ("readout.hidden", self.net.readout.hidden.unwrap_or(1)),
        ];
        for (field, value) in sizes {
            check_size(field, value)?;
        }
        self.init.validate().map_err(|error| ConfigError::Value {
            field: "init",
            allowed: "settings that have a meaning together",
            found: error.to_string(),
        })?;
        if self.start.is_some() && self.init != InitConfig::default() {
            let (allowed, found) = ("left out with `start`, whose net has its weights", "settings".into());
            return Err(ConfigError::Value { field: "init", allowed, found });
        }
        if let Some(stop) = &t.early_stop {
            if stop.patience == 0 {
                let (allowed, found) = ("at least 1", "0".into());
                return Err(ConfigError::Value { field: "training.early_stop.patience", allowed, found });
            }
            check(
                "training.early_stop.min_delta",
                "a finite number, 0 or more",
                stop.min_delta >= 0.0 && stop.min_delta.is_finite(),
                stop.min_delta,
            )?;
            if t.evaluate_every.is_none() {
                let allowed = "given with `training.early_stop`, which counts evaluations";
                let found = "nothing".into();
                return Err(ConfigError::Value { field: "training.evaluate_every", allowed, found });
            }
        }
        self.learning.optimizer.validate()?;
        self.learning.update.validate()?;
        if self.learning.update.rls.is_some() {
            let differs = |field, allowed, found| Err(ConfigError::Value { field, allowed, found });
            if t.window != 1 {
                return differs("training.window", "1 with `update.rls`", t.window.to_string());
            }
            if let Some(width) = self.net.readout.hidden {
                let allowed = "left out with `update.rls`, whose readout is linear";
                return differs("readout.hidden", allowed, width.to_string());
            }
            let readout = &self.net.readout;
            for (field, found) in
                [("readout.bypass", readout.bypass), ("readout.output_gate", readout.output_gate)]
            {
                if found {
                    let allowed = "left out with `update.rls`, which reads the hidden states alone";
                    return differs(field, allowed, "true".to_string());
                }
            }
        }
        if self.learning.update.schedule.has_end() && t.steps.is_none() {
            let allowed = "`constant` or `warm-up` where no `training.steps` say when it ends";
            let found = "a schedule with an end".into();
            return Err(ConfigError::Value { field: "update.schedule", allowed, found });
        }
        if self.learning.update.schedule.has_end() && t.whole_sequences {
            let allowed = "`constant` or `warm-up` with `training.whole_sequences`, which leaves the number of updates open";
            let found = "a schedule with an end".into();
            return Err(ConfigError::Value { field: "update.schedule", allowed, found });
        }
        self.learning.divergence.validate()?;
        self.dynamic.as_ref().map_or(Ok(()), DynamicConfig::validate)?;
        let rewiring = |r: &RewiringConfig| r.validate(&self.net.layers, t.steps);
        self.learning.rewiring.as_ref().map_or(Ok(()), rewiring)
    }

    /// The configuration as JSON, in the form that is hashed.
    ///
    /// # Panics
    /// Never: a configuration always has a JSON form.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data")
    }

    /// SHA-256 of [`CONFIG_VERSION`] and the configuration, in hexadecimal: the identity of a run.
    pub fn hash(&self) -> String {
        let mut config = self.clone();
        // The content of the file counts, not its place.
        if let Some(start) = config.start.as_mut().filter(|start| start.sha256.is_some()) {
            start.model = PathBuf::new();
        }
        hex(&Sha256::digest(format!("{CONFIG_VERSION}\n{}", config.to_json())))
    }

    /// The name of the run's folder: the task's kind and the first 12 digits of the hash.
    pub fn folder(&self) -> String {
        let task = serde_json::to_value(&self.task).unwrap_or_default();
        format!("{}-{}", task["kind"].as_str().unwrap_or("task"), &self.hash()[..12])
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
