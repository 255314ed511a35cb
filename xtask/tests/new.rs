//! `cargo xtask new`: one file and one line, for a cell, an estimator, a task and an experiment.

#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every file that git knows or would add, by its path in the workspace.
fn tracked() -> Vec<PathBuf> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(list).current_dir(root()).output().unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    let paths = names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
    paths.filter(|path| root().join(path).is_file()).collect()
}

/// A copy of the workspace's files in `folder`. A file that is the same there stays as it is, so that cargo does not compile
/// it again; one that is no longer here goes.
fn copy(folder: &Path) {
    let files = tracked();
    assert!(files.len() > 100, "the workspace is a checkout");
    for old in texts(folder).keys().filter(|path| !files.contains(path)) {
        std::fs::remove_file(folder.join(old)).unwrap();
    }
    for path in files {
        let (from, to) = (root().join(&path), folder.join(&path));
        let bytes = std::fs::read(from).unwrap();
        if std::fs::read(&to).ok().as_ref() != Some(&bytes) {
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::write(to, bytes).unwrap();
        }
    }
}

/// All files of a copy that are text, but for what cargo makes.
fn texts(folder: &Path) -> BTreeMap<PathBuf, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_path_buf()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_path_buf();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                found.insert(name, text);
            }
        }
    }
    found
}

fn new(root: &Path, kind: &str, name: &str) -> Output {
    let arguments = ["new", kind, name, "--root", root.to_str().unwrap()];
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().unwrap()
}

/// What is added: its name, its files, and the file that has its line.
const ADDED: [(&str, &str, &[&str], &str); 4] = [
    ("cell", "gated-unit", &["crates/cells/src/gated_unit.rs"], "crates/cells/src/registry.rs"),
    ("estimator", "half-way", &["crates/estimators/src/half_way.rs"], "crates/estimators/src/registry.rs"),
    ("task", "first", &["crates/tasks/src/first.rs"], "crates/tasks/src/registry.rs"),
    (
        "experiment",
        "short-copy",
        &["crates/reproduce/experiments/short-copy.toml", "crates/reproduce/src/short_copy.rs"],
        "crates/reproduce/src/lib.rs",
    ),
];

/// Adds one of each to a copy, and counts what has changed: files that are its own, and one line elsewhere.
fn add_all(folder: &Path) {
    for (kind, name, files, registry) in ADDED {
        let before = texts(folder);
        let output = new(folder, kind, name);
        assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
        let after = texts(folder);
        let created: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
        assert_eq!(created, files.iter().map(Path::new).collect::<Vec<_>>(), "{kind}");
        let mut changed = 0;
        for (path, old) in &before {
            let new = &after[path];
            if old == new {
                continue;
            }
            assert_eq!(path, Path::new(registry), "{kind}");
            // The one line that is new, and all others in their order.
            let mut rest = old.lines();
            let added: Vec<_> = new
                .lines()
                .filter(|line| rest.clone().next() != Some(*line) || rest.next().is_none())
                .collect();
            assert!(rest.next().is_none() && added.len() == 1, "{kind}: {added:?}");
            changed += 1;
        }
        assert_eq!(changed, 1, "{kind}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(files.iter().all(|file| said.contains(file)) && said.contains("cargo test -p"), "{said}");
        // A second one of that name is refused, and changes nothing.
        let again = new(folder, kind, name);
        let message = String::from_utf8(again.stderr).unwrap();
        assert_eq!(again.status.code(), Some(2), "{message}");
        assert!(message.contains("exists"), "{message}");
        assert_eq!(texts(folder), after);
    }
}

#[test]
fn one_file_and_one_line() {
    let copied = tempfile::tempdir().unwrap();
    copy(copied.path());
    add_all(copied.path());
}

#[test]
fn names_that_are_taken_or_none_are_refused() {
    let copied = tempfile::tempdir().unwrap();
    copy(copied.path());
    let before = texts(copied.path());
    for (kind, name, words) in [
        ("cell", "gru", "exists"),
        ("cell", "vanilla-relu", "`vanilla_relu` stands in"),
        ("estimator", "snap", "exists"),
        ("estimator", "influence", "exists"),
        ("task", "copy", "exists"),
        ("experiment", "copy-sparse", "copy-sparse.toml exists"),
        ("experiment", "measured", "exists"),
        ("cell", "", "no name"),
        ("cell", "GatedUnit", "no name"),
        ("cell", "gated--unit", "no name"),
        ("cell", "2-gates", "no name"),
        ("cell", "gated-2", "no name"),
        ("cell", "gåte", "no name"),
        ("cell", "../gate", "no name"),
        ("cell", "match", "no name"),
        ("task", "template", "no name"),
        ("net", "gate", "estimator, task, experiment"),
    ] {
        let output = new(copied.path(), kind, name);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{kind} {name}: {message}");
        assert!(
            message.contains(words) && message.trim_end().lines().count() == 1,
            "{kind} {name}: {message}"
        );
    }
    assert_eq!(texts(copied.path()), before);
}

/// Many minutes: the workspace is compiled once more, with all four, and the tests that `cargo xtask new` names are run. It belongs
/// before a release (`docs/RELEASING.md`).
#[test]
#[ignore = "compiles the whole workspace once more"]
fn what_is_new_compiles_and_passes_the_tests_of_its_kind() {
    // In one place, so that only what changed is compiled again.
    let folder = root().join("target/new");
    copy(&folder);
    add_all(&folder);
    for arguments in [
        "check --workspace --all-targets",
        "test -p rtrl-estimators --test estimators",
        "test -p rtrl-tasks --test registry",
        "test -p rtrl --test builder --test book",
        "run -p xtask -- figures",
        "test -p rtrl-figures",
        "test -p rtrl-reproduce --lib",
    ] {
        let mut command = Command::new(env!("CARGO"));
        command
            .args(arguments.split(' '))
            .current_dir(&folder)
            .env("CARGO_TARGET_DIR", folder.join("target"));
        assert!(command.status().unwrap().success(), "cargo {arguments}");
    }
}
