//! One grid of equivalences over cells × masks × depth × sizes × windows × lanes, in f64.

#![allow(missing_docs)]

use crate::support::{
    Case, ROUNDING, any_case, assert_equal, deviation, gradient_of, gradients, loss, oracle,
};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rtrl_cells::{CellConfig, Size};
use rtrl_estimators::{
    BpttConfig, EpropConfig, EstimatorConfig, ForwardGradient, Influence, Order, Plan, RtrlConfig, Schedule,
    Scope, Signs, SnapConfig, reach,
};

fn snap(order: usize, scope: Scope, schedule: Schedule, truncate: bool) -> EstimatorConfig {
    EstimatorConfig::Snap(SnapConfig { order, scope: Some(scope), schedule, truncate })
}

fn rtrl(dense: bool) -> EstimatorConfig {
    EstimatorConfig::Rtrl(RtrlConfig { dense, ..Default::default() })
}

const SCHEDULES: [Schedule; 3] = [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint];

/// Central differences in f64 with h = 1e-6 are good to about h² + 1e-16 / h = 1e-10, relative to losses of order 10.
const FINITE_DIFFERENCES: f64 = 1e-7;

fn finite_differences(case: &Case) -> Vec<f64> {
    let stack = case.stack::<f64>();
    let data = case.data(stack.hidden().len());
    let mut weights = case.weights(&stack);
    let h = 1e-6;
    (0..weights.len())
        .map(|i| {
            let w = weights[i];
            let mut at = |value: f64| {
                weights[i] = value;
                loss(case, &stack, &weights, &data)
            };
            let slope = (at(w + h) - at(w - h)) / (2.0 * h);
            weights[i] = w;
            slope
        })
        .collect()
}

/// Shrunk failures are kept beside this file, under version control. The path is absolute, since proptest reads
/// a relative path relative to this file, but writes it relative to the folder in which the test runs.
fn config() -> ProptestConfig {
    let regressions =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/estimators/equivalence.proptest-regressions");
    let regressions = FileFailurePersistence::Direct(regressions);
    ProptestConfig { failure_persistence: Some(Box::new(regressions)), ..ProptestConfig::default() }
}

/// A net whose gradient is zero everywhere (ReLU units all off) has nothing to compare.
fn is_silent(gradient: &[f64]) -> bool {
    crate::support::norm(gradient) < 1e-6
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn bptt_equals_finite_differences(mut case in any_case(1..=3)) {
        case.window = case.steps;
        // ReLU is left out, since a finite difference across its kink is not a derivative.
        case.layers.retain(|layer| !matches!(layer, CellConfig::VanillaRelu(_)));
        prop_assume!(!case.layers.is_empty());
        let exact = finite_differences(&case);
        let bptt = gradient_of(&case, &EstimatorConfig::Bptt(BpttConfig {}));
        assert_equal("BPTT against finite differences", &bptt, &exact, FINITE_DIFFERENCES);
    }

    #[test]
    fn rtrl_equals_bptt(mut case in any_case(1..=3), window in 1_usize..8) {
        case.window = case.steps;
        let bptt = gradient_of(&case, &EstimatorConfig::Bptt(BpttConfig {}));
        prop_assume!(!is_silent(&bptt));
        case.window = window;
        assert_equal("dense RTRL", &gradient_of(&case, &rtrl(true)), &bptt, ROUNDING);
        assert_equal("sparse RTRL", &gradient_of(&case, &rtrl(false)), &bptt, ROUNDING);
        let saturated = snap(20, Scope::Stack, Schedule::Auto, false);
        assert_equal("saturated SnAp", &gradient_of(&case, &saturated), &bptt, ROUNDING);
    }

    #[test]
    fn snap_equals_the_dense_masked_recursion(
        case in any_case(1..=3),
        order in 1_usize..4,
        layer in any::<bool>(),
        truncate in any::<bool>(),
    ) {
        let scope = if layer { Scope::Layer } else { Scope::Stack };
        let stack = case.stack::<f64>();
        let data = case.data(stack.hidden().len());
        let kept = oracle::kept(&case, &stack, Order::Steps(order), scope);
        let mut weights = case.weights(&stack);
        let approximation = oracle::Approximation { scope, truncate, ..oracle::Approximation::of(&kept) };
        let expected = oracle::recursion(&case, &stack, &mut weights, &data, approximation, |_, _| {});
        prop_assume!(!is_silent(&expected));
        // The oracle pulls δ down through layers by finite differences.
        let tolerance = if layer && stack.depth() > 1 { FINITE_DIFFERENCES } else { ROUNDING };
        for schedule in SCHEDULES {
            let found = gradient_of(&case, &snap(order, scope, schedule, truncate));
            assert_equal(&format!("SnAp-{order} {schedule:?}"), &found, &expected, tolerance);
        }
    }

    #[test]
    fn online_learning_follows_the_oracle(mut case in any_case(1..=2), order in 1_usize..4) {
        // Weights change while J is carried: after every window, and fully online if the window is 1.
        case.window = case.window.min(3);
        let stack = case.stack::<f64>();
        let data = case.data(stack.hidden().len());
        let kept = oracle::kept(&case, &stack, Order::Steps(order), Scope::Stack);
        let sgd = |weights: &mut [f64], gradient: &[f64]| {
            weights.iter_mut().zip(gradient).for_each(|(w, g)| *w -= 0.05 * g);
        };
        let mut expected_weights = case.weights(&stack);
        let approximation = oracle::Approximation::of(&kept);
        let expected = oracle::recursion(&case, &stack, &mut expected_weights, &data, approximation, sgd);
        prop_assume!(!is_silent(&expected));
        for schedule in SCHEDULES {
            let mut weights = case.weights(&stack);
            let config = snap(order, Scope::Stack, schedule, false);
            let mut estimator = config.build(stack.clone(), case.lanes, case.window).unwrap();
            let found = gradients(&case, &mut *estimator, &mut weights, &data, sgd);
            assert_equal("online gradients", &found, &expected, ROUNDING);
            assert_equal("online weights", &weights, &expected_weights, ROUNDING);
        }
    }

    #[test]
    fn influence_entries_equal_the_oracle(
        case in any_case(1..=2),
        order in 1_usize..4,
        layer in any::<bool>(),
    ) {
        // J itself is compared after the last window, entry by entry, not only its contraction. No entry is
        // stored but the kept ones.
        let scope = if layer { Scope::Layer } else { Scope::Stack };
        let stack = case.stack::<f64>();
        let data = case.data(stack.hidden().len());
        let kept = oracle::kept(&case, &stack, Order::Steps(order), scope);
        let mut weights = case.weights(&stack);
        let approximation = oracle::Approximation { scope, ..oracle::Approximation::of(&kept) };
        let (_, expected) =
            oracle::recursion_and_influence(&case, &stack, &mut weights, &data, approximation, |_, _| {});
        let largest = expected.iter().flat_map(|j| j.iter()).fold(0.0_f64, |largest, j| largest.max(j.abs()));
        prop_assume!(largest > 1e-3);
        for schedule in SCHEDULES {
            let plan = Plan { schedule, ..Plan::new(case.lanes, case.window) };
            let mut influence = Influence::of_order(stack.clone(), Order::Steps(order), scope, plan).unwrap();
            gradients(&case, &mut influence, &mut weights, &data, |_, _| {});
            let entries = kept.iter().filter(|&&k| k).count();
            prop_assert_eq!(influence.blocks().len(), entries);
            let found = influence.influence().unwrap();
            for (state, weight) in (0..stack.states()).flat_map(|s| (0..stack.weights_len()).map(move |w| (s, w))) {
                let place = influence.blocks().find(state as u32, weight);
                prop_assert_eq!(place.is_some(), kept[(state, weight)], "state {} weight {}", state, weight);
                for (lane, expected) in expected.iter().enumerate().filter(|_| place.is_some()) {
                    let (found, expected) = (found.at(place.unwrap())[lane], expected[(state, weight)]);
                    prop_assert!(
                        (found - expected).abs() <= ROUNDING * largest,
                        "{:?}: state {}, weight {}, lane {}: {} and not {}", schedule, state, weight, lane, found, expected
                    );
                }
            }
        }
    }

    #[test]
    fn lanes_equal_separate_runs(case in any_case(1..=2), order in 1_usize..3) {
        prop_assume!(case.lanes > 1);
        for schedule in SCHEDULES {
            let config = snap(order, Scope::Stack, schedule, false);
            let together = gradient_of(&case, &config);
            prop_assume!(!is_silent(&together));
            let stack = case.stack::<f64>();
            let data = case.data(stack.hidden().len());
            let mut sum = vec![0.0; together.len()];
            for lane in 0..case.lanes {
                let alone = Case { lanes: 1, ..case.clone() };
                let of_lane = |values: &[f64]| -> Vec<f64> {
                    values.iter().skip(lane).step_by(case.lanes).copied().collect()
                };
                let data: Vec<_> = data
                    .iter()
                    .map(|d| crate::support::Datum {
                        dense: of_lane(&d.dense),
                        symbols: vec![d.symbols[lane]],
                        starts: vec![d.starts[lane]],
                        c: of_lane(&d.c),
                    })
                    .collect();
                let mut weights = case.weights(&stack);
                let mut estimator = config.build(stack.clone(), 1, case.window).unwrap();
                let part = gradients(&alone, &mut *estimator, &mut weights, &data, |_, _| {});
                sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
            }
            assert_equal("lanes", &together, &sum, ROUNDING);
        }
    }

    #[test]
    fn snap_one_is_bptt_with_the_off_block_recurrence_stopped(case in any_case(1..=1)) {
        // Computed backwards, row by row: the adjoint may only pass between states that the row reaches at
        // once.
        let stack = case.stack::<f64>();
        let data = case.data(stack.hidden().len());
        let weights = case.weights(&stack);
        let kept = oracle::kept(&case, &stack, Order::Steps(1), Scope::Stack);
        let mut expected = vec![0.0; weights.len()];
        for lane in 0..case.lanes {
            let mut state = vec![0.0; stack.states()];
            let steps: Vec<_> = data
                .iter()
                .map(|datum| {
                    if datum.starts[lane] {
                        state.fill(0.0);
                    }
                    let x = oracle::one_lane_input(&case, datum, lane);
                    let now = oracle::step(&case, &stack, &weights, &x, &state, false);
                    state.clone_from(&now.state);
                    let delta = oracle::delta(&case, &stack, datum, lane, &now.state);
                    (now, delta, datum.starts[lane])
                })
                .collect();
            for w in 0..weights.len() {
                let inside = |i: usize| kept[(i, w)];
                let mut adjoint = vec![0.0; stack.states()];
                for (now, delta, start) in steps.iter().rev() {
                    (0..adjoint.len()).filter(|&i| inside(i)).for_each(|i| adjoint[i] += delta[i]);
                    expected[w] += (0..adjoint.len()).map(|i| adjoint[i] * now.immediate[(i, w)]).sum::<f64>();
                    adjoint = (0..adjoint.len())
                        .map(|j| {
                            let pulled: f64 = (0..adjoint.len()).map(|i| adjoint[i] * now.dynamics[(i, j)]).sum();
                            if *start || !inside(j) { 0.0 } else { pulled }
                        })
                        .collect();
                }
            }
        }
        prop_assume!(!is_silent(&expected));
        let snap = gradient_of(&case, &snap(1, Scope::Stack, Schedule::Auto, false));
        assert_equal("SnAp-1", &snap, &expected, ROUNDING);
    }

    #[test]
    fn reach_grows_with_n_until_it_is_closed(case in any_case(1..=3)) {
        let stack = case.stack::<f64>();
        let mut smaller = reach(&stack, stack.dynamics(), Order::Steps(1), Scope::Stack);
        for n in 2..2 + stack.states() {
            let larger = reach(&stack, stack.dynamics(), Order::Steps(n), Scope::Stack);
            for (a, b) in smaller.rows().iter().zip(larger.rows()) {
                prop_assert!(a.iter().all(|s| b.contains(s)));
            }
            smaller = larger;
        }
        prop_assert_eq!(smaller, reach(&stack, stack.dynamics(), Order::Closure, Scope::Stack));
    }
}

#[test]
fn snap_one_is_exact_on_element_wise_recurrence_and_not_elsewhere() {
    let case = |layer| Case {
        layers: vec![layer],
        inputs: rtrl_cells::Inputs::Dense(3),
        lanes: 2,
        steps: 12,
        window: 12,
        seed: 7,
        resets: false,
    };
    let one = snap(1, Scope::Stack, Schedule::Auto, false);
    for cell in [CellConfig::QuasiLstm, CellConfig::MinGru, CellConfig::IndRnn] {
        let exact = case(cell(Size::dense(4)));
        let name = format!("{:?}", exact.layers);
        assert_equal(&name, &gradient_of(&exact, &one), &gradient_of(&exact, &rtrl(false)), ROUNDING);
    }
    for cell in [CellConfig::Vanilla, CellConfig::Gru, CellConfig::GruResetBefore, CellConfig::Lstm] {
        let case = case(cell(Size::dense(4)));
        let differs = deviation(&gradient_of(&case, &one), &gradient_of(&case, &rtrl(false)));
        assert!(differs > 1e-3, "{:?}: SnAp-1 must differ from RTRL, deviation {differs:e}", case.layers);
    }
}

/// Complex diagonal recurrence: RTRL of an eligibility trace's size. The reach of a weight closes after a second
/// step, with the other part of its unit.
#[test]
fn snap_two_and_eprop_are_exact_on_complex_diagonal_recurrence() {
    for (cell, states) in
        [(CellConfig::Rtu as fn(Size) -> CellConfig, 2), (CellConfig::Lru, 2), (CellConfig::RtuLinear, 4)]
    {
        let case = Case {
            layers: vec![cell(Size::dense(5))],
            inputs: rtrl_cells::Inputs::Dense(3),
            lanes: 2,
            steps: 40,
            window: 8,
            seed: 7,
            resets: true,
        };
        let name = format!("{:?}", case.layers);
        let stack = case.stack::<f64>();
        let entries: usize = reach(&stack, stack.dynamics(), Order::Closure, Scope::Stack)
            .rows()
            .iter()
            .enumerate()
            .map(|(row, reached)| reached.len() * stack.linear().pattern().row(row).len())
            .sum();
        assert_eq!(entries, states * stack.weights_len(), "{name}: entries of J");

        // The whole sequence in one window, so that BPTT is exact.
        let whole = Case { window: case.steps, ..case.clone() };
        let exact = gradient_of(&whole, &EstimatorConfig::Bptt(BpttConfig {}));
        let two = snap(2, Scope::Stack, Schedule::Auto, false);
        let streaming = snap(2, Scope::Stack, Schedule::Streaming, false);
        // Sums of 80 products in another order.
        for estimator in [two, streaming, rtrl(false), EstimatorConfig::Eprop(EpropConfig {})] {
            assert_equal(&name, &gradient_of(&case, &estimator), &exact, 1e-12);
        }
        let one = deviation(&gradient_of(&case, &snap(1, Scope::Stack, Schedule::Auto, false)), &exact);
        assert!(one > 1e-3, "{name}: SnAp-1 must differ, deviation {one:e}");
    }
}

/// Over all patterns of signs the forward gradient is the gradient of BPTT over each window; one direction alone is
/// not.
#[test]
fn the_forward_gradient_is_bptt_over_the_window_in_the_mean() {
    let case = Case {
        layers: vec![CellConfig::Gru(Size::dense(1)), CellConfig::Vanilla(Size::dense(1))],
        inputs: rtrl_cells::Inputs::Dense(1),
        lanes: 2,
        steps: 6,
        window: 3,
        seed: 7,
        resets: true,
    };
    let stack = case.stack::<f64>();
    let weights = stack.weights_len();
    let data = case.data(stack.hidden().len());
    let gradient = |pattern: u32| {
        // The same direction in both windows, which changes no mean.
        let signs = Signs::listed((0..weights).map(|bit| pattern >> bit & 1 == 1).collect());
        let mut estimator = ForwardGradient::new(stack.clone(), case.lanes, case.window, signs);
        gradients(&case, &mut estimator, &mut case.weights(&stack), &data, |_, _| {})
    };
    let patterns = 1_u32 << weights;
    let mut mean = vec![0.0; weights];
    for pattern in 0..patterns {
        mean.iter_mut().zip(gradient(pattern)).for_each(|(m, g)| *m += g / f64::from(patterns));
    }
    let exact = gradient_of(&case, &EstimatorConfig::Bptt(BpttConfig {}));
    // Thousands of runs, each exact to rounding.
    assert_equal("the mean over directions", &mean, &exact, 1e-10);
    assert!(deviation(&gradient(5), &exact) > 0.1, "one direction");
}
