//! Counted cost against what the kernels really multiply.

#![allow(missing_docs)]

use crate::support::Case;
use rtrl_cells::{CellConfig, Input, Inputs, Size};
use rtrl_estimators::{
    EstimatorConfig, FrozenConfig, GradientEstimator, Influence, Order, Plan, RtrlConfig, Schedule, Scope,
    SnapConfig,
};
use rtrl_sparse::testing::Counted;
use rtrl_sparse::{Float, Lanes};

/// Multiplications of one full window, after some others, per step and lane; and the estimator.
fn measured(case: &Case, config: &EstimatorConfig) -> (f64, Box<dyn GradientEstimator<Counted>>) {
    let stack = case.stack::<Counted>();
    let weights: Vec<Counted> =
        (0..stack.weights_len()).map(|i| Counted::from_f64(0.1 * (i % 5) as f64)).collect();
    let mut gradient = vec![Counted::ZERO; weights.len()];
    let delta = vec![Counted::ONE; stack.hidden().len() * case.lanes];
    let x = vec![Counted::ONE; case.inputs.len() * case.lanes];
    let symbols = vec![1; case.lanes];
    let mut estimator = config.build(stack, case.lanes, case.window).unwrap();
    let mut window = || {
        for _ in 0..case.window {
            let input = match case.inputs {
                Inputs::Dense(_) => Input::Dense(Lanes::new(&x, case.lanes)),
                Inputs::Symbols(_) => Input::Symbols(&symbols),
            };
            estimator.step(&weights, input, &vec![false; case.lanes]);
            estimator.observe(&weights, Lanes::new(&delta, case.lanes), &mut gradient);
        }
        estimator.finish_window(&weights, &mut gradient);
    };
    // Long enough to fill every horizon.
    (0..4).for_each(|_| window());
    let ((), count) = Counted::count(window);
    (count as f64 / (case.window * case.lanes) as f64, estimator)
}

#[test]
fn counted_cost_is_what_the_kernels_do() {
    let sparse = Size::sparse(6, 0.6);
    let nets = [
        vec![CellConfig::Vanilla(sparse)],
        vec![CellConfig::Gru(sparse)],
        vec![CellConfig::Gru(Size::dense(4))],
        vec![CellConfig::GruResetBefore(sparse)],
        vec![CellConfig::Lstm(sparse)],
        vec![CellConfig::Mgu(sparse)],
        vec![CellConfig::Rtu(Size::dense(3)), CellConfig::Leaky(sparse)],
        vec![
            CellConfig::Embedding(Size::dense(3)),
            CellConfig::Gru(sparse),
            CellConfig::Lstm(Size::dense(3)),
        ],
    ];
    let snap = |order, scope, schedule, truncate| {
        EstimatorConfig::Snap(SnapConfig { order, scope: Some(scope), schedule, truncate })
    };
    let mut estimators = EstimatorConfig::every();
    estimators.push(EstimatorConfig::Rtrl(RtrlConfig { dense: true, ..Default::default() }));
    for schedule in [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint] {
        for truncate in [false, true] {
            estimators.push(snap(2, Scope::Stack, schedule, truncate));
            estimators.push(snap(1, Scope::Layer, schedule, truncate));
        }
    }
    for layers in nets {
        for inputs in [Inputs::Dense(3), Inputs::Symbols(4)] {
            let case = Case {
                layers: layers.clone(),
                inputs,
                lanes: 2,
                steps: 0,
                window: 5,
                seed: 3,
                resets: false,
            };
            // The frozen net multiplies for its preactivations and for φ, which no estimator counts.
            let (frozen, _) = measured(&case, &EstimatorConfig::Frozen(FrozenConfig {}));
            for config in &estimators {
                let (found, estimator) = measured(&case, config);
                let cost = estimator.cost();
                // OK takes inner products in `f64`, which are not counted here: of each pair of its terms, u and A.
                let apart = match config {
                    EstimatorConfig::OptimalKronecker(ok) => {
                        let (terms, stack) = (ok.rank + 1, estimator.stack());
                        let (rows, sources) =
                            (stack.linear().pattern().rows(), stack.linear().pattern().cols());
                        (terms * (terms + 1) / 2 * (sources + stack.states() * rows)) as f64
                    }
                    _ => 0.0,
                };
                let expected = cost.macs() - cost.forward - apart;
                assert!(
                    (found - frozen - expected).abs() < 1e-9,
                    "{config:?} on {layers:?} with {inputs:?}: {} multiplications, counted {expected}",
                    found - frozen
                );
            }
        }
    }
}

#[test]
fn the_forward_cost_is_the_dense_weights() {
    // A cell without a nonlinearity multiplies for its preactivations and nothing else.
    for inputs in [Inputs::Dense(3), Inputs::Symbols(4)] {
        let layers = vec![CellConfig::Embedding(Size::dense(5)), CellConfig::Embedding(Size::dense(2))];
        let case = Case { layers, inputs, lanes: 3, steps: 0, window: 2, seed: 3, resets: false };
        let (found, frozen) = measured(&case, &EstimatorConfig::Frozen(FrozenConfig {}));
        assert_eq!(found, frozen.cost().forward);
    }
}

#[test]
fn carrying_does_not_pay_for_general_snap() {
    // The table of `docs/MATH.md`: multiply-adds per step on a sparse GRU, in windows of 32 steps.
    let sparse = Size::sparse(48, 0.9);
    let case = Case {
        layers: vec![CellConfig::Gru(sparse)],
        inputs: Inputs::Dense(8),
        lanes: 1,
        steps: 0,
        window: 32,
        seed: 3,
        resets: false,
    };
    let macs = |config: EstimatorConfig| {
        let estimator = config.build::<f32>(case.stack(), 1, case.window).unwrap();
        estimator.cost().propagate + estimator.cost().gradient
    };
    let snap = |order, schedule, truncate| {
        macs(EstimatorConfig::Snap(SnapConfig { order, scope: Some(Scope::Stack), schedule, truncate }))
    };
    let rtrl = |schedule| macs(EstimatorConfig::Rtrl(RtrlConfig { dense: false, schedule, truncate: false }));
    // SnAp-1: Φ is a scalar, the adjoint saves the contraction.
    assert!(snap(1, Schedule::Adjoint, false) < snap(1, Schedule::Streaming, false));
    // SnAp-2: Φ costs about what it saves, within a factor of two either way.
    let ratio = snap(2, Schedule::Adjoint, false) / snap(2, Schedule::Streaming, false);
    assert!((0.5..2.0).contains(&ratio), "{ratio}");
    // From a reset state nothing is carried, and the factor F is gone.
    assert!(snap(2, Schedule::Adjoint, true) < 0.2 * snap(2, Schedule::Streaming, true));
    // RTRL: one Φ serves all rows of a block. The count is higher than it need be, since whole matrices are
    // multiplied.
    assert!(rtrl(Schedule::Adjoint) < 0.3 * rtrl(Schedule::Streaming));

    // The page shows these numbers.
    let page = include_str!("../../../../docs/MATH.md");
    let number = |macs: f64| {
        let digits = format!("{macs:.0}");
        let groups: Vec<_> =
            digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap()).collect();
        groups.join(" ")
    };
    assert_eq!(number(1_452_276.4), "1 452 276");
    for order in 1..=3 {
        let of = |schedule, truncate| number(snap(order, schedule, truncate));
        let [streaming, carried, reset] =
            [of(Schedule::Streaming, false), of(Schedule::Adjoint, false), of(Schedule::Adjoint, true)];
        assert_eq!(of(Schedule::Blocked, false), streaming);
        let line = format!("| SnAp-{order} | {streaming} | {carried} | {reset} |");
        assert!(page.lines().any(|shown| shown == line), "docs/MATH.md lacks the line\n{line}");
    }
    let [streaming, carried] =
        [Schedule::Streaming, Schedule::Adjoint].map(|schedule| number(rtrl(schedule)));
    let line = format!("| RTRL | {streaming} | {carried} | – |");
    assert!(page.lines().any(|shown| shown == line), "docs/MATH.md lacks the line\n{line}");
}

#[test]
fn snap_1_of_a_stack_costs_about_what_bptt_costs_unless_the_whole_stack_is_asked_for() {
    let layers = vec![CellConfig::Gru(Size::dense(64)), CellConfig::Gru(Size::dense(64))];
    let case =
        Case { layers, inputs: Inputs::Dense(16), lanes: 1, steps: 0, window: 1, seed: 3, resets: false };
    let macs =
        |config: EstimatorConfig, window| config.build::<f32>(case.stack(), 1, window).unwrap().cost().macs();
    let snap = |order, scope| macs(SnapConfig { order, scope, ..Default::default() }.into(), 1);
    let bptt = macs(EstimatorConfig::Bptt(Default::default()), 24);
    let default = snap(1, None);
    assert_eq!(default, snap(1, Some(Scope::Layer)));
    assert!(default < 2.0 * bptt, "SnAp-1 {default}, BPTT {bptt}");
    let whole = snap(1, Some(Scope::Stack));
    println!("SnAp-1 {default}, of the whole stack {whole}, BPTT {bptt}");
    assert!(whole > 20.0 * default, "SnAp-1 {default}, of the whole stack {whole}");
    // From n = 2 on the default is the whole stack, and for large n SnAp-n costs what RTRL costs.
    let case = Case { layers: vec![CellConfig::Gru(Size::dense(6)); 2], ..case };
    let macs = |config: EstimatorConfig| config.build::<f32>(case.stack(), 1, 1).unwrap().cost().macs();
    assert_eq!(macs(SnapConfig::new(9).into()), macs(EstimatorConfig::Rtrl(RtrlConfig::default())));
}

#[test]
fn a_scope_is_read_and_written_as_it_was() {
    let read = |text: &str| serde_json::from_str::<SnapConfig>(text).unwrap();
    let written = |config: &SnapConfig| serde_json::to_string(config).unwrap();
    for (scope, expected) in [("stack", Scope::Stack), ("layer", Scope::Layer)] {
        // Files of earlier versions write all fields.
        let text = format!(r#"{{"order":1,"scope":"{scope}","schedule":"auto","truncate":false}}"#);
        assert_eq!(read(&text).scope(), expected);
        assert_eq!(written(&read(&text)), text);
    }
    let unsaid = read(r#"{"order":1}"#);
    assert_eq!((unsaid.scope, unsaid.scope()), (None, Scope::Layer));
    assert!(!written(&unsaid).contains("scope"));
    assert_eq!(read(r#"{"order":2}"#).scope(), Scope::Stack);
}

#[test]
fn the_model_chooses_what_was_measured_to_be_faster() {
    // Microseconds per step on one core: the better of streaming and blocked, then adjoint.
    // GRU-48, 90 % sparse: SnAp-2, 16 lanes, T = 32: 264, 411. RTRL, one lane: T = 8: 99, 66; T = 64: 99, 22.
    // Vanilla-128, 75 % sparse, SnAp-2, one lane, T = 16: 88, 206.
    // Vanilla-256, 93.75 % sparse, RTRL, one lane, T = 16: 1750, 1160.
    // Vanilla-512, 98.4 % sparse, SnAp-2, one lane, T = 16: 55, 102.
    let size = Size::sparse;
    let chosen = |cell, order: Option<usize>, lanes, window, truncate| {
        let case = Case {
            layers: vec![cell],
            inputs: Inputs::Dense(32),
            lanes,
            steps: 0,
            window,
            seed: 3,
            resets: false,
        };
        let order = order.map_or(Order::Closure, Order::Steps);
        let plan = Plan { truncate, ..Plan::new(lanes, window) };
        Influence::<f32>::of_order(case.stack(), order, Scope::Stack, plan).unwrap().schedule()
    };
    let gru = CellConfig::Gru(size(48, 0.9));
    let (small, large) = (CellConfig::Vanilla(size(128, 0.75)), CellConfig::Vanilla(size(256, 0.9375)));
    assert_ne!(chosen(gru, Some(2), 16, 32, false), Some(Schedule::Adjoint));
    assert_eq!(chosen(gru, None, 1, 8, false), Some(Schedule::Adjoint));
    assert_eq!(chosen(gru, None, 1, 64, false), Some(Schedule::Adjoint));
    assert_ne!(chosen(small, Some(2), 1, 16, false), Some(Schedule::Adjoint));
    assert_eq!(chosen(large, None, 1, 16, false), Some(Schedule::Adjoint));
    let sparse = CellConfig::Vanilla(size(512, 0.984));
    assert_ne!(chosen(sparse, Some(2), 1, 16, false), Some(Schedule::Adjoint));
    // Fully online there is nothing to gain from a window, and from a reset state the adjoint always wins.
    assert_eq!(chosen(gru, Some(2), 1, 1, false), Some(Schedule::Streaming));
    assert_eq!(chosen(small, Some(2), 1, 32, true), Some(Schedule::Adjoint));
}
