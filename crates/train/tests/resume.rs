//! Runs that are killed, run out of disk or are made twice, and go on as if nothing had happened.

#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rtrl_train::{Model, Outcome, Progress, Record, RunConfig, RunOptions, TrainError, read_metrics, run};

/// Runs that together carry everything a checkpoint can hold.
fn configs() -> Vec<RunConfig> {
    let common = r#"
        optimizer = { kind = "adam", learning_rate = 0.01 }
        update.schedule = { kind = "cosine", warm_up = 10 }
        readout.hidden = 8
    "#;
    let online = r#"
        task = { kind = "copy" }
        layers = [{ kind = "gru", units = 8, sparsity = 0.5 }]
        estimator = { kind = "snap", order = 2 }
        rewiring = { kind = "rigl", share = 0.3, end = 200, every = 20 }
        training = { lanes = 2, window = 1, steps = 300, seed = 7, log_every = 10 }
        [compare]
        passive = [
            { label = "UORO", estimator = { kind = "uoro" } },
            { label = "OK", estimator = { kind = "ok", rank = 2 } },
        ]
    "#;
    let windows = r#"
        task = { kind = "char-lm", crop = 12, corpus_bytes = 20000 }
        layers = [{ kind = "embedding", units = 3 }, { kind = "lstm", units = 6, sparsity = 0.3 }, { kind = "gru", units = 5, sparsity = 0.2, input_sparsity = 0.2 }]
        estimator = { kind = "tbptt", horizon = 9, replay = true }
        rewiring = { kind = "set", share = 0.2, end = 500, every = 40, matrices = "all" }
        divergence = { policy = "roll-back", every = 100 }
        training = { lanes = 3, window = 4, steps = 600, seed = 1, log_every = 16, evaluate_every = 150, evaluate_bytes = 500 }
    "#;
    [online, windows]
        .iter()
        .map(|own| RunConfig::from_toml(&(common.to_string() + own), "test").unwrap())
        .collect()
}

fn options(root: &Path) -> RunOptions {
    RunOptions { checkpoint_every: Duration::ZERO, keep_checkpoint: true, ..RunOptions::new(root) }
}

/// Checkpoint, model and metrics (without times) of a finished run.
fn traces(root: &Path, config: &RunConfig) -> (Vec<u8>, Vec<u8>, Vec<Record>) {
    let folder = root.join(config.folder());
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let records = read_metrics(&folder.join("metrics.jsonl")).unwrap();
    let records = records.into_iter().map(|record| Record { seconds: 0.0, ..record }).collect();
    (read("checkpoint"), read("model"), records)
}

/// Not a test of its own: the process that is killed.
#[test]
fn child() {
    let Ok(root) = std::env::var("RTRL_TEST_ROOT") else { return };
    let index: usize = std::env::var("RTRL_TEST_CONFIG").unwrap().parse().unwrap();
    let result = run(&configs()[index], &options(Path::new(&root)), &mut |_| {}, &AtomicBool::new(false));
    if let Err(error) = result {
        eprintln!("ERROR {error}");
        std::process::exit(3);
    }
}

fn child_command(program: &Path, root: &Path, index: usize) -> Command {
    let mut command = Command::new(program);
    command.args(["child", "--exact", "--nocapture"]);
    command.env("RTRL_TEST_ROOT", root).env("RTRL_TEST_CONFIG", index.to_string());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn spawn(root: &Path, index: usize) -> Child {
    child_command(&std::env::current_exe().unwrap(), root, index).spawn().unwrap()
}

#[test]
fn fifty_kills_leave_no_trace() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    for (index, config) in configs().iter().enumerate() {
        let unbroken = tempfile::tempdir().unwrap();
        run(config, &options(unbroken.path()), &mut |_| {}, &AtomicBool::new(false)).unwrap();
        let killed = tempfile::tempdir().unwrap();
        let mut kills = 0;
        while kills < 25 {
            let mut child = spawn(killed.path(), index);
            // A window takes about a millisecond, most of it for its checkpoint; the longest wait is a fraction of a run,
            // so that most kills hit a run in progress.
            std::thread::sleep(Duration::from_micros(3000 + rng.next_u64() % 25_000));
            // An error means that the run has come to its end.
            let was_alive = child.try_wait().unwrap().is_none();
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            if !was_alive {
                // Begin anew, so that each kill hits something.
                std::fs::remove_dir_all(killed.path().join(config.folder())).unwrap();
            }
        }
        let outcome = run(config, &options(killed.path()), &mut |_| {}, &AtomicBool::new(false)).unwrap();
        assert!(matches!(outcome, Outcome::Finished(_)));
        let (found, expected) = (traces(killed.path(), config), traces(unbroken.path(), config));
        assert_eq!(found.2, expected.2, "metrics");
        assert!(found.0 == expected.0, "weights, influence and everything else of the checkpoint");
        assert!(found.1 == expected.1, "the model");
        let names: Vec<_> = std::fs::read_dir(killed.path().join(config.folder())).unwrap().collect();
        assert_eq!(names.len(), 6, "no temporary files are left: {names:?}");
    }
}

#[test]
fn every_window_is_a_place_to_stop() {
    for config in configs() {
        let unbroken = tempfile::tempdir().unwrap();
        run(&config, &options(unbroken.path()), &mut |_| {}, &AtomicBool::new(false)).unwrap();
        let stopped = tempfile::tempdir().unwrap();
        let (mut rng, mut calls) = (Xoshiro256PlusPlus::seed_from_u64(2), 0);
        let (mut told, mut rates) = (Vec::new(), Vec::new());
        loop {
            let (stop, mut left) = (AtomicBool::new(false), rng.next_u64() % 30);
            let mut progress = |progress: Progress| {
                told.extend(progress.record.map(|record| Record { seconds: 0.0, ..record }));
                rates.push(progress.learning_rate);
                match left {
                    0 => stop.store(true, Ordering::Relaxed),
                    _ => left -= 1,
                }
            };
            calls += 1;
            if run(&config, &options(stopped.path()), &mut progress, &stop).unwrap() != Outcome::Interrupted {
                break;
            }
        }
        assert!(calls > 5, "{calls}");
        assert_eq!(told, traces(stopped.path(), &config).2, "each record once, whoever stops");
        // Up by the warm-up, and down along the cosine.
        assert!(rates[5] < 0.008 && rates[20] > 0.009 && *rates.last().unwrap() < 1e-5, "{rates:?}");
        assert!(traces(stopped.path(), &config) == traces(unbroken.path(), &config));
    }
}

/// A limit on the size of files stands in for a full disk: the same error path, without the right to mount anything.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_costs_nothing() {
    let config = &configs()[0];
    let root = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let interrupt = &mut |p: Progress| stop.store(p.step >= 50, Ordering::Relaxed);
    assert_eq!(run(config, &options(root.path()), interrupt, &stop).unwrap(), Outcome::Interrupted);
    let checkpoint = root.path().join(config.folder()).join("checkpoint");
    let before = std::fs::read(&checkpoint).unwrap();
    // In blocks of 512 bytes: half of a checkpoint. The signal is ignored, so that writing fails instead.
    let limited = format!("trap \"\" XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", before.len() / 1024);
    let child = child_command(Path::new("sh"), root.path(), 0);
    let mut sh = Command::new("sh");
    sh.arg("-c").arg(limited).arg(std::env::current_exe().unwrap()).args(child.get_args());
    child.get_envs().for_each(|(key, value)| {
        sh.env(key, value.unwrap());
    });
    let output = sh.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.contains("checkpoint") && message.contains("File too large"), "{message}");
    assert_eq!(std::fs::read(&checkpoint).unwrap(), before, "the checkpoint before is intact");
    let outcome = run(config, &options(root.path()), &mut |_| {}, &AtomicBool::new(false)).unwrap();
    assert!(matches!(outcome, Outcome::Finished(_)));
    let unbroken = tempfile::tempdir().unwrap();
    run(config, &options(unbroken.path()), &mut |_| {}, &AtomicBool::new(false)).unwrap();
    assert!(traces(root.path(), config) == traces(unbroken.path(), config));
}

#[test]
fn two_processes_do_not_share_a_run() {
    let config = &configs()[0];
    let root = tempfile::tempdir().unwrap();
    let mut second = None;
    let progress = &mut |_: Progress| {
        second.get_or_insert_with(|| {
            run(config, &options(root.path()), &mut |_| {}, &AtomicBool::new(false)).unwrap_err()
        });
    };
    run(config, &options(root.path()), progress, &AtomicBool::new(false)).unwrap();
    assert!(matches!(second, Some(TrainError::Locked { .. })), "{second:?}");
}

fn interrupted(config: &RunConfig, root: &Path) -> PathBuf {
    let stop = AtomicBool::new(false);
    let interrupt = &mut |p: Progress| stop.store(p.step >= 40, Ordering::Relaxed);
    assert_eq!(run(config, &options(root), interrupt, &stop).unwrap(), Outcome::Interrupted);
    root.join(config.folder())
}

#[test]
fn a_damaged_checkpoint_is_replaced_by_the_one_before_and_two_are_an_error() {
    let config = &configs()[0];
    let root = tempfile::tempdir().unwrap();
    let folder = interrupted(config, root.path());
    let go_on = || run(config, &options(root.path()), &mut |_| {}, &AtomicBool::new(false));
    let damage = |name: &str| {
        let mut bytes = std::fs::read(folder.join(name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    damage("checkpoint");
    damage("checkpoint.previous");
    let error = go_on().unwrap_err();
    assert!(
        matches!(error, TrainError::Checkpoint { .. }) && error.to_string().contains("damaged"),
        "{error}"
    );
    damage("checkpoint.previous");
    assert!(matches!(go_on().unwrap(), Outcome::Finished(_)));
    let unbroken = tempfile::tempdir().unwrap();
    run(config, &options(unbroken.path()), &mut |_| {}, &AtomicBool::new(false)).unwrap();
    assert!(traces(root.path(), config) == traces(unbroken.path(), config));
}

#[test]
fn metrics_that_were_lost_are_an_error() {
    let config = &configs()[0];
    let root = tempfile::tempdir().unwrap();
    let folder = interrupted(config, root.path());
    std::fs::write(folder.join("metrics.jsonl"), "").unwrap();
    let error = run(config, &options(root.path()), &mut |_| {}, &AtomicBool::new(false)).unwrap_err();
    assert!(
        matches!(error, TrainError::Damaged { .. }) && error.to_string().contains("4 records"),
        "{error}"
    );
}

#[test]
fn another_text_under_the_same_name_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let text = root.path().join("text");
    let write = |byte: u8| std::fs::write(&text, vec![byte; 4000]).unwrap();
    let toml = format!(
        r#"
        task = {{ kind = "char-lm", crop = 4, text = {text:?} }}
        layers = [{{ kind = "gru", units = 4 }}]
        estimator = {{ kind = "bptt" }}
        optimizer = {{ kind = "sgd", learning_rate = 0.01 }}
        training = {{ lanes = 2, window = 4, steps = 80, seed = 0 }}
    "#
    );
    let config = &RunConfig::from_toml(&toml, "test").unwrap();
    let go_on = || run(config, &options(root.path()), &mut |_| {}, &AtomicBool::new(false));
    write(b'a');
    interrupted(config, root.path());
    write(b'b');
    let error = go_on().unwrap_err();
    assert!(error.to_string().contains("text"), "{error}");
    write(b'a');
    go_on().unwrap();
    write(b'b');
    assert!(matches!(go_on().unwrap_err(), TrainError::DataChanged { .. }));
}

#[test]
fn a_model_is_read_from_models_and_checkpoints() {
    let config = &configs()[1];
    let root = tempfile::tempdir().unwrap();
    run(config, &options(root.path()), &mut |_| {}, &AtomicBool::new(false)).unwrap();
    let folder = root.path().join(config.folder());
    let (model, checkpoint) =
        (Model::load(&folder.join("model")).unwrap(), Model::load(&folder.join("checkpoint")).unwrap());
    assert_eq!(model.config(), config);
    assert_eq!((model.weights(), model.masks()), (checkpoint.weights(), checkpoint.masks()));
    assert_eq!(model.readout().parameters(), checkpoint.readout().parameters());
    let initial = Model::new(config, model.signals().0, model.signals().1).unwrap();
    assert_ne!(model.masks(), initial.masks(), "the masks are those that training has left");
    let error = Model::load(&folder.join("result.json")).err().unwrap();
    assert!(error.to_string().contains("not a checkpoint"), "{error}");
}
