//! Runs that go on from shorter ones, keep their best net, and end early.

#![allow(missing_docs)]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rtrl_train::{Model, Outcome, Record, RunConfig, RunOptions, Summary, read_metrics, run};

fn config(steps: u64, own: &str) -> RunConfig {
    let text = format!(
        r#"
task = {{ kind = "char-lm", crop = 12, corpus_bytes = 20000 }}
layers = [{{ kind = "gru", units = 8, sparsity = 0.5 }}]
estimator = {{ kind = "snap", order = 2 }}
rewiring = {{ kind = "set", share = 0.2, end = 100, every = 40 }}
training = {{ lanes = 3, window = 4, steps = {steps}, seed = 1, log_every = 16, evaluate_every = 40, evaluate_bytes = 500 }}
{own}
"#
    );
    RunConfig::from_toml(&text, "test").unwrap()
}

const ADAM: &str = r#"optimizer = { kind = "adam", learning_rate = 0.01 }"#;

fn options(root: &Path) -> RunOptions {
    RunOptions { checkpoint_every: Duration::ZERO, keep_checkpoint: true, ..RunOptions::new(root) }
}

fn finished(config: &RunConfig, options: &RunOptions) -> Summary {
    match run(config, options, &mut |_| {}, &AtomicBool::new(false)).unwrap() {
        Outcome::Finished(summary) => *summary,
        other => panic!("{other:?}"),
    }
}

/// The records of a run, without their seconds.
fn records(root: &Path, config: &RunConfig) -> Vec<Record> {
    let records = read_metrics(&root.join(config.folder()).join("metrics.jsonl")).unwrap();
    records.into_iter().map(|record| Record { seconds: 0.0, ..record }).collect()
}

#[test]
fn a_longer_run_ends_as_if_it_had_been_one() {
    let root = tempfile::tempdir().unwrap();
    let (short, long) = (config(152, ADAM), config(300, ADAM));
    finished(&short, &options(root.path()));
    let at_once = tempfile::tempdir().unwrap();
    finished(&long, &options(at_once.path()));
    let shorter = root.path().join(short.folder());
    let extended = RunOptions { extend: Some(shorter), ..options(root.path()) };
    let mut first = None;
    let mut watch = |progress: rtrl_train::Progress| {
        first.get_or_insert(progress.resumed_at);
    };
    run(&long, &extended, &mut watch, &AtomicBool::new(false)).unwrap();
    assert_eq!(first, Some(152));
    let model = |root: &Path| std::fs::read(root.join(long.folder()).join("model")).unwrap();
    assert!(model(root.path()) == model(at_once.path()), "the models have the same bytes");
    let best =
        |root: &Path| Model::load(&root.join(long.folder()).join("best")).map(|net| net.weights().to_vec());
    assert_eq!(best(root.path()).unwrap(), best(at_once.path()).unwrap());
    // The end of the shorter run has a record of its own.
    let is_own = |record: &Record| record.step != 152;
    let all: Vec<_> = records(root.path(), &long).into_iter().filter(is_own).collect();
    let expected: Vec<_> = records(at_once.path(), &long).into_iter().filter(is_own).collect();
    assert_eq!(all.last().map(|record| record.step), Some(300));
    let after = |records: &[Record]| records.iter().filter(|r| r.step > 160).cloned().collect::<Vec<_>>();
    assert_eq!(after(&all), after(&expected));
}

#[test]
fn only_a_shorter_run_of_the_same_settings_is_extended() {
    let root = tempfile::tempdir().unwrap();
    let short = config(60, ADAM);
    finished(&short, &options(root.path()));
    let extended = RunOptions { extend: Some(root.path().join(short.folder())), ..options(root.path()) };
    let cosine = format!("{ADAM}\nupdate.schedule = {{ kind = \"cosine\" }}");
    let falling = config(60, &cosine);
    finished(&falling, &options(root.path()));
    let after_cosine =
        RunOptions { extend: Some(root.path().join(falling.folder())), ..options(root.path()) };
    let nothing = RunOptions { extend: Some(root.path().join("none")), ..options(root.path()) };
    let other = config(90, &ADAM.replace("0.01", "0.02"));
    let cut = config(58, ADAM);
    finished(&cut, &options(root.path()));
    let after_cut = RunOptions { extend: Some(root.path().join(cut.folder())), ..options(root.path()) };
    for (config, options, expected) in [
        (&config(50, ADAM), &extended, "more than those of the run that is extended, found 50 for 60"),
        (&other, &extended, "the only difference between a run and one that extends it"),
        (&config(90, &cosine), &after_cosine, "cannot go on from a shorter one"),
        (&config(90, ADAM), &after_cut, "a multiple of the window"),
        (&config(90, ADAM), &nothing, "none"),
    ] {
        let error = run(config, options, &mut |_| {}, &AtomicBool::new(false)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// The lowest loss may be that of the shorter run, whose net is then still the best.
#[test]
fn the_best_net_of_the_shorter_run_goes_along() {
    let root = tempfile::tempdir().unwrap();
    // Nothing is learned, so the first evaluation is the best.
    let still = "optimizer = { kind = 'sgd', learning_rate = 1e-30 }";
    let [short, long] = [80, 160].map(|steps| {
        let mut config = config(steps, still);
        config.learning.rewiring = None;
        config
    });
    finished(&short, &options(root.path()));
    let extended = RunOptions { extend: Some(root.path().join(short.folder())), ..options(root.path()) };
    assert_eq!(finished(&long, &extended).best_step, Some(40));
    let nets = [&short, &long].map(|run| Model::load(&root.path().join(run.folder()).join("best")).unwrap());
    assert_eq!(nets[0].weights(), nets[1].weights());
}

#[test]
fn a_checkpoint_of_a_shorter_run_is_another_run_if_its_rate_falls_to_the_end() {
    use rtrl_train::Trainer;
    for (schedule, fits) in [("kind = \"cosine\"", false), ("kind = \"constant\"", true)] {
        let own = format!("{ADAM}\nupdate.schedule = {{ {schedule} }}");
        let mut short = Trainer::new(&config(60, &own)).unwrap();
        short.train_window().unwrap();
        let saved =
            rtrl_checkpoint::to_bytes(|archive| rtrl_checkpoint::Persist::persist(&mut short, archive));
        let mut long = Trainer::new(&config(90, &own)).unwrap();
        let restored =
            rtrl_checkpoint::from_bytes(&saved.unwrap(), |a| rtrl_checkpoint::Persist::persist(&mut long, a));
        assert_eq!(restored.is_ok(), fits, "{schedule}");
    }
}

#[test]
fn early_stopping_without_validation_data_is_refused() {
    let text = r#"
        task = { kind = "copy" }
        layers = [{ kind = "gru", units = 4 }]
        estimator = { kind = "snap", order = 1 }
        optimizer = { kind = "sgd", learning_rate = 0.1 }
        training = { steps = 10, evaluate_every = 5, early_stop = { patience = 1 } }
    "#;
    let config = RunConfig::from_toml(text, "test").unwrap();
    let root = tempfile::tempdir().unwrap();
    let error = run(&config, &options(root.path()), &mut |_| {}, &AtomicBool::new(false)).unwrap_err();
    assert!(error.to_string().contains("`training.early_stop`"), "{error}");
}

#[test]
fn the_best_net_is_kept() {
    let root = tempfile::tempdir().unwrap();
    // So fast that the loss rises again.
    let config = config(400, &ADAM.replace("0.01", "1.0"));
    let summary = finished(&config, &options(root.path()));
    let (best, step) = (summary.best_valid.unwrap(), summary.best_step.unwrap());
    let evaluated: Vec<_> =
        records(root.path(), &config).into_iter().filter_map(|r| Some((r.valid_bits?, r.step))).collect();
    let expected = evaluated.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    assert_eq!((best, step), expected);
    assert!(step < 400, "the last net is not the best, or the test shows nothing");
    let net = Model::load(&root.path().join(config.folder()).join("best")).unwrap();
    let part = rtrl_tasks::Part::Valid;
    assert_eq!(rtrl_train::evaluate(&net, part, Some(500)).unwrap(), Some(best));
}

#[test]
fn a_run_ends_when_evaluations_bring_nothing_whatever_interrupts_it() {
    // Nothing is learned, so the first evaluation is the best, and two more end the run.
    let mut config = config(400, "optimizer = { kind = 'sgd', learning_rate = 1e-30 }");
    config.learning.rewiring = None;
    config.training.early_stop = Some(rtrl_train::EarlyStopConfig { patience: 2, min_delta: 0.0 });
    let root = tempfile::tempdir().unwrap();
    let summary = finished(&config, &options(root.path()));
    assert_eq!((summary.steps, summary.best_step), (120, Some(40)));
    // Stopped after every window, and made again.
    let broken = tempfile::tempdir().unwrap();
    let mut outcome = Outcome::Interrupted;
    while outcome == Outcome::Interrupted {
        let stop = AtomicBool::new(false);
        let mut after_one = |_| stop.store(true, Ordering::Relaxed);
        outcome = run(&config, &options(broken.path()), &mut after_one, &stop).unwrap();
    }
    assert_eq!(records(broken.path(), &config), records(root.path(), &config));
    // A loss has to fall by more than `min_delta`.
    config.learning.optimizer = rtrl_train::AdamConfig::new(0.01).into();
    config.training.early_stop = Some(rtrl_train::EarlyStopConfig { patience: 2, min_delta: 100.0 });
    assert_eq!(finished(&config, &options(root.path())).steps, 120);
    config.training.early_stop = Some(rtrl_train::EarlyStopConfig { patience: 2, min_delta: 0.0 });
    assert!(finished(&config, &options(root.path())).steps > 120);
}
