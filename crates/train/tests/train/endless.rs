//! Learners without a last step, trainers with one, and learners that meet NaN or infinity.

#![allow(missing_docs)]

use rtrl_cells::Input;
use rtrl_checkpoint::{Persist, from_bytes, to_bytes};
use rtrl_estimators::{EstimatorConfig, SnapConfig};
use rtrl_sparse::Lanes;
use rtrl_tasks::Signal;
use rtrl_train::{Learner, RunConfig, Targets, TrainError, Trainer};

const LANES: usize = 2;

fn config(estimator: EstimatorConfig, window: usize, own: &str) -> RunConfig {
    let text = format!(
        r#"
        layers = [{{ kind = "gru", units = 5, sparsity = 0.3 }}]
        estimator = {{ kind = "bptt" }}
        optimizer = {{ kind = "adam", learning_rate = 0.01 }}
        training = {{ lanes = {LANES}, window = {window}, steps = 20, seed = 2 }}
        {own}
    "#
    );
    let mut config = RunConfig::from_toml(&text, "test").unwrap();
    config.learning.estimator = estimator;
    if let EstimatorConfig::Tbptt(tbptt) = &mut config.learning.estimator {
        tbptt.replay = true;
    }
    config
}

fn learner(config: &RunConfig) -> Learner {
    Learner::new(config, Signal::Values(1), Signal::Values(1)).unwrap()
}

fn wave(t: usize, lane: usize) -> f32 {
    (0.3 * t as f32 + lane as f32).sin()
}

/// Makes a step. Returns the bits of the prediction, and the error of learning.
fn step(
    learner: &mut Learner,
    t: usize,
    starts: bool,
    spoilt: Option<usize>,
) -> (Vec<u32>, Option<TrainError>) {
    let input: Vec<f32> =
        (0..LANES).map(|lane| if spoilt == Some(lane) { f32::NAN } else { wave(t, lane) }).collect();
    let predicted = learner.predict(Input::Dense(Lanes::new(&input, LANES)), &[starts; LANES]);
    let predicted = predicted.values().iter().map(|x| x.to_bits()).collect();
    let targets: Vec<_> = (0..LANES).map(|lane| Some(wave(t + 1, lane))).collect();
    (predicted, learner.learn(Targets::Values(&targets)).err())
}

fn good(learner: &mut Learner, t: usize, starts: bool) -> Vec<u32> {
    let (predicted, error) = step(learner, t, starts, None);
    assert!(error.is_none(), "{error:?}");
    predicted
}

fn saved(learner: &mut Learner) -> Vec<u8> {
    to_bytes(|archive| learner.persist(archive)).unwrap()
}

fn restore(learner: &mut Learner, bytes: &[u8]) {
    from_bytes(bytes, |archive| learner.persist(archive)).unwrap();
}

#[test]
fn a_learner_is_saved_after_any_number_of_steps_and_restored_under_another() {
    for estimator in EstimatorConfig::every() {
        let config = config(estimator, 1, "");
        let mut unbroken = learner(&config);
        for t in 0..50 {
            good(&mut unbroken, t, t == 0);
        }
        let bytes = saved(&mut unbroken);
        for steps in [7_u64, 20, 1 << 40] {
            let mut other = config.clone();
            other.training.steps = steps.into();
            let mut restored = learner(&other);
            restore(&mut restored, &bytes);
            assert_eq!(restored.steps(), 50);
            let mut unbroken = learner(&config);
            restore(&mut unbroken, &bytes);
            for t in 50..60 {
                assert_eq!(good(&mut restored, t, false), good(&mut unbroken, t, false));
            }
        }
    }
}

#[test]
fn a_trainer_past_its_last_step_changes_nothing_and_says_so() {
    let text = r#"
        task = { kind = "chaos" }
        layers = [{ kind = "gru", units = 5 }]
        estimator = { kind = "snap", order = 1 }
        optimizer = { kind = "adam", learning_rate = 0.01 }
        training = { lanes = 2, window = 4, steps = 21, seed = 2 }
    "#;
    let config = RunConfig::from_toml(text, "test").unwrap();
    let mut trainer = Trainer::new(&config).unwrap();
    let mut windows = Vec::new();
    while trainer.steps() < 21 {
        windows.push(trainer.train_window().unwrap().steps);
    }
    assert_eq!(windows, [4, 4, 4, 4, 4, 1]);
    let before = to_bytes(|archive| trainer.persist(archive)).unwrap();
    for _ in 0..3 {
        let error = trainer.train_window().unwrap_err().to_string();
        assert!(error.contains("21") && error.contains("steps"), "{error}");
        assert_eq!(trainer.steps(), 21);
        assert!(to_bytes(|archive| trainer.persist(archive)).unwrap() == before);
    }
    from_bytes(&before, |archive| Trainer::new(&config).unwrap().persist(archive)).unwrap();
}

/// Whether the estimator draws random numbers while it runs, or learns something of its own, which a lane that diverges
/// forgets.
fn drawn(estimator: &EstimatorConfig) -> bool {
    matches!(
        estimator,
        EstimatorConfig::Uoro(_)
            | EstimatorConfig::KfRtrl(_)
            | EstimatorConfig::OptimalKronecker(_)
            | EstimatorConfig::ForwardGradient(_)
            | EstimatorConfig::Kernl(_)
            | EstimatorConfig::Dni(_)
    )
}

#[test]
fn after_a_divergence_a_learner_goes_on_with_its_weights_in_new_sequences() {
    for estimator in EstimatorConfig::every() {
        for (window, bad) in [(1, 8), (4, 8), (4, 9), (4, 11)] {
            let config = config(estimator.clone(), window, "");
            let mut unlucky = learner(&config);
            let mut bytes = Vec::new();
            for t in 0..bad {
                if t == 8 || window == 1 {
                    bytes = saved(&mut unlucky);
                }
                good(&mut unlucky, t, t == 0);
            }
            if bad == 8 {
                bytes = saved(&mut unlucky);
            }
            let (_, error) = step(&mut unlucky, bad, false, Some(1));
            assert!(matches!(error, Some(TrainError::Diverged { .. })), "{config:?}: {error:?}");
            // Everything except the states is as it was before the window.
            let mut restored = learner(&config);
            restore(&mut restored, &bytes);
            assert_eq!(unlucky.model().weights(), restored.model().weights());
            for t in 20..40 {
                let (found, expected) = (good(&mut unlucky, t, false), good(&mut restored, t, t == 20));
                let finite = found.iter().all(|&x| f32::from_bits(x).is_finite());
                assert!(finite && (drawn(&estimator) || found == expected), "{config:?} at {t}");
            }
        }
    }
}

#[test]
fn a_checkpoint_is_restored_into_a_learner_that_has_diverged_or_is_within_a_window() {
    for estimator in EstimatorConfig::every() {
        for spoilt in [None, Some(0)] {
            let config = config(estimator.clone(), 4, "");
            let mut unbroken = learner(&config);
            (0..8).for_each(|t| drop(good(&mut unbroken, t, t == 0)));
            let bytes = saved(&mut unbroken);
            let mut broken = learner(&config);
            restore(&mut broken, &bytes);
            step(&mut broken, 8, false, None);
            let (_, error) = step(&mut broken, 9, false, spoilt);
            assert_eq!(error.is_some(), spoilt.is_some());
            restore(&mut broken, &bytes);
            for t in 8..28 {
                assert_eq!(good(&mut broken, t, false), good(&mut unbroken, t, false), "{config:?} at {t}");
            }
        }
    }
}

#[test]
fn within_a_window_nothing_is_saved_and_it_is_said_why() {
    let config = config(SnapConfig::new(1).into(), 4, "");
    let mut learner = learner(&config);
    for t in 0..8 {
        let result = to_bytes(|archive| learner.persist(archive));
        assert_eq!(result.is_ok(), t % 4 == 0);
        if let Err(error) = result {
            let error = error.to_string();
            assert!(error.contains(&format!("{} of the 4 steps", t % 4)), "{error}");
        }
        good(&mut learner, t, t == 0);
    }
}

#[test]
fn a_learner_skips_all_of_its_lanes_too() {
    let skip = config(SnapConfig::new(1).into(), 1, "divergence = { policy = 'skip-lane' }");
    let mut learner = learner(&skip);
    good(&mut learner, 0, true);
    assert!(step(&mut learner, 1, false, Some(1)).1.is_none(), "one lane is skipped");
    let targets = [Some(0.0); LANES];
    learner.predict(Input::Dense(Lanes::new(&[f32::NAN; LANES], LANES)), &[false; LANES]);
    assert_eq!(learner.learn(Targets::Values(&targets)).unwrap().skipped, LANES as u64);
    good(&mut learner, 3, false);
}

#[test]
fn a_learner_cannot_go_back() {
    let back = config(SnapConfig::new(1).into(), 1, "divergence = { policy = 'roll-back', every = 10 }");
    let error = Learner::new(&back, Signal::Values(1), Signal::Values(1)).expect_err("refused").to_string();
    assert!(error.contains("`divergence.policy`") && error.contains("skip-lane"), "{error}");
}

#[test]
fn a_schedule_with_an_end_needs_a_number_of_steps() {
    let text = |steps: &str| {
        format!(
            r#"
            layers = [{{ kind = "gru", units = 5 }}]
            estimator = {{ kind = "bptt" }}
            optimizer = {{ kind = "sgd", learning_rate = 0.01 }}
            update.schedule = {{ kind = "cosine" }}
            training = {{ lanes = 2, window = 1, {steps} seed = 2 }}
        "#
        )
    };
    let error = RunConfig::from_toml(&text(""), "x.toml").unwrap_err().to_string();
    assert!(error.contains("x.toml, line 5") && error.contains("`update.schedule`"), "{error}");
    assert!(error.contains("training.steps"), "{error}");
    // With `training.steps` a learner may make more steps: the rate stays at its last value.
    let mut learner = learner(&RunConfig::from_toml(&text("steps = 10,"), "x.toml").unwrap());
    (0..30).for_each(|t| drop(good(&mut learner, t, t == 0)));
    saved(&mut learner);
}
