//! Evaluation on held-out data.

use rayon::prelude::*;
use rtrl_sparse::Lanes;
use rtrl_tasks::{BuildTask, Evaluation, Part, Signal, Step, TaskConfig};

use crate::learning::{input_of, targets_of};
use crate::{Model, Predictor, Targets, TrainError};

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
    let held_out = HeldOut::new(model.task()?, part, max_bytes)?;
    held_out.map(|mut held_out| Ok(held_out.scores(model)?.loss)).transpose()
}

/// How well a net predicts.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Number of targets.
    pub targets: u64,
    /// Mean loss per target: bits for classes, squared error for numbers. NaN without a target.
    pub loss: f64,
    /// Share of the targets whose class was held to be the likeliest; none if targets are numbers.
    pub accuracy: Option<f64>,
    /// The errors of each number that is predicted; empty if targets are classes.
    pub errors: Vec<ErrorScores>,
}

/// The errors of a number that is predicted, in the units in which the net sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorScores {
    /// Number of targets.
    pub targets: u64,
    /// Mean absolute error (MAE).
    pub mean_absolute: f64,
    /// Square root of the mean squared error (RMSE).
    pub root_mean_square: f64,
}

/// The scores of `model` on one pass of another task, which must have [`EVALUATION_LANES`] lanes.
///
/// # Errors
/// If the task has other inputs or targets than the net, or the data cannot be read.
///
/// # Panics
/// If the task has another number of lanes.
pub fn evaluate_on(model: &Model, evaluation: Evaluation) -> Result<Scores, TrainError> {
    model.check_signals(evaluation.task.inputs(), evaluation.task.targets())?;
    HeldOut::of(evaluation).scores(model)
}

/// Held-out data of a task, and buffers for reading them.
pub(crate) struct HeldOut {
    evaluation: Evaluation,
    steps: Vec<Step>,
}

/// The lanes `first..first + GROUP` of an evaluation.
struct Group {
    first: usize,
    predictor: Predictor,
    tally: Tally,
}

/// Sums over targets.
#[derive(Debug, Clone, Default)]
struct Tally {
    loss: f64,
    targets: u64,
    /// Targets whose class was the likeliest.
    right: u64,
    /// For each number that is predicted: targets, sum of the absolute errors, sum of their squares.
    errors: Vec<(u64, f64, f64)>,
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

    /// Scores with the model's current weights. Each lane begins with a state of zero. Threads share
    /// the lanes; the result does not depend on their number.
    pub fn scores(&mut self, model: &Model) -> Result<Scores, TrainError> {
        let predictor = Predictor::new(model, GROUP);
        let numbers = match model.signals().1 {
            Signal::Symbols(_) => 0,
            Signal::Values(n) => n,
        };
        let tally = Tally { errors: vec![(0, 0.0, 0.0); numbers], ..Tally::default() };
        let group = |first| Group { first, predictor: predictor.clone(), tally: tally.clone() };
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
        let mut all = tally;
        groups.iter().for_each(|group| all.add(&group.tally));
        let errors = all.errors.iter().map(|&(targets, absolute, squared)| ErrorScores {
            targets,
            mean_absolute: absolute / targets as f64,
            root_mean_square: (squared / targets as f64).sqrt(),
        });
        Ok(Scores {
            targets: all.targets,
            loss: all.loss / all.targets as f64,
            accuracy: (numbers == 0).then(|| all.right as f64 / all.targets as f64),
            errors: errors.collect(),
        })
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.loss += other.loss;
        self.targets += other.targets;
        self.right += other.right;
        for (own, other) in self.errors.iter_mut().zip(&other.errors) {
            *own = (own.0 + other.0, own.1 + other.1, own.2 + other.2);
        }
    }

    /// Compares predictions, `[outputs][lanes]`, with targets.
    fn compare(&mut self, predicted: Lanes<'_, f32>, targets: Targets<'_>) {
        match targets {
            Targets::Classes(classes) => {
                for (lane, class) in classes.iter().enumerate() {
                    let Some(class) = class else { continue };
                    let score = |output: usize| predicted.at(output)[lane];
                    let right = score(*class as usize);
                    // Of equal scores the first counts.
                    let beaten = (0..predicted.len()).any(|other| {
                        score(other) > right || (score(other) == right && other < *class as usize)
                    });
                    self.right += u64::from(!beaten);
                }
            }
            Targets::Values(values) => {
                for (i, (sum, values)) in
                    self.errors.iter_mut().zip(values.chunks_exact(predicted.lanes())).enumerate()
                {
                    for (value, predicted) in values.iter().zip(predicted.at(i)) {
                        let Some(value) = value else { continue };
                        let error = f64::from(predicted - value);
                        *sum = (sum.0 + 1, sum.1 + error.abs(), sum.2 + error * error);
                    }
                }
            }
        }
    }
}

impl Group {
    fn run(&mut self, steps: &[Step]) {
        for step in steps {
            let step = lanes_of(step, self.first);
            let targets = targets_of(&step);
            self.tally.compare(self.predictor.predict(input_of(&step), &step.starts), targets);
            let report = self.predictor.score(targets);
            self.tally.loss += report.loss;
            self.tally.targets += report.targets;
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
