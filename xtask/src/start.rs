//! Programs of the workspace that `cargo xtask` starts. They are compiled only when they are called, so that
//! `cargo xtask new`, `fmt` and `ci` do not wait for them.

use std::ffi::OsString;
use std::process::Command;

use crate::nightly::{Failure, root};

/// `cargo xtask reproduce`.
///
/// # Errors
/// If the program cannot be started. One that fails has written its own message.
pub fn reproduce(words: &[OsString]) -> Result<(), Failure> {
    start(&["--release", "--package", "rtrl-reproduce"], &[], words)
}

/// `cargo xtask bench`.
///
/// # Errors
/// As [`reproduce`].
pub fn bench(words: &[OsString]) -> Result<(), Failure> {
    start(&["--release", "--package", "rtrl-benches", "--bin", "rtrl-bench"], &[], words)
}

/// A command of the program `rtrl`.
///
/// # Errors
/// As [`reproduce`].
pub fn rtrl(command: &str, words: &[OsString]) -> Result<(), Failure> {
    start(&["--release", "--package", "rtrl-cli"], &[command], words)
}

/// `cargo xtask figures`, in the profile of the tests: what they have compiled is not compiled again.
///
/// # Errors
/// As [`reproduce`].
pub fn figures() -> Result<(), Failure> {
    start(&["--package", "rtrl-figures"], &[], &[])
}

/// Runs a program of the workspace in the folder of the caller.
fn start(which: &[&str], first: &[&str], words: &[OsString]) -> Result<(), Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--manifest-path"]).arg(root().join("Cargo.toml"));
    command.args(which).arg("--").args(first).args(words);
    become_program(&mut command)
}

/// Puts the program into the place of this one, so that signals reach it alone and its exit status is the caller's.
#[cfg(unix)]
fn become_program(command: &mut Command) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt;
    Err((1, format!("cannot start cargo: {}", command.exec())))
}

/// Waits for the program and ends with its exit status.
#[cfg(not(unix))]
fn become_program(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| (1, format!("cannot start cargo: {error}")))?;
    std::process::exit(status.code().unwrap_or(1))
}
