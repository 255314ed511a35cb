//! Nets, data and oracles for the equivalence tests.

#![allow(dead_code, missing_docs)] // Each test binary uses a part of this.

pub mod dual;
pub mod oracle;

use std::sync::Arc;

use proptest::prelude::*;
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{CellConfig, Input, Inputs, Size, Stack};
use rtrl_estimators::{EstimatorConfig, GradientEstimator};
use rtrl_sparse::{Lanes, Scalar};

pub type Rng = Xoshiro256PlusPlus;

/// A net, its data and how it is run: everything that a property varies.
#[derive(Debug, Clone)]
pub struct Case {
    pub layers: Vec<CellConfig>,
    pub inputs: Inputs,
    pub lanes: usize,
    pub steps: usize,
    pub window: usize,
    pub seed: u64,
    /// Whether lanes begin new sequences in the middle of the data.
    pub resets: bool,
}

/// One step of the data: inputs `[inputs][lanes]` or symbols, resets, and the linear part of the loss `[hidden][lanes]`.
#[derive(Debug, Clone)]
pub struct Datum {
    pub dense: Vec<f64>,
    pub symbols: Vec<u32>,
    pub starts: Vec<bool>,
    pub c: Vec<f64>,
}

impl Case {
    pub fn stack<T: Scalar>(&self) -> Arc<Stack<T>> {
        let mut rng = Rng::seed_from_u64(self.seed);
        let mut inputs = self.inputs;
        let mut layers = Vec::new();
        for config in &self.layers {
            let cell = config.build::<T>(inputs, &mut rng).expect("a valid cell");
            inputs = Inputs::Dense(cell.structure().hidden.len());
            layers.push(cell);
        }
        Arc::new(Stack::new(layers).expect("a valid stack"))
    }

    /// Weights large enough that every gate matters: those of `init::uniform` before cells draw their own, times 1.5.
    pub fn weights(&self, stack: &Stack<f64>) -> Vec<f64> {
        let mut rng = Rng::seed_from_u64(self.seed ^ 0x5eed);
        let mut weights = Vec::new();
        for depth in 0..stack.depth() {
            let structure = stack.layer_structure(depth);
            for row in 0..structure.rows() {
                let row = structure.weights.row(row);
                let recurrent = row.iter().filter(|&&source| source as usize > structure.one()).count();
                let fan_in = if recurrent > 0 { recurrent } else { structure.hidden.len() };
                let bound = 1.0 / (fan_in as f64).sqrt();
                weights.extend(row.iter().map(|_| 1.5 * (bound * (2.0 * rng.random::<f64>() - 1.0))));
            }
        }
        weights
    }

    pub fn data(&self, hidden: usize) -> Vec<Datum> {
        let mut rng = Rng::seed_from_u64(self.seed ^ 0xda7a);
        let mut numbers = |n: usize| (0..n).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect::<Vec<_>>();
        let mut data: Vec<Datum> = (0..self.steps)
            .map(|_| Datum {
                dense: numbers(self.inputs.len() * self.lanes),
                symbols: Vec::new(),
                starts: vec![false; self.lanes],
                c: numbers(hidden * self.lanes),
            })
            .collect();
        for (t, datum) in data.iter_mut().enumerate() {
            let symbol = |_| rng.random_range(0..self.inputs.len() as u32);
            datum.symbols = (0..self.lanes).map(symbol).collect();
            for start in &mut datum.starts {
                *start = t == 0 || (self.resets && rng.random_range(0..4) == 0);
            }
        }
        data
    }

    pub fn input<'a>(&self, datum: &'a Datum) -> Input<'a, f64> {
        match self.inputs {
            Inputs::Dense(_) => Input::Dense(Lanes::new(&datum.dense, self.lanes)),
            Inputs::Symbols(_) => Input::Symbols(&datum.symbols),
        }
    }
}

/// Losses `L_t = c_t · h_t + ½ |h_t|²`, summed over steps and lanes.
pub fn loss(case: &Case, stack: &Stack<f64>, weights: &[f64], data: &[Datum]) -> f64 {
    let (mut rollout, mut trace) = (stack.rollout(case.lanes), stack.trace(case.lanes));
    let mut loss = 0.0;
    for datum in data {
        stack.forward(weights, case.input(datum), &datum.starts, &mut rollout, &mut trace);
        let h = rollout.state().slice(stack.hidden());
        loss += h.values().iter().zip(&datum.c).map(|(h, c)| c * h + 0.5 * h * h).sum::<f64>();
    }
    loss
}

/// Makes one window of steps. Returns the gradient of losses `L_t = c_t · h_t + ½ |h_t|²`.
pub fn window(
    case: &Case,
    estimator: &mut dyn GradientEstimator<f64>,
    weights: &[f64],
    data: &[Datum],
) -> Vec<f64> {
    let mut gradient = vec![0.0; weights.len()];
    for datum in data {
        estimator.step(weights, case.input(datum), &datum.starts);
        let h = estimator.hidden();
        let delta: Vec<f64> = h.values().iter().zip(&datum.c).map(|(h, c)| c + h).collect();
        estimator.observe(weights, Lanes::new(&delta, case.lanes), &mut gradient);
    }
    estimator.finish_window(weights, &mut gradient);
    gradient
}

/// Runs an estimator over the data and returns the sum of its gradients. `learn` changes the weights after each
/// window.
pub fn gradients(
    case: &Case,
    estimator: &mut dyn GradientEstimator<f64>,
    weights: &mut [f64],
    data: &[Datum],
    mut learn: impl FnMut(&mut [f64], &[f64]),
) -> Vec<f64> {
    let mut total = vec![0.0; weights.len()];
    for data in data.chunks(case.window) {
        let gradient = window(case, estimator, weights, data);
        total.iter_mut().zip(&gradient).for_each(|(t, g)| *t += g);
        learn(weights, &gradient);
    }
    total
}

/// The gradient of an estimator with fixed weights.
pub fn gradient_of(case: &Case, config: &EstimatorConfig) -> Vec<f64> {
    let stack = case.stack::<f64>();
    let data = case.data(stack.hidden().len());
    let mut weights = case.weights(&stack);
    let mut estimator = config.build(stack, case.lanes, case.window).expect("a valid estimator");
    gradients(case, &mut *estimator, &mut weights, &data, |_, _| {})
}

pub fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// |a - b| / max(|a|, |b|), as vectors.
pub fn deviation(a: &[f64], b: &[f64]) -> f64 {
    let difference: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    norm(&difference) / norm(a).max(norm(b)).max(f64::MIN_POSITIVE)
}

/// Asserts that two gradients agree, and that they are not both silent: an agreement of zeros proves nothing.
#[track_caller]
pub fn assert_equal(what: &str, a: &[f64], b: &[f64], tolerance: f64) {
    let size = norm(a).max(norm(b));
    assert!(size > 1e-6, "{what}: silent net, |gradient| = {size:e}");
    let deviation = deviation(a, b);
    assert!(deviation <= tolerance, "{what}: relative deviation {deviation:e} > {tolerance:e}\n{a:?}\n{b:?}");
}

/// Sums of a few hundred products of numbers near one, in f64: a few hundred roundings of 1e-16, with room for the
/// cancellation between them.
pub const ROUNDING: f64 = 1e-11;

pub fn any_size() -> impl Strategy<Value = Size> {
    (1_usize..5, prop_oneof![Just(0.0), 0.2..0.7_f64]).prop_map(|(units, sparsity)| Size {
        input_sparsity: sparsity / 2.0,
        ..Size::sparse(units, sparsity)
    })
}

/// Any cell that the oracle knows; those without masks are made dense.
pub fn any_cell() -> impl Strategy<Value = CellConfig> {
    let known = |size| CellConfig::every(size).into_iter().filter(oracle::knows).collect::<Vec<_>>();
    (any_size(), 0..known(Size::dense(1)).len()).prop_map(move |(size, kind)| {
        let sparse = known(size)[kind];
        if sparse.is_masked() { sparse } else { known(Size::dense(size.units))[kind] }
    })
}

/// Numbers of lanes of which estimators take all one by one, all together, or some of both.
fn any_lanes() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 1_usize..4, 1 => 4_usize..6, 1 => 8_usize..11]
}

pub fn any_case(depth: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Case> {
    (
        proptest::collection::vec(any_cell(), depth),
        prop_oneof![(1_usize..4).prop_map(Inputs::Dense), (2_usize..5).prop_map(Inputs::Symbols)],
        (any_lanes(), 3_usize..8, 1_usize..8),
        any::<u64>(),
        any::<bool>(),
    )
        .prop_map(|(layers, inputs, (lanes, steps, window), seed, resets)| Case {
            layers,
            inputs,
            lanes,
            steps,
            window,
            seed,
            resets,
        })
        // Masks of tiny nets can disconnect a unit: an error that has tests of its own.
        .prop_filter("masks that connect every unit", |case| {
            let mut rng = Rng::seed_from_u64(case.seed);
            let mut inputs = case.inputs;
            case.layers.iter().all(|config| match config.build::<f64>(inputs, &mut rng) {
                Ok(cell) => {
                    inputs = Inputs::Dense(cell.structure().hidden.len());
                    true
                }
                Err(_) => false,
            })
        })
}
