//! The loop: a task, a net, an estimator, a readout and two optimizers.

use std::sync::Arc;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{Input, Inputs, Stack, init};
use rtrl_estimators::{Cost, EstimatorConfig, FrozenConfig, GradientEstimator};
use rtrl_sparse::Lanes;
use rtrl_tasks::{BuildTask, Evaluation, Signal, Step, Task};

use crate::compare::Comparison;
use crate::{Alignment, Optimizer, Readout, RunConfig, TrainError};

/// Lanes of an evaluation: held-out data is read in this many pieces side by side.
const EVALUATION_LANES: usize = 32;

/// Independent streams of random numbers, each from the seed of the run: another estimator sees the same masks,
/// initial weights and data.
#[derive(Clone, Copy)]
enum Stream {
    Masks = 1,
    Core = 2,
    Readout = 3,
}

impl Stream {
    /// The seed is spread over 64 bits by an odd multiple of 2^64 / φ; `seed_from_u64` then fills the state by SplitMix64.
    fn rng(self, seed: u64) -> Xoshiro256PlusPlus {
        let stream = (self as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(stream))
    }
}

/// What one window of training did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WindowReport {
    /// Time steps made.
    pub steps: u64,
    /// Predictions that had a target.
    pub targets: u64,
    /// Sum of their losses, in bits.
    pub bits: f64,
}

/// A training run in `f32`.
pub struct Trainer {
    config: RunConfig,
    stack: Arc<Stack<f32>>,
    weights: Vec<f32>,
    gradient: Vec<f32>,
    estimator: Box<dyn GradientEstimator<f32>>,
    readout: Readout<f32>,
    readout_gradient: Vec<f32>,
    optimizers: [Box<dyn Optimizer<f32>>; 2],
    task: Box<dyn Task>,
    held_out: Option<HeldOut>,
    comparison: Option<Comparison>,
    data: Step,
    bits: Vec<f64>,
    hidden_gradient: Vec<f32>,
    steps: u64,
}

/// Everything that an evaluation needs.
struct HeldOut {
    evaluation: Evaluation,
    data: Step,
    bits: Vec<f64>,
}

impl Trainer {
    /// Builds everything that `config` describes.
    ///
    /// # Errors
    /// If a part of the configuration has no meaning or its data cannot be read.
    pub fn new(config: &RunConfig) -> Result<Self, TrainError> {
        config.validate()?;
        let t = &config.training;
        let task = config.task.build(t.lanes, t.seed)?;
        let mut masks = Stream::Masks.rng(t.seed);
        let mut inputs = match task.inputs() {
            Signal::Symbols(n) => Inputs::Symbols(n),
            Signal::Values(n) => Inputs::Dense(n),
        };
        let mut layers = Vec::with_capacity(config.layers.len());
        for layer in &config.layers {
            let cell = layer.build::<f32>(inputs, &mut masks)?;
            inputs = Inputs::Dense(cell.structure().hidden.len());
            layers.push(cell);
        }
        let stack = Arc::new(Stack::new(layers)?);
        let weights = init::uniform(&stack, &mut Stream::Core.rng(t.seed));
        let hidden = stack.hidden().len();
        let width = config.readout.hidden;
        let (Signal::Symbols(targets) | Signal::Values(targets)) = task.targets();
        let readout = Readout::new(hidden, width, targets, t.lanes, &mut Stream::Readout.rng(t.seed));
        let window = t.window.min(usize::try_from(t.steps).unwrap_or(usize::MAX));
        let comparison = config.compare.as_ref();
        let comparison =
            comparison.map(|c| Comparison::new(c, &stack, t.lanes, window, t.seed)).transpose()?;
        let held_out = config.task.evaluation(EVALUATION_LANES, t.evaluate_bytes)?;
        Ok(Self {
            gradient: vec![0.0; weights.len()],
            estimator: config.estimator.reseeded(t.seed).build(stack.clone(), t.lanes, window)?,
            readout_gradient: vec![0.0; readout.parameters().len()],
            optimizers: [weights.len(), readout.parameters().len()].map(|len| config.optimizer.build(len)),
            held_out: held_out.map(|evaluation| HeldOut {
                data: Step::new(&*evaluation.task, EVALUATION_LANES),
                evaluation,
                bits: vec![0.0; EVALUATION_LANES],
            }),
            comparison,
            data: Step::new(&*task, t.lanes),
            bits: vec![0.0; t.lanes],
            hidden_gradient: vec![0.0; hidden * t.lanes],
            steps: 0,
            config: config.clone(),
            stack,
            weights,
            readout,
            task,
        })
    }

    /// Time steps made so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Level of the task's curriculum, if it has one.
    pub fn level(&self) -> Option<u32> {
        self.task.level()
    }

    /// The recurrent weights, in the order of [`Stack::linear`].
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The readout.
    pub fn readout(&self) -> &Readout<f32> {
        &self.readout
    }

    /// Counted cost of the estimator.
    pub fn cost(&self) -> Cost {
        self.estimator.cost()
    }

    /// How the passive estimators have compared with their reference since the last call.
    pub fn take_alignment(&mut self) -> Vec<Alignment> {
        self.comparison.as_mut().map(Comparison::take).unwrap_or_default()
    }

    /// Makes one window of time steps, or what is left of the run, and one update of all weights by the mean gradient over
    /// the window's targets.
    ///
    /// # Errors
    /// If the data cannot be read, or a loss or weight is no longer finite.
    pub fn train_window(&mut self) -> Result<WindowReport, TrainError> {
        let left = self.config.training.steps.saturating_sub(self.steps);
        let mut report = WindowReport::default();
        for _ in 0..left.min(self.config.training.window as u64) {
            self.train_step(&mut report)?;
        }
        self.estimator.finish_window(&self.weights, &mut self.gradient);
        if let Some(comparison) = &mut self.comparison {
            comparison.finish_window(&self.weights, &self.gradient);
        }
        let scale = 1.0 / report.targets.max(1) as f32;
        for (optimizer, (weights, gradient)) in self.optimizers.iter_mut().zip([
            (&mut self.weights[..], &mut self.gradient[..]),
            (self.readout.parameters_mut(), &mut self.readout_gradient[..]),
        ]) {
            gradient.iter_mut().for_each(|g| *g *= scale);
            optimizer.update(weights, gradient);
        }
        Ok(report)
    }

    fn train_step(&mut self, report: &mut WindowReport) -> Result<(), TrainError> {
        self.task.next(&mut self.data)?;
        self.estimator.step(&self.weights, Input::Symbols(&self.data.input), &self.data.starts);
        let hidden = self.estimator.hidden();
        self.readout.forward(hidden);
        self.readout.loss_and_gradient(
            hidden,
            &self.data.target,
            &mut self.bits,
            &mut self.hidden_gradient,
            &mut self.readout_gradient,
        );
        self.steps += 1;
        report.steps += 1;
        report.targets += self.data.target.iter().flatten().count() as u64;
        report.bits += self.bits.iter().sum::<f64>();
        if !report.bits.is_finite() {
            return Err(self.diverged("loss"));
        }
        self.task.report(&self.bits);
        let delta = Lanes::new(&self.hidden_gradient, self.config.training.lanes);
        self.estimator.observe(&self.weights, delta, &mut self.gradient);
        if let Some(comparison) = &mut self.comparison {
            comparison.step(&self.weights, &self.data.input, &self.data.starts);
            comparison.observe(&self.weights, delta);
        }
        Ok(())
    }

    fn diverged(&self, quantity: &'static str) -> TrainError {
        let estimator = format!("{:?}", self.config.estimator);
        TrainError::Diverged { step: self.steps, estimator, quantity }
    }

    /// Mean loss on the held-out data in bits per target, with the current weights and a state of its own; `None` for a
    /// task without such data.
    ///
    /// # Errors
    /// If the data cannot be read, or the loss is not finite.
    pub fn evaluate(&mut self) -> Result<Option<f64>, TrainError> {
        let Some(held_out) = &mut self.held_out else { return Ok(None) };
        let frozen = EstimatorConfig::Frozen(FrozenConfig::default());
        let mut net = frozen.build(self.stack.clone(), EVALUATION_LANES, 1)?;
        let mut readout = self.readout.with_lanes(EVALUATION_LANES);
        let (mut sum, mut targets) = (0.0, 0_u64);
        for _ in 0..held_out.evaluation.steps {
            held_out.evaluation.task.next(&mut held_out.data)?;
            let data = &held_out.data;
            net.step(&self.weights, Input::Symbols(&data.input), &data.starts);
            readout.forward(net.hidden());
            readout.loss(&data.target, &mut held_out.bits);
            sum += held_out.bits.iter().sum::<f64>();
            targets += data.target.iter().flatten().count() as u64;
        }
        let mean = sum / targets as f64;
        if mean.is_finite() { Ok(Some(mean)) } else { Err(self.diverged("held-out loss")) }
    }
}
