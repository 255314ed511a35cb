//! Gradients and influence in `f32`, the type in which nets are trained, against the oracle in `f64`, for lanes
//! that fill SIMD registers of every width.

#![allow(missing_docs)]

use crate::support::oracle::{self, Approximation, CarriedBy};
use crate::support::{Case, Datum, deviation, norm};
use rtrl_cells::{CellConfig, Input, Inputs, Size};
use rtrl_estimators::{
    BpttConfig, EpropConfig, EstimatorConfig, GradientEstimator, Influence, Order, Plan, RfloConfig,
    RtrlConfig, Schedule, Scope, SnapConfig, TbpttConfig,
};
use rtrl_sparse::Lanes;

/// Rounding errors of twelve steps with sums of some twenty products, each rounded by 6e-8. At most 1.8e-7 of
/// the whole was measured; ten times that allows for other processors. A wrong entry among hundreds is 1e-3.
const ROUNDING: f64 = 2e-6;

fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn gradient(
    case: &Case,
    estimator: &mut dyn GradientEstimator<f32>,
    weights: &[f32],
    data: &[Datum],
) -> Vec<f64> {
    let mut gradient = vec![0.0; weights.len()];
    for window in data.chunks(case.window) {
        for datum in window {
            let x = narrow(&datum.dense);
            let input = match case.inputs {
                Inputs::Dense(_) => Input::Dense(Lanes::new(&x, case.lanes)),
                Inputs::Symbols(_) => Input::Symbols(&datum.symbols),
            };
            estimator.step(weights, input, &datum.starts);
            let h = estimator.hidden();
            let delta: Vec<f32> = h.values().iter().zip(&datum.c).map(|(h, &c)| c as f32 + h).collect();
            estimator.observe(weights, Lanes::new(&delta, case.lanes), &mut gradient);
        }
        estimator.finish_window(weights, &mut gradient);
    }
    wide(&gradient)
}

#[test]
fn gradients_and_influence_are_those_of_the_oracle() {
    let schedules = [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint];
    for (layers, inputs) in [
        (vec![CellConfig::Gru(Size::sparse(9, 0.5))], Inputs::Dense(3)),
        (vec![CellConfig::Vanilla(Size::dense(9))], Inputs::Symbols(4)),
        (
            vec![CellConfig::Lstm(Size::sparse(4, 0.3)), CellConfig::GruResetBefore(Size::dense(3))],
            Inputs::Dense(2),
        ),
    ] {
        for lanes in [1, 4, 16, 32] {
            let case =
                Case { layers: layers.clone(), inputs, lanes, steps: 12, window: 6, seed: 23, resets: true };
            let stack = case.stack::<f64>();
            let mut data = case.data(stack.hidden().len());
            // Weights and inputs of both sides are representable in `f32`.
            let weights = narrow(&case.weights(&stack));
            data.iter_mut().for_each(|datum| datum.dense = wide(&narrow(&datum.dense)));
            let run = |approximation: Approximation<'_>| {
                let mut weights = wide(&weights);
                oracle::recursion_and_influence(&case, &stack, &mut weights, &data, approximation, |_, _| {})
            };
            let check = |what: &str, found: &[f64], expected: &[f64]| {
                assert!(norm(expected) > 1e-2, "{what}: a silent net");
                let deviation = deviation(found, expected);
                assert!(deviation < ROUNDING, "{what} on {layers:?}, {lanes} lanes: {deviation:e}");
            };
            for (order, scope) in [
                (Order::Steps(1), Scope::Stack),
                (Order::Steps(1), Scope::Layer),
                (Order::Steps(2), Scope::Stack),
                (Order::Closure, Scope::Stack),
            ] {
                let kept = oracle::kept(&case, &stack, order, scope);
                let (expected, influence) = run(Approximation { scope, ..Approximation::of(&kept) });
                for schedule in schedules {
                    let plan = Plan { schedule, ..Plan::new(lanes, case.window) };
                    let mut estimator = Influence::of_order(case.stack::<f32>(), order, scope, plan).unwrap();
                    let found = gradient(&case, &mut estimator, &weights, &data);
                    check(&format!("{order:?} {scope:?} {schedule:?}"), &found, &expected);
                    let all = estimator.influence().unwrap();
                    let entries = kept.iter().enumerate().filter(|(_, kept)| **kept).map(|(at, _)| at);
                    let entries = entries.map(|at| (at % stack.states(), at / stack.states()));
                    let (found, expected): (Vec<f64>, Vec<f64>) = entries
                        .flat_map(|(state, weight)| {
                            let found = all.at(estimator.blocks().find(state as u32, weight).unwrap());
                            let pairs = found.iter().zip(&influence);
                            pairs
                                .map(move |(&j, oracle)| (f64::from(j), oracle[(state, weight)]))
                                .collect::<Vec<_>>()
                        })
                        .unzip();
                    check(&format!("J of {order:?} {scope:?} {schedule:?}"), &found, &expected);
                }
            }
            // Estimators as configurations build them, with the lanes shared among several.
            let all = oracle::kept(&case, &stack, Order::All, Scope::Stack);
            let (exact, _) = run(Approximation::of(&all));
            let whole = Case { window: case.steps, ..case.clone() };
            let exactly: [EstimatorConfig; 3] = [
                BpttConfig {}.into(),
                TbpttConfig { horizon: 12, replay: true }.into(),
                RtrlConfig { dense: true, ..Default::default() }.into(),
            ];
            for config in exactly {
                let mut estimator = config.build(case.stack::<f32>(), lanes, whole.window).unwrap();
                check(&format!("{config:?}"), &gradient(&whole, &mut *estimator, &weights, &data), &exact);
            }
            let one = oracle::kept(&case, &stack, Order::Steps(1), Scope::Layer);
            let layer = oracle::kept(&case, &stack, Order::All, Scope::Layer);
            let by = |kept, carried_by| {
                run(Approximation { scope: Scope::Layer, carried_by, ..Approximation::of(kept) }).0
            };
            let approximately: [(EstimatorConfig, Vec<f64>); 3] = [
                (SnapConfig::default().into(), by(&one, CarriedBy::Dynamics)),
                (RfloConfig { leak: 0.8 }.into(), by(&one, CarriedBy::Constant(0.8_f32.into()))),
                (EpropConfig {}.into(), by(&layer, CarriedBy::Leak)),
            ];
            for (config, expected) in approximately {
                let mut estimator = config.build(case.stack::<f32>(), lanes, case.window).unwrap();
                check(&format!("{config:?}"), &gradient(&case, &mut *estimator, &weights, &data), &expected);
            }
        }
    }
}
