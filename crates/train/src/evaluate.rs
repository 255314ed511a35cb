//! Evaluation on held-out data.

use rayon::prelude::*;
use rtrl_tasks::{BuildTask, Evaluation, Part, Step, TaskConfig};

use crate::learning::{input_of, targets_of};
use crate::{ConfigError, Model, Predictor, TrainError};

/// Lanes of an evaluation. Each begins with a state of zero, so the loss depends on their number, which is
/// therefore fixed.
pub const EVALUATION_LANES: usize = 32;
const LANES: usize = EVALUATION_LANES;
/// Lanes that are evaluated together, by one thread.
const GROUP: usize = 8;
/// Time steps that are read from the task before they are evaluated.
const CHUNK: u64 = 256;

/// Mean loss of `model`, per target, on the held-out data of its task, or on their first `max_bytes` predictions;
/// `None` if the task has no such data. The threads of rayon's pool share the work; the result does not depend on
/// their number.
///
/// # Errors
/// If the model has no task, or the data cannot be read.
pub fn evaluate(model: &Model, part: Part, max_bytes: Option<u64>) -> Result<Option<f64>, TrainError> {
    let held_out = HeldOut::new(model.config().task()?, part, max_bytes)?;
    held_out.map(|mut held_out| held_out.mean_loss(model)).transpose()
}

/// Mean loss of `model`, per target, on one pass of another task, which must have [`EVALUATION_LANES`] lanes.
///
/// # Errors
/// If the task has other inputs or targets than the net, or the data cannot be read.
///
/// # Panics
/// If the task has another number of lanes.
pub fn evaluate_on(model: &Model, evaluation: Evaluation) -> Result<f64, TrainError> {
    fits(model, &evaluation)?;
    HeldOut::of(evaluation).mean_loss(model)
}

/// Refuses a task with other inputs or targets than the net.
pub(crate) fn fits(model: &Model, evaluation: &Evaluation) -> Result<(), ConfigError> {
    let found = (evaluation.task.inputs(), evaluation.task.targets());
    if found == model.signals() {
        return Ok(());
    }
    let found = format!("{found:?} for a net of {:?}", model.signals());
    Err(ConfigError::Value { field: "task", allowed: "one that fits the net", found })
}

/// Held-out data of a task, and buffers for reading them.
pub(crate) struct HeldOut {
    evaluation: Evaluation,
    steps: Vec<Step>,
}

/// The lanes `first..first + GROUP` of an evaluation, with the sum of their losses.
struct Group {
    first: usize,
    predictor: Predictor,
    sum: f64,
    targets: u64,
}

impl HeldOut {
    /// The held-out data `part`; `None` for a task without such data.
    pub fn new(task: &TaskConfig, part: Part, max_bytes: Option<u64>) -> Result<Option<Self>, TrainError> {
        Ok(task.evaluation(part, LANES, max_bytes)?.map(Self::of))
    }

    fn of(evaluation: Evaluation) -> Self {
        let chunk = evaluation.steps.min(CHUNK) as usize;
        let step = Step::new(&*evaluation.task, LANES);
        Self { evaluation, steps: vec![step; chunk] }
    }

    /// Mean loss per target with the model's current weights. Each lane begins with a state of zero. Threads share
    /// the lanes; the result does not depend on their number.
    pub fn mean_loss(&mut self, model: &Model) -> Result<f64, TrainError> {
        let predictor = Predictor::new(model, GROUP);
        let group = |first| Group { first, predictor: predictor.clone(), sum: 0.0, targets: 0 };
        let mut groups: Vec<_> = (0..LANES).step_by(GROUP).map(group).collect();
        let mut left = self.evaluation.steps;
        while left > 0 {
            let steps = &mut self.steps[..left.min(CHUNK) as usize];
            left -= steps.len() as u64;
            for step in steps.iter_mut() {
                self.evaluation.task.next(step)?;
            }
            groups.par_iter_mut().for_each(|group| group.run(steps));
        }
        let targets: u64 = groups.iter().map(|group| group.targets).sum();
        Ok(groups.iter().map(|group| group.sum).sum::<f64>() / targets as f64)
    }
}

impl Group {
    fn run(&mut self, steps: &[Step]) {
        for step in steps {
            let step = lanes_of(step, self.first);
            self.predictor.predict(input_of(&step), &step.starts);
            let report = self.predictor.score(targets_of(&step));
            self.sum += report.loss;
            self.targets += report.targets;
        }
    }
}

/// The lanes `first..first + GROUP` of a step.
fn lanes_of(step: &Step, first: usize) -> Step {
    fn part<T: Copy>(all: &[T], first: usize) -> Vec<T> {
        all.chunks_exact(LANES).flat_map(|entry| &entry[first..first + GROUP]).copied().collect()
    }
    Step {
        input: part(&step.input, first),
        input_values: part(&step.input_values, first),
        target: part(&step.target, first),
        target_values: part(&step.target_values, first),
        starts: part(&step.starts, first),
    }
}
