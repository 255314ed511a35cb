//! Tasks as configuration files name them, and what every task owes its caller.

use rtrl_tasks::copy::{Averaging, Layout};
use rtrl_tasks::{BuildTask, CharLmConfig, CopyConfig, Step, Task, TaskConfig, TaskError};

const _: Option<&dyn Task> = None;

fn every_task() -> Vec<TaskConfig> {
    let char_lm = CharLmConfig { corpus_bytes: 20_000, ..CharLmConfig::default() };
    vec![
        TaskConfig::Copy(CopyConfig::default()),
        TaskConfig::Copy(CopyConfig { layout: Layout::Delimiter, ..CopyConfig::default() }),
        TaskConfig::CharLm(char_lm),
    ]
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
    };
    assert_eq!(read(text).unwrap(), TaskConfig::Copy(full));
    for (wrong, word) in [
        ("kind = 'copy'\nspred = 4", "spred"),
        ("kind = 'char-lm'\nthreshold = 0.15", "threshold"),
        ("kind = 'cpoy'", "cpoy"),
        ("threshold = 0.15", "kind"),
        ("kind = 'copy'\naveraging = 'all'", "all"),
        ("kind = 'copy'\nspread = -1", "-1"),
    ] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let copy = "averaging = 'all-positions'\nthreshold = 0.15\nspread = 5\nlevel = 1\nlayout = 'echo'";
    assert_eq!(toml::from_str::<CopyConfig>(copy).unwrap(), CopyConfig::default());
    let char_lm = "corpus_bytes = 2097152\ncorpus_seed = 0\nvalid_fraction = 0.05\ncrop = 128";
    assert_eq!(toml::from_str::<CharLmConfig>(char_lm).unwrap(), CharLmConfig::default());
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
        assert!(matches!(config.evaluation(0, None), Err(TaskError::NoLanes)));
        let mut tasks =
            vec![config.build(3, 1).unwrap(), config.build(3, 1).unwrap(), config.build(3, 2).unwrap()];
        tasks.extend(config.evaluation(3, None).unwrap().map(|evaluation| evaluation.task));
        let mut runs = Vec::new();
        for mut task in tasks {
            // Entries that a task forgets to overwrite would show as symbols out of range.
            let (inputs, targets) = (task.inputs() as u32, task.targets() as u32);
            let mut run = Vec::new();
            for t in 0..700 {
                let mut step =
                    Step { input: vec![9999; 3], target: vec![Some(9999); 3], starts: vec![t > 0; 3] };
                task.next(&mut step).unwrap();
                assert!(step.input.iter().all(|&symbol| symbol < inputs), "{config:?}");
                assert!(step.target.iter().flatten().all(|&symbol| symbol < targets), "{config:?}");
                assert!(t > 0 || step.starts == [true; 3], "{config:?}");
                task.report(&[0.5; 3]);
                run.push(step);
            }
            assert!(run.iter().any(|step| step.starts == [false; 3]), "{config:?}");
            runs.push(run);
        }
        assert_eq!(runs[0], runs[1], "equal seeds");
        assert_ne!(runs[0], runs[2], "other seeds");
    }
}
