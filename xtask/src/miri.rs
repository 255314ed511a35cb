//! `cargo xtask miri`: tests under an interpreter that sees undefined behavior.

use crate::nightly::{self, Failure};

/// Runs the tests of the kernels, the only crate with `unsafe` in it. Miri has no vector instructions, so that they run at the
/// baseline level.
///
/// # Errors
/// Status 2 if Miri is missing, with how to get it; 1 if a test fails.
pub fn run() -> Result<(), Failure> {
    nightly::require("miri", "rustup component add miri --toolchain nightly")?;
    let mut command = nightly::cargo(&["miri", "test", "--package", "rtrl-sparse", "--lib", "--tests"]);
    // Files and the environment are the host's; rayon's queues keep Tree Borrows, not Stacked Borrows, and are never freed;
    // functions of numbers give what they give elsewhere.
    let flags =
        "-Zmiri-disable-isolation -Zmiri-tree-borrows -Zmiri-ignore-leaks -Zmiri-deterministic-floats";
    // A case takes a thousand times as long as otherwise.
    command.env("MIRIFLAGS", flags).env("PROPTEST_CASES", "2");
    nightly::run(&mut command, "the tests of rtrl-sparse fail under Miri")
}
