//! The parts of the configuration of a run.

use std::path::PathBuf;
use std::sync::Arc;

use rtrl_cells::{CellConfig, Inputs, Masks, Size, Stack};
use rtrl_estimators::{EstimatorConfig, EstimatorError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fields::check_size;
use crate::place;
use crate::{ConfigError, DivergencePolicy, Feedback, OptimizerConfig, RewiringConfig, UpdateConfig};

/// What a net is, whatever it is trained by: all that a model file needs beside weights and masks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetConfig {
    /// The recurrent layers, the lowest first.
    pub layers: Vec<CellConfig>,
    /// How the hidden state becomes a prediction.
    #[serde(default)]
    pub readout: ReadoutConfig,
}

/// How a net learns, whatever net and data these are.
#[derive(Debug, Clone, PartialEq)]
pub struct LearningConfig {
    /// How the recurrent weights get their gradient.
    pub estimator: EstimatorConfig,
    /// How gradients change weights. The recurrent weights and the readout have an optimizer each, with these
    /// settings.
    pub optimizer: OptimizerConfig,
    /// Schedule, clipping and groups of the updates.
    pub update: UpdateConfig,
    /// How the set of weights that exist changes during training.
    pub rewiring: Option<RewiringConfig>,
    /// What carries the error of the outputs back to the hidden states.
    pub feedback: Feedback,
    /// What is done when a number becomes NaN or infinite.
    pub divergence: DivergencePolicy,
}

impl NetConfig {
    /// These layers, the lowest first, and a linear readout.
    pub fn new(layers: Vec<CellConfig>) -> Self {
        Self { layers, readout: ReadoutConfig::default() }
    }
}

impl LearningConfig {
    /// An estimator and an optimizer, without clipping, schedule or rewiring; NaN and infinity are errors.
    pub fn new(estimator: impl Into<EstimatorConfig>, optimizer: impl Into<OptimizerConfig>) -> Self {
        Self {
            estimator: estimator.into(),
            optimizer: optimizer.into(),
            update: UpdateConfig::default(),
            rewiring: None,
            feedback: Feedback::default(),
            divergence: DivergencePolicy::default(),
        }
    }
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
    /// Whether a linear map of the net's input is added to the outputs, past the net: a skip connection, or output
    /// bypass. The net is then left with what the present input does not tell. Its weights begin at 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bypass: bool,
    /// Whether the readout reads `o ∘ h` in place of the hidden state h, with the gate `o = σ(U h + V x + b)` of the
    /// same step. On `quasi-lstm` this is the element-wise LSTM of Irie et al., arXiv:2305.19044.
    #[serde(default, skip_serializing_if = "is_default")]
    pub output_gate: bool,
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
    /// Whether a window ends as soon as all lanes have ended their sequences; `window` is then the most steps that it has. For a task whose lanes end
    /// together.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole_sequences: bool,
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
    if let Some((place, message)) = place::nameless_kind(text, name) {
        return Err(ConfigError::Syntax { place, message });
    }
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
            whole_sequences: false,
            steps: None,
            seed: 0,
            log_every: log_every(),
            evaluate_every: None,
            evaluate_bytes: None,
            early_stop: None,
        }
    }
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
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
