//! House rules that no compiler checks.

#![allow(missing_docs)]

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// All Rust files of the workspace.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["crates", "xtask", "benches"].map(|name| root().join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 50, "the sources are found");
    found
}

#[test]
fn crates_depend_along_the_arrows_of_the_architecture_page() {
    let allowed: [(&str, &[&str]); 8] = [
        ("crates/checkpoint", &[]),
        ("crates/sparse", &[]),
        ("crates/cells", &["rtrl-checkpoint", "rtrl-sparse"]),
        ("crates/estimators", &["rtrl-checkpoint", "rtrl-sparse", "rtrl-cells"]),
        ("crates/tasks", &["rtrl-checkpoint"]),
        ("crates/train", &["rtrl-checkpoint", "rtrl-sparse", "rtrl-cells", "rtrl-estimators", "rtrl-tasks"]),
        ("crates/rtrl", &["rtrl-sparse", "rtrl-cells", "rtrl-estimators", "rtrl-tasks", "rtrl-train"]),
        (
            "xtask",
            &["rtrl-benches", "rtrl-sparse", "rtrl-cells", "rtrl-estimators", "rtrl-tasks", "rtrl-train"],
        ),
    ];
    for (folder, arrows) in allowed {
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let dependencies = manifest["dependencies"].as_table().unwrap();
        for name in dependencies.keys().filter(|name| name.starts_with("rtrl")) {
            assert!(arrows.contains(&name.as_str()), "{folder} depends on {name}");
        }
        // And no crate depends on what it does not use.
        for name in dependencies.keys() {
            let word = name.replace('-', "_");
            let used = sources().iter().any(|path| {
                path.starts_with(root().join(folder).join("src"))
                    && std::fs::read_to_string(path).unwrap().contains(&word)
            });
            assert!(used, "{folder} depends on {name} and does not use it");
        }
    }
}

#[test]
fn unsafe_code_lives_in_the_kernels_alone() {
    let keyword = ["un", "safe "].concat();
    for path in sources() {
        let kernels = path.starts_with(root().join("crates/sparse/src/kernels"));
        let text = std::fs::read_to_string(&path).unwrap();
        let found = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .any(|line| line.contains(&keyword));
        assert!(!found || kernels, "{}", path.display());
    }
}

#[test]
fn files_stay_readable() {
    for path in sources() {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_sparse_crate_has_no_neural_word() {
    let words = ["neural", "neuron", "recurrent", "preactivation", "hidden state", "gated"];
    for path in sources().iter().filter(|path| path.starts_with(root().join("crates/sparse/src"))) {
        let text = std::fs::read_to_string(path).unwrap().to_lowercase();
        for word in words {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
    }
}
