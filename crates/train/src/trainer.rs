//! The loop: a task, a net, an estimator, a readout and their optimizers.

use rtrl_cells::Input;
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_estimators::{Cost, GradientEstimator};
use rtrl_sparse::Lanes;
use rtrl_tasks::{BuildTask, Part, Signal, Step, Task};

use crate::compare::Comparison;
use crate::divergence::all_finite;
use crate::evaluate::HeldOut;
use crate::optimizer::Parameters;
use crate::sparsity::Rewiring;
use crate::{Alignment, DivergencePolicy, Model, Readout, RunConfig, Targets, TrainError, Updater};

/// What one window of training did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WindowReport {
    /// Time steps made.
    pub steps: u64,
    /// Predictions that had a target.
    pub targets: u64,
    /// Sum of their losses: in bits, or squared errors.
    pub loss: f64,
    /// Lanes that were not finite and begin anew; the window changed no weight then.
    pub skipped: u64,
}

/// A training run in `f32`.
pub struct Trainer {
    model: Model,
    gradient: Vec<f32>,
    estimator: Box<dyn GradientEstimator<f32>>,
    readout_gradient: Vec<f32>,
    updater: Updater,
    task: Box<dyn Task>,
    held_out: Option<HeldOut>,
    comparison: Option<Comparison>,
    rewiring: Option<Rewiring>,
    data: Step,
    losses: Vec<f64>,
    hidden_gradient: Vec<f32>,
    /// Lanes that are not finite since some step of this window.
    diverged: Vec<bool>,
    /// Lanes that begin anew with the next step although the task does not say so.
    restart: Vec<bool>,
    steps: u64,
}

/// What the net reads at a step.
pub(crate) fn input_of(step: &Step) -> Input<'_, f32> {
    if step.input.is_empty() {
        Input::Dense(Lanes::new(&step.input_values, step.starts.len()))
    } else {
        Input::Symbols(&step.input)
    }
}

/// What is asked at a step.
pub(crate) fn targets_of(step: &Step) -> Targets<'_> {
    if step.target.is_empty() { Targets::Values(&step.target_values) } else { Targets::Classes(&step.target) }
}

impl Trainer {
    /// Builds everything that `config` describes.
    ///
    /// # Errors
    /// If a part of the configuration has no meaning or its data cannot be read.
    pub fn new(config: &RunConfig) -> Result<Self, TrainError> {
        let task = config.task.build(config.training.lanes.max(1), config.training.seed)?;
        let held_out = HeldOut::new(&config.task, Part::Valid, config.training.evaluate_bytes)?;
        Ok(Self { held_out, ..Self::with_task(config, task)? })
    }

    /// The same with a task of one's own in place of the one that `config` names, without held-out data.
    ///
    /// # Errors
    /// If a part of the configuration has no meaning.
    pub fn with_task(config: &RunConfig, task: Box<dyn Task>) -> Result<Self, TrainError> {
        config.validate()?;
        Self::with_model(Model::new(config, task.inputs(), task.targets())?, task)
    }

    /// Goes on from a net that may be trained already, by its configuration.
    pub(crate) fn with_model(model: Model, task: Box<dyn Task>) -> Result<Self, TrainError> {
        let config = model.config();
        let t = &config.training;
        let stack = model.stack();
        let window = t.window.min(usize::try_from(t.steps).unwrap_or(usize::MAX));
        let comparison = config.compare.as_ref();
        let comparison =
            comparison.map(|c| Comparison::new(c, stack, t.lanes, window, t.seed)).transpose()?;
        let (weights, parameters) = (stack.weights_len(), model.readout().parameters().len());
        let updates = t.steps.div_ceil(t.window as u64);
        Ok(Self {
            gradient: vec![0.0; weights],
            estimator: config.estimator.reseeded(t.seed).build(stack.clone(), t.lanes, window)?,
            readout_gradient: vec![0.0; parameters],
            updater: Updater::new(&config.optimizer, &config.update, stack.groups(), parameters, updates)?,
            held_out: None,
            comparison,
            rewiring: config.rewiring.as_ref().map(|r| Rewiring::new(r, &model, window)).transpose()?,
            data: Step::new(&*task, t.lanes),
            losses: vec![0.0; t.lanes],
            hidden_gradient: vec![0.0; stack.hidden().len() * t.lanes],
            diverged: vec![false; t.lanes],
            restart: vec![false; t.lanes],
            steps: 0,
            model,
            task,
        })
    }

    /// The run.
    pub fn config(&self) -> &RunConfig {
        self.model.config()
    }

    /// Time steps made so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Level of the task's curriculum, if it has one.
    pub fn level(&self) -> Option<u32> {
        self.task.level()
    }

    /// The net as it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The net as it is now, to be saved.
    pub fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    /// The recurrent weights, in the order of [`Stack::linear`](rtrl_cells::Stack::linear).
    pub fn weights(&self) -> &[f32] {
        self.model.weights()
    }

    /// The readout.
    pub fn readout(&self) -> &Readout<f32> {
        self.model.readout()
    }

    /// Counted cost of the estimator.
    pub fn cost(&self) -> Cost {
        self.estimator.cost()
    }

    /// How the passive estimators have compared with their reference since the last call.
    pub fn take_alignment(&mut self) -> Vec<Alignment> {
        self.comparison.as_mut().map(Comparison::take).unwrap_or_default()
    }

    /// Multiplies the learning rate of everything to come.
    pub fn lower_rate(&mut self, factor: f64) {
        self.updater.lower_rate(factor);
    }

    /// Makes one window of time steps, or what is left of the run, and one update of all weights by the mean gradient over
    /// the window's targets.
    ///
    /// # Errors
    /// If the data cannot be read, or a loss, state, influence or gradient is no longer finite and the policy does not
    /// provide for it. The trainer is of no use then.
    pub fn train_window(&mut self) -> Result<WindowReport, TrainError> {
        let t = &self.model.config().training;
        let left = t.steps.saturating_sub(self.steps);
        let mut report = WindowReport::default();
        for _ in 0..left.min(t.window as u64) {
            self.train_step(&mut report)?;
        }
        self.estimator.finish_window(&self.model.weights, &mut self.gradient);
        if let Some(comparison) = &mut self.comparison {
            comparison.finish_window(&self.model.weights, &self.gradient);
        }
        self.check_gradients()?;
        if self.diverged.contains(&true) {
            report.skipped = self.skip()?;
            return Ok(report);
        }
        let scale = 1.0 / report.targets.max(1) as f64;
        let Self { model, gradient, readout_gradient, .. } = self;
        if let Some(rewiring) = &mut self.rewiring {
            rewiring.finish_window(model);
        }
        let vectors = [
            Parameters { weights: &mut model.weights, gradient },
            Parameters { weights: model.readout.parameters_mut(), gradient: readout_gradient },
        ];
        self.updater.update(vectors, scale);
        self.rewire()?;
        Ok(report)
    }

    fn train_step(&mut self, report: &mut WindowReport) -> Result<(), TrainError> {
        self.task.next(&mut self.data)?;
        for (starts, restart) in self.data.starts.iter_mut().zip(&mut self.restart) {
            *starts |= std::mem::take(restart);
        }
        self.steps += 1;
        let (weights, lanes) = (&self.model.weights, self.losses.len());
        self.estimator.step(weights, input_of(&self.data), &self.data.starts);
        let hidden = self.estimator.hidden();
        self.model.readout.forward(hidden);
        self.model.readout.loss_and_gradient(
            hidden,
            targets_of(&self.data),
            &mut self.losses,
            &mut self.hidden_gradient,
            &mut self.readout_gradient,
        );
        self.check_step()?;
        report.steps += 1;
        report.targets += targets_of(&self.data).count() as u64;
        report.loss += self.losses.iter().sum::<f64>();
        self.task.report(&self.losses);
        let (weights, delta) = (&self.model.weights, Lanes::new(&self.hidden_gradient, lanes));
        self.estimator.observe(weights, delta, &mut self.gradient);
        if let Some(comparison) = &mut self.comparison {
            comparison.step(weights, input_of(&self.data), &self.data.starts);
            comparison.observe(weights, delta);
        }
        if let Some(rewiring) = &mut self.rewiring {
            rewiring.step(&self.model, input_of(&self.data), &self.data.starts, delta);
        }
        Ok(())
    }

    /// Looks at states and losses of the step just made.
    fn check_step(&mut self) -> Result<(), TrainError> {
        let hidden = self.estimator.hidden();
        let state = all_finite(hidden.values());
        if state && self.losses.iter().all(|loss| loss.is_finite()) {
            return Ok(());
        }
        if self.model.config().divergence != DivergencePolicy::SkipLane {
            return Err(self.error(if state { "loss" } else { "state" }));
        }
        hidden.mark_diverged(&mut self.diverged);
        // What a lane that is not finite would have lost counts as a guess.
        let guess = match self.model.signals().1 {
            Signal::Symbols(n) => (n as f64).log2(),
            Signal::Values(_) => 0.0,
        };
        for (diverged, loss) in self.diverged.iter_mut().zip(&mut self.losses) {
            *diverged |= !loss.is_finite();
            if *diverged {
                *loss = guess;
            }
        }
        Ok(())
    }

    /// Looks at the gradients of the window just made. An influence that is not finite makes the gradient so at the same
    /// step, whatever it is multiplied with.
    fn check_gradients(&mut self) -> Result<(), TrainError> {
        if self.diverged.contains(&true) {
            return Ok(());
        }
        let core = all_finite(&self.gradient);
        if core && all_finite(&self.readout_gradient) {
            return Ok(());
        }
        self.estimator.mark_diverged(&mut self.diverged);
        if self.model.config().divergence == DivergencePolicy::SkipLane && self.diverged.contains(&true) {
            return Ok(());
        }
        let quantity = match (core, self.diverged.contains(&true)) {
            (true, _) => "gradient of the readout",
            (false, true) => "influence",
            (false, false) => "gradient",
        };
        Err(self.error(quantity))
    }

    /// Leaves out the update of the window, and has the lanes that are not finite begin anew.
    fn skip(&mut self) -> Result<u64, TrainError> {
        self.estimator.mark_diverged(&mut self.diverged);
        if !self.diverged.contains(&false) {
            return Err(self.error("state or influence of every lane"));
        }
        self.gradient.fill(0.0);
        self.readout_gradient.fill(0.0);
        let mut skipped = 0;
        for lane in 0..self.diverged.len() {
            if std::mem::take(&mut self.diverged[lane]) {
                skipped += 1;
                self.restart[lane] = true;
                self.estimator.forget(lane);
                self.comparison.iter_mut().for_each(|comparison| comparison.forget(lane));
                self.rewiring.iter_mut().for_each(|rewiring| rewiring.forget(lane));
            }
        }
        Ok(skipped)
    }

    /// Changes the masks if that is due.
    fn rewire(&mut self) -> Result<(), TrainError> {
        let Some(rewiring) = &mut self.rewiring else { return Ok(()) };
        let Some(masks) = rewiring.due(&self.model, self.steps) else { return Ok(()) };
        let origin = self.model.set_masks(masks)?;
        rewiring.initialize(&mut self.model, &origin);
        self.follow(&origin);
        Ok(())
    }

    /// Everything that depends on which weights exist follows the model.
    fn follow(&mut self, origin: &[Option<u32>]) {
        let stack = self.model.stack();
        self.gradient = vec![0.0; stack.weights_len()];
        self.estimator.relay(stack.clone(), origin);
        self.updater.relay(origin, stack.groups());
        self.comparison.iter_mut().for_each(|comparison| comparison.relay(stack, origin));
        self.rewiring.iter_mut().for_each(|rewiring| rewiring.relay(&self.model));
    }

    fn error(&self, quantity: &'static str) -> TrainError {
        let estimator = format!("{:?}", self.model.config().estimator);
        TrainError::Diverged { step: self.steps, estimator, quantity }
    }

    /// Mean loss on the held-out data, per target, with the current weights and a state of its own; `None` for a task
    /// without such data.
    ///
    /// # Errors
    /// If the data cannot be read, or the loss is not finite.
    pub fn evaluate(&mut self) -> Result<Option<f64>, TrainError> {
        let Some(held_out) = &mut self.held_out else { return Ok(None) };
        let mean = held_out.mean_loss(&self.model)?;
        if mean.is_finite() { Ok(Some(mean)) } else { Err(self.error("held-out loss")) }
    }
}

impl Persist for Trainer {
    /// Between windows.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        let before = self.model.stack().clone();
        archive.part("model", &mut self.model)?;
        if !std::sync::Arc::ptr_eq(&before, self.model.stack()) {
            // Other masks: everything is read anew, so nothing needs to survive.
            self.follow(&vec![None; self.model.stack().weights_len()]);
        }
        archive.part("estimator", &mut *self.estimator)?;
        archive.part("updates", &mut self.updater)?;
        archive.part("task", &mut *self.task)?;
        if let Some(comparison) = &mut self.comparison {
            archive.part("comparison", comparison)?;
        }
        if let Some(rewiring) = &mut self.rewiring {
            archive.part("rewiring", rewiring)?;
        }
        archive.slice("restart", &mut self.restart)?;
        archive.value("steps", &mut self.steps)?;
        let last = self.model.config().training.steps;
        archive.check("steps", self.steps <= last, || format!("{} of {last} steps", self.steps))
    }
}
