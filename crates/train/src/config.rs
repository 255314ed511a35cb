//! The configuration of a training run.

use std::path::PathBuf;
use std::sync::Arc;

use rtrl_cells::init::InitConfig;
use rtrl_cells::{CellConfig, Inputs, Masks, Size, Stack};
use rtrl_estimators::{EstimatorConfig, EstimatorError};
use rtrl_tasks::TaskConfig;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::fields::{check, check_size};
use crate::place;
use crate::{ConfigError, DivergencePolicy, OptimizerConfig, RewiringConfig, UpdateConfig};

/// Version of the meaning of configurations. It is raised when the same file would give other numbers, so that old
/// results are not taken for new ones.
pub const CONFIG_VERSION: u32 = 3;

/// Everything that determines a run, and nothing else. Equal configurations give equal results, bit for bit, for
/// any number of threads, if the kernels use the same instructions ([`rtrl_sparse::Level`]; a run's
/// [`Summary`](crate::Summary) records which). Between levels of instructions results differ by rounding, which a
/// long training amplifies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// What is learned; none for a [`Learner`](crate::Learner), whose caller brings the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskConfig>,
    /// The recurrent layers, the lowest first. With `start` they may be left out: those of the model are taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<CellConfig>,
    /// How the recurrent weights get their gradient.
    pub estimator: EstimatorConfig,
    /// How the hidden state becomes a prediction.
    #[serde(default)]
    pub readout: ReadoutConfig,
    /// How the initial weights are drawn. It has no effect with `start`, and is refused there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub init: InitConfig,
    /// A trained net to begin with, in place of drawn masks and weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartConfig>,
    /// How gradients change weights. The recurrent weights and the readout have an optimizer each, with these
    /// settings.
    pub optimizer: OptimizerConfig,
    /// Schedule, clipping and groups of the updates.
    #[serde(default, skip_serializing_if = "UpdateConfig::is_default")]
    pub update: UpdateConfig,
    /// How the set of weights that exist changes during training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewiring: Option<RewiringConfig>,
    /// What is done when a number becomes NaN or infinite.
    #[serde(default, skip_serializing_if = "DivergencePolicy::is_default")]
    pub divergence: DivergencePolicy,
    /// Lanes, window, length and seed of the run.
    pub training: TrainingConfig,
    /// Estimators that run passively beside the one that trains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<CompareConfig>,
    /// If given, held-out data are evaluated once more at the end, with weights that go on learning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic: Option<DynamicConfig>,
}

/// What a net is, whatever it is trained by: the part of a [`RunConfig`] that a model file needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetConfig {
    /// The recurrent layers, the lowest first.
    pub layers: Vec<CellConfig>,
    /// How the hidden state becomes a prediction.
    #[serde(default)]
    pub readout: ReadoutConfig,
}

/// A trained net that a run begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartConfig {
    /// The file: a model, or a checkpoint of a run. Weights and masks are read from it.
    pub model: PathBuf,
    /// SHA-256 of the file, in hexadecimal. If it is left out, a run fills it in, so that its configuration names the
    /// content and not only the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// When a run ends before its last step: after evaluations on the validation data that bring nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopConfig {
    /// Number of evaluations in a row without a new best loss, after which the run ends.
    pub patience: u32,
    /// A loss is a new best only if it is lower than the best so far by more than this.
    #[serde(default)]
    pub min_delta: f64,
}

/// Estimators that run passively beside the one that trains: they see the same data, weights and losses. Their
/// gradients are compared with a reference and never used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompareConfig {
    /// The estimator that the passive ones are compared with, usually exact RTRL; none for the estimator that
    /// trains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<EstimatorConfig>,
    /// The passive estimators.
    pub passive: Vec<PassiveConfig>,
}

/// One passive estimator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassiveConfig {
    /// Name of the estimator in the metrics.
    pub label: String,
    /// The estimator.
    pub estimator: EstimatorConfig,
}

/// Settings of the readout.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadoutConfig {
    /// Width of a hidden layer of ReLU units; none for a linear readout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<usize>,
}

/// Settings of the training loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Number of parallel streams.
    #[serde(default = "one", alias = "batch_size")]
    pub lanes: usize,
    /// T: time steps between two weight updates; 1 is fully online.
    #[serde(default = "one")]
    pub window: usize,
    /// Time steps of the whole run. None for a run without an end: a [`Learner`](crate::Learner), or a
    /// [`Trainer`](crate::Trainer) whose caller decides when to stop. [`run`](crate::run()) and a schedule that
    /// falls to the end of the run need a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Seed of masks, initial weights and data. It is added to the seed of an estimator that draws random numbers.
    #[serde(default)]
    pub seed: u64,
    /// Time steps between two records of the metrics.
    #[serde(default = "log_every")]
    pub log_every: u64,
    /// Time steps between two evaluations on held-out data, if the task has some. The end of the run always has
    /// one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate_every: Option<u64>,
    /// Largest number of predictions in an evaluation; left out, all of the held-out data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate_bytes: Option<u64>,
    /// Ends the run early if evaluations on the validation data bring no new best. Left out, all steps are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stop: Option<EarlyStopConfig>,
}

/// Reads a TOML file; `name` is its name in messages.
///
/// # Errors
/// If the text is not TOML, or a field is unknown, missing or of the wrong type: the message names line, column and
/// field.
pub fn parse_toml<T: DeserializeOwned>(text: &str, name: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let (place, message) = place::syntax(text, name, &error);
        ConfigError::Syntax { place, message }
    })
}

/// How weights go on learning while held-out data are evaluated: dynamic evaluation (Krause et al., 2018,
/// [arXiv:1709.07432](https://arxiv.org/abs/1709.07432)). There learning is by BPTT on segments; here it is by any
/// estimator, so at every step if the estimator is online.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DynamicConfig {
    /// How the recurrent weights get their gradient.
    pub estimator: EstimatorConfig,
    /// How gradients change weights. The optimizer begins without memory: it does not take over moments from the
    /// training.
    pub optimizer: OptimizerConfig,
    /// Number of pieces of the data that are read side by side, all with the same weights.
    #[serde(default = "one")]
    pub lanes: usize,
    /// Time steps between two updates; 1 is fully online.
    #[serde(default = "one")]
    pub window: usize,
}

impl Default for TrainingConfig {
    /// What a file that says nothing is read as.
    fn default() -> Self {
        Self {
            lanes: 1,
            window: 1,
            steps: None,
            seed: 0,
            log_every: log_every(),
            evaluate_every: None,
            evaluate_bytes: None,
            early_stop: None,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn one() -> usize {
    1
}

fn log_every() -> u64 {
    1000
}

impl TrainingConfig {
    /// Length in time steps of the longest window that occurs: the configured one, or the whole run if that is
    /// shorter.
    #[must_use]
    pub fn window(&self) -> usize {
        let steps = self.steps.and_then(|steps| usize::try_from(steps).ok());
        steps.map_or(self.window, |steps| self.window.min(steps))
    }
}

impl RunConfig {
    /// The net of the run.
    #[must_use]
    pub fn net(&self) -> NetConfig {
        NetConfig { layers: self.layers.clone(), readout: self.readout.clone() }
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
        let immediate = matches!(self.estimator, EstimatorConfig::Bptt(_)) && self.training.window() == 1;
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
            ("readout.hidden", self.readout.hidden.unwrap_or(1) as u64),
        ];
        for (field, value) in positive {
            if value == 0 {
                return Err(ConfigError::Value { field, allowed: "at least 1", found: "0".into() });
            }
        }
        if self.layers.is_empty() && self.start.is_none() {
            let (allowed, found) = ("a list of at least one layer", "none".into());
            return Err(ConfigError::Value { field: "layers", allowed, found });
        }
        // Each size has a bound of its own. Their products may still be too large for the memory.
        let sizes = [
            ("training.lanes", t.lanes),
            ("training.window", t.window),
            ("readout.hidden", self.readout.hidden.unwrap_or(1)),
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
        self.optimizer.validate()?;
        self.update.validate()?;
        if self.update.schedule.has_end() && t.steps.is_none() {
            let allowed = "`constant` or `warm-up` where no `training.steps` say when it ends";
            let found = "a schedule with an end".into();
            return Err(ConfigError::Value { field: "update.schedule", allowed, found });
        }
        self.divergence.validate()?;
        self.dynamic.as_ref().map_or(Ok(()), DynamicConfig::validate)?;
        let rewiring = |r: &RewiringConfig| r.validate(&self.layers, t.steps);
        self.rewiring.as_ref().map_or(Ok(()), rewiring)
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

impl DynamicConfig {
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [("dynamic.lanes", self.lanes), ("dynamic.window", self.window)] {
            if value == 0 {
                return Err(ConfigError::Value { field, allowed: "at least 1", found: "0".into() });
            }
            check_size(field, value)?;
        }
        let inside = |source| ConfigError::Inside { table: "dynamic", source: Box::new(source) };
        self.optimizer.validate().map_err(inside)?;
        self.check_estimator().map_err(|source| ConfigError::Value {
            field: "dynamic.estimator",
            allowed: "one whose settings have a meaning",
            found: source.to_string(),
        })
    }

    /// Builds the estimator for the smallest net, so that invalid settings are refused before training instead of
    /// after it.
    fn check_estimator(&self) -> Result<(), EstimatorError> {
        let (least, masks) = (CellConfig::Vanilla(Size::dense(1)), Masks::dense(1, 1, 1));
        let cell = least.with_masks::<f32>(Inputs::Dense(1), &masks).expect("one unit with one input");
        let stack = Stack::new(vec![cell]).expect("one layer");
        self.estimator.build(Arc::new(stack), 1, self.window).map(drop)
    }
}
