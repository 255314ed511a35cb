//! A run records its levels of instructions, and reports when they change.

#![allow(missing_docs)]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rtrl_sparse::Level;
use rtrl_train::{Outcome, Progress, RunConfig, RunOptions, Summary, read_summary, run};

fn config() -> RunConfig {
    let text = r#"
        task = { kind = "copy" }
        layers = [{ kind = "gru", units = 8 }]
        estimator = { kind = "snap", order = 1 }
        optimizer = { kind = "adam", learning_rate = 0.01 }
        training = { lanes = 1, window = 1, steps = 40, seed = 7 }
    "#;
    RunConfig::from_toml(text, "test").unwrap()
}

/// Makes the run up to `last`. Returns the summary, and `resumed_from` of each window.
fn up_to(last: u64, root: &Path) -> (Option<Summary>, Vec<Option<String>>) {
    let (stop, mut said) = (AtomicBool::new(false), Vec::new());
    let mut progress = |progress: Progress| {
        stop.store(progress.step == last, Ordering::Relaxed);
        said.push(progress.resumed_from);
    };
    match run(&config(), &RunOptions::new(root), &mut progress, &stop).unwrap() {
        Outcome::Finished(summary) => (Some(*summary), said),
        Outcome::Interrupted => (None, said),
    }
}

#[test]
fn a_run_that_is_resumed_with_other_instructions_says_so() {
    let now = Level::current().to_string();
    let root = tempfile::tempdir().unwrap();
    up_to(10, root.path());
    let (summary, said) = up_to(0, root.path());
    assert!(said.iter().all(Option::is_none), "the same instructions are nothing to speak of");
    assert_eq!(summary.unwrap().instructions, now);

    if Level::available().count() < 2 {
        eprintln!("this processor has one level of instructions: nothing more to see");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    Level::Baseline.force(|| up_to(10, root.path()));
    let (_, said) = up_to(20, root.path());
    assert!(said.iter().all(|said| said.as_deref() == Some("baseline")), "{said:?}");
    let (_, said) = Level::Baseline.force(|| up_to(30, root.path()));
    assert!(said.iter().all(|said| *said == Some(now.clone())), "{said:?}");
    let (summary, _) = up_to(0, root.path());
    assert_eq!(summary.unwrap().instructions, format!("baseline, {now}"), "each once, the last one last");
}

/// Results of older versions, which recorded less, can be read.
#[test]
fn older_results_are_read() {
    let root = tempfile::tempdir().unwrap();
    up_to(0, root.path());
    let folder = root.path().join(config().folder());
    let path = folder.join("result.json");
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert!(json.as_object_mut().unwrap().remove("instructions").is_some());
    std::fs::write(&path, json.to_string()).unwrap();
    let older = read_summary(&folder).unwrap();
    assert_eq!(older.instructions, "");
    // The result is accepted, and the run is not made again.
    let (again, said) = up_to(0, root.path());
    assert!(again == Some(older) && said.is_empty());
}
