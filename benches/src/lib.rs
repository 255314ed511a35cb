//! Nets that several benches share.

use std::sync::Arc;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{CellConfig, Input, Inputs, Size, Stack, init};
use rtrl_estimators::{EstimatorConfig, GradientEstimator};
use rtrl_sparse::Lanes;

/// Inputs of every net, dense.
pub const INPUTS: usize = 32;

/// An estimator on a random net, with everything that its steps need.
pub struct Bench {
    estimator: Box<dyn GradientEstimator<f32>>,
    weights: Vec<f32>,
    gradient: Vec<f32>,
    input: Vec<f32>,
    starts: Vec<bool>,
    delta: Vec<f32>,
    window: usize,
}

impl Bench {
    /// A net of one cell with dense input weights.
    ///
    /// # Panics
    /// If the configuration is invalid.
    pub fn new(cell: CellConfig, estimator: &EstimatorConfig, lanes: usize, window: usize) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let cell = cell.build(Inputs::Dense(INPUTS), &mut rng).expect("a valid cell");
        let stack = Arc::new(Stack::new(vec![cell]).expect("a valid stack"));
        let weights = init::uniform(&stack, &mut rng);
        Self {
            gradient: vec![0.0; weights.len()],
            input: (0..INPUTS * lanes).map(|i| (i % 7) as f32 / 7.0 - 0.5).collect(),
            starts: vec![false; lanes],
            delta: (0..stack.hidden().len() * lanes).map(|i| (i % 5) as f32 / 5.0 - 0.4).collect(),
            estimator: estimator.build(stack, lanes, window).expect("a valid estimator"),
            weights,
            window,
        }
    }

    /// All steps of one window, and its end.
    pub fn window(&mut self) {
        let lanes = self.starts.len();
        for _ in 0..self.window {
            self.estimator.step(&self.weights, Input::Dense(Lanes::new(&self.input, lanes)), &self.starts);
            self.estimator.observe(&self.weights, Lanes::new(&self.delta, lanes), &mut self.gradient);
        }
        self.estimator.finish_window(&self.weights, &mut self.gradient);
    }

    /// Counted multiply-adds of one step of one lane.
    pub fn macs(&self) -> f64 {
        self.estimator.cost().macs()
    }
}

/// The cells of the paper's cost table: about equal parameter counts.
pub fn sparse_sizes() -> [Size; 3] {
    [(128, 0.75), (256, 0.9375), (512, 0.984)]
        .map(|(units, sparsity)| Size { sparsity, ..Size::dense(units) })
}
