//! Cargo subcommands that need the nightly toolchain.

use std::path::Path;
use std::process::{Command, Stdio};

/// A message for the user and the exit status that goes with it.
pub type Failure = (u8, String);

/// The root folder of the workspace.
///
/// # Panics
/// Never: this package lies in a folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// `cargo +nightly`, in the workspace, whatever toolchain this runs under.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).args(arguments).current_dir(root());
    command
}

/// Checks that `rustup`, the nightly toolchain and a subcommand of Cargo are installed.
///
/// # Errors
/// Status 2, with how to get what is missing: `rustup`, the toolchain, or the subcommand by `install`.
pub fn require(subcommand: &str, install: &str) -> Result<(), Failure> {
    let works = |command: &mut Command| {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    };
    let missing = |what: &str, install: &str| Err((2, format!("{what} is missing: {install}")));
    if !works(Command::new("rustup").arg("--version")) {
        return missing("rustup", "see https://rustup.rs");
    }
    if !works(&mut cargo(&["--version"])) {
        return missing("the nightly toolchain", "rustup toolchain install nightly");
    }
    if !works(&mut cargo(&[subcommand, "--version"])) {
        return missing(&format!("cargo {subcommand}"), install);
    }
    Ok(())
}

/// Runs a command to its end.
///
/// # Errors
/// Status 1: with `failure` if the command fails, or with the reason why it cannot be started.
pub fn run(command: &mut Command, failure: &str) -> Result<(), Failure> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err((1, failure.to_string())),
        Err(error) => Err((1, format!("cannot start {command:?}: {error}"))),
    }
}
