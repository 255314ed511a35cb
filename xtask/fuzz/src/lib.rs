//! What the fuzz targets share.

use std::path::Path;

/// The checks that the tests of `rtrl-train` make too, on bytes of their own.
#[path = "../../../crates/train/tests/any_bytes/checks.rs"]
pub mod checks;

/// The check that the tests of `rtrl-interchange` make too.
#[path = "../../../crates/interchange/tests/support/any_bytes.rs"]
pub mod tensors;

/// The check that the tests of `rtrl-tasks` make too.
#[path = "../../../crates/tasks/tests/table/any_bytes.rs"]
pub mod table;

/// Writes valid inputs for the fuzzer to begin with, into the folder that `RTRL_FUZZ_SEEDS` names.
pub fn seed(inputs: impl IntoIterator<Item = Vec<u8>>) {
    let Some(folder) = std::env::var_os("RTRL_FUZZ_SEEDS") else { return };
    for (index, input) in inputs.into_iter().enumerate() {
        let path = Path::new(&folder).join(format!("seed-{index}"));
        std::fs::write(&path, input)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }
}
