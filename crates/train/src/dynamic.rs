//! Held-out data, with weights that go on learning while they are evaluated.

use std::sync::atomic::{AtomicBool, Ordering};

use rtrl_tasks::{BuildTask, Evaluation, Part};

use crate::evaluate::fits;
use crate::{
    DivergencePolicy, DynamicConfig, Model, RunConfig, TrainError, Trainer, TrainingConfig, UpdateConfig,
};

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

/// The run that an evaluation of `steps` time steps is.
fn run_of(config: &DynamicConfig, trained: &RunConfig, steps: u64) -> RunConfig {
    RunConfig {
        estimator: config.estimator.clone(),
        optimizer: config.optimizer.clone(),
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
            lanes: config.lanes,
            window: config.window,
            steps: Some(steps),
            ..trained.training.clone()
        },
        ..trained.clone()
    }
}
