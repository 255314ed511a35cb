//! The protocol of steps and windows: every estimator refuses every wrong call with both sizes in the message,
//! and is as it was before.

#![allow(missing_docs)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::support::Case;
use rtrl_cells::{CellConfig, Input, Inputs, Size, Stack};
use rtrl_checkpoint::{ArchiveError, from_bytes, to_bytes};
use rtrl_estimators::{
    EstimatorConfig, GradientEstimator, Influence, Kronecker, LaneState, Order, Plan, RtrlConfig, Schedule,
    Scope, Signs, SnapConfig, TbpttConfig, Uoro, reach,
};
use rtrl_sparse::{Lanes, LanesMut, Pattern};

type Estimator = dyn GradientEstimator<f64>;

const WINDOW: usize = 2;

fn every() -> Vec<EstimatorConfig> {
    let mut configs = EstimatorConfig::every();
    for schedule in [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint] {
        for truncate in [false, true] {
            configs.push(SnapConfig { order: 2, schedule, truncate, ..Default::default() }.into());
            configs.push(RtrlConfig { dense: true, schedule, truncate }.into());
        }
    }
    configs.push(TbpttConfig { horizon: 3, replay: true }.into());
    configs
}

/// A net of 2 inputs and 3 units, and arrays of the right sizes.
struct Bench {
    case: Case,
    stack: Arc<Stack<f64>>,
    weights: Vec<f64>,
    x: Vec<f64>,
    delta: Vec<f64>,
    gradient: Vec<f64>,
}

impl Bench {
    fn new(lanes: usize) -> Self {
        let layers = vec![CellConfig::Gru(Size::dense(3))];
        let inputs = Inputs::Dense(2);
        let case = Case { layers, inputs, lanes, steps: 0, window: WINDOW, seed: 4, resets: false };
        let stack = case.stack::<f64>();
        let weights = case.weights(&stack);
        let number = |i: usize| 0.1 * (i % 7) as f64 - 0.25;
        Self {
            x: (0..2 * lanes).map(number).collect(),
            delta: (0..3 * lanes).map(number).collect(),
            gradient: vec![0.0; weights.len()],
            case,
            stack,
            weights,
        }
    }

    fn lanes(&self) -> usize {
        self.case.lanes
    }

    fn step(&self, estimator: &mut Estimator) {
        let starts = vec![false; self.lanes()];
        estimator.step(&self.weights, Input::Dense(Lanes::new(&self.x, self.lanes())), &starts);
    }

    fn observe(&mut self, estimator: &mut Estimator) {
        estimator.observe(&self.weights, Lanes::new(&self.delta, self.case.lanes), &mut self.gradient);
    }

    fn finish(&mut self, estimator: &mut Estimator) {
        estimator.finish_window(&self.weights, &mut self.gradient);
    }

    fn window(&mut self, estimator: &mut Estimator) {
        for _ in 0..WINDOW {
            self.step(estimator);
            self.observe(estimator);
        }
        self.finish(estimator);
    }
}

/// The message with which a call panics.
fn refusal(call: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(call)).expect_err("a wrong call must be refused");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => (*other.downcast::<&str>().expect("a message")).to_string(),
    }
}

/// Where in a window a wrong call is made: steps made and steps observed.
type At = (usize, usize);

/// What is wrong, where in the window, the call, and what its refusal must say.
type Wrong = (&'static str, At, fn(&mut Bench, &mut Estimator), Vec<String>);

fn wrong_order() -> Vec<Wrong> {
    let says = |parts: &[&str]| parts.iter().map(ToString::to_string).collect::<Vec<_>>();
    vec![
        ("a step twice", (1, 0), |b, e| b.step(e), says(&["not observed", "left: 0", "right: 1"])),
        ("a full window", (2, 2), |b, e| b.step(e), says(&["window of 2 steps is full"])),
        ("observe before a step", (0, 0), |b, e| b.observe(e), says(&["once", "left: 1", "right: 0"])),
        ("observe twice", (1, 1), |b, e| b.observe(e), says(&["once", "left: 2", "right: 1"])),
        ("an end too early", (1, 0), |b, e| b.finish(e), says(&["not observed", "left: 0", "right: 1"])),
        ("forget within", (1, 1), |b, e| e.forget(b.lanes() - 1), says(&["`forget`", "1 of 2 steps"])),
        (
            "a lane taken within",
            (1, 1),
            |b, e| drop(e.lane(b.lanes() - 1)),
            says(&["`lane`", "1 of 2 steps"]),
        ),
        (
            "a lane given within",
            (1, 1),
            |b, e| e.set_lane(b.lanes() - 1, &LaneState { state: vec![0.0; 3], influence: None }),
            says(&["`set_lane`", "1 of 2 steps"]),
        ),
        ("input gradient before a step", (0, 0), input_gradient, says(&["after a step"])),
        ("relay within", (1, 1), |b, e| relay(b, e, 0), says(&["`relay`", "1 of 2 steps"])),
        ("relay to a larger net", (0, 0), |_, e| e.relay(Bench::larger(), &[]), says(&["states", "3", "4"])),
        ("origins of others", (0, 0), |b, e| relay(b, e, 1), says(&["origins", "57", "56"])),
        ("an origin outside", (0, 0), |b, e| relay_outside(b, e), says(&["Some(900)", "57"])),
    ]
}

fn input_gradient(bench: &mut Bench, estimator: &mut Estimator) {
    let (lanes, mut into) = (bench.lanes(), bench.x.clone());
    let delta = Lanes::new(&bench.delta, lanes);
    estimator.input_gradient(&bench.weights, delta, &mut LanesMut::new(&mut into, lanes));
}

fn relay(bench: &Bench, estimator: &mut Estimator, without: usize) {
    let origin: Vec<_> = (0..(bench.weights.len() - without) as u32).map(Some).collect();
    estimator.relay(bench.stack.clone(), &origin);
}

fn relay_outside(bench: &Bench, estimator: &mut Estimator) {
    let mut origin: Vec<_> = (0..bench.weights.len() as u32).map(Some).collect();
    origin[5] = Some(900);
    estimator.relay(bench.stack.clone(), &origin);
}

impl Bench {
    fn larger() -> Arc<Stack<f64>> {
        Case { layers: vec![CellConfig::Gru(Size::dense(4))], ..Self::new(1).case }.stack()
    }
}

/// With 9 or 18 lanes the last lane has an estimator of its own, behind the one that is called.
#[test]
fn an_unknown_symbol_is_refused_before_any_lane_has_changed() {
    std::panic::set_hook(Box::new(|_| {}));
    for (config, lanes) in
        every().into_iter().flat_map(|config| [1, 9, 18].map(|lanes| (config.clone(), lanes)))
    {
        let (layers, inputs) = (vec![CellConfig::Gru(Size::dense(3))], Inputs::Symbols(4));
        let case = Case { layers, inputs, lanes, steps: 0, window: WINDOW, seed: 4, resets: false };
        let stack = case.stack::<f64>();
        let weights = case.weights(&stack);
        let mut estimator = config.build(stack, lanes, WINDOW).unwrap();
        let mut symbols = vec![1; lanes];
        symbols[lanes - 1] = 4;
        let found = refusal(|| estimator.step(&weights, Input::Symbols(&symbols), &vec![false; lanes]));
        assert!(found.contains("Some(4)") && found.contains("0..4"), "{found}");
        assert!((0..lanes).all(|lane| estimator.lane(lane).state == [0.0; 3]), "{config:?}, {lanes} lanes");
        estimator.step(&weights, Input::Symbols(&vec![1; lanes]), &vec![false; lanes]);
    }
}

#[test]
fn calls_out_of_order_are_refused_and_change_nothing() {
    std::panic::set_hook(Box::new(|_| {}));
    for config in every() {
        for lanes in [1, 3, 18] {
            for (what, (made, observed), call, says) in wrong_order() {
                let mut bench = Bench::new(lanes);
                let build = || config.build(bench.stack.clone(), lanes, WINDOW).unwrap();
                let (mut tried, mut undisturbed) = (build(), build());
                for estimator in [&mut tried, &mut undisturbed] {
                    bench.window(&mut **estimator);
                    for step in 0..made {
                        bench.step(&mut **estimator);
                        if step < observed {
                            bench.observe(&mut **estimator);
                        }
                    }
                }
                let found = refusal(|| call(&mut bench, &mut *tried));
                for part in says {
                    assert!(
                        found.contains(&part),
                        "{what}, {config:?}, {lanes} lanes: no `{part}` in: {found}"
                    );
                }
                let mut rest = |estimator: &mut Estimator| {
                    bench.gradient.fill(0.0);
                    if made > observed {
                        bench.observe(estimator);
                    }
                    bench.finish(estimator);
                    bench.window(estimator);
                    bench.gradient.clone()
                };
                assert_eq!(rest(&mut *tried), rest(&mut *undisturbed), "{what}, {config:?}, {lanes} lanes");
            }
        }
    }
}

/// Calls of the wrong size, made where a call of the right size would be allowed.
fn wrong_sizes(lanes: usize) -> Vec<Wrong> {
    fn input<'a>(x: &'a [f64], lanes: usize) -> Input<'a, f64> {
        Input::Dense(Lanes::new(x, lanes))
    }
    let says = |parts: &[&str]| parts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let of = |n: usize| n.to_string();
    vec![
        (
            "weights of a step",
            (0, 0),
            |b, e| e.step(&b.weights[1..], input(&b.x, b.lanes()), &vec![false; b.lanes()]),
            says(&["number of weights", "56", "57"]),
        ),
        (
            "starts",
            (0, 0),
            |b, e| e.step(&b.weights, input(&b.x, b.lanes()), &vec![false; b.lanes() + 1]),
            says(&["starts", &of(lanes + 1), &of(lanes)]),
        ),
        (
            "numbers of the input",
            (0, 0),
            |b, e| e.step(&b.weights, input(&b.x[b.lanes()..], b.lanes()), &vec![false; b.lanes()]),
            says(&["input", &format!("(1, {lanes})"), &format!("(2, {lanes})")]),
        ),
        (
            "lanes of the input",
            (0, 0),
            |b, e| {
                let x = vec![0.0; 2 * (b.lanes() + 1)];
                e.step(&b.weights, input(&x, b.lanes() + 1), &vec![false; b.lanes()]);
            },
            says(&["input", &format!("(2, {})", lanes + 1), &format!("(2, {lanes})")]),
        ),
        (
            "symbols for numbers",
            (0, 0),
            |b, e| e.step(&b.weights, Input::Symbols(&vec![0; b.lanes()]), &vec![false; b.lanes()]),
            says(&["reads Dense(2), not symbols"]),
        ),
        (
            "entries of δ",
            (1, 0),
            |b, e| e.observe(&b.weights, Lanes::new(&b.delta[b.case.lanes..], b.case.lanes), &mut b.gradient),
            says(&["gradient by the hidden state", &format!("(2, {lanes})"), &format!("(3, {lanes})")]),
        ),
        (
            "lanes of δ",
            (1, 0),
            |b, e| {
                let delta = vec![0.0; 3 * (b.lanes() + 1)];
                e.observe(&b.weights, Lanes::new(&delta, b.case.lanes + 1), &mut b.gradient);
            },
            says(&["gradient by the hidden state", &format!("(3, {})", lanes + 1), &format!("(3, {lanes})")]),
        ),
        (
            "weights of observe",
            (1, 0),
            |b, e| e.observe(&b.weights[1..], Lanes::new(&b.delta, b.case.lanes), &mut b.gradient),
            says(&["number of weights", "56", "57"]),
        ),
        (
            "gradient of observe",
            (1, 0),
            |b, e| e.observe(&b.weights, Lanes::new(&b.delta, b.case.lanes), &mut b.gradient[1..]),
            says(&["size of the gradient", "56", "57"]),
        ),
        (
            "weights at the end",
            (1, 1),
            |b, e| e.finish_window(&b.weights[1..], &mut b.gradient),
            says(&["number of weights", "56", "57"]),
        ),
        (
            "gradient at the end",
            (1, 1),
            |b, e| e.finish_window(&b.weights, &mut b.gradient[1..]),
            says(&["size of the gradient", "56", "57"]),
        ),
        (
            "a lane beyond the last",
            (0, 0),
            |b, e| e.forget(b.lanes()),
            says(&[&format!("lane {lanes} of {lanes}")]),
        ),
        (
            "a lane far beyond the last",
            (0, 0),
            |b, e| e.forget(b.lanes() + 17),
            says(&[&format!("lane {} of {lanes}", lanes + 17)]),
        ),
        (
            "flags",
            (0, 0),
            |b, e| e.mark_diverged(&mut vec![false; b.lanes() + 1]),
            says(&[&of(lanes + 1), &of(lanes)]),
        ),
    ]
}

#[test]
fn calls_of_the_wrong_size_are_refused_with_both_sizes() {
    std::panic::set_hook(Box::new(|_| {}));
    for config in every() {
        for lanes in [1, 3, 18] {
            for (what, (made, observed), call, says) in wrong_sizes(lanes) {
                let mut bench = Bench::new(lanes);
                let mut estimator = config.build(bench.stack.clone(), lanes, WINDOW).unwrap();
                for step in 0..made {
                    bench.step(&mut *estimator);
                    if step < observed {
                        bench.observe(&mut *estimator);
                    }
                }
                let found = refusal(|| call(&mut bench, &mut *estimator));
                for part in says {
                    assert!(
                        found.contains(&part),
                        "{what}, {config:?}, {lanes} lanes: no `{part}` in: {found}"
                    );
                }
            }
        }
    }
}

#[test]
fn estimators_that_cannot_be_are_refused() {
    std::panic::set_hook(Box::new(|_| {}));
    let stack = || Bench::new(1).stack;
    let signs = |lanes| Signs::random(1, 0..lanes);
    type Call = Box<dyn Fn()>;
    let calls: Vec<(&str, Call, &[&str])> = vec![
        (
            "UORO",
            Box::new(move || drop(Uoro::new(stack(), 3, 1, signs(2)))),
            &["signs", "left: 2", "right: 3"],
        ),
        (
            "KF-RTRL",
            Box::new(move || drop(Kronecker::kf_rtrl(stack(), 3, 1, signs(4)))),
            &["signs", "left: 4", "right: 3"],
        ),
        (
            "OK",
            Box::new(move || drop(Kronecker::optimal(stack(), 3, 1, 2, signs(1)))),
            &["signs", "left: 1", "right: 3"],
        ),
        (
            "OK without rank",
            Box::new(move || drop(Kronecker::optimal(stack(), 1, 1, 0, signs(1)))),
            &["rank", "found 0"],
        ),
        ("no lanes", Box::new(move || drop(Uoro::new(stack(), 0, 1, signs(0)))), &["lanes", "found 0 and 1"]),
        (
            "no window",
            Box::new(move || drop(Kronecker::kf_rtrl(stack(), 1, 0, signs(1)))),
            &["window", "found 1 and 0"],
        ),
        ("no signs", Box::new(|| drop(Signs::listed(Vec::new()))), &["empty"]),
        (
            "the reach along dynamics of another net",
            Box::new(move || drop(reach(&stack(), &Pattern::dense(3, 4), Order::Steps(2), Scope::Stack))),
            &["(3, 4)", "(3, 3)"],
        ),
        (
            "Influence without a window",
            Box::new(move || {
                drop(Influence::of_order(stack(), Order::Closure, Scope::Stack, Plan::new(1, 0)));
            }),
            &["found 1 and 0"],
        ),
    ];
    for (what, call, says) in calls {
        let found = refusal(call);
        for part in says {
            assert!(found.contains(part), "{what}: no `{part}` in: {found}");
        }
    }
}

#[test]
fn nothing_is_saved_within_a_window_and_what_is_restored_stands_between_two() {
    for config in every() {
        for lanes in [1, 3, 18] {
            let mut bench = Bench::new(lanes);
            let build = || config.build(bench.stack.clone(), lanes, WINDOW).unwrap();
            let (mut unbroken, mut restored) = (build(), build());
            bench.window(&mut *unbroken);
            let saved = to_bytes(|archive| unbroken.persist(archive)).unwrap();
            for observed in [false, true] {
                bench.step(&mut *restored);
                if observed {
                    bench.observe(&mut *restored);
                }
                let error = to_bytes(|archive| restored.persist(archive)).unwrap_err();
                let text = error.to_string();
                assert!(text.contains("1 of 2 steps"), "{config:?}, {lanes} lanes: {text}");
                let ArchiveError::Content { name, .. } = error else {
                    panic!("{config:?}: {error:?}");
                };
                assert!(name.ends_with("window"), "{name}");
                // Wherever `restored` stood, it stands between windows, as `unbroken` did when it was saved.
                from_bytes(&saved, |archive| restored.persist(archive)).unwrap();
            }
            bench.gradient.fill(0.0);
            bench.window(&mut *unbroken);
            let expected = bench.gradient.clone();
            bench.gradient.fill(0.0);
            bench.window(&mut *restored);
            assert_eq!(bench.gradient, expected, "{config:?}, {lanes} lanes");
        }
    }
}
