//! A start forgets state and influence, NaN and infinities included.

#![allow(missing_docs)]

use crate::support::{Case, window};
use rtrl_cells::{CellConfig, Inputs, Size};
use rtrl_estimators::{
    EstimatorConfig, Influence, Order, Plan, RtrlConfig, Schedule, Scope, SnapConfig, TbpttConfig,
};

const WINDOW: usize = 4;
const SCHEDULES: [Schedule; 3] = [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint];

/// All estimators, and SnAp and RTRL under every schedule, carried and truncated.
fn every() -> Vec<EstimatorConfig> {
    let mut configs = EstimatorConfig::every();
    for schedule in SCHEDULES {
        for truncate in [false, true] {
            for order in [1, 2] {
                let snap = SnapConfig { order, schedule, truncate, ..Default::default() };
                configs.push(EstimatorConfig::Snap(snap));
            }
            configs.push(EstimatorConfig::Rtrl(RtrlConfig { dense: true, schedule, truncate }));
        }
    }
    for replay in [false, true] {
        configs.push(EstimatorConfig::Tbptt(TbpttConfig { horizon: 7, replay }));
    }
    configs
}

fn learns(config: &EstimatorConfig) -> bool {
    matches!(config, EstimatorConfig::Dni(_) | EstimatorConfig::Kernl(_))
}

fn nets() -> Vec<Vec<CellConfig>> {
    let mut nets: Vec<_> = CellConfig::every(Size::dense(3)).into_iter().map(|cell| vec![cell]).collect();
    nets.push(vec![CellConfig::Gru(Size::sparse(4, 0.5)), CellConfig::Lstm(Size::dense(2))]);
    nets
}

/// A net with one input, so that an infinite input saturates gates: in most cells the state stays finite and
/// the influence does not.
fn case(layers: &[CellConfig], lanes: usize) -> Case {
    Case {
        layers: layers.to_vec(),
        inputs: Inputs::Dense(1),
        lanes,
        steps: 5 * WINDOW,
        window: WINDOW,
        seed: 5,
        resets: false,
    }
}

#[test]
fn a_start_forgets_what_is_not_finite() {
    // In the second window a lane reads NaN, which spoils its state, or an infinity, which spoils its
    // influence. Then it begins a new sequence: later in the same window, at the beginning of the third window,
    // or in the middle of the third.
    let (mut poisoned_influence_alone, mut wrong) = (0, Vec::new());
    for layers in nets() {
        for (lanes, lane) in [(1, 0), (3, 1), (8, 5)] {
            let case = case(&layers, lanes);
            let stack = case.stack::<f64>();
            let (weights, healthy) = (case.weights(&stack), case.data(stack.hidden().len()));
            for poison in [f64::NAN, f64::INFINITY] {
                for start in [WINDOW + 3, 2 * WINDOW, 2 * WINDOW + 2] {
                    let mut healthy = healthy.clone();
                    healthy[start].starts[lane] = true;
                    let mut poisoned = healthy.clone();
                    poisoned[WINDOW + 1].dense[lane] = poison;
                    // Gradients are finite again in the first window all of whose losses come after the start.
                    let clean = start.div_ceil(WINDOW);
                    for config in every() {
                        let build = || config.build(stack.clone(), lanes, WINDOW).unwrap();
                        let (mut one, mut other) = (build(), build());
                        for t in 0..healthy.len() / WINDOW {
                            let now = t * WINDOW..(t + 1) * WINDOW;
                            let expected = window(&case, &mut *one, &weights, &healthy[now.clone()]);
                            let found = window(&case, &mut *other, &weights, &poisoned[now]);
                            // What DNI and KeRNL have learned survives a start, and the poisoned window taught
                            // them nothing.
                            let same = learns(&config) || found == expected;
                            if t >= clean && (!same || !found.iter().all(|g| g.is_finite())) {
                                wrong.push(format!(
                                    "{config:?} on {layers:?}, {lanes} lanes, {poison} before a start at {start}, window {t}"
                                ));
                            }
                            let mut diverged = vec![false; lanes];
                            other.mark_diverged(&mut diverged);
                            if t >= clean || start < (t + 1) * WINDOW {
                                if diverged.contains(&true) {
                                    wrong.push(format!("{config:?}, {start}: {diverged:?} after window {t}"));
                                }
                            } else if t == 1 {
                                let state = other.hidden().values().iter().all(|h| h.is_finite());
                                poisoned_influence_alone += usize::from(diverged[lane] && state);
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(
        poisoned_influence_alone > 100,
        "the influence alone must have been lost: {poisoned_influence_alone}"
    );
}

#[test]
fn influence_after_a_start_is_that_of_a_new_estimator() {
    let layers = [CellConfig::Gru(Size::dense(3)), CellConfig::Vanilla(Size::dense(2))];
    for (lanes, lane) in [(1, 0), (5, 3), (8, 0)] {
        let case = case(&layers, lanes);
        let stack = case.stack::<f64>();
        let (weights, mut data) = (case.weights(&stack), case.data(stack.hidden().len()));
        for start in [WINDOW, WINDOW + 2] {
            data[start].starts[lane] = true;
            data[1].dense[lane] = f64::INFINITY;
            for order in [Order::Steps(1), Order::Steps(2), Order::Closure] {
                for schedule in SCHEDULES {
                    let plan = Plan { schedule, ..Plan::new(lanes, WINDOW) };
                    let build = || Influence::of_order(stack.clone(), order, Scope::Stack, plan).unwrap();
                    let (mut old, mut new) = (build(), build());
                    window(&case, &mut old, &weights, &data[..WINDOW]);
                    window(&case, &mut old, &weights, &data[WINDOW..2 * WINDOW]);
                    // The new estimator makes no step before the start.
                    window(&case, &mut new, &weights, &data[start..2 * WINDOW]);
                    let of_lane = |estimator: &Influence<f64>| -> Vec<f64> {
                        let all = estimator.influence().unwrap();
                        (0..all.len()).map(|entry| all.at(entry)[lane]).collect()
                    };
                    let (old, new) = (of_lane(&old), of_lane(&new));
                    assert!(old.iter().all(|j| j.is_finite()), "{schedule:?} {order:?}");
                    assert!(crate::support::norm(&new) > 1e-3, "an influence that is not silent");
                    assert!(
                        crate::support::deviation(&old, &new) < crate::support::ROUNDING,
                        "{schedule:?} {order:?}, start {start}"
                    );
                }
            }
        }
    }
}
