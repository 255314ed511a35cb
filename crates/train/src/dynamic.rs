//! Evaluation on held-out data with weights that go on learning.

use std::sync::atomic::{AtomicBool, Ordering};

use rtrl_tasks::{BuildTask, Evaluation, Part};

use crate::{
    DivergencePolicy, DynamicConfig, LearningConfig, Model, RunConfig, TrainError, Trainer, TrainingConfig,
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
    let data = model.task()?.evaluation(part, config.lanes, max_bytes)?;
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
    model.check_signals(data.task.inputs(), data.task.targets())?;
    let run = run_of(config, model, data.steps);
    let mut trainer = Trainer::with_model(model.clone(), &run, data.task)?;
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
fn run_of(config: &DynamicConfig, model: &Model, steps: u64) -> RunConfig {
    let learning = LearningConfig {
        // An evaluation keeps no earlier states to go back to.
        divergence: match model.run().map(|run| &run.learning.divergence) {
            None | Some(DivergencePolicy::RollBack { .. }) => DivergencePolicy::Stop,
            Some(other) => other.clone(),
        },
        ..LearningConfig::new(config.estimator.clone(), config.optimizer.clone())
    };
    let training = TrainingConfig {
        lanes: config.lanes,
        window: config.window,
        steps: Some(steps),
        seed: model.run().map_or(0, |run| run.training.seed),
        ..TrainingConfig::default()
    };
    RunConfig::new(model.net().clone(), learning, training)
}
