//! Prediction without learning.

use std::sync::Arc;

use rtrl_cells::{Inference, Input};
use rtrl_sparse::Lanes;
use rtrl_tasks::Signal;

use crate::{Model, Readout, StepReport, Targets};

/// A net that predicts and does not learn: the weights of a [`Model`] or of a [`Learner`](crate::Learner), and a
/// state of its own. [`predict`](Self::predict) and [`score`](Self::score) correspond to `predict` and `learn` of a
/// learner. Nothing is allocated after construction. A clone has a state of its own from then on, and shares the
/// weights in memory.
///
/// ```
/// use rtrl_cells::Input;
/// use rtrl_sparse::Lanes;
/// use rtrl_tasks::Signal;
/// use rtrl_train::{Model, Predictor, RunConfig, Targets};
///
/// let config = RunConfig::from_toml(
///     r#"
///     layers = [{ kind = "gru", units = 16 }]
///     estimator = { kind = "snap", order = 1 }
///     optimizer = { kind = "adam", learning_rate = 0.01 }
///     training = { lanes = 1, window = 1, seed = 0 }
///     "#,
///     "example",
/// )?;
/// let model = Model::new(&config, Signal::Values(1), Signal::Values(1))?;
/// let mut predictor = Predictor::new(&model, 1);
/// predictor.predict(Input::Dense(Lanes::new(&[0.5], 1)), &[true]);
/// let report = predictor.score(Targets::Values(&[Some(0.25)]));
/// assert_eq!(report.targets, 1);
///
/// // Five steps further, reading its own predictions.
/// let mut ahead = predictor.clone();
/// for _ in 0..5 {
///     assert!(ahead.feed_back().values()[0].is_finite());
/// }
/// # Ok::<(), rtrl_train::TrainError>(())
/// ```
#[derive(Clone)]
pub struct Predictor {
    signals: (Signal, Signal),
    net: Inference<f32>,
    readout: Readout<f32>,
    losses: Vec<f64>,
    /// The input of [`feed_back`](Self::feed_back): one of the two is used, the other is empty.
    symbols: Vec<u32>,
    values: Vec<f32>,
    /// Flags for a step in which no lane begins a sequence.
    never: Vec<bool>,
    /// Whether the readout holds the prediction from the current state.
    predicted: bool,
}

impl Predictor {
    /// A copy of the net of `model` with a state of zero, for this number of lanes.
    ///
    /// # Panics
    /// If `lanes` is 0.
    #[must_use]
    pub fn new(model: &Model, lanes: usize) -> Self {
        let (symbols, values) = match model.signals().0 {
            Signal::Symbols(_) => (lanes, 0),
            Signal::Values(n) => (0, n * lanes),
        };
        Self {
            signals: model.signals(),
            net: Inference::new(model.stack().clone(), model.weights().to_vec(), lanes),
            readout: model.readout().with_lanes(lanes),
            losses: vec![0.0; lanes],
            symbols: vec![0; symbols],
            values: vec![0.0; values],
            never: vec![false; lanes],
            predicted: false,
        }
    }

    /// Takes over weights, state and prediction. The state of lanes in `restart` is zeroed. Allocates only if the
    /// masks have changed, or a clone shares the weights.
    pub(crate) fn follow(&mut self, model: &Model, state: Lanes<'_, f32>, restart: &[bool], predicted: bool) {
        if !Arc::ptr_eq(self.net.stack(), model.stack()) {
            *self = Self::new(model, state.lanes());
        }
        assert_eq!(self.lanes(), state.lanes(), "lanes of the predictor (left) and of the learner (right)");
        self.net.weights_mut().copy_from_slice(model.weights());
        self.readout.parameters_mut().copy_from_slice(model.readout().parameters());
        self.readout.read_as(model.readout());
        let mut own = self.net.state_mut();
        own.values_mut().copy_from_slice(state.values());
        for (lane, _) in restart.iter().enumerate().filter(|(_, restart)| **restart) {
            own.clear_lane(lane);
        }
        self.predicted = predicted;
        if predicted {
            self.readout.forward(self.net.hidden());
        }
    }

    /// The signals that the net reads and predicts.
    #[must_use]
    pub fn signals(&self) -> (Signal, Signal) {
        self.signals
    }

    /// Number of parallel streams.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.losses.len()
    }

    /// Reads an input in every lane and returns the prediction, `[outputs][lanes]`: log-probabilities in nats, or
    /// numbers. Lanes with `starts[b]` first forget their state. Unlike with a learner, each call is one time step
    /// further.
    ///
    /// # Panics
    /// If lanes, sizes or the kind of input do not fit, or a symbol is out of range.
    pub fn predict(&mut self, input: Input<'_, f32>, starts: &[bool]) -> Lanes<'_, f32> {
        let hidden = self.net.step(input, starts);
        self.readout.read(input);
        self.readout.forward(hidden);
        self.predicted = true;
        self.prediction()
    }

    /// Returns the last prediction once more; right after a fork, the one that waits in its learner.
    ///
    /// # Panics
    /// If there is no prediction.
    #[must_use]
    pub fn prediction(&self) -> Lanes<'_, f32> {
        self.check_predicted();
        self.readout.output()
    }

    /// Reads its own last prediction as if it had come true, and predicts one step further. Numbers are read as
    /// they are; of classes the likeliest is read. A net whose inputs are not its targets needs
    /// [`predict`](Self::predict).
    ///
    /// # Panics
    /// If there is no prediction, or inputs and targets of the net differ in kind or number.
    pub fn feed_back(&mut self) -> Lanes<'_, f32> {
        self.check_predicted();
        let (inputs, targets) = self.signals;
        assert_eq!(inputs, targets, "what the net reads (left) and predicts (right)");
        let lanes = self.lanes();
        let told = self.readout.output();
        let input = match inputs {
            Signal::Values(_) => {
                self.values.copy_from_slice(told.values());
                Input::Dense(Lanes::new(&self.values, lanes))
            }
            Signal::Symbols(n) => {
                for (lane, symbol) in self.symbols.iter_mut().enumerate() {
                    let likelier =
                        |best, class| if told.at(class)[lane] > told.at(best)[lane] { class } else { best };
                    *symbol = (0..n).fold(0, likelier) as u32;
                }
                Input::Symbols(&self.symbols)
            }
        };
        let hidden = self.net.step(input, &self.never);
        self.readout.read(input);
        self.readout.forward(hidden)
    }

    /// The loss of the last prediction for these targets; nothing changes.
    ///
    /// # Panics
    /// If there is no prediction, or sizes or the kind of targets do not fit.
    pub fn score(&mut self, targets: Targets<'_>) -> StepReport {
        self.check_predicted();
        self.readout.loss(targets, &mut self.losses);
        StepReport { targets: targets.count() as u64, loss: self.losses.iter().sum(), skipped: 0 }
    }

    fn check_predicted(&self) {
        assert!(self.predicted, "nothing is predicted: call `predict` first");
    }
}

impl std::fmt::Debug for Predictor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Predictor")
            .field("signals", &self.signals)
            .field("lanes", &self.lanes())
            .finish_non_exhaustive()
    }
}
