//! The net of a forecaster: it learns some rows behind, and predicts from the present row.

use rtrl_cells::Input;
use rtrl_checkpoint::{Archive, ArchiveError, Persist};
use rtrl_sparse::Lanes;
use rtrl_tasks::Signal;
use rtrl_train::{ConfigError, Learner, Model, Predictor, RunConfig, Targets, TrainError};

use crate::ring::Ring;

/// A net that learns with an honest delay. To learn a row, it needs the targets of as many rows ahead as it predicts,
/// so its learner stands `far` rows behind. A copy of net and state goes on from there without learning, through the
/// rows in between, and predicts from the present row.
pub struct Net {
    run: RunConfig,
    learner: Learner,
    /// The copy that goes ahead; `None` if the learner is not behind.
    ahead: Option<Predictor>,
    /// Greatest horizon minus 1.
    far: usize,
    outputs: Vec<f32>,
    /// Whether the row before made the net begin anew.
    just_reset: bool,
}

impl Net {
    pub fn new(run: RunConfig, inputs: usize, targets: Signal, far: usize) -> Result<Self, TrainError> {
        let learner = Learner::new(&run, Signal::Values(inputs), targets)?;
        let (Signal::Values(outputs) | Signal::Symbols(outputs)) = targets;
        let ahead = (far > 0).then(|| learner.fork());
        Ok(Self { run, learner, ahead, far, outputs: vec![0.0; outputs], just_reset: false })
    }

    /// Begins with the weights of `model`.
    pub fn begin_with(&mut self, model: &Model) -> Result<(), TrainError> {
        let (own, found) = (self.learner.model().signals(), model.signals());
        if own != found {
            let words = |(inputs, outputs)| {
                let number = |signal| match signal {
                    Signal::Values(n) => format!("{n} numbers"),
                    Signal::Symbols(n) => format!("one of {n} symbols"),
                };
                format!("reads {} and predicts {}", number(inputs), number(outputs))
            };
            let found = format!("one that {} where the stream {}", words(found), words(own));
            let allowed = "a net with the inputs and outputs of the stream";
            return Err(ConfigError::Value { field: "model", allowed, found }.into());
        }
        self.learner = Learner::from_model(model.clone(), &self.run)?;
        if let Some(ahead) = &mut self.ahead {
            *ahead = self.learner.fork();
        }
        Ok(())
    }

    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    pub fn learner_mut(&mut self) -> &mut Learner {
        &mut self.learner
    }

    /// Learner and `just_reset`, for a checkpoint in which they lie apart.
    pub fn parts(&mut self) -> (&mut Learner, &mut bool) {
        (&mut self.learner, &mut self.just_reset)
    }

    /// Learns the row that was read `far` rows before the last one; or, without targets, only passes it. On NaN or
    /// infinity the net's state begins anew. If it did so in the row before too, or if the state is not the cause, the
    /// weights begin anew as well. Returns the loss, and whether it began anew.
    pub fn learn(&mut self, targets: Option<Targets<'_>>) -> Result<(f64, bool), TrainError> {
        let learned = match targets {
            Some(targets) => self.learner.learn(targets),
            None => self.learner.skip(),
        };
        let (loss, begun_anew, blame_weights) = match learned {
            Ok(report) => (report.loss, report.skipped > 0, report.skipped > 0 && self.just_reset),
            // State and influence are finite and the gradient is not: the weights are too large.
            Err(TrainError::Diverged { .. }) => (0.0, true, true),
            Err(other) => return Err(other),
        };
        if blame_weights {
            let (inputs, outputs) = self.learner.model().signals();
            let rates = self.learner.rates();
            self.learner = Learner::new(&self.run, inputs, outputs)?;
            self.learner.set_rates(rates)?;
        }
        self.just_reset = begun_anew;
        Ok((loss, begun_anew))
    }

    /// What the last [`predict`](Self::predict) returned.
    pub fn outputs(&self) -> &[f32] {
        &self.outputs
    }

    /// The outputs at the newest row of `read`, which is row `row` of its sequence, counted from 0.
    pub fn predict(&mut self, read: &Ring<f32>, row: u64) -> &[f32] {
        let input = |age: usize| {
            let row = read.row(age).expect("as many rows are kept as the net is behind");
            Input::Dense(Lanes::new(row, 1))
        };
        let far = self.far as u64;
        let first = |age: usize| [age as u64 == row];
        if row >= far {
            let outputs = self.learner.predict(input(self.far), &first(self.far));
            self.outputs.copy_from_slice(outputs.values());
        }
        if let Some(ahead) = &mut self.ahead {
            self.learner.fork_into(ahead);
            for age in (0..far.min(row + 1) as usize).rev() {
                self.outputs.copy_from_slice(ahead.predict(input(age), &first(age)).values());
            }
        }
        &self.outputs
    }
}

impl Persist for Net {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.part("learner", &mut self.learner)?;
        archive.value("just-reset", &mut self.just_reset)
    }
}
