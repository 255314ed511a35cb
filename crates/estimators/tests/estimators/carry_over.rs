//! What goes into and out of an estimator besides the gradient by the weights: states, lanes, gradients of each
//! lane, gradients by the inputs.

#![allow(missing_docs)]

use std::sync::Arc;

use crate::support::{Case, Datum, ROUNDING, any_case, assert_equal, deviation, gradient_of};
use proptest::prelude::*;
use rtrl_cells::{CellConfig, Input, Inputs, Size, Stack};
use rtrl_checkpoint::{Persist, from_bytes, to_bytes};
use rtrl_estimators::{
    BpttConfig, EstimatorConfig, EstimatorError, GradientEstimator, ImmediateConfig, Influence, LaneState,
    Order, PerLane, PerLayer, Plan, RtrlConfig, Schedule, Scope, SnapConfig, TbpttConfig,
};
use rtrl_sparse::{Lanes, LanesMut};

type Estimator = Box<dyn GradientEstimator<f64>>;

fn build(config: &EstimatorConfig, case: &Case) -> Estimator {
    config.build(case.stack(), case.lanes, case.window).expect("a valid estimator")
}

/// Every estimator, in every schedule.
fn every() -> Vec<EstimatorConfig> {
    let mut configs = EstimatorConfig::every();
    for schedule in [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint] {
        configs.push(RtrlConfig { schedule, ..Default::default() }.into());
        configs.push(SnapConfig { order: 2, schedule, truncate: true, ..Default::default() }.into());
    }
    configs.push(TbpttConfig { horizon: 20, replay: true }.into());
    configs
}

/// Makes a step with the loss c · s on all states or, if `c` has their size, on the hidden ones. Returns what
/// the step adds to the gradient.
fn step(
    case: &Case,
    estimator: &mut dyn GradientEstimator<f64>,
    weights: &[f64],
    datum: &Datum,
    c: &[f64],
) -> Vec<f64> {
    let mut gradient = vec![0.0; weights.len()];
    estimator.step(weights, case.input(datum), &datum.starts);
    estimator.observe(weights, Lanes::new(c, case.lanes), &mut gradient);
    gradient
}

fn add(total: &mut [f64], part: &[f64]) {
    total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
}

/// Makes a window of steps with losses c · s and finishes it. Returns its gradient.
fn window(
    case: &Case,
    estimator: &mut dyn GradientEstimator<f64>,
    weights: &[f64],
    data: &[Datum],
    c: &[Vec<f64>],
) -> Vec<f64> {
    let mut total = vec![0.0; weights.len()];
    for (datum, c) in data.iter().zip(c) {
        add(&mut total, &step(case, estimator, weights, datum, c));
    }
    estimator.finish_window(weights, &mut total);
    total
}

/// Numbers between -1 and 1 without a pattern.
fn numbers(len: usize, seed: usize) -> Vec<f64> {
    (0..len).map(|i| ((i * 7919 + seed * 104_729 + 13) % 1009) as f64 / 504.5 - 1.0).collect()
}

/// The same data without starts after the first step.
fn one_sequence(mut data: Vec<Datum>) -> Vec<Datum> {
    data.iter_mut().skip(1).for_each(|datum| datum.starts.fill(false));
    data
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, rng_seed: proptest::test_runner::RngSeed::Fixed(19), ..Default::default() })]

    /// Two computations without a line in common: J = I within a step, and a window of one step walked backwards.
    #[test]
    fn the_immediate_derivative_is_bptt_of_one_step(case in any_case(1..=3)) {
        let immediate = gradient_of(&case, &ImmediateConfig::default().into());
        let bptt = gradient_of(&Case { window: 1, ..case.clone() }, &BpttConfig::default().into());
        assert_equal("immediate", &immediate, &bptt, ROUNDING);
    }

    /// Gradients by the input are compared with central differences of the loss of one step. With h = 1e-5
    /// these have truncation errors of 1e-10 and rounding errors of 1e-11.
    #[test]
    fn gradients_by_the_input_are_those_of_the_steps_own_loss(case in any_case(1..=3)) {
        prop_assume!(matches!(case.inputs, Inputs::Dense(_)));
        let stack = case.stack::<f64>();
        let (weights, data) = (case.weights(&stack), case.data(stack.hidden().len()));
        let c = numbers(stack.states() * case.lanes, 1);
        let expected: Vec<Vec<f64>> = differences(&case, &stack, &weights, &data, &c);
        for config in every() {
            let mut estimator = config.build(stack.clone(), case.lanes, 1).expect("a valid estimator");
            for (datum, expected) in data.iter().zip(&expected) {
                estimator.step(&weights, case.input(datum), &datum.starts);
                let mut found = vec![f64::NAN; expected.len()];
                let mut gradient = vec![0.0; weights.len()];
                let c = Lanes::new(&c, case.lanes);
                estimator.input_gradient(&weights, c, &mut LanesMut::new(&mut found, case.lanes));
                let early = found.clone();
                estimator.observe(&weights, c, &mut gradient);
                estimator.input_gradient(&weights, c, &mut LanesMut::new(&mut found, case.lanes));
                prop_assert_eq!(&early, &found, "before and after `observe`");
                let difference = deviation(&found, expected);
                prop_assert!(difference < 1e-6 || expected.iter().all(|x| x.abs() < 1e-7), "{config:?}: {difference:e}");
                estimator.finish_window(&weights, &mut gradient);
            }
        }
    }

    /// Losses on every state of every layer: exact estimators agree with each other and with differences of the loss.
    #[test]
    fn losses_may_look_at_every_state(case in any_case(1..=3)) {
        let case = Case { window: case.steps, ..case };
        let stack = case.stack::<f64>();
        let (weights, data) = (case.weights(&stack), case.data(stack.hidden().len()));
        let c: Vec<_> = (0..data.len()).map(|t| numbers(stack.states() * case.lanes, t)).collect();
        let of = |config: EstimatorConfig| window(&case, &mut *build(&config, &case), &weights, &data, &c);
        let bptt = of(BpttConfig::default().into());
        for schedule in [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint] {
            assert_equal("RTRL", &of(RtrlConfig { schedule, ..Default::default() }.into()), &bptt, ROUNDING);
        }
        for replay in [false, true] {
            let horizon = case.window;
            assert_equal("TBPTT", &of(TbpttConfig { horizon, replay }.into()), &bptt, ROUNDING);
        }
        let slope = |w: usize| {
            let at = |by: f64| {
                let mut weights = weights.clone();
                weights[w] += by;
                losses(&case, &stack, &weights, &data, &c)
            };
            (at(1e-5) - at(-1e-5)) / 2e-5
        };
        // Some weights only, to save time. Without ReLU, since a difference may straddle its kink.
        if !case.layers.iter().any(|layer| matches!(layer, CellConfig::VanillaRelu(_))) {
            let some = (0..weights.len()).step_by(1 + weights.len() / 8);
            let (found, expected): (Vec<f64>, Vec<f64>) = some.map(|w| (bptt[w], slope(w))).unzip();
            let difference = deviation(&found, &expected);
            prop_assert!(difference < 1e-6 || expected.iter().all(|x| x.abs() < 1e-7), "{difference:e}");
        }
    }

    /// A loss gradient by the hidden states is the same as one by all states with zeros for the others.
    #[test]
    fn losses_of_hidden_states_are_losses_of_all(case in any_case(1..=2)) {
        let stack = case.stack::<f64>();
        let (weights, data) = (case.weights(&stack), case.data(stack.hidden().len()));
        let (data, hidden) = (&data[..case.window.min(data.len())], stack.hidden());
        let c: Vec<_> = (0..data.len()).map(|t| numbers(hidden.len() * case.lanes, t)).collect();
        let all: Vec<_> = c.iter().map(|c| {
            let mut all = vec![0.0; stack.states() * case.lanes];
            all[hidden.start * case.lanes..hidden.end * case.lanes].copy_from_slice(c);
            all
        }).collect();
        for config in every() {
            let of = |c: &[Vec<f64>]| window(&case, &mut *build(&config, &case), &weights, data, c);
            prop_assert_eq!(of(&c), of(&all), "{:?}", config);
        }
    }

    /// Each lane's gradient is that of an estimator with this lane alone, and their sum is that of an estimator
    /// with all lanes.
    #[test]
    fn gradients_of_lanes_are_those_of_the_lanes_alone(case in any_case(1..=2)) {
        let stack = case.stack::<f64>();
        let (weights, data) = (case.weights(&stack), case.data(stack.hidden().len()));
        for config in every() {
            let mut lanes = PerLane::new(&config, stack.clone(), case.lanes, case.window).expect("a valid estimator");
            let mut together = build(&config, &case);
            let mut sum = vec![0.0; weights.len()];
            for (t, datum) in data[..case.window.min(data.len())].iter().enumerate() {
                let c = numbers(stack.hidden().len() * case.lanes, t);
                lanes.step(&weights, case.input(datum), &datum.starts);
                prop_assert_eq!(lanes.hidden().values().len(), c.len());
                lanes.observe(&weights, Lanes::new(&c, case.lanes));
                add(&mut sum, &step(&case, &mut *together, &weights, datum, &c));
            }
            lanes.finish_window(&weights);
            together.finish_window(&weights, &mut sum);
            let mut of_lanes = vec![0.0; weights.len()];
            lanes.gradients().for_each(|gradient| add(&mut of_lanes, gradient));
            let difference = deviation(&of_lanes, &sum);
            // Stochastic estimators sum terms far larger than the gradient, so the tolerance is wider.
            prop_assert!(difference < 1e-8, "{config:?}: {difference:e}");
            if case.lanes > 1 {
                lanes.gradients().next().expect("a lane").fill(0.0);
                let mut others = vec![0.0; weights.len()];
                lanes.gradients().for_each(|gradient| add(&mut others, gradient));
                let last = lanes.gradients().last().expect("a lane").to_vec();
                prop_assert_eq!(last.iter().all(|&g| g == 0.0), matches!(config, EstimatorConfig::Frozen(_)));
                prop_assert_eq!(others == of_lanes, matches!(config, EstimatorConfig::Frozen(_)));
            }
        }
    }

    /// `PerLayer` computes what an `Influence` computes whose reach stays within each layer.
    #[test]
    fn layers_may_learn_by_estimators_of_their_own(case in any_case(1..=3)) {
        let stack = case.stack::<f64>();
        let (weights, data) = (case.weights(&stack), case.data(stack.hidden().len()));
        let c: Vec<_> = (0..data.len()).map(|t| numbers(stack.states() * case.lanes, t)).collect();
        for (config, order) in [(SnapConfig::new(1).into(), Order::Steps(1)), (RtrlConfig::default().into(), Order::Closure)] {
            let configs: Vec<EstimatorConfig> = vec![config; stack.depth()];
            let mut layers: Estimator =
                Box::new(PerLayer::new(stack.clone(), &configs, case.lanes, case.window).expect("valid"));
            let (plan, mut heard) = (Plan::new(case.lanes, case.window), false);
            let mut whole: Estimator =
                Box::new(Influence::of_order(stack.clone(), order, Scope::Layer, plan).expect("valid"));
            for (data, c) in data.chunks(case.window).zip(c.chunks(case.window)) {
                let [found, expected] =
                    [&mut layers, &mut whole].map(|estimator| window(&case, &mut **estimator, &weights, data, c));
                // If all ReLU units are silent in a window, its gradient is zero.
                let silent = expected.iter().all(|g| g.abs() < 1e-6);
                prop_assert!(silent || deviation(&found, &expected) < ROUNDING);
                heard |= !silent;
                // The bands of rows of a layer by itself may differ from those in the stack, and so may the
                // rounding.
                prop_assert!(deviation(layers.state().values(), whole.state().values()) < ROUNDING);
            }
            prop_assert!(heard || case.layers.iter().any(|cell| matches!(cell, CellConfig::VanillaRelu(_))));
            // What a lane carries is the same, entry by entry, and can be given from one to the other.
            for lane in 0..case.lanes {
                let sorted = |estimator: &Estimator| {
                    let mut carried = estimator.lane(lane);
                    carried.influence.as_mut().expect("J is kept").sort_by_key(|&(s, w, _)| (w, s));
                    carried
                };
                let (found, expected) = (sorted(&layers), sorted(&whole));
                prop_assert!(deviation(&found.state, &expected.state) < ROUNDING);
                let values = |carried: &LaneState<f64>| carried.influence.clone().unwrap();
                let (found, expected) = (values(&found), values(&expected));
                let of = |entries: &[(u32, u32, f64)]| entries.iter().map(|e| (e.0, e.1)).collect::<Vec<_>>();
                prop_assert_eq!(of(&found), of(&expected));
                let close = found.iter().zip(&expected).all(|(a, b)| (a.2 - b.2).abs() <= 1e-9 * (1.0 + b.2.abs()));
                prop_assert!(close);
                let given = whole.lane(lane);
                layers.set_lane(lane, &given);
                let again = sorted(&layers);
                prop_assert_eq!(again, sorted(&whole));
            }
            let mut expected = vec![0.0; case.inputs.len() * case.lanes];
            let mut found = expected.clone();
            if matches!(case.inputs, Inputs::Dense(_)) {
                for (estimator, into) in [(&mut layers, &mut found), (&mut whole, &mut expected)] {
                    estimator.step(&weights, case.input(&data[0]), &data[0].starts);
                    let into = &mut LanesMut::new(into, case.lanes);
                    estimator.input_gradient(&weights, Lanes::new(&c[0], case.lanes), into);
                }
                prop_assert!(deviation(&found, &expected) < ROUNDING || expected.iter().all(|x| x.abs() < 1e-12));
            }
        }
    }

    /// A lane that is given to another lane of another estimator goes on as it would have, with its state and,
    /// where both estimators keep J, its influence.
    #[test]
    fn a_lane_goes_on_in_another_estimator(case in any_case(1..=2), into in 0_usize..3) {
        let case = Case { lanes: 1, ..case };
        let stack = case.stack::<f64>();
        let (weights, data) = (case.weights(&stack), one_sequence(case.data(stack.hidden().len())));
        let (before, after) = data.split_at(data.len() / 2);
        prop_assume!(!before.is_empty() && !after.is_empty());
        let c: Vec<_> = (0..data.len()).map(|t| numbers(stack.hidden().len(), t)).collect();
        let rtrl = |schedule| EstimatorConfig::from(RtrlConfig { schedule, ..Default::default() });
        for from in [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint] {
            let whole = Case { window: case.steps, ..case.clone() };
            let mut stays = build(&rtrl(from), &whole);
            window(&whole, &mut *stays, &weights, before, &c);
            let carried = stays.lane(0);
            let expected = window(&whole, &mut *stays, &weights, after, &c[before.len()..]);
            for to in [Schedule::Streaming, Schedule::Adjoint] {
                let wide = Case { lanes: 3, ..whole.clone() };
                let mut goes_on = build(&rtrl(to), &wide);
                goes_on.set_lane(into, &carried);
                prop_assert_eq!(&goes_on.lane(into).state, &carried.state);
                let (wide_data, wide_c) = widened(after, &c[before.len()..], into);
                let found = window(&wide, &mut *goes_on, &weights, &wide_data, &wide_c);
                let size = found.iter().chain(&expected).fold(0.0_f64, |m, g| m.max(g.abs()));
                prop_assert!(size < 1e-9 || deviation(&found, &expected) < ROUNDING, "{from:?} to {to:?}");
            }
        }
    }
}

/// One lane's data in lane `into` of three; the others have zeros and no loss.
fn widened(data: &[Datum], c: &[Vec<f64>], into: usize) -> (Vec<Datum>, Vec<Vec<f64>>) {
    let wide = |one: &[f64]| -> Vec<f64> {
        one.iter().flat_map(|&x| (0..3).map(move |lane| if lane == into { x } else { 0.0 })).collect()
    };
    let data = data.iter().map(|datum| Datum {
        dense: wide(&datum.dense),
        symbols: vec![datum.symbols[0]; 3],
        starts: vec![false; 3],
        c: wide(&datum.c),
    });
    (data.collect(), c.iter().map(|c| wide(c)).collect())
}

/// Σ c · s over the steps.
fn losses(case: &Case, stack: &Stack<f64>, weights: &[f64], data: &[Datum], c: &[Vec<f64>]) -> f64 {
    let (mut rollout, mut trace) = (stack.rollout(case.lanes), stack.trace(case.lanes));
    let mut loss = 0.0;
    for (datum, c) in data.iter().zip(c) {
        stack.forward(weights, case.input(datum), &datum.starts, &mut rollout, &mut trace);
        loss += rollout.state().values().iter().zip(c).map(|(s, c)| s * c).sum::<f64>();
    }
    loss
}

/// Central differences of c · s_t by x_t, for each step.
fn differences(case: &Case, stack: &Stack<f64>, weights: &[f64], data: &[Datum], c: &[f64]) -> Vec<Vec<f64>> {
    let (mut rollout, mut trace) = (stack.rollout(case.lanes), stack.trace(case.lanes));
    let each = data.iter().map(|datum| {
        let before = rollout.clone();
        let mut at = |i: usize, by: f64| {
            let (mut rollout, mut x) = (before.clone(), datum.dense.clone());
            x[i] += by;
            let input = Input::Dense(Lanes::new(&x, case.lanes));
            stack.forward(weights, input, &datum.starts, &mut rollout, &mut trace);
            rollout.state().values().iter().zip(c).map(|(s, c)| s * c).sum::<f64>()
        };
        let slopes = (0..datum.dense.len()).map(|i| (at(i, 1e-5) - at(i, -1e-5)) / 2e-5).collect();
        stack.forward(weights, case.input(datum), &datum.starts, &mut rollout, &mut trace);
        slopes
    });
    each.collect()
}

/// A small net of two layers, for tests to which the cells do not matter.
fn small(lanes: usize, window: usize) -> Case {
    let layers = vec![CellConfig::Vanilla(Size::dense(4)), CellConfig::Lstm(Size::dense(3))];
    Case { layers, inputs: Inputs::Dense(2), lanes, steps: 12, window, seed: 3, resets: false }
}

/// A lane goes from SnAp-1 to exact RTRL: entries of J that SnAp-1 kept are there, the others are zero.
#[test]
fn a_lane_takes_what_the_other_estimator_keeps() {
    let case = small(1, 1);
    let stack = case.stack::<f64>();
    let (weights, data) = (case.weights(&stack), one_sequence(case.data(stack.hidden().len())));
    let mut snap = build(&SnapConfig::new(1).into(), &case);
    for (t, datum) in data.iter().enumerate() {
        window(&case, &mut *snap, &weights, std::slice::from_ref(datum), &[numbers(stack.hidden().len(), t)]);
    }
    let kept = snap.lane(0);
    let mut rtrl = build(&RtrlConfig::default().into(), &case);
    rtrl.set_lane(0, &kept);
    let entries = |carried: &LaneState<f64>| carried.influence.clone().expect("J is kept");
    let (few, mut all) = (entries(&kept), entries(&rtrl.lane(0)));
    assert!(all.len() > 2 * few.len(), "{} entries of {}", few.len(), all.len());
    assert!(few.iter().all(|entry| entry.2 != 0.0), "a silent net proves nothing");
    assert!(few.iter().all(|entry| all.contains(entry)));
    all.retain(|entry| entry.2 != 0.0);
    assert_eq!(all.len(), few.len());
    // Control: without its influence the lane has another gradient.
    let c = [numbers(stack.hidden().len(), 1)];
    let mut forgets = build(&RtrlConfig::default().into(), &case);
    forgets.set_lane(0, &LaneState { influence: None, ..kept.clone() });
    let of = |rtrl: &mut Estimator| window(&case, &mut **rtrl, &weights, &data[1..2], &c);
    let (with, without) = (of(&mut rtrl), of(&mut forgets));
    assert!(deviation(&with, &without) > 0.01, "the influence does not matter");
    rtrl.set_lane(0, &kept);
    // Back from RTRL to SnAp-1.
    let mut again = build(&SnapConfig::new(1).into(), &case);
    again.set_lane(0, &rtrl.lane(0));
    assert_eq!(again.lane(0), kept);
}

/// TBPTT sends no credit further back than the step at which a lane's state was set, and the other lane does
/// not change.
#[test]
fn looking_back_ends_where_a_lane_was_given() {
    let case = small(2, 2);
    let stack: Arc<Stack<f64>> = case.stack();
    let (weights, data) = (case.weights(&stack), one_sequence(case.data(stack.hidden().len())));
    let c: Vec<_> = (0..data.len()).map(|t| numbers(stack.hidden().len() * 2, t)).collect();
    let given = LaneState { state: numbers(stack.states(), 5), influence: None };
    for replay in [false, true] {
        let tbptt = EstimatorConfig::from(TbpttConfig { horizon: 8, replay });
        let mut lanes = PerLane::new(&tbptt, stack.clone(), 2, 2).unwrap();
        let mut undisturbed = PerLane::new(&tbptt, stack.clone(), 2, 2).unwrap();
        let run = |lanes: &mut PerLane<f64>, range: std::ops::Range<usize>| -> Vec<Vec<f64>> {
            lanes.gradients().for_each(|gradient| gradient.fill(0.0));
            for t in range {
                lanes.step(&weights, case.input(&data[t]), &data[t].starts);
                lanes.observe(&weights, Lanes::new(&c[t], 2));
            }
            lanes.finish_window(&weights);
            lanes.gradients().map(|gradient| gradient.to_vec()).collect()
        };
        for first in [0, 2, 4] {
            run(&mut lanes, first..first + 2);
            run(&mut undisturbed, first..first + 2);
        }
        lanes.estimator().set_lane(1, &given);
        for first in [6, 8] {
            let found = run(&mut lanes, first..first + 2);
            let expected = run(&mut undisturbed, first..first + 2);
            assert_eq!(found[0], expected[0], "the other lane");
            assert_ne!(found[1], expected[1]);
            // BPTT over all steps since the state was given, of which only the last two have losses.
            let mut bptt = PerLane::new(&BpttConfig::default().into(), stack.clone(), 2, 4).unwrap();
            bptt.estimator().set_lane(1, &given);
            for t in 6..first + 2 {
                bptt.step(&weights, case.input(&data[t]), &data[t].starts);
                let silent = vec![0.0; c[t].len()];
                bptt.observe(&weights, Lanes::new(if t >= first { &c[t] } else { &silent }, 2));
            }
            bptt.finish_window(&weights);
            let alone = bptt.gradients().nth(1).unwrap().to_vec();
            assert_equal("the lane that was given", &found[1], &alone, ROUNDING);
        }
    }
}

/// `PerLayer` passes a change of masks, saving and restoring on to the estimator of every layer.
#[test]
fn estimators_of_layers_are_saved_and_relayed() {
    let case = small(2, 2);
    let stack = case.stack::<f64>();
    let (weights, data) = (case.weights(&stack), case.data(stack.hidden().len()));
    let c: Vec<_> = (0..data.len()).map(|t| numbers(stack.hidden().len() * 2, t)).collect();
    let configs = [SnapConfig::new(2).into(), BpttConfig::default().into()];
    let build = || PerLayer::new(stack.clone(), &configs, 2, 2).unwrap();
    let (mut saved, mut restored) = (build(), build());
    window(&case, &mut saved, &weights, &data[..2], &c);
    let bytes = to_bytes(|archive| saved.persist(archive)).unwrap();
    from_bytes(&bytes, |archive| restored.persist(archive)).unwrap();
    assert_eq!(saved.state().values(), restored.state().values());
    let same: Vec<_> = (0..weights.len() as u32).map(Some).collect();
    restored.relay(stack.clone(), &same);
    let [a, b] = [&mut saved, &mut restored].map(|e| window(&case, e, &weights, &data[2..4], &c[2..4]));
    assert_eq!(a, b);
    assert!(saved.layer(0).schedule().is_some() && saved.layer(1).schedule().is_none());
    let few = PerLayer::<f64>::new(stack.clone(), &configs[..1], 2, 2).unwrap_err();
    assert_eq!(few, EstimatorError::Layers { expected: 2, found: 1 });
}

#[test]
fn wrong_lanes_are_refused() {
    let case = small(2, 2);
    let stack = case.stack::<f64>();
    let good = LaneState { state: vec![0.5; stack.states()], influence: None };
    let entry = |state, weight| LaneState { influence: Some(vec![(state, weight, 1.0)]), ..good.clone() };
    let (states, weights) = (stack.states() as u32, stack.weights_len() as u32);
    for config in every() {
        let refused = |carried: &LaneState<f64>, lane: usize, word: &str| {
            let mut estimator = build(&config, &case);
            let call = std::panic::AssertUnwindSafe(|| estimator.set_lane(lane, carried));
            let panic = std::panic::catch_unwind(call).expect_err("refused");
            let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            assert!(message.contains(word), "{config:?}: {message}");
            assert!(estimator.state().values().iter().all(|&s| s == 0.0), "{config:?} has changed");
        };
        refused(&good, 2, "lane ");
        refused(&LaneState { state: vec![0.5; 3], influence: None }, 0, "states of the lane");
        refused(&entry(states, 0), 0, "of the influence");
        refused(&entry(0, weights), 0, "of the influence");
    }
}
