//! `rtrl train`, `eval`, `sample`, `inspect`, `generate` and `completions` as a user meets them.

#![allow(missing_docs)]

#[path = "commands/data.rs"]
mod data;
// The server of the tests of `rtrl-data`.
#[path = "../../data/tests/data/server.rs"]
#[allow(dead_code)]
mod server;
mod support;
#[path = "commands/sweep.rs"]
mod sweep;

use std::path::Path;

use support::{command, ended, good, good_bytes, refused, rtrl};

const LM: &str = r#"
task = { kind = "char-lm", crop = 20, corpus_bytes = 30000 }
layers = [{ kind = "gru", units = 24, sparsity = 0.5 }]
estimator = { kind = "snap", order = 1 }
optimizer = { kind = "adam", learning_rate = 0.01 }
training = { lanes = 8, window = 1, steps = 1500, seed = 1 }
"#;

const COPY: &str = r#"
task = { kind = "copy" }
layers = [{ kind = "vanilla", units = 8 }]
estimator = { kind = "rtrl" }
optimizer = { kind = "adam", learning_rate = 0.01 }
training = { lanes = 2, window = 1, steps = 40, seed = 1 }
"#;

/// A folder with a configuration, and its path.
fn with(config: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, config).unwrap();
    let path = path.to_str().unwrap().to_string();
    (folder, path)
}

/// Trains in `folder/runs`; the run's folder.
fn trained(folder: &Path, config: &str) -> String {
    let out = folder.join("runs");
    let output = good(&["train", config, "--out", out.to_str().unwrap()], "");
    output.split(": ").next().unwrap().to_string()
}

#[test]
fn a_text_model_is_trained_evaluated_and_sampled() {
    let (folder, config) = with(LM);
    let run = trained(folder.path(), &config);
    let bits = |args: &[&str]| -> f64 {
        good(&[&["eval", &run], args].concat(), "").split(' ').next().unwrap().parse().unwrap()
    };
    let result = std::fs::read_to_string(Path::new(&run).join("result.json")).unwrap();
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    let expected = result["valid_bits"].as_f64().unwrap();
    // Six decimals are printed.
    assert!((bits(&[]) - expected).abs() < 1e-6, "{expected}");
    assert!(expected < 3.5, "it has learned: {expected}");
    let other = folder.path().join("other.txt");
    std::fs::write(&other, "QZXJ#@!~|".repeat(500)).unwrap();
    assert!(bits(&["--text", other.to_str().unwrap()]) > 2.0 * expected, "a text that is unlike");

    let sample = |args: &[&str]| good_bytes(&[&["sample", &run, "--length", "300"], args].concat(), "");
    let first = sample(&["--prompt", "The "]);
    assert!(first.starts_with(b"The ") && first.len() == 304);
    assert_eq!(first, sample(&["--prompt", "The "]));
    assert_ne!(first, sample(&["--prompt", "The ", "--seed", "1"]));
    let likeliest = sample(&["--temperature", "0"]);
    assert_eq!(likeliest, sample(&["--temperature", "0", "--seed", "9"]));
    // What a net makes up is likelier to it than noise, and at a low temperature likelier still.
    let judged = |text: Vec<u8>| {
        let path = folder.path().join("sample.txt");
        std::fs::write(&path, text).unwrap();
        bits(&["--text", path.to_str().unwrap()])
    };
    let long = |t| good_bytes(&["sample", &run, "--length", "6000", "--temperature", t], "");
    let (cold, warm) = (judged(long("0.3")), judged(long("1.0")));
    assert!(cold < 0.7 * warm && warm < 1.2 * expected + 0.5, "{cold} {warm}");

    let text = good(&["inspect", &run], "");
    for part in
        ["one of 256 symbols", "24 units", "50.0 % of the recurrent weights", "SnAp-2", "* snap-1", "uoro"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_run_is_read_again_when_it_is_complete() {
    let (folder, config) = with(COPY);
    let run = trained(folder.path(), &config);
    let before = std::fs::read(Path::new(&run).join("result.json")).unwrap();
    assert_eq!(trained(folder.path(), &config), run);
    assert_eq!(std::fs::read(Path::new(&run).join("result.json")).unwrap(), before);
    assert!(good(&["eval", &run, "--steps", "50"], "").contains("50 new steps in 32 lanes"));
    let message = refused(&["sample", &run], "");
    assert!(message.contains("char-lm"), "{message}");
}

#[test]
fn bptt_that_goes_back_no_further_than_its_own_step_is_warned_of() {
    let bptt = COPY.replace("rtrl", "bptt");
    for (text, warned) in [(COPY, false), (&bptt, true), (&bptt.replace("window = 1", "window = 2"), false)] {
        let (folder, config) = with(text);
        let out = folder.path().join("runs");
        let output = rtrl(&["train", &config, "--out", out.to_str().unwrap()], "");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.success() && told.contains("warning: `bptt` with a window of 1") == warned,
            "{told}"
        );
        let told = good(&["inspect", &config], "");
        assert_eq!(told.contains("warning: `bptt` with a window of 1"), warned, "{told}");
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_is_told_to_stop_goes_on_to_the_same_end() {
    let long = COPY.replace("steps = 40", "steps = 20000");
    let (folder, config) = with(&long);
    let broken = folder.path().join("broken");
    let args = ["train", &config, "--out", broken.to_str().unwrap()];
    let mut child = command(&args).spawn().unwrap();
    let begun = |name: &str| {
        let folder = std::fs::read_dir(&broken).ok().and_then(|mut all| all.next()?.ok());
        folder.is_some_and(|folder| folder.path().join(name).is_file())
    };
    while !begun("metrics.jsonl") {
        assert!(child.try_wait().unwrap().is_none(), "it runs until it is stopped");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::thread::sleep(std::time::Duration::from_millis(50));
    let id = child.id().to_string();
    std::process::Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "what follows `&&` does not begin");
    assert!(!begun("result.json") && begun("checkpoint"), "it was stopped on its way");
    let ended = good(&args, "");
    let whole = trained(folder.path(), &config);
    let name = |line: &str| Path::new(line.split(": ").next().unwrap()).join("model");
    assert!(std::fs::read(name(&ended)).unwrap() == std::fs::read(name(&whole)).unwrap());
}

#[test]
fn a_run_that_another_process_makes_is_to_be_tried_again() {
    // Days: it is killed.
    let (folder, config) = with(&COPY.replace("steps = 40", "steps = 4000000000"));
    let out = folder.path().join("runs");
    let args = ["train", &config, "--out", out.to_str().unwrap()];
    let mut child = command(&args).spawn().unwrap();
    let metrics = || {
        let folder = std::fs::read_dir(&out).ok().and_then(|mut all| all.next()?.ok());
        folder.is_some_and(|folder| folder.path().join("metrics.jsonl").is_file())
    };
    while !metrics() {
        assert!(child.try_wait().unwrap().is_none(), "it runs until it is killed");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let message = ended(&args, "", 75);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(message.contains("another process is making the run"), "{message}");
}

#[test]
fn mistakes_are_told_with_file_line_and_field() {
    let cases = [
        (COPY.replace("steps = 40", "steps = 0"), "config.toml, line 6, column 45: `training.steps`"),
        (COPY.replace("steps = 40", "steps = -1"), "line 6, column 45: `training.steps`"),
        (COPY.replace("optimizer", "optimiser"), "config.toml, line 5"),
        (COPY.replace("\"rtrl\"", "\"rtrll\""), "rtrll"),
        (COPY.replace("units = 8", "units = 0"), "config.toml, line 3, column 39: layers: units"),
        (COPY.replace("units = 8", "units = -8"), "line 3, column 39: `layers.units`"),
        (COPY.replace("units = 8", "units = 'many'"), "line 3, column 39: `layers.units`"),
        (COPY.replace("units = 8", "unitz = 8"), "line 3, column 31: unknown field `unitz`"),
        (COPY.replace("units = 8", "units = 8, sparsity = 1.0"), "line 3, column 53: layers: recurrent"),
        (COPY.replace("0.01", "-0.01"), "line 5, column 46: `optimizer.learning_rate`"),
        (COPY.replace("\"copy\"", "\"char-lm\", text = \"no.txt\""), "line 2, column 35: there is no file"),
        (COPY.replace("task = { kind = \"copy\" }\n", ""), "`task`"),
        ("layers = [".to_string(), "config.toml, line 1"),
    ];
    for (config, part) in &cases {
        let (_folder, path) = with(config);
        for name in ["train", "inspect"] {
            let message = refused(&[name, &path], "");
            assert!(message.contains(part), "{name}: {message}");
        }
    }
    // Only what is trained needs its estimator.
    let (_folder, path) = with(&COPY.replace("\"rtrl\"", "\"snap\", order = 0"));
    assert!(refused(&["train", &path], "").contains("line 4, column 38: estimator: the order"));
    let (folder, config) = with(COPY);
    let here = folder.path().to_str().unwrap();
    let text = folder.path().join("text");
    std::fs::write(&text, "short").unwrap();
    let run = trained(folder.path(), &config);
    let nowhere = folder.path().join("no/folder");
    let nowhere = nowhere.to_str().unwrap();
    let cases: [(&[&str], &str, i32); 11] = [
        (&["train", "/no/such/config"], "/no/such/config", 2),
        (&["eval", here], "run's folder", 2),
        (&["eval", &config], "not a checkpoint", 1),
        (&["eval", &run, "--text", text.to_str().unwrap()], "fits the net", 2),
        (&["eval", "/no/such/model"], "/no/such/model", 1),
        (&["sample", &config], "not a checkpoint", 1),
        (&["inspect", "/no/such/file"], "/no/such/file", 1),
        (&["generate", "lorenz", "--shift-at", "100", "--to-tau", "20"], "--to-tau", 2),
        (&["generate", "lorenz", "--dt", "-1"], "dt", 2),
        (&["sample", &run, "--length", "-5"], "invalid value '-5' for '--length", 2),
        (&["export", &run, nowhere], "folder does not exist", 2),
    ];
    for (args, part, status) in cases {
        let message = ended(args, "", status);
        assert!(message.contains(part), "{args:?}: {message}");
    }
    // The parser's own hints, in lines of their own.
    let message = refused(&["trian"], "");
    assert!(message.contains("'stream', 'train'") && message.contains("Usage:"), "{message}");
    let message = refused(&["stream", "--lerning-rate", "1"], "");
    assert!(message.contains("--learning-rate") && message.lines().count() > 2, "{message}");
    let runs = folder.path().join("none");
    let message = refused(&["train", &config, "--live", "--out", runs.to_str().unwrap()], "");
    assert!(message.contains("standard output is none") && !runs.exists(), "{message}");
}

#[test]
fn a_stream_can_be_inspected() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    good(&["stream", "--checkpoint", state.to_str().unwrap(), "--quiet"], "a,b\n1,2\n3,4\n5,6\n");
    let text = good(&["inspect", state.to_str().unwrap()], "");
    assert!(
        text.contains("a stream: reads a, b; predicts a, b") && text.contains("layer 0, lstm: 32 units"),
        "{text}"
    );
}

#[test]
fn generated_rows_shift_where_they_are_told_to() {
    let rows = |args: &[&str]| -> Vec<String> {
        let text = good(&[&["generate", "lorenz", "--rows", "60"], args].concat(), "");
        text.lines().skip(1).map(str::to_string).collect()
    };
    let (plain, shifted) = (rows(&[]), rows(&["--shift-at", "30"]));
    assert_eq!((plain.len(), shifted.len()), (60, 60));
    let first = plain.iter().zip(&shifted).position(|(a, b)| a != b);
    assert_eq!(first, Some(29), "row 30 is the first that differs");
    let json = good(&["generate", "mackey-glass", "--rows", "2", "--format", "json"], "");
    assert!(json.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["x"].is_f64()));
}

#[test]
fn help_has_examples_and_completions_are_written() {
    for name in ["stream", "generate", "train", "eval", "sample", "inspect", "completions"] {
        let help = good(&[name, "--help"], "");
        assert!(help.contains("Example") && help.contains(&format!("rtrl {name}")), "{name}: {help}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(good(&["completions", shell], "").contains("stream"), "{shell}");
    }
}

#[test]
fn metrics_go_to_other_tools() {
    let (folder, config) = with(COPY);
    let run = trained(folder.path(), &config);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    good(&["metrics", &run, &path("curve.csv")], "");
    let csv = std::fs::read_to_string(path("curve.csv")).unwrap();
    assert!(csv.starts_with("step,") && csv.lines().count() > 1, "{csv}");
    // The folder is made.
    good(&["metrics", &run, &path("board/events.out.tfevents.1")], "");
    assert!(std::fs::metadata(path("board/events.out.tfevents.1")).unwrap().len() > 100);
    assert!(refused(&["metrics", &run, &path("curve.xls")], "").contains("tfevents"));
}

#[test]
fn weights_that_go_on_learning_follow_a_text_that_is_unlike() {
    let (folder, config) = with(LM);
    let run = trained(folder.path(), &config);
    let other = folder.path().join("other.txt");
    std::fs::write(&other, "QZXJ#@!~|".repeat(500)).unwrap();
    let bits = |args: &[&str]| -> f64 {
        let text = good(&[&["eval", &run, "--text", other.to_str().unwrap()], args].concat(), "");
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let (resting, learning) = (bits(&[]), bits(&["--dynamic", "0.2"]));
    assert!(learning < 0.5 * resting, "{learning} learning, {resting} resting");
    assert!(refused(&["eval", &run, "--dynamic", "-1"], "").contains("learning_rate"));
}
