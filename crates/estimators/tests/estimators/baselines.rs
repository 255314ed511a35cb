//! The estimators that SnAp is compared with: where each is exact, where it is unbiased, and where it must differ.

#![allow(missing_docs, clippy::needless_range_loop)] // Index arithmetic as in the formulas it checks.

mod kronecker;
mod learned;
mod low_rank;

use std::sync::Arc;

use crate::support::oracle::{self, Approximation, CarriedBy};
use crate::support::{Case, Datum, ROUNDING, assert_equal, deviation, gradient_of, gradients};
use rtrl_cells::{Cell, CellConfig, CellStep, Inputs, Recurrent, Size, Stack, Structure};
use rtrl_estimators::{
    EpropConfig, EstimatorConfig, GradientEstimator, KfRtrlConfig, Kronecker, OkConfig, Order,
    RandomPathsConfig, RfloConfig, RtrlConfig, Scope, Signs, SnapConfig, Transport, Uoro, UoroConfig,
};
use rtrl_sparse::{Lanes, Pattern, Scalar};

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
            masked: Vec::new(),
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
            step.next.values_mut()[e] = leak * step.previous.values()[e] + step.rows.values_mut()[e];
        }
        step.row_jacobian.values_mut().fill(T::ONE);
        step.direct.values_mut().fill(leak);
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

/// On leaky units of a fixed rate both papers have the same eligibility trace, written out here: Murray's
/// `p ← (1 - 1/τ) p + φ'(u) x / τ`, and Bellec et al.'s `ε ← α ε + …` with the leak α.
#[test]
fn rflo_and_eprop_on_leaky_units_are_the_eligibility_traces_of_their_papers() {
    let (units, inputs) = (3, 2);
    let size = Size { leak: Some(LEAK), ..Size::dense(units) };
    let case = case(vec![CellConfig::Leaky(size)], Inputs::Dense(inputs), 1, 9);
    let stack = case.stack::<f64>();
    let (data, weights) = (case.data(units), case.weights(&stack));
    let sources = inputs + 1 + units;
    let (mut h, mut p) = (vec![0.0; units], vec![0.0; units * sources]);
    let mut expected = vec![0.0; units * sources];
    for datum in &data {
        let x: Vec<f64> = datum.dense.iter().copied().chain([1.0]).chain(h.iter().copied()).collect();
        for a in 0..units {
            let u: f64 = (0..sources).map(|b| weights[a * sources + b] * x[b]).sum();
            h[a] = LEAK * h[a] + (1.0 - LEAK) * u.tanh();
            for b in 0..sources {
                let trace = &mut p[a * sources + b];
                *trace = LEAK * *trace + (1.0 - LEAK) * (1.0 - u.tanh() * u.tanh()) * x[b];
                expected[a * sources + b] += (datum.c[a] + h[a]) * *trace;
            }
        }
    }
    let rflo = |leak| gradient_of(&case, &EstimatorConfig::Rflo(RfloConfig { leak }));
    assert_equal("RFLO", &rflo(LEAK), &expected, ROUNDING);
    assert_equal("e-prop", &gradient_of(&case, &EstimatorConfig::Eprop(EpropConfig {})), &expected, ROUNDING);
    for (name, other) in [("another rate", rflo(0.7)), ("exact RTRL", gradient_of(&case, &rtrl()))] {
        assert!(deviation(&other, &expected) > 1e-3, "{name} is another gradient");
    }
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
        let x = crate::support::oracle::one_lane_input(&case, datum, 0);
        let now = crate::support::oracle::step(&case, &stack, &weights, &x, &state, false);
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
        let delta = crate::support::oracle::delta(&case, &stack, datum, 0, &now.state);
        for w in 0..weights.len() {
            expected[w] += (0..3).map(|i| delta[i] * j[(i, w)]).sum::<f64>();
        }
        state = now.state;
    }
    let found = gradient_of(&case, &EstimatorConfig::Eprop(EpropConfig {}));
    assert_equal("e-prop", &found, &expected, ROUNDING);
}

/// A case in which lanes begin a new sequence in the middle of a window.
fn with_resets(layers: Vec<CellConfig>, inputs: Inputs) -> Case {
    let case = Case { resets: true, window: 3, ..case(layers, inputs, 3, 9) };
    let data = case.data(case.stack::<f64>().hidden().len());
    assert!(data.iter().enumerate().any(|(t, datum)| t % 3 != 0 && datum.starts.contains(&true)));
    case
}

fn nets_with_resets() -> Vec<Case> {
    let size = Size::sparse(4, 0.4);
    let mut cases = Vec::new();
    for inputs in [Inputs::Dense(2), Inputs::Symbols(3)] {
        for cell in [CellConfig::Vanilla, CellConfig::Gru, CellConfig::GruResetBefore, CellConfig::Lstm] {
            cases.push(with_resets(vec![cell(size)], inputs));
        }
        cases.push(with_resets(vec![CellConfig::Leaky(size), CellConfig::Rtu(Size::dense(2))], inputs));
        cases.push(with_resets(vec![CellConfig::Lstm(size), CellConfig::Gru(Size::dense(3))], inputs));
        cases.push(with_resets(
            vec![CellConfig::GruResetBefore(size), CellConfig::Lstm(Size::dense(2))],
            inputs,
        ));
    }
    cases
}

/// The gradient by the oracle's dense recursion.
fn dense_recursion(case: &Case, approximation: Approximation<'_>) -> Vec<f64> {
    let stack = case.stack::<f64>();
    let data = case.data(stack.hidden().len());
    oracle::recursion(case, &stack, &mut case.weights(&stack), &data, approximation, |_, _| {})
}

/// In a net of several layers the oracle pulls δ down by finite differences: see `FINITE_DIFFERENCES` in
/// `equivalence.rs`.
fn tolerance(case: &Case) -> f64 {
    if case.layers.len() > 1 { 1e-7 } else { ROUNDING }
}

#[test]
fn rflo_is_the_recursion_of_a_constant_with_resets_and_layers() {
    for case in nets_with_resets() {
        let kept = oracle::kept(&case, &case.stack(), Order::Steps(1), Scope::Layer);
        let approximation = |leak| Approximation {
            scope: Scope::Layer,
            carried_by: CarriedBy::Constant(leak),
            ..Approximation::of(&kept)
        };
        let found = gradient_of(&case, &EstimatorConfig::Rflo(RfloConfig { leak: 0.7 }));
        let expected = dense_recursion(&case, approximation(0.7));
        assert_equal(&format!("RFLO on {:?}", case.layers), &found, &expected, tolerance(&case));
        assert!(deviation(&dense_recursion(&case, approximation(0.6)), &expected) > 1e-3);
    }
}

#[test]
fn eprop_is_the_recursion_of_the_leak_with_resets_and_layers() {
    for case in nets_with_resets() {
        let kept = oracle::kept(&case, &case.stack(), Order::All, Scope::Layer);
        let approximation =
            Approximation { scope: Scope::Layer, carried_by: CarriedBy::Leak, ..Approximation::of(&kept) };
        let found = gradient_of(&case, &EstimatorConfig::Eprop(EpropConfig {}));
        let expected = dense_recursion(&case, approximation);
        assert_equal(&format!("e-prop on {:?}", case.layers), &found, &expected, tolerance(&case));
    }
}

#[test]
fn random_paths_are_the_recursion_of_some_entries_with_resets_and_layers() {
    for case in nets_with_resets() {
        let stack = case.stack::<f64>();
        let kept = oracle::kept(&case, &stack, Order::All, Scope::Stack);
        let selection = Transport::Thinned { entries: 1, seed: 3 }.pattern(&stack);
        let states = stack.states();
        let entries =
            nalgebra::DMatrix::from_fn(states, states, |i, j| selection.find(i, j as u32).is_some());
        let approximation =
            Approximation { carried_by: CarriedBy::Part(&entries), ..Approximation::of(&kept) };
        let found =
            gradient_of(&case, &EstimatorConfig::RandomPaths(RandomPathsConfig { paths: 1, seed: 3 }));
        let expected = dense_recursion(&case, approximation);
        assert_equal(&format!("random paths on {:?}", case.layers), &found, &expected, ROUNDING);
    }
}

#[test]
fn random_paths_span_snap_1_to_rtrl() {
    for cell in [CellConfig::Vanilla, CellConfig::Gru, CellConfig::Lstm, CellConfig::GruResetBefore] {
        let size = Size::sparse(5, 0.3);
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

/// A stochastic estimator: how many signs it draws at each step, and how it is built from given signs.
struct Stochastic {
    name: &'static str,
    /// Signs of a step, but for the `exact` first ones of a sequence.
    signs: fn(&Stack<f64>) -> usize,
    exact: usize,
    make: Make,
}

type Make = fn(Arc<Stack<f64>>, Signs) -> Box<dyn GradientEstimator<f64>>;

const UORO: Stochastic = Stochastic {
    name: "UORO",
    signs: |stack| stack.states(),
    exact: 0,
    make: |stack, signs| Box::new(Uoro::new(stack, 1, 2, signs)),
};
const KF_RTRL: Stochastic = Stochastic {
    name: "KF-RTRL",
    signs: |_| 1,
    exact: 1,
    make: |stack, signs| Box::new(Kronecker::kf_rtrl(stack, 1, 2, signs)),
};
const OK_1: Stochastic = Stochastic {
    name: "OK-1",
    signs: |_| 2,
    exact: 1,
    make: |stack, signs| Box::new(Kronecker::optimal(stack, 1, 2, 1, signs)),
};
const OK_2: Stochastic = Stochastic {
    name: "OK-2",
    signs: |_| 3,
    exact: 2,
    make: |stack, signs| Box::new(Kronecker::optimal(stack, 1, 2, 2, signs)),
};

/// Mean gradient over every pattern of signs, and the mean square deviation from it. If all signs are `fixed`
/// to one value, the estimator is biased.
fn over_all_signs(case: &Case, estimator: &Stochastic, fixed: Option<bool>) -> (Vec<f64>, f64) {
    let stack = case.stack::<f64>();
    let data = case.data(stack.hidden().len());
    let per_step = (estimator.signs)(&stack);
    let free = per_step * case.steps;
    let runs: Vec<Vec<f64>> = (0..1_u32 << free)
        .map(|pattern| {
            let mut list: Vec<bool> = (0..free).map(|bit| pattern >> bit & 1 == 1).collect();
            if let Some(sign) = fixed {
                list.iter_mut().for_each(|s| *s = sign);
            }
            let mut estimator = (estimator.make)(stack.clone(), Signs::listed(list));
            let mut weights = case.weights(&stack);
            gradients(case, &mut *estimator, &mut weights, &data, |_, _| {})
        })
        .collect();
    let share = 1.0 / runs.len() as f64;
    let mut mean = vec![0.0; stack.weights_len()];
    for run in &runs {
        mean.iter_mut().zip(run).for_each(|(m, g)| *m += share * g);
    }
    let square = |run: &Vec<f64>| run.iter().zip(&mean).map(|(g, m)| (g - m) * (g - m)).sum::<f64>();
    let variance = share * runs.iter().map(square).sum::<f64>();
    (mean, variance)
}

#[test]
fn stochastic_estimators_are_unbiased_over_all_signs() {
    let two = Size::dense(2);
    let masked = Size::sparse(2, 0.25);
    for layers in [
        vec![CellConfig::Vanilla(two)],
        vec![CellConfig::Gru(two)],
        vec![CellConfig::Gru(masked)],
        vec![CellConfig::GruResetBefore(two)],
        vec![CellConfig::Lstm(Size::dense(1))],
        vec![CellConfig::Gru(Size::dense(1)), CellConfig::Vanilla(Size::dense(1))],
    ] {
        for inputs in [Inputs::Dense(2), Inputs::Symbols(3)] {
            // With symbols a second sequence begins after the first step. Its three steps are enough for fixed
            // signs to show as a bias in every estimator.
            let resets = matches!(inputs, Inputs::Symbols(_));
            let begun = |case: &Case| -> Vec<bool> {
                case.data(case.stack::<f64>().hidden().len()).iter().map(|datum| datum.starts[0]).collect()
            };
            let of_seed = |seed| Case { resets, seed, ..case(layers.clone(), inputs, 1, 4) };
            let case = (17..).map(of_seed).find(|case| begun(case) == [true, resets, false, false]).unwrap();
            let kept = oracle::kept(&case, &case.stack(), Order::All, Scope::Stack);
            let exact = dense_recursion(&case, Approximation::of(&kept));
            for estimator in [UORO, KF_RTRL, OK_1, OK_2] {
                let (mean, _) = over_all_signs(&case, &estimator, None);
                // Up to 2^12 runs, each exact to rounding.
                assert_equal(&format!("{} on {layers:?}", estimator.name), &mean, &exact, 1e-10);
                let biased = deviation(&over_all_signs(&case, &estimator, Some(true)).0, &exact);
                assert!(
                    biased > 1e-5,
                    "{} on {layers:?}: fixed signs must be caught: {biased:e}",
                    estimator.name
                );
            }
        }
    }
}

#[test]
fn a_start_makes_stochastic_estimators_new() {
    // The mean over signs hides a cross term of two sequences and its effect on the variance. Under one list of
    // signs it shows.
    for layers in [
        vec![CellConfig::Gru(Size::dense(3)), CellConfig::Vanilla(Size::dense(2))],
        vec![CellConfig::Lstm(Size::dense(2))],
    ] {
        for inputs in [Inputs::Dense(2), Inputs::Symbols(3)] {
            let case = case(layers.clone(), inputs, 1, 8);
            let stack = case.stack::<f64>();
            let mut data = case.data(stack.hidden().len());
            data[4].starts[0] = true;
            for estimator in [UORO, KF_RTRL, OK_1, OK_2] {
                let half = (4 - estimator.exact) * (estimator.signs)(&stack);
                let list: Vec<bool> = (0..2 * half).map(|i| (i * i + i / 3) % 5 < 2).collect();
                let run = |list: &[bool], data: &[Datum]| {
                    let mut estimator = (estimator.make)(stack.clone(), Signs::listed(list.to_vec()));
                    gradients(&case, &mut *estimator, &mut case.weights(&stack), data, |_, _| {})
                };
                let (one, other) = (run(&list[..half], &data[..4]), run(&list[half..], &data[4..]));
                let expected: Vec<f64> = one.iter().zip(&other).map(|(one, other)| one + other).collect();
                assert_equal(estimator.name, &run(&list, &data), &expected, ROUNDING);
            }
        }
    }
}

#[test]
fn variances_are_ordered_as_the_papers_say() {
    // UORO > KF-RTRL (Mujika et al.) > OK-1 > OK-2 (Benzing et al.). OK is optimal for the influence matrix at each
    // step, not for the gradient of a given net, so the order is one of means over nets.
    for cell in [CellConfig::Vanilla, CellConfig::Gru, CellConfig::GruResetBefore] {
        let nets = 40;
        let mean = |estimator: &Stochastic| -> f64 {
            let of_net = |seed| {
                let case = Case { seed, ..case(vec![cell(Size::dense(2))], Inputs::Dense(3), 1, 4) };
                over_all_signs(&case, estimator, None).1
            };
            (0..nets).map(of_net).sum::<f64>() / nets as f64
        };
        let variances = [UORO, KF_RTRL, OK_1, OK_2].map(|estimator| mean(&estimator));
        println!("{:?} {variances:?}", cell(Size::dense(2)));
        assert!(
            variances.windows(2).all(|pair| pair[0] > pair[1]),
            "{:?}: {variances:?}",
            cell(Size::dense(2))
        );
        assert!(variances[3] > 0.0);
    }
}

#[test]
fn ok_of_full_rank_is_exact() {
    // After T steps J is a sum of at most T terms. With a rank of at least T nothing is random.
    let case = case(vec![CellConfig::Gru(Size::dense(3))], Inputs::Dense(2), 2, 5);
    let config = EstimatorConfig::OptimalKronecker(OkConfig { rank: 6, seed: 1 });
    assert_equal("OK of full rank", &gradient_of(&case, &config), &gradient_of(&case, &rtrl()), 1e-9);
}

#[test]
fn uoro_lanes_have_their_own_signs() {
    // More lanes do not change the signs of the lanes before.
    let mut two = Signs::random(5, 0..2);
    let mut three = Signs::random(5, 0..3);
    let mut second = Signs::random(5, 1..2);
    let draws: Vec<(bool, bool)> = (0..64).map(|_| (two.draw(0), two.draw(1))).collect();
    assert!(draws.iter().all(|&(_, sign)| sign == second.draw(0)), "by their numbers");
    let of_three: Vec<(bool, bool)> = (0..64)
        .map(|_| {
            three.draw(2);
            (three.draw(0), three.draw(1))
        })
        .collect();
    assert_eq!(draws, of_three);
    assert!(draws.iter().any(|(a, b)| a != b), "lanes differ");
}

#[test]
fn lanes_in_groups_draw_what_they_draw_together() {
    let case = case(vec![CellConfig::Gru(Size::dense(3))], Inputs::Dense(2), 6, 7);
    let stack = case.stack::<f64>();
    let (data, seed, lanes) = (case.data(stack.hidden().len()), 4, case.lanes);
    let signs = || Signs::random(seed, 0..lanes);
    // One estimator with all lanes; and the configuration, which builds an estimator for each of so few lanes.
    type Pair = (Box<dyn GradientEstimator<f64>>, fn(u64) -> EstimatorConfig);
    let pairs: [Pair; 3] = [
        (Box::new(Uoro::new(stack.clone(), lanes, 2, signs())), |seed| {
            UoroConfig { seed, ..Default::default() }.into()
        }),
        (Box::new(Kronecker::kf_rtrl(stack.clone(), lanes, 2, signs())), |seed| KfRtrlConfig { seed }.into()),
        (Box::new(Kronecker::optimal(stack.clone(), lanes, 2, 2, signs())), |seed| {
            OkConfig { rank: 2, seed }.into()
        }),
    ];
    for (mut together, config) in pairs {
        let expected = gradients(&case, &mut *together, &mut case.weights(&stack), &data, |_, _| {});
        let grouped = |seed| gradient_of(&case, &config(seed));
        let name = format!("{:?} in groups", config(seed));
        assert_equal(&name, &grouped(seed), &expected, ROUNDING);
        assert!(deviation(&grouped(seed + 1), &expected) > 1e-3, "signs matter");
    }
}
