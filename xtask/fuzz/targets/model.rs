//! The reader of models: the envelope, and behind a right checksum everything in it.
#![no_main]

use rtrl_fuzz::{checks, seed};

libfuzzer_sys::fuzz_target!(
    init: seed((0..checks::RUNS.len()).map(checks::model_file)),
    |file: &[u8]| checks::model(file)
);
