//! Other users can read the files of a run, if the umask permits it.

#![allow(missing_docs)]
#![cfg(unix)]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rtrl_train::{MetricsFormat, RunConfig, RunOptions, export_metrics, run};

/// Not a test of its own: the body of the process with another umask.
#[test]
fn child() {
    let Ok(root) = std::env::var("RTRL_TEST_ROOT") else { return };
    let text = r#"
        task = { kind = "copy" }
        layers = [{ kind = "gru", units = 4 }]
        estimator = { kind = "bptt" }
        optimizer = { kind = "sgd", learning_rate = 0.01 }
        training = { lanes = 2, window = 4, steps = 40, seed = 0, log_every = 10 }
    "#;
    let config = RunConfig::from_toml(text, "test").unwrap();
    let options = RunOptions {
        checkpoint_every: Duration::ZERO,
        keep_checkpoint: true,
        ..RunOptions::new(Path::new(&root))
    };
    run(&config, &options, &mut |_| {}, &AtomicBool::new(false)).unwrap();
    let folder = Path::new(&root).join(config.folder());
    export_metrics(&folder, MetricsFormat::Csv, &folder.join("metrics.csv")).unwrap();
}

#[test]
fn every_file_of_a_run_has_the_mode_that_the_umask_gives() {
    for (umask, expected) in [("022", 0o644), ("027", 0o640)] {
        let root = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh");
        child.args(["-c", &format!("umask {umask}; exec \"$0\" child --exact")]);
        child.arg(std::env::current_exe().unwrap()).env("RTRL_TEST_ROOT", root.path());
        assert!(child.output().unwrap().status.success());
        let folder = std::fs::read_dir(root.path()).unwrap().next().unwrap().unwrap().path();
        let mode = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            (entry.file_name().into_string().unwrap(), mode)
        };
        let modes: BTreeMap<_, _> = std::fs::read_dir(folder).unwrap().map(mode).collect();
        let names =
            ["checkpoint", "config.toml", "lock", "metrics.csv", "metrics.jsonl", "model", "result.json"];
        assert_eq!(modes, names.map(|name| (name.to_string(), expected)).into(), "umask {umask}");
    }
}
