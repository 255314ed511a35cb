//! `cargo xtask reproduce` as a user meets it.

use std::path::Path;
use std::process::{Command, Output};

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rtrl-reproduce")).args(arguments).output().unwrap()
}

/// Asserts a refusal: exit status 2, one line that contains `words`, and no trace of it in `out`.
#[track_caller]
fn refused(arguments: &[&str], words: &[&str], out: &Path) {
    let output = program(arguments);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    assert_eq!(message.trim_end().lines().count(), 1, "{arguments:?}: {message}");
    assert!(words.iter().all(|word| message.contains(word)), "{arguments:?}: {message}");
    assert!(!out.exists(), "{arguments:?} left something behind");
}

#[test]
fn bad_input_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let out = path("out");
    let to = |arguments: &[&str], words: &[&str]| {
        let arguments: Vec<&str> = [&["--out", &out], arguments].concat();
        refused(&arguments, words, Path::new(&out));
    };
    std::fs::write(path("empty.txt"), "").unwrap();
    std::fs::write(path("short.txt"), "a few words").unwrap();
    to(&["nonsense"], &["no experiment `nonsense`", "equivalence, costs, memory, lm-dense"]);
    to(&["--jobs", "0"], &["--jobs", "at least 1"]);
    to(&["--seeds", "0"], &["--seeds", "at least 1"]);
    to(&["lm-dense", "--text", &path("missing.txt")], &["missing.txt"]);
    to(&["lm-dense", "--text", &path("empty.txt")], &["empty.txt", "empty"]);
    to(&["lm-dense", "--text", &path("short.txt")], &["short.txt"]);
    to(&["lm-dense", "--text", dir.path().to_str().unwrap()], &["not a"]);
    to(&["copy-sparse", "--text", &path("short.txt")], &["--text", "lm"]);
    let blocked = path("short.txt");
    let output = program(&["copy-sparse", "--out", &blocked]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("--out") && message.lines().count() == 1, "{message}");
    to(&["--profile", "huge"], &["huge", "quick, standard, paper"]);
    to(&["--jobs", "x"], &["--jobs", "x"]);
    to(&["--seed", "1"], &["--seed", "--seeds"]);
}

#[test]
fn the_list_names_every_experiment() {
    let output = program(&["--list"]);
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(["equivalence", "copy-online", "continual"].iter().all(|name| text.contains(name)), "{text}");
}
