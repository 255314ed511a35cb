//! The training loop: a task, a net, an estimator, a readout and their optimizers.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_estimators::Cost;
use rtrl_tasks::{BuildTask, Part, Step, Task};

use crate::compare::Comparison;
use crate::evaluate::HeldOut;
use crate::learning::{Learning, input_of, targets_of};
use crate::sparsity::Rewiring;
use crate::{Alignment, ConfigError, Model, Readout, RunConfig, TrainError};

/// What one window of training did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WindowReport {
    /// Time steps of the window.
    pub steps: u64,
    /// Number of targets.
    pub targets: u64,
    /// Sum of the losses of these targets: in bits, or squared errors.
    pub loss: f64,
    /// Lanes that became NaN or infinite and begin a new sequence. If there are any, the window changes no weight.
    pub skipped: u64,
}

/// The validation data of the configured task, without which a run cannot end early.
fn held_out(config: &RunConfig) -> Result<Option<HeldOut>, TrainError> {
    let held_out = HeldOut::new(config.task()?, Part::Valid, config.training.evaluate_bytes)?;
    if held_out.is_none() && config.training.early_stop.is_some() {
        let (field, allowed) = ("training.early_stop", "left out: the task has no validation data");
        return Err(ConfigError::Value { field, allowed, found: "settings".into() }.into());
    }
    Ok(held_out)
}

/// A training run in `f32`.
pub struct Trainer {
    learning: Learning,
    task: Box<dyn Task>,
    held_out: Option<HeldOut>,
    comparison: Option<Comparison>,
    rewiring: Option<Rewiring>,
    data: Step,
}

impl Trainer {
    /// Builds everything that `config` describes.
    ///
    /// # Errors
    /// If a part of the configuration is invalid, or its data cannot be read.
    pub fn new(config: &RunConfig) -> Result<Self, TrainError> {
        let data = config.task()?;
        let task = data.build(config.training.lanes.max(1), config.training.seed)?;
        let held_out = held_out(config)?;
        Ok(Self { held_out, ..Self::with_task(config, task)? })
    }

    /// Builds everything that `config` describes, with another task in place of its own, and without held-out data.
    ///
    /// # Errors
    /// If a part of the configuration is invalid.
    pub fn with_task(config: &RunConfig, task: Box<dyn Task>) -> Result<Self, TrainError> {
        config.validate()?;
        Self::with_model(Model::new(config, task.inputs(), task.targets())?, config, task)
    }

    /// Begins with the weights and masks of `model`, which may be trained already. A configuration without layers
    /// takes those of the model.
    ///
    /// # Errors
    /// As [`new`](Self::new), or if the configuration describes another net, or the task does not fit the net.
    pub fn from_model(model: Model, config: &RunConfig) -> Result<Self, TrainError> {
        let data = config.task()?;
        let task = data.build(config.training.lanes.max(1), config.training.seed)?;
        let held_out = held_out(config)?;
        Ok(Self { held_out, ..Self::with_model(model, config, task)? })
    }

    pub(crate) fn with_model(
        model: Model,
        config: &RunConfig,
        task: Box<dyn Task>,
    ) -> Result<Self, TrainError> {
        model.check_signals(task.inputs(), task.targets())?;
        if config.training.whole_sequences && task.ended().is_none() {
            let (field, allowed) =
                ("training.whole_sequences", "false: the lanes of this task do not end together");
            return Err(ConfigError::Value { field, allowed, found: "true".into() }.into());
        }
        let learning = Learning::new(model, config.clone())?;
        let (config, model) = (&learning.config, &learning.model);
        let (t, stack) = (&config.training, model.stack());
        let comparison = config.compare.as_ref();
        let comparison =
            comparison.map(|c| Comparison::new(c, stack, t.lanes, t.window(), t.seed)).transpose()?;
        Ok(Self {
            held_out: None,
            comparison,
            rewiring: config.learning.rewiring.as_ref().map(|r| Rewiring::new(r, model, t)).transpose()?,
            data: Step::new(&*task, t.lanes),
            learning,
            task,
        })
    }

    /// The configuration of the run.
    pub fn config(&self) -> &RunConfig {
        &self.learning.config
    }

    /// Number of time steps made so far.
    pub fn steps(&self) -> u64 {
        self.learning.steps
    }

    /// Level of the task's curriculum, if it has one.
    pub fn level(&self) -> Option<u32> {
        self.task.level()
    }

    /// The current net.
    pub fn model(&self) -> &Model {
        &self.learning.model
    }

    /// The current net, whose weights may be changed. Its masks must not be: the trainer depends on them.
    pub fn model_mut(&mut self) -> &mut Model {
        &mut self.learning.model
    }

    /// The recurrent weights, in the order of [`Stack::linear`](rtrl_cells::Stack::linear).
    pub fn weights(&self) -> &[f32] {
        self.learning.model.weights()
    }

    /// The readout.
    pub fn readout(&self) -> &Readout<f32> {
        self.learning.model.readout()
    }

    /// Counted cost of the estimator.
    pub fn cost(&self) -> Cost {
        self.learning.estimator.cost()
    }

    /// How the passive estimators compare with their reference, as means over the windows since the last call.
    pub fn take_alignment(&mut self) -> Vec<Alignment> {
        self.comparison.as_mut().map(Comparison::take).unwrap_or_default()
    }

    /// The levels of instructions that the steps were made with, each once, the current one last.
    pub fn instructions(&self) -> &str {
        &self.learning.instructions
    }

    /// The level of instructions at which the restored state was saved, if it is not the current one.
    pub fn resumed_from(&self) -> Option<&str> {
        self.learning.resumed_from.as_deref()
    }

    /// The recurrent weights' learning rate at the next update, before the factors of groups.
    pub fn learning_rate(&self) -> f64 {
        self.learning.updater.next_rates().recurrent
    }

    /// Multiplies all learning rates, from the next update on.
    pub fn lower_rate(&mut self, factor: f64) {
        self.learning.updater.lower_rate(factor);
    }

    /// Makes one window of time steps, or the rest of the run or (with `training.whole_sequences`) of the sequences if that is shorter, and one update of all weights by
    /// the mean gradient over the window's targets. In a window without any target nothing is updated: weights,
    /// moments and weight decay stay as they are, and schedules do not advance.
    ///
    /// # Errors
    /// [`TrainError::Finished`] if all steps of the run are made; then nothing has changed. Another error if the
    /// data cannot be read, or if a loss, state, influence or gradient becomes NaN or infinite and the policy does
    /// not provide for it. Then the window has changed no weight, and a further call goes on with the next data and
    /// a new sequence in every lane.
    pub fn train_window(&mut self) -> Result<WindowReport, TrainError> {
        let t = &self.learning.config.training;
        let left = t.steps.map_or(u64::MAX, |steps| steps.saturating_sub(self.learning.steps));
        if left == 0 {
            return Err(TrainError::Finished { steps: self.learning.steps });
        }
        let steps = left.min(t.window as u64);
        let trained = self.train_steps(steps);
        if trained.is_err() {
            self.learning.abandon();
            self.comparison
                .iter_mut()
                .for_each(|comparison| comparison.abandon(&self.learning.model.weights));
            self.forget_lanes();
        }
        trained
    }

    fn train_steps(&mut self, steps: u64) -> Result<WindowReport, TrainError> {
        let mut report = WindowReport::default();
        for _ in 0..steps {
            self.train_step(&mut report)?;
            if self.learning.config.training.whole_sequences && self.task.ended() == Some(true) {
                break;
            }
        }
        self.learning.finish_window();
        if let Some(comparison) = &mut self.comparison {
            comparison.finish_window(&self.learning.model.weights, &self.learning.gradient);
        }
        report.skipped = self.learning.check()?;
        if report.skipped > 0 {
            if !self.learning.restart.contains(&false) {
                return Err(self.learning.error("state or influence of every lane"));
            }
            self.forget_lanes();
            self.rewire()?;
            return Ok(report);
        }
        if let Some(rewiring) = &mut self.rewiring {
            rewiring.finish_window(&self.learning.model);
        }
        if report.targets > 0 {
            self.learning.update(report.targets);
            if let Some(rewiring) = &mut self.rewiring {
                rewiring.updated(&mut self.learning.model.weights);
            }
        }
        self.rewire()?;
        Ok(report)
    }

    fn train_step(&mut self, report: &mut WindowReport) -> Result<(), TrainError> {
        self.task.next(&mut self.data)?;
        let (input, targets) = (input_of(&self.data), targets_of(&self.data));
        self.learning.step(input, &self.data.starts);
        self.learning.observe(Some(targets))?;
        report.steps += 1;
        report.targets += targets.count() as u64;
        report.loss += self.learning.losses.iter().sum::<f64>();
        self.task.report(&self.learning.losses);
        let Learning { model, starts, .. } = &self.learning;
        let delta = self.learning.hidden_gradient();
        if let Some(comparison) = &mut self.comparison {
            comparison.step(&model.weights, input, starts);
            comparison.observe(&model.weights, delta);
        }
        if let Some(rewiring) = &mut self.rewiring {
            rewiring.step(model, input, starts, delta);
        }
        Ok(())
    }

    /// Resets the skipped lanes in the passive estimators and in the rewiring.
    fn forget_lanes(&mut self) {
        for (lane, _) in self.learning.restart.iter().enumerate().filter(|(_, restart)| **restart) {
            self.comparison.iter_mut().for_each(|comparison| comparison.forget(lane));
            self.rewiring.iter_mut().for_each(|rewiring| rewiring.forget(lane));
        }
    }

    /// Changes the masks if a change is due.
    fn rewire(&mut self) -> Result<(), TrainError> {
        let Some(rewiring) = &mut self.rewiring else { return Ok(()) };
        let Learning { model, steps, .. } = &mut self.learning;
        let Some(masks) = rewiring.due(model, *steps) else { return Ok(()) };
        let origin = model.set_masks(masks)?;
        rewiring.initialize(model, &origin);
        self.learning.follow(&origin);
        self.follow(&origin);
        Ok(())
    }

    /// Adapts the passive estimators and the rewiring to the net's new masks.
    fn follow(&mut self, origin: &[Option<u32>]) {
        let model = &self.learning.model;
        self.comparison.iter_mut().for_each(|comparison| comparison.relay(model.stack(), origin));
        self.rewiring.iter_mut().for_each(|rewiring| rewiring.relay(model));
    }

    /// Mean loss per target on the held-out data, with the current weights and a state of its own; `None` for a
    /// task without such data.
    ///
    /// # Errors
    /// If the data cannot be read, or the loss is not finite.
    pub fn evaluate(&mut self) -> Result<Option<f64>, TrainError> {
        let Some(held_out) = &mut self.held_out else { return Ok(None) };
        let mean = held_out.scores(&self.learning.model)?.loss;
        if mean.is_finite() { Ok(Some(mean)) } else { Err(self.learning.error("held-out loss")) }
    }
}

impl Persist for Trainer {
    /// Saves or restores the trainer between windows.
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        if self.learning.persist_net(archive)? {
            self.follow(&vec![None; self.learning.model.stack().weights_len()]);
        }
        archive.part("task", &mut *self.task)?;
        if let Some(comparison) = &mut self.comparison {
            archive.part("comparison", comparison)?;
        }
        if let Some(rewiring) = &mut self.rewiring {
            archive.part("rewiring", rewiring)?;
        }
        self.learning.persist_place(archive)?;
        let (steps, last) = (self.learning.steps, self.config().training.steps);
        let possible = last.is_none_or(|last| steps <= last);
        archive.check("steps", possible, || format!("{steps} of {} steps", last.unwrap_or_default()))
    }
}

impl std::fmt::Debug for Trainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer")
            .field("model", self.model())
            .field("steps", &self.steps())
            .finish_non_exhaustive()
    }
}
