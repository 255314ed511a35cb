//! The core of every training loop: a net, its estimator and its updates, one time step after the other.

use std::sync::Arc;

use rtrl_cells::Input;
use rtrl_checkpoint::{Archive, ArchiveError};
use rtrl_estimators::GradientEstimator;
use rtrl_sparse::{Lanes, Level};
use rtrl_tasks::{Signal, Step};

use crate::divergence::all_finite;
use crate::feedback::RandomFeedback;
use crate::least_squares::ReadoutSquares;
use crate::model::Stream;
use crate::number::MOST;
use crate::optimizer::Parameters;
use crate::{ConfigError, DivergencePolicy, Model, RunConfig, Targets, TrainError, Updater};

/// What learning from one step did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct StepReport {
    /// Number of targets.
    pub targets: u64,
    /// Sum of the losses of these targets: in bits, or squared errors.
    pub loss: f64,
    /// Lanes that became NaN or infinite and begin a new sequence. If there are any, the window changes no weight.
    /// Always 0 without learning.
    pub skipped: u64,
}

/// The input of a step.
pub(crate) fn input_of(step: &Step) -> Input<'_, f32> {
    if step.input.is_empty() {
        Input::Dense(Lanes::new(&step.input_values, step.starts.len()))
    } else {
        Input::Symbols(&step.input)
    }
}

/// The targets of a step.
pub(crate) fn targets_of(step: &Step) -> Targets<'_> {
    if step.target.is_empty() { Targets::Values(&step.target_values) } else { Targets::Classes(&step.target) }
}

/// A net that learns. A time step is [`step`](Self::step), then [`observe`](Self::observe). A window of them ends
/// with [`finish_window`](Self::finish_window), [`check`](Self::check), and if no lane was skipped
/// [`update`](Self::update). A window that fails ends with [`abandon`](Self::abandon).
pub(crate) struct Learning {
    /// The configuration of the run, with the layers of the model.
    pub config: RunConfig,
    pub model: Model,
    pub estimator: Box<dyn GradientEstimator<f32>>,
    pub updater: Updater,
    /// The configured policy, unless another was set.
    pub policy: DivergencePolicy,
    /// Gradient of the recurrent weights, over the window so far.
    pub gradient: Vec<f32>,
    readout_gradient: Vec<f32>,
    /// What the estimator gets in the place of the gradient by the hidden states.
    feedback: Option<RandomFeedback>,
    /// How the readout learns, if not by the optimizer.
    squares: Option<ReadoutSquares>,
    /// Losses of the last step, `[lanes]`.
    pub losses: Vec<f64>,
    /// Sum of the losses of the window so far, in the units of its gradient: nats, or half the squared errors.
    descended: f64,
    /// Gradient of the last step by the hidden states, or what stands in its place, `[hidden][lanes]`.
    hidden_gradient: Vec<f32>,
    /// The lanes that began a new sequence with the last step.
    pub starts: Vec<bool>,
    /// The lanes that became NaN or infinite in this window.
    diverged: Vec<bool>,
    /// The lanes that began a sequence after the first step of the window: what they forgot may be in the window's
    /// gradient.
    began: Vec<bool>,
    /// The lanes that were reset after a divergence: they begin a new sequence with the next step, whatever its
    /// `starts` say.
    pub restart: Vec<bool>,
    pub steps: u64,
    /// Steps of the window so far; `observed` counts those whose loss the estimator knows.
    pub made: usize,
    observed: usize,
    /// Levels of instructions that the steps were made with, each once, the current one last. `resumed_from` is the
    /// level before a restoration, if it was another.
    pub instructions: String,
    pub resumed_from: Option<String>,
}

impl Learning {
    /// Begins with the weights of `model`. Builds estimator and optimizers by `config`.
    pub fn new(model: Model, config: RunConfig) -> Result<Self, TrainError> {
        let model = model.for_run(config)?;
        let config = model.run().cloned().expect("the run that was just given");
        let (t, stack) = (&config.training, model.stack());
        let (weights, parameters) = (stack.weights_len(), model.readout().parameters().len());
        let updates = t.steps.map(|steps| steps.div_ceil(t.window as u64));
        let hidden = stack.hidden().len();
        let feedback = || {
            let outputs = model.readout().output().len();
            RandomFeedback::new(hidden, outputs, &mut Stream::Feedback.rng(t.seed))
        };
        let squares = match (&config.learning.update.rls, model.signals().1) {
            (None, _) => None,
            (Some(rls), Signal::Values(outputs)) => Some(ReadoutSquares::new(rls, hidden, outputs, t.lanes)),
            (Some(_), Signal::Symbols(classes)) => {
                let allowed = "left out where classes are predicted: least squares are for numbers";
                let (field, found) = ("update.rls", format!("{classes} classes"));
                return Err(ConfigError::Value { field, allowed, found }.into());
            }
        };
        Ok(Self {
            feedback: (!config.learning.feedback.is_exact()).then(feedback),
            squares,
            gradient: vec![0.0; weights],
            estimator: config.learning.estimator.reseeded(t.seed).build(
                stack.clone(),
                t.lanes,
                t.window(),
            )?,
            updater: Updater::new(
                &config.learning.optimizer,
                &config.learning.update,
                stack.groups(),
                parameters,
                updates,
            )?,
            policy: config.learning.divergence.clone(),
            readout_gradient: vec![0.0; parameters],
            losses: vec![0.0; t.lanes],
            descended: 0.0,
            hidden_gradient: vec![0.0; hidden * t.lanes],
            starts: vec![false; t.lanes],
            diverged: vec![false; t.lanes],
            began: vec![false; t.lanes],
            restart: vec![false; t.lanes],
            steps: 0,
            made: 0,
            observed: 0,
            instructions: Level::current().to_string(),
            resumed_from: None,
            model,
            config,
        })
    }

    /// `∂L_t/∂h_t` of the last step, `[hidden][lanes]`.
    pub fn hidden_gradient(&self) -> Lanes<'_, f32> {
        Lanes::new(&self.hidden_gradient, self.losses.len())
    }

    /// Makes a time step: every lane reads an input, and the readout predicts.
    pub fn step(&mut self, input: Input<'_, f32>, starts: &[bool]) {
        for ((now, &starts), restart) in self.starts.iter_mut().zip(starts).zip(&mut self.restart) {
            *now = starts | std::mem::take(restart);
        }
        for (began, start) in self.began.iter_mut().zip(&self.starts) {
            *began = self.made > 0 && (*began || *start);
        }
        if self.made == 0 {
            self.descended = 0.0;
        }
        self.steps += 1;
        self.made += 1;
        self.estimator.step(&self.model.weights, input, &self.starts);
        self.model.readout.read(input);
        self.model.readout.forward(self.estimator.hidden());
    }

    /// Computes the loss of the step just made, if it has a target, and its gradients, and tells them to the
    /// estimator.
    pub fn observe(&mut self, targets: Option<Targets<'_>>) -> Result<(), TrainError> {
        if let Some(squares) = &mut self.squares {
            squares.observe(self.estimator.hidden(), targets);
        }
        match targets {
            Some(targets) => {
                self.model.readout.loss_and_gradient(
                    self.estimator.hidden(),
                    targets,
                    &mut self.losses,
                    &mut self.hidden_gradient,
                    &mut self.readout_gradient,
                );
                // Without a target the readout holds its prediction, and no gradient by it.
                if let Some(feedback) = self.feedback.as_ref().filter(|_| targets.count() > 0) {
                    feedback.carry(self.model.readout.output(), &mut self.hidden_gradient);
                }
            }
            None => {
                self.losses.fill(0.0);
                self.hidden_gradient.fill(0.0);
            }
        }
        self.check_step()?;
        // Bits, or squared errors, in the units of the gradient.
        let unit = match self.model.signals().1 {
            Signal::Symbols(_) => std::f64::consts::LN_2,
            Signal::Values(_) => 0.5,
        };
        self.descended += unit * self.losses.iter().sum::<f64>();
        self.tell();
        Ok(())
    }

    /// Tells the estimator the gradient of the step just made.
    fn tell(&mut self) {
        let delta = Lanes::new(&self.hidden_gradient, self.losses.len());
        self.estimator.observe(&self.model.weights, delta, &mut self.gradient);
        self.observed += 1;
    }

    /// Completes the gradient of the window.
    pub fn finish_window(&mut self) {
        self.estimator.finish_window(&self.model.weights, &mut self.gradient);
        (self.made, self.observed) = (0, 0);
    }

    /// Ends the window early, at whatever point. Weights and optimizers are as before the window, and every lane
    /// begins a new sequence.
    pub fn abandon(&mut self) {
        if self.observed < self.made {
            self.hidden_gradient.fill(0.0);
            self.tell();
        }
        if self.made > 0 {
            self.finish_window();
        }
        self.diverged.fill(true);
        self.skip();
    }

    /// Checks the states and losses of the step just made for NaN and infinity.
    fn check_step(&mut self) -> Result<(), TrainError> {
        let hidden = self.estimator.hidden();
        let state = all_finite(hidden.values());
        if state && self.losses.iter().all(|loss| loss.is_finite()) {
            return Ok(());
        }
        if self.policy != DivergencePolicy::SkipLane {
            return Err(self.error(if state { "loss" } else { "state" }));
        }
        hidden.mark_diverged(&mut self.diverged);
        // The loss of a diverged lane is counted as that of a uniform guess (0 for numbers), so that the mean stays
        // finite.
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

    /// Checks the window just made for NaN and infinity. If the policy provides for them, the window changes no
    /// weight, and the lanes that have them begin a new sequence. Returns the number of such lanes.
    pub fn check(&mut self) -> Result<u64, TrainError> {
        let gone = self.check_gradients()?;
        if gone > 0 || self.diverged.contains(&true) { Ok(gone + self.skip()) } else { Ok(0) }
    }

    /// Checks the gradients of the window just made. NaN or infinity in J always reaches the gradient of the same
    /// step (0 · ∞ = NaN), so checking the gradient is enough. The lane to blame may have begun a new sequence
    /// since and be finite again. Then the result is the number of lanes that began a sequence in this window, any
    /// of which it may have been; otherwise 0.
    fn check_gradients(&mut self) -> Result<u64, TrainError> {
        if self.diverged.contains(&true) {
            return Ok(0);
        }
        let core = all_finite(&self.gradient);
        if core && all_finite(&self.readout_gradient) {
            return Ok(0);
        }
        self.estimator.mark_diverged(&mut self.diverged);
        if self.policy == DivergencePolicy::SkipLane {
            let began = self.began.iter().filter(|&&began| began).count() as u64;
            match self.diverged.contains(&true) {
                true => return Ok(0),
                false if !core && began > 0 => return Ok(began),
                false => {}
            }
        }
        let quantity = match (core, self.diverged.contains(&true)) {
            (true, _) => "gradient of the readout",
            (false, true) => "influence",
            (false, false) => "gradient",
        };
        Err(self.error(quantity))
    }

    fn skip(&mut self) -> u64 {
        self.estimator.mark_diverged(&mut self.diverged);
        self.gradient.fill(0.0);
        self.readout_gradient.fill(0.0);
        let mut skipped = 0;
        for lane in 0..self.diverged.len() {
            if std::mem::take(&mut self.diverged[lane]) {
                skipped += 1;
                self.restart[lane] = true;
                self.estimator.forget(lane);
            }
        }
        skipped
    }

    /// Updates all weights by the mean gradient over the `targets` of the window.
    pub fn update(&mut self, targets: u64) {
        if let Some(squares) = &mut self.squares {
            if self.updater.next_rates().readout > 0.0 {
                squares.update(self.model.readout.parameters_mut());
            }
            // The optimizer has nothing left to do for the readout.
            self.readout_gradient.fill(0.0);
        }
        let vectors = [
            Parameters { weights: &mut self.model.weights, gradient: &mut self.gradient },
            Parameters { weights: self.model.readout.parameters_mut(), gradient: &mut self.readout_gradient },
        ];
        self.updater.update(vectors, 1.0 / targets.max(1) as f64, self.descended);
    }

    /// Adapts estimator, gradient and optimizers to the masks that the model has now.
    pub fn follow(&mut self, origin: &[Option<u32>]) {
        let stack = self.model.stack();
        self.gradient = vec![0.0; stack.weights_len()];
        self.estimator.relay(stack.clone(), origin);
        self.updater.relay(origin, stack.groups());
    }

    pub fn error(&self, quantity: &'static str) -> TrainError {
        let estimator = format!("{:?}", self.config.learning.estimator);
        TrainError::Diverged { step: self.steps, estimator, quantity }
    }

    /// Saves or restores weights, influence and the optimizers' memory, between windows. Returns whether the masks
    /// have changed.
    pub fn persist_net(&mut self, archive: &mut Archive<'_>) -> Result<bool, ArchiveError> {
        let before = self.model.stack().clone();
        archive.part("model", &mut self.model)?;
        let other = !Arc::ptr_eq(&before, self.model.stack());
        if other {
            // Everything is restored, so no old value needs to survive.
            self.follow(&vec![None; self.model.stack().weights_len()]);
        }
        archive.part("estimator", &mut *self.estimator)?;
        archive.part("updates", &mut self.updater)?;
        if let Some(squares) = &mut self.squares {
            archive.part("squares", squares)?;
        }
        self.persist_left(archive)?;
        Ok(other)
    }

    /// Saves or restores the gradient that waits for the next update. There is one after a window without a target, if the
    /// estimator predicts later losses ([`rtrl_estimators::Dni`]); else the section is left out.
    fn persist_left(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        const NAME: &str = "left";
        let present = match archive.is_loading() {
            true => {
                self.gradient.fill(0.0);
                archive.next_is(NAME)
            }
            false => self.gradient.iter().any(|&g| g != 0.0),
        };
        if present { archive.slice(NAME, &mut self.gradient) } else { Ok(()) }
    }

    /// Saves or restores the counts: how far learning has come.
    pub fn persist_place(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.slice("restart", &mut self.restart)?;
        archive.value("steps", &mut self.steps)?;
        archive.check("steps", self.steps < MOST, || "a count that is never reached".to_string())?;
        self.persist_instructions(archive)
    }

    fn persist_instructions(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        const NAME: &str = "instructions";
        // Checkpoints of older versions did not record the level, which is then taken to be the current one.
        if !archive.next_is(NAME) {
            return Ok(());
        }
        let mut levels = self.instructions.clone().into_bytes();
        archive.vec(NAME, &mut levels)?;
        let known = |byte: &u8| byte.is_ascii_alphanumeric() || b", ".contains(byte);
        let plausible = levels.len() < 256 && levels.iter().all(known);
        archive.check(NAME, plausible, || "this is no list of levels".to_string())?;
        if archive.is_loading() {
            self.instructions = String::from_utf8_lossy(&levels).into_owned();
            let now = Level::current().to_string();
            // Each level once, the current one last.
            let mut levels: Vec<&str> = self.instructions.split(", ").collect();
            self.resumed_from = levels.last().filter(|last| **last != now).map(|last| last.to_string());
            levels.retain(|level| *level != now);
            levels.push(&now);
            self.instructions = levels.join(", ");
        }
        Ok(())
    }
}
