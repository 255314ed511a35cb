//! The estimators that SnAp is compared with: where each is exact, where it is unbiased, and where it must differ.

#![allow(missing_docs)]

mod support;

use std::sync::Arc;

use rtrl_cells::{Cell, CellConfig, CellStep, Inputs, Recurrent, Size, Stack, Structure};
use rtrl_estimators::{
    EpropConfig, EstimatorConfig, RandomPathsConfig, RfloConfig, RtrlConfig, Signs, SnapConfig, Uoro,
};
use rtrl_sparse::{Pattern, Scalar};
use support::{Case, ROUNDING, assert_equal, deviation, gradient_of, gradients};

fn case(layers: Vec<CellConfig>, inputs: Inputs, lanes: usize, steps: usize) -> Case {
    Case { layers, inputs, lanes, steps, window: 2, seed: 17, resets: false }
}

fn rtrl() -> EstimatorConfig {
    EstimatorConfig::Rtrl(RtrlConfig::default())
}

/// Leaky integrators, `h' = λ h + W x + b`: the recurrence is only the leak.
struct Leaky {
    structure: Structure,
}

const LEAK: f64 = 0.8;

impl Leaky {
    fn new(inputs: usize, units: usize) -> Self {
        let structure = Structure {
            inputs: Inputs::Dense(inputs),
            states: units,
            hidden: 0..units,
            recurrent: Vec::<Recurrent>::new(),
            weights: Pattern::dense(units, inputs + 1),
            row_jacobian: Pattern::identity(units),
            direct: Pattern::identity(units),
        };
        Self { structure }
    }
}

impl<T: Scalar> Cell<T> for Leaky {
    fn structure(&self) -> &Structure {
        &self.structure
    }

    fn forward(&self, step: &mut CellStep<'_, T>) {
        let leak = T::from_f64(LEAK);
        step.preactivate(0..self.structure.states);
        for e in 0..step.previous.values().len() {
            step.next.values()[e] = leak * step.previous.values()[e] + step.rows.values()[e];
        }
        step.row_jacobian.values().fill(T::ONE);
        step.direct.values().fill(leak);
    }
}

#[test]
fn rflo_and_eprop_are_exact_where_the_recurrence_is_only_the_leak() {
    let case = case(vec![], Inputs::Dense(2), 2, 9);
    let stack = Arc::new(Stack::new(vec![Box::new(Leaky::new(2, 3)) as Box<dyn Cell<f64>>]).unwrap());
    let data = case.data(3);
    let gradient = |config: EstimatorConfig| {
        let mut weights: Vec<f64> = (0..stack.weights_len()).map(|i| 0.1 * i as f64 - 0.4).collect();
        let mut estimator = config.build(stack.clone(), 2, case.window).unwrap();
        gradients(&case, &mut *estimator, &mut weights, &data, |_, _| {})
    };
    let exact = gradient(rtrl());
    assert_equal("RFLO", &gradient(EstimatorConfig::Rflo(RfloConfig { leak: LEAK })), &exact, ROUNDING);
    assert_equal("e-prop", &gradient(EstimatorConfig::Eprop(EpropConfig {})), &exact, ROUNDING);
    let other = gradient(EstimatorConfig::Rflo(RfloConfig { leak: 0.5 }));
    assert!(deviation(&other, &exact) > 1e-2, "another leak is another gradient");
}

#[test]
fn rflo_and_eprop_are_approximations_elsewhere() {
    for cell in [CellConfig::Gru(Size::dense(3)), CellConfig::Lstm(Size::dense(3))] {
        let case = case(vec![cell, cell], Inputs::Dense(2), 2, 9);
        let exact = gradient_of(&case, &rtrl());
        for config in [EstimatorConfig::Rflo(RfloConfig::default()), EstimatorConfig::Eprop(EpropConfig {})] {
            let approximate = gradient_of(&case, &config);
            assert!(deviation(&approximate, &exact) > 1e-3, "{config:?}");
            let dot: f64 = approximate.iter().zip(&exact).map(|(a, b)| a * b).sum();
            assert!(dot > 0.0, "{config:?} must still point downhill here");
        }
    }
}

#[test]
fn eprop_is_the_dense_recursion_of_the_leak() {
    // GRU: the leak is z, so each trace is J ← z J + I with I the immediate Jacobian of its own unit.
    let case = case(vec![CellConfig::Gru(Size::dense(3))], Inputs::Dense(2), 1, 6);
    let stack = case.stack::<f64>();
    let (data, weights) = (case.data(3), case.weights(&stack));
    let mut expected = vec![0.0; weights.len()];
    let mut state = vec![0.0; 3];
    let mut j = nalgebra::DMatrix::<f64>::zeros(3, weights.len());
    for datum in &data {
        let x = support::oracle::one_lane_input(&case, datum, 0);
        let now = support::oracle::step(&case, &stack, &weights, &x, &state, false);
        for i in 0..3 {
            // z from its own preactivation, written out.
            let row = |r: usize| stack.linear().pattern().entries(r).zip(stack.linear().pattern().row(r));
            let z: f64 = row(3 + i)
                .map(|(e, &c)| {
                    let c = c as usize;
                    weights[e]
                        * if c < 2 {
                            x[c]
                        } else if c == 2 {
                            1.0
                        } else {
                            state[c - 3]
                        }
                })
                .sum();
            let leak = 1.0 / (1.0 + (-z).exp());
            for w in 0..weights.len() {
                j[(i, w)] = leak * j[(i, w)] + now.immediate[(i, w)];
            }
        }
        let delta = support::oracle::delta(&case, &stack, datum, 0, &now.state);
        for w in 0..weights.len() {
            expected[w] += (0..3).map(|i| delta[i] * j[(i, w)]).sum::<f64>();
        }
        state = now.state;
    }
    let found = gradient_of(&case, &EstimatorConfig::Eprop(EpropConfig {}));
    assert_equal("e-prop", &found, &expected, ROUNDING);
}

#[test]
fn random_paths_span_snap_1_to_rtrl() {
    for cell in [CellConfig::Vanilla, CellConfig::Gru, CellConfig::Lstm, CellConfig::GruResetBefore] {
        let size = Size { units: 5, sparsity: 0.3, input_sparsity: 0.0 };
        let case = case(vec![cell(size), cell(Size::dense(3))], Inputs::Dense(2), 2, 9);
        let paths = |paths| EstimatorConfig::RandomPaths(RandomPathsConfig { paths, seed: 3 });
        let exact = gradient_of(&case, &rtrl());
        assert_equal("all paths", &gradient_of(&case, &paths(100)), &exact, ROUNDING);
        let some = deviation(&gradient_of(&case, &paths(1)), &exact);
        assert!(some > 1e-4, "one path is not all of them: {some:e}");
    }
    for cell in [CellConfig::Vanilla, CellConfig::VanillaRelu, CellConfig::Gru, CellConfig::QuasiLstm] {
        let case = case(vec![cell(Size::dense(4))], Inputs::Dense(2), 2, 9);
        let none = EstimatorConfig::RandomPaths(RandomPathsConfig { paths: 0, seed: 3 });
        let snap = gradient_of(&case, &EstimatorConfig::Snap(SnapConfig::default()));
        assert_equal("no paths", &gradient_of(&case, &none), &snap, ROUNDING);
    }
}

#[test]
fn a_leak_out_of_range_is_refused() {
    let case = case(vec![CellConfig::Gru(Size::dense(2))], Inputs::Dense(2), 1, 1);
    for leak in [-0.1, 1.1, f64::NAN] {
        let config = EstimatorConfig::Rflo(RfloConfig { leak });
        assert!(config.build(case.stack::<f64>(), 1, 1).is_err(), "{leak}");
    }
}

/// Mean gradient of UORO over every pattern of signs; `repeat` uses the signs of the first step at every step, which
/// is biased.
fn mean_over_signs(case: &Case, repeat: bool) -> Vec<f64> {
    let stack = case.stack::<f64>();
    let data = case.data(stack.hidden().len());
    let free = if repeat { stack.states() } else { stack.states() * case.steps };
    let mut mean = vec![0.0; stack.weights_len()];
    for pattern in 0..1_u32 << free {
        let list = (0..free).map(|bit| pattern >> bit & 1 == 1).collect();
        let mut uoro = Uoro::new(stack.clone(), 1, Signs::listed(list));
        let mut weights = case.weights(&stack);
        let gradient = gradients(case, &mut uoro, &mut weights, &data, |_, _| {});
        let share = 1.0 / f64::from(1_u32 << free);
        mean.iter_mut().zip(gradient).for_each(|(m, g)| *m += share * g);
    }
    mean
}

#[test]
fn uoro_is_unbiased_over_all_signs() {
    let two = Size::dense(2);
    for layers in [
        vec![CellConfig::Vanilla(two)],
        vec![CellConfig::Gru(two)],
        vec![CellConfig::GruResetBefore(two)],
        vec![CellConfig::Lstm(Size::dense(1))],
        vec![CellConfig::Gru(Size::dense(1)), CellConfig::Vanilla(Size::dense(1))],
    ] {
        for inputs in [Inputs::Dense(2), Inputs::Symbols(3)] {
            let case = case(layers.clone(), inputs, 1, 4);
            let exact = gradient_of(&case, &rtrl());
            // 2^8 runs, each exact to rounding.
            assert_equal("mean over signs", &mean_over_signs(&case, false), &exact, 1e-10);
            let biased = deviation(&mean_over_signs(&case, true), &exact);
            assert!(biased > 1e-4, "{layers:?}: repeated signs must be caught, deviation {biased:e}");
        }
    }
}

#[test]
fn uoro_lanes_have_their_own_signs() {
    // A run with more lanes does not disturb the ones before.
    let mut two = Signs::random(5, 2);
    let mut three = Signs::random(5, 3);
    let draws: Vec<(bool, bool)> = (0..64).map(|_| (two.draw(0), two.draw(1))).collect();
    let of_three: Vec<(bool, bool)> = (0..64)
        .map(|_| {
            three.draw(2);
            (three.draw(0), three.draw(1))
        })
        .collect();
    assert_eq!(draws, of_three);
    assert!(draws.iter().any(|(a, b)| a != b), "lanes differ");
}
