//! Held-out data, with weights that go on learning while they are evaluated.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rtrl_cells::{CellConfig, Inputs, Masks, Size, Stack};
use rtrl_estimators::{EstimatorConfig, EstimatorError};
use rtrl_tasks::{BuildTask, Evaluation, Part};
use serde::{Deserialize, Serialize};

use crate::config::check_size;
use crate::evaluate::fits;
use crate::{
    ConfigError, DivergencePolicy, Model, OptimizerConfig, RunConfig, TrainError, Trainer, TrainingConfig,
    UpdateConfig,
};

/// How weights go on learning while held-out data are evaluated: dynamic evaluation (Krause et al., 2018,
/// [arXiv:1709.07432](https://arxiv.org/abs/1709.07432)), there by BPTT on segments; here by any estimator, so at every
/// step if it is online.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DynamicConfig {
    /// How the recurrent weights get their gradient.
    pub estimator: EstimatorConfig,
    /// How gradients change weights; begins anew, it does not go on with what the optimizer of the training had gathered.
    pub optimizer: OptimizerConfig,
    /// Pieces of the data that are read side by side, all with the same weights.
    #[serde(default = "one")]
    pub lanes: usize,
    /// Time steps between two updates; 1 is fully online.
    #[serde(default = "one")]
    pub window: usize,
}

fn one() -> usize {
    1
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

    /// Refuses an estimator that could not be built when the training is over. The smallest of nets tells.
    fn check_estimator(&self) -> Result<(), EstimatorError> {
        let (least, masks) = (CellConfig::Vanilla(Size::dense(1)), Masks::dense(1, 1, 1));
        let cell = least.with_masks::<f32>(Inputs::Dense(1), &masks).expect("one unit with one input");
        let stack = Stack::new(vec![cell]).expect("one layer");
        self.estimator.build(Arc::new(stack), 1, self.window).map(drop)
    }

    /// The run that an evaluation of `steps` time steps is.
    fn run(&self, trained: &RunConfig, steps: u64) -> RunConfig {
        RunConfig {
            estimator: self.estimator.clone(),
            optimizer: self.optimizer.clone(),
            update: UpdateConfig::default(),
            rewiring: None,
            compare: None,
            dynamic: None,
            // There is no going back in an evaluation.
            divergence: match trained.divergence {
                DivergencePolicy::RollBack { .. } => DivergencePolicy::Stop,
                ref other => other.clone(),
            },
            training: TrainingConfig {
                lanes: self.lanes,
                window: self.window,
                steps: Some(steps),
                ..trained.training.clone()
            },
            ..trained.clone()
        }
    }
}

/// Mean loss on held-out data of the task of `model`, or on the first `max_bytes` predictions of them, where each loss is
/// taken before the weights learn from it; `model` itself stays as it is. `None` if there are no such data, or if `stop` was
/// set meanwhile.
///
/// # Errors
/// If the data cannot be read, or learning diverges.
pub fn evaluate_dynamically(
    model: &Model,
    config: &DynamicConfig,
    part: Part,
    max_bytes: Option<u64>,
    stop: &AtomicBool,
) -> Result<Option<f64>, TrainError> {
    config.validate()?;
    let data = model.config().task()?.evaluation(part, config.lanes, max_bytes)?;
    data.map_or(Ok(None), |data| evaluate_dynamically_on(model, config, data, stop))
}

/// [`evaluate_dynamically`] on a pass of another task, of as many lanes as `config` says.
///
/// # Errors
/// As there, or if the net does not read and predict what the task has to offer.
pub fn evaluate_dynamically_on(
    model: &Model,
    config: &DynamicConfig,
    data: Evaluation,
    stop: &AtomicBool,
) -> Result<Option<f64>, TrainError> {
    config.validate()?;
    fits(model, &data)?;
    let run = config.run(model.config(), data.steps);
    let mut trainer = Trainer::with_model(model.for_run(run)?, data.task)?;
    let (mut loss, mut targets) = (0.0, 0);
    while trainer.steps() < data.steps {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let report = trainer.train_window()?;
        loss += report.loss;
        targets += report.targets;
    }
    Ok(Some(loss / targets as f64))
}
