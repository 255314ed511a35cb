//! What is carried from window to window: saved and restored, forgotten after a divergence, and taken along when masks
//! change.

#![allow(missing_docs)]

use std::sync::Arc;

use crate::support::{Case, ROUNDING, Rng, any_case, assert_equal, window};
use proptest::prelude::*;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{CellConfig, GateMask, Inputs, Masks, Size, Stack};
use rtrl_checkpoint::{Persist, from_bytes, to_bytes};
use rtrl_estimators::{
    EstimatorConfig, Influence, Order, Plan, RtrlConfig, Schedule, Scope, SnapConfig, SnapLowRankConfig,
    TbpttConfig,
};
use rtrl_sparse::Pattern;

/// All estimators, also with settings under which they carry something else from window to window.
fn every(window: usize) -> Vec<EstimatorConfig> {
    let mut configs = EstimatorConfig::every();
    for schedule in [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint] {
        configs.push(EstimatorConfig::Snap(SnapConfig { order: 2, schedule, ..Default::default() }));
    }
    configs.push(EstimatorConfig::Rtrl(RtrlConfig { dense: true, ..Default::default() }));
    configs.push(EstimatorConfig::Tbptt(TbpttConfig { horizon: window.max(5), replay: true }));
    configs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_restored_estimator_goes_on_bit_for_bit(case in any_case(1..=2), pause in 0_usize..4) {
        let case = Case { steps: 6 * case.window, ..case };
        let stack = case.stack::<f64>();
        let (weights, data) = (case.weights(&stack), case.data(stack.hidden().len()));
        for config in every(case.window) {
            let build = || config.build(stack.clone(), case.lanes, case.window).unwrap();
            let (mut unbroken, mut restored) = (build(), build());
            let mut windows = data.chunks(case.window);
            for data in windows.by_ref().take(pause) {
                window(&case, &mut *unbroken, &weights, data);
            }
            // What `restored` held before must not matter.
            window(&case, &mut *restored, &weights, &data[..case.window]);
            let saved = to_bytes(|archive| unbroken.persist(archive)).unwrap();
            from_bytes(&saved, |archive| restored.persist(archive)).unwrap();
            prop_assert_eq!(&to_bytes(|archive| restored.persist(archive)).unwrap(), &saved);
            for data in windows {
                let expected = window(&case, &mut *unbroken, &weights, data);
                let found = window(&case, &mut *restored, &weights, data);
                prop_assert_eq!(found, expected, "{:?}", &config);
            }
        }
    }

    #[test]
    fn a_lane_that_is_forgotten_begins_anew_and_disturbs_no_other(case in any_case(1..=2)) {
        let case = Case { lanes: 3, window: 2, steps: 8, inputs: Inputs::Dense(2), resets: false, ..case };
        let stack = case.stack::<f64>();
        let (weights, mut data) = (case.weights(&stack), case.data(stack.hidden().len()));
        // Lane 1 begins a sequence after the second window.
        data[4].starts[1] = true;
        for config in every(case.window) {
            let build = || config.build(stack.clone(), case.lanes, case.window).unwrap();
            let (mut healthy, mut poisoned) = (build(), build());
            for (t, data) in data.chunks(2).enumerate() {
                let mut given = data.to_vec();
                if t == 1 {
                    // Both steps of the window read NaN: a cell without memory is finite again as soon as its
                    // input is.
                    given.iter_mut().for_each(|datum| (datum.dense[1], datum.dense[4]) = (f64::NAN, f64::NAN));
                }
                let expected = window(&case, &mut *healthy, &weights, data);
                let found = window(&case, &mut *poisoned, &weights, &given);
                let mut diverged = [false; 3];
                poisoned.mark_diverged(&mut diverged);
                if t == 1 {
                    // Masks may leave the net without any input weight; then no NaN comes in.
                    prop_assume!(diverged[1] || !matches!(config, EstimatorConfig::Bptt(_)));
                    prop_assert_eq!(diverged, [false, true, false], "{:?}", &config);
                    healthy.forget(1);
                    poisoned.forget(1);
                } else {
                    prop_assert_eq!(diverged, [false; 3]);
                    prop_assert_eq!(found, expected, "{:?}, window {}", &config, t);
                }
            }
        }
    }

    #[test]
    fn a_lane_that_is_forgotten_is_one_that_begins(case in any_case(1..=2)) {
        let case = Case { lanes: 3, window: 2, steps: 8, resets: false, ..case };
        let stack = case.stack::<f64>();
        let (weights, data) = (case.weights(&stack), case.data(stack.hidden().len()));
        let mut begun = data.clone();
        begun[4].starts[1] = true;
        // A start leaves DNI and KeRNL what they have learned; to forget a lane does not.
        let learns = |config: &EstimatorConfig| {
            matches!(config, EstimatorConfig::Dni(_) | EstimatorConfig::Kernl(_))
        };
        for config in every(case.window).into_iter().filter(|config| !learns(config)) {
            let build = || config.build(stack.clone(), case.lanes, case.window).unwrap();
            let (mut forgetful, mut told) = (build(), build());
            for t in 0..4 {
                if t == 2 {
                    forgetful.forget(1);
                }
                let found = window(&case, &mut *forgetful, &weights, &data[2 * t..2 * t + 2]);
                let expected = window(&case, &mut *told, &weights, &begun[2 * t..2 * t + 2]);
                prop_assert_eq!(found, expected, "{:?}, window {}", &config, t);
            }
        }
    }

    #[test]
    fn the_same_masks_change_nothing(case in any_case(1..=2)) {
        let case = Case { steps: 3 * case.window, ..case };
        let stack = case.stack::<f64>();
        let (weights, data) = (case.weights(&stack), case.data(stack.hidden().len()));
        let origin: Vec<_> = (0..weights.len() as u32).map(Some).collect();
        for config in every(case.window) {
            let build = || config.build(stack.clone(), case.lanes, case.window).unwrap();
            let (mut unbroken, mut relaid) = (build(), build());
            for data in data.chunks(case.window) {
                let expected = window(&case, &mut *unbroken, &weights, data);
                prop_assert_eq!(window(&case, &mut *relaid, &weights, data), expected, "{:?}", &config);
                relaid.relay(case.stack(), &origin);
            }
        }
    }
}

/// The GRU in which the reach of reset rows depends on the masks.
fn gru(masks: &Masks) -> Arc<Stack<f64>> {
    built(CellConfig::GruResetBefore(Size::dense(4)), masks)
}

fn built(config: CellConfig, masks: &Masks) -> Arc<Stack<f64>> {
    Arc::new(Stack::new(vec![config.with_masks(Inputs::Dense(2), masks).unwrap()]).unwrap())
}

/// For each weight of `new`, the same weight of `old`, if there is one.
fn origin(new: &Stack<f64>, old: &Stack<f64>) -> Vec<Option<u32>> {
    let pattern = old.linear().pattern();
    new.linear().pattern().iter().map(|(r, c)| pattern.find(r, c).map(|w| w as u32)).collect()
}

fn thinned(seed: u64, keep: f64) -> Masks {
    let mut rng = Rng::seed_from_u64(seed);
    CellConfig::Gru(Size::sparse(4, 1.0 - keep)).masks(Inputs::Dense(2), &mut rng).unwrap()
}

/// A run in two phases with different masks and losses in the second phase alone. Its gradient by the weights
/// of the second phase is compared with finite differences, which vary a weight that exists in both phases in
/// both of them.
#[test]
fn exact_rtrl_stays_exact_when_masks_change() {
    let case = Case {
        layers: Vec::new(),
        inputs: Inputs::Dense(2),
        lanes: 2,
        steps: 8,
        window: 4,
        seed: 5,
        resets: false,
    };
    for (before, after) in [(1.0, 0.5), (0.5, 1.0), (0.6, 0.6)] {
        let (old, new) = (gru(&thinned(1, before)), gru(&thinned(2, after)));
        let data = case.data(4);
        let weights = case.weights(&new);
        let origin = origin(&new, &old);
        assert!(origin.iter().any(Option::is_some));
        // Weights that exist in the first phase alone have values of their own, which do not vary.
        let under_old = |weights: &[f64]| {
            let mut all = case.weights(&old);
            for (w, o) in weights.iter().zip(&origin) {
                if let Some(o) = o {
                    all[*o as usize] = *w;
                }
            }
            all
        };
        let loss = |weights: &[f64]| {
            let mut rollout = old.rollout(2);
            let mut sum = 0.0;
            for (t, datum) in data.iter().enumerate() {
                let (stack, weights) =
                    if t < 4 { (&old, under_old(weights)) } else { (&new, weights.to_vec()) };
                let input = case.input(datum);
                stack.forward(&weights, input, &datum.starts, &mut rollout, &mut stack.trace(2));
                if t >= 4 {
                    let h = rollout.state().slice(stack.hidden());
                    sum += h.values().iter().zip(&datum.c).map(|(h, c)| c * h + 0.5 * h * h).sum::<f64>();
                }
            }
            sum
        };
        let difference = |w: usize| {
            // Central differences: error ~ h² of third derivatives, and 1e-16 / h of rounding.
            let h = 1e-5;
            let moved = |by: f64| {
                let mut moved = weights.clone();
                moved[w] += by;
                loss(&moved)
            };
            (moved(h) - moved(-h)) / (2.0 * h)
        };
        let expected: Vec<f64> = (0..weights.len()).map(difference).collect();
        let schedules = [Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint];
        let rtrl = schedules.map(|schedule| RtrlConfig { dense: true, schedule, truncate: false }.into());
        // With a term for each of the four states it is exact too, and what leaves the reach of SnAp-1 goes into the remainder.
        let low_rank: EstimatorConfig = SnapLowRankConfig { rank: 4 }.into();
        for config in rtrl.into_iter().chain([low_rank]) {
            let mut estimator = config.build(old.clone(), 2, 4).unwrap();
            window(&case, &mut *estimator, &under_old(&weights), &data[..4]);
            estimator.relay(new.clone(), &origin);
            let found = window(&case, &mut *estimator, &weights, &data[4..]);
            assert_equal(&format!("{config:?} across a change of masks"), &found, &expected, 1e-8);
            // An estimator that forgets J when the masks change gets another gradient.
            let mut anew = config.build(new.clone(), 2, 4).unwrap();
            let mut later = data[4..].to_vec();
            later[0].starts = vec![true; 2];
            let cold = window(&case, &mut *anew, &weights, &later);
            assert!(crate::support::deviation(&cold, &expected) > 1e-3);
        }
    }
}

/// With no influence yet, changing the masks is the same as building anew.
#[test]
fn a_change_before_the_first_step_is_the_same_as_building_anew() {
    let case = Case {
        layers: Vec::new(),
        inputs: Inputs::Dense(2),
        lanes: 2,
        steps: 9,
        window: 3,
        seed: 2,
        resets: true,
    };
    // In the second pair most rows gain states that they did not reach.
    for masks in [[(3, 0.7), (4, 0.5)], [(13, 0.3), (14, 0.9)]] {
        let [old, new] = masks.map(|(seed, share)| gru(&thinned(seed, share)));
        let data = case.data(4);
        let weights = case.weights(&new);
        for config in every(3) {
            let mut relaid = config.build(old.clone(), 2, 3).unwrap();
            relaid.relay(new.clone(), &origin(&new, &old));
            let mut anew = config.build(new.clone(), 2, 3).unwrap();
            for data in data.chunks(3) {
                let expected = window(&case, &mut *anew, &weights, data);
                assert_eq!(window(&case, &mut *relaid, &weights, data), expected, "{config:?}, {masks:?}");
            }
        }
    }
}

/// Under SnAp-1, the entries of J that belong to a weight do not depend on which other weights exist. Those of
/// surviving weights go on as if nothing had happened, if the states do too.
#[test]
fn pruning_weights_of_zero_leaves_the_rest_of_snap_1_alone() {
    let case = Case {
        layers: Vec::new(),
        inputs: Inputs::Dense(2),
        lanes: 1,
        steps: 12,
        window: 4,
        seed: 8,
        resets: false,
    };
    // In `GruResetBefore` the reach of a row depends on the weights of other rows.
    let gru = |keep| built(CellConfig::Gru(Size::dense(4)), &thinned(6, keep));
    let (dense, sparse) = (gru(1.0), gru(0.5));
    let origin = origin(&sparse, &dense);
    let few = case.weights(&sparse);
    let mut all = vec![0.0; dense.weights_len()];
    for (w, o) in few.iter().zip(&origin) {
        all[o.unwrap() as usize] = *w;
    }
    let data = case.data(4);
    let config = EstimatorConfig::Snap(SnapConfig::default());
    let mut pruned = config.build(dense.clone(), 1, 4).unwrap();
    let mut whole = config.build(dense, 1, 4).unwrap();
    window(&case, &mut *pruned, &all, &data[..4]);
    window(&case, &mut *whole, &all, &data[..4]);
    pruned.relay(sparse, &origin);
    for data in data[4..].chunks(4) {
        let expected = window(&case, &mut *whole, &all, data);
        let expected: Vec<f64> = origin.iter().map(|o| expected[o.unwrap() as usize]).collect();
        assert_equal("survivors", &window(&case, &mut *pruned, &few, data), &expected, ROUNDING);
    }
}

/// A block of more than 4096 columns is split where J is advanced step by step, and stays whole where J is
/// carried over a window at once.
#[test]
fn influence_is_restored_entry_by_entry_under_another_schedule() {
    for (units, lanes) in [(20, 1), (20, 2), (4, 3)] {
        let layers = vec![CellConfig::Gru(Size::dense(units))];
        let inputs = Inputs::Dense(300);
        let case = Case { layers, inputs, lanes, steps: 8, window: 8, seed: 3, resets: false };
        let stack = case.stack::<f64>();
        let (weights, data) = (case.weights(&stack), case.data(units));
        let build = |schedule, window| {
            let plan = Plan { schedule, ..Plan::new(lanes, window) };
            Influence::of_order(stack.clone(), Order::Closure, Scope::Stack, plan).unwrap()
        };
        for (from, to) in [
            (Schedule::Streaming, Schedule::Adjoint),
            (Schedule::Adjoint, Schedule::Blocked),
            (Schedule::Blocked, Schedule::Streaming),
        ] {
            let (mut saved, mut restored) = (build(from, 8), build(to, 4));
            let blocks = [&saved, &restored].map(|estimator| estimator.blocks().blocks().len());
            let narrowed = from != Schedule::Adjoint || to != Schedule::Adjoint;
            if units == 20 && narrowed && (from == Schedule::Adjoint || to == Schedule::Adjoint) {
                assert!(blocks[0] != blocks[1], "a block must be taken apart: {blocks:?}");
            }
            window(&case, &mut saved, &weights, &data);
            let bytes = to_bytes(|archive| saved.persist(archive)).unwrap();
            from_bytes(&bytes, |archive| restored.persist(archive)).unwrap();
            assert!(to_bytes(|archive| restored.persist(archive)).unwrap() == bytes);
            let entries = |estimator: &Influence<f64>| -> Vec<f64> {
                let all = estimator.influence().unwrap();
                let some = (0..stack.weights_len()).step_by(7);
                let places = some.flat_map(|w| (0..units as u32).map(move |state| (state, w)));
                let places = places.map(|(state, w)| estimator.blocks().find(state, w).unwrap());
                places.flat_map(|place| all.at(place).to_vec()).collect()
            };
            assert!(crate::support::norm(&entries(&saved)) > 1e-3);
            assert!(
                entries(&restored) == entries(&saved),
                "{from:?} to {to:?}, {units} units, {lanes} lanes"
            );
        }
    }
}

/// If other masks have the same number of weights, J has the same size but other entries.
#[test]
fn an_influence_of_other_weights_is_refused() {
    let (one, other) = (gru(&thinned(1, 0.5)), gru(&thinned(9, 0.5)));
    assert_eq!(one.weights_len(), other.weights_len());
    assert!(one.linear().pattern() != other.linear().pattern());
    let config = EstimatorConfig::Rtrl(RtrlConfig { dense: true, ..Default::default() });
    let mut from = config.build(one, 1, 3).unwrap();
    let saved = to_bytes(|archive| from.persist(archive)).unwrap();
    let error = from_bytes(&saved, |archive| config.build(other.clone(), 1, 3).unwrap().persist(archive));
    let text = error.unwrap_err().to_string();
    assert!(text.starts_with("section `layout`: the influence of other weights"), "{text}");
}

#[test]
fn a_state_of_another_net_is_refused() {
    let (small, large) = (gru(&thinned(1, 0.5)), gru(&thinned(1, 1.0)));
    for config in [SnapConfig::default(), SnapConfig { order: 2, ..Default::default() }] {
        let config = EstimatorConfig::Snap(config);
        let mut from = config.build(small.clone(), 8, 3).unwrap();
        let saved = to_bytes(|archive| from.persist(archive)).unwrap();
        let mut to = config.build(large.clone(), 8, 3).unwrap();
        let error = from_bytes(&saved, |archive| to.persist(archive)).unwrap_err();
        assert!(error.to_string().starts_with("section `layout`: the influence of other weights"), "{error}");
    }
    let masks =
        Masks { gates: vec![GateMask { input: Pattern::dense(4, 2), recurrent: Pattern::dense(4, 4) }] };
    assert!(CellConfig::Gru(Size::dense(4)).with_masks::<f64>(Inputs::Dense(2), &masks).is_err());
}
