//! The three-unit example of `docs/MATH.md`, number by number. All of them are exact in binary.

#![allow(missing_docs)]

use std::sync::Arc;

use rtrl_cells::{GateMask, Input, Inputs, Masks, Relu, Stack, Vanilla};
use rtrl_estimators::{GradientEstimator, Influence, Order, Plan, Schedule, Scope, reach};
use rtrl_sparse::{Lanes, Pattern};

/// Unit 1 reads x and itself, unit 2 reads unit 1, unit 3 reads unit 2; counted from 0 here.
fn net() -> Arc<Stack<f64>> {
    let input = Pattern::from_rows(1, [vec![0], vec![], vec![]]).unwrap();
    let recurrent = Pattern::from_rows(3, [[0], [0], [1]]).unwrap();
    let masks = Masks { gates: vec![GateMask { input, recurrent }] };
    let cell = Vanilla::new(Inputs::Dense(1), 3, &masks, Relu).unwrap();
    Arc::new(Stack::new(vec![Box::new(cell)]).unwrap())
}

/// Row 1: x, bias, h1. Row 2: bias, h1. Row 3: bias, h2.
const WEIGHTS: [f64; 7] = [1.0, 0.0, 0.5, 1.0, 2.0, 1.0, 1.0];

/// J of row 1 after each step (states × its three weights) and the gradient after the last.
fn run(order: Order, schedule: Schedule, window: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
    let net = net();
    let reach = reach(&net, net.dynamics(), order, Scope::Stack);
    let plan = Plan { schedule, ..Plan::new(1, window) };
    let mut influence = Influence::new(net.clone(), &reach, plan).unwrap();
    let mut gradient = vec![0.0; WEIGHTS.len()];
    let mut history = Vec::new();
    for t in 0..3 {
        influence.step(&WEIGHTS, Input::Dense(Lanes::new(&[1.0], 1)), &[t == 0]);
        let delta = if t == 2 { [0.0, 1.0, 1.0] } else { [0.0; 3] };
        influence.observe(&WEIGHTS, Lanes::new(&delta, 1), &mut gradient);
        let j = influence.influence().expect("kept");
        let entry = |state: u32, weight| influence.blocks().find(state, weight).map(|at| j.at(at)[0]);
        let row: Vec<f64> = (0..3).flat_map(|s| (0..3).filter_map(move |w| entry(s, w))).collect();
        history.push(row);
    }
    influence.finish_window(&WEIGHTS, &mut gradient);
    (history, gradient)
}

#[test]
fn reaches() {
    let of = |order| reach(&net(), net().dynamics(), order, Scope::Stack);
    assert_eq!(of(Order::Steps(1)).rows(), [vec![0], vec![1], vec![2]]);
    assert_eq!(of(Order::Steps(2)).rows(), [vec![0, 1], vec![1, 2], vec![2]]);
    assert_eq!(of(Order::Steps(3)).rows(), [vec![0, 1, 2], vec![1, 2], vec![2]]);
    assert_eq!(of(Order::Steps(3)), of(Order::Closure));
}

#[test]
fn influence_of_the_first_row_under_snap_2() {
    let (j, gradient) = run(Order::Steps(2), Schedule::Streaming, 3);
    assert_eq!(j[0], [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(j[1], [1.5, 1.5, 1.0, 2.0, 2.0, 0.0]);
    assert_eq!(j[2], [1.75, 1.75, 2.0, 3.0, 3.0, 2.0]);
    assert_eq!(gradient[..3], [3.0, 3.0, 2.0]);
}

#[test]
fn gradients_by_order_and_schedule() {
    for schedule in [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint] {
        let gradient = |order| run(order, schedule, 3).1;
        assert_eq!(gradient(Order::Steps(1)), [0.0, 0.0, 0.0, 1.0, 1.5, 1.0, 3.0], "{schedule:?}");
        assert_eq!(gradient(Order::Steps(2)), [3.0, 3.0, 2.0, 2.0, 2.5, 1.0, 3.0], "{schedule:?}");
        assert_eq!(gradient(Order::Closure), [5.0, 5.0, 2.0, 2.0, 2.5, 1.0, 3.0], "{schedule:?}");
    }
}
