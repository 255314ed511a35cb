//! A learner whose caller brings the data does what a trainer does, whatever the time between its calls.

#![allow(missing_docs)]

use rtrl_cells::Input;
use rtrl_checkpoint::{Loaded, Persist, from_bytes, to_bytes};
use rtrl_estimators::{EstimatorConfig, SnapConfig};
use rtrl_sparse::Lanes;
use rtrl_tasks::{BuildTask, Signal, Step, TaskConfig};
use rtrl_train::{
    AdamConfig, ConfigError, DivergencePolicy, Learner, Model, Predictor, Rates, RunConfig, Targets,
    TrainError, Trainer,
};

#[path = "../parts/least_squares.rs"]
mod least_squares;
#[path = "../parts/settings.rs"]
mod settings;

const SETTINGS: &str = r#"
    layers = [{ kind = "lstm", units = 6, sparsity = 0.3 }, { kind = "gru", units = 5 }]
    optimizer = { kind = "adam", learning_rate = 0.01 }
    readout.hidden = 4
"#;

fn config(own: &str) -> RunConfig {
    RunConfig::from_toml(&format!("{SETTINGS}\n{own}"), "test").unwrap()
}

/// Gives the steps of `task` to a learner. Returns the sum of all losses.
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
    // The last two tasks have steps and whole windows without a target.
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
            let mut config = config(&own);
            config.learning.estimator = estimator;
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
            // The losses are added in another order.
            assert!((loss - expected).abs() < 1e-9 * expected, "{loss} and {expected}");
        }
    }
}

fn online(estimator: EstimatorConfig) -> RunConfig {
    let own = "estimator = { kind = 'snap', order = 1 }\ntraining = { lanes = 1, window = 1, steps = 1000, seed = 2 }";
    let mut config = config(own);
    config.learning.estimator = estimator;
    config
}

fn wave(t: usize) -> [f32; 2] {
    [(0.3 * t as f32).sin(), (0.7 * t as f32).cos()]
}

fn predict(learner: &mut Learner, t: usize) -> u32 {
    learner.predict(Input::Dense(Lanes::new(&wave(t), 1)), &[t == 0]).values()[0].to_bits()
}

fn learn(learner: &mut Learner, t: usize) -> u64 {
    // Every third step has no target.
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
    let config = snap();
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
    let config = snap();
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
        let mut config = snap();
        config.learning.divergence = toml::from_str(policy).unwrap();
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
    let config = snap();
    let error = Trainer::new(&config).err().unwrap().to_string();
    assert!(error.contains("`task`"), "{error}");
}

/// The configuration of the tests that need only one estimator.
fn snap() -> RunConfig {
    online(EstimatorConfig::Snap(SnapConfig::new(1)))
}

fn new(config: &RunConfig) -> Learner {
    Learner::new(config, Signal::Values(2), Signal::Values(1)).unwrap()
}

/// Makes steps and returns the bits of their losses.
fn go(learner: &mut Learner, steps: std::ops::Range<usize>) -> Vec<u64> {
    steps.map(|t| (predict(learner, t), learn(learner, t)).1).collect()
}

fn bits(x: Lanes<'_, f32>) -> Vec<u32> {
    x.values().iter().map(|x| x.to_bits()).collect()
}

fn dense(x: &[f32]) -> Input<'_, f32> {
    Input::Dense(Lanes::new(x, 1))
}

fn bytes(learner: &mut Learner) -> Vec<u8> {
    to_bytes(|archive| learner.persist(archive)).unwrap()
}

/// A learner with rates of 0 predicts what its fork predicts, whenever it was forked. Neither disturbs the other.
#[test]
fn a_fork_predicts_and_scores_as_a_learner_that_does_not_learn() {
    for estimator in EstimatorConfig::every() {
        let config = online(estimator);
        for pending in [false, true] {
            let mut learner = new(&config);
            go(&mut learner, 0..20);
            let mut fork = learner.fork();
            if pending {
                predict(&mut learner, 20);
                // This fork is in another state before it is overwritten.
                fork.predict(dense(&[9.0, 9.0]), &[true]);
                learner.fork_into(&mut fork);
                let expected = bits(learner.prediction());
                assert_eq!(bits(fork.prediction()), expected);
                fork.score(Targets::Values(&[Some(wave(20)[0])]));
            } else {
                predict(&mut learner, 20);
                fork.predict(dense(&wave(20)), &[false]);
            }
            let before = bytes(&mut learner);
            learner.set_rates(Rates::both(0.0)).unwrap();
            for t in 20..40 {
                let report = fork.score(Targets::Values(&[Some(wave(t + 1)[0])]));
                let learned = learner.learn(Targets::Values(&[Some(wave(t + 1)[0])])).unwrap();
                assert_eq!(
                    (report.loss.to_bits(), report.targets),
                    (learned.loss.to_bits(), 1),
                    "{config:?}"
                );
                let starts = [t % 7 == 0];
                let expected = bits(learner.predict(dense(&wave(t + 1)), &starts));
                assert_eq!(bits(fork.predict(dense(&wave(t + 1)), &starts)), expected, "{config:?} at {t}");
            }
            // Running a fork changes nothing in its learner.
            from_bytes(&before, |archive| learner.persist(archive)).unwrap();
            let mut fork = learner.fork();
            for t in 0..5 {
                fork.predict(dense(&wave(t)), &[false]);
            }
            assert!(bytes(&mut learner) == before);
        }
    }
}

#[test]
fn a_fork_of_a_restored_learner_has_its_state() {
    let mut learner = new(&snap());
    go(&mut learner, 0..20);
    let mut restored = new(&snap());
    from_bytes(&bytes(&mut learner), |archive| restored.persist(archive)).unwrap();
    let expected = bits(learner.fork().predict(dense(&wave(20)), &[false]));
    assert_eq!(bits(restored.fork().predict(dense(&wave(20)), &[false])), expected);
    assert_ne!(bits(restored.fork().predict(dense(&wave(20)), &[true])), expected, "the state counts");
}

/// After a divergence every lane of a fork has a state of zero, as the learner has at its next step.
#[test]
fn a_fork_begins_anew_where_its_learner_does() {
    let mut learner = new(&snap());
    go(&mut learner, 0..5);
    learner.predict(dense(&[f32::NAN, 0.0]), &[false]);
    assert!(learner.learn(Targets::Values(&[Some(0.0)])).is_err());
    let mut fork = learner.fork();
    let expected = bits(learner.predict(dense(&wave(7)), &[false]));
    assert_eq!(bits(fork.predict(dense(&wave(7)), &[false])), expected);
    assert_eq!(bits(learner.fork().prediction()), expected, "also with the prediction waiting");
}

#[test]
fn predictions_are_fed_back_as_if_they_had_come() {
    let lanes = 2;
    let mut config =
        config("estimator = { kind = 'snap', order = 1 }\ntraining = { lanes = 2, window = 1, seed = 2 }");
    config.learning.update.clip = Some(1.0);
    let numbers = Model::new(&config, Signal::Values(3), Signal::Values(3)).unwrap();
    let mut fed = Predictor::new(&numbers, lanes);
    fed.predict(Input::Dense(Lanes::new(&[0.1, -0.7, 0.4, 0.2, 0.9, -0.3], lanes)), &[true; 2]);
    let mut told = fed.clone();
    for _ in 0..10 {
        let last = told.prediction().values().to_vec();
        let expected = bits(told.predict(Input::Dense(Lanes::new(&last, lanes)), &[false; 2]));
        assert_eq!(bits(fed.feed_back()), expected);
        assert_eq!(bits(fed.prediction()), expected);
    }
    let classes = Model::new(&config, Signal::Symbols(5), Signal::Symbols(5)).unwrap();
    let mut fed = Predictor::new(&classes, lanes);
    fed.predict(Input::Symbols(&[0, 3]), &[true; 2]);
    let mut told = fed.clone();
    for _ in 0..10 {
        let last = told.prediction();
        let likeliest = |lane: usize| {
            let greatest = (0..5).map(|class| last.at(class)[lane]).fold(f32::NEG_INFINITY, f32::max);
            (0..5).position(|class| last.at(class)[lane] == greatest).unwrap() as u32
        };
        let symbols = [likeliest(0), likeliest(1)];
        let expected = bits(told.predict(Input::Symbols(&symbols), &[false; 2]));
        assert_eq!(bits(fed.feed_back()), expected);
    }
}

#[test]
fn predictors_do_not_allocate() {
    let mut config = snap();
    config.net.readout = Default::default();
    let mut learner = Learner::new(&config, Signal::Values(2), Signal::Values(2)).unwrap();
    learner.predict(dense(&wave(0)), &[true]);
    let mut fork = learner.fork();
    let info = allocation_counter::measure(|| {
        for t in 1..10 {
            learner.learn(Targets::Values(&wave(t).map(Some))).unwrap();
            learner.fork_into(&mut fork);
            learner.predict(dense(&wave(t)), &[false]);
            learner.skip().unwrap();
            learner.predict(dense(&wave(t)), &[false]);
            learner.fork_into(&mut fork);
            fork.feed_back();
            fork.predict(dense(&wave(t)), &[false]);
            fork.score(Targets::Values(&wave(t).map(Some)));
        }
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn what_has_no_target_is_a_step_and_not_learned() {
    for estimator in EstimatorConfig::every() {
        for window in [1, 3] {
            let mut config = online(estimator.clone());
            config.training.window = window;
            let (mut passing, mut missing) = (new(&config), new(&config));
            let mut with_target = 0;
            for t in 0..30 {
                assert_eq!(predict(&mut passing, t), predict(&mut missing, t));
                // Some windows have no target at all.
                let target = (t % 4 == 1 && t < 24).then_some(wave(t)[0]);
                with_target += u64::from(target.is_some());
                let expected = missing.learn(Targets::Values(&[target])).unwrap();
                let found = match target {
                    Some(_) => passing.learn(Targets::Values(&[target])),
                    None => passing.skip(),
                };
                assert_eq!(found.unwrap(), expected, "{config:?} at {t}");
                if (t + 1) % window == 0 {
                    assert_eq!((passing.steps(), passing.learned()), (t as u64 + 1, with_target));
                    assert!(bytes(&mut passing) == bytes(&mut missing));
                }
            }
        }
    }
}

#[test]
fn a_window_that_changes_no_weight_does_not_count_as_learned() {
    let mut config = snap();
    config.learning.divergence = DivergencePolicy::SkipLane;
    let mut learner = new(&config);
    for t in 0..10 {
        let input = if t == 4 { [f32::NAN, 0.0] } else { wave(t) };
        learner.predict(dense(&input), &[false]);
        learner.learn(Targets::Values(&[Some(0.5)])).unwrap();
    }
    learner.set_divergence(DivergencePolicy::Stop).unwrap();
    learner.predict(dense(&[f32::NAN, 0.0]), &[false]);
    assert!(matches!(
        learner.learn(Targets::Values(&[Some(0.5)])),
        Err(TrainError::Diverged { step: 11, .. })
    ));
    assert_eq!((learner.steps(), learner.learned()), (11, 9));
}

/// The predictions of each stream, of a learner that is given the rows of all streams in turn. The targets of streams other
/// than the first are missing, so that they change no weight.
fn interleaved(config: &RunConfig, streams: usize, swap: bool) -> Vec<Vec<f32>> {
    let mut learner = Learner::new(config, Signal::Values(1), Signal::Values(1)).unwrap();
    let mut others: Vec<_> = (1..streams).map(|_| learner.new_state().unwrap()).collect();
    let mut told = vec![Vec::new(); streams];
    for t in 0..60 {
        // Between the steps the learner holds the state of the first stream.
        for stream in 0..streams {
            if stream > 0 && swap {
                learner.swap_state(&mut others[stream - 1]);
            }
            let now = [wave_of(stream, t)];
            if t > 0 {
                let target = Some(now[0]).filter(|_| stream == 0);
                learner.learn(Targets::Values(&[target])).unwrap();
            }
            let starts = [t == 0];
            told[stream].push(learner.predict(Input::Dense(Lanes::new(&now, 1)), &starts).values()[0]);
            if stream > 0 && swap {
                learner.swap_state(&mut others[stream - 1]);
            }
        }
        if t == 30 {
            // A state survives being saved, also with a prediction that waits.
            for other in &mut others {
                let bytes = to_bytes(|archive| other.persist(archive)).unwrap();
                *other = learner.new_state().unwrap();
                from_bytes(&bytes, |archive| other.persist(archive)).unwrap();
            }
        }
    }
    told
}

fn wave_of(stream: usize, t: usize) -> f32 {
    ((0.3 + 0.1 * stream as f32) * t as f32).sin()
}

#[test]
fn streams_that_share_a_net_have_their_own_state_and_influence() {
    let one = "training = { lanes = 1, window = 1, seed = 3 }\nestimator = { kind = 'snap', order = 1 }";
    for estimator in EstimatorConfig::every() {
        let mut config = config(one);
        config.learning.estimator = estimator;
        let alone = interleaved(&config, 1, true);
        let shared = interleaved(&config, 3, true);
        assert_eq!(shared[0], alone[0], "{:?}: it learns as if it were alone", config.learning.estimator);
        // The control: streams that have one state disturb each other.
        assert_ne!(interleaved(&config, 3, false)[0], alone[0], "{:?}", config.learning.estimator);
    }
    // Where nobody learns, each stream is predicted as the untrained net predicts it alone.
    let frozen = config(one);
    let mut learner = Learner::new(&frozen, Signal::Values(1), Signal::Values(1)).unwrap();
    let mut other = learner.new_state().unwrap();
    let model = learner.model().clone();
    let mut alone = [Predictor::new(&model, 1), Predictor::new(&model, 1)];
    for t in 0..40 {
        for (stream, alone) in alone.iter_mut().enumerate() {
            if t > 0 {
                learner.skip().unwrap();
            }
            let (now, starts) = ([wave_of(stream, t)], [t == 0]);
            let told = learner.predict(Input::Dense(Lanes::new(&now, 1)), &starts).values()[0];
            let expected = alone.predict(Input::Dense(Lanes::new(&now, 1)), &starts).values()[0];
            assert_eq!(told, expected, "stream {stream}, step {t}");
            learner.swap_state(&mut other);
        }
    }
}
