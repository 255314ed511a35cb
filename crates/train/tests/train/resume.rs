//! Runs that are killed, run out of disk or are made twice: they continue as if nothing had happened.

#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rtrl_train::{
    CONFIG_VERSION, Model, Outcome, Progress, Record, RunConfig, RunOptions, TrainError, read_metrics, run,
};
use sha2::{Digest, Sha256};

/// Runs that together have everything that a checkpoint can hold.
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

/// Index of [`rolling`], after those of [`configs`].
const ROLLING: usize = 2;

/// A run whose learning rate rises until training diverges, again and again. Each time the run goes back and lowers
/// the rate. Several records lie between the state that it goes back to and the step that diverges.
fn rolling(attempts: u32) -> RunConfig {
    let text = format!(
        r#"
        task = {{ kind = "chaos" }}
        layers = [{{ kind = "gru", units = 5 }}]
        estimator = {{ kind = "snap", order = 1 }}
        optimizer = {{ kind = "momentum", learning_rate = 8.0, momentum = 0.9 }}
        update.schedule = {{ kind = "warm-up", updates = 300 }}
        divergence = {{ policy = "roll-back", every = 60, factor = 0.7, attempts = {attempts} }}
        training = {{ lanes = 2, window = 2, steps = 600, seed = 3, log_every = 6 }}
    "#
    );
    RunConfig::from_toml(&text, "test").unwrap()
}

fn went_back(progress: &Progress) -> bool {
    progress.record.as_ref().is_some_and(|record| record.rolled_back.is_some())
}

fn options(root: &Path) -> RunOptions {
    RunOptions { checkpoint_every: Duration::ZERO, keep_checkpoint: true, ..RunOptions::new(root) }
}

/// Checkpoint, model and metrics (without seconds) of a finished run.
fn traces(root: &Path, config: &RunConfig) -> (Vec<u8>, Vec<u8>, Vec<Record>) {
    let folder = root.join(config.folder());
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let lines = String::from_utf8(read("metrics.jsonl")).unwrap();
    let record = |line| Record { seconds: 0.0, ..serde_json::from_str(line).unwrap() };
    (read("checkpoint"), read("model"), lines.lines().map(record).collect())
}

/// Not a test of its own: the body of the process that is killed.
#[test]
fn child() {
    let Ok(root) = std::env::var("RTRL_TEST_ROOT") else { return };
    let index: usize = std::env::var("RTRL_TEST_CONFIG").unwrap().parse().unwrap();
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let mut options = options(Path::new(&root));
    options.checkpoint_every = Duration::from_micros(number("RTRL_TEST_CHECKPOINT_EVERY").unwrap_or(0));
    // The process aborts this many windows after a rollback: like a kill from outside, but at an exact moment.
    let (mut left, mut back) = (number("RTRL_TEST_ABORT_AFTER"), false);
    let mut progress = |progress: Progress| {
        back |= went_back(&progress);
        match &mut left {
            Some(0) if back => std::process::abort(),
            Some(left) if back => *left -= 1,
            _ => {}
        }
    };
    let mut configs = configs();
    assert_eq!(configs.len(), ROLLING);
    configs.push(rolling(20));
    let result = run(&configs[index], &options, &mut progress, &AtomicBool::new(false));
    if let Err(error) = result {
        eprintln!("ERROR {error}");
        std::process::exit(3);
    }
}

fn child_command(program: &Path, root: &Path, index: usize) -> Command {
    let mut command = Command::new(program);
    command.args(["resume::child", "--exact", "--nocapture"]);
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
            // A window takes about a millisecond, most of it for its checkpoint. The longest wait is a fraction of
            // a run, so that most kills hit a run in progress.
            std::thread::sleep(Duration::from_micros(3000 + rng.next_u64() % 25_000));
            // A child that has exited has come to the end of its run.
            let was_alive = child.try_wait().unwrap().is_none();
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            if !was_alive {
                // The next run begins from the start, so that each kill can hit a run in progress.
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
        // Without validation data there is no best net.
        let best = [killed.path(), unbroken.path()]
            .map(|root| std::fs::read(root.join(config.folder()).join("best")).ok());
        assert!(best[0] == best[1], "the best net");
        let expected = 6 + usize::from(best[0].is_some());
        assert_eq!(names.len(), expected, "no temporary files are left: {names:?}");
    }
}

/// Steps to which a run has gone back.
fn went_back_to(records: &[Record]) -> Vec<u64> {
    records.iter().filter(|record| record.rolled_back.is_some()).map(|record| record.step).collect()
}

#[test]
fn a_hundred_kills_while_rolling_back_leave_no_trace() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let config = rolling(20);
    let never = AtomicBool::new(false);
    let unbroken = tempfile::tempdir().unwrap();
    run(&config, &options(unbroken.path()), &mut |_| {}, &never).unwrap();
    let expected = traces(unbroken.path(), &config);
    let back = went_back_to(&expected.2);
    assert!(back.len() >= 3 && back.iter().all(|&step| step > 0), "the run does go back: {back:?}");
    let finish = |root: &Path| {
        run(&config, &options(root), &mut |_| {}, &never).unwrap();
        let found = traces(root, &config);
        assert_eq!(found.2, expected.2, "metrics");
        assert!(found.0 == expected.0, "weights, influence and everything else of the checkpoint");
        assert!(found.1 == expected.1, "the model");
    };
    let program = std::env::current_exe().unwrap();
    let mut aborted = 0;
    let mut killed = tempfile::tempdir().unwrap();
    for kill in 0..100 {
        // Half of the processes die a few windows after a rollback, the others at a random moment. The time between
        // checkpoints is random too: there may be none between rollback and kill, or so many that a kill hits one.
        let mut child = child_command(&program, killed.path(), ROLLING);
        child.env("RTRL_TEST_CHECKPOINT_EVERY", (rng.next_u64() % 20_000).to_string());
        if kill % 2 == 0 {
            child.env("RTRL_TEST_ABORT_AFTER", (rng.next_u64() % 25).to_string());
        }
        let mut child = child.stderr(Stdio::piped()).spawn().unwrap();
        if kill % 2 == 1 {
            std::thread::sleep(Duration::from_micros(3000 + rng.next_u64() % 40_000));
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        aborted += usize::from(kill % 2 == 0 && output.status.code().is_none());
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!message.contains("ERROR"), "kill {kill}: {message}");
        if output.status.success() {
            // The run has come to its end. The next one begins from the start, so that each kill can hit a run in
            // progress.
            finish(killed.path());
            killed = tempfile::tempdir().unwrap();
        }
    }
    assert!(aborted > 25, "{aborted} runs have ended right after going back");
    finish(killed.path());
}

/// The same without randomness: there is a checkpoint between the state that the run goes back to and the step that
/// diverges, and none after it.
#[test]
fn a_run_that_is_killed_after_going_back_goes_on() {
    let config = rolling(20);
    let unbroken = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let mut progress = |progress: Progress| told.push(progress);
    run(&config, &options(unbroken.path()), &mut progress, &AtomicBool::new(false)).unwrap();
    let first = told.iter().position(went_back).unwrap();
    // The step of the last window before the rollback.
    let (last, back) = (told[first - 1].step, told[first].step);
    assert!(last > back + 20, "from {last} to {back}");
    let killed = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let mut interrupt = |p: Progress| stop.store(p.step >= last, Ordering::Relaxed);
    assert_eq!(run(&config, &options(killed.path()), &mut interrupt, &stop).unwrap(), Outcome::Interrupted);
    let mut child = child_command(&std::env::current_exe().unwrap(), killed.path(), ROLLING);
    child.env("RTRL_TEST_CHECKPOINT_EVERY", "3600000000").env("RTRL_TEST_ABORT_AFTER", "3");
    assert!(child.output().unwrap().status.code().is_none(), "it has aborted");
    run(&config, &options(killed.path()), &mut |_| {}, &AtomicBool::new(false)).unwrap();
    assert!(traces(killed.path(), &config) == traces(unbroken.path(), &config));
}

#[test]
fn a_run_that_may_not_go_back_any_more_says_so_as_often_as_it_is_asked() {
    let config = rolling(1);
    // The last step before the rollback.
    let (mut last, mut first) = (0, None);
    let mut watch = |p: Progress| {
        if went_back(&p) {
            first.get_or_insert(last);
        }
        last = p.step;
    };
    let other = tempfile::tempdir().unwrap();
    run(&config, &options(other.path()), &mut watch, &AtomicBool::new(false)).unwrap_err();
    let first = first.expect("it goes back once");
    let root = tempfile::tempdir().unwrap();
    let options = RunOptions { checkpoint_every: Duration::from_secs(3600), ..options(root.path()) };
    let mut messages = Vec::new();
    for call in 0..3 {
        let stop = AtomicBool::new(false);
        // The first call stops just before the rollback, with a checkpoint.
        let mut interrupt = |p: Progress| {
            stop.store(call == 0 && p.step == first, Ordering::Relaxed);
        };
        match run(&config, &options, &mut interrupt, &stop) {
            Ok(outcome) => assert_eq!(outcome, Outcome::Interrupted),
            Err(error) => {
                assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
                messages.push(error.to_string());
            }
        }
    }
    assert!(messages.len() == 2 && messages.iter().all(|message| *message == messages[0]), "{messages:?}");
}

/// Undone records are not read, although they are in the file.
#[test]
fn steps_that_were_undone_are_not_read() {
    let config = rolling(20);
    let root = tempfile::tempdir().unwrap();
    run(&config, &options(root.path()), &mut |_| {}, &AtomicBool::new(false)).unwrap();
    let written = traces(root.path(), &config).2;
    let read = read_metrics(&root.path().join(config.folder()).join("metrics.jsonl")).unwrap();
    assert_eq!(went_back_to(&read), went_back_to(&written));
    let steps = |records: &[Record]| records.iter().map(|record| record.step).collect::<Vec<_>>();
    assert!(steps(&read).is_sorted() && !steps(&written).is_sorted());
    let measured: Vec<_> = read.iter().filter(|record| record.error.is_some()).map(|r| r.step).collect();
    assert_eq!(measured, (1..=100).map(|i| 6 * i).collect::<Vec<_>>(), "each step once");
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
        // Rises by the warm-up, and falls along the cosine.
        assert!(rates[5] < 0.008 && rates[20] > 0.009 && *rates.last().unwrap() < 1e-5, "{rates:?}");
        assert!(traces(stopped.path(), &config) == traces(unbroken.path(), &config));
    }
}

/// A limit on the size of files stands in for a full disk: it takes the same error path and needs no right to
/// mount.
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
    // The limit is in blocks of 512 bytes: half of a checkpoint. The signal is ignored, so that writing returns an
    // error.
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

/// A run's folder is named by the hash of its configuration. An earlier run must be found again, and a run with
/// other numbers must not.
#[test]
fn a_run_is_named_by_the_version_and_its_configuration() {
    let config = rolling(20);
    let json = config.to_json();
    // `steps` became optional and is written as before. `scope` is left out unless it is set.
    assert!(json.contains(r#""window":2,"steps":600,"seed":3"#) && !json.contains("scope"), "{json}");
    let digest = Sha256::digest(format!("{CONFIG_VERSION}\n{json}"));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((config.hash(), config.folder()), (digest.clone(), format!("chaos-{}", &digest[..12])));
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
    // A finished run does not need its text any more.
    std::fs::remove_file(&text).unwrap();
    assert!(matches!(go_on().unwrap(), Outcome::Finished(_)));
}

#[test]
fn a_model_is_read_from_models_and_checkpoints() {
    let config = &configs()[1];
    let root = tempfile::tempdir().unwrap();
    run(config, &options(root.path()), &mut |_| {}, &AtomicBool::new(false)).unwrap();
    let folder = root.path().join(config.folder());
    let (model, checkpoint) =
        (Model::load(&folder.join("model")).unwrap(), Model::load(&folder.join("checkpoint")).unwrap());
    assert_eq!((model.run(), model.net()), (Some(config), &config.net));
    assert_eq!((model.weights(), model.masks()), (checkpoint.weights(), checkpoint.masks()));
    assert_eq!(model.readout().parameters(), checkpoint.readout().parameters());
    let initial = Model::new(config, model.signals().0, model.signals().1).unwrap();
    assert_ne!(model.masks(), initial.masks(), "the masks are those that training has left");
    let error = Model::load(&folder.join("result.json")).err().unwrap();
    assert!(error.to_string().contains("not a checkpoint"), "{error}");
}
