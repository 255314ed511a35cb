//! The loop: a task, a net, an estimator, a readout and their optimizers.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_estimators::Cost;
use rtrl_tasks::{BuildTask, Part, Step, Task};

use crate::compare::Comparison;
use crate::evaluate::HeldOut;
use crate::learning::{Learning, input_of, targets_of};
use crate::sparsity::Rewiring;
use crate::{Alignment, Model, Readout, RunConfig, TrainError};

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
    /// If a part of the configuration has no meaning or its data cannot be read.
    pub fn new(config: &RunConfig) -> Result<Self, TrainError> {
        let data = config.task()?;
        let task = data.build(config.training.lanes.max(1), config.training.seed)?;
        let held_out = HeldOut::new(data, Part::Valid, config.training.evaluate_bytes)?;
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
        let (t, stack) = (&config.training, model.stack());
        let comparison = config.compare.as_ref();
        let comparison =
            comparison.map(|c| Comparison::new(c, stack, t.lanes, t.window(), t.seed)).transpose()?;
        Ok(Self {
            held_out: None,
            comparison,
            rewiring: config.rewiring.as_ref().map(|r| Rewiring::new(r, &model, t.window())).transpose()?,
            data: Step::new(&*task, t.lanes),
            learning: Learning::new(model)?,
            task,
        })
    }

    /// The run.
    pub fn config(&self) -> &RunConfig {
        self.learning.model.config()
    }

    /// Time steps made so far.
    pub fn steps(&self) -> u64 {
        self.learning.steps
    }

    /// Level of the task's curriculum, if it has one.
    pub fn level(&self) -> Option<u32> {
        self.task.level()
    }

    /// The net as it is now.
    pub fn model(&self) -> &Model {
        &self.learning.model
    }

    /// The net as it is now, to be changed in its weights; its masks belong to the trainer.
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

    /// How the passive estimators have compared with their reference since the last call.
    pub fn take_alignment(&mut self) -> Vec<Alignment> {
        self.comparison.as_mut().map(Comparison::take).unwrap_or_default()
    }

    /// The levels of instructions that the steps were made with, each once, the present one last.
    pub fn instructions(&self) -> &str {
        &self.learning.instructions
    }

    /// The level of instructions that the state which was restored last had been saved at, if it is not the present one.
    pub fn resumed_from(&self) -> Option<&str> {
        self.learning.resumed_from.as_deref()
    }

    /// The learning rate of the next update, before factors of groups.
    pub fn learning_rate(&self) -> f64 {
        self.learning.updater.next_rates().recurrent
    }

    /// Multiplies the learning rate of everything to come.
    pub fn lower_rate(&mut self, factor: f64) {
        self.learning.updater.lower_rate(factor);
    }

    /// Makes one window of time steps, or what is left of the run, and one update of all weights by the mean gradient over
    /// the window's targets. In a window without any target nothing is updated: weights, moments and weight decay stand
    /// still, and schedules do not advance.
    ///
    /// # Errors
    /// [`TrainError::Finished`] if all steps of the run are made; nothing has changed then. If the data cannot be read, or a
    /// loss, state, influence or gradient is no longer finite and the policy does not provide for it: the window then has
    /// changed no weight, and whoever goes on does so with the next data and with new sequences in every lane.
    pub fn train_window(&mut self) -> Result<WindowReport, TrainError> {
        let t = &self.learning.model.config().training;
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

    /// The lanes that were skipped begin anew everywhere.
    fn forget_lanes(&mut self) {
        for (lane, _) in self.learning.restart.iter().enumerate().filter(|(_, restart)| **restart) {
            self.comparison.iter_mut().for_each(|comparison| comparison.forget(lane));
            self.rewiring.iter_mut().for_each(|rewiring| rewiring.forget(lane));
        }
    }

    /// Changes the masks if that is due.
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

    /// What stands beside the learning net follows its masks.
    fn follow(&mut self, origin: &[Option<u32>]) {
        let model = &self.learning.model;
        self.comparison.iter_mut().for_each(|comparison| comparison.relay(model.stack(), origin));
        self.rewiring.iter_mut().for_each(|rewiring| rewiring.relay(model));
    }

    /// Mean loss on the held-out data, per target, with the current weights and a state of its own; `None` for a task
    /// without such data.
    ///
    /// # Errors
    /// If the data cannot be read, or the loss is not finite.
    pub fn evaluate(&mut self) -> Result<Option<f64>, TrainError> {
        let Some(held_out) = &mut self.held_out else { return Ok(None) };
        let mean = held_out.mean_loss(&self.learning.model)?;
        if mean.is_finite() { Ok(Some(mean)) } else { Err(self.learning.error("held-out loss")) }
    }
}

impl Persist for Trainer {
    /// Between windows.
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
