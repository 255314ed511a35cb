//! A learner that is handed its data does what a trainer does, at any pace.

#![allow(missing_docs)]

use rtrl_cells::Input;
use rtrl_checkpoint::{Persist, from_bytes, to_bytes};
use rtrl_estimators::EstimatorConfig;
use rtrl_sparse::Lanes;
use rtrl_tasks::{BuildTask, Signal, Step, TaskConfig};
use rtrl_train::{Learner, RunConfig, Targets, TrainError, Trainer};

const SETTINGS: &str = r#"
    layers = [{ kind = "lstm", units = 6, sparsity = 0.3 }, { kind = "gru", units = 5 }]
    optimizer = { kind = "adam", learning_rate = 0.01 }
    readout.hidden = 4
"#;

fn config(own: &str) -> RunConfig {
    RunConfig::from_toml(&format!("{SETTINGS}\n{own}"), "test").unwrap()
}

/// Hands the steps of `task` to a learner; the sum of all losses.
fn drive(learner: &mut Learner, config: &RunConfig, task: &TaskConfig, steps: usize) -> f64 {
    let lanes = config.training.lanes;
    let mut task = task.build(lanes, config.training.seed).unwrap();
    let mut step = Step::new(&*task, lanes);
    let mut loss = 0.0;
    for _ in 0..steps {
        task.next(&mut step).unwrap();
        let report = if step.input.is_empty() {
            learner.predict(Input::Dense(Lanes::new(&step.input_values, lanes)), &step.starts);
            learner.learn(Targets::Values(&step.target_values))
        } else {
            learner.predict(Input::Symbols(&step.input), &step.starts);
            learner.learn(Targets::Classes(&step.target))
        };
        loss += report.unwrap().loss;
    }
    loss
}

#[test]
fn a_learner_makes_the_steps_of_a_trainer_bit_for_bit() {
    // The last two have steps and whole windows without a target.
    let tasks = [
        "{ kind = 'chaos' }",
        "{ kind = 'char-lm', corpus_bytes = 5000, crop = 10 }",
        "{ kind = 'recall' }",
        "{ kind = 'copy', layout = 'delimiter', level = 4, spread = 0 }",
    ];
    for (task, window) in tasks.into_iter().flat_map(|task| [(task, 1), (task, 3)]) {
        for mut estimator in EstimatorConfig::every() {
            if let EstimatorConfig::Tbptt(config) = &mut estimator {
                config.replay = true;
            }
            let own = format!(
                "task = {task}\nestimator = {{ kind = 'snap', order = 1 }}\ntraining = {{ lanes = 2, window = {window}, steps = 30, seed = 5 }}"
            );
            let config = RunConfig { estimator, ..config(&own) };
            let mut trainer = Trainer::new(&config).unwrap();
            let mut expected = 0.0;
            while trainer.steps() < 30 {
                expected += trainer.train_window().unwrap().loss;
            }
            let (inputs, targets) = trainer.model().signals();
            let mut learner = Learner::new(&config, inputs, targets).unwrap();
            let loss = drive(&mut learner, &config, config.task().unwrap(), 30);
            assert_eq!(learner.model().weights(), trainer.weights(), "{config:?}");
            assert_eq!(learner.model().readout().parameters(), trainer.readout().parameters());
            // The same losses in another order of addition.
            assert!((loss - expected).abs() < 1e-9 * expected, "{loss} and {expected}");
        }
    }
}

fn online(estimator: EstimatorConfig) -> RunConfig {
    let own = "estimator = { kind = 'snap', order = 1 }\ntraining = { lanes = 1, window = 1, steps = 1000, seed = 2 }";
    RunConfig { estimator, ..config(own) }
}

fn wave(t: usize) -> [f32; 2] {
    [(0.3 * t as f32).sin(), (0.7 * t as f32).cos()]
}

fn predict(learner: &mut Learner, t: usize) -> u32 {
    learner.predict(Input::Dense(Lanes::new(&wave(t), 1)), &[t == 0]).values()[0].to_bits()
}

fn learn(learner: &mut Learner, t: usize) -> u64 {
    // Every third target is missing.
    let target = (!t.is_multiple_of(3)).then_some(wave(t)[0]);
    learner.learn(Targets::Values(&[target])).unwrap().loss.to_bits()
}

#[test]
fn a_restored_learner_goes_on_at_every_point_between_and_within_steps() {
    for estimator in EstimatorConfig::every() {
        let config = online(estimator);
        let new = || Learner::new(&config, Signal::Values(2), Signal::Values(1)).unwrap();
        let (mut unbroken, mut broken) = (new(), new());
        let through = |learner: &mut Learner| {
            let saved = to_bytes(|archive| learner.persist(archive)).unwrap();
            let mut restored = new();
            predict(&mut restored, 17);
            from_bytes(&saved, |archive| restored.persist(archive)).unwrap();
            restored
        };
        for t in 0..60 {
            if t > 0 {
                let last = unbroken.prediction().values()[0].to_bits();
                broken = through(&mut broken);
                assert_eq!(broken.prediction().values()[0].to_bits(), last, "the prediction is still there");
                assert_eq!(learn(&mut broken, t), learn(&mut unbroken, t));
                broken = through(&mut broken);
            }
            assert_eq!(predict(&mut broken, t), predict(&mut unbroken, t), "{config:?} at {t}");
        }
        assert_eq!(broken.model().weights(), unbroken.model().weights());
    }
}

#[test]
fn a_prediction_does_not_depend_on_how_often_it_is_asked_for() {
    let config = online(EstimatorConfig::every().swap_remove(2));
    let new = || Learner::new(&config, Signal::Values(2), Signal::Values(1)).unwrap();
    let (mut once, mut often) = (new(), new());
    for t in 0..40 {
        if t > 0 {
            assert_eq!(learn(&mut often, t), learn(&mut once, t));
        }
        predict(&mut often, t + 500);
        let first = predict(&mut often, t);
        assert_eq!(first, predict(&mut often, t));
        assert_eq!(first, predict(&mut once, t));
    }
    assert_eq!(once.model().weights(), often.model().weights());
}

#[test]
fn steps_do_not_allocate() {
    let config = online(EstimatorConfig::every().swap_remove(2));
    let mut learner = Learner::new(&config, Signal::Values(2), Signal::Values(1)).unwrap();
    predict(&mut learner, 0);
    let info = allocation_counter::measure(|| {
        for t in 1..10 {
            learn(&mut learner, t);
            predict(&mut learner, t);
        }
    });
    assert_eq!(info.count_total, 0);
    let info = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8])));
    assert_eq!(info.count_total, 1, "the instrument must count");
}

#[test]
fn a_number_that_is_not_finite_stops_or_begins_anew() {
    let run = |policy: &str| {
        let mut config = online(EstimatorConfig::every().swap_remove(2));
        config.divergence = toml::from_str(policy).unwrap();
        let mut learner = Learner::new(&config, Signal::Values(2), Signal::Values(1)).unwrap();
        let mut skipped = Vec::new();
        for t in 0..50 {
            let mut input = wave(t);
            if t == 20 {
                input[1] = f32::NAN;
            }
            learner.predict(Input::Dense(Lanes::new(&input, 1)), &[t == 0]);
            let before = learner.model().weights().to_vec();
            let report = learner.learn(Targets::Values(&[Some(wave(t + 1)[0])]))?;
            assert_eq!(
                report.skipped > 0,
                learner.model().weights() == before,
                "a skipped step changes nothing"
            );
            if report.skipped > 0 {
                skipped.push(t);
            }
        }
        let finite =
            learner.predict(Input::Dense(Lanes::new(&wave(50), 1)), &[false]).values()[0].is_finite();
        Ok::<_, TrainError>((skipped, finite))
    };
    assert!(matches!(run("policy = 'stop'"), Err(TrainError::Diverged { step: 21, .. })));
    assert_eq!(run("policy = 'skip-lane'").unwrap(), (vec![20], true));
}

#[test]
fn a_trainer_needs_a_task() {
    let config = online(EstimatorConfig::every().swap_remove(2));
    let error = Trainer::new(&config).err().unwrap().to_string();
    assert!(error.contains("`task`"), "{error}");
}
