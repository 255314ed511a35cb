//! Evaluation on held-out data with weights that go on learning.

use std::sync::atomic::{AtomicBool, Ordering};

use rtrl_tasks::{BuildTask, Evaluation, Part};

use crate::evaluate::fits;
use crate::{
    DivergencePolicy, DynamicConfig, Model, RunConfig, TrainError, Trainer, TrainingConfig, UpdateConfig,
};

/// Mean loss per target on the held-out data of `model`'s task, or on their first `max_bytes` predictions. Each
/// loss is taken before the weights learn from it. `model` itself does not change. `None` if there are no such
/// data, or if `stop` was set meanwhile.
///
/// # Errors
/// If `config` is invalid, the model has no task, the data cannot be read, or learning diverges.
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

/// [`evaluate_dynamically`] on one pass of another task, which must have as many lanes as `config`.
///
/// # Errors
/// As [`evaluate_dynamically`], or if the task has other inputs or targets than the net.
///
/// # Panics
/// If the task has another number of lanes.
pub fn evaluate_dynamically_on(
    model: &Model,
    config: &DynamicConfig,
    data: Evaluation,
    stop: &AtomicBool,
) -> Result<Option<f64>, TrainError> {
    config.validate()?;
    fits(model, &data)?;
    let run = run_of(config, model.config(), data.steps);
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

/// The configuration of the training run that an evaluation of `steps` time steps is.
fn run_of(config: &DynamicConfig, trained: &RunConfig, steps: u64) -> RunConfig {
    RunConfig {
        estimator: config.estimator.clone(),
        optimizer: config.optimizer.clone(),
        update: UpdateConfig::default(),
        rewiring: None,
        compare: None,
        dynamic: None,
        // An evaluation keeps no earlier states to go back to.
        divergence: match trained.divergence {
            DivergencePolicy::RollBack { .. } => DivergencePolicy::Stop,
            ref other => other.clone(),
        },
        training: TrainingConfig {
            lanes: config.lanes,
            window: config.window,
            steps: Some(steps),
            ..trained.training.clone()
        },
        ..trained.clone()
    }
}
