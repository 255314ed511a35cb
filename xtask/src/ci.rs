//! `cargo xtask ci`: what every change must pass.

use std::process::Command;

/// One check: its name and its `cargo` command.
struct Check {
    name: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

/// The checks after that of the format, the cheapest first.
const CHECKS: &[Check] = &[
    Check {
        name: "clippy",
        arguments: &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        environment: &[],
    },
    Check {
        name: "rtrl-sparse without its features",
        arguments: &["check", "--package", "rtrl-sparse", "--no-default-features", "--all-targets"],
        environment: &[],
    },
    Check { name: "tests", arguments: &["test", "--workspace"], environment: &[] },
    Check {
        name: "docs",
        arguments: &["doc", "--workspace", "--no-deps"],
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
    },
];

/// Runs every check until one fails, and says which.
///
/// # Errors
/// The name of the check that failed, or that `cargo` could not be started.
pub fn run(skip_tests: bool) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    eprintln!("== format: cargo xtask fmt");
    crate::fmt::run(true)?;
    for check in CHECKS.iter().filter(|check| !(skip_tests && check.name == "tests")) {
        let command = format!("cargo {}", check.arguments.join(" "));
        eprintln!("== {}: {command}", check.name);
        let status = Command::new(&cargo)
            .args(check.arguments)
            .envs(check.environment.iter().copied())
            .status()
            .map_err(|error| format!("cannot start `{command}`: {error}"))?;
        if !status.success() {
            return Err(format!("{} failed: run `{command}` to see it alone", check.name));
        }
    }
    Ok(())
}
