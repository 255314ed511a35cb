//! Configurations and whole runs.

#![allow(missing_docs)]

use std::sync::atomic::{AtomicBool, Ordering};

use rtrl_estimators::{EstimatorConfig, UoroConfig};
use rtrl_train::{
    ConfigError, Model, Outcome, Record, RunConfig, RunOptions, TrainError, Trainer, read_metrics,
    read_summary, run,
};

fn toml(estimator: &str, steps: u64) -> String {
    format!(
        r#"
task = {{ kind = "copy" }}
layers = [{{ kind = "gru", units = 12, sparsity = 0.5 }}]
estimator = {estimator}
optimizer = {{ kind = "adam", learning_rate = 0.01 }}
training = {{ lanes = 4, window = 2, steps = {steps}, seed = 7, log_every = 50 }}
"#
    )
}

fn config(estimator: &str, steps: u64) -> RunConfig {
    RunConfig::from_toml(&toml(estimator, steps), "test").unwrap()
}

const SNAP: &str = r#"{ kind = "snap", order = 1 }"#;
const BPTT: &str = r#"{ kind = "bptt" }"#;
const FROZEN: &str = r#"{ kind = "frozen" }"#;

#[test]
fn mistakes_in_a_configuration_are_named_with_their_line() {
    let replaced = |from: &str, to: &str| {
        let text = toml(SNAP, 10);
        assert!(text.contains(from), "{from}");
        RunConfig::from_toml(&text.replace(from, to), "bad.toml").unwrap_err()
    };
    for (from, to, line, word) in [
        ("units = 12", "unit = 12", 3, "unit"),
        ("kind = \"gru\"", "kind = \"gruu\"", 3, "gruu"),
        ("order = 1", "order = \"one\"", 4, "one"),
        ("steps = 10", "steps = -1", 6, "-1"),
        ("training =", "training ==", 6, "="),
    ] {
        let error = replaced(from, to);
        let message = error.to_string();
        assert!(
            matches!(&error, ConfigError::Syntax { place, .. } if place.line == line)
                && message.contains("bad.toml"),
            "{from} to {to}: {message}"
        );
        assert!(message.contains(word), "{from} to {to}: {message}");
    }
    for (from, to, field) in [
        ("lanes = 4", "lanes = 0", "training.lanes"),
        ("window = 2", "window = 0", "training.window"),
        ("steps = 10", "steps = 0", "training.steps"),
        ("learning_rate = 0.01", "learning_rate = -1.0", "optimizer.learning_rate"),
        ("learning_rate = 0.01", "learning_rate = nan", "optimizer.learning_rate"),
        ("[{ kind = \"gru\", units = 12, sparsity = 0.5 }]", "[]", "layers"),
    ] {
        let error = replaced(from, to);
        assert!(
            matches!(&error, ConfigError::At { source, .. }
                if matches!(**source, ConfigError::Value { field: f, .. } if f == field)),
            "{from} to {to}: {error}"
        );
    }
}

#[test]
fn what_only_building_finds_is_an_error_too() {
    let with = |from: &str, to: &str| {
        Trainer::new(&RunConfig::from_toml(&toml(SNAP, 10).replace(from, to), "x").unwrap())
    };
    assert!(matches!(with("order = 1", "order = 0").err(), Some(TrainError::Estimator(_))));
    assert!(matches!(with("units = 12", "units = 0").err(), Some(TrainError::Layer { layer: 0, .. })));
    assert!(matches!(
        with("sparsity = 0.5", "sparsity = 1.5").err(),
        Some(TrainError::Layer { layer: 0, .. })
    ));
    let missing = r#"{ kind = "char-lm", text = "there/is/no/such.txt" }"#;
    assert!(matches!(with(r#"{ kind = "copy" }"#, missing).err(), Some(TrainError::Task(_))));
}

#[test]
fn configurations_survive_toml_and_differ_in_their_hash() {
    let one = config(SNAP, 10);
    assert_eq!(RunConfig::from_toml(&one.to_toml().unwrap(), "again").unwrap(), one);
    assert_eq!(one.hash(), config(SNAP, 10).hash());
    assert_ne!(one.hash(), config(SNAP, 11).hash());
    assert_ne!(one.hash(), config(BPTT, 10).hash());
    assert_eq!(one.hash().len(), 64);
    assert!(one.folder().starts_with("copy-"));
}

fn without_time(records: Vec<Record>) -> Vec<Record> {
    records.into_iter().map(|record| Record { seconds: 0.0, ..record }).collect()
}

#[test]
fn equal_configurations_give_equal_runs() {
    let config = config(SNAP, 200);
    let metrics = || {
        let dir = tempfile::tempdir().unwrap();
        run(&config, &RunOptions::new(dir.path()), &mut |_| {}, &AtomicBool::new(false)).unwrap();
        without_time(read_metrics(&dir.path().join(config.folder()).join("metrics.jsonl")).unwrap())
    };
    let (first, second) = (metrics(), metrics());
    assert_eq!(first, second);
    assert_eq!(first.iter().map(|r| r.step).collect::<Vec<_>>(), [50, 100, 150, 200]);
    let weights = || {
        let mut trainer = Trainer::new(&config).unwrap();
        for _ in 0..20 {
            trainer.train_window().unwrap();
        }
        (trainer.weights().to_vec(), trainer.readout().parameters().to_vec())
    };
    assert_eq!(weights(), weights());
}

#[test]
fn another_estimator_sees_the_same_masks_weights_and_data() {
    let trainer = |estimator| Trainer::new(&config(estimator, 200)).unwrap();
    let (mut snap, mut bptt, mut frozen) = (trainer(SNAP), trainer(BPTT), trainer(FROZEN));
    assert_eq!(snap.weights(), bptt.weights());
    assert_eq!(snap.readout().parameters(), frozen.readout().parameters());
    // The first window uses the initial weights, so equal data give equal losses.
    let first = snap.train_window().unwrap();
    assert_eq!(first, bptt.train_window().unwrap());
    assert_eq!(first, frozen.train_window().unwrap());
    let initial = trainer(SNAP);
    assert_ne!(snap.weights(), initial.weights());
    assert_eq!(frozen.weights(), initial.weights(), "a frozen core does not change");
    let mut other = config(SNAP, 200);
    other.training.seed = 8;
    assert_ne!(Trainer::new(&other).unwrap().weights(), initial.weights());
}

#[test]
fn learning_beats_a_frozen_core() {
    let level = |estimator: &str| {
        let text =
            toml(estimator, 4000).replace("units = 12", "units = 24").replace("window = 2", "window = 8");
        let mut trainer = Trainer::new(&RunConfig::from_toml(&text, "test").unwrap()).unwrap();
        while trainer.steps() < 4000 {
            trainer.train_window().unwrap();
        }
        trainer.level().unwrap()
    };
    let (bptt, snap, frozen) = (level(BPTT), level(SNAP), level(FROZEN));
    assert!(bptt > frozen && snap > frozen, "BPTT {bptt}, SnAp-1 {snap}, frozen {frozen}");
}

#[test]
fn a_finished_run_is_read_and_an_interrupted_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(SNAP, 100);
    let folder = dir.path().join(config.folder());
    let stop = AtomicBool::new(false);
    let mut interrupting = |_| stop.store(true, Ordering::Relaxed);
    let outcome = run(&config, &RunOptions::new(dir.path()), &mut interrupting, &stop).unwrap();
    assert_eq!(outcome, Outcome::Interrupted);
    assert!(!folder.join("result.json").exists());
    let mut windows = 0;
    let outcome =
        run(&config, &RunOptions::new(dir.path()), &mut |_| windows += 1, &AtomicBool::new(false)).unwrap();
    assert_eq!(windows, 49, "one window was made before");
    let Outcome::Finished(summary) = outcome else { panic!("finished") };
    assert_eq!(read_summary(&folder).unwrap(), *summary);
    assert_eq!((summary.steps, summary.hash), (100, config.hash()));
    let again =
        run(&config, &RunOptions::new(dir.path()), &mut |_| panic!("made again"), &AtomicBool::new(false))
            .unwrap();
    assert!(matches!(again, Outcome::Finished(_)));
    // A damaged result, or that of another configuration, does not count.
    std::fs::write(folder.join("result.json"), "{").unwrap();
    assert!(matches!(read_summary(&folder), Err(TrainError::Damaged { .. })));
    let mut windows = 0;
    run(&config, &RunOptions::new(dir.path()), &mut |_| windows += 1, &AtomicBool::new(false)).unwrap();
    assert_eq!(windows, 50);
}

#[test]
fn damaged_metrics_are_refused_with_their_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics.jsonl");
    let good = r#"{"step":1,"characters":4,"seconds":0.5}"#;
    std::fs::write(&path, format!("{good}\n{good}\n{{\"step\":\n")).unwrap();
    let error = read_metrics(&path).unwrap_err();
    assert!(matches!(&error, TrainError::Damaged { line: 3, .. }), "{error}");
    std::fs::write(&path, format!("{good}\n")).unwrap();
    assert_eq!(read_metrics(&path).unwrap().len(), 1);
}

#[test]
fn a_root_that_cannot_be_written_is_an_error_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("file");
    std::fs::write(&root, "not a folder").unwrap();
    let error =
        run(&config(SNAP, 10), &RunOptions::new(&root), &mut |_| {}, &AtomicBool::new(false)).unwrap_err();
    assert!(matches!(&error, TrainError::File { path, .. } if path.starts_with(&root)), "{error}");
}

#[test]
fn evaluation_reads_held_out_text_and_changes_nothing() {
    let text = r#"
task = { kind = "char-lm", crop = 16, corpus_bytes = 2000000 }
layers = [{ kind = "gru", units = 8 }]
estimator = { kind = "snap", order = 1 }
optimizer = { kind = "adam", learning_rate = 0.01 }
training = { lanes = 4, window = 16, steps = 400, seed = 0, evaluate_bytes = 2000 }
"#;
    let mut trainer = Trainer::new(&RunConfig::from_toml(text, "test").unwrap()).unwrap();
    let first = trainer.evaluate().unwrap().expect("held-out text");
    assert_eq!(trainer.evaluate().unwrap(), Some(first), "the same text again");
    // An untrained net predicts about as well as a uniform guess among 256 bytes.
    assert!((7.5..8.5).contains(&first), "{first}");
    while trainer.steps() < 400 {
        trainer.train_window().unwrap();
    }
    let trained = trainer.evaluate().unwrap().expect("held-out text");
    assert!(trained < first - 1.0, "{first} before, {trained} after");
}

#[test]
fn passive_estimators_change_nothing_and_are_compared() {
    let compare = r#"
compare.reference = { kind = "rtrl" }
compare.passive = [
    { label = "exact", estimator = { kind = "snap", order = 99 } },
    { label = "SnAp-1", estimator = { kind = "snap", order = 1 } },
    { label = "UORO", estimator = { kind = "uoro" } },
]
"#;
    let plain = config(SNAP, 100);
    let watched = RunConfig::from_toml(&(toml(SNAP, 100) + compare), "test").unwrap();
    let (mut plain, mut watched) = (Trainer::new(&plain).unwrap(), Trainer::new(&watched).unwrap());
    while plain.steps() < 100 {
        assert_eq!(plain.train_window().unwrap(), watched.train_window().unwrap());
    }
    assert_eq!(plain.weights(), watched.weights());
    assert!(plain.take_alignment().is_empty());
    let alignment = watched.take_alignment();
    let cosine = |label: &str, group: &str| {
        alignment.iter().find(|a| a.label == label && a.group == group).map(|a| a.cosine).unwrap()
    };
    // Sums in `f32` in another order: 1e-3 on a mean of cosines leaves room for small gradients.
    assert!((cosine("exact", "all") - 1.0).abs() < 1e-3, "{}", cosine("exact", "all"));
    assert!((0.2..0.999).contains(&cosine("SnAp-1", "all")), "{}", cosine("SnAp-1", "all"));
    assert!(cosine("UORO", "all") < cosine("SnAp-1", "all"));
    let groups = alignment.iter().filter(|a| a.label == "exact").count();
    assert_eq!(groups, 4, "all, input, bias, recurrent");
    assert!(watched.take_alignment().is_empty(), "taken once");
}

#[test]
fn runs_of_different_seeds_draw_different_signs() {
    // The same net and data, with the signs of seed 0 and of seed 1: only the random signs differ.
    let with = |seed: u64| {
        let estimator = format!("{{ kind = \"uoro\", seed = {seed} }}");
        let mut trainer = Trainer::new(&config(&estimator, 20)).unwrap();
        while trainer.steps() < 20 {
            trainer.train_window().unwrap();
        }
        trainer.weights().to_vec()
    };
    assert_eq!(with(0), with(0));
    assert_ne!(with(0), with(1));
    let uoro = |seed| EstimatorConfig::Uoro(UoroConfig { seed, ..Default::default() });
    assert_eq!(uoro(3).reseeded(7), uoro(10));
    let snap = EstimatorConfig::Snap(Default::default());
    assert_eq!(snap.reseeded(7), snap);
}

/// The net predicts what it predicts with exact feedback, until it has learned from the first window; and it learns.
#[test]
fn random_feedback_changes_what_the_recurrent_weights_learn_from() {
    let run = |feedback: &str, seed: u64| {
        let text = format!(
            r#"
            task = {{ kind = "copy" }}
            layers = [{{ kind = "leaky", units = 16, leak = 0.8 }}]
            estimator = {{ kind = "rflo", leak = 0.8 }}
            optimizer = {{ kind = "adam", learning_rate = 0.003 }}
            training = {{ lanes = 8, steps = 1200, seed = {seed} }}
            {feedback}
            "#
        );
        let mut trainer = Trainer::new(&RunConfig::from_toml(&text, "test").unwrap()).unwrap();
        let mut losses = Vec::new();
        while trainer.steps() < 1200 {
            let window = trainer.train_window().unwrap();
            losses.push(window.loss / window.targets.max(1) as f64);
        }
        (losses, trainer.weights().to_vec())
    };
    let random = r#"feedback = "random""#;
    let (exact, exact_weights) = run("", 7);
    let (losses, weights) = run(random, 7);
    let first = losses.iter().position(|&loss| loss > 0.0).unwrap();
    assert_eq!(losses[first], exact[first]);
    assert_ne!(weights, exact_weights);
    assert_eq!(run("feedback = \"exact\"", 7), (exact, exact_weights), "exact is the default");
    assert_eq!(run(random, 7), (losses.clone(), weights), "B is drawn by the seed");
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (begin, end) = (mean(&losses[..200]), mean(&losses[1000..]));
    assert!(end < 0.9 * begin, "{begin} bits at first, {end} in the end");
}

/// A complex unit shows two numbers to the layer above, in training, in a model's file and after.
#[test]
fn units_with_two_hidden_states_stand_below_others() {
    let text = toml(SNAP, 40).replace(
        r#"[{ kind = "gru", units = 12, sparsity = 0.5 }]"#,
        r#"[{ kind = "rtu", units = 5 }, { kind = "gru", units = 6, sparsity = 0.5 }, { kind = "lru", units = 3 }]"#,
    );
    let root = tempfile::tempdir().unwrap();
    let config = RunConfig::from_toml(&text, "test").unwrap();
    run(&config, &RunOptions::new(root.path()), &mut |_| {}, &AtomicBool::new(false)).unwrap();
    let model = Model::load(&root.path().join(config.folder()).join("model")).unwrap();
    assert_eq!((model.stack().states(), model.stack().hidden()), (10 + 6 + 6, 16..22));
    assert_eq!(model.masks()[1].gates[0].input.cols(), 10);
    let leaky = text.replace("\"lru\", units = 3", "\"lru\", units = 3, leak = 0.5");
    let error = Trainer::new(&RunConfig::from_toml(&leaky, "test").unwrap()).err().unwrap().to_string();
    assert!(error.contains("leak"), "{error}");
}

#[test]
fn windows_of_whole_sequences_end_with_them() {
    let text = |together: bool, window: usize, own: &str| {
        toml(BPTT, 400)
            .replace(
                "kind = \"copy\"",
                &format!("kind = \"copy\", level = 4, spread = 3, threshold = 0.0, together = {together}"),
            )
            .replace("window = 2", &format!("window = {window}, whole_sequences = true"))
            + own
    };
    let of = |text: &str| RunConfig::from_toml(text, "test");
    // Strings of 1 to 4 bits take 4, 6, 8 or 10 steps; a window of 8 cuts the longest, the rest of which is a window of its own.
    for (window, allowed) in [(16, &[4, 6, 8, 10][..]), (8, &[2, 4, 6, 8])] {
        let mut trainer = Trainer::new(&of(&text(true, window, "")).unwrap()).unwrap();
        let mut found = std::collections::BTreeSet::new();
        while trainer.steps() < 390 {
            found.insert(trainer.train_window().unwrap().steps);
        }
        assert_eq!(found.into_iter().collect::<Vec<u64>>(), allowed, "windows of at most {window}");
    }
    let refused = Trainer::new(&of(&text(false, 16, "")).unwrap()).err().unwrap().to_string();
    assert!(refused.contains("training.whole_sequences"), "{refused}");
    let falling = of(&text(true, 16, "update.schedule = { kind = \"cosine\" }\n")).unwrap_err().to_string();
    assert!(falling.contains("whole_sequences"), "{falling}");

    // A run that stops and goes on has the bits of one that does not.
    let config = of(&text(true, 16, "")).unwrap();
    let model = |stop_at: Option<u64>| {
        let root = tempfile::tempdir().unwrap();
        let options =
            RunOptions { checkpoint_every: std::time::Duration::ZERO, ..RunOptions::new(root.path()) };
        let stop = AtomicBool::new(false);
        let mut watch = |p: rtrl_train::Progress| stop.store(Some(p.step) >= stop_at, Ordering::Relaxed);
        if stop_at.is_some() {
            assert!(matches!(run(&config, &options, &mut watch, &stop).unwrap(), Outcome::Interrupted));
        }
        run(&config, &options, &mut |_| {}, &AtomicBool::new(false)).unwrap();
        std::fs::read(root.path().join(config.folder()).join("model")).unwrap()
    };
    assert!(model(Some(60)) == model(None), "the models have the same bytes");
}
