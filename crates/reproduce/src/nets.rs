//! Nets for measurements: one cell on dense inputs, random weights and data.

use std::sync::Arc;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rtrl_cells::{CellConfig, Input, Inputs, Stack, init};
use rtrl_estimators::{EstimatorConfig, GradientEstimator};
use rtrl_sparse::{Lanes, Scalar};
use serde::{Deserialize, Serialize};

/// A net and its data, determined by these numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Net {
    /// The cell.
    pub cell: CellConfig,
    /// Dense inputs.
    pub inputs: usize,
    /// Seed of masks, weights and data.
    pub seed: u64,
}

/// A net with random weights, inputs and gradients of losses.
pub struct Driver<T> {
    /// The net.
    pub stack: Arc<Stack<T>>,
    weights: Vec<T>,
    rng: Xoshiro256PlusPlus,
}

impl Net {
    /// Builds the net.
    ///
    /// # Errors
    /// If the cell's settings are not valid.
    pub fn build<T: Scalar>(&self) -> Result<Driver<T>, String> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let cell =
            self.cell.build(Inputs::Dense(self.inputs), &mut rng).map_err(|error| error.to_string())?;
        let stack = Arc::new(Stack::new(vec![cell]).map_err(|error| error.to_string())?);
        let weights = init::uniform(&stack, &mut rng);
        Ok(Driver { stack, weights, rng })
    }
}

impl<T: Scalar> Driver<T> {
    /// The estimator for one lane.
    ///
    /// # Errors
    /// If the estimator's settings are not valid.
    pub fn estimator(
        &self,
        config: &EstimatorConfig,
        window: usize,
    ) -> Result<Box<dyn GradientEstimator<T>>, String> {
        config.build(self.stack.clone(), 1, window).map_err(|error| error.to_string())
    }

    /// Numbers uniform on ±1.
    fn numbers(&mut self, n: usize) -> Vec<T> {
        let unit = |bits: u64| T::from_f64((bits >> 11) as f64 / (1_u64 << 52) as f64 - 1.0);
        (0..n).map(|_| unit(self.rng.next_u64())).collect()
    }

    /// Inputs and gradients of losses by the hidden state for a sequence.
    pub fn data(&mut self, steps: usize) -> Vec<(Vec<T>, Vec<T>)> {
        let (inputs, hidden) = (self.stack.inputs().len(), self.stack.hidden().len());
        (0..steps).map(|_| (self.numbers(inputs), self.numbers(hidden))).collect()
    }

    /// Steps of one input and one gradient of the loss, again and again, with windows of `window` steps. Nothing is kept of them here.
    pub fn repeat(
        &self,
        estimator: &mut dyn GradientEstimator<T>,
        (input, delta): &(Vec<T>, Vec<T>),
        steps: usize,
        window: usize,
    ) {
        let mut gradient = vec![T::ZERO; self.weights.len()];
        for t in 0..steps {
            estimator.step(&self.weights, Input::Dense(Lanes::new(input, 1)), &[t == 0]);
            estimator.observe(&self.weights, Lanes::new(delta, 1), &mut gradient);
            if (t + 1) % window == 0 {
                estimator.finish_window(&self.weights, &mut gradient);
            }
        }
    }

    /// The gradient of a sequence from rest under constant weights.
    pub fn gradient(&self, estimator: &mut dyn GradientEstimator<T>, data: &[(Vec<T>, Vec<T>)]) -> Vec<T> {
        let mut gradient = vec![T::ZERO; self.weights.len()];
        for (t, (input, delta)) in data.iter().enumerate() {
            estimator.step(&self.weights, Input::Dense(Lanes::new(input, 1)), &[t == 0]);
            estimator.observe(&self.weights, Lanes::new(delta, 1), &mut gradient);
        }
        estimator.finish_window(&self.weights, &mut gradient);
        gradient
    }
}
