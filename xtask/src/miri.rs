//! `cargo xtask miri`: tests under an interpreter that detects undefined behavior.

use crate::nightly::{self, Failure};

/// Runs the tests of `rtrl-sparse`, the only crate with `unsafe`. Miri offers neither AVX2 nor AVX-512, so the
/// kernels run at the baseline level.
///
/// # Errors
/// Status 2 if Miri is missing, with how to get it; 1 if a test fails.
pub fn run() -> Result<(), Failure> {
    nightly::require("miri", "rustup component add miri --toolchain nightly")?;
    let mut command = nightly::cargo(&["miri", "test", "--package", "rtrl-sparse", "--lib", "--tests"]);
    // No isolation: tests read files and the environment. Tree Borrows: rayon's queues break Stacked Borrows.
    // Leaks: rayon never frees its queues. Floats: functions such as `exp` must give the same results as outside
    // Miri.
    let flags =
        "-Zmiri-disable-isolation -Zmiri-tree-borrows -Zmiri-ignore-leaks -Zmiri-deterministic-floats";
    // Few cases of property tests: each takes a thousand times as long as outside Miri.
    command.env("MIRIFLAGS", flags).env("PROPTEST_CASES", "2");
    nightly::run(&mut command, "the tests of rtrl-sparse fail under Miri")
}
