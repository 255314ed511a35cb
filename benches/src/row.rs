//! One row of the table: an estimator on a net.

use std::fmt;
use std::sync::Arc;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{CellConfig, Input, Inputs, Size, Stack, init};
use rtrl_estimators::{
    BpttConfig, Cost, EpropConfig, EstimatorConfig, FrozenConfig, GradientEstimator, KfRtrlConfig, OkConfig,
    RfloConfig, RtrlConfig, Schedule, SnapConfig, UoroConfig,
};
use rtrl_sparse::Lanes;
use rtrl_train::{AdamConfig, Parameters, UpdateConfig, Updater};
use serde::{Deserialize, Serialize};

/// Inputs of every net, dense.
pub const INPUTS: usize = 32;

/// The kinds of cells that are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One gate, tanh.
    Vanilla,
    /// GRU with the reset after the product.
    Gru,
    /// Four gates, two states for each unit.
    Lstm,
}

/// A net of one cell with dense input weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Net {
    /// Its cell.
    pub kind: Kind,
    /// Number of units, k.
    pub units: usize,
    /// Share of the recurrent weights that do not exist.
    pub sparsity: f64,
}

impl Net {
    /// A net of `units` units in which the share `sparsity` of the recurrent weights does not exist.
    pub const fn new(kind: Kind, units: usize, sparsity: f64) -> Self {
        Self { kind, units, sparsity }
    }

    fn cell(self) -> CellConfig {
        let size = Size::sparse(self.units, self.sparsity);
        match self.kind {
            Kind::Vanilla => CellConfig::Vanilla(size),
            Kind::Gru => CellConfig::Gru(size),
            Kind::Lstm => CellConfig::Lstm(size),
        }
    }

    /// Builds the net with random masks, and random weights for it.
    ///
    /// # Panics
    /// If it has no units.
    pub fn build(self) -> (Arc<Stack<f32>>, Vec<f32>) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let cell = self.cell().build(Inputs::Dense(INPUTS), &mut rng).expect("a valid cell");
        let stack = Arc::new(Stack::new(vec![cell]).expect("a valid stack"));
        let weights = init::uniform(&stack, &mut rng);
        (stack, weights)
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Vanilla => "vanilla",
            Kind::Gru => "GRU",
            Kind::Lstm => "LSTM",
        };
        match self.sparsity {
            0.0 => write!(f, "{kind}-{} dense", self.units),
            s => write!(f, "{kind}-{} {} %", self.units, (1e4 * s).round() / 1e2),
        }
    }
}

/// How the recursion of J goes through windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Way {
    /// The schedule.
    pub schedule: Schedule,
    /// Whether each window begins with a reset, so that nothing is carried.
    pub reset: bool,
}

impl Way {
    /// Every step updates J.
    pub const STREAMING: Self = Self::carried(Schedule::Streaming);
    /// Adjoint windows, each of which begins with a reset.
    pub const RESET: Self = Self { schedule: Schedule::Adjoint, reset: true };
    /// Adjoint windows that carry J: it is formed once for each window.
    pub const CARRIED: Self = Self::carried(Schedule::Adjoint);

    /// A schedule that carries J from window to window.
    pub const fn carried(schedule: Schedule) -> Self {
        Self { schedule, reset: false }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", format!("{:?}", self.schedule).to_lowercase())?;
        if self.reset { f.write_str(", reset") } else { Ok(()) }
    }
}

/// An estimator in one of its forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Backpropagation over the window.
    Bptt,
    /// SnAp-n.
    Snap(usize, Way),
    /// Exact RTRL on the live entries of J.
    Rtrl(Way),
    /// RFLO.
    Rflo,
    /// e-prop.
    Eprop,
    /// UORO.
    Uoro,
    /// KF-RTRL.
    KfRtrl,
    /// OK.
    Ok,
    /// The forward pass alone.
    Frozen,
}

impl Method {
    /// The configuration of the estimator.
    #[must_use]
    pub fn config(self) -> EstimatorConfig {
        match self {
            Self::Bptt => EstimatorConfig::Bptt(BpttConfig::default()),
            Self::Snap(order, way) => {
                let Way { schedule, reset: truncate } = way;
                EstimatorConfig::Snap(SnapConfig { order, schedule, truncate, ..Default::default() })
            }
            Self::Rtrl(way) => {
                let Way { schedule, reset: truncate } = way;
                EstimatorConfig::Rtrl(RtrlConfig { schedule, truncate, ..Default::default() })
            }
            Self::Rflo => EstimatorConfig::Rflo(RfloConfig::default()),
            Self::Eprop => EstimatorConfig::Eprop(EpropConfig::default()),
            Self::Uoro => EstimatorConfig::Uoro(UoroConfig::default()),
            Self::KfRtrl => EstimatorConfig::KfRtrl(KfRtrlConfig::default()),
            Self::Ok => EstimatorConfig::OptimalKronecker(OkConfig::default()),
            Self::Frozen => EstimatorConfig::Frozen(FrozenConfig::default()),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bptt => f.write_str("BPTT"),
            Self::Snap(order, way) => write!(f, "SnAp-{order} {way}"),
            Self::Rtrl(way) => write!(f, "RTRL {way}"),
            Self::Rflo => f.write_str("RFLO"),
            Self::Eprop => f.write_str("e-prop"),
            Self::Uoro => f.write_str("UORO"),
            Self::KfRtrl => f.write_str("KF-RTRL"),
            Self::Ok => f.write_str("OK"),
            Self::Frozen => f.write_str("forward"),
        }
    }
}

/// An estimator on a net.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Row {
    /// The net.
    pub net: Net,
    /// The estimator.
    pub method: Method,
    /// B, parallel streams.
    pub lanes: usize,
    /// T, steps of a window.
    pub window: usize,
    /// Threads that it may use.
    pub threads: usize,
    /// Whether each window ends with an update of the weights by Adam.
    pub adam: bool,
}

impl Row {
    /// The same with an update at the end of each window.
    #[must_use]
    pub const fn with_adam(self) -> Self {
        Self { adam: true, ..self }
    }

    /// A row of one thread, without updates.
    pub const fn new(net: Net, method: Method, lanes: usize, window: usize) -> Self {
        Self { net, method, lanes, window, threads: 1, adam: false }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let adam = if self.adam { " + Adam" } else { "" };
        write!(f, "{} / {}{adam} / B {} / T {}", self.net, self.method, self.lanes, self.window)?;
        if self.threads > 1 { write!(f, " / {} threads", self.threads) } else { Ok(()) }
    }
}

/// A row with everything that its steps need.
pub struct Bench {
    estimator: Box<dyn GradientEstimator<f32>>,
    weights: Vec<f32>,
    gradient: Vec<f32>,
    input: Vec<f32>,
    starts: Vec<bool>,
    delta: Vec<f32>,
    window: usize,
    updater: Option<Updater>,
}

impl Bench {
    /// Builds the net and the estimator of a row.
    ///
    /// # Panics
    /// If the row's net or estimator cannot be built.
    pub fn new(row: &Row) -> Self {
        let (stack, weights) = row.net.build();
        let lanes = row.lanes;
        // So slow that the net of the last window is the net of the first.
        let adam = AdamConfig::new(1e-9).into();
        let updater = || {
            Updater::new(&adam, &UpdateConfig::default(), stack.groups(), 0, None).expect("valid settings")
        };
        Self {
            updater: row.adam.then(updater),
            gradient: vec![0.0; weights.len()],
            input: (0..INPUTS * lanes).map(|i| (i % 7) as f32 / 7.0 - 0.5).collect(),
            starts: vec![false; lanes],
            delta: (0..stack.hidden().len() * lanes).map(|i| (i % 5) as f32 / 5.0 - 0.4).collect(),
            estimator: row.method.config().build(stack, lanes, row.window).expect("a valid estimator"),
            weights,
            window: row.window,
        }
    }

    /// Makes all steps of one window, and ends it.
    pub fn window(&mut self) {
        let lanes = self.starts.len();
        for _ in 0..self.window {
            self.estimator.step(&self.weights, Input::Dense(Lanes::new(&self.input, lanes)), &self.starts);
            self.estimator.observe(&self.weights, Lanes::new(&self.delta, lanes), &mut self.gradient);
        }
        self.estimator.finish_window(&self.weights, &mut self.gradient);
        if let Some(updater) = &mut self.updater {
            let core = Parameters { weights: &mut self.weights, gradient: &mut self.gradient };
            let readout = Parameters { weights: &mut [], gradient: &mut [] };
            updater.update([core, readout], 1.0 / lanes as f64, 0.0);
        }
    }

    /// Counted cost of one step of one lane, and memory for all.
    pub fn cost(&self) -> Cost {
        self.estimator.cost()
    }

    /// Bytes that a step of all lanes must move if nothing stays in a register: weights read, the gradient read
    /// and written, and the state of the estimator read and written once in a window; for an update the weights written,
    /// and both moments of Adam read and written.
    pub fn traffic(&self) -> f64 {
        let passes = if self.updater.is_some() { 8 } else { 3 };
        let parameters = passes * size_of_val(&self.weights[..]);
        parameters as f64 + 2.0 * self.estimator.cost().bytes as f64 / self.window as f64
    }

    /// Bytes that are used at every step: the cache that they fit decides how fast they move.
    pub fn working_set(&self) -> usize {
        let arrays = if self.updater.is_some() { 4 } else { 2 };
        arrays * size_of_val(&self.weights[..]) + self.estimator.cost().bytes
    }
}
