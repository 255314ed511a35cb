//! `cargo xtask miri`: tests under an interpreter that sees undefined behavior.

use crate::nightly::{self, Failure};

/// Everything unsafe is in `rtrl-sparse`; the other two read what comes from outside. Miri has no vector instructions, so
/// that the kernels run at the baseline level.
const CRATES: &[&str] = &["rtrl-sparse", "rtrl-checkpoint", "rtrl-tasks"];

/// Runs the tests of the crates that are unsafe, or read what comes from outside.
///
/// # Errors
/// Status 2 if Miri is missing, with how to get it; 1 if a test fails.
pub fn run() -> Result<(), Failure> {
    nightly::require("miri", "rustup component add miri --toolchain nightly")?;
    for name in CRATES {
        let mut command = nightly::cargo(&["miri", "test", "--package", name, "--lib", "--tests"]);
        // Files and the environment are the host's; rayon's queues keep Tree Borrows, not Stacked Borrows, and are never freed. A
        // case takes a thousand times as long as otherwise.
        let flags = "-Zmiri-disable-isolation -Zmiri-tree-borrows -Zmiri-ignore-leaks";
        command.env("MIRIFLAGS", flags).env("PROPTEST_CASES", "2");
        nightly::run(&mut command, &format!("the tests of {name} fail under Miri"))?;
    }
    Ok(())
}
