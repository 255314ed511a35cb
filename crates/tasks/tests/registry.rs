//! Tasks as configuration files name them, and what every task owes its caller.

use std::path::Path;
use std::sync::Once;

use rtrl_checkpoint::{from_bytes, to_bytes};
use rtrl_tasks::chaos::System;
use rtrl_tasks::char_lm::Mode;
use rtrl_tasks::copy::{Averaging, Layout};
use rtrl_tasks::counting::{Language, Targets};
use rtrl_tasks::{
    AddingConfig, BuildTask, ChaosConfig, ChaosParameters, CharLmConfig, CopyConfig, CountingConfig, Part,
    RecallConfig, Signal, Step, TableConfig, Task, TaskConfig, TaskError,
};

const _: Option<&dyn Task> = None;

fn every_task() -> Vec<TaskConfig> {
    let char_lm = CharLmConfig { corpus_bytes: 20_000, ..CharLmConfig::default() };
    vec![
        TaskConfig::Copy(CopyConfig::default()),
        TaskConfig::Copy(CopyConfig { layout: Layout::Delimiter, ..CopyConfig::default() }),
        TaskConfig::CharLm(char_lm.clone()),
        TaskConfig::CharLm(CharLmConfig { mode: Mode::Stream, ..char_lm }),
        TaskConfig::Adding(AddingConfig { length: 12, spread: 4 }),
        TaskConfig::Recall(RecallConfig::default()),
        TaskConfig::Counting(CountingConfig::default()),
        TaskConfig::Counting(CountingConfig {
            language: Language::Dyck2,
            targets: Targets::Determined,
            depth: Some(3),
            ..CountingConfig::default()
        }),
        TaskConfig::Chaos(toml::from_str("shift_at = 60\nshift_every = 50\n[shifted]\nrho = 40").unwrap()),
        TaskConfig::Chaos(
            toml::from_str("system = 'mackey-glass'\nshift_at = 60\n[shifted]\ntau = 30").unwrap(),
        ),
        TaskConfig::Table(table("inputs = ['x', 'c']\ntargets = ['x', 'y']\nhorizon = 2")),
        TaskConfig::Table(table("inputs = 'c'\ntargets = 'c'\nat = 'end'\nleak = true")),
    ]
}

/// Twenty sequences of 3 to 22 rows.
fn table(text: &str) -> TableConfig {
    static WRITTEN: Once = Once::new();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("registry.csv");
    WRITTEN.call_once(|| {
        let row =
            |s: usize, t: usize| format!("s{s},{},{},{}\n", s + t * t, s * t % 7, ["a", "b"][(s + t) % 2]);
        let rows: String = (0..20).flat_map(|s| (0..3 + s).map(move |t| row(s, t))).collect();
        std::fs::write(&path, format!("id,x,y,c\n{rows}")).unwrap();
    });
    TableConfig { files: vec![path], sequence: Some("id".into()), ..toml::from_str(text).unwrap() }
}

#[test]
fn files_name_tasks_and_leave_out_defaults() {
    let read = |text: &str| toml::from_str::<TaskConfig>(text);
    assert_eq!(read("kind = 'copy'").unwrap(), TaskConfig::Copy(CopyConfig::default()));
    assert_eq!(read("kind = 'char-lm'").unwrap(), TaskConfig::CharLm(CharLmConfig::default()));
    let text = "kind = 'copy'\naveraging = 'copied-bits'\nthreshold = 0.2\nspread = 4\nlevel = 3\nlayout = 'delimiter'";
    let full = CopyConfig {
        averaging: Averaging::CopiedBits,
        threshold: 0.2,
        spread: 4,
        level: 3,
        layout: Layout::Delimiter,
        together: false,
    };
    assert_eq!(read(text).unwrap(), TaskConfig::Copy(full));
    let text = "kind = 'chaos'\nsystem = 'mackey-glass'\nshift_at = 9\nparameters = { tau = 20.5 }\nshifted.tau = 30";
    let tau = |tau| ChaosParameters { tau: Some(tau), ..ChaosParameters::default() };
    let chaos = ChaosConfig {
        system: System::MackeyGlass,
        shift_at: Some(9),
        parameters: tau(20.5),
        shifted: tau(30.0),
        ..ChaosConfig::default()
    };
    assert_eq!(read(text).unwrap(), TaskConfig::Chaos(chaos));
    for (wrong, word) in [
        ("kind = 'copy'\nspred = 4", "spred"),
        ("kind = 'char-lm'\nthreshold = 0.15", "threshold"),
        ("kind = 'cpoy'", "cpoy"),
        ("threshold = 0.15", "kind"),
        ("kind = 'copy'\naveraging = 'all'", "all"),
        ("kind = 'copy'\nspread = -1", "-1"),
        ("kind = 'chaos'\n[shifted]\nro = 40", "ro"),
        ("kind = 'table'\nmissing = 'first'", "first"),
        ("kind = 'counting'\nlanguage = 'dyck-3'", "dyck-3"),
    ] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let copy = "averaging = 'all-positions'\nthreshold = 0.15\nspread = 5\nlevel = 1\nlayout = 'echo'";
    assert_eq!(toml::from_str::<CopyConfig>(copy).unwrap(), CopyConfig::default());
    assert_eq!(toml::from_str::<AddingConfig>("length = 50\nspread = 0").unwrap(), AddingConfig::default());
    let recall = "symbols = 4\ndistractors = 4\ndelay = 20\nspread = 10";
    assert_eq!(toml::from_str::<RecallConfig>(recall).unwrap(), RecallConfig::default());
    let counting = "language = 'an-bn'\ntargets = 'all'\npairs = 10\nspread = 9";
    assert_eq!(toml::from_str::<CountingConfig>(counting).unwrap(), CountingConfig::default());
    assert_eq!(toml::from_str::<ChaosConfig>("system = 'lorenz'").unwrap(), ChaosConfig::default());
    let char_lm =
        "corpus_bytes = 2097152\ncorpus_seed = 0\nvalid_fraction = 0.05\nmode = 'crops'\ncrop = 128";
    assert_eq!(toml::from_str::<CharLmConfig>(char_lm).unwrap(), CharLmConfig::default());
    let table = "files = []\ninputs = []\ntargets = []\nat = 'row'\nclasses = false\ncategories = []\nscale = true
        missing = 'refuse'\nmissing_values = ['NA', 'N/A', 'NaN', 'null', 'None', '-', '?']\nvalid = 0.1\ntest = 0.1
        leak = false";
    assert_eq!(toml::from_str::<TableConfig>(table).unwrap(), TableConfig::default());
}

#[test]
fn configurations_survive_being_written() {
    for config in every_task() {
        assert_eq!(toml::from_str::<TaskConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
    }
}

#[test]
fn every_task_keeps_the_contract() {
    for config in every_task() {
        assert!(matches!(config.build(0, 1), Err(TaskError::NoLanes)));
        assert!(matches!(config.evaluation(Part::Valid, 0, None), Err(TaskError::NoLanes)));
        let mut tasks =
            vec![config.build(3, 1).unwrap(), config.build(3, 1).unwrap(), config.build(3, 2).unwrap()];
        tasks.extend(config.evaluation(Part::Valid, 3, None).unwrap().map(|evaluation| evaluation.task));
        let mut runs = Vec::new();
        for mut task in tasks {
            // Entries that a task forgets to overwrite would show as symbols or numbers out of range.
            let mut run = Vec::new();
            for t in 0..700 {
                let mut step = Step::new(&*task, 3);
                step.input.fill(9999);
                step.input_values.fill(f32::NAN);
                step.target.fill(Some(9999));
                step.target_values.fill(Some(f32::NAN));
                step.starts.fill(t > 0);
                task.next(&mut step).unwrap();
                match task.inputs() {
                    Signal::Symbols(n) => assert!(step.input.iter().all(|&symbol| (symbol as usize) < n)),
                    Signal::Values(_) => assert!(step.input_values.iter().all(|x| x.is_finite())),
                }
                match task.targets() {
                    Signal::Symbols(n) => assert!(step.target.iter().flatten().all(|&s| (s as usize) < n)),
                    Signal::Values(_) => assert!(step.target_values.iter().flatten().all(|x| x.is_finite())),
                }
                assert!(t > 0 || step.starts == [true; 3], "{config:?}");
                task.report(&[0.5; 3]);
                run.push(step);
            }
            assert!(run.iter().any(|step| step.starts == [false; 3]), "{config:?}");
            runs.push(run);
        }
        assert_eq!(runs[0], runs[1], "equal seeds");
        // A text that is read in order leaves nothing to chance.
        let chance = !matches!(&config, TaskConfig::CharLm(text) if text.mode == Mode::Stream);
        assert_eq!(runs[0] != runs[2], chance, "other seeds: {config:?}");
    }
}

/// Buffers of as many lanes, but for other signals.
#[test]
fn no_task_fills_the_step_of_another() {
    let build = |config: &TaskConfig| config.build(2, 1).unwrap();
    let mut refused = 0;
    for (config, other) in every_task().iter().flat_map(|a| every_task().into_iter().map(move |b| (a, b))) {
        let (mut task, other) = (build(config), build(&other));
        let kind = |signal| match signal {
            Signal::Symbols(_) => (true, 0),
            Signal::Values(n) => (false, n),
        };
        let signals = |task: &dyn Task| (kind(task.inputs()), kind(task.targets()));
        if signals(&*task) == signals(&*other) {
            continue;
        }
        let mut step = Step::new(&*other, 2);
        let call = std::panic::AssertUnwindSafe(|| task.next(&mut step).is_ok());
        let message = *std::panic::catch_unwind(call).unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("symbols and numbers of the step's"), "{config:?}: {message}");
        refused += 1;
    }
    assert!(refused > 40, "{refused}");
}

#[test]
fn every_task_goes_on_from_a_saved_state() {
    for config in every_task() {
        let mut tasks = vec![(config.build(3, 1).unwrap(), config.build(3, 2).unwrap())];
        let evaluation =
            || config.evaluation(Part::Valid, 3, None).unwrap().map(|evaluation| evaluation.task);
        tasks.extend(evaluation().zip(evaluation()));
        for (mut task, mut resumed) in tasks {
            for pause in [0, 1, 130, 57] {
                let steps = |task: &mut dyn Task| {
                    let mut step = Step::new(task, 3);
                    (0..pause)
                        .map(|_| {
                            task.next(&mut step).unwrap();
                            task.report(&[0.01; 3]);
                            step.clone()
                        })
                        .collect::<Vec<_>>()
                };
                steps(&mut *task);
                let saved = to_bytes(|archive| task.persist(archive)).unwrap();
                from_bytes(&saved, |archive| resumed.persist(archive)).unwrap();
                assert_eq!(steps(&mut *task), steps(&mut *resumed), "{config:?} after {pause} steps");
            }
        }
    }
}
