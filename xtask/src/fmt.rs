//! `cargo xtask fmt`: formats every Rust file of the workspace.

use std::path::PathBuf;
use std::process::Command;

use crate::nightly::root;

/// All Rust files of the workspace, in order. `cargo fmt` finds only files that a `mod` line names, not those that
/// the macro of a registry declares.
///
/// # Errors
/// If a folder cannot be read.
pub fn sources() -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["crates", "examples", "xtask", "benches", "python"].map(|name| root().join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Formats all files, or only says which are not formatted.
///
/// # Errors
/// If `check` finds a file that is not formatted, a file is not Rust, or `rustfmt` cannot be started.
pub fn run(check: bool) -> Result<(), String> {
    let mut command = Command::new("rustfmt");
    command.args(["--edition", "2024"]).args(check.then_some("--check")).args(sources()?);
    let status = command.current_dir(root()).status();
    match status.map_err(|error| format!("cannot start `rustfmt`: {error}"))?.success() {
        true => Ok(()),
        false => Err("format failed: run `cargo xtask fmt`".to_string()),
    }
}
